// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The critical path of a simulated step, and the slack of every entry: how much later it may end, all else as it is, before
// the makespan grows.
//
//     rank 0 | F0 F1       B0--- B1---         critical: F0 F1 on rank 0, F1 B1 on rank 1, B1 on rank 0; its entries have no slack
//     rank 1 |    F0 B0--- F1 B1---
// Slack is counted backwards from the makespan over edges and lanes; where messages take turns, each keeps the delay that it
// had. The path is followed from the entry that ends last, to what it began with: its lane first, then its inputs.
// Cost: O(actions × edges of an action); 20 bytes an entry, 4 a node.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/forecast.hpp>
#include <stretto/plan/post.hpp>
#include <stretto/plan/walk.hpp>

namespace stretto::inline v0::detail {

class path_finder {
 private:  // first, because clang 14 wants them defined before a constant expression uses them
  constexpr int width(std::int64_t e) const { return p.actions[e].kind == role::run_with_next ? 2 : 1; }

  constexpr heap_array<int> ranks() const {
    heap_array<int> of(p.actions.count);
    for (int r = 0; r < p.ranks; ++r)
      for (std::int64_t e = p.rows[r]; e < p.rows[r + 1]; ++e) of[e] = r;
    return of;
  }

  /// Calls visit(entry, when it is there) for what an entry, or the pair that it begins, waited for: its lane, its inputs.
  template <class Visit>
  constexpr void each_cause(std::int64_t e, int rank, Visit&& visit) const {
    if (behind[e] >= 0 && !visit(std::int64_t{behind[e]}, f.ends[behind[e]])) return;
    bool on = true;
    for (int i = 0; i < width(e) && on; ++i)
      for_each_input(p, w, p.actions[e + i], rank, [&](const input& in) {
        const std::int64_t cause = doer[w.node(in)];
        if (cause < 0 || (cause >= e && cause < e + width(e))) return true;
        on = visit(cause, mail.arrival(in, p.actions[e + i], rank, f.ends[cause]));
        return on;
      });
  }

 public:
  constexpr path_finder(const plan_view& plan, const wiring& wires, const walk_state& state, const post& messages, forecast& out)
      : p(plan), w(wires), mail(messages), f(out), doer(w.nodes, -1), behind(plan.actions.count, -1) {
    heap_array<std::int64_t> last(state.lanes);
    for (int r = 0; r < p.ranks; ++r) {
      for (std::int64_t& l : last) l = -1;
      const view<const action> list = p.order(r);
      for (std::int64_t i = 0; i < list.count; ++i) {
        if (list[i].is_message()) continue;
        const std::int64_t e = p.rows[r] + i;
        for (int c = 0; c < w.covers[list[i].pass]; ++c)
          doer[w.node(w.covered[list[i].pass][c], list[i].stage, list[i].micro_batch, list[i].slice)] = static_cast<std::int32_t>(e);
        if (i > 0 && list[i - 1].kind == role::run_with_next) continue;
        std::int64_t& before = last[state.lane_index(list[i])];
        behind[e] = static_cast<std::int32_t>(before);
        before = e;
      }
    }
  }

  /// Fills slack and critical from what ran, in an order in which nothing comes before what it waited for.
  constexpr void find(const view<const std::int64_t>& ran) {
    if (ran.count == 0) return;
    const heap_array<int> rank_of = ranks();
    f.slack = heap_array<double>(p.actions.count, f.makespan);  // holds the latest end until it is known
    heap_array<double>& latest = f.slack;
    for (std::int64_t u = ran.count; u-- > 0;) {
      const std::int64_t e = ran[u];
      const int count = width(e);
      if (count == 2) latest[e] = latest[e + 1] = latest[e] < latest[e + 1] ? latest[e] : latest[e + 1];
      const double begins = latest[e] - (f.ends[e] - f.starts[e]);
      each_cause(e, rank_of[e], [&](std::int64_t cause, double arrives) {
        const double ends = begins - (arrives - f.ends[cause]);
        if (ends < latest[cause]) latest[cause] = ends;
        return true;
      });
    }
    for (std::int64_t e = 0; e < p.actions.count; ++e) {
      latest[e] -= f.ends[e];
      if (p.actions[e].is_message() || latest[e] < 1e-12 * f.makespan) latest[e] = 0;
    }
    follow(ran, rank_of);
  }

 private:
  constexpr void follow(const view<const std::int64_t>& ran, const heap_array<int>& rank_of) {
    std::int64_t e = ran[0];
    for (const std::int64_t other : ran) e = f.ends[other] > f.ends[e] ? other : e;
    grow_array<std::int64_t> path;
    while (e >= 0) {
      path.push_back(e);
      std::int64_t from = -1;
      each_cause(e, rank_of[e], [&](std::int64_t cause, double arrives) {
        if (arrives == f.starts[e]) from = cause > 0 && p.actions[cause - 1].kind == role::run_with_next ? cause - 1 : cause;
        return from < 0;
      });
      e = from;
    }
    for (std::int64_t i = path.size(); i-- > 0;) f.critical.push_back(path[i]);
  }

  const plan_view& p;
  const wiring& w;
  const post& mail;
  forecast& f;
  heap_array<std::int32_t> doer;    // entry of each node
  heap_array<std::int32_t> behind;  // the entry before it on its lane
};

}  // namespace stretto::inline v0::detail
