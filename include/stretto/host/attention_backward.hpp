// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention of the CPU, backward: scores are computed anew from queries, keys and lse.
//
//     attention_delta(q, output, d_output, delta);                                                   once a row
//     attention_backward(q, queries, keys, values, d_output, lse, delta, {}, {}, d_queries, d_keys, d_values);
//     for each share of the keys:  attention_backward(…, {.accumulate = true});                      gradients in float
// lse and delta are those of whole rows, so the shares of the keys, the steps of a ring or the slices of a sequence are
// done one by one, in any order, and add to gradients in float. Without accumulate gradients are written, in T or in float.
// What is shared between threads are heads of keys, and each gradient is summed over queries, or keys, in order: the bits
// don't hang on the number of threads, nor on other documents.
// Cost: 5 products of tiles, where forward has 2. Of bf16 and fp16 gradients that aren't float, 7, where there are more keys
// than sums fit the queue's scratch memory, with the same bits: in 4 MiB, as queues have, 7,700 at head size 64, 3,700 at 128.
// Source: Dao et al., FlashAttention, NeurIPS 2022.
#pragma once

#include <stretto/host/attention.hpp>

namespace stretto::inline v0::host {

template <class T>
struct attention_delta_arguments {
  tensor_view<const T, 3> output, d_output;
  tensor_view<float, 2> delta;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/attention_backward.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

/// delta = sum over a head of output d_output, which attention_backward takes.
template <class V>
void attention_delta(queue& q, reads<V, 3> output, const tensor_view<V, 3>& d_output, writes<computes_in<V>, 2> delta) {
  using T = std::remove_const_t<V>;
  if (output.extents() != d_output.extents() || delta.extent(0) != output.extent(0) || delta.extent(1) != output.extent(1))
    throw error(text("stretto: outputs of shape ", output.extents().words().str(), " with gradients of ", d_output.extents().words().str(), " don't give deltas of ", delta.extents().words().str(),
                     "; give gradients of the outputs' shape, and one delta a token and head").str());
  if constexpr (std::is_same_v<T, double>) {
    reference::attention_delta<V>(output, d_output, delta);
  } else {
    const attention_delta_arguments<T> a{output, d_output, delta};
    q.split(output.extent(0), 16, q.pick(&portable::attention_delta_of<T>, &avx2::attention_delta_of<T>, &avx512::attention_delta_of<T>), a);
  }
}

/// G: T or float (double of double). Adds to the gradients with accumulate, else writes them.
template <class V, class G>
void attention_backward(queue& q, reads<V, 3> queries, reads<V, 3> keys, reads<V, 3> values, const tensor_view<V, 3>& d_output, reads<computes_in<V>, 2> lse,
                        reads<computes_in<V>, 2> delta, const token_places& at_queries, const token_places& at_keys, const tensor_view<G, 3>& d_queries, writes<G, 3> d_keys,
                        writes<G, 3> d_values, const attention_options& o = {}) {
  using T = std::remove_const_t<V>;
  static_assert(std::is_same_v<G, T> || std::is_same_v<G, computes_in<T>>, "stretto: the gradients of attention are of the type of its queries or, of bf16 and fp16, float; correct their type");
  detail::check_attention(queries.extents(), keys.extents(), values.extents(), d_output.extents(), lse.extents(), at_queries, at_keys, o);
  detail::check_attention(queries.extents(), keys.extents(), values.extents(), d_queries.extents(), delta.extents(), at_queries, at_keys, o);
  if (d_keys.extents() != keys.extents() || d_values.extents() != keys.extents())
    throw error(text("stretto: keys and values of shape ", keys.extents().words().str(), " can't have gradients of ", d_keys.extents().words().str(), " and ", d_values.extents().words().str(),
                     "; make them alike").str());
  if (o.accumulate && !std::is_same_v<G, computes_in<T>>)
    throw error(text("stretto: the gradients of attention in ", element_name(element_traits<G>::type),
                     " aren't added to, because each time would round; give float ones, or leave accumulate out").str());
  const attention_tokens of_queries = detail::attention_tokens_at(at_queries, queries.extent(0), "queries"), of_keys = detail::attention_tokens_at(at_keys, keys.extent(0), "keys");
  if constexpr (std::is_same_v<T, double>) {
    reference::attention_backward<V, G>(queries, keys, values, d_output, lse, delta, at_queries, at_keys, d_queries, d_keys, d_values, o);
  } else {
    const std::int64_t d = queries.extent(2), count = keys.extent(0), fixed = attention_backward_scratch(d), bytes_each = static_cast<std::int64_t>(sizeof(float));
    std::int64_t at_once = 0;
    if constexpr (!std::is_same_v<G, float>) {
      const std::int64_t fit = (q.scratch_bytes() / bytes_each - fixed) / (2 * attention_padded(d));
      at_once = fit < attention_keys ? attention_keys : fit;  // a tile of keys at least
      at_once = count < at_once ? count : at_once;
    }
    q.need_scratch((fixed + at_once * 2 * attention_padded(d)) * bytes_each, "attention_backward");
    const attention_backward_arguments<T, G> a{queries, keys, values, d_output, lse, delta, of_queries, of_keys, detail::attention_rule_of(o, d), d_queries, d_keys, d_values, at_once};
    q.split(keys.extent(1), 1, q.pick(&portable::attention_backward_of<T, G>, &avx2::attention_backward_of<T, G>, &avx512::attention_backward_of<T, G>), a);
  }
}

}  // namespace stretto::inline v0::host
