// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernels of embedding: rows gathered for tokens, and gradients added back in the order of the tokens.
//
//     ids        7 3 7 9 3 7          sort_keys     a key a token: its row in the table, or one beyond the last
//     sorted     3 3 7 7 7 9          sorted by key; equal ones keep the order of the tokens
//     tokens     1 4 0 2 5 3          add_rows      a warp that finds the first of a run adds all of it, for 32 lines of columns
// So no two warps add to one number, and the order is the tokens': the bits are those of one token after the other, and of
// the CPU. An id that the vocabulary lacks becomes no number: on the device nobody can object.
// Cost: forward a read and a write an element; backward a read of dy, a read and a write of the rows of dweight, and the sort.
// A run of one id is read eight rows or more at a time by its warps, so one that is most of a batch takes longer than the memory.
#pragma once

#include <stretto/cuda/kernels/each.cuh>

namespace stretto::inline v0::cuda {

template <class T>
struct gather_arguments {
  const std::int32_t* ids;
  std::int64_t tokens, per_row;            ///< lines in a row
  std::int64_t first_id, rows, vocabulary;  ///< of the table; of all
  const T* weight;
  std::int64_t weight_gap;
  T* y;
  std::int64_t y_gap;
  float scale;
};

template <int N, int Lines, class T>
STRETTO_KERNEL __launch_bounds__(each_threads) void gather_rows(gather_arguments<T> a) {
  const std::int64_t all = a.tokens * a.per_row, step = static_cast<std::int64_t>(gridDim.x) * (each_threads * Lines);
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * (each_threads * Lines) + threadIdx.x; first < all; first += step) {
    line<N, T> given[Lines];
    std::int64_t token[Lines], column[Lines], row[Lines];
    float beyond[Lines];  // what there is instead of a row
    std::int32_t ids[Lines];
#pragma unroll
    for (int l = 0; l < Lines; ++l) {
      const std::int64_t i = first + l * each_threads;
      token[l] = i < all ? row_of_unit(i, a.per_row) : 0, column[l] = (i - token[l] * a.per_row) * N;
      ids[l] = a.ids[token[l]];
    }
#pragma unroll
    for (int l = 0; l < Lines; ++l) {
      if (first + l * each_threads >= all) continue;
      const std::int64_t id = ids[l];
      beyond[l] = id >= 0 && id < a.vocabulary ? 0.0f : __uint_as_float(0x7fc00000u);
      row[l] = id - a.first_id;
      if (id < 0 || row[l] < 0 || row[l] >= a.rows) row[l] = -1;
      else load_line(given[l], a.weight + row[l] * a.weight_gap + column[l]);
    }
#pragma unroll
    for (int l = 0; l < Lines; ++l) {
      if (first + l * each_threads >= all) continue;
      floats<N> y;
#pragma unroll
      for (int k = 0; k < N; ++k) y.of[k] = row[l] >= 0 ? widen(given[l].each[k]) * a.scale : beyond[l];
      store(a.y + token[l] * a.y_gap + column[l], y);
    }
  }
}

struct sort_keys_arguments {
  const std::int32_t* ids;
  std::int64_t tokens, first_id, rows;
  std::uint32_t* keys;
  std::uint32_t* places;
};

template <int Threads>
STRETTO_KERNEL __launch_bounds__(Threads) void sort_keys(sort_keys_arguments a) {
  for (std::int64_t t = static_cast<std::int64_t>(blockIdx.x) * Threads + threadIdx.x; t < a.tokens; t += static_cast<std::int64_t>(gridDim.x) * Threads) {
    const std::int64_t id = a.ids[t], row = id - a.first_id;
    a.keys[t] = static_cast<std::uint32_t>(id >= 0 && row >= 0 && row < a.rows ? row : a.rows);
    a.places[t] = static_cast<std::uint32_t>(t);
  }
}

template <class T>
struct add_rows_arguments {
  const std::uint32_t* keys;
  const std::uint32_t* places;
  std::int64_t tokens, rows, columns;
  const T* dy;
  std::int64_t dy_gap;
  float* dweight;
  std::int64_t dweight_gap;
  float scale;
};

/// Warps share the pairs of a token and a band of 32 N columns; the bands of a token are neighbours.
template <int N, class T>
STRETTO_KERNEL __launch_bounds__(each_threads) void add_rows(add_rows_arguments<T> a) {
  constexpr int ahead = N == 8 ? 8 : 16, warps = each_threads / 32;
  const int lane = threadIdx.x % 32;
  const std::int64_t bands = (a.columns + 32 * N - 1) / (32 * N), all = a.tokens * bands;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.x / 32; i < all; i += static_cast<std::int64_t>(gridDim.x) * warps) {
    const std::int64_t at = row_of_unit(i, bands), column = ((i - at * bands) * 32 + lane) * N;
    const std::uint32_t key = a.keys[at];
    if (key >= a.rows || (at > 0 && a.keys[at - 1] == key)) continue;
    const bool works = column < a.columns;
    float* const to = a.dweight + key * a.dweight_gap + column;
    floats<N> sum{};
    if (works) sum = load<N>(to);
    // The lanes look up the tokens of the run, of which there are `count` in these 32, and those of the next 32 meanwhile.
    const auto look = [&](std::int64_t from, std::uint32_t& place) {
      const bool is = from + lane < a.tokens && a.keys[from + lane] == key;
      place = is ? a.places[from + lane] : 0;
      return is;
    };
    std::uint32_t place, next_place = 0;
    bool is = look(at, place);
    for (std::int64_t from = at;; from += 32) {
      const int count = __popc(__ballot_sync(0xffffffffu, is));
      const bool goes_on = count == 32;
      const bool next = goes_on && look(from + 32, next_place);
      for (int k = 0; k < count; k += ahead) {
        line<N, T> x[ahead];
#pragma unroll
        for (int u = 0; u < ahead; ++u) {
          const std::int64_t token = __shfl_sync(0xffffffffu, place, (k + u) & 31);
          if (works && k + u < count) load_line(x[u], a.dy + token * a.dy_gap + column);
        }
#pragma unroll
        for (int u = 0; u < ahead; ++u) {
          if (!works || k + u >= count) continue;
#pragma unroll
          for (int j = 0; j < N; ++j) sum.of[j] = fmaf(widen(x[u].each[j]), a.scale, sum.of[j]);
        }
      }
      if (!goes_on) break;
      is = next, place = next_place;
    }
    if (works) store(to, sum);
  }
}

}  // namespace stretto::inline v0::cuda
