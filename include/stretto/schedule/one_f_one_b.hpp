// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One forward, one backward (1F1B): a rank starts its first backward pass as soon as it can, so it never holds the
// activations of more micro-batches than there are ranks from itself to the end.
//
//     rank 0 | F0 F1 F2             B0--- F3 B1--- F4 B2---    B3---    B4---
//     rank 1 |    F0 F1       B0--- F2 B1--- F3 B2--- F4 B3---    B4---
//     rank 2 |       F0 B0--- F1 B1--- F2 B2--- F3 B3--- F4 B4---
// Bubble: (ranks - 1) * (t_forward + t_backward).  Peak activations on rank r: min(ranks - r, micro_batches).
// A message's latency c is on the steady state's cycle: it adds c * (2 * micro_batches * (ranks - 1) / ranks + 2 * (ranks - 2)),
// where ranks divide micro_batches.
// Source: Narayanan et al., PipeDream-Flush, ICML 2021; Fan et al., DAPPLE, PPoPP 2021.
#pragma once

#include <stretto/plan/action.hpp>
#include <stretto/plan/sizes.hpp>

namespace stretto::inline v0 {

struct one_f_one_b {
  static constexpr const char* name = "1f1b";
  static constexpr const char* summary = "one forward, one backward, once the pipeline is full";
  static constexpr const char* needs = "any ranks and micro-batches";
  static constexpr sizes picture{3, 5};

  constexpr refusal refuses(const sizes& z) const { return one_chunk_whole(z); }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    const int ahead = z.ranks - rank - 1;
    const int warmup = ahead < z.micro_batches ? ahead : z.micro_batches;
    for (int m = 0; m < warmup; ++m) put(action::forward(rank, m));
    for (int m = warmup; m < z.micro_batches; ++m) {
      put(action::forward(rank, m));
      put(action::backward(rank, m - warmup));
    }
    for (int m = z.micro_batches - warmup; m < z.micro_batches; ++m) put(action::backward(rank, m));
  }
};

}  // namespace stretto::inline v0
