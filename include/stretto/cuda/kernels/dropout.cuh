// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dropout and casts as rules for kernels/each.cuh: numeric/dropout.hpp and numeric/cast.hpp.
//
//     y = word(row, column) > last_dropped ? x scale : 0            y = x, or x rounded by chance, as the store writes it
// In lines, if the first column stands at a multiple of eight in the whole: a line then needs one block of Philox or two.
#pragma once

#include <stretto/cuda/kernels/each.cuh>
#include <stretto/cuda/kernels/philox.cuh>

namespace stretto::inline v0::cuda {

struct dropout_rule {
  random_stream stream;
  std::int64_t first_row, first_column;
  const std::int64_t* rows;  ///< where each row stands; null: from first_row on
  std::uint32_t last_dropped;
  float scale;
  const std::uint32_t* step_at;  ///< null: the stream's own

  template <int N>
  __device__ void operator()(const floats<N> (&x)[1], floats<N> (&y)[1], std::int64_t row, std::int64_t column) const {
    std::uint32_t bits[N];
    const std::int64_t stands = rows != nullptr ? rows[row] : first_row + row;
    random_bits(stream_of_step(stream, step_at), static_cast<std::uint32_t>(stands), static_cast<std::uint64_t>(first_column) + static_cast<std::uint64_t>(column), bits);
#pragma unroll
    for (int i = 0; i < N; ++i) y[0].of[i] = bits[i] > last_dropped ? x[0].of[i] * scale : 0.0f;
  }
};

struct keep_rule {
  template <int N>
  __device__ void operator()(const floats<N> (&x)[1], floats<N> (&y)[1], std::int64_t, std::int64_t) const {
    y[0] = x[0];
  }
};

template <class To>
struct chance_rule {
  random_stream stream;
  std::int64_t first_row, first_column;

  template <int N>
  __device__ void operator()(const floats<N> (&x)[1], floats<N> (&y)[1], std::int64_t row, std::int64_t column) const {
    std::uint32_t chance[N];
    random_chances(stream, static_cast<std::uint32_t>(first_row + row), static_cast<std::uint64_t>(first_column) + static_cast<std::uint64_t>(column), chance);
#pragma unroll
    for (int i = 0; i < N; ++i) y[0].of[i] = rounded_by_chance<To>(x[0].of[i], chance[i]);
  }
};

}  // namespace stretto::inline v0::cuda
