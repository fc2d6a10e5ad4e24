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
#include <stretto/tensor/view.hpp>

#define STRETTO_KERNELS <stretto/host/kernels/rows.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host::detail {

/// A matrix of that shape.
template <class T>
void check_matrix(const char* operation, const char* name, const tensor_view<T, 2>& m, std::int64_t rows, std::int64_t columns) {
  if (m.rows() != rows || m.columns() != columns)
    throw error(text("stretto: ", operation, " of ", rows, " rows and ", columns, " columns can't take ", name, " of shape ", m.extents().words().str(),
                     "; give it the same shape").str());
}

/// A number a row or a column; where it may be left out, {} is right, too.
template <class T>
void check_run(const char* operation, const char* name, const tensor_view<T, 1>& run, std::int64_t count, const char* each, bool optional = false) {
  if (run.size() != count && !(optional && run.data() == nullptr))
    throw error(text("stretto: ", operation, " with ", count, " ", each, "s can't take ", name, " of ", run.size(), " numbers; give one a ", each).str());
}

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
