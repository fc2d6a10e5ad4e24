// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the steps that are asked for from here on keep to, beside their optimizer: the scale of the loss, and when a step is
// not to be taken.
//
//     p.rule().loss_scale = 65536;     gradients are of the loss times this; the norm, clipping and the update are as without
//     p.rule().most_norm = 20;         a step with a larger norm leaves the weights as they are, on all ranks
// Where pipeline_options::skips is set, a step whose norm is no finite number is skipped whatever the rule says. Scales that
// are powers of two change no bit, unless something overflows or is too little for its type. Cost: nothing a micro-batch.
#pragma once

#include <limits>

namespace stretto::inline v0 {

struct step_rule {
  double loss_scale = 1;
  double most_norm = std::numeric_limits<double>::infinity();
  double most_loss = std::numeric_limits<double>::infinity();
};

namespace detail {

constexpr bool is_finite(double x) { return x - x == 0; }

}  // namespace detail

}  // namespace stretto::inline v0
