// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/simd.hpp>

#include <algorithm>
#include <cstring>

#include "bounds.hpp"

#define STRETTO_KERNELS "host/simd_test.inl"
#include <stretto/host/each_isa.inl>

using namespace stretto;
using namespace test;

namespace {

template <class F>
void with_each(F f) {
  for (const host::isa level : levels()) {
    INFO(host::isa_name(level));
    const host::queue q({.most = level});
    f(q.pick(&host::portable::functions_of, &host::avx2::functions_of, &host::avx512::functions_of), q.pick(&host::portable::moves_of, &host::avx2::moves_of, &host::avx512::moves_of));
  }
}

double units_off(float got, double truth) { return std::abs(static_cast<double>(got) - truth) / std::max(unit_in_last_place<float>(truth), 0x1p-149); }

}  // namespace

TEST_CASE("exp, logistic, tanh and erf are within 2.5 units in the last place") {
  with_each([](auto functions, auto) {
    double worst[4] = {};
    for (float x = -30; x < 30; x += 0.0037f) {
      float got[4];
      functions(x, got);
      const double d = static_cast<double>(x), truth[4] = {std::exp(d), 1 / (1 + std::exp(-d)), std::tanh(d), std::erf(d)};
      for (int i = 0; i < 4; ++i) worst[i] = std::max(worst[i], units_off(got[i], truth[i]));
    }
    for (const double w : worst) CHECK(w < 2.5);
  });
}

TEST_CASE("functions of lanes end where those of cmath do, and pass on what is no number") {
  with_each([](auto functions, auto) {
    float got[4];
    const float infinite = std::numeric_limits<float>::infinity();
    functions(infinite, got);
    CHECK(std::isinf(got[0]));
    CHECK(got[1] == 1);
    CHECK(got[2] == 1);
    CHECK(got[3] == 1);
    functions(-infinite, got);
    CHECK(got[0] == 0);
    CHECK(got[1] == 0);
    CHECK(got[2] == -1);
    CHECK(got[3] == -1);
    functions(std::numeric_limits<float>::quiet_NaN(), got);
    for (const float g : got) CHECK(std::isnan(g));
    functions(-87.3f, got);
    CHECK(units_off(got[0], std::exp(static_cast<double>(-87.3f))) < 2.5);
    functions(-87.4f, got);
    CHECK(got[0] == 0);  // not a number below the smallest normal one
    functions(88.7f, got);
    CHECK(units_off(got[0], std::exp(static_cast<double>(88.7f))) < 2.5);
    functions(0, got);
    CHECK(got[0] == 1);
    CHECK(got[3] == 0);
  });
}

TEST_CASE("lanes load and store every type as it rounds, and no more of them than they are told") {
  with_each([](auto, auto moves) {
    int wrong = 0;
    for (std::uint64_t b = 0; b <= 0xffffffffu; b += 399989) {
      const float x = std::bit_cast<float>(static_cast<std::uint32_t>(b));
      for (const int n : {0, 1, 3, 7, 15, 16}) wrong += moves(x, n);
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("a queue uses no more instructions than it is told, and no more than there are") {
  for (const host::isa level : levels()) CHECK(host::queue({.most = level}).level() == level);
  CHECK(host::queue().level() == host::this_cpu().best);
  CHECK(!host::this_cpu().kind.empty());
}

TEST_CASE("work is shared in whole grains, each number once, with any number of threads") {
  struct marks {
    int* seen;
    std::int64_t grain;
  };
  for (const int threads : {1, 2, 3, 7})
    for (const std::int64_t n : {0, 1, 5, 64, 101})
      for (const std::int64_t grain : {1, 4, 1000}) {
        host::queue q({.threads = threads});
        int seen[101] = {};
        void (*const kernel)(const marks&, std::int64_t, std::int64_t, const host::worker&) = [](const marks& m, std::int64_t first, std::int64_t last, const host::worker& w) {
          if (first % m.grain != 0 || w.scratch == nullptr) m.seen[first] += 100;
          w.scratch[0] = 1;
          for (std::int64_t i = first; i < last; ++i) ++m.seen[i];
        };
        for (int again = 0; again < 3; ++again) q.split(n, grain, kernel, marks{seen, grain});
        for (std::int64_t i = 0; i < 101; ++i) CHECK(seen[i] == (i < n ? 3 : 0));
      }
}
