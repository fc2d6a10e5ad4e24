// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The loss scale step by step: it halves, doubles after its interval, keeps its bounds, and knows when it isn't to blame.
#include <cmath>
#include <string>

#include <stretto/train/loss_scale.hpp>

#include "catch.hpp"

using namespace stretto;

static_assert(next_scale(loss_scale{}, false).scale == 32768);

TEST_CASE("the scale halves at a step that is not finite and doubles after good steps in a row") {
  loss_scale s{.scale = 1024, .interval = 3};
  for (bool finite : {true, true}) s = next_scale(s, finite);
  CHECK(s.scale == 1024);
  s = next_scale(s, false);  // the count starts anew
  CHECK(s.scale == 512);
  CHECK(s.inverse() == 1.0 / 512);
  for (int i = 0; i < 2; ++i) s = next_scale(s, true);
  CHECK(s.scale == 512);
  s = next_scale(s, true);
  CHECK(s.scale == 1024);
  for (int i = 0; i < 3; ++i) s = next_scale(s, true);
  CHECK(s.scale == 2048);
}

TEST_CASE("the scale keeps its bounds") {
  loss_scale s{.scale = 8, .interval = 1, .lower = 3, .upper = 20};
  s = next_scale(next_scale(s, true), true);
  CHECK(s.scale == 20);
  for (int i = 0; i < 5; ++i) s = next_scale(s, false);
  CHECK(s.scale == 3);
}

TEST_CASE("a scale that can not fall says when it is hopeless") {
  loss_scale s{.scale = 2, .lower = 1};
  s = next_scale(s, false);
  CHECK_FALSE(s.hopeless(2));
  s = next_scale(s, false);
  CHECK(s.hopeless(2));
  CHECK_FALSE(next_scale(s, true).hopeless(1));
  loss_scale high{};
  for (int i = 0; i < 3; ++i) high = next_scale(high, false);
  CHECK_FALSE(high.hopeless(3));  // it can still fall
}

TEST_CASE("a constant scale stays") {
  loss_scale s{.scale = 128, .dynamic = false, .interval = 1};
  for (bool finite : {true, false, true}) s = next_scale(s, finite);
  CHECK(s.scale == 128);
  CHECK(next_scale(s, false).hopeless(1));
}

TEST_CASE("numbers of a loss scale that are no use are refused in words") {
  CHECK_NOTHROW(require_sound(loss_scale{}));
  for (loss_scale s : {loss_scale{.scale = 0}, loss_scale{.scale = std::nan("")}, loss_scale{.upper = 1e39}, loss_scale{.lower = 0}, loss_scale{.scale = 1e9}})
    CHECK_THROWS_WITH(require_sound(s), "stretto: a loss scale doesn't lie between its bounds, or they aren't numbers from above 0 to 3e38; give 0 < lower <= scale <= upper");
  for (loss_scale s : {loss_scale{.growth = 0.5}, loss_scale{.backoff = 2}, loss_scale{.interval = 0}})
    CHECK_THROWS_WITH(require_sound(s), "stretto: a loss scale's growth is not from 1 to 65536, its backoff not above 0 and at most 1, or its interval below 1; correct it");
}
