// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Queries, keys and values out of the columns of one product on a CUDA device, heads of the first two normed, if there are
// weights for that, and turned, in one pass; numeric/split_rotary.hpp says how.
//
//     split_rotary(q, qkv, positions, table, queries, keys, values);                                    (tokens, heads, head size)
//     split_rotary(q, qkv, positions, table, queries, keys, values, {.queries = wq, .keys = wk}, inverse);    with norms
//     split_rotary_backward(q, dqueries, dkeys, dvalues, positions, table, dqkv);
//     split_rotary_backward(q, dqueries, dkeys, dvalues, positions, table, dqkv, {.norms = …, .qkv = qkv, .inverse = inverse, .dqueries = dwq, .dkeys = dwk});
// inverse is (heads of queries, then of keys; tokens). Values may be the columns of qkv themselves, and gradients those of dqkv.
// Norms are of heads of up to 256 numbers. Cost: one pass over memory; gradients of weights a second launch, and scratch memory
// for up to 528 rows of them.
#pragma once

#include <stretto/cuda/kernels/head_norm.cuh>
#include <stretto/cuda/kernels/norm_backward.cuh>  // add_weight_parts
#include <stretto/cuda/rotary.cuh>
#include <stretto/numeric/split_rotary.hpp>

namespace stretto::inline v0::cuda {

template <class Runtime, class T>
using device_head_norms = head_norms<std::type_identity_t<T>, std::type_identity_t<basic_memory<Runtime>>>;
template <class Runtime, class T>
using device_head_norms_backward = head_norms_backward<std::type_identity_t<T>, std::type_identity_t<basic_memory<Runtime>>>;

namespace detail {

/// A launch over heads of queries, keys and, where they aren't in place, values. x: what was normed; forward also what is read.
template <class Runtime, class T>
struct head_norm_call {
  head_norm_arguments<T> a{};
  bool lines = false;
  int kinds = 2;

  head_norm_call(const char* operation, const heads_view<Runtime, const T> (&read)[3], const heads_view<Runtime, T> (&to)[3], const device_reads<Runtime, std::int32_t, 1>& positions,
                 const basic_rotary_table<Runtime>& table, const device_head_norms<Runtime, T>& n, float* inverse, std::int64_t inverse_gap) {
    const std::int64_t size = read[0].extent(2), half = table.dims() / 2, one = in_line<T>;
    if (size > most_head_size)
      throw error(text("stretto: ", operation, " norms heads of up to ", most_head_size, " numbers, and was given heads of ", size, "; norm larger ones with rms_norm, and turn them with rotary").str());
    lines = size % one == 0 && half % one == 0;
    for (int p = 0; p < 3; ++p) {
      lines = lines && in_lines<T>(read[p].data(), read[p].stride(0), read[p].stride(1)) && in_lines<T>(to[p].data(), to[p].stride(0), to[p].stride(1));
      a.part[p] = {read[p].extent(1), read[p].data(), read[p].stride(0), read[p].stride(1), nullptr, 0, 0, to[p].data(), to[p].stride(0), to[p].stride(1), nullptr, nullptr};
    }
    a.part[0].weight = n.queries.data(), a.part[1].weight = n.keys.data();
    a.part[0].inverse = inverse, a.part[1].inverse = inverse == nullptr ? nullptr : inverse + read[0].extent(1) * inverse_gap;
    kinds = read[2].data() != to[2].data() ? 3 : 2;
    a.tokens = read[0].extent(0), a.inverse_gap = inverse_gap, a.size = static_cast<int>(size), a.half = static_cast<int>(half);
    a.positions = positions.data(), a.table = table.numbers().data(), a.in_table = table.positions(), a.epsilon = static_cast<float>(n.epsilon);
    a.neighbours = table.pairs() == rotary_pairs::neighbours;
  }
  /// When `lines` is known.
  void share_out() {
    const int one = lines ? in_line<T> : 1;
    a.turned = a.half / one, a.units = a.turned + (a.size - 2 * a.half) / one, a.lanes = 1;
    while (a.lanes < 32 && a.lanes < a.units) a.lanes *= 2;
  }
  /// Blocks that have a turn each.
  std::int64_t turns() const {
    const std::int64_t most = a.part[0].heads > a.part[1].heads ? a.part[0].heads : a.part[1].heads;
    return row_blocks(a.tokens * most, each_threads / a.lanes);
  }
};

}  // namespace detail

template <class Runtime, class T>
STRETTO_OPERATION void split_rotary(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> qkv, device_reads<Runtime, std::int32_t, 1> positions, const basic_rotary_table<Runtime>& table,
                                    const tensor_view<T, 3, basic_memory<Runtime>>& queries, device_writes<Runtime, T, 3> keys, device_writes<Runtime, T, 3> values,
                                    const device_head_norms<Runtime, T>& n = {}, device_writes<Runtime, float, 2> inverse = {}) {
  constexpr const char* operation = "split_rotary";
  using heads = detail::heads_view<Runtime, T>;
  detail::heads_view<Runtime, const T> from[3];
  stretto::detail::split_heads(operation, qkv, queries, heads(keys), heads(values), from);
  detail::check_rotary<Runtime, T>(operation, from[0], positions, table, queries);
  stretto::detail::check_head_norms(operation, n, queries.extents(), keys.extents(), inverse, true);
  const heads to[] = {queries, keys, values};
  if (!n.any()) return detail::turn_parts<3, Runtime, T>(q, operation, from, positions, table, to, false);
  detail::head_norm_call<Runtime, T> c(operation, from, to, positions, table, n, inverse.data(), inverse.stride(0));
  c.share_out();
  if (c.a.tokens == 0 || c.a.size == 0) return;
  constexpr int one = in_line<T>;
  const auto kernel = !c.lines ? norm_turn_heads<1, head_turns<1>, T> : c.a.units <= 32 ? norm_turn_heads<one, 1, T> : norm_turn_heads<one, head_turns<one>, T>;
  q.launch(operation, kernel, {.blocks = c.turns(), .threads = each_threads, .rows = c.kinds}, c.a,
           reads_of(qkv, positions, table.numbers(), n.queries, n.keys), writes_of(queries, keys, inverse, c.kinds == 3 ? heads(values) : heads{}));
}

/// The gradients of queries, keys and values put side by side, the first two turned back; those of the norms' weights are added.
template <class Runtime, class T>
STRETTO_OPERATION void split_rotary_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 3> dqueries, device_reads<Runtime, T, 3> dkeys, device_reads<Runtime, T, 3> dvalues,
                                             device_reads<Runtime, std::int32_t, 1> positions, const basic_rotary_table<Runtime>& table, const tensor_view<T, 2, basic_memory<Runtime>>& dqkv,
                                             const device_head_norms_backward<Runtime, T>& n = {}) {
  constexpr const char* operation = "split_rotary_backward";
  const detail::heads_view<Runtime, const T> from[] = {dqueries, dkeys, dvalues};
  detail::heads_view<Runtime, T> to[3];
  stretto::detail::split_heads(operation, dqkv, from[0], from[1], from[2], to);
  detail::check_rotary<Runtime, T>(operation, dqueries, positions, table, to[0]);
  stretto::detail::check_head_norms_backward(operation, n, dqkv.extents(), from[0].extents(), from[1].extents());
  if (!n.norms.any()) return detail::turn_parts<3, Runtime, T>(q, operation, from, positions, table, to, true);
  detail::heads_view<Runtime, const T> x[3];
  stretto::detail::split_heads(operation, n.qkv, from[0], from[1], from[2], x);
  detail::head_norm_call<Runtime, T> c(operation, from, to, positions, table, n.norms, const_cast<float*>(n.inverse.data()), n.inverse.stride(0));
  for (int p = 0; p < 3; ++p) {
    auto& part = c.a.part[p];
    part.dy = part.x, part.dy_token = part.x_token, part.dy_head = part.x_head;
    part.x = x[p].data(), part.x_token = x[p].stride(0), part.x_head = x[p].stride(1);
    c.lines = c.lines && in_lines<T>(part.x, part.x_token, part.x_head);
  }
  c.share_out();
  if (c.a.tokens == 0 || c.a.size == 0) return;
  const std::int64_t turns = c.turns(), few = (turns + 3) / 4, blocks = few < 528 ? few : 528;
  c.a.parts = q.template scratch<float>(2 * blocks * c.a.size, operation);
  const memory_run parts{c.a.parts, 2 * blocks * c.a.size * 4};
  constexpr int one = in_line<T>;
  const auto kernel = !c.lines ? norm_turn_heads_backward<1, head_turns<1>, T> : c.a.units <= 32 ? norm_turn_heads_backward<one, 1, T> : norm_turn_heads_backward<one, head_turns<one>, T>;
  q.launch(operation, kernel, {.blocks = blocks, .threads = each_threads, .rows = c.kinds}, c.a,
           reads_of(dqueries, dkeys, dvalues, positions, table.numbers(), n.norms.queries, n.norms.keys, n.qkv, n.inverse), writes_of(dqkv, parts));
  q.launch(operation, add_weight_parts<float>, {.blocks = (c.a.size + 31) / 32, .threads = 32 * part_groups, .rows = 2},
           add_parts_arguments{blocks, c.a.size, c.a.parts, {n.dqueries.data(), n.dkeys.data()}}, reads_of(parts), writes_of(n.dqueries, n.dkeys));
}

}  // namespace stretto::inline v0::cuda
