// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random numbers by counting: a number is a function of where it stands, never of what was drawn before. So a mask is the
// same whoever computes it, however the model is cut, and it can be made again in the backward pass.
//
//     random_stream r{seed, step, sample, layer};      r.bits(element), r.uniform(element), r.keeps(element, 0.1)
// Philox 4x32 with ten rounds; the key is (seed, layer), the counter (element / 4, sample, step). Cost: 20 multiplications
// for four numbers; `bits` of neighbours share a block, which a compiler sees in a loop.
// Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
#pragma once

#include <cstdint>

namespace stretto::inline v0 {

/// Four numbers of 32 bits.
struct random_block {
  std::uint32_t word[4];
  friend constexpr bool operator==(const random_block&, const random_block&) = default;
};

/// The block of a counter under a key.
constexpr random_block philox(random_block counter, std::uint32_t key0, std::uint32_t key1) {
  random_block c = counter;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * c.word[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * c.word[2];
    c = {{static_cast<std::uint32_t>(b >> 32) ^ c.word[1] ^ key0, static_cast<std::uint32_t>(b),
          static_cast<std::uint32_t>(a >> 32) ^ c.word[3] ^ key1, static_cast<std::uint32_t>(a)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c;
}

/// The numbers of one layer for one sample in one step.
struct random_stream {
  std::uint32_t seed = 0;
  std::uint32_t step = 0;
  std::uint32_t sample = 0;
  std::uint32_t layer = 0;

  constexpr std::uint32_t bits(std::int64_t element) const {
    const auto e = static_cast<std::uint64_t>(element);
    const random_block b = philox({{static_cast<std::uint32_t>(e >> 2), static_cast<std::uint32_t>(e >> 34), sample, step}}, seed, layer);
    return b.word[e & 3];
  }

  /// In [0, 1), a multiple of 2^-24.
  constexpr float uniform(std::int64_t element) const { return static_cast<float>(bits(element) >> 8) * (1.0f / 16777216.0f); }

  /// Whether an element stays where a share of `rate` is dropped.
  constexpr bool keeps(std::int64_t element, double rate) const { return static_cast<double>(bits(element)) >= rate * 4294967296.0; }
};

}  // namespace stretto::inline v0
