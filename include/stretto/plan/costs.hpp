// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What passes cost and what they hold, the input of simulate.
//
// Unit: a cost is that of one rank's whole share of one micro-batch. A chunk costs 1/chunks of it and a slice 1/slices; a
// pass that covers others (a fused backward) costs their sum. A rank's own cost replaces the general one, a stage's own
// cost replaces both and is that of the stage itself (not divided by chunks). What is held counts in integers, in the
// same unit: taken when a pass starts, released when it ends.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/graph.hpp>

namespace stretto::inline v0 {

struct costs {
  double pass[graph::max_passes];  ///< by pass; 1 each unless said otherwise, and the sum for a covering pass
  double latency = 0;              ///< from the end of a pass to the arrival of its message on another rank

  /// A cost that holds for one rank, or for one stage.
  struct special {
    scope of;
    int index;
    pass_id pass;
    double cost;
  };
  grow_array<special> specials;

  /// What each entry of the plan's lists costs, messages' entries included, where that was measured: it replaces all of the
  /// above. As many as there are entries, or as many for each step that is simulated. Empty: not measured.
  heap_array<double> entries;

  constexpr explicit costs(double forward = 1, double backward_input = 1, double backward_weight = 1, double message_latency = 0)
      : pass{}, latency(message_latency) {
    for (double& c : pass) c = 1;
    pass[pass::forward] = forward;
    pass[pass::backward_input] = backward_input;
    pass[pass::backward_weight] = backward_weight;
    for (pass_id p : {pass::unshard, pass::reshard, pass::reduce_grad}) pass[p] = 0;
  }
};

/// What a pass takes (positive) or releases (negative); a covering pass does the sum.
struct holding {
  std::int64_t pass[graph::max_passes];

  /// By default activations live from F until W or B.
  constexpr explicit holding(std::int64_t forward = 1, std::int64_t input_releases = 0, std::int64_t weight_releases = 1) : pass{} {
    pass[pass::forward] = forward;
    pass[pass::backward_input] = -input_releases;
    pass[pass::backward_weight] = -weight_releases;
  }
};

}  // namespace stretto::inline v0
