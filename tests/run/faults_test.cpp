// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A fault at every point of a step of six schedules ends the run on every rank, in one error that names the rank, in time.
#include <string>

#include "catch.hpp"
#include "run/faults.hpp"

using namespace stretto;
using faults::kind;
using transport_of_test = faults::faulty<threads>;

namespace {

/// The points and the messages that ranks have in a step where nothing goes wrong.
void count(const plan& order, std::int64_t (&points)[faults::ranks], std::int64_t (&sent)[faults::ranks]) {
  faults::now.begin(kind::none, 0, 0);
  transport_of_test t(faults::ranks, threads_options{.deadline = 20});
  const auto o = faults::step_of(t, order);
  REQUIRE(o.words.empty());
  for (int r = 0; r < faults::ranks; ++r) points[r] = o.points[r], sent[r] = o.sent[r];
}

}  // namespace

TEST_CASE("what throws at any point of any rank ends the run, and the error names where") {
  int tried = 0;
  faults::each_plan([&](const plan& order, const std::string& name) {
    std::int64_t points[faults::ranks], sent[faults::ranks];
    count(order, points, sent);
    for (int r = 0; r < faults::ranks; ++r)
      for (std::int64_t k = 0; k < points[r]; ++k, ++tried) {
        CAPTURE(name, r, k);
        faults::now.begin(kind::throws, r, k);
        transport_of_test t(faults::ranks, threads_options{.deadline = 20});
        const auto o = faults::step_of(t, order);
        REQUIRE(o.words.find("stretto: rank " + std::to_string(r) + " ") == 0);
        REQUIRE(o.words.find("threw: point " + std::to_string(k) + " throws") != std::string::npos);
        REQUIRE(o.place.rank == r);
        REQUIRE(o.seconds < 5);
      }
  });
  CHECK(tried > 800);
}

TEST_CASE("a message of another shape or identity ends the run, and the error names who got it") {
  int tried = 0;
  faults::each_plan([&](const plan& order, const std::string& name) {
    std::int64_t points[faults::ranks], sent[faults::ranks];
    count(order, points, sent);
    for (const kind what : {kind::shape, kind::identity})
      for (int r = 0; r < faults::ranks; ++r)
        for (std::int64_t k = 0; k < sent[r]; ++k, ++tried) {
          CAPTURE(name, r, k);
          faults::now.begin(what, r, k);
          transport_of_test t(faults::ranks, threads_options{.deadline = 20});
          const auto o = faults::step_of(t, order);
          REQUIRE(o.words.find(what == kind::shape ? " 4 " : "came as channel") != std::string::npos);
          REQUIRE((o.place.rank >= 0 && o.place.rank != r));
          REQUIRE(o.seconds < 5);
        }
  });
  CHECK(tried > 150);
}

namespace {

/// Every `stride`-th point of each rank.
int stalls(int stride) {
  int tried = 0;
  constexpr double deadline = 0.1;
  faults::each_plan([&](const plan& order, const std::string& name) {
    std::int64_t points[faults::ranks], sent[faults::ranks];
    count(order, points, sent);
    for (int r = 0; r < faults::ranks; ++r)
      for (std::int64_t k = stride > 1 ? 7 * r : 0; k < points[r]; k += stride, ++tried) {
        CAPTURE(name, r, k);
        faults::now.begin(kind::stalls, r, k);
        faults::now.seconds = 0.8;  // longer than the thread that asks for steps waits, too
        transport_of_test t(faults::ranks, threads_options{.deadline = deadline});
        const auto o = faults::step_of(t, order);
        CAPTURE(o.words);
        REQUIRE(o.words.find(" ms for ") != std::string::npos);
        REQUIRE(o.seconds < deadline + faults::now.seconds + 1);
      }
  });
  return tried;
}

}  // namespace

TEST_CASE("a rank that stalls is found out by the deadline") { CHECK(stalls(89) >= 12); }
TEST_CASE("a rank that stalls at any point is found out by the deadline", "[.nightly]") { CHECK(stalls(1) > 800); }
