// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last layer of a model and its loss, some rows at a time, as plain loops: logits of all rows at once are often the
// largest matrix of a step, and nobody needs them afterwards.
//
//     for each chunk of rows, as many as `room` has:
//       room = hidden headᵀ        loss, lse        room = gradient of the logits, over them
//       dhidden = room head        dhead += roomᵀ hidden
// dhidden and dhead may be {}: without either, losses alone. Sums of dhead go chunk by chunk, so their bits hang on the room's
// rows; losses don't.
// Cost: three products of rows × vocabulary × width; memory: the room.
// Source: Wijmans et al., Cut your losses in large-vocabulary language models, ICLR 2025, and what it compares with.
#pragma once

#include <stretto/numeric/cross_entropy.hpp>
#include <stretto/numeric/matrix_product.hpp>

namespace stretto::inline v0::reference {

template <class T>
cross_entropy_sum chunked_cross_entropy(reads<T, 2> hidden, reads<T, 2> head, tensor_view<const std::int32_t, 1> labels, computes_in<T> factor,
                                        const tensor_view<T, 2>& room, writes<computes_in<T>, 1> loss, writes<computes_in<T>, 1> lse, writes<T, 2> dhidden = {},
                                        writes<computes_in<T>, 2> dhead = {}, const cross_entropy_options& o = {}) {
  std::int64_t right = 0;
  for (std::int64_t from = 0; from < hidden.rows(); from += room.rows()) {
    const std::int64_t n = hidden.rows() - from < room.rows() ? hidden.rows() - from : room.rows();
    const auto logits = room.rows(0, n);
    const auto x = hidden.rows(from, n);
    const auto wanted = labels.part(0, from, n);
    cross_entropy_options part = o;
    if (o.weights.data() != nullptr) part.weights = o.weights.part(0, from, n);
    matrix_product(x, transposed(head), logits);
    right += cross_entropy(logits, wanted, loss.part(0, from, n), lse.part(0, from, n), part).right;
    if (dhidden.data() == nullptr && dhead.data() == nullptr) continue;
    cross_entropy_backward(logits, wanted, lse.part(0, from, n), factor, logits, part);
    if (dhidden.data() != nullptr) matrix_product(logits, head, dhidden.rows(from, n));
    if (dhead.data() != nullptr) matrix_product(transposed(logits), x, dhead, true);
  }
  cross_entropy_sum all = stretto::detail::add_losses<computes_in<T>>(labels, loss, o);
  all.right = right;
  return all;
}

}  // namespace stretto::inline v0::reference
