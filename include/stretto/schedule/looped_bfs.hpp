// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Looped, breadth first: a rank owns several chunks, stages rank, rank + ranks, …; all micro-batches go forward through one
// chunk before the next, and back likewise. A chunk's weights are wanted in one run there and one back, so sharded
// ones are gathered twice a step, and a chunk's gradients are complete while the next chunk still goes backward.
//
//     rank 0 | 0F0 0F1 0F2 2F0 2F1 2F2             2B2---- 2B1---- 2B0---- 0B2---- 0B1---- 0B0----
//     rank 1 |     1F0 1F1 1F2 3F0 3F1 3F2 3B2---- 3B1---- 3B0---- 1B2---- 1B1---- 1B0----
// Bubble: (ranks - 1) * (t_forward + t_backward) / chunks, from as many micro-batches as ranks on.  Peak activations:
// micro_batches on every rank.  Latency: hidden better than depth first; at 4 ranks, 8 micro-batches and 2 chunks a small one
// costs 6 times itself, where interleaved_one_f_one_b pays it 14 times.
// Weight passes: backward passes drain descending, so a stage's gradients add in descending order of micro-batches, unlike
// in other schedules; ascending on request, and equal to theirs to the bit then.
// Source: Lamy-Poirier, Breadth-First Pipeline Parallelism, MLSys 2023.
#pragma once

#include <stretto/plan/action.hpp>
#include <stretto/plan/sizes.hpp>
#include <stretto/schedule/gpipe.hpp>  // drain_order

namespace stretto::inline v0 {

struct looped_bfs {
  static constexpr const char* name = "looped_bfs";
  static constexpr const char* summary = "several chunks a rank, all micro-batches through one before the next";
  static constexpr const char* needs = "any ranks, micro-batches and chunks";
  static constexpr bool takes_chunks = true;
  static constexpr sizes picture{2, 3, 2};

  drain_order drain = drain_order::descending;

  constexpr void options(auto&& visit) { visit("drain", drain, "order of the backward passes: ascending or descending"); }

  constexpr refusal refuses(const sizes& z) const {
    if (z.slices != 1) return {"it doesn't slice micro-batches", size_name::slices, z.slices, 1, -1};
    return {};
  }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    for (int chunk = 0; chunk < z.chunks; ++chunk)
      for (int m = 0; m < z.micro_batches; ++m) put(action::forward(chunk * z.ranks + rank, m));
    for (int chunk = z.chunks - 1; chunk >= 0; --chunk)
      for (int m = 0; m < z.micro_batches; ++m)
        put(action::backward(chunk * z.ranks + rank, drain == drain_order::ascending ? m : z.micro_batches - 1 - m));
  }
};

}  // namespace stretto::inline v0
