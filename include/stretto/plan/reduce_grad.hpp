// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// add_reduce_grad(plan): behind the last weight pass (or fused backward) of a stage, its gradients are reduced over
// data-parallel replicas.
//
//     1B0 1B1 0B0 0B1        1B0 1B1 1REDUCE_GRAD 0B0 0B1 0REDUCE_GRAD
// Behind an overlapped pair where that pass is in one. A stage with two owners has none: its gradients lie on two ranks.
// Cost: O(actions).
// Source: the runtime of PyTorch's schedules.
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/plan_like.hpp>

namespace stretto::inline v0 {

namespace detail {

/// Throws stretto::error where a pass that is to be placed is in the lists already, or the graph doesn't know it.
constexpr void must_be_new(const plan_view& p, pass_id k, const char* name) {
  if (!p.passes->has(k)) throw error(text("stretto: the plan's graph has no pass ", name, ", which lower is to place; begin with the graph training()").str());
  if ((used_passes(p) >> k & 1) != 0)
    throw error(text("stretto: the plan places ", name, " itself, and lower is to place it, too; leave that to one of them").str());
}

/// Throws stretto::error where two ranks own one stage, because a pass of a stage that happens once a step has one place.
constexpr void must_have_one_owner(const plan_view& p, const char* name) {
  for (int s = 0; s < p.stages; ++s) {
    int owner = -1;
    for (int i = 0; i < p.routes; ++i) {
      const int r = p.route(i).rank_of(s);
      if (r >= 0 && owner >= 0 && r != owner)
        throw error(text("stretto: ranks ", owner, " and ", r, " both own stage ", s, ", and ", name, " is done once a stage; lower this plan without it").str());
      owner = r >= 0 ? r : owner;
    }
  }
}

}  // namespace detail

/// Throws stretto::error where the plan has such passes already, or a stage two owners.
constexpr plan add_reduce_grad(const plan_view& p) {
  detail::must_be_new(p, pass::reduce_grad, "REDUCE_GRAD");
  detail::must_have_one_owner(p, "REDUCE_GRAD");
  const graph& g = *p.passes;
  heap_array<std::int64_t> last(p.stages);
  return rewritten(p, [&](int, const view<const action>& list, auto&& put) {
    const auto weighs = [&](const action& a) {
      return !a.is_message() && g.has(a.pass) && (g.cover(a.pass) >> pass::backward_weight & 1) != 0 && a.stage >= 0 && a.stage < p.stages;
    };
    for (std::int64_t i = 0; i < list.count; ++i)
      if (weighs(list[i])) last[list[i].stage] = i;
    for (std::int64_t i = 0; i < list.count;) {
      const int count = detail::unit_at(list, i);
      for (int k = 0; k < count; ++k) put(list[i + k]);
      for (int k = 0; k < count; ++k)
        if (weighs(list[i + k]) && last[list[i + k].stage] == i + k) put(action::of(pass::reduce_grad, list[i + k].stage, 0));
      i += count;
    }
  });
}

}  // namespace stretto::inline v0
