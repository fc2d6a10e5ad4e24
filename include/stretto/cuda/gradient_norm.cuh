// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The norm of gradients on a CUDA device, in the order of numeric/fixed_sum.hpp, left in the device's memory: nobody waits.
//
//     gradient_norm(q, view<const tensor_view<float, 1, memory>>{runs, 3}, size);      runs: three views; size: gradient_size*
//     next_scalars(q, size, scalars, {.most = 1.0});                                   for adamw_step and others
//     sum_of_squares(q, x, sum);  block_sums_of_squares(q, x, sums);                   parts, for ranks that share a parameter
// The bits hang on the numbers alone: not on the device, nor on addresses, nor on how a run is cut at multiples of 4096.
// Cost: one read of the gradients, two launches for 32 runs; adding in order, 1 ms for a billion numbers.
#pragma once

#include <cstdint>
#include <utility>

#include <stretto/cuda/each.cuh>
#include <stretto/cuda/kernels/gradient_norm.cuh>

namespace stretto::inline v0::cuda {

namespace detail {

template <class Runtime, class T, std::size_t... Piece>
STRETTO_OPERATION void put_squares(basic_queue<Runtime>& q, const char* operation, const square_arguments<T>& a, std::index_sequence<Piece...>) {
  const std::int64_t blocks = a.first_block[a.pieces];
  q.launch(operation, square_blocks<T>, {.blocks = blocks, .threads = norm_threads}, a, reads_of(memory_run{a.numbers[Piece], a.count[Piece] * static_cast<std::int64_t>(sizeof(T))}...),
           writes_of(memory_run{a.sums, blocks * 8}));
}
template <class Runtime, class T>
STRETTO_OPERATION void put_squares(basic_queue<Runtime>& q, const char* operation, const square_arguments<T>& a) {
  put_squares(q, operation, a, std::make_index_sequence<norm_pieces>{});
}

/// All runs, as many blocks at a time as there is scratch memory for.
template <class Runtime, class T>
STRETTO_OPERATION void put_norm(basic_queue<Runtime>& q, const char* operation, const tensor_view<T, 1, basic_memory<Runtime>>* runs, std::int64_t count, double* number, bool* not_finite, bool root) {
  using U = std::remove_const_t<T>;
  check_row_type<U>();
  std::int64_t all = 0;
  for (std::int64_t r = 0; r < count; ++r) all += fixed_blocks(runs[r].size());
  const std::int64_t room = q.scratch_bytes() / 8 - 2, most = room < 1 ? 1 : room;
  double* const carry = q.template scratch<double>(2 + (all < most ? all : most), operation);
  square_arguments<U> a{};
  add_squares_arguments b{};
  a.sums = carry + 2, b.sums = carry + 2, b.carry = carry, b.begins = true, b.root = root;
  const auto flush = [&](bool last) {
    if (last) b.number = number, b.not_finite = not_finite;
    for (int p = 0; p <= a.pieces; ++p) b.first_block[p] = a.first_block[p];
    b.pieces = a.pieces;
    const std::int64_t blocks = a.first_block[a.pieces];
    if (blocks > 0) put_squares(q, operation, a);
    q.launch(operation, add_squares<256>, {.blocks = 1, .threads = 256}, b, reads_of(memory_run{b.sums, blocks * 8}),
             writes_of(memory_run{carry, 16}, memory_run{b.number, b.number != nullptr ? 8 : 0}, memory_run{b.not_finite, b.not_finite != nullptr ? 1 : 0}));
    for (int p = 0; p < a.pieces; ++p) a.numbers[p] = nullptr, a.count[p] = 0;
    a.pieces = 0, b.begins = false;
  };
  for (std::int64_t r = 0; r < count; ++r) {
    for (std::int64_t first = 0; first < runs[r].size();) {
      if (a.pieces == norm_pieces || a.first_block[a.pieces] == most) flush(false);
      const std::int64_t left = runs[r].size() - first, fits = (most - a.first_block[a.pieces]) * fixed_block, some = left < fits ? left : fits;
      a.numbers[a.pieces] = runs[r].data() + first, a.count[a.pieces] = some, b.ends[a.pieces] = some == left;
      a.first_block[a.pieces + 1] = a.first_block[a.pieces] + fixed_blocks(some);
      ++a.pieces, first += some;
    }
  }
  flush(true);
}

}  // namespace detail

/// One sum for each block of x. Throws stretto::error where there isn't room for fixed_blocks(x.size()).
template <class Runtime, class T>
STRETTO_OPERATION void block_sums_of_squares(basic_queue<Runtime>& q, const tensor_view<T, 1, basic_memory<Runtime>>& x, device_writes<Runtime, double, 1> sums) {
  using U = std::remove_const_t<T>;
  detail::check_row_type<U>();
  if (sums.size() != fixed_blocks(x.size())) throw stretto::detail::wrong_room(x.size(), sums.size());
  square_arguments<U> a{};
  a.numbers[0] = x.data(), a.count[0] = x.size(), a.first_block[1] = sums.size(), a.pieces = 1, a.sums = sums.data();
  detail::put_squares(q, "block_sums_of_squares", a);
}

/// to: in the device's memory.
template <class Runtime, class T>
STRETTO_OPERATION void sum_of_squares(basic_queue<Runtime>& q, const tensor_view<T, 1, basic_memory<Runtime>>& x, square_sum* to) {
  detail::put_norm<Runtime, T>(q, "sum_of_squares", &x, 1, &to->sum, &to->found_not_finite, false);
}

/// Of several runs as one: their sums are added in the order of the runs. to: in the device's memory.
template <class Runtime, class T>
STRETTO_OPERATION void gradient_norm(basic_queue<Runtime>& q, const view<const tensor_view<T, 1, basic_memory<Runtime>>>& runs, gradient_size* to) {
  detail::put_norm<Runtime, T>(q, "gradient_norm", runs.first, runs.count, &to->norm, &to->found_not_finite, true);
}

struct next_scalars_options {
  double most = 0;   ///< of the norm; 0: gradients aren't clipped
  double scale = 1;  ///< what gradients are multiplied with besides: one over the loss's scale
  double rate = 1;
};

/// What the next step of an optimizer reads, both in the device's memory: the factor of clipping, whether to skip, and a count
/// that is one more than before unless the step is skipped. Before the first step the count is 0.
template <class Runtime>
STRETTO_OPERATION void next_scalars(basic_queue<Runtime>& q, const gradient_size* size, optimizer_scalars* scalars, const next_scalars_options& o = {}) {
  q.launch("next_scalars", make_scalars<0>, {.blocks = 1, .threads = 1}, next_scalars_arguments{size, scalars, o.most, o.scale, o.rate},
           reads_of(memory_run{size, static_cast<std::int64_t>(sizeof *size)}), writes_of(memory_run{scalars, static_cast<std::int64_t>(sizeof *scalars)}));
}

}  // namespace stretto::inline v0::cuda
