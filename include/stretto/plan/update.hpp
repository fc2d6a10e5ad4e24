// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// add_update(plan, rule): the end of a training step as passes of each rank.
//
//     consumer   relation        producer
//     NORM       same_place      W            a rank adds up what it knows of its gradients
//     NORM       same_place      REDUCE_GRAD  where the plan reduces them
//     UPDATE     same_place      NORM         and updates its weights; update_rule::together, where gradients are clipped
//     UPDATE     group           NORM         or weights are tied: when all ranks' sums are there
//     F          previous_step   UPDATE       the next step sees the new weights: no barrier between steps
// Cost: two entries a rank.
#pragma once

#include <cstdint>
#include <initializer_list>

#include <stretto/core/error.hpp>
#include <stretto/plan/plan_like.hpp>

namespace stretto::inline v0 {

enum class update_rule : std::uint8_t { none, each, together };

/// A plan that ends with updates, and where they stand in its graph.
struct updated_plan {
  plan order;
  pass_id norm = no_pass, update = no_pass;
};

/// Throws stretto::error where the plan has no weight passes, or its graph no room.
constexpr updated_plan add_update(const plan_view& p, update_rule rule) {
  detail::must_be_made(p);
  if (!p.passes->has(pass::backward_weight))
    throw error("stretto: lower is to place updates, and the plan's graph has no weight passes; lower a plan for inference without them");
  for (const char* name : {"NORM", "UPDATE"}) detail::must_be_free(*p.passes, name);
  updated_plan out;
  const int at = p.passes->pass_count;
  out.order = rewritten(p, [&](int r, const view<const action>& list, auto&& put) {
    for (const action& a : list) put(a);
    for (int k = 0; k < 2; ++k) put(action::of(static_cast<pass_id>(at + k), r, 0));
  });
  graph& g = out.order.passes;
  out.norm = g.add(pass_kind{.name = "NORM", .by = scope::rank, .per = share::step});
  out.update = g.add(pass_kind{.name = "UPDATE", .by = scope::rank, .per = share::step});
  g.add(edge{out.norm, relation::same_place, pass::backward_weight});
  if ((used_passes(p) >> pass::reduce_grad & 1) != 0) g.add(edge{out.norm, relation::same_place, pass::reduce_grad});
  g.add(edge{out.update, rule == update_rule::together ? relation::group : relation::same_place, out.norm});
  g.add(edge{pass::forward, relation::previous_step, out.update});
  return out;
}

}  // namespace stretto::inline v0
