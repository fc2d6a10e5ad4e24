// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// 1F1B with split backward passes: gradients of inputs (I) go on at once, those of weights (W) follow right behind, while the
// next rank works already. So a rank waits for the others' F and I alone, in the memory of 1F1B.
//
//     rank 0 | F0 F1 F2       I0 W0 F3 I1 W1 F4 I2 W2    I3 W3    I4 W4
//     rank 1 |    F0 F1    I0 W0 F2 I1 W1 F3 I2 W2 F4 I3 W3    I4 W4
//     rank 2 |       F0 I0 W0 F1 I1 W1 F2 I2 W2 F3 I3 W3 F4 I4 W4
// Bubble: (ranks - 1) * (t_F + t_I).  Peak activations on rank r: min(ranks - r, micro_batches).
// A message's latency c up to t_W / 2 costs 2 * (ranks - 1) * c: W fills the steady state's round trips.
// zb_h1 keeps some W for the drain: less of a bubble where t_W is long, but ranks micro-batches on every rank.
// Source: the split is that of Qi et al., Zero Bubble Pipeline Parallelism, ICLR 2024.
#pragma once

#include <stretto/plan/action.hpp>
#include <stretto/plan/sizes.hpp>
#include <stretto/schedule/one_f_one_b.hpp>

namespace stretto::inline v0 {

struct one_f_one_b_split {
  static constexpr const char* name = "1f1b_split";
  static constexpr const char* summary = "1F1B with split backward passes: less of a bubble in the same memory";
  static constexpr const char* needs = "any ranks and micro-batches";
  static constexpr sizes picture{3, 5};

  constexpr refusal refuses(const sizes& z) const { return one_chunk_whole(z); }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    one_f_one_b{}.order(z, rank, [&](const action& a) {
      if (a.pass == pass::forward) return put(a);
      put(action::backward_input(a.stage, a.micro_batch));
      put(action::backward_weight(a.stage, a.micro_batch));
    });
  }
};

}  // namespace stretto::inline v0
