// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ZB-H2, the handcrafted zero-bubble schedule that holds about twice as much as 1F1B: every rank is busy from its first pass
// to its last at equal costs, so its next step may follow at once.
//
//     rank 0 | F0 F1 F2 F3 F4 I0 W0 F5 I1 W1 I2 W2 I3 W3 I4 W4 I5 W5
//     rank 1 |    F0 F1 F2 I0 F3 I1 F4 I2 W0 F5 I3 W1 I4 W2 I5 W3 W4 W5
//     rank 2 |       F0 I0 F1 I1 F2 I2 F3 I3 F4 I4 W0 F5 I5 W1 W2 W3 W4 W5
// Bubble: (ranks - 1) * max(t_F, t_I - t_F, t_F + t_I - 2 * t_W), from 2 * ranks - 1 micro-batches on; within each rank none at
// equal costs.  Peak activations: min(2 * ranks - 1, micro_batches) on every rank.
// Source: Qi et al., Zero Bubble Pipeline Parallelism, ICLR 2024.
#pragma once

#include <stretto/plan/sizes.hpp>
#include <stretto/schedule/zero_bubble_loop.hpp>

namespace stretto::inline v0 {

struct zb_h2 {
  static constexpr const char* name = "zb_h2";
  static constexpr const char* summary = "zero bubble, handcrafted, in twice the memory of 1F1B";
  static constexpr const char* needs = "any ranks and micro-batches";
  static constexpr sizes picture{3, 6};

  constexpr refusal refuses(const sizes& z) const { return one_chunk_whole(z); }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    zero_bubble_loop(rank, z.micro_batches, 2 * (z.ranks - rank) - 1, 2 * rank, put);
  }
};

}  // namespace stretto::inline v0
