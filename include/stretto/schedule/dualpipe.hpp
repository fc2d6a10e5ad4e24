// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// DualPipe: micro-batches enter at both ends. Route a passes stage s on rank s, route b passes stage s on rank
// ranks - 1 - s, so every stage has two owners and the model is there twice; each rank overlaps forward passes of one direction
// with backward passes of the other.
//
//     rank 0 | 0F0 0F1 0F2 3F4 3I4 3W4 3F5 0F3|3B5----     3F6|0B0---- 3B6----     3F7|0B1---- 3B7---- 0I2 0W2 0I3 0W3
//     rank 1 |     1F0 2F4 1F1 2F5 1F2 2B4---- 2F6|1B0---- 1F3|2B5---- 2F7|1B1---- 2B6---- 1B2----     2I7 1I3 2W7 1W3
//     rank 2 |     1F4 2F0 1F5 2F1 1F6 2B0---- 2F2|1B4---- 1F7|2B1---- 2F3|1B5---- 2B2---- 1B6----     2I3 1I7 2W3 1W7
//     rank 3 | 0F4 0F5 0F6 3F0 3I0 3W0 3F1 0F7|3B1----     3F2|0B4---- 3B2----     3F3|0B5---- 3B3---- 0I6 0W6 0I7 0W7
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
