// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A fault at every point of a step of six schedules over three processes: the same error on all of them, in time, and the
// processes go on with another transport. What kills a process is in killed.cpp.
#include <cstring>
#include <string>

#include "catch.hpp"
#include "processes.hpp"
#include "run/faults.hpp"

using namespace stretto;
using faults::kind;

namespace {

using transport_of_test = faults::faulty<mpi>;

/// What a rank has, given to all.
template <class T>
T told(T mine, int by) {
  MPI_Bcast(&mine, static_cast<int>(sizeof mine), MPI_BYTE, by, MPI_COMM_WORLD);
  return mine;
}
std::string told(const std::string& mine, int by) {
  char words[2048] = {};
  std::memcpy(words, mine.data(), mine.size() < 2047 ? mine.size() : 2047);
  MPI_Bcast(words, sizeof words, MPI_BYTE, by, MPI_COMM_WORLD);
  return words;
}

void count(const plan& order, std::int64_t (&points)[faults::ranks], std::int64_t (&sent)[faults::ranks]) {
  faults::now.begin(kind::none, 0, 0);
  const int me = processes::rank();
  faults::outcome o;
  {
    transport_of_test t(mpi_options{.deadline = 20});
    o = faults::step_of(t, order);
  }
  REQUIRE(o.words.empty());
  for (int r = 0; r < faults::ranks; ++r) points[r] = told(o.points[me], r), sent[r] = told(o.sent[me], r);
}

/// A step with a fault; whether all threw the same.
faults::outcome struck(const plan& order, kind what, int r, std::int64_t k, double deadline) {
  faults::now.begin(what, r, k);
  transport_of_test t(mpi_options{.deadline = deadline});
  const auto o = faults::step_of(t, order);
  for (int other = 0; other < faults::ranks; ++other) {
    const std::string words = told(o.words, other);
    CAPTURE(o.words, words);
    CHECK(words == o.words);
  }
  return o;
}

template <class Visit>
int each_point(bool messages, std::int64_t first, std::int64_t stride, Visit&& visit) {
  int tried = 0;
  faults::each_plan([&](const plan& order, const std::string& name) {
    std::int64_t points[faults::ranks], sent[faults::ranks];
    count(order, points, sent);
    for (int r = 0; r < faults::ranks; ++r)
      for (std::int64_t k = first * r; k < (messages ? sent : points)[r]; k += stride, ++tried) {
        CAPTURE(name, r, k);
        visit(order, r, k);
      }
  });
  return tried;
}

int stalls(std::int64_t stride) {
  constexpr double deadline = 0.1, longest = 0.75;
  faults::now.seconds = longest;  // longer than the thread that asks for steps waits, too
  return each_point(false, stride > 1 ? 7 : 0, stride, [&](const plan& order, int r, std::int64_t k) {
    const auto o = struck(order, kind::stalls, r, k, deadline);
    CHECK(o.words.find(" ms for ") != std::string::npos);
    CHECK(o.seconds < deadline + longest + 1);
  });
}

}  // namespace

TEST_CASE("what throws at any point of 3 ranks is thrown by all of them", "[ranks3][.most]") {
  const int tried = each_point(false, 0, 1, [](const plan& order, int r, std::int64_t k) {
    const auto o = struck(order, kind::throws, r, k, 20);
    CHECK(o.words.find("stretto: rank " + std::to_string(r) + " ") == 0);
    CHECK(o.words.find("threw: point " + std::to_string(k) + " throws") != std::string::npos);
    CHECK(o.place.rank == r);
    CHECK(o.seconds < 5);
  });
  CHECK(tried > 800);
}

TEST_CASE("a message of another shape or identity ends the run of 3 ranks, and the error names who got it", "[ranks3][.most]") {
  int tried = 0;
  for (const kind what : {kind::shape, kind::identity})
    tried += each_point(true, 0, 1, [what](const plan& order, int r, std::int64_t k) {
      const auto o = struck(order, what, r, k, 20);
      CHECK(o.words.find(what == kind::shape ? " 4 " : "came as channel") != std::string::npos);
      CHECK((o.place.rank >= 0 && o.place.rank != r));
      CHECK(o.seconds < 5);
    });
  CHECK(tried > 150);
}

TEST_CASE("one of 3 ranks that stalls is found out by the deadline", "[ranks3][.most]") { CHECK(stalls(149) >= 6); }
TEST_CASE("one of 3 ranks that stalls at any point is found out by the deadline", "[ranks3][.nightly]") { CHECK(stalls(1) > 800); }
