// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernels of a stable sort of keys with places, nine bits of the keys at a time, lowest first.
//
//     count_digits      a block has 2048 pairs: how many have which digit        counts[digit][block]
//     add_up            in one block: counts become where each digit of each block begins
//     move_pairs        a warp has 256 neighbours, 32 at a time; of those with a digit each knows how many stand before it
//
//     lanes       5 2 5 5 2          before it among its like   0 0 1 2 1          no order of threads comes into it
// Whole numbers are counted with atomics: their sum has no order. Cost: two reads and a write of the pairs for nine bits.
// Source: Knuth, The Art of Computer Programming 3, 5.2.5; Merrill and Grimshaw, 2011, for the ranks within a block.
#pragma once

#include <stretto/cuda/kernels/numbers.cuh>

namespace stretto::inline v0::cuda {

inline constexpr int digit_bits = 9, digits = 1 << digit_bits;
inline constexpr int sort_threads = 256, sort_warps = sort_threads / 32, sort_tile = 2048;

struct sort_arguments {
  const std::uint32_t* keys;
  const std::uint32_t* places;
  std::uint32_t* sorted_keys;
  std::uint32_t* sorted_places;
  std::int64_t count, blocks;
  int shift;              ///< of the digit
  std::uint32_t* counts;  ///< digits rows of `blocks`
};

template <int Tile>
STRETTO_KERNEL __launch_bounds__(sort_threads) void count_digits(sort_arguments a) {
  __shared__ std::uint32_t counts[digits];
  for (int d = threadIdx.x; d < digits; d += sort_threads) counts[d] = 0;
  __syncthreads();
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * Tile;
  for (int i = threadIdx.x; i < Tile && first + i < a.count; i += sort_threads) atomicAdd(&counts[a.keys[first + i] >> a.shift & (digits - 1)], 1u);
  __syncthreads();
  for (int d = threadIdx.x; d < digits; d += sort_threads) a.counts[d * a.blocks + blockIdx.x] = counts[d];
}

/// Each number becomes the sum of those before it. One block.
template <int Threads>
STRETTO_KERNEL __launch_bounds__(Threads) void add_up(sort_arguments a) {
  constexpr int each = 8, warps = Threads / 32;
  __shared__ std::uint32_t room[warps];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const std::int64_t all = digits * a.blocks;
  std::uint32_t before = 0;
  for (std::int64_t first = 0; first < all; first += Threads * each) {
    const std::int64_t mine = first + static_cast<std::int64_t>(threadIdx.x) * each;
    std::uint32_t x[each], own = 0;
#pragma unroll
    for (int k = 0; k < each; ++k) {
      x[k] = mine + k < all ? a.counts[mine + k] : 0;
      own += x[k];
    }
    std::uint32_t up_to = own;
#pragma unroll
    for (int apart = 1; apart < 32; apart *= 2) {
      const std::uint32_t other = __shfl_up_sync(0xffffffffu, up_to, apart);
      if (lane >= apart) up_to += other;
    }
    if (lane == 31) room[warp] = up_to;
    __syncthreads();
    std::uint32_t start = before + up_to - own;
    for (int w = 0; w < warps; ++w) {
      start += w < warp ? room[w] : 0;
      before += room[w];
    }
#pragma unroll
    for (int k = 0; k < each; ++k) {
      if (mine + k < all) a.counts[mine + k] = start;
      start += x[k];
    }
    __syncthreads();
  }
}

template <int Tile>
STRETTO_KERNEL __launch_bounds__(sort_threads) void move_pairs(sort_arguments a) {
  constexpr int rounds = Tile / sort_threads;
  __shared__ std::uint32_t seen[sort_warps][digits];  // by each warp; then where its first of a digit goes
  for (int i = threadIdx.x; i < sort_warps * digits; i += sort_threads) seen[i / digits][i % digits] = 0;
  __syncthreads();
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * Tile + warp * (Tile / sort_warps) + lane;
  std::uint32_t key[rounds], place[rounds], rank[rounds];
#pragma unroll
  for (int r = 0; r < rounds; ++r) {
    const std::int64_t i = first + r * 32;
    key[r] = i < a.count ? a.keys[i] : 0, place[r] = i < a.count ? a.places[i] : 0;
  }
#pragma unroll
  for (int r = 0; r < rounds; ++r) {
    const bool is = first + r * 32 < a.count;
    const std::uint32_t digit = key[r] >> a.shift & (digits - 1);
    const unsigned like = __match_any_sync(0xffffffffu, is ? digit : static_cast<std::uint32_t>(digits));
    const int before = __popc(like & ((1u << lane) - 1));
    const std::uint32_t so_far = is ? seen[warp][digit] : 0;
    rank[r] = so_far + static_cast<std::uint32_t>(before);
    __syncwarp();
    if (is && before == 0) seen[warp][digit] = so_far + static_cast<std::uint32_t>(__popc(like));
    __syncwarp();
  }
  __syncthreads();
  for (int d = threadIdx.x; d < digits; d += sort_threads) {
    std::uint32_t start = a.counts[d * a.blocks + blockIdx.x];
#pragma unroll
    for (int w = 0; w < sort_warps; ++w) {
      const std::uint32_t n = seen[w][d];
      seen[w][d] = start;
      start += n;
    }
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < rounds; ++r) {
    if (first + r * 32 >= a.count) continue;
    const std::uint32_t to = seen[warp][key[r] >> a.shift & (digits - 1)] + rank[r];
    a.sorted_keys[to] = key[r], a.sorted_places[to] = place[r];
  }
}

}  // namespace stretto::inline v0::cuda
