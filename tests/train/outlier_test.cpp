// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scores against a window of known mean and deviation, quiet while it fills, and forgetful of what is old.
#include <cmath>
#include <limits>

#include <stretto/train/outlier.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

/// Mean 10, deviation 2.
outlier_window known_window() {
  outlier_window w;
  for (int i = 0; i < outlier_window::size; ++i) w.take(i % 2 == 0 ? 8 : 12);
  return w;
}

}  // namespace

TEST_CASE("a score counts deviations above the mean of the last 128") {
  outlier_window w = known_window();
  CHECK(w.full());
  CHECK(w.score(16) == Catch::Approx(3));
  CHECK(w.score(4) == Catch::Approx(-3));
  CHECK(w.take(10) == Catch::Approx(0));
}

TEST_CASE("the first window is quiet") {
  outlier_window w;
  for (int i = 0; i < outlier_window::size; ++i) CHECK(w.take(i == 100 ? 1e9 : 1) == 0);
  CHECK(w.take(1) != 0);
}

TEST_CASE("a level that stays is soon no outlier") {
  outlier_window w = known_window();
  CHECK(w.take(100) > 40);
  for (int i = 0; i < outlier_window::size; ++i) w.take(100);
  CHECK(std::abs(w.score(100)) < 1e-3);
}

TEST_CASE("what is not finite is an outlier at once and does not join") {
  outlier_window w;
  CHECK(w.take(std::nan("")) == std::numeric_limits<double>::infinity());
  CHECK(w.take(std::numeric_limits<double>::infinity()) == std::numeric_limits<double>::infinity());
  CHECK(w.count == 0);
  for (double v : {1e308, -1e308})
    for (int i = 0; i < 70; ++i) w.take(v);
  CHECK(std::isfinite(w.score(1)));  // sums that overflow find nothing
}

TEST_CASE("a guard skips by the score of either, and only where it is asked to") {
  outlier_guard quiet{.most_of_norm = 3};
  for (int i = 0; i < outlier_window::size; ++i) quiet.take(i % 2, i % 2);
  CHECK_FALSE(quiet.take(1000, 1).skip);
  outlier_verdict v = quiet.take(1, 4);
  CHECK(v.skip);
  CHECK(v.score_of_norm > 3);
  CHECK(quiet.take(1, std::nan("")).skip);
  CHECK_FALSE(quiet.take(std::nan(""), 1).skip);
  outlier_guard by_loss{.most_of_loss = 3};
  for (int i = 0; i < outlier_window::size; ++i) by_loss.take(i % 2, i % 2);
  CHECK_FALSE(by_loss.take(1, 1000).skip);
  CHECK(by_loss.take(1000, 1).skip);
}

TEST_CASE("a limit is the value whose score is the most") {
  outlier_guard guard{.most_of_loss = 3, .most_of_norm = 6};
  for (int i = 0; i < outlier_window::size; ++i) {
    CHECK(guard.limit_of_norm() > 1e308);
    guard.take(4 + 0.01 * (i % 5), 1 + 0.1 * (i % 3));
  }
  CHECK(guard.norm.score(guard.limit_of_norm()) == Catch::Approx(6));
  CHECK(guard.loss.score(guard.limit_of_loss()) == Catch::Approx(3));
  CHECK(outlier_guard{}.limit_of_norm() > 1e308);
  guard.most_of_norm = 0;
  CHECK(guard.limit_of_norm() > 1e308);
}
