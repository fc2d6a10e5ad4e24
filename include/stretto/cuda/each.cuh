// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Launches operations that give each number by itself. What is done to a number is a rule; see kernels/each.cuh.
//
//     launch_each<2, 1>(q, "add", add_rule{}, {x, r}, {y});                                  throws where shapes differ
//     launch_each<1, 1>(q, "add_bias", rule, {x}, {y}, {.apart = true}, bias);               reads bias besides
// Cost: one launch. Where a row begins beside a line of sixteen bytes, or isn't whole lines, numbers go one by one: the bits
// are the same, the time is two to four times as long.
#pragma once

#include <cstdint>
#include <utility>

#include <stretto/cuda/check_shapes.hpp>
#include <stretto/cuda/kernels/each.cuh>
#include <stretto/cuda/queue.hpp>
#include <stretto/cuda/row_shapes.hpp>
#include <stretto/numeric/row_checks.hpp>

namespace stretto::inline v0::cuda {

struct each_options {
  bool apart = false;  ///< what is done to a number hangs on which row or column it is in
  bool lines = true;   ///< false: not in lines, whatever the addresses
};

namespace detail {

template <class T, int Rank, class Space, int Count, std::size_t... I>
auto reads_of_array(const tensor_view<T, Rank, Space> (&v)[Count], std::index_sequence<I...>) {
  return reads_of(v[I]...);
}
template <class T, int Rank, class Space, int Count, std::size_t... I>
auto writes_of_array(const tensor_view<T, Rank, Space> (&v)[Count], std::index_sequence<I...>) {
  return writes_of(v[I]...);
}

}  // namespace detail

template <int In, int Out, class Runtime, class From, class To, class Rule, class... Read>
STRETTO_OPERATION void launch_each(basic_queue<Runtime>& q, const char* operation, const Rule& rule, const tensor_view<const From, 2, basic_memory<Runtime>> (&in)[In],
                                   const tensor_view<To, 2, basic_memory<Runtime>> (&out)[Out], const each_options& how = {}, const Read&... read) {
  detail::check_row_type<From>();
  detail::check_row_type<To>();
  constexpr int n = in_line<From> > in_line<To> ? in_line<From> : in_line<To>;
  each_arguments<From, To, In, Out, Rule> a{};
  bool one_row = !how.apart, first_in_line = how.lines, rows_in_lines = how.lines;
  const auto look = [&](const auto& v) {
    using T = typename std::remove_reference_t<decltype(v)>::value_type;
    detail::check_one_shape(operation, v, out[0]);
    one_row = one_row && v.packed();
    first_in_line = first_in_line && in_lines<T>(v.data(), 0, 0);
    rows_in_lines = rows_in_lines && in_lines<T>(v.data(), v.rows() > 1 ? v.stride(0) : 0, 0) && v.columns() % n == 0;
  };
  for (int i = 0; i < In; ++i) look(in[i]), a.in[i] = in[i].data(), a.in_gap[i] = in[i].stride(0);
  for (int i = 0; i < Out; ++i) look(out[i]), a.out[i] = out[i].data(), a.out_gap[i] = out[i].stride(0);
  if (out[0].empty()) return;
  const auto reads = detail::reads_of_array(in, std::make_index_sequence<In>{});
  const auto writes = detail::writes_of_array(out, std::make_index_sequence<Out>{});
  a.rule = rule;
  a.rows = one_row ? 1 : out[0].rows(), a.per_row = one_row ? out[0].size() : out[0].columns();
  if (one_row ? first_in_line : rows_in_lines) {
    a.tail = a.per_row % n, a.per_row /= n;
    const std::int64_t lines = a.rows * a.per_row, blocks = lines > 0 ? detail::row_blocks(lines, 2 * each_threads) : 1;
    q.launch(operation, each_kernel<n, 2, From, To, In, Out, Rule>, {.blocks = blocks, .threads = each_threads}, a, reads, reads_of(read...), writes);
  } else {
    q.launch(operation, each_kernel<1, 4, From, To, In, Out, Rule>, {.blocks = detail::row_blocks(a.rows * a.per_row, 4 * each_threads), .threads = each_threads}, a, reads, reads_of(read...), writes);
  }
}

}  // namespace stretto::inline v0::cuda
