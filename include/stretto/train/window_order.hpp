// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// In which order the windows of a text are read: a permutation of them for each epoch, computed where it is asked for.
//
//     const window_order o{.seed = 7, .windows = 1000};
//     o(0), o(1), …, o(999)             every window once; o(1000) begins the next epoch, in another order
// A window is a function of seed and sample number alone, so it is the same whoever asks, and nothing is stored. How: a
// Feistel network of six rounds, keyed by seed and epoch, permutes the numbers below the next power of four; a number that
// is no window is permuted again until it is one, which takes less than four turns on average. Cost: about a microsecond.
// Source: Black and Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002.
#pragma once

#include <cstdint>

#include <stretto/core/random.hpp>

namespace stretto::inline v0 {

struct window_order {
  std::uint32_t seed = 0;
  std::int64_t windows = 1;
  bool shuffle = true;  ///< false: one after the other, every epoch

  constexpr std::int64_t operator()(std::int64_t sample) const {
    const std::int64_t epoch = sample / windows, place = sample % windows;
    if (!shuffle) return place;
    int half = 1;  // bits
    while (half < 31 && (std::int64_t{1} << (2 * half)) < windows) ++half;
    std::int64_t at = place;
    do at = permuted(at, half, epoch);
    while (at >= windows);
    return at;
  }

  friend constexpr bool operator==(const window_order&, const window_order&) = default;

 private:
  constexpr std::int64_t permuted(std::int64_t at, int half, std::int64_t epoch) const {
    const std::uint32_t mask = static_cast<std::uint32_t>((std::uint64_t{1} << half) - 1);
    std::uint32_t left = static_cast<std::uint32_t>(at >> half) & mask, right = static_cast<std::uint32_t>(at) & mask;
    for (std::uint32_t round = 0; round < 6; ++round) {
      const random_block b = philox({{right, round, static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(epoch >> 32)}}, seed, 0x77696e64u);
      const std::uint32_t mixed = left ^ (b.word[0] & mask);
      left = right;
      right = mixed;
    }
    return static_cast<std::int64_t>(left) << half | right;
  }

};

}  // namespace stretto::inline v0
