// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Numbers and words as the tool prints them.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>

#include <stretto/plan.hpp>

namespace explore {

inline std::string digits(double x, int significant = 12) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.*g", significant, x);
  return buffer;
}

/// What sums of doubles leave where the answer is 0 prints as 0. `whole` is what the answer is a part of.
inline double settled(double x, double whole) { return x < 1e-12 * whole && x > -1e-12 * whole ? 0 : x; }

inline std::string percent(double share) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.1f %%", 100 * settled(share, 1));
  return buffer;
}

inline std::string times(double n) { return n == 2 ? "twice" : digits(n, 3) + " times"; }

inline std::string padded(std::string word, std::size_t width) {
  word.resize(std::max(word.size(), width), ' ');
  return word;
}

/// A JSON string.
inline std::string quoted(const std::string& s) {
  constexpr char quote = 34, backslash = 92;
  std::string out(1, quote);
  for (char c : s) {
    if (c == quote || c == backslash) out += backslash;
    out += c;
  }
  return out + quote;
}

/// How often a stage's weights are held, on average: more than once where routes give a stage to several ranks.
inline double copies_of_weights(const stretto::plan_view& p) {
  int stages = 0, owners = 0;
  for (int s = 0; s < p.stages; ++s) {
    int here = 0;
    for (int r = 0; r < p.routes; ++r) {
      bool is_new = p.route(r).rank_of(s) >= 0;
      for (int before = 0; before < r && is_new; ++before) is_new = p.route(before).rank_of(s) != p.route(r).rank_of(s);
      here += is_new;
    }
    stages += here > 0;
    owners += here;
  }
  return stages == 0 ? 1 : static_cast<double>(owners) / stages;
}

}  // namespace explore
