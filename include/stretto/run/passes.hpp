// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What running makes of a plan: the end of a training step as passes (NORM and UPDATE, see plan/update.hpp), skip connections
// between layers as edges, and the passes of overlapped pairs one behind the other.
//
//     consumer   relation        producer
//     F          skip            F           message SKIP_A, for each two stages that a skip connection joins
//     I          skip            I           message SKIP_A_B, its gradient
// Cost: two entries a rank, and a message for each micro-batch and two stages.
#pragma once

#include <vector>

#include <stretto/core/text.hpp>
#include <stretto/plan/graph.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/plan/plan_like.hpp>
#include <stretto/plan/update.hpp>

namespace stretto::inline v0 {

/// Two stages that skip connections join.
struct stage_pair {
  int from = 0, to = 0;
  bool gradient = true;  ///< whether gradients come back
  friend bool operator==(const stage_pair&, const stage_pair&) = default;
};

/// What running is to add.
struct run_passes {
  bool update = true;             ///< NORM and UPDATE behind each rank's list
  bool together = false;          ///< an update needs all ranks' sums
  std::vector<stage_pair> skips = {};
};

/// The plan with it, and where it stands in the graph.
struct runnable_plan {
  plan order;
  pass_id norm = no_pass, update = no_pass;
  std::vector<int> skip_rows, skip_gradient_rows;  ///< by pair; -1 where there is none
};

inline runnable_plan make_runnable(const plan_view& p, const run_passes& what) {
  runnable_plan out;
  if (what.update) {
    updated_plan u = add_update(p, what.together ? update_rule::together : update_rule::each);
    out.order = static_cast<plan&&>(u.order);
    out.norm = u.norm;
    out.update = u.update;
  } else {
    out.order = copied(p);
  }
  for (action& a : out.order.actions)  // a rank of one lane runs them in turn, and hands on what the first gives at once
    if (a.kind == role::run_with_next) a.kind = role::run;
  graph& g = out.order.passes;
  for (std::size_t i = 0; i < what.skips.size(); ++i) {
    const stage_pair& s = what.skips[i];
    text name("SKIP_");
    for (std::size_t rest = i + 1; rest > 0; rest = (rest - 1) / 26) name.add(static_cast<char>('A' + (rest - 1) % 26));
    const bool back = what.update && s.gradient;
    out.skip_rows.push_back(g.add(edge{pass::forward, relation::skip, pass::forward, label(name.str()), hops::all, s.from, s.to}));
    name.add("_B");
    out.skip_gradient_rows.push_back(!back ? -1 : g.add(edge{pass::backward_input, relation::skip, pass::backward_input, label(name.str()), hops::all, s.to, s.from}));
  }
  return out;
}

}  // namespace stretto::inline v0
