// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How operations on the rows of a matrix are launched on a CUDA device: how many threads share a row, where it is held between
// passes, and the views that they take.
//
//     template <class Runtime, class T>
//     void softmax(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, …)           any view of such numbers converts
//     const row_plan p = plan_rows<T>(rows, columns, operands);   p.threads a row, p.hold, p.launch()
//
//     columns of bf16   up to 256   512   1024   2048   4096   8192   16384   to 49152       more
//     threads a row         8       16     32     64    128    256     512        512          512
//     held in          registers, four lines of sixteen bytes a thread *   shared memory  the row itself, from the L2 cache
// * in shared memory from 512 threads on where a kernel needs more registers than leave room for two such blocks.
// The plan hangs on the width and type alone, so a row has the same bits wherever it stands.
#pragma once

#include <cstdint>
#include <type_traits>

#include <stretto/cuda/launch_shape.hpp>
#include <stretto/cuda/memory.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::cuda {

/// What an operation reads, or writes besides its result: deduced from the queue and the result alone.
template <class Runtime, class T, int Rank>
using device_reads = reads<T, Rank, std::type_identity_t<basic_memory<Runtime>>>;
template <class Runtime, class T, int Rank>
using device_writes = writes<T, Rank, std::type_identity_t<basic_memory<Runtime>>>;

/// Where a row is between passes over it.
enum class row_hold { registers, shared, again };  // again: read anew from the tensor, or rather the L2 cache

/// Lines a thread holds in registers, and the most threads a row.
inline constexpr int row_lines = 4;
inline constexpr int most_row_threads = 512, slim_row_threads = 256;  ///< slim: of kernels with many registers

struct row_plan {
  row_hold hold = row_hold::registers;
  int threads = 8;         ///< a row: a power of 2
  int block = 128;         ///< threads of a block, which has block / threads rows at once
  int shared_bytes = 0;
  std::int64_t blocks = 0;

  launch_shape launch() const { return {.blocks = blocks, .threads = block, .shared_bytes = shared_bytes}; }
};

namespace detail {

template <class T>
constexpr void check_row_type() {
  static_assert(real_element<T> && std::is_same_v<computes_in<T>, float>, "stretto: operations of a CUDA device take float, bf16 and fp16; do those of double on the CPU");
}

/// Blocks for so many pieces of work. Kernels have loops beyond that many.
inline std::int64_t row_blocks(std::int64_t pieces, std::int64_t a_block) {
  const std::int64_t blocks = (pieces + a_block - 1) / a_block;
  return blocks < (std::int64_t{1} << 30) ? blocks : std::int64_t{1} << 30;
}

/// Shared memory that every device from sm_80 on gives a block, less what kernels have of their own.
inline constexpr std::int64_t most_row_bytes = 96 * 1024;

}  // namespace detail

/// Operands: rows that are held at once. Streamed rows aren't held at all. With more threads than most_in_registers a row is held
/// in shared memory.
template <class T>
row_plan plan_rows(std::int64_t rows, std::int64_t columns, int operands, bool streamed = false, int most_threads = most_row_threads, int most_in_registers = most_row_threads) {
  constexpr std::int64_t in_line = 16 / static_cast<std::int64_t>(sizeof(T));
  const std::int64_t lines = (columns + in_line - 1) / in_line;
  row_plan p;
  while (p.threads * row_lines < lines && p.threads < most_threads) p.threads *= 2;
  p.block = p.threads < 64 ? 128 : p.threads;
  p.blocks = detail::row_blocks(rows, p.block / p.threads);
  if (streamed || (p.threads * row_lines >= lines && p.threads <= most_in_registers)) return p;
  const std::int64_t bytes = lines * 16 * operands;
  p.hold = bytes <= detail::most_row_bytes ? row_hold::shared : row_hold::again;
  p.shared_bytes = p.hold == row_hold::shared ? static_cast<int>(bytes) : 0;
  return p;
}

}  // namespace stretto::inline v0::cuda
