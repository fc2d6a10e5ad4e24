// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// random_stream in lanes: the words of many elements at a time, for kernels that drop, or round by chance.
//
//     random_words<false> w(r);
//     w.draw(sample, element, n, x);                    those from element to element + n, at most w.room
//     ints bits = w.at(i, whole_lanes{});               of elements element + i and on: r.bits(element + i), …
// The same bits as random_stream gives one by one. Blocks of Philox are pairs of lanes, so that a product's halves needn't
// be put together between rounds. Cost: 2 instructions an element in AVX-512.
// Source: core/random.hpp.
#pragma once

#include <stretto/core/random.hpp>
#include <stretto/host/rows.hpp>

#define STRETTO_KERNELS <stretto/host/kernels/random_words.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host::detail {

/// Where a view's first row and column stand in the whole. Rows have numbers of 32 bits in a random stream.
inline void check_place(const char* operation, std::int64_t row, std::int64_t first_column) {
  if (row < 0 || row > 0xffffffff)
    throw error(text("stretto: ", operation, " was told that a row is number ", row, " of the batch; give 0 to 4294967295").str());
  if (first_column < 0) throw error(text("stretto: ", operation, " was told that the first column is number ", first_column, "; give 0 or more").str());
}

}  // namespace stretto::inline v0::host::detail
