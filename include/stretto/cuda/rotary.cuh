// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rotary embedding on a CUDA device, with the table there.
//
//     const cuda::basic_rotary_table<Runtime> table(rotary_table<float>(8192, 128, {.theta = 500000}));   once for a model
//     rotary(q, queries, positions, table, queries);                           (tokens, heads, head size), in place or not
//     rotary(q, by_heads(qkv.columns(0, width), heads), positions, table, y);  a part of a product's columns
//     rotary(q, by_heads(qkv.columns(0, 2 * width), 2 * heads), …)             queries and keys in one launch, in place
//     rotary_backward(q, dy, positions, table, dx);                            the same by minus the angles
// positions are on the device, and can't be checked: a token at one that the table lacks becomes no number. Cost: one pass
// over memory. Source: numeric/rotary.hpp.
#pragma once

#include <stretto/cuda/each.cuh>
#include <stretto/cuda/kernels/rotary.cuh>
#include <stretto/cuda/rotary_table.hpp>

namespace stretto::inline v0::cuda {

namespace detail {

template <class Runtime, class T>
using heads_view = tensor_view<T, 3, basic_memory<Runtime>>;

template <class Runtime, class T>
void check_rotary(const char* operation, const heads_view<Runtime, const T>& x, const tensor_view<const std::int32_t, 1, basic_memory<Runtime>>& positions,
                  const basic_rotary_table<Runtime>& table, const heads_view<Runtime, T>& y) {
  check_row_type<T>();
  if (x.extents() != y.extents())
    throw error(text("stretto: ", operation, " of shape ", x.extents().words().str(), " can't give shape ", y.extents().words().str(), "; give it the same shape").str());
  if (positions.size() != x.extent(0))
    throw error(text("stretto: ", operation, " of ", x.extent(0), " tokens was given ", positions.size(), " positions; give one a token").str());
  if (table.dims() > x.extent(2))
    throw error(text("stretto: ", operation, " with a table for ", table.dims(), " numbers of a head can't turn heads of ", x.extent(2), "; make the table for the heads").str());
}

/// `Parts` of one head size and as many tokens; the third is copied.
template <int Parts, class Runtime, class T>
STRETTO_OPERATION void turn_parts(basic_queue<Runtime>& q, const char* operation, const heads_view<Runtime, const T> (&x)[Parts], const tensor_view<const std::int32_t, 1, basic_memory<Runtime>>& positions,
                                  const basic_rotary_table<Runtime>& table, const heads_view<Runtime, T> (&y)[Parts], bool back) {
  constexpr int n = in_line<T>;
  const bool neighbours = table.pairs() == rotary_pairs::neighbours;
  const std::int64_t half = table.dims() / 2, size = x[0].extent(2);
  rotary_arguments<T> a{};
  bool in_place = true, lines = size % n == 0 && (neighbours ? 2 * half : half) % n == 0 && half % 4 == 0;
  for (int p = 0; p < Parts; ++p) {
    const std::int64_t groups = (x[p].extent(1) + heads_at_once - 1) / heads_at_once;
    a.part[p] = {x[p].extent(1), groups, x[p].data(), x[p].stride(0), x[p].stride(1), y[p].data(), y[p].stride(0), y[p].stride(1), p < 2};
    a.groups += groups;
    in_place = in_place && x[p].data() == y[p].data();
    lines = lines && in_lines<T>(x[p].data(), x[p].stride(0), x[p].stride(1)) && in_lines<T>(y[p].data(), y[p].stride(0), y[p].stride(1));
  }
  a.tokens = x[0].extent(0), a.half = half, a.positions = positions.data(), a.table = table.numbers().data(), a.in_table = table.positions(), a.neighbours = neighbours, a.back = back;
  const int wide = lines ? n : 1;
  a.turned = neighbours ? 2 * half / (lines ? n : 2) : half / wide;
  a.units = a.turned + (in_place ? 0 : (size - 2 * half) / wide);  // in place the rest stays
  const std::int64_t work = a.tokens * a.groups * a.units;
  if (work == 0) return;
  q.launch(operation, lines ? turn_heads<n, T> : turn_heads<1, T>, {.blocks = row_blocks(work, each_threads), .threads = each_threads}, a, reads_of(positions, table.numbers()),
           reads_of_array(x, std::make_index_sequence<Parts>{}), writes_of_array(y, std::make_index_sequence<Parts>{}));
}

}  // namespace detail

template <class Runtime, class T>
STRETTO_OPERATION void rotary(basic_queue<Runtime>& q, device_reads<Runtime, T, 3> x, device_reads<Runtime, std::int32_t, 1> positions, const basic_rotary_table<Runtime>& table,
                              const tensor_view<T, 3, basic_memory<Runtime>>& y) {
  detail::check_rotary<Runtime, T>("rotary", x, positions, table, y);
  detail::turn_parts<1, Runtime, T>(q, "rotary", {x}, positions, table, {y}, false);
}

template <class Runtime, class T>
STRETTO_OPERATION void rotary_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 3> dy, device_reads<Runtime, std::int32_t, 1> positions, const basic_rotary_table<Runtime>& table,
                                       const tensor_view<T, 3, basic_memory<Runtime>>& dx) {
  detail::check_rotary<Runtime, T>("rotary_backward", dy, positions, table, dx);
  detail::turn_parts<1, Runtime, T>(q, "rotary_backward", {dy}, positions, table, {dx}, true);
}

}  // namespace stretto::inline v0::cuda
