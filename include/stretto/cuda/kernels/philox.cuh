// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random numbers by counting, in kernels: the words of core/random.hpp, and rounding by chance of numeric/optimizer.hpp.
//
//     random_bits(stream, sample, element, bits);         stream.bits(element), … of N neighbours
//     random_chances(stream, sample, at, chance);         of N places, two of which share a word
//     rounded_by_chance<bf16>(x, chance)                  a float that T has
// N is 1, or a line, 4 or 8, that begins at a multiple of N: then one or two blocks serve it.
// Cost: 20 multiplications of 32 bits a block, which is four words. Source: Salmon et al., SC 2011.
#pragma once

#include <stretto/core/random.hpp>
#include <stretto/cuda/kernels/numbers.cuh>

namespace stretto::inline v0::cuda {

struct random_words {
  std::uint32_t word[4];
};

/// The stream, of the step that is in memory, if it is there.
__device__ inline random_stream stream_of_step(const random_stream& r, const std::uint32_t* step_at) { return {r.seed, step_at != nullptr ? __ldg(step_at) : r.step, r.sample, r.layer}; }

/// Block `at` of a sample: the words of elements 4 at to 4 at + 3.
__device__ inline random_words random_block_at(const random_stream& r, std::uint32_t sample, std::uint64_t at) {
  std::uint32_t c0 = static_cast<std::uint32_t>(at), c1 = static_cast<std::uint32_t>(at >> 32), c2 = sample, c3 = r.step, key0 = r.seed, key1 = r.layer;
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * c0, b = std::uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<std::uint32_t>(b >> 32) ^ c1 ^ key0;
    c1 = static_cast<std::uint32_t>(b);
    c2 = static_cast<std::uint32_t>(a >> 32) ^ c3 ^ key1;
    c3 = static_cast<std::uint32_t>(a);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}
__device__ inline std::uint32_t random_word(const random_stream& r, std::uint32_t sample, std::uint64_t element) {
  const random_words b = random_block_at(r, sample, element >> 2);
  const std::uint32_t low = element & 1 ? b.word[1] : b.word[0], high = element & 1 ? b.word[3] : b.word[2];
  return element & 2 ? high : low;
}

template <int N>
__device__ inline void random_bits(const random_stream& r, std::uint32_t sample, std::uint64_t element, std::uint32_t (&bits)[N]) {
  if constexpr (N == 1) {
    bits[0] = random_word(r, sample, element);
  } else {
    static_assert(N % 4 == 0);
#pragma unroll
    for (int k = 0; k < N; k += 4) {
      const random_words b = random_block_at(r, sample, (element + k) >> 2);
#pragma unroll
      for (int i = 0; i < 4; ++i) bits[k + i] = b.word[i];
    }
  }
}

/// In the upper 16 bits.
template <int N>
__device__ inline void random_chances(const random_stream& r, std::uint32_t sample, std::uint64_t at, std::uint32_t (&chance)[N]) {
  if constexpr (N == 1) {
    chance[0] = random_word(r, sample, at / 2) >> (at % 2 * 16) << 16;
  } else {
    static_assert(N == 4 || N == 8);
    const random_words b = random_block_at(r, sample, at >> 3);
    const bool upper = N == 4 && (at & 4) != 0;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const std::uint32_t word = N == 4 && upper ? b.word[i / 2 + 2 < 4 ? i / 2 + 2 : 0] : b.word[i / 2];
      chance[i] = i % 2 == 0 ? word << 16 : word & 0xffff0000u;
    }
  }
}

template <class T>
__device__ inline float rounded_by_chance(float x, std::uint32_t chance) {
  if (x != x) return x;
  const unsigned b = __float_as_uint(x);
  if constexpr (std::is_same_v<T, bf16>) {
    return __uint_as_float((b + (chance >> 16)) & 0xffff0000u);
  } else if constexpr (std::is_same_v<T, fp16>) {
    const float size = __uint_as_float(b & 0x7fffffffu), shift = size < 0x1p-14f ? 0x1p-14f : 0.0f;
    const float cut = __uint_as_float((__float_as_uint(size + shift) + (chance >> 19)) & 0xffffe000u) - shift;
    return __uint_as_float(__float_as_uint(cut) | (b & 0x80000000u));
  } else {
    return x;
  }
}

}  // namespace stretto::inline v0::cuda
