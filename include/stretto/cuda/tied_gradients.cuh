// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gradients of a tied parameter on a CUDA device: each use has its own, and all uses take a step with their sum.
//
//     const float* shares[] = {of_embedding, of_head};             in the order of the layers, in the device's memory
//     sum_tied_gradients(q, shares, 2, count, gradient, squares);   gradient: floats of the sums, which are of double
// squares is the sum of the squares of those sums, before they are rounded; gradient may be null, or one of the uses.
// The bits hang on the numbers and their order alone. Cost: one read of each use and one write, two launches.
#pragma once

#include <cstdint>
#include <utility>

#include <stretto/cuda/gradient_norm.cuh>
#include <stretto/cuda/kernels/tied_gradients.cuh>

namespace stretto::inline v0::cuda {

namespace detail {

template <class Runtime, std::size_t... Use>
STRETTO_OPERATION void put_tied(basic_queue<Runtime>& q, const tied_arguments& a, std::index_sequence<Use...>) {
  const std::int64_t blocks = fixed_blocks(a.count), bytes = a.count * 4;
  q.launch("sum_tied_gradients", add_tied<0>, {.blocks = blocks, .threads = norm_threads}, a,
           reads_of(memory_run{static_cast<int>(Use) < a.uses ? a.shares[Use] : nullptr, static_cast<int>(Use) < a.uses ? bytes : 0}...),
           writes_of(memory_run{a.partial, a.partial != nullptr ? 2 * bytes : 0}, memory_run{a.to, a.to != nullptr ? bytes : 0}, memory_run{a.sums, a.ends ? blocks * 8 : 0}));
}

}  // namespace detail

template <class Runtime>
STRETTO_OPERATION void sum_tied_gradients(basic_queue<Runtime>& q, const float* const* shares, int uses, std::int64_t count, float* gradient, square_sum* squares) {
  const bool several = uses > tied_uses;
  // Beside what is carried, a double a block, and one a number where sums are handed on.
  const std::int64_t a_block = several ? 1 + fixed_block : 1, room = (q.scratch_bytes() / 8 - 2) / a_block, all = fixed_blocks(count), most = all < room ? all : room < 1 ? 1 : room;
  double* const carry = q.template scratch<double>(2 + most * a_block, "sum_tied_gradients");
  add_squares_arguments b{};
  b.sums = carry + 2, b.carry = carry, b.begins = true;
  std::int64_t first = 0;
  do {
    const std::int64_t some = count - first < most * fixed_block ? count - first : most * fixed_block, blocks = fixed_blocks(some);
    for (int u = 0; u < uses && some > 0; u += tied_uses) {
      tied_arguments a{};
      a.uses = uses - u < tied_uses ? uses - u : tied_uses;
      for (int i = 0; i < a.uses; ++i) a.shares[i] = shares[u + i] + first;
      a.count = some, a.begins = u == 0, a.ends = u + a.uses == uses;
      a.to = a.ends && gradient != nullptr ? gradient + first : nullptr;
      a.partial = several ? carry + 2 + most : nullptr, a.sums = carry + 2;
      detail::put_tied(q, a, std::make_index_sequence<tied_uses>{});
    }
    first += some;
    const bool last = first >= count;
    b.first_block[1] = blocks, b.pieces = 1, b.ends[0] = last;
    if (last) b.number = &squares->sum, b.not_finite = &squares->found_not_finite;
    q.launch("sum_tied_gradients", add_squares<256>, {.blocks = 1, .threads = 256}, b, reads_of(memory_run{b.sums, blocks * 8}),
             writes_of(memory_run{carry, 16}, memory_run{b.number, b.number != nullptr ? 8 : 0}, memory_run{b.not_finite, b.not_finite != nullptr ? 1 : 0}));
    b.begins = false;
  } while (first < count);
}

}  // namespace stretto::inline v0::cuda
