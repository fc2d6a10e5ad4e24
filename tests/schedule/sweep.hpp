// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tests of schedules share: which sizes a schedule takes, a plan's lists as vectors, and a random number that
// is the same everywhere (mt19937 is specified to the bit; the distributions of <random> are not).
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <stretto/stretto.hpp>

namespace sweep {

/// Under a sanitizer, which is some ten times slower, one size in so many is looked at.
#ifdef STRETTO_SANITIZED
inline constexpr int thin = 6;
inline constexpr int scarce = 20;  // so many times fewer cases are asked for
#else
inline constexpr int thin = 1;
inline constexpr int scarce = 1;
#endif

template <class S>
constexpr bool takes_group = requires(S& s) { s.group = 1; };

using lists = std::vector<std::vector<stretto::action>>;

inline lists lists_of(const stretto::plan_view& p) {
  lists all(static_cast<std::size_t>(p.ranks));
  for (int r = 0; r < p.ranks; ++r)
    for (const stretto::action& a : p.order(r)) all[static_cast<std::size_t>(r)].push_back(a);
  return all;
}

inline lists without_messages(const stretto::plan_view& p) {
  lists all(static_cast<std::size_t>(p.ranks));
  for (int r = 0; r < p.ranks; ++r)
    for (const stretto::action& a : p.order(r))
      if (!a.is_message()) all[static_cast<std::size_t>(r)].push_back(a);
  return all;
}

/// "1f1b, 4 ranks, 8 micro-batches, 1 chunk, …": where a failure happened.
inline std::string place(const char* name, const stretto::sizes& z, int group = 0) {
  return std::string(name) + ": ranks " + std::to_string(z.ranks) + ", micro-batches " + std::to_string(z.micro_batches) + ", chunks " +
         std::to_string(z.chunks) + ", slices " + std::to_string(z.slices) + ", group " + std::to_string(group);
}

/// The sentence that f throws; empty where it throws none.
inline std::string thrown(auto&& f) {
  try {
    f();
  } catch (const stretto::error& e) {
    return e.what();
  }
  return "";
}

struct dice {
  std::mt19937 bits;
  explicit dice(unsigned seed) : bits(seed) {}

  int between(int least, int most) { return least + static_cast<int>(bits() % static_cast<unsigned>(most - least + 1)); }
  double between(double least, double most) { return least + (most - least) * (static_cast<double>(bits()) / 4294967296.0); }
};

}  // namespace sweep
