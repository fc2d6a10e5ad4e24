// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dropout on the CPU.
//
//     dropout(q, x, y, {.rate = 0.1, .stream = {seed, step, 0, layer}, .first_row = 4096});
//     dropout(q, dy, dx, the same options);                                     backward: there is no mask to keep
// first_row, or rows, and first_column say where the view's rows and columns stand in the whole batch. So parts of a batch,
// done by whom and in what order ever, have the zeros of the whole. y may be x. Cost: one pass over memory, and ten rounds
// of Philox for four elements, which is more than the memory takes where elements are two bytes.
#pragma once

#include <stretto/host/elementwise.hpp>
#include <stretto/host/random_words.hpp>
#include <stretto/numeric/dropout.hpp>

namespace stretto::inline v0::host {

template <class T>
struct dropout_arguments {
  elementwise_arguments<T, 1, 1> rows;
  dropout_options options;
  std::uint32_t last_dropped;  ///< of the words
  float scale;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/dropout.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

template <class T>
void dropout(queue& q, reads<T, 2> x, const tensor_view<T, 2>& y, const dropout_options& o) {
  dropout_arguments<T> a{elementwise<T, 1, 1>("dropout", {x}, {y}, true), o, 0, static_cast<float>(1 / (1 - o.rate))};
  if (!(o.rate >= 0 && o.rate < 1)) throw error("stretto: the rate of dropout is 0 or more and less than 1; correct it");
  if (!o.rows.empty() && o.rows.size() != y.rows())
    throw error(text("stretto: dropout of ", y.rows(), " rows was told where ", o.rows.size(), " stand; give one number a row, or first_row").str());
  for (std::int64_t i = 0; i < y.rows(); i += o.rows.empty() && i + 1 < y.rows() ? y.rows() - 1 : 1) detail::check_place("dropout", o.row(i), o.first_column);
  if constexpr (std::is_same_v<T, double>) {
    reference::dropout(x, y, o);
  } else {
    const double dropped = o.rate * 4294967296.0;  // words from here on are kept
    a.last_dropped = static_cast<std::uint32_t>(static_cast<std::uint64_t>(dropped) - (static_cast<double>(static_cast<std::uint64_t>(dropped)) == dropped ? 1 : 0));
    q.split(a.rows.blocks.count, 1, q.pick(&portable::drop_runs<T>, &avx2::drop_runs<T>, &avx512::drop_runs<T>), a);
  }
}

}  // namespace stretto::inline v0::host
