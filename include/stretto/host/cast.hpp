// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Casts on the CPU, between float, bf16 and fp16; those of double are plain loops.
//
//     cast(q, x, y);                                                             to the nearest
//     cast(q, x, y, {.mode = rounding::stochastic, .stream = {seed, step}, .first_row = 64});
// By chance, bf16 keep the mean exactly, fp16 too but for those below its smallest normal, to 1/16384 of their step. Parts
// of a matrix, with where they begin in it, have the bits of the whole. Cost: one pass over memory; by chance half
// a word of Philox an element.
#pragma once

#include <stretto/host/elementwise.hpp>
#include <stretto/host/random_words.hpp>
#include <stretto/numeric/cast.hpp>

namespace stretto::inline v0::host {

template <class From, class To>
struct cast_arguments {
  row_blocks blocks;
  const From* x;
  std::int64_t x_gap;
  To* y;
  std::int64_t y_gap;
  cast_options options;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/cast.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

template <class X, class To>
void cast(queue& q, const tensor_view<X, 2>& x, const tensor_view<To, 2>& y, const cast_options& o = {}) {
  using From = std::remove_const_t<X>;
  static_assert(real_element<From> && real_element<To>, "stretto: casts are between double, float, bf16 and fp16; give two of them");
  require_one_shape("cast", x, y);
  if (o.mode == rounding::stochastic) {
    detail::check_place("cast", o.first_row, o.first_column);
    if (y.rows() > 0) detail::check_place("cast", o.first_row + y.rows() - 1, o.first_column);
  }
  if constexpr (std::is_same_v<From, double> || std::is_same_v<To, double>) {
    reference::cast(x, y, o);
  } else {
    const bool chance = o.mode == rounding::stochastic && sizeof(To) == 2, streams = detail::past_cache<To>(y.size());
    const cast_arguments<From, To> a{!chance && x.packed() && y.packed() ? row_blocks(1, y.size(), streams) : row_blocks(y.rows(), y.columns(), streams),
                                     x.data(), x.stride(0), y.data(), y.stride(0), o};
    if (chance) q.split(a.blocks.count, 1, q.pick(&portable::cast_by_chance_runs<From, To>, &avx2::cast_by_chance_runs<From, To>, &avx512::cast_by_chance_runs<From, To>), a);
    else q.split(a.blocks.count, 1, q.pick(&portable::cast_runs<From, To>, &avx2::cast_runs<From, To>, &avx512::cast_runs<From, To>), a);
  }
}

}  // namespace stretto::inline v0::host
