// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a value is to a wire: its numbers and runs, the same on both ends.
#include <tuple>
#include <vector>

#include "catch.hpp"
#include <stretto/core/crossing.hpp>

using namespace stretto;

TEST_CASE("numbers are noted on one end and given on the other, in their order") {
  std::int64_t a = 7, b = -3;
  crossing out;
  out.number(a), out.number(b);
  REQUIRE(out.numbers() == 2);
  CHECK_FALSE(out.receives());
  std::int64_t x = 0, y = 0, z = 0;
  crossing in(out.noted(), out.numbers());
  CHECK(in.receives());
  in.number(x), in.number(y);
  CHECK(x == 7);
  CHECK(y == -3);
  CHECK_THROWS_WITH(in.number(z), "stretto: a value crosses with 2 numbers and is read with more; let cross() do the same on both ends");
}

TEST_CASE("runs are where they lie, and empty ones are none") {
  float three[3] = {};
  char one = 0;
  crossing w;
  w.run(three, sizeof three), w.run(&one, 0), w.run(&one, 1);
  CHECK(w.runs() == 2);
  CHECK(w.bytes() == 13);
  CHECK(w[0].at == three);
  CHECK(w[1].bytes == 1);
}

TEST_CASE("more than a letter can say is refused") {
  crossing w;
  std::int64_t n = 0;
  char c = 0;
  for (int i = 0; i < crossing::most_numbers; ++i) w.number(n);
  for (int i = 0; i < crossing::most_runs; ++i) w.run(&c, 1);
  CHECK_THROWS_WITH(w.number(n), "stretto: a value crosses with more than 24 numbers; put the others into a run of memory");
  CHECK_THROWS_WITH(w.run(&c, 1), "stretto: a value crosses as more than 16 runs of memory; lay them side by side");
  CHECK_THROWS_WITH(w.run(&c, -1), "stretto: a value crosses with a run of -1 bytes; correct its cross()");
}
