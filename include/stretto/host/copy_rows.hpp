// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Copies of matrices whose rows have gaps, such as columns of a product, and zeros in them.
//
//     copy_rows(q, qkv.columns(0, width), queries);        any type; both may have gaps
//     zero_rows(q, dqkv.columns(0, width));
// Cost: one pass over memory, on one thread.
#pragma once

#include <stretto/host/rows.hpp>

namespace stretto::inline v0::host {

template <class T>
void copy_rows(queue&, reads<T, 2> from, const tensor_view<T, 2>& to) {
  detail::check_matrix("copy_rows", "a copy", to, from.rows(), from.columns());
  for (std::int64_t i = 0; i < to.rows(); ++i) host_memory::copy(to.row(i), from.row(i), to.columns() * static_cast<std::int64_t>(sizeof(T)));
}

template <class T>
void zero_rows(queue&, const tensor_view<T, 2>& to) {
  for (std::int64_t i = 0; i < to.rows(); ++i) host_memory::zero(to.row(i), to.columns() * static_cast<std::int64_t>(sizeof(T)));
}

}  // namespace stretto::inline v0::host
