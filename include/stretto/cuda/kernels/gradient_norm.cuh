// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernels of the norm of gradients, in the order of numeric/fixed_sum.hpp.
//
//     square_blocks    a block sums the squares of 4096 neighbours       a double for each
//     add_squares      one thread adds those, in order; the others fetch the next ones meanwhile
//     next_scalars     what the optimizer reads is made of the norm
// Within 4096 numbers sums are of floats: each thread's sixteen, then the butterfly of sums.cuh. Where that isn't finite it is
// done again in double. Which thread has which number doesn't hang on the address, so neither do the bits.
// Cost: one read of the gradients; adding in order takes some 5 ns for each 4096 numbers, 1 ms for a billion.
#pragma once

#include <stretto/cuda/kernels/each.cuh>
#include <stretto/cuda/kernels/sums.cuh>
#include <stretto/numeric/fixed_sum.hpp>
#include <stretto/numeric/optimizer.hpp>

namespace stretto::inline v0::cuda {

inline constexpr int norm_pieces = 32;    ///< runs, or parts of them, that are done at once
inline constexpr int norm_threads = 256;

template <class T>
struct square_arguments {
  const T* numbers[norm_pieces];
  std::int64_t count[norm_pieces];
  std::int64_t first_block[norm_pieces + 1];
  int pieces;
  double* sums;  ///< one a block
};

/// Of a number's squares, over all threads of the block; the first thread has it.
__device__ inline double block_sum_of_doubles(double x, double* room) {
#pragma unroll
  for (int apart = 16; apart > 0; apart /= 2) x += __shfl_xor_sync(0xffffffffu, x, apart);
  if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = x;
  __syncthreads();
  double all = 0;
  for (int w = 0; w < norm_threads / 32; ++w) all += room[w];
  return all;
}

template <class T>
STRETTO_KERNEL __launch_bounds__(norm_threads) void square_blocks(square_arguments<T> a) {
  constexpr int n = in_line<T>, lines = static_cast<int>(fixed_block) / (norm_threads * n);
  __shared__ float room[block_room];
  __shared__ double rooms[norm_threads / 32];
  int piece = 0;
  while (piece + 1 < a.pieces && static_cast<std::int64_t>(blockIdx.x) >= a.first_block[piece + 1]) ++piece;
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) - a.first_block[piece]) * fixed_block;
  const T* const x = a.numbers[piece] + first;
  const std::int64_t left = a.count[piece] - first;
  line<n, T> v[lines];
  const bool whole = left >= fixed_block && reinterpret_cast<std::uintptr_t>(x) % 16 == 0;
#pragma unroll
  for (int l = 0; l < lines; ++l) {
    const int at = (l * norm_threads + static_cast<int>(threadIdx.x)) * n;
    if (whole) {
      load_line(v[l], x + at);
    } else {
#pragma unroll
      for (int k = 0; k < n; ++k) v[l].each[k] = at + k < left ? x[at + k] : narrow<T>(0.0f);
    }
  }
  float mine = 0;
#pragma unroll
  for (int l = 0; l < lines; ++l)
#pragma unroll
    for (int k = 0; k < n; ++k) mine = fmaf(widen(v[l].each[k]), widen(v[l].each[k]), mine);
  double all = static_cast<double>(block_sum<norm_threads>(mine, room));
  if (!(all < static_cast<double>(__uint_as_float(0x7f800000u)))) {  // infinite, or no number
    double exact = 0;
#pragma unroll
    for (int l = 0; l < lines; ++l)
#pragma unroll
      for (int k = 0; k < n; ++k) exact += static_cast<double>(widen(v[l].each[k])) * static_cast<double>(widen(v[l].each[k]));
    all = block_sum_of_doubles(exact, rooms);
  }
  if (threadIdx.x == 0) a.sums[blockIdx.x] = all;
}

struct add_squares_arguments {
  const double* sums;
  std::int64_t first_block[norm_pieces + 1];
  bool ends[norm_pieces];  ///< a run's last part
  int pieces;
  double* carry;  ///< of all runs before, and of the run so far
  bool begins;    ///< nothing is carried yet
  double* number;  ///< where the result goes; null: it isn't the last launch
  bool* not_finite;
  bool root;
};

template <int Threads>
STRETTO_KERNEL __launch_bounds__(Threads) void add_squares(add_squares_arguments a) {
  constexpr int tile = 1024;
  __shared__ double some[2][tile];
  double all = a.begins ? 0 : a.carry[0], run = a.begins ? 0 : a.carry[1];
  const std::int64_t end = a.first_block[a.pieces];
  const auto fetch = [&](double* to, std::int64_t first, int from, int step) {
    for (int i = from; i < tile && first + i < end; i += step) to[i] = a.sums[first + i];
  };
  fetch(some[0], 0, static_cast<int>(threadIdx.x), Threads);
  __syncthreads();
  int piece = 0, now = 0;
  for (std::int64_t first = 0; first < end; first += tile, now ^= 1) {
    if (threadIdx.x >= 32) fetch(some[now ^ 1], first + tile, static_cast<int>(threadIdx.x) - 32, Threads - 32);
    if (threadIdx.x == 0) {
      const int count = static_cast<int>(end - first < tile ? end - first : tile);
      for (int i = 0; i < count;) {
        while (first + i >= a.first_block[piece + 1]) {
          if (a.ends[piece]) all += run, run = 0;
          ++piece;
        }
        const std::int64_t rest = a.first_block[piece + 1] - first;
        const int stop = static_cast<int>(rest < count ? rest : count);
#pragma unroll 8
        for (; i < stop; ++i) run += some[now][i];
      }
    }
    __syncthreads();
  }
  if (threadIdx.x != 0) return;
  for (; piece < a.pieces; ++piece)
    if (a.ends[piece]) all += run, run = 0;
  a.carry[0] = all, a.carry[1] = run;
  if (a.number != nullptr) {
    *a.not_finite = !(all <= 1.7976931348623157e308);
    *a.number = a.root ? sqrt(all) : all;
  }
}

struct next_scalars_arguments {
  const gradient_size* size;
  optimizer_scalars* scalars;
  double most, scale, rate;
};

template <int>
STRETTO_KERNEL void make_scalars(next_scalars_arguments a) {
  const bool skip = a.size->found_not_finite;
  double factor = 1;
  if (a.most > 0) {
    const double f = a.most / (a.size->norm * a.scale + 1e-6);
    factor = f >= 1 ? 1 : f;
  }
  a.scalars->scale = a.scale * factor;
  a.scalars->rate = a.rate;
  a.scalars->skip = skip ? 1 : 0;
  if (!skip) a.scalars->count += 1;
}

}  // namespace stretto::inline v0::cuda
