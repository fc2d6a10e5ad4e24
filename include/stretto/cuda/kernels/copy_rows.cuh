// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernel that moves rows with gaps, whatever they hold: sixteen bytes at a time, or a number.
//
//     from |████░░|████░░|████░░|        to |████|████|████|          units of a row are neighbours of the next row's
// Four units a thread are on their way at once. Without `from` zeros are written. Cost: one pass over memory.
#pragma once

#include <stretto/cuda/kernels/each.cuh>

namespace stretto::inline v0::cuda {

template <class Unit>
struct copy_rows_arguments {
  std::int64_t rows, per_row;  ///< units in a row
  const Unit* from;            ///< null: zeros
  std::int64_t from_gap;       ///< in units
  Unit* to;
  std::int64_t to_gap;
};

template <class Unit>
STRETTO_KERNEL __launch_bounds__(each_threads) void move_rows(copy_rows_arguments<Unit> a) {
  constexpr int units = 4;
  const std::int64_t all = a.rows * a.per_row, step = static_cast<std::int64_t>(gridDim.x) * (each_threads * units);
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * (each_threads * units) + threadIdx.x; first < all; first += step) {
    Unit x[units];
    std::int64_t row[units], column[units];
#pragma unroll
    for (int u = 0; u < units; ++u) {
      const std::int64_t i = first + u * each_threads;
      x[u] = Unit{};
      if (i >= all) continue;
      row[u] = row_of_unit(i, a.per_row), column[u] = i - row[u] * a.per_row;
      if (a.from != nullptr) x[u] = a.from[row[u] * a.from_gap + column[u]];
    }
#pragma unroll
    for (int u = 0; u < units; ++u)
      if (first + u * each_threads < all) a.to[row[u] * a.to_gap + column[u]] = x[u];
  }
}

}  // namespace stretto::inline v0::cuda
