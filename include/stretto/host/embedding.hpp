// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Embedding on the CPU.
//
//     embedding(q, ids, weight, y);                                   y[t] = weight[ids[t]]
//     embedding_backward(q, ids, dy, dweight);                        dweight[ids[t]] += dy[t]
//     embedding(q, ids, shard, y, {.first_id = 16000, .vocabulary = 64000});    rows 16000 and on; zeros for other ids
// Rows of gradients are added in the order of tokens onto what is there, in float where dy is bf16 or fp16: threads share
// columns, so the bits don't hang on how many there are, and tokens in two calls give those of one. An id that the
// vocabulary lacks is an error. Cost: forward a read and a write an element; backward a read, and a read and a write of the
// rows of dweight.
#pragma once

#include <stretto/host/rows.hpp>
#include <stretto/numeric/embedding.hpp>

namespace stretto::inline v0::host {

template <class T>
struct embedding_arguments {
  const std::int32_t* ids;
  std::int64_t tokens, columns;
  std::int64_t first_id, rows;  ///< of the table
  const T* weight;
  std::int64_t weight_gap;
  T* y;
  std::int64_t y_gap;
  float scale;
  bool streams;
};

template <class T>
struct embedding_backward_arguments {
  const std::int32_t* ids;
  std::int64_t tokens;
  std::int64_t first_id, rows;
  const T* dy;
  std::int64_t dy_gap;
  float* dweight;
  std::int64_t dweight_gap;
  float scale;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/embedding.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

namespace detail {

/// `table` is weight or its gradient, `numbers` what tokens get or give.
template <class A, class B>
void check_embedding(const char* operation, const tensor_view<const std::int32_t, 1>& ids, const tensor_view<A, 2>& table, const tensor_view<B, 2>& numbers,
                     const embedding_options& o) {
  if (ids.size() != numbers.rows() || table.columns() != numbers.columns())
    throw error(text("stretto: ", operation, " of ", ids.size(), " ids with a table of ", table.columns(), " columns goes with a matrix of that many rows and columns, not ",
                     numbers.extents().words().str(), "; correct it").str());
  const bool counts = o.first_id <= INT64_MAX - table.rows();
  const std::int64_t vocabulary = o.vocabulary >= 0 ? o.vocabulary : counts ? o.first_id + table.rows() : INT64_MAX;
  if (o.first_id < 0 || !counts || o.first_id + table.rows() > vocabulary)
    throw error(text("stretto: ", operation, " was given a table of ", table.rows(), " ids from ", o.first_id, " on of a vocabulary of ", vocabulary,
                     "; correct first_id or vocabulary").str());
  for (std::int64_t t = 0; t < ids.size(); ++t)
    if (ids[t] < 0 || ids[t] >= vocabulary)
      throw error(text("stretto: token ", t, " has id ", ids[t], ", and the vocabulary has ids 0 to ", vocabulary - 1, "; correct the id, or the vocabulary").str());
}

}  // namespace detail

template <class T>
void embedding(queue& q, reads<std::int32_t, 1> ids, reads<T, 2> weight, const tensor_view<T, 2>& y, const embedding_options& o = {}) {
  detail::check_embedding("embedding", ids, weight, y, o);
  if constexpr (std::is_same_v<T, double>) {
    reference::embedding(ids, weight, y, o);
  } else {
    const embedding_arguments<T> a{ids.data(), ids.size(), y.columns(), o.first_id, weight.rows(), weight.data(), weight.stride(0),
                                   y.data(), y.stride(0), static_cast<float>(o.scale), detail::past_cache<T>(y.size())};
    q.split(ids.size(), detail::row_grain(y.columns()), q.pick(&portable::gather_rows<T>, &avx2::gather_rows<T>, &avx512::gather_rows<T>), a);
  }
}

template <class Dy>
void embedding_backward(queue& q, reads<std::int32_t, 1> ids, const tensor_view<Dy, 2>& dy, writes<computes_in<Dy>, 2> dweight, const embedding_options& o = {}) {
  using T = std::remove_const_t<Dy>;
  detail::check_embedding("embedding_backward", ids, dweight, dy, o);
  if constexpr (std::is_same_v<T, double>) {
    reference::embedding_backward(ids, dy, dweight, o);
  } else {
    const embedding_backward_arguments<T> a{ids.data(), ids.size(), o.first_id, dweight.rows(), dy.data(), dy.stride(0), dweight.data(), dweight.stride(0), static_cast<float>(o.scale)};
    q.split(dy.columns(), detail::column_grain, q.pick(&portable::scatter_columns<T>, &avx2::scatter_columns<T>, &avx512::scatter_columns<T>), a);
  }
}

}  // namespace stretto::inline v0::host
