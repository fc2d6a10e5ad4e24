// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The loop that zb_h1 and zb_h2 have in common: forward passes ahead, then backward passes for inputs with forward passes
// between, and weight passes that lag behind, so that they fill the end.
//
//     ahead 3, lag 1:   F0 F1 F2 I0 F3 I1 W0 F4 I2 W1 I3 W2 I4 W3 W4
// Cost: O(1) an action.
#pragma once

#include <stretto/plan/action.hpp>

namespace stretto::inline v0 {

/// Puts the actions of one stage: `ahead` forward passes first, the weight pass `lag` backward passes behind its own.
constexpr void zero_bubble_loop(int stage, int micro_batches, int ahead, int lag, auto&& put) {
  for (int m = 0; m < ahead && m < micro_batches; ++m) put(action::forward(stage, m));
  for (int m = 0; m < micro_batches; ++m) {
    put(action::backward_input(stage, m));
    if (m >= lag) put(action::backward_weight(stage, m - lag));
    if (ahead + m < micro_batches) put(action::forward(stage, ahead + m));
  }
  for (int m = lag < micro_batches ? micro_batches - lag : 0; m < micro_batches; ++m) put(action::backward_weight(stage, m));
}

}  // namespace stretto::inline v0
