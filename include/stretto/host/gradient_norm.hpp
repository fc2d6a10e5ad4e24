// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The norm of gradients, in the order of numeric/fixed_sum.hpp: the same bits with any number of threads. What isn't finite
// is found in the same pass.
//
//     const gradient_size g = gradient_norm(q, view<const tensor_view<float, 1>>{runs, 3});      runs: three views
//     const optimizer_scalars s{.scale = clip_factor(g.norm, 1.0), .skip = g.found_not_finite};
// Where ranks share a parameter, each has block_sums_of_squares of its part, which begins at a multiple of fixed_block; they
// are gathered and added in order. Within a block squares are summed in float, in lanes, with an error of some 1e-7; a block
// where that isn't finite is done again in double, so large numbers don't pass for infinities.
// Cost: one read of the gradients.
#pragma once

#include <limits>

#include <stretto/host/queue.hpp>
#include <stretto/host/simd.hpp>
#include <stretto/numeric/fixed_sum.hpp>

namespace stretto::inline v0::host {

/// What the kernel is given.
template <class T>
struct square_arguments {
  const T* numbers;
  std::int64_t count;
  double* sums;  ///< one a block
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/gradient_norm.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

/// One sum for each block of x. Throws stretto::error where there isn't room for fixed_blocks(x.size()).
template <class T>
void block_sums_of_squares(queue& q, const tensor_view<T, 1>& x, writes<double, 1> sums) {
  using U = std::remove_const_t<T>;
  static_assert(real_element<U>, "stretto: gradients are double, float, bf16 or fp16; give one of them");
  if constexpr (std::is_same_v<U, double>) {
    reference::block_sums_of_squares(x, sums);
  } else {
    if (sums.size() != fixed_blocks(x.size())) throw stretto::detail::wrong_room(x.size(), sums.size());
    const square_arguments<U> a{x.data(), x.size(), sums.data()};
    q.split(sums.size(), 4, q.pick(&portable::square_blocks<U>, &avx2::square_blocks<U>, &avx512::square_blocks<U>), a);
  }
}

template <class T>
square_sum sum_of_squares(queue& q, const tensor_view<T, 1>& x) {
  if constexpr (std::is_same_v<std::remove_const_t<T>, double>) {
    return reference::sum_of_squares(x);
  } else {
    constexpr std::int64_t most = 2048;  // blocks whose sums are kept at a time
    double sums[most];
    square_sum all;
    for (std::int64_t first = 0; first < x.size(); first += most * fixed_block) {
      const std::int64_t count = x.size() - first < most * fixed_block ? x.size() - first : most * fixed_block;
      const tensor_view<double, 1> some(sums, {{fixed_blocks(count)}});
      block_sums_of_squares(q, x.part(0, first, count), some);
      all.sum = add_in_order(some, all.sum);
    }
    all.found_not_finite = !(all.sum < std::numeric_limits<double>::infinity());  // squares of floats don't leave double
    return all;
  }
}

/// Of several runs as one: their sums are added in the order of the runs.
template <class T>
gradient_size gradient_norm(queue& q, const view<const tensor_view<T, 1>>& runs) {
  double sum = 0;
  bool found = false;
  for (const tensor_view<T, 1>& run : runs) {
    const square_sum s = sum_of_squares(q, run);
    sum += s.sum;
    found |= s.found_not_finite;
  }
  return {std::sqrt(sum), found || !std::isfinite(sum)};
}

}  // namespace stretto::inline v0::host
