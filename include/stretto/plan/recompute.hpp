// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// add_recompute(plan, stages): a forward of those stages keeps only its input, and R makes the rest again directly before
// the backward.
//
//     consumer   relation     producer              0F0 0F1 0B0 0B1        0F0 0F1 0R0 0B0 0R1 0B1
//     R          same_place   F
//     I          same_place   R
// R waits for nothing from other ranks, so a rank runs it while the gradient is under way. It stands before the pair where
// the backward is in one. lowered_costs and lowered_holding say what it costs and holds.
// Cost: an entry for each backward of those stages, O(actions).
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/plan_like.hpp>
#include <stretto/plan/stage_choice.hpp>

namespace stretto::inline v0 {

/// Adds R to a graph, for plans written by hand or read from a file. Where it isn't everywhere, check can't miss it.
constexpr pass_id add_recompute(graph& g, bool everywhere = false) {
  detail::must_be_free(g, "R");
  const pass_id r = g.add(pass_kind{.name = "R", .how_often = everywhere ? times::once : times::at_most_once});
  g.add(edge{r, relation::same_place, pass::forward});
  g.add(edge{pass::backward_input, relation::same_place, r});
  return r;
}

namespace detail {

constexpr void must_go_back(const plan_view& p, const char* what) {
  if (!p.passes->has(pass::backward_input))
    throw error(text("stretto: lower is asked to ", what, ", and the plan's graph has no backward passes; lower a plan for inference without that").str());
}

constexpr bool does(const graph& g, const action& a, pass_id k) { return !a.is_message() && g.has(a.pass) && (g.cover(a.pass) >> k & 1) != 0; }

}  // namespace detail

/// Throws stretto::error where the plan has no backward passes or the choice names a stage that it lacks.
constexpr plan add_recompute(const plan_view& p, const stage_choice& stages) {
  detail::must_be_made(p);
  detail::must_go_back(p, "recompute");
  const heap_array<std::uint8_t> chosen = detail::chosen_stages(stages, p.stages, "recompute");
  const graph& g = *p.passes;
  const auto r = static_cast<pass_id>(g.pass_count);
  plan out = rewritten(p, [&](int, const view<const action>& list, auto&& put) {
    for (std::int64_t i = 0; i < list.count;) {
      const int count = detail::unit_at(list, i);
      for (int k = 0; k < count; ++k) {
        const action& a = list[i + k];
        if (detail::does(g, a, pass::backward_input) && a.stage >= 0 && a.stage < p.stages && chosen[a.stage] != 0)
          put(action::of(r, a.stage, a.micro_batch, a.slice));
      }
      for (int k = 0; k < count; ++k) put(list[i + k]);
      i += count;
    }
  });
  bool everywhere = true;
  for (std::uint8_t one : chosen) everywhere = everywhere && one != 0;
  add_recompute(out.passes, everywhere);
  return out;
}

}  // namespace stretto::inline v0
