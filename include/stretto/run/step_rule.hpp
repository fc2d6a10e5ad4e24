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

#include <stretto/core/error.hpp>

namespace stretto::inline v0 {

struct step_rule {
  double loss_scale = 1;
  double most_norm = std::numeric_limits<double>::infinity();
  double most_loss = std::numeric_limits<double>::infinity();
};

namespace detail {

constexpr bool is_finite(double x) { return x - x == 0; }

/// Throws stretto::error for a rule that a step can't keep to. `rounds`: runs whose gradients are gathered, by which scale.
inline void check_rule(const step_rule& rule, bool skips, int rounds, double begun_scale) {
  constexpr double none = std::numeric_limits<double>::infinity();
  if (!(rule.loss_scale > 0) || !is_finite(rule.loss_scale) || !is_finite(1 / rule.loss_scale)) throw error("stretto: step_rule::loss_scale isn't above 0 and finite, or its inverse isn't; correct it");
  if (rule.most_norm != rule.most_norm || rule.most_loss != rule.most_loss) throw error("stretto: step_rule::most_norm or most_loss is no number; give a limit, or infinity for none");
  if (!skips && (rule.most_norm < none || rule.most_loss < none))
    throw error("stretto: step_rule limits norm or loss, and the pipeline skips no steps; set pipeline_options::skips");
  if (rounds > 0 && !(rule.loss_scale == begun_scale)) throw error("stretto: step_rule::loss_scale changes between accumulate and step, whose gradients are added up; change it after the step");
  if (rounds > 0 && rule.most_loss < none) throw error("stretto: step_rule::most_loss is of a step over several runs, and only the last one's loss would be judged; limit the norm");
}

}  // namespace detail

}  // namespace stretto::inline v0
