// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds a step that is unlike the last 128: how many standard deviations its loss or its norm lies above their mean.
//
//     outlier_guard guard{.most_of_norm = 6};
//     p.rule().most_norm = guard.limit_of_norm();           a step above it leaves the weights as they are, on all ranks
//     auto h = p.step(n);
//     guard.take(h.loss(), h.norm());                       the same on all ranks
// The window must be full before anything is found, so the first 128 steps are quiet. A number is compared with those before
// it and then joins them, an outlier too: a level that stays is soon no outlier. One that isn't finite is an outlier at once
// and doesn't join. All state is in the value, so it can be saved. Cost: two sums of 128 numbers a step.
#pragma once

#include <cmath>
#include <limits>

namespace stretto::inline v0 {

/// The last 128 values.
struct outlier_window {
  static constexpr int size = 128;
  double values[size] = {};
  int count = 0;  ///< how many there are
  int next = 0;   ///< which is replaced

  bool full() const { return count == size; }

  /// How many standard deviations v lies above the mean; 0 until the window is full. It isn't changed.
  double score(double v) const {
    if (!std::isfinite(v)) return std::numeric_limits<double>::infinity();
    if (!full()) return 0;
    const spread s = spread_now();
    return (v - s.mean) / s.deviation;
  }

  /// The value of that score; infinite until the window is full.
  double limit(double most) const {
    if (!full() || !(most > 0)) return std::numeric_limits<double>::infinity();
    const spread s = spread_now();
    return s.mean + most * s.deviation;
  }

  /// The score of v, which then joins the window if it is finite.
  double take(double v) {
    const double found = score(v);
    if (!std::isfinite(v)) return found;
    values[next] = v;
    next = (next + 1) % size;
    count += count < size ? 1 : 0;
    return found;
  }

 private:
  struct spread {
    double mean = 0, deviation = 0;
  };
  spread spread_now() const {
    spread s;
    double square = 0;
    for (double x : values) s.mean += x / size;
    for (double x : values) square += (x - s.mean) * (x - s.mean) / size;
    const double least = 1e-9 * std::abs(s.mean) + 1e-300;  // equal values have a deviation of rounding
    s.deviation = std::sqrt(square) > least ? std::sqrt(square) : least;
    return s;
  }
};

struct outlier_verdict {
  double score_of_loss = 0, score_of_norm = 0;
  bool skip = false;
};

/// Judges steps by both.
struct outlier_guard {
  double most_of_loss = 0;  ///< a step with a higher score is to be skipped; 0: none is
  double most_of_norm = 0;
  outlier_window loss = {}, norm = {};

  /// What the next step may have, for step_rule.
  double limit_of_loss() const { return loss.limit(most_of_loss); }
  double limit_of_norm() const { return norm.limit(most_of_norm); }

  outlier_verdict take(double loss_now, double norm_now) {
    outlier_verdict v{loss.take(loss_now), norm.take(norm_now), false};
    v.skip = (most_of_loss > 0 && v.score_of_loss > most_of_loss) || (most_of_norm > 0 && v.score_of_norm > most_of_norm);
    return v;
  }
};

}  // namespace stretto::inline v0
