// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// DualPipeV: DualPipe cut in half. The stages lie as a V, so one copy of the model does, and each rank overlaps a forward
// pass on one of its stages with a backward pass on the other: what one computes hides what the other communicates.
//
//     rank 0 | 0F0 0F1 0F2 3F0 3I0 3W0 3F1 0F3|3B1----     3F2|0B0---- 0F4|3B2---- 3F3|0B1---- 3B3----     3F4|0B2---- 3B4---- 0I3 0W3 0I4 0W4
//     rank 1 |     1F0 2F0 1F1 2F1 1F2 2B0---- 2F2|1B0---- 1F3|2B1---- 2F3|1B1---- 1F4|2B2---- 2F4|1B2---- 2B3---- 1B3----     2I4 1I4 2W4 1W4
// Bubble, from 2 * ranks - 1 micro-batches on, with h = ranks - 1 and a pair that costs the sum: h / 2 * max(2 t_F,
// 2 t_F + t_I - t_W, (1 - 1/h) t_F + 2 t_I - t_W, (1 - 1/h) t_F + t_I). For fewer (dual_steps says how), at equal costs:
// 2 ranks - 1 - micro_batches up to as many as ranks, 3 ranks - 2 - micro_batches above.
// Peak activations: min(micro_batches, ranks + 1/2).
// Source: DeepSeek-AI, DualPipe (2025); the V is Sea AI Lab's cut-in-half form.
#pragma once

#include <stretto/plan/sizes.hpp>
#include <stretto/schedule/dual_steps.hpp>
#include <stretto/schedule/v_placement.hpp>

namespace stretto::inline v0 {

struct dualpipe_v : v_placement {
  static constexpr const char* name = "dualpipe_v";
  static constexpr const char* summary = "forward and backward passes overlap on a V";
  static constexpr const char* needs = "any ranks and micro-batches; 2 chunks a rank";
  static constexpr sizes picture{2, 5};

  constexpr refusal refuses(const sizes& z) const { return refuses_placement(z); }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    dual_steps(z.ranks, rank, {rank, 0, z.micro_batches}, {2 * z.ranks - 1 - rank, 0, z.micro_batches}, put);
  }
};

}  // namespace stretto::inline v0
