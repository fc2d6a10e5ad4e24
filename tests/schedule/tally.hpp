// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tests of closed forms share: random costs, and a count of those that miss their formula.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "sweep.hpp"

namespace sweep {

/// One random case: sizes by the test, costs from 0.05 to 4, each pass on its own.
struct drawn {
  double f, i, w;
  explicit drawn(dice& d) : f(d.between(0.05, 4.0)), i(d.between(0.05, 4.0)), w(d.between(0.05, 4.0)) {}
  double b() const { return i + w; }
  double both() const { return f + i + w; }
  stretto::costs at(double latency = 0) const { return stretto::costs(f, i, w, latency); }
};

inline bool same(double a, double b) { return std::abs(a - b) <= 1e-9 * std::max(1.0, std::max(std::abs(a), std::abs(b))); }

/// Counts cases that miss their formula, and keeps the first for the report.
struct tally {
  int cases = 0, missed = 0;
  std::string first;

  void compare(double found, double formula, const std::string& where) {
    ++cases;
    if (same(found, formula)) return;
    if (missed++ == 0) first = where + ": simulate says " + std::to_string(found) + ", the formula " + std::to_string(formula);
  }
};

#define CHECK_TALLY(t, least) \
  do {                        \
    INFO(t.first);            \
    CHECK(t.missed == 0);     \
    CHECK(t.cases >= (least)); \
  } while (false)

}  // namespace sweep
