// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The scale of the loss for training in fp16: gradients below 6e-8 would be 0, so the loss is multiplied by a scale before the
// backward pass and gradients are divided by it before the update. Where one isn't finite, the scale was too large: all ranks
// skip the step and halve it; after many good steps it is doubled.
//
//     loss_scale s;                          65536, dynamic
//     p.rule().loss_scale = s.scale;         of a pipeline with pipeline_options::skips
//     s = next_scale(s, !p.step(n).skipped());     the same on all ranks
//     loss_scale fixed{.scale = 128, .dynamic = false};
// It is an aggregate, so its state is saved by saving scale, good and bad. Scales that are powers of two are exact.
// Source: Micikevicius et al., Mixed precision training, ICLR 2018.
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>

namespace stretto::inline v0 {

struct loss_scale {
  double scale = 65536;
  bool dynamic = true;
  double growth = 2;            ///< factor after `interval` good steps in a row
  double backoff = 0.5;         ///< factor after a step that isn't finite
  std::int64_t interval = 2000;
  double lower = 1, upper = 16777216;
  std::int64_t good = 0;        ///< good steps since the scale changed last
  std::int64_t bad = 0;         ///< steps that weren't finite since the last good one

  constexpr double inverse() const { return 1 / scale; }

  /// A scale that can't be made smaller gave `steps` steps in a row that weren't finite: it isn't the scale that is wrong.
  constexpr bool hopeless(std::int64_t steps = 10) const { return bad >= steps && (!dynamic || scale <= lower); }

  friend constexpr bool operator==(const loss_scale&, const loss_scale&) = default;
};

/// Throws stretto::error for numbers that are no use.
constexpr void require_sound(const loss_scale& s) {
  if (!(s.lower > 0 && s.lower <= s.scale && s.scale <= s.upper && s.upper <= 3e38))
    throw error("stretto: a loss scale doesn't lie between its bounds, or they aren't numbers from above 0 to 3e38; give 0 < lower <= scale <= upper");
  if (!(s.growth >= 1 && s.growth <= 65536 && s.backoff > 0 && s.backoff <= 1 && s.interval >= 1))
    throw error("stretto: a loss scale's growth is not from 1 to 65536, its backoff not above 0 and at most 1, or its interval below 1; correct it");
}

/// The scale after a step whose gradients were finite on all ranks, or weren't.
constexpr loss_scale next_scale(loss_scale s, bool finite) {
  s.bad = finite ? 0 : s.bad + 1;
  s.good = finite ? s.good + 1 : 0;
  if (!s.dynamic) return s;
  if (!finite) {
    s.scale = s.scale * s.backoff > s.lower ? s.scale * s.backoff : s.lower;
  } else if (s.good >= s.interval) {
    s.scale = s.scale * s.growth < s.upper ? s.scale * s.growth : s.upper;
    s.good = 0;
  }
  return s;
}

}  // namespace stretto::inline v0
