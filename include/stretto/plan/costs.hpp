// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What passes and messages cost and what passes hold, the input of simulate.
//
//     costs c(1, 1, 0.5, 0.25);                                       F, I, W, latency
//     c.specials.push_back({scope::rank, 3, pass::forward, 1.5});     on rank 3 a forward costs 1.5
//     c.links.push_back({.from = 3, .to = 4, .latency = 2});          between two machines
// Unit: a cost is that of one rank's whole share of one micro-batch. A chunk costs 1/chunks of it and a slice 1/slices; a
// pass that covers others (a fused backward) costs their sum. A rank's own cost replaces the general one, a stage's own
// cost replaces both and is that of the stage itself (not divided by chunks); one for a single slice is that of the slice
// itself. What is held counts in integers, in the same unit: taken when a pass starts, released when it ends.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/graph.hpp>
#include <stretto/plan/noise.hpp>

namespace stretto::inline v0 {

/// Which messages take turns. One that waits for its turn arrives so much later; it holds no rank.
enum class turns : std::uint8_t {
  none,     ///< every message has a link of its own
  by_pair,  ///< those from one rank to another
  by_node,  ///< those that leave a node, and those that enter it, nodes being ranks_per_node neighbours; inside, as none
};

struct costs {
  double pass[graph::max_passes];  ///< by pass; 1 each unless said otherwise, and the sum for a covering pass
  double latency = 0;              ///< from the end of a pass to the arrival of its message on another rank

  /// A cost that holds for one rank, or for one stage; and, where `slice` is given, for that slice alone.
  struct special {
    scope of;
    int index;
    pass_id pass;
    double cost;
    int slice = -1;
  };
  grow_array<special> specials;

  /// A rank, or a stage, whose passes take so many times as long as said otherwise: a slower machine, a heavier stage. Of
  /// several that fit, all hold.
  struct factor {
    scope of;
    int index;
    double times;
  };
  grow_array<factor> factors;

  double bandwidth = 0;                     ///< what a link moves in a unit of time; 0: without limit
  double message_size[graph::max_edges];    ///< of a whole micro-batch, by row of the edge table; 1 each unless said otherwise

  /// A link that differs: between two ranks, -1 standing for any. Of several that fit, the last one holds.
  struct link {
    int from = -1, to = -1;
    double latency = 0;
    double bandwidth = 0;  ///< 0: without limit
  };
  grow_array<link> links;
  turns sharing = turns::none;
  int ranks_per_node = 1;

  double overlapped = 1;  ///< the share of the sum of its passes that an overlapped pair takes, never less than the longer one
  disturbance noise;      ///< jitter and stragglers, by a seed

  /// What each entry of the plan's lists costs, messages' entries included, where that was measured: it replaces what passes
  /// cost above. As many as there are entries, or as many for each step that is simulated. Empty: not measured.
  heap_array<double> entries;

  constexpr explicit costs(double forward = 1, double backward_input = 1, double backward_weight = 1, double message_latency = 0)
      : pass{}, latency(message_latency), message_size{} {
    for (double& c : pass) c = 1;
    for (double& s : message_size) s = 1;
    pass[pass::forward] = forward;
    pass[pass::backward_input] = backward_input;
    pass[pass::backward_weight] = backward_weight;
    for (pass_id p : {pass::unshard, pass::reshard, pass::reduce_grad}) pass[p] = 0;
  }
};

/// What a pass takes (positive) or releases (negative); a covering pass does the sum. In any unit: counts, bytes.
struct holding {
  std::int64_t pass[graph::max_passes];

  /// What a pass of one stage takes or releases instead, of the stage itself (not divided by chunks, but by slices).
  struct special {
    int stage;
    pass_id pass;
    std::int64_t amount;
  };
  grow_array<special> specials;
  grow_array<std::int64_t> always;  ///< by rank: held from the start, weights say; none where it is shorter

  /// By default activations live from F until W or B.
  constexpr explicit holding(std::int64_t forward = 1, std::int64_t input_releases = 0, std::int64_t weight_releases = 1) : pass{} {
    pass[pass::forward] = forward;
    pass[pass::backward_input] = -input_releases;
    pass[pass::backward_weight] = -weight_releases;
  }
};

}  // namespace stretto::inline v0
