// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums of matrices, biases and their gradients, on a CUDA device.
//
//     add(q, x, r, y);                 y = x + r: a residual, or the gradients of two consumers. y may be x or r
//     add_bias(q, x, bias, y);         y = x + bias, one number a column. y may be x
//     bias_gradient(q, dy, dbias);     dbias += the rows of dy, in float
// Columns are summed in chunks of 128 rows in a fixed order; see kernels/add.cuh. Cost: one pass over memory.
#pragma once

#include <stretto/cuda/each.cuh>
#include <stretto/cuda/kernels/add.cuh>

namespace stretto::inline v0::cuda {

template <class Runtime, class T>
STRETTO_OPERATION void add(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, device_reads<Runtime, T, 2> r, const tensor_view<T, 2, basic_memory<Runtime>>& y) {
  launch_each<2, 1>(q, "add", add_rule{}, {x, r}, {y});
}

template <class Runtime, class T>
STRETTO_OPERATION void add_bias(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, device_reads<Runtime, T, 1> bias, const tensor_view<T, 2, basic_memory<Runtime>>& y) {
  stretto::detail::check_run("add_bias", "bias", bias, y.columns(), "column");
  launch_each<1, 1>(q, "add_bias", add_bias_rule<T>{bias.data()}, {x}, {y}, {.apart = true, .lines = in_lines<T>(bias.data(), 0, 0)}, bias);
}

/// Where the sums of all chunks don't fit into the scratch memory, rows are done some at a time, with the same bits.
template <class Runtime, class Dy>
STRETTO_OPERATION void bias_gradient(basic_queue<Runtime>& q, const tensor_view<Dy, 2, basic_memory<Runtime>>& dy, device_writes<Runtime, float, 1> dbias) {
  using T = std::remove_const_t<Dy>;
  detail::check_row_type<T>();
  stretto::detail::check_run("bias_gradient", "dbias", dbias, dy.columns(), "column");
  if (dy.empty()) return;
  const std::int64_t columns = dy.columns(), all = (dy.rows() + sum_chunk - 1) / sum_chunk;
  const bool lines = in_lines<T>(dy.data(), dy.rows() > 1 ? dy.stride(0) : 0, columns);
  const std::int64_t bands = (columns + 32 * (lines ? in_line<T> : 1) - 1) / (32 * (lines ? in_line<T> : 1));
  const auto sums = [&](const tensor_view<const T, 2, basic_memory<Runtime>>& some, float* to, bool adds, std::int64_t chunks) {
    const column_sums_arguments<T> a{some.data(), some.stride(0), some.rows(), columns, to, adds};
    q.launch("bias_gradient", lines ? column_sums<in_line<T>, T> : column_sums<1, T>, {.blocks = detail::row_blocks(bands * chunks, 1), .threads = 32 * sum_warps}, a,
             reads_of(some), writes_of(memory_run{to, chunks * columns * 4}));
  };
  if (all == 1) return sums(dy, dbias.data(), true, 1);
  const std::int64_t room = q.scratch_bytes() / 4 / columns, most = room < 1 ? 1 : room;  // chunks at a time
  float* const scratch = q.template scratch<float>((most < all ? most : all) * columns, "bias_gradient");
  for (std::int64_t first = 0; first < all; first += most) {
    const std::int64_t chunks = all - first < most ? all - first : most, rows = dy.rows() - first * sum_chunk;
    sums(dy.rows(first * sum_chunk, rows < chunks * sum_chunk ? rows : chunks * sum_chunk), scratch, false, chunks);
    q.launch("bias_gradient_chunks", add_chunks<128>, {.blocks = (columns + 127) / 128, .threads = 128}, add_chunks_arguments{scratch, chunks, columns, dbias.data()},
             reads_of(memory_run{scratch, chunks * columns * 4}), writes_of(dbias));
  }
}

}  // namespace stretto::inline v0::cuda
