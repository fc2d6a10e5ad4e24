// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds a step that is unlike the last 128: how many standard deviations its loss or its norm lies above their mean.
//
//     outlier_guard guard{.most_of_norm = 6};
//     const outlier_verdict v = guard.take(loss, norm);     the same on all ranks
//     if (v.skip) …                                         leave the weights as they are
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
    double mean = 0, square = 0;
    for (double x : values) mean += x / size;
    for (double x : values) square += (x - mean) * (x - mean) / size;
    const double least = 1e-9 * std::abs(mean) + 1e-300;  // equal values have a deviation of rounding
    const double deviation = std::sqrt(square);
    return (v - mean) / (deviation > least ? deviation : least);
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

  outlier_verdict take(double loss_now, double norm_now) {
    outlier_verdict v{loss.take(loss_now), norm.take(norm_now), false};
    v.skip = (most_of_loss > 0 && v.score_of_loss > most_of_loss) || (most_of_norm > 0 && v.score_of_norm > most_of_norm);
    return v;
  }
};

}  // namespace stretto::inline v0
