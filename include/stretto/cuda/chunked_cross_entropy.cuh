// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last layer of a model and its loss on a CUDA device, some rows at a time, so that the logits of all rows are never there.
//
//     tensor<bf16, 2, cuda::memory> room({1024, 50304});
//     chunked_cross_entropy(q, hidden, head, labels, 1.0f / tokens, room, loss, lse, sums, dhidden, dhead, {.vocabulary = 50257});
//
//     room        1024 rows at a time: logits, then their gradient
//     sums        of rows that count: loss, weight, tokens, right; in the device's memory, or {}
//     dhidden     is written, dhead is added to, in float; either may be {}, and without both there are losses alone
// Sums of dhead go chunk by chunk, so their bits hang on the room's rows; losses and sums don't. Nobody waits.
// Cost: three products of rows × vocabulary × width, and three passes over the room for each chunk.
// Source: numeric/chunked_cross_entropy.hpp.
#pragma once

#include <stretto/cuda/cross_entropy.cuh>
#include <stretto/cuda/matrix_product.cuh>

namespace stretto::inline v0::cuda {

template <class Runtime, class T>
STRETTO_OPERATION void chunked_cross_entropy(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> hidden, device_reads<Runtime, T, 2> head, device_reads<Runtime, std::int32_t, 1> labels, float factor,
                                             const tensor_view<T, 2, basic_memory<Runtime>>& room, device_writes<Runtime, float, 1> loss, device_writes<Runtime, float, 1> lse,
                                             device_writes<Runtime, double, 1> sums = {}, device_writes<Runtime, T, 2> dhidden = {}, device_writes<Runtime, float, 2> dhead = {},
                                             const device_losses<Runtime>& o = {}) {
  detail::check_row_type<T>();
  constexpr const char* operation = "chunked_cross_entropy";
  const std::int64_t rows = hidden.rows(), width = hidden.columns(), vocabulary = head.rows();
  if (o.shard.whole != 0) throw error("stretto: chunked_cross_entropy needs the whole vocabulary, and was given a shard; use matrix_product and cross_entropy_shard");
  if (room.rows() < 1) throw error(text("stretto: chunked_cross_entropy has no room for logits; give it a matrix of (rows of a chunk, ", vocabulary, ")").str());
  stretto::detail::check_matrix(operation, "a head", head, vocabulary, width);
  stretto::detail::check_matrix(operation, "room", room, room.rows(), vocabulary);
  stretto::detail::check_cross_entropy(operation, rows, vocabulary, labels, o);
  stretto::detail::check_run(operation, "loss", loss, rows, "row");
  stretto::detail::check_run(operation, "lse", lse, rows, "row");
  detail::check_sums<Runtime>(operation, sums);
  if (dhidden.data() != nullptr) stretto::detail::check_matrix(operation, "dhidden", dhidden, rows, width);
  if (dhead.data() != nullptr) stretto::detail::check_matrix(operation, "dhead", dhead, vocabulary, width);
  const bool counts_right = o.count_right && sums.data() != nullptr;
  if (sums.data() != nullptr) q.zero(sums);
  for (std::int64_t from = 0; from < rows; from += room.rows()) {
    const std::int64_t n = rows - from < room.rows() ? rows - from : room.rows();
    const auto logits = room.rows(0, n);
    const auto x = hidden.rows(from, n);
    const auto wanted = labels.part(0, from, n);
    device_losses<Runtime> part = o;
    if (o.weights.data() != nullptr) part.weights = o.weights.part(0, from, n);
    matrix_product(q, x, transposed(head), logits);
    const memory_run right = detail::read_losses<Runtime, T>(q, operation, logits, wanted, loss.part(0, from, n), lse.part(0, from, n), part, counts_right);
    if (counts_right) detail::add_losses<Runtime>(q, operation, wanted, loss.part(0, from, n), right, sums, part, 3, 4, true);
    if (dhidden.data() == nullptr && dhead.data() == nullptr) continue;
    cross_entropy_backward(q, logits, wanted, lse.part(0, from, n), factor, logits, part);
    if (dhidden.data() != nullptr) matrix_product(q, logits, head, dhidden.rows(from, n));
    if (dhead.data() != nullptr) matrix_product(q, transposed(logits), x, dhead, {.accumulate = true});
  }
  if (sums.data() != nullptr) detail::add_losses<Runtime>(q, operation, labels, loss, {}, sums, o, 0, 3);
}

}  // namespace stretto::inline v0::cuda
