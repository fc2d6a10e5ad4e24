// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Noise by a seed: passes that take a little more or less each time, and ranks that are slow for a whole step.
//
//     costs c;
//     c.noise = {.jitter = 0.03, .slow_share = 0.05, .slow_factor = 1.1, .seed = 7};
// A pass's factor is exp(jitter * g), log-normal with median 1; g is the sum of twelve uniform numbers less six, which is
// normal but for its far ends and needs no library function, so that a seed gives the same bits everywhere, in constant
// expressions too. A rank is slow in a step with probability slow_share. Cost: three blocks of random bits an entry.
#pragma once

#include <cstdint>

#include <stretto/core/random.hpp>

namespace stretto::inline v0 {

struct disturbance {
  double jitter = 0;       ///< standard deviation of the logarithm of a pass's time, at most 1
  double slow_share = 0;   ///< of the steps that a rank is slow in
  double slow_factor = 1;  ///< how many times longer its passes take then
  std::uint32_t seed = 0;

  constexpr bool any() const { return jitter > 0 || (slow_share > 0 && slow_factor != 1); }

  constexpr bool well_said() const {
    return jitter >= 0 && jitter <= 1 && slow_share >= 0 && slow_share <= 1 && slow_factor > 0 && slow_factor <= 1e9;
  }

  /// What the cost of an entry is multiplied by.
  constexpr double factor(std::int64_t step, int rank, std::int64_t entry) const {
    double f = 1;
    const auto of_step = static_cast<std::uint32_t>(step), of_rank = static_cast<std::uint32_t>(rank);
    if (slow_share > 0 && philox({{0, of_rank, of_step, 0}}, seed, 1).word[0] < slow_share * 4294967296.0) f = slow_factor;
    if (jitter == 0) return f;
    const auto e = static_cast<std::uint64_t>(entry);
    double g = -6;
    for (std::uint32_t k = 0; k < 3; ++k) {
      const random_block b = philox({{static_cast<std::uint32_t>(e), static_cast<std::uint32_t>(e >> 32) * 4 + k, of_rank, of_step}}, seed, 2);
      for (const std::uint32_t word : b.word) g += word / 4294967296.0;
    }
    double x = jitter * g / 1024, exponential = 1 + x + x * x / 2 + x * x * x / 6;
    for (int i = 0; i < 10; ++i) exponential *= exponential;
    return f * exponential;
  }
};

}  // namespace stretto::inline v0
