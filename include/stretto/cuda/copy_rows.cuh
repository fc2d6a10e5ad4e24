// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Copies of matrices whose rows have gaps, such as columns of a product, and zeros in them.
//
//     copy_rows(q, qkv.columns(0, width), queries);        any type; both may have gaps
//     zero_rows(q, dqkv.columns(0, width));
// Where neither has gaps this is q.copy, or q.zero. Cost: one pass over memory, at its full rate where all rows begin and
// end at sixteen bytes.
#pragma once

#include <cstdint>
#include <type_traits>

#include <stretto/cuda/each.cuh>
#include <stretto/cuda/kernels/copy_rows.cuh>

namespace stretto::inline v0::cuda {

namespace detail {

/// from: {} for zeros.
template <class Unit, class Runtime, class T>
STRETTO_OPERATION void move_units(basic_queue<Runtime>& q, const char* operation, const tensor_view<const T, 2, basic_memory<Runtime>>& from, const tensor_view<T, 2, basic_memory<Runtime>>& to) {
  constexpr std::int64_t each = static_cast<std::int64_t>(sizeof(Unit)) / static_cast<std::int64_t>(sizeof(T));
  const copy_rows_arguments<Unit> a{to.rows(), to.columns() / each, reinterpret_cast<const Unit*>(from.data()), from.stride(0) / each, reinterpret_cast<Unit*>(to.data()), to.stride(0) / each};
  q.launch(operation, move_rows<Unit>, {.blocks = row_blocks(a.rows * a.per_row, 4 * each_threads), .threads = each_threads}, a, reads_of(from), writes_of(to));
}

template <class Runtime, class T>
STRETTO_OPERATION void move_matrix(basic_queue<Runtime>& q, const char* operation, const tensor_view<const T, 2, basic_memory<Runtime>>& from, const tensor_view<T, 2, basic_memory<Runtime>>& to) {
  using number = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::conditional_t<sizeof(T) == 4, std::uint32_t, std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint8_t>>>;
  const bool lines = in_lines<T>(to.data(), to.stride(0), to.columns()) && in_lines<T>(from.data(), from.data() != nullptr ? from.stride(0) : 0, 0);
  lines ? move_units<uint4>(q, operation, from, to) : move_units<number>(q, operation, from, to);
}

}  // namespace detail

template <class Runtime, class T>
STRETTO_OPERATION void copy_rows(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> from, const tensor_view<T, 2, basic_memory<Runtime>>& to) {
  detail::check_one_shape("copy_rows", from, to);
  if (to.empty()) return;
  from.packed() && to.packed() ? q.copy(from, to) : detail::move_matrix(q, "copy_rows", from, to);
}

template <class Runtime, class T>
STRETTO_OPERATION void zero_rows(basic_queue<Runtime>& q, const tensor_view<T, 2, basic_memory<Runtime>>& to) {
  if (to.empty()) return;
  to.packed() ? q.zero(to) : detail::move_matrix(q, "zero_rows", tensor_view<const T, 2, basic_memory<Runtime>>{}, to);
}

}  // namespace stretto::inline v0::cuda
