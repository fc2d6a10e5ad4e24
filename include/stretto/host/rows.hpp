// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What operations on the rows of a matrix share: their checks, when results go past the cache, and how rows are dealt out
// to threads. The kernels' part is in kernels/rows.inl.
//
//     check_matrix("rms_norm", "y", y, rows, columns);        throws where y hasn't that shape
//     past_cache<T>(rows * columns)                           more than 4 MiB of results
#pragma once

#include <cstdint>
#include <limits>

#include <stretto/host/queue.hpp>
#include <stretto/host/simd.hpp>
#include <stretto/numeric/row_checks.hpp>
#include <stretto/tensor/view.hpp>

#define STRETTO_KERNELS <stretto/host/kernels/rows.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host::detail {

using stretto::detail::check_matrix;
using stretto::detail::check_run;

/// Columns whose sums over rows are in the cache at once, of two kinds.
inline constexpr std::int64_t row_block = 4096;

/// Whether that many results go past the cache. Those that overwrite what was just read don't: their lines are there already.
template <class T>
bool past_cache(std::int64_t count) {
  return count * static_cast<std::int64_t>(sizeof(T)) > 4 << 20;
}

/// Columns that are worth a thread of their own.
inline constexpr std::int64_t column_grain = 128;

/// Rows that are worth a thread of their own.
inline std::int64_t row_grain(std::int64_t columns) { return columns >= 8192 ? 1 : 8192 / (columns + 1) + 1; }

/// That many floats, to whole cache lines.
constexpr std::int64_t float_bytes(std::int64_t count) { return (count * 4 + 63) / 64 * 64; }

}  // namespace stretto::inline v0::host::detail
