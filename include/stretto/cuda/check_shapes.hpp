// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What operations of a CUDA device that give each number by itself check before they launch anything, in the CPU's words.
//
//     check_one_shape("add", x, y);                         throws where they differ
//     check_place("dropout", row, first_column);            where a view stands in the whole batch
//     check_size("adamw_step", "mean", has, weights);       one for each weight
// Numbers on the device can't be looked at without waiting for it: ids and positions aren't checked. Cost: some comparisons.
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::cuda::detail {

template <class T, class U, class Space>
void check_one_shape(const char* operation, const tensor_view<T, 2, Space>& a, const tensor_view<U, 2, Space>& b) {
  if (a.extents() == b.extents()) return;
  throw error(text("stretto: ", operation, " takes matrices of one shape, and was given ", a.extents().words().str(), " and ", b.extents().words().str(), "; make them alike").str());
}

/// Rows have numbers of 32 bits in a random stream.
inline void check_place(const char* operation, std::int64_t row, std::int64_t first_column) {
  if (row < 0 || row > 0xffffffff)
    throw error(text("stretto: ", operation, " was told that a row is number ", row, " of the batch; give 0 to 4294967295").str());
  if (first_column < 0) throw error(text("stretto: ", operation, " was told that the first column is number ", first_column, "; give 0 or more").str());
}

inline void check_size(const char* operation, const char* what, std::int64_t has, std::int64_t weights) {
  if (has != weights) throw error(text("stretto: ", operation, " of ", weights, " weights was given ", has, " numbers as ", what, "; give one for each weight").str());
}

}  // namespace stretto::inline v0::cuda::detail
