// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// add_unshard(plan, window): where weights are sharded over replicas, gathers those of the next `window` stages that a
// rank works on, and lets the others go.
//
//     0F0 1F0 1B0 0B0, window 1        0UNSHARD 0F0 0RESHARD 1UNSHARD 1F0 1B0 1RESHARD 0UNSHARD 0B0 0RESHARD
//     the same, window 2               0UNSHARD 1UNSHARD 0F0 1F0 1B0 1RESHARD 0B0 0RESHARD
// Before each pass RESHARD goes to the active stages that aren't among the next ones, in the order in which they became
// active, then UNSHARD to those that are missing, in the order of their use. A pair counts both its stages, even where
// that is one more than the window.
// Cost: O(actions × (window + chunks)): a rank's stages are kept in the order of their next use, and nothing looks ahead.
// Source: the sharded runtime of PyTorch's schedules.
#pragma once

#include <cstdint>

#include <stretto/plan/plan_like.hpp>
#include <stretto/plan/reduce_grad.hpp>

namespace stretto::inline v0 {

namespace detail {

/// The stages of one rank, by the entry that uses them next.
struct next_uses {
  heap_array<std::int64_t> next;  // by entry: the next entry of the same stage, or `never`
  grow_array<int> order;          // stages, the one that is used next first
  heap_array<std::int64_t> when;  // by stage
  static constexpr std::int64_t never = 9'000'000'000'000'000'000;

  template <class Uses>
  constexpr next_uses(const view<const action>& list, int stages, Uses&& uses) : next(list.count, never), when(stages, never) {
    for (std::int64_t i = list.count; i-- > 0;) {
      if (!uses(list[i])) continue;
      next[i] = when[list[i].stage];
      when[list[i].stage] = i;
    }
    for (std::int64_t i = 0; i < list.count; ++i)
      if (uses(list[i]) && when[list[i].stage] == i) order.push_back(list[i].stage);
  }

  /// The first stage is used by entry `i` and moves to where its next use puts it.
  constexpr void use(std::int64_t i) {
    const int stage = order[0];
    when[stage] = next[i];
    std::int64_t k = 0;
    for (; k + 1 < order.size() && when[order[k + 1]] < when[stage]; ++k) order[k] = order[k + 1];
    order[k] = stage;
    if (when[stage] == never) order.pop_back();
  }

  /// How many of `order` lie in the window.
  constexpr std::int64_t within(const view<const action>& list, int window) const {
    std::int64_t n = order.size() < window ? order.size() : window;
    const std::int64_t last = when[order[n - 1]];
    if (n < order.size() && list[last].kind == role::run_with_next && when[order[n]] == last + 1) ++n;
    return n;
  }
};

}  // namespace detail

/// Throws stretto::error for a window below 1, where the plan has such passes already, or a stage two owners.
constexpr plan add_unshard(const plan_view& p, int window) {
  if (window < 1) throw error(text("stretto: lower is to gather the weights of ", window, " stages at a time; give at least 1, or 0 to lower_options::unshard for none").str());
  detail::must_be_new(p, pass::unshard, "UNSHARD");
  detail::must_be_new(p, pass::reshard, "RESHARD");
  detail::must_have_one_owner(p, "UNSHARD");
  const graph& g = *p.passes;
  const auto uses = [&](const action& a) {  // weights: passes of a stage for a micro-batch, on the compute lane
    return !a.is_message() && g.has(a.pass) && g.passes[a.pass].by == scope::stage && g.passes[a.pass].per != share::step &&
           g.passes[a.pass].on == lane::compute && a.stage >= 0 && a.stage < p.stages;
  };
  heap_array<std::int64_t> wanted(p.stages, -1);  // the last entry at which a stage was in the window
  return rewritten(p, [&](int, const view<const action>& list, auto&& put) {
    detail::next_uses ahead(list, p.stages, uses);
    for (std::int64_t& i : wanted) i = -1;
    heap_array<std::uint8_t> is_active(p.stages, std::uint8_t{0});
    grow_array<int> active;
    for (std::int64_t i = 0; i < list.count;) {
      const int count = detail::unit_at(list, i);
      bool used = false;
      for (int k = 0; k < count; ++k) used = used || uses(list[i + k]);
      if (used) {
        const std::int64_t n = ahead.within(list, window);
        for (std::int64_t k = 0; k < n; ++k) wanted[ahead.order[k]] = i;
        std::int64_t kept = 0;
        for (std::int64_t k = 0; k < active.size(); ++k) {
          const int s = active[k];
          if (wanted[s] == i) {
            active[kept++] = s;
          } else {
            put(action::of(pass::reshard, s, 0));
            is_active[s] = 0;
          }
        }
        while (active.size() > kept) active.pop_back();
        for (std::int64_t k = 0; k < n; ++k) {
          const int s = ahead.order[k];
          if (is_active[s] != 0) continue;
          put(action::of(pass::unshard, s, 0));
          is_active[s] = 1;
          active.push_back(s);
        }
      }
      for (int k = 0; k < count; ++k) {
        if (uses(list[i + k])) ahead.use(i + k);
        put(list[i + k]);
      }
      i += count;
    }
    for (int s : active) put(action::of(pass::reshard, s, 0));
  });
}

}  // namespace stretto::inline v0
