// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/tensor/element.hpp>

#include <cmath>
#include <limits>

#include "catch.hpp"

using namespace stretto;

static_assert(static_cast<float>(bf16(1.0f)) == 1.0f && static_cast<float>(fp16(1.5f)) == 1.5f, "elements are constants where that is wanted");
static_assert(real_element<const bf16> && !real_element<std::int32_t> && !element<const char*>);

namespace {

/// The nearest of all finite numbers of T, to even in the middle, found by going through all of them.
template <class T>
std::uint16_t nearest(double x) {
  std::uint16_t best = 0;
  double off = std::numeric_limits<double>::infinity();
  for (unsigned b = 0; b < 65536; ++b) {
    T t;
    t.bits = static_cast<std::uint16_t>(b);
    const double d = std::abs(static_cast<double>(static_cast<float>(t)) - x);
    if (d < off || (d == off && (b & 1u) == 0 && std::signbit(static_cast<float>(t)) == std::signbit(x))) off = d, best = t.bits;
  }
  return best;
}

}  // namespace

TEST_CASE("numbers of sixteen bits go to float and back unchanged, all of them") {
  int changed = 0;
  for (unsigned b = 0; b < 65536; ++b) {
    bf16 x;
    fp16 y;
    x.bits = y.bits = static_cast<std::uint16_t>(b);
    const float u = x, v = y;
    if (!std::isnan(u) && bf16::round(u) != b) ++changed;
    if (!std::isnan(v) && fp16::round(v) != b) ++changed;
    if (std::isnan(u) && !std::isnan(static_cast<float>(bf16(u)))) ++changed;
    if (std::isnan(v) && !std::isnan(static_cast<float>(fp16(v)))) ++changed;
  }
  CHECK(changed == 0);
}

TEST_CASE("floats are rounded to the nearest, to even in the middle, down to the smallest and up to infinity") {
  for (const float x : {1.00390625f, 1.01171875f, 3.14159265f, -0.1f, 1e-40f, 6e-8f, 2.9e-8f, 3.1e-8f, 65519.0f, 1e-5f, 1234.5f, -2049.0f, 0.0f}) {
    CHECK(bf16::round(x) == nearest<bf16>(static_cast<double>(x)));
    CHECK(fp16::round(x) == nearest<fp16>(static_cast<double>(x)));
  }
  CHECK(std::isinf(static_cast<float>(fp16(65520.0f))));
  CHECK(static_cast<float>(fp16(65519.99f)) == 65504.0f);
  CHECK(std::isinf(static_cast<float>(bf16(3.4e38f))));
  CHECK(bf16::round(-0.0f) == 0x8000);
  CHECK(fp16::round(-0.0f) == 0x8000);
}

TEST_CASE("types have names") {
  CHECK(element_name(element_traits<bf16>::type) == "bf16");
  CHECK(element_name(element_traits<double>::type) == "fp64");
  CHECK(element_name(element_traits<bool>::type) == "bool");
}
