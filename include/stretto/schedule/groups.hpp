// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Micro-batches in groups, chunk by chunk: the table that depth-first schedules with several chunks a rank walk through.
//
//     5 micro-batches, groups of 3, 2 chunks:   (chunk, micro-batch)
//     k     0   1   2   3   4   5  |  6   7   8   9
//          0,0 0,1 0,2 1,0 1,1 1,2 | 0,3 0,4 1,3 1,4         the backward table is the same with chunks - 1 - chunk
// Cost: O(1) an entry.
#pragma once

namespace stretto::inline v0 {

/// How micro-batches are split into groups: `larger` groups of `size`, the rest of `rest` each (or one smaller last group).
struct batch_groups {
  int micro_batches = 0;
  int size = 0;    ///< of the first groups
  int larger = 0;  ///< how many of those
  int rest = 0;    ///< size of the groups behind them; 0 where there are none

  struct entry {
    int chunk;
    int micro_batch;
  };

  /// Entry k of the forward table.
  constexpr entry forward(int k, int chunks) const {
    const int in_larger = larger * size * chunks;
    const int width = k < in_larger ? size : rest;
    const int i = k < in_larger ? k : k - in_larger;
    const int first = (k < in_larger ? 0 : larger * size) + i / (width * chunks) * width;
    const int within = i % (width * chunks);
    return {within / width, first + within % width};
  }

  /// Entry k of the backward table.
  constexpr entry backward(int k, int chunks) const {
    const entry e = forward(k, chunks);
    return {chunks - 1 - e.chunk, e.micro_batch};
  }

  /// Groups of `size`, and a smaller last one for what is left.
  static constexpr batch_groups of_size(int micro_batches, int size) {
    return {micro_batches, size, micro_batches / size, micro_batches % size};
  }

  /// As many groups of at least `ranks` as there can be, their sizes equal or one apart, larger ones first.
  static constexpr batch_groups rounds(int micro_batches, int ranks) {
    const int count = micro_batches / ranks > 0 ? micro_batches / ranks : 1;
    const int each = micro_batches / count, left = micro_batches % count;
    if (left == 0) return {micro_batches, each, count, 0};
    return {micro_batches, each + 1, left, each};
  }
};

}  // namespace stretto::inline v0
