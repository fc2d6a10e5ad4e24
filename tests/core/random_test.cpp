// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/core/random.hpp>

#include "catch.hpp"

using namespace stretto;

TEST_CASE("philox gives the published numbers") {
  CHECK(philox({{0, 0, 0, 0}}, 0, 0) == random_block{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  CHECK(philox({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffff, 0xffffffff) ==
        random_block{{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  CHECK(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0) ==
        random_block{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

static_assert(philox({{0, 0, 0, 0}}, 0, 0).word[0] == 0x6627e8d5, "it is a constant where that is wanted");

TEST_CASE("a number depends on seed, step, sample, layer and element, and on nothing else") {
  const random_stream r{1, 2, 3, 4};
  CHECK(r.bits(7) == random_stream{1, 2, 3, 4}.bits(7));
  CHECK(r.bits(7) != r.bits(8));
  CHECK(r.bits(7) != r.bits(7 + (std::int64_t{1} << 34)));
  CHECK(r.bits(7) != random_stream{2, 2, 3, 4}.bits(7));
  CHECK(r.bits(7) != random_stream{1, 3, 3, 4}.bits(7));
  CHECK(r.bits(7) != random_stream{1, 2, 4, 4}.bits(7));
  CHECK(r.bits(7) != random_stream{1, 2, 3, 5}.bits(7));
}

TEST_CASE("uniform numbers are from 0 to below 1, and a share of `rate` is dropped") {
  const random_stream r{5, 0, 0, 0};
  double sum = 0;
  int kept = 0;
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    const float u = r.uniform(i);
    REQUIRE((u >= 0 && u < 1));
    sum += static_cast<double>(u);
    kept += r.keeps(i, 0.25);
  }
  CHECK(sum / n == Catch::Approx(0.5).margin(0.005));         // five standard deviations
  CHECK(kept / double{n} == Catch::Approx(0.75).margin(0.007));
  CHECK(r.keeps(3, 0));
  CHECK_FALSE(r.keeps(3, 1));
}
