// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// lower(plan): the order with its messages placed, a program.
//
//     rank 0 | 0F0 0F1 0B0 …      rank 0 | 0F0 0SEND_F0 0F1 0SEND_F1 0RECV_B0 0B0 …
//     rank 1 | 1F0 1B0 1F1 …      rank 1 | 1RECV_F0 1F0 1RECV_F1 1B0 1SEND_B0 1F1 …
// Receives are placed eagerly: ranks take turns, a pass is placed once its inputs are, its sends stand behind it, and the
// receive goes to the end of the peer's list at that moment, so the two ends of every pair of ranks have one order.
// lower(plan, options) adds passes first and may move receives back; see lower_options.hpp.
// Cost: O(actions × edges of an action + rounds × ranks).
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/check.hpp>
#include <stretto/plan/lower_options.hpp>
#include <stretto/plan/merge_backward.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/plan/plan_like.hpp>
#include <stretto/plan/recompute.hpp>
#include <stretto/plan/reduce_grad.hpp>
#include <stretto/plan/unshard.hpp>
#include <stretto/plan/walk.hpp>

namespace stretto::inline v0 {

namespace detail {

/// The plan with the passes that the options ask for.
constexpr plan with_passes(const plan_view& p, const lower_options& how) {
  if (!check(p).ok()) require(check(p));  // so that what is said is said of the plan as it was given
  plan q = copied(p);
  if (how.merge_backward) q = merge_backward(q);
  if (!how.recompute.empty()) q = add_recompute(q, how.recompute);
  if (how.unshard != 0) q = add_unshard(q, how.unshard);
  if (how.reduce_grad) q = add_reduce_grad(q);
  if (how.update != update_rule::none) q = add_update(q, how.update).order;
  if (!how.offload.stages.empty()) q = add_offload(q, how.offload);
  return q;
}

/// The program of an order, with eager receives.
constexpr program with_messages(const plan_view& p) {
  if (!frame_fault(p).ok()) require(check(p));
  const wiring w(p);
  if (!crossing_fault(p, w.used).ok()) require(check(p));
  walk_state s(p, w);
  heap_array<std::int64_t> room(p.ranks + 1, 0);
  for (int r = 0; r < p.ranks; ++r) {
    room[r + 1] += p.order(r).count;
    for (const action& a : p.order(r)) {
      if (a.is_message()) throw error("stretto: lower takes an order, and this plan holds messages already; lower the order that it came from");
      if (well_placed(p, a, r))
        for_each_output(p, w, a, r, [&](int row, int place, int to, int slice) {
          if (!s.unwanted(p, w, row, place, a.micro_batch, slice)) ++room[r + 1], ++room[to + 1];
        });
    }
  }
  program out;
  static_cast<plan&>(out) = plan_like(p);
  out.lowered = true;
  out.rows = heap_array<std::int64_t>(p.ranks + 1, 0);
  for (int r = 0; r < p.ranks; ++r) out.rows[r + 1] = out.rows[r] + room[r + 1];
  out.actions = heap_array<action>(out.rows[p.ranks]);

  heap_array<std::int64_t> next(static_cast<std::int64_t>(p.ranks) * s.lanes, 0), tail(out.rows);
  std::int64_t left = p.actions.count;
  bool moved = true;
  while (moved) {
    moved = false;
    for (std::int64_t queue = 0; queue < next.size(); ++queue) {  // ranks in turn, and in each its lanes
      const int r = static_cast<int>(queue / s.lanes);
      const view<const action> list = p.order(r);
      while (next[queue] < list.count && s.lane_index(list[next[queue]]) != queue % s.lanes) ++next[queue];
      if (next[queue] == list.count) continue;
      const action* a = &list[next[queue]];
      const int count = a->kind == role::run_with_next ? 2 : 1;
      if (count == 2 && (next[queue] + 1 == list.count || a[1].kind != role::run || s.lane_index(a[1]) != s.lane_index(*a))) require(check(p));
      bool fits = true;
      for (int i = 0; i < count && fits; ++i)
        fits = well_placed(p, a[i], r) && for_each_input(p, w, a[i], r, [&](const input& in) { return s.there(p, w, a[i], in); });
      if (!fits) continue;
      for (int i = 0; i < count; ++i) {
        if (!s.mark(p, w, a[i])) require(check(p));
        out.actions[tail[r]++] = a[i];
      }
      for (int i = 0; i < count; ++i)
        for_each_output(p, w, a[i], r, [&](int row, int place, int to, int slice) {
          if (s.unwanted(p, w, row, place, a[i].micro_batch, slice)) return;
          const pass_id carried = static_cast<pass_id>(row);
          out.actions[tail[r]++] = {carried, role::send, a[i].slice, a[i].stage, a[i].micro_batch, place};
          out.actions[tail[to]++] = {carried, role::receive, static_cast<std::uint16_t>(slice), place, a[i].micro_batch, a[i].stage};
        });
      next[queue] += count;
      left -= count;
      moved = true;
    }
  }
  if (left != 0 || s.required_done != nodes_needed(p) || !group_fault(p).ok()) require(check(p));
  return out;
}

}  // namespace detail

/// The program of a plan. Throws stretto::error with the check's sentence where the plan is not valid, or its program
/// doesn't run under the link model that the options name.
/// @post check(result).ok(), and the compute actions are those of the plan in the same order on every lane of
/// every rank, but for those that the options add and merge.
constexpr program lower(const plan_view& p, const lower_options& how = {}) {
  program q;
  if (how.rewrites()) {
    for (const action& a : p.actions)
      if (a.is_message()) return detail::with_messages(p);  // which refuses it
    const plan fuller = detail::with_passes(p, how);
    q = detail::with_messages(fuller);
  } else {
    q = detail::with_messages(p);
  }
  if (how.receives != receives::eager) {
    const auto which = how.links.which;
    const bool holds_nobody = which == link_model::kind::by_plan || which == link_model::kind::buffered || which == link_model::kind::per_edge;
    q = defer_receives(static_cast<program&&>(q), how.receives, holds_nobody ? same_order::of_pair : same_order::of_rank);
  }
  if (how.links.which != link_model::kind::by_plan && !check(q, how.links).ok()) require(check(q, how.links));
  return q;
}

}  // namespace stretto::inline v0
