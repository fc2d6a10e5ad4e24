// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/cast.hpp>

#include "host/bounds.hpp"

using namespace stretto;

namespace {

template <class To, class From>
To one(From x, const cast_options& o = {}) {
  To y{};
  reference::cast(tensor_view<const From, 2>(&x, {{1, 1}}), tensor_view<To, 2>(&y, {{1, 1}}), o);
  return y;
}

}  // namespace

TEST_CASE("casts are to the nearest, to even where two are as near") {
  CHECK(static_cast<float>(one<bf16>(1.0f + 1.0f / 256)) == 1.0f);
  CHECK(static_cast<float>(one<bf16>(1.0f + 3.0f / 256)) == 1.0f + 4.0f / 256);
  CHECK(static_cast<float>(one<fp16>(1.0f + 1.0f / 2048)) == 1.0f);
  CHECK(static_cast<float>(one<fp16>(65519.0f)) == 65504.0f);
  CHECK(std::isinf(static_cast<float>(one<fp16>(65520.0f))));
  CHECK(one<double>(fp16(0.1f)) == static_cast<double>(static_cast<float>(fp16(0.1f))));
  CHECK(static_cast<float>(one<fp16>(bf16(3.0f))) == 3.0f);
}

TEST_CASE("casts of double round once") {
  // Rounded to float first, each would fall on the middle between two, and from there to the wrong one.
  CHECK(static_cast<float>(one<bf16>(1 + 1.0 / 256 + 1e-12)) == 1.0f + 1.0f / 128);
  CHECK(static_cast<float>(one<bf16>(1 + 3.0 / 256 - 1e-12)) == 1.0f + 1.0f / 128);
  CHECK(static_cast<float>(one<fp16>(-(1 + 1.0 / 2048 + 1e-12))) == -(1.0f + 1.0f / 1024));
  CHECK(std::isnan(static_cast<float>(one<bf16>(std::nan("")))));
  CHECK(std::isinf(static_cast<float>(one<bf16>(1e300))));
  CHECK(static_cast<float>(one<bf16>(1e-300)) == 0.0f);
}

TEST_CASE("what is rounded by chance has its own mean") {
  const auto check = [](auto to, float x) {
    using T = decltype(to);
    const std::int64_t n = 100000;
    const tensor<float, 2> many = test::numbers<float>(shape<2>{{n / 1000, 1000}}, 1, static_cast<double>(x), static_cast<double>(x));
    tensor<T, 2> y(many.extents());
    reference::cast(many, y, {.mode = rounding::stochastic, .stream = {5, 0, 0, 0}});
    double mean = 0, square = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double off = static_cast<double>(static_cast<float>(y.data()[i])) - static_cast<double>(x);
      mean += off / static_cast<double>(n), square += off * off / static_cast<double>(n);
    }
    INFO("rounding " << x << " mean error " << mean);
    CHECK(square > 0);
    CHECK(std::abs(mean) <= 4 * std::sqrt(square / static_cast<double>(n)));
    CHECK(square <= test::unit_in_last_place<T>(static_cast<double>(x)) * test::unit_in_last_place<T>(static_cast<double>(x)) + 1e-15);
  };
  for (float x : {1.001f, -3.14159f, 1234.567f, 1.0f + 1.0f / 1024, 1e-5f}) check(bf16{}, x);
  for (float x : {1.0001f, -3.14159f, 1234.567f, 1.0f + 1.0f / 8192, 1e-5f, 3.3e-7f}) check(fp16{}, x);
}

TEST_CASE("what needs no rounding stays, by chance too") {
  const auto check = [](auto to) {
    using T = decltype(to);
    for (std::uint32_t bits = 0; bits < 65536; bits += 7) {
      T was;
      was.bits = static_cast<std::uint16_t>(bits);
      const float wide = static_cast<float>(was);
      if (wide != wide) continue;
      CHECK(one<T>(wide).bits == bits);
      CHECK(one<T>(wide, {.mode = rounding::stochastic, .stream = {bits, 0, 0, 0}}).bits == bits);
    }
    CHECK(std::isnan(static_cast<float>(one<T>(std::numeric_limits<float>::quiet_NaN(), {.mode = rounding::stochastic}))));
    CHECK(std::isinf(static_cast<float>(one<T>(-std::numeric_limits<float>::infinity(), {.mode = rounding::stochastic}))));
  };
  check(bf16{});
  check(fp16{});
}
