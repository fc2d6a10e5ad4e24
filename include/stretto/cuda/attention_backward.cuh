// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention of a CUDA device, backward: scores are computed anew from queries, keys and lse, in two kernels without atomics.
//
//     attention_delta(q, output, d_output, delta);                                                   once a row
//     attention_backward(q, queries, keys, values, d_output, lse, delta, {}, {}, d_queries, d_keys, d_values);
//     for each share of the keys:  attention_backward(…, {.accumulate = true});                      gradients in float
// lse and delta are those of whole rows, so shares of the keys, steps of a ring or slices of a sequence are done one by one, in
// any order, and add to gradients in float. Without accumulate gradients are written, in T or in float. Sums are float; of
// bf16 and fp16, weights and their gradients are rounded to that type before they are multiplied, as tensor cores want.
// Each gradient is summed over keys, or over heads and queries, in order: two calls give the same bits.
// Cost: 7 products of tiles, where forward has 2, and 8 for head sizes above 128. Scratch memory as forward.
// Source: kernels/attention_backward.cuh.
#pragma once

#include <stretto/cuda/attention.cuh>
#include <stretto/cuda/kernels/attention_backward.cuh>

namespace stretto::inline v0::cuda {

namespace detail {

template <class T, class G, class Space>
attention_gradient<T> attention_gradient_of(const tensor_view<G, 3, Space>& v, bool adds) {
  return {v.data(), v.stride(0), v.stride(1), std::is_same_v<G, float>, adds};
}

template <int Wide, class Runtime, class T, class Reads, class Queries, class Keys, class Values>
STRETTO_OPERATION void launch_attention_backward(basic_queue<Runtime>& q, const attention_backward_arguments<T>& a, const Reads& read, const Queries& d_queries, const Keys& d_keys, const Values& d_values) {
  using shape = attention_backward_shape<T, Wide>;
  const auto tiles = [](std::int64_t count) { return (count + shape::kept - 1) / shape::kept; };
  q.launch("attention_backward_queries", attention_backward_queries<T, Wide>,
           {.blocks = tiles(a.at_queries.count) * a.heads, .threads = shape::threads, .shared_bytes = shape::bytes}, a, read, writes_of(d_queries));
  const launch_shape by_keys{.blocks = tiles(a.at_keys.count) * a.heads_of_keys, .threads = shape::threads, .shared_bytes = shape::bytes};
  if constexpr (Wide <= 128) {
    q.launch("attention_backward_keys_values", attention_backward_keys<T, Wide, true, true>, by_keys, a, read, writes_of(d_keys, d_values));
  } else {
    q.launch("attention_backward_keys", attention_backward_keys<T, Wide, true, false>, by_keys, a, read, writes_of(d_keys));
    q.launch("attention_backward_values", attention_backward_keys<T, Wide, false, true>, by_keys, a, read, writes_of(d_values));
  }
}

}  // namespace detail

/// delta = sum over a head of output d_output, which attention_backward takes.
template <class Runtime, class V>
STRETTO_OPERATION void attention_delta(basic_queue<Runtime>& q, device_reads<Runtime, V, 3> output, const tensor_view<V, 3, basic_memory<Runtime>>& d_output,
                                       device_writes<Runtime, computes_in<V>, 2> delta) {
  using T = std::remove_const_t<V>;
  detail::check_row_type<T>();
  if (output.extents() != d_output.extents() || delta.extent(0) != output.extent(0) || delta.extent(1) != output.extent(1))
    throw error(text("stretto: outputs of shape ", output.extents().words().str(), " with gradients of ", d_output.extents().words().str(), " don't give deltas of ", delta.extents().words().str(),
                     "; give gradients of the outputs' shape, and one delta a token and head").str());
  const std::int64_t rows = output.extent(0) * output.extent(1);
  const int size = static_cast<int>(output.extent(2));
  int lanes = 1;
  while (lanes < 32 && lanes * in_line<T> < size) lanes *= 2;
  const device_reads<Runtime, T, 3> d_read = d_output;
  const attention_delta_arguments<T> a{detail::attention_rows_of(output), detail::attention_rows_of(d_read), delta.data(), delta.stride(0), output.extent(0), output.extent(1), size, lanes};
  const std::int64_t blocks = (rows * lanes + 255) / 256;
  q.launch("attention_delta", attention_delta_rows<T>, {.blocks = blocks < 1 << 20 ? blocks : 1 << 20}, a, reads_of(output, d_output), writes_of(delta));
}

/// G: T or float. Adds to the gradients with accumulate, else writes them.
template <class Runtime, class V, class G>
STRETTO_OPERATION void attention_backward(basic_queue<Runtime>& q, device_reads<Runtime, V, 3> queries, device_reads<Runtime, V, 3> keys, device_reads<Runtime, V, 3> values,
                                          const tensor_view<V, 3, basic_memory<Runtime>>& d_output, device_reads<Runtime, computes_in<V>, 2> lse,
                                          device_reads<Runtime, computes_in<V>, 2> delta, const token_places_in<basic_memory<Runtime>>& at_queries,
                                          const token_places_in<basic_memory<Runtime>>& at_keys, const tensor_view<G, 3, basic_memory<Runtime>>& d_queries,
                                          device_writes<Runtime, G, 3> d_keys, device_writes<Runtime, G, 3> d_values, const attention_options& o = {}) {
  using T = std::remove_const_t<V>;
  detail::check_row_type<T>();
  static_assert(std::is_same_v<G, T> || std::is_same_v<G, computes_in<T>>, "stretto: the gradients of attention are of the type of its queries or, of bf16 and fp16, float; correct their type");
  detail::check_attention(queries.extents(), keys.extents(), values.extents(), d_output.extents(), lse.extents(), at_queries, at_keys, o);
  detail::check_attention(queries.extents(), keys.extents(), values.extents(), d_queries.extents(), delta.extents(), at_queries, at_keys, o);
  if (d_keys.extents() != keys.extents() || d_values.extents() != keys.extents())
    throw error(text("stretto: keys and values of shape ", keys.extents().words().str(), " can't have gradients of ", d_keys.extents().words().str(), " and ", d_values.extents().words().str(),
                     "; make them alike").str());
  if (o.accumulate && !std::is_same_v<G, computes_in<T>>)
    throw error(text("stretto: the gradients of attention in ", element_name(element_traits<G>::type),
                     " aren't added to, because each time would round; give float ones, or leave accumulate out").str());
  const detail::attention_sides at = detail::attention_sides_of(q, at_queries, queries.extent(0), at_keys, keys.extent(0));
  const device_reads<Runtime, T, 3> d_read = d_output;
  const attention_backward_arguments<T> a{detail::attention_rows_of(queries), detail::attention_rows_of(keys), detail::attention_rows_of(values), detail::attention_rows_of(d_read),
                                          lse.data(), delta.data(), lse.stride(0), delta.stride(0), at.queries, at.keys, detail::attention_rule_for(q, o, queries.extent(2)),
                                          detail::attention_gradient_of<T>(d_queries, o.accumulate), detail::attention_gradient_of<T>(d_keys, o.accumulate),
                                          detail::attention_gradient_of<T>(d_values, o.accumulate), queries.extent(1), keys.extent(1), static_cast<int>(queries.extent(2))};
  const auto read = reads_of(queries, keys, values, d_output, lse, delta, at_queries.positions, at_queries.documents, at_keys.positions, at_keys.documents, at.noted, detail::step_read(a.rule));
  if (a.head_size <= 64) detail::launch_attention_backward<64>(q, a, read, d_queries, d_keys, d_values);
  else if (a.head_size <= 128) detail::launch_attention_backward<128>(q, a, read, d_queries, d_keys, d_values);
  else detail::launch_attention_backward<256>(q, a, read, d_queries, d_keys, d_values);
}

}  // namespace stretto::inline v0::cuda
