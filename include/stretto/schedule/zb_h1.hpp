// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ZB-H1, the handcrafted zero-bubble schedule that holds no more than 1F1B: backward passes are split, those for inputs
// (I) go ahead, and those for weights (W) fill the drain.
//
//     rank 0 | F0 F1 F2       I0 W0 F3 I1 W1 F4 I2 W2 I3 W3 I4 W4
//     rank 1 |    F0 F1    I0 F2 I1 W0 F3 I2 W1 F4 I3 W2 I4 W3 W4
//     rank 2 |       F0 I0 F1 I1 F2 I2 W0 F3 I3 W1 F4 I4 W2 W3 W4
// Bubble: (ranks - 1) * max(t_F, t_I, t_F + t_I - t_W), from as many micro-batches as ranks on.
// Peak activations: min(ranks, micro_batches) on every rank.  A latency c up to t_F / 2 costs
// 4 * (ranks - 1) * c at equal costs, with more micro-batches than ranks.
// Source: Qi et al., Zero Bubble Pipeline Parallelism, ICLR 2024.
#pragma once

#include <stretto/plan/sizes.hpp>
#include <stretto/schedule/zero_bubble_loop.hpp>

namespace stretto::inline v0 {

struct zb_h1 {
  static constexpr const char* name = "zb_h1";
  static constexpr const char* summary = "zero bubble, handcrafted, in the memory of 1F1B";
  static constexpr const char* needs = "any ranks and micro-batches";
  static constexpr sizes picture{3, 5};

  constexpr refusal refuses(const sizes& z) const { return one_chunk_whole(z); }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    zero_bubble_loop(rank, z.micro_batches, z.ranks - rank, rank, put);
  }
};

}  // namespace stretto::inline v0
