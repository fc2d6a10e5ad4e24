// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ZB-V: zero bubble on a V. Each rank's first and last chunk meet on the last rank and on the first, so a backward pass begins
// where its forward pass ends, and every rank is busy from its first pass to its last at equal costs, in the memory of 1F1B.
//
//     rank 0 | 0F0 0F1 0F2 3F0 3I0 3W0 3F1 3I1 3W1 0F3 0I0 0W0 3F2 3I2 3W2 0I1 0W1 3F3 3I3 3W3 0I2 0W2 0I3 0W3
//     rank 1 |     1F0 2F0 1F1 2F1 2I0 2W0 1F2 1I0 1W0 2F2 2I1 2W1 1F3 1I1 1W1 2F3 2I2 2W2 1I2 2I3 1I3 1W2 2W3 1W3
// Bubble, from 2 * ranks - 1 micro-batches on, with n = ranks - 1: n/2 times the largest of t_I, 2 (t_I - t_W),
// ((2n - 1) t_F - (n - 1) t_I)/n, (t_I + (n - 1) t_W)/n, (t_F + (n - 1) t_W)/n, 2 t_F - (2 + 1/n) t_W, 2 t_F - t_I - t_W/n and
// ((2n - 1) t_F + t_I)/n - 2 t_W; at equal costs n/2 times one of them, and within each rank none.
// Peak activations: ranks on every rank.
// The public fixed order: made for 2 * ranks - 1 micro-batches at least, of which those behind the last one are left out. So
// interleaved_zb with 2 chunks is faster when there are fewer, from `ranks` on: 13.5 against 15 at 4 ranks and 4
// micro-batches, 27.5 against 31 at 8 and 8.
// Source: Qi et al., Pipeline Parallelism with Controllable Memory, NeurIPS 2024; the fixed order is that of
// torch.distributed.pipelining.
#pragma once

#include <stretto/plan/action.hpp>
#include <stretto/plan/sizes.hpp>
#include <stretto/schedule/v_placement.hpp>

namespace stretto::inline v0 {

struct zb_v : v_placement {
  static constexpr const char* name = "zb_v";
  static constexpr const char* summary = "zero bubble on a V, in the memory of 1F1B; the public fixed order";
  static constexpr const char* needs = "any ranks and micro-batches; 2 chunks a rank";
  static constexpr sizes picture{2, 4};

  constexpr refusal refuses(const sizes& z) const { return refuses_placement(z); }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    const int down = rank, up = 2 * z.ranks - 1 - rank, to_end = z.ranks - rank;
    const int made_for = z.micro_batches > 2 * z.ranks - 1 ? z.micro_batches : 2 * z.ranks - 1;
    int forwards_down = 0, forwards_up = 0, inputs_down = 0, inputs_up = 0, weights_down = 0, weights_up = 0;
    const auto run = [&](pass_id p, int stage, int& next) {
      if (next < z.micro_batches) put(action::of(p, stage, next));
      ++next;
    };
    const auto forward_down = [&] { run(pass::forward, down, forwards_down); };
    const auto forward_up = [&] { run(pass::forward, up, forwards_up); };
    const auto input_down = [&] { run(pass::backward_input, down, inputs_down); };
    const auto input_up = [&] { run(pass::backward_input, up, inputs_up); };
    const auto weight_down = [&] { run(pass::backward_weight, down, weights_down); };
    const auto weight_up = [&] { run(pass::backward_weight, up, weights_up); };

    for (int i = 0; i < 2 * to_end - 1; ++i) forward_down();
    for (int i = 0; i < rank; ++i) forward_up(), forward_down();
    for (int i = 0; i < to_end; ++i) forward_up(), input_up(), weight_up();
    while (forwards_up < forwards_down || forwards_down < made_for) {
      if (forwards_down < made_for) forward_down();
      input_down(), weight_down();
      forward_up(), input_up(), weight_up();
    }
    for (int i = 0; i < rank; ++i) input_down(), input_up();
    for (int i = 0; i < to_end; ++i) input_down(), weight_down();
    while (weights_up < inputs_up) weight_up();
    while (weights_down < inputs_down) weight_down();
  }
};

}  // namespace stretto::inline v0
