// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last layer of a model and its loss on the CPU, some rows at a time, so that the logits of all rows are never there.
//
//     tensor<bf16, 2> room({512, 50304});
//     const auto sum = chunked_cross_entropy(q, hidden, head, labels, 1.0f / tokens, room, loss, lse, dhidden, dhead, {.vocabulary = 50257});
//
//     room        512 rows at a time: logits, then their gradient
//     hidden      (rows, width)          dhidden    is written
//     head        (vocabulary, width)    dhead      is added to; float for bf16 and fp16
// dhidden and dhead may be {}: a head that isn't trained has no gradient, and without either there are losses alone. Sums of
// dhead go chunk by chunk, so their bits hang on the room's rows; losses don't. Cost: three products of rows × vocabulary ×
// width, and three passes over the room for each chunk.
// Source: numeric/chunked_cross_entropy.hpp.
#pragma once

#include <stretto/host/cross_entropy.hpp>
#include <stretto/host/matrix_product.hpp>

namespace stretto::inline v0::host {

/// The losses' sum; `factor` is that of cross_entropy_backward.
template <class T>
cross_entropy_sum chunked_cross_entropy(queue& q, reads<T, 2> hidden, reads<T, 2> head, tensor_view<const std::int32_t, 1> labels, computes_in<T> factor,
                                        const tensor_view<T, 2>& room, writes<computes_in<T>, 1> loss, writes<computes_in<T>, 1> lse, writes<T, 2> dhidden = {},
                                        writes<computes_in<T>, 2> dhead = {}, const cross_entropy_options& o = {}) {
  constexpr const char* operation = "chunked_cross_entropy";
  const std::int64_t rows = hidden.rows(), width = hidden.columns(), vocabulary = head.rows();
  if (o.shard.whole != 0)
    throw error("stretto: chunked_cross_entropy needs the whole vocabulary, and was given a shard; use matrix_product and cross_entropy_shard");
  if (room.rows() < 1)
    throw error(text("stretto: chunked_cross_entropy has no room for logits; give it a matrix of (rows of a chunk, ", vocabulary, ")").str());
  detail::check_matrix(operation, "a head", head, vocabulary, width);
  detail::check_matrix(operation, "room", room, room.rows(), vocabulary);
  detail::check_labels(operation, rows, vocabulary, labels, o);
  detail::check_run(operation, "loss", loss, rows, "row");
  detail::check_run(operation, "lse", lse, rows, "row");
  if (dhidden.data() != nullptr) detail::check_matrix(operation, "dhidden", dhidden, rows, width);
  if (dhead.data() != nullptr) detail::check_matrix(operation, "dhead", dhead, vocabulary, width);
  std::int64_t right = 0;
  for (std::int64_t from = 0; from < rows; from += room.rows()) {
    const std::int64_t n = rows - from < room.rows() ? rows - from : room.rows();
    const tensor_view<T, 2> logits = room.rows(0, n);
    const reads<T, 2> x = hidden.rows(from, n);
    const auto wanted = labels.part(0, from, n);
    cross_entropy_options part = o;
    if (o.weights.data() != nullptr) part.weights = o.weights.part(0, from, n);
    matrix_product(q, x, transposed(head), logits);
    right += cross_entropy(q, logits, wanted, loss.part(0, from, n), lse.part(0, from, n), part).right;
    if (dhidden.data() == nullptr && dhead.data() == nullptr) continue;
    cross_entropy_backward(q, logits, wanted, lse.part(0, from, n), factor, logits, part);
    if (dhidden.data() != nullptr) matrix_product(q, logits, head, dhidden.rows(from, n));
    if (dhead.data() != nullptr) matrix_product(q, transposed(logits), x, dhead, {.accumulate = true});
  }
  cross_entropy_sum all = stretto::detail::add_losses<computes_in<T>>(labels, loss, o);
  all.right = right;
  return all;
}

}  // namespace stretto::inline v0::host
