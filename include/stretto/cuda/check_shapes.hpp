// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What operations of a CUDA device check of shapes before they launch anything, in the words of those of the CPU.
//
//     reads_on<Runtime, T, 2> x                                            a view of const, deduced from the queue and the result
//     check_type<T>();                                                     at compile time: float, bf16 or fp16
//     check_one_shape("add", x, y);                                        throws where they differ
//     check_run("add_bias", "bias", bias, y.columns(), "column");          throws where it isn't a number a column
//     check_place("dropout", row, first_column);                           where a view stands in the whole batch
// Numbers on the device can't be looked at without waiting for it: ids and positions aren't checked. Cost: some comparisons.
#pragma once

#include <cstdint>
#include <type_traits>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/cuda/memory.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::cuda {

/// What an operation reads, and what it writes besides its result, so that any view converts.
template <class Runtime, class T, int Rank>
using reads_on = reads<T, Rank, basic_memory<std::type_identity_t<Runtime>>>;
template <class Runtime, class T, int Rank>
using writes_on = writes<T, Rank, basic_memory<std::type_identity_t<Runtime>>>;

}  // namespace stretto::inline v0::cuda

namespace stretto::inline v0::cuda::detail {

template <class T>
constexpr void check_type() {
  static_assert(real_element<T> && std::is_same_v<computes_in<T>, float>, "stretto: operations of a CUDA device take float, bf16 and fp16; do those of double on the CPU");
}

template <class T, class U, class Space>
void check_one_shape(const char* operation, const tensor_view<T, 2, Space>& a, const tensor_view<U, 2, Space>& b) {
  if (a.extents() == b.extents()) return;
  throw error(text("stretto: ", operation, " takes matrices of one shape, and was given ", a.extents().words().str(), " and ", b.extents().words().str(), "; make them alike").str());
}

/// A number a row or a column.
template <class T, class Space>
void check_run(const char* operation, const char* name, const tensor_view<T, 1, Space>& run, std::int64_t count, const char* each) {
  if (run.size() != count)
    throw error(text("stretto: ", operation, " with ", count, " ", each, "s can't take ", name, " of ", run.size(), " numbers; give one a ", each).str());
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
