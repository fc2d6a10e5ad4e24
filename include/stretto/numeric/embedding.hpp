// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Embedding in plain loops: a row of a table for each token.
//
//     y[t] = scale · weight[ids[t] - first_id]        dweight[ids[t] - first_id] += scale · dy[t], tokens ascending
// A shard of a vocabulary has the rows from first_id on; a token whose row isn't there gets zeros and adds nothing, so the
// sum over all shards is the whole. Tokens in two calls give the bits of one.
#pragma once

#include <cstdint>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

struct embedding_options {
  double scale = 1;
  std::int64_t first_id = 0;     ///< whose row the table begins with
  std::int64_t vocabulary = -1;  ///< how many ids there are in all; -1: as many as the table has rows
};

namespace detail {

/// The row of an id in a table that begins with that of `first`, or -1.
constexpr std::int64_t row_of_id(std::int32_t id, std::int64_t first, std::int64_t rows) {
  const std::uint64_t row = static_cast<std::uint64_t>(id) - static_cast<std::uint64_t>(first);
  return row < static_cast<std::uint64_t>(rows) ? static_cast<std::int64_t>(row) : -1;
}

}  // namespace detail

namespace reference {

template <class T>
void embedding(reads<std::int32_t, 1> ids, reads<T, 2> weight, const tensor_view<T, 2>& y, const embedding_options& o = {}) {
  using C = computes_in<T>;
  for (std::int64_t t = 0; t < y.rows(); ++t) {
    const std::int64_t row = stretto::detail::row_of_id(ids[t], o.first_id, weight.rows());
    for (std::int64_t j = 0; j < y.columns(); ++j) y(t, j) = row >= 0 ? static_cast<T>(static_cast<C>(weight(row, j)) * static_cast<C>(o.scale)) : T(0);
  }
}

template <class T>
void embedding_backward(reads<std::int32_t, 1> ids, const tensor_view<T, 2>& dy, writes<computes_in<T>, 2> dweight, const embedding_options& o = {}) {
  using C = computes_in<T>;
  for (std::int64_t t = 0; t < dy.rows(); ++t) {
    const std::int64_t row = stretto::detail::row_of_id(ids[t], o.first_id, dweight.rows());
    if (row < 0) continue;
    for (std::int64_t j = 0; j < dy.columns(); ++j) dweight(row, j) += static_cast<C>(dy(t, j)) * static_cast<C>(o.scale);
  }
}

}  // namespace reference
}  // namespace stretto::inline v0
