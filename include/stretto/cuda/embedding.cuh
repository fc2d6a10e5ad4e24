// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Embedding on a CUDA device.
//
//     embedding(q, ids, weight, y);                                   y[t] = weight[ids[t]]
//     embedding_backward(q, ids, dy, dweight);                        dweight[ids[t]] += dy[t]
//     embedding(q, ids, shard, y, {.first_id = 16000, .vocabulary = 64000});    rows 16000 and on; zeros for other ids
// ids are on the device, and can't be checked: the row of one that the vocabulary lacks becomes no number, and adds nothing.
// Gradients are added in the order of tokens, in float, to what is there: tokens in two calls give the bits of one.
// Cost: one pass over memory; backward also a sort of the ids, and 17 bytes of scratch memory a token.
#pragma once

#include <stretto/cuda/each.cuh>
#include <stretto/cuda/kernels/embedding.cuh>
#include <stretto/cuda/sort_pairs.cuh>
#include <stretto/numeric/embedding.hpp>

namespace stretto::inline v0::cuda {

namespace detail {

/// How many ids there are in all. `table` is weight or its gradient, `numbers` what tokens get or give.
template <class A, class B, class Space>
std::int64_t checked_vocabulary(const char* operation, const tensor_view<const std::int32_t, 1, Space>& ids, const tensor_view<A, 2, Space>& table,
                                const tensor_view<B, 2, Space>& numbers, const embedding_options& o) {
  if (ids.size() != numbers.rows() || table.columns() != numbers.columns())
    throw error(text("stretto: ", operation, " of ", ids.size(), " ids with a table of ", table.columns(), " columns goes with a matrix of that many rows and columns, not ",
                     numbers.extents().words().str(), "; correct it").str());
  const bool counts = o.first_id <= INT64_MAX - table.rows();
  const std::int64_t vocabulary = o.vocabulary >= 0 ? o.vocabulary : counts ? o.first_id + table.rows() : INT64_MAX;
  if (o.first_id < 0 || !counts || o.first_id + table.rows() > vocabulary)
    throw error(text("stretto: ", operation, " was given a table of ", table.rows(), " ids from ", o.first_id, " on of a vocabulary of ", vocabulary,
                     "; correct first_id or vocabulary").str());
  return vocabulary;
}

}  // namespace detail

template <class Runtime, class T>
STRETTO_OPERATION void embedding(basic_queue<Runtime>& q, device_reads<Runtime, std::int32_t, 1> ids, device_reads<Runtime, T, 2> weight, const tensor_view<T, 2, basic_memory<Runtime>>& y,
                                 const embedding_options& o = {}) {
  detail::check_row_type<T>();
  const std::int64_t vocabulary = detail::checked_vocabulary("embedding", ids, weight, y, o);
  if (y.empty()) return;
  gather_arguments<T> a{ids.data(), ids.size(), y.columns(), o.first_id, weight.rows(), vocabulary, weight.data(), weight.stride(0), y.data(), y.stride(0), static_cast<float>(o.scale)};
  if (in_lines<T>(y.data(), y.stride(0), y.columns()) && in_lines<T>(weight.data(), weight.stride(0), 0)) {
    a.per_row /= in_line<T>;
    q.launch("embedding", gather_rows<in_line<T>, 2, T>, {.blocks = detail::row_blocks(a.tokens * a.per_row, 2 * each_threads), .threads = each_threads}, a, reads_of(ids, weight), writes_of(y));
  } else {
    q.launch("embedding", gather_rows<1, 4, T>, {.blocks = detail::row_blocks(a.tokens * a.per_row, 4 * each_threads), .threads = each_threads}, a, reads_of(ids, weight), writes_of(y));
  }
}

template <class Runtime, class Dy>
STRETTO_OPERATION void embedding_backward(basic_queue<Runtime>& q, device_reads<Runtime, std::int32_t, 1> ids, const tensor_view<Dy, 2, basic_memory<Runtime>>& dy,
                                          device_writes<Runtime, float, 2> dweight, const embedding_options& o = {}) {
  using T = std::remove_const_t<Dy>;
  detail::check_row_type<T>();
  detail::checked_vocabulary("embedding_backward", ids, dweight, dy, o);
  const std::int64_t tokens = ids.size(), rows = dweight.rows();
  if (tokens > INT32_MAX || rows >= INT32_MAX)
    throw error(text("stretto: embedding_backward of ", tokens, " ids with a table of ", rows, " rows is more than are sorted at once; give at most 2147483647 ids at a time").str());
  if (dy.empty() || rows == 0) return;
  int bits = 1;
  while (rows >> bits != 0) ++bits;
  sorted_run run = make_sort(q.template scratch<std::uint32_t>(sort_words(tokens), "embedding_backward"), tokens);
  q.launch("embedding_keys", sort_keys<256>, {.blocks = detail::row_blocks(tokens, 256), .threads = 256}, sort_keys_arguments{ids.data(), tokens, o.first_id, rows, run.keys, run.places},
           reads_of(ids), writes_of(run.run_of(run.keys), run.run_of(run.places)));
  sort_pairs(q, run, bits);
  const add_rows_arguments<T> a{run.keys, run.places, tokens, rows, dy.columns(), dy.data(), dy.stride(0), dweight.data(), dweight.stride(0), static_cast<float>(o.scale)};
  const bool lines = in_lines<T>(dy.data(), dy.rows() > 1 ? dy.stride(0) : 0, dy.columns()) && in_lines<float>(dweight.data(), rows > 1 ? dweight.stride(0) : 0, 0);
  const std::int64_t band = 32 * (lines ? in_line<T> : 1), warps = tokens * ((a.columns + band - 1) / band);
  q.launch("embedding_backward", lines ? add_rows<in_line<T>, T> : add_rows<1, T>, {.blocks = detail::row_blocks(warps, each_threads / 32), .threads = each_threads}, a,
           reads_of(run.run_of(run.keys), run.run_of(run.places), dy), writes_of(dweight));
}

}  // namespace stretto::inline v0::cuda
