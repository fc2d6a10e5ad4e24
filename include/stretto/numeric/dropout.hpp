// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dropout in plain loops: a share of the numbers becomes 0, the others are multiplied so that the mean stays.
//
//     y = x / (1 - rate) where random_stream keeps the element, else 0                dx likewise, of dy
// Which are kept hangs on the step, the layer, and where the row and the column stand in the whole batch, not on how the
// batch is cut into views, ranks or micro-batches. So no mask is kept: the backward pass is the same function.
// Source: Srivastava et al., JMLR 2014.
#pragma once

#include <cstdint>

#include <stretto/core/random.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

struct dropout_options {
  double rate = 0.1;
  random_stream stream = {};  ///< seed, step and layer; each row is a sample of its own
  std::int64_t first_row = 0;     ///< where the first row stands in the whole batch
  std::int64_t first_column = 0;  ///< and the first column
  tensor_view<const std::int64_t, 1> rows = {};  ///< where each row stands, instead of first_row

  /// Where a row and a column of the view stand. Beyond 64 bits they begin anew: they are but keys of random numbers.
  constexpr std::int64_t row(std::int64_t i) const { return rows.empty() ? static_cast<std::int64_t>(static_cast<std::uint64_t>(first_row) + static_cast<std::uint64_t>(i)) : rows[i]; }
  constexpr std::int64_t column(std::int64_t j) const { return static_cast<std::int64_t>(static_cast<std::uint64_t>(first_column) + static_cast<std::uint64_t>(j)); }
  constexpr random_stream stream_of(std::int64_t i) const { return {stream.seed, stream.step, static_cast<std::uint32_t>(row(i)), stream.layer}; }
};

namespace reference {

/// y may be x.
template <class T>
void dropout(reads<T, 2> x, const tensor_view<T, 2>& y, const dropout_options& o) {
  using C = computes_in<T>;
  const C scale = static_cast<C>(1 / (1 - o.rate));
  for (std::int64_t i = 0; i < y.rows(); ++i) {
    const random_stream r = o.stream_of(i);
    for (std::int64_t j = 0; j < y.columns(); ++j) y(i, j) = r.keeps(o.column(j), o.rate) ? static_cast<T>(static_cast<C>(x(i, j)) * scale) : T(0);
  }
}

}  // namespace reference
}  // namespace stretto::inline v0
