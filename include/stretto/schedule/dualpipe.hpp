// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// DualPipe: micro-batches enter at both ends. Route a passes stage s on rank s, route b passes stage s on rank
// ranks - 1 - s, so every stage has two owners and the model is there twice; each rank overlaps forward passes of one direction
// with backward passes of the other.
//
//     rank 0 | 0Fa0 0Fa1 0Fa2 3Fb0 3Ib0 3Wb0 3Fb1 0Fa3|3Bb1-----      3Fb2|0Ba0----- 3Bb2-----      3Fb3|0Ba1----- 3Bb3----- 0Ia2 0Wa2 0Ia3 0Wa3
//     rank 1 |      1Fa0 2Fb0 1Fa1 2Fb1 1Fa2 2Bb0----- 2Fb2|1Ba0----- 1Fa3|2Bb1----- 2Fb3|1Ba1----- 2Bb2----- 1Ba2-----      2Ib3 1Ia3 2Wb3 1Wa3
//     rank 2 |      1Fb0 2Fa0 1Fb1 2Fa1 1Fb2 2Ba0----- 2Fa2|1Bb0----- 1Fb3|2Ba1----- 2Fa3|1Bb1----- 2Ba2----- 1Bb2-----      2Ia3 1Ib3 2Wa3 1Wb3
//     rank 3 | 0Fb0 0Fb1 0Fb2 3Fa0 3Ia0 3Wa0 3Fa1 0Fb3|3Ba1-----      3Fa2|0Bb0----- 3Ba2-----      3Fa3|0Bb1----- 3Ba3----- 0Ib2 0Wb2 0Ib3 0Wb3
// The first half of the micro-batches takes route a, the others route b; an odd one goes with the first half. An odd number
// takes as long as one more does, at equal costs.
// Bubble, from 2 * ranks micro-batches on, with h = ranks / 2 - 1 and a pair that costs the sum: h * max(2 t_F,
// 2 t_F + t_I - t_W, (1 - 1/h) t_F + 2 t_I - t_W, (1 - 1/h) t_F + t_I). For fewer (dual_steps says how), at equal costs and an
// even number: 2 ranks - 2 - micro_batches up to as many as ranks, 3 ranks - 4 - micro_batches up to 2 * ranks - 2.
// Peak activations: min(micro_batches, ranks + 1).  dualpipe_v does with one copy of the model.
// Weight passes: each owner of a stage has those of its direction alone, in ascending order of micro-batches; the sum of a
// stage's gradient is that of both owners' sums.
// Source: DeepSeek-AI, DeepSeek-V3 Technical Report, 2024.
#pragma once

#include <stretto/plan/plan.hpp>  // hop
#include <stretto/plan/sizes.hpp>
#include <stretto/schedule/dual_steps.hpp>

namespace stretto::inline v0 {

struct dualpipe {
  static constexpr const char* name = "dualpipe";
  static constexpr const char* summary = "micro-batches enter at both ends, forward and backward passes overlap; the model is there twice";
  static constexpr const char* needs = "an even number of ranks; any micro-batches, of both directions";
  static constexpr sizes picture{4, 8};

  constexpr refusal refuses(const sizes& z) const {
    if (const refusal r = one_chunk_whole(z)) return r;
    if (z.ranks % 2 != 0) return {"it needs an even number of ranks", size_name::ranks, z.ranks, z.ranks > 1 ? z.ranks - 1 : -1, z.ranks + 1};
    return {};
  }

  constexpr int routes(const sizes&) const { return 2; }
  constexpr int route_of(const sizes& z, int micro_batch) const { return micro_batch < (z.micro_batches + 1) / 2 ? 0 : 1; }
  constexpr void route(const sizes& z, int index, auto&& put) const {
    for (int stage = 0; stage < z.ranks; ++stage) put(hop{stage, index == 0 ? stage : z.ranks - 1 - stage});
  }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    const int forth = (z.micro_batches + 1) / 2, other = z.ranks - 1 - rank;
    const dual_stage a{rank, 0, forth}, b{other, forth, z.micro_batches - forth};
    if (rank < other) dual_steps(z.ranks / 2, rank, a, b, put);
    else dual_steps(z.ranks / 2, other, b, a, put);
  }
};

}  // namespace stretto::inline v0
