// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Queries, keys and values out of the columns of one product on the CPU, heads of the first two normed, if there are weights
// for that, and turned; numeric/split_rotary.hpp says how.
//
//     split_rotary(q, qkv, positions, table, queries, keys, values);                                    (tokens, heads, head size)
//     split_rotary(q, qkv, positions, table, queries, keys, values, {.queries = wq, .keys = wk}, inverse);    with norms
//     split_rotary_backward(q, dqueries, dkeys, dvalues, positions, table, dqkv);
//     split_rotary_backward(q, dqueries, dkeys, dvalues, positions, table, dqkv, {.norms = …, .qkv = qkv, .inverse = inverse, .dqueries = dwq, .dkeys = dwk});
// inverse is (heads of queries, then of keys; tokens). Values may be the columns of qkv themselves, and gradients those of dqkv:
// then they stay where they are. A gradient of weights is summed head by head. Cost: rms_norm of each head, which rounds what
// it gives, rotary in place, and a copy of the values.
#pragma once

#include <stretto/host/copy_rows.hpp>
#include <stretto/host/rms_norm.hpp>
#include <stretto/host/rotary.hpp>
#include <stretto/numeric/split_rotary.hpp>

namespace stretto::inline v0::host {

namespace detail {

/// Head by head, unless they are the same.
template <class T>
void copy_heads(queue& q, const tensor_view<const T, 3>& from, const tensor_view<T, 3>& to) {
  for (std::int64_t h = 0; h < to.extent(1) && from.data() != to.data(); ++h) copy_rows(q, stretto::detail::head_of(from, h), stretto::detail::head_of(to, h));
}

}  // namespace detail

template <class T>
void split_rotary(queue& q, reads<T, 2> qkv, reads<std::int32_t, 1> positions, const rotary_table<computes_in<T>>& table, const tensor_view<T, 3>& queries, writes<T, 3> keys, writes<T, 3> values,
                  const head_norms<std::type_identity_t<T>>& n = {}, writes<computes_in<T>, 2> inverse = {}) {
  using stretto::detail::head_of, stretto::detail::run_of;
  tensor_view<const T, 3> from[3];
  stretto::detail::split_heads("split_rotary", qkv, queries, tensor_view<T, 3>(keys), tensor_view<T, 3>(values), from);
  stretto::detail::check_head_norms("split_rotary", n, queries.extents(), keys.extents(), inverse, true);
  const tensor_view<T, 3> to[] = {queries, keys, values};
  for (int p = 0; p < 2; ++p) {
    if (!n.any()) {
      rotary(q, from[p], positions, table, to[p]);
      continue;
    }
    for (std::int64_t h = 0; h < to[p].extent(1); ++h)
      rms_norm(q, head_of(from[p], h), p == 0 ? n.queries : n.keys, head_of(to[p], h), run_of(inverse, p * queries.extent(1) + h), {.epsilon = n.epsilon});
    rotary(q, to[p], positions, table, to[p]);
  }
  detail::copy_heads(q, from[2], to[2]);
}

template <class T>
void split_rotary_backward(queue& q, reads<T, 3> dqueries, reads<T, 3> dkeys, reads<T, 3> dvalues, reads<std::int32_t, 1> positions, const rotary_table<computes_in<T>>& table,
                           const tensor_view<T, 2>& dqkv, const head_norms_backward<std::type_identity_t<T>>& n = {}) {
  using stretto::detail::head_of, stretto::detail::run_of;
  constexpr const char* operation = "split_rotary_backward";
  const tensor_view<const T, 3> from[] = {dqueries, dkeys, dvalues};
  tensor_view<T, 3> to[3];
  stretto::detail::split_heads(operation, dqkv, from[0], from[1], from[2], to);
  stretto::detail::check_head_norms_backward(operation, n, dqkv.extents(), from[0].extents(), from[1].extents());
  tensor_view<const T, 3> x[3];
  if (n.norms.any()) stretto::detail::split_heads(operation, n.qkv, from[0], from[1], from[2], x);
  for (int p = 0; p < 2; ++p) {
    rotary_backward(q, from[p], positions, table, to[p]);
    for (std::int64_t h = 0; h < to[p].extent(1) && n.norms.any(); ++h) {
      const tensor_view<T, 2> d = head_of(to[p], h);
      const tensor_view<const T, 2> of = head_of(x[p], h);
      const auto inverse = run_of(n.inverse, p * from[0].extent(1) + h);
      rms_norm_backward_weight(q, of, inverse, d, p == 0 ? n.dqueries : n.dkeys);
      rms_norm_backward_input(q, of, p == 0 ? n.norms.queries : n.norms.keys, inverse, d, d);
    }
  }
  detail::copy_heads(q, from[2], to[2]);
}

}  // namespace stretto::inline v0::host
