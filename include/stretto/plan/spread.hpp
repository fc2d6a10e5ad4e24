// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How step times spread under noise: the same plan simulated many times, each with its own seed.
//
//     costs c;  c.noise = {.jitter = 0.03, .slow_share = 0.05, .slow_factor = 1.1};
//     spread s = spread_of(p, c, 200);      s.share(0.5), s.share(0.95)
// Seeds are those behind c.noise.seed, so one call repeats to the bit. Cost: `times` simulations and a sort.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/simulate.hpp>

namespace stretto::inline v0 {

/// The makespans of many simulations, shortest first.
struct spread {
  heap_array<double> makespans;

  /// The makespan that a share of them doesn't exceed: share(0.5) is the median, share(1) the longest. Throws stretto::error for
  /// a share that isn't from 0 to 1.
  constexpr double share(double of_all) const {
    if (!(of_all >= 0 && of_all <= 1)) throw error("stretto: a share of a spread is asked for that isn't from 0 to 1; give 0.95 for 95 of 100");
    const std::int64_t n = makespans.size();
    auto i = static_cast<std::int64_t>(of_all * static_cast<double>(n) - 1e-9);
    i = i < 0 ? 0 : i >= n ? n - 1 : i;
    return n == 0 ? 0 : makespans[i];
  }
};

/// Throws stretto::error where simulate does, and for fewer than one time.
constexpr spread spread_of(const plan_view& p, costs prices, int times, simulate_options how = {}) {
  if (times < 1) throw error(text("stretto: a spread is asked for over ", times, " simulations; give at least 1").str());
  spread out{heap_array<double>(times)};
  how.record = false;
  for (int i = 0; i < times; ++i) {
    const double m = simulate(p, prices, holding(), how).makespan;
    ++prices.noise.seed;
    int at = i;
    for (; at > 0 && out.makespans[at - 1] > m; --at) out.makespans[at] = out.makespans[at - 1];
    out.makespans[at] = m;
  }
  return out;
}

}  // namespace stretto::inline v0
