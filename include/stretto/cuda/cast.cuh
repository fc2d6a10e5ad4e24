// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Casts on a CUDA device, between float, bf16 and fp16, with the CPU's bits.
//
//     cast(q, x, y);                                                             to the nearest
//     cast(q, x, y, {.mode = rounding::stochastic, .stream = {seed, step}, .first_row = 64});
// Parts of a matrix, with where they begin in it, have the bits of the whole. Cost: one pass over memory; by chance half a
// word of Philox an element, or a block of it where first_column isn't a multiple of eight.
#pragma once

#include <stretto/cuda/each.cuh>
#include <stretto/cuda/kernels/dropout.cuh>
#include <stretto/numeric/cast.hpp>

namespace stretto::inline v0::cuda {

template <class Runtime, class X, class To>
STRETTO_OPERATION void cast(basic_queue<Runtime>& q, const tensor_view<X, 2, basic_memory<Runtime>>& x, const tensor_view<To, 2, basic_memory<Runtime>>& y, const cast_options& o = {}) {
  using From = std::remove_const_t<X>;
  const tensor_view<const From, 2, basic_memory<Runtime>> from = x;
  detail::check_one_shape("cast", from, y);
  if (o.mode == rounding::stochastic) {
    detail::check_place("cast", o.first_row, o.first_column);
    if (y.rows() > 0) detail::check_place("cast", o.first_row + y.rows() - 1, o.first_column);
    if constexpr (sizeof(To) == 2)
      return launch_each<1, 1>(q, "cast", chance_rule<To>{o.stream, o.first_row, o.first_column}, {from}, {y}, {.apart = true, .lines = o.first_column % 8 == 0});
  }
  launch_each<1, 1>(q, "cast", keep_rule{}, {from}, {y});
}

}  // namespace stretto::inline v0::cuda
