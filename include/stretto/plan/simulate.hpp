// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// simulate(plan, costs): when each pass runs and how much each rank holds, by the longest path.
//
//     forecast f = simulate(p, costs(1, 1, 1, 0.1));      f.makespan, f.span, f.bubble(), f.peak
// Every pass runs as early as its lane's order and its inputs allow. A message arrives its delay after its pass (latency,
// size over bandwidth, and its turn where links are shared) and holds nobody. Both passes of an overlapped pair start when
// the inputs of both are there and end together, by default after the sum; the one that takes memory does so before the
// other releases. Several steps follow each other without a barrier; where messages take turns, those of a step go before
// those of the next.
// Cost: O(actions × edges of an action); 8 bytes a node that is waited for; with `record` three times as long, and 60 bytes an
// entry more.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/check.hpp>
#include <stretto/plan/costs.hpp>
#include <stretto/plan/critical.hpp>
#include <stretto/plan/forecast.hpp>
#include <stretto/plan/timing.hpp>
#include <stretto/plan/walk.hpp>
#include <stretto/plan/walk_in_time.hpp>

namespace stretto::inline v0 {

struct simulate_options {
  int steps = 1;
  bool record = false;  ///< keep when every entry was, what was held, why ranks were idle, and what was critical
};

namespace detail {

/// How many edges of a complete plan cross ranks and are carried by messages.
constexpr std::int64_t message_count(const plan_view& p, const wiring& w, const walk_state& s) {
  std::int64_t optional = 0;
  for (int r = 0; w.optional && r < p.ranks; ++r)  // what is there is in the lists alone
    for (const action& a : p.order(r))
      if (!a.is_message())
        for_each_output(p, w, a, r, [&](int row, int place, int, int slice) { optional += !s.unwanted(p, w, row, place, a.micro_batch, slice); });
  if (w.optional) return optional;
  const graph& g = *p.passes;
  heap_array<std::int64_t> batches(p.routes, 0), some(p.routes, -1);
  for (int m = 0; m < p.micro_batches; ++m) {
    ++batches[p.route_index(m)];
    some[p.route_index(m)] = m;
  }
  std::int64_t count = 0;
  for (int r = 0; r < p.routes; ++r)
    for (int stage = 0; stage < p.stages && batches[r] > 0; ++stage)
      for (int k = 0; k < g.pass_count && p.route(r).rank_of(stage) >= 0; ++k)
        for (int q = 0; g.is_node(k) && w.out_begin[k] < w.out_begin[k + 1] && q < p.slices; ++q)
          for_each_output(p, w, action::of(static_cast<pass_id>(k), stage, static_cast<int>(some[r]), q), p.route(r).rank_of(stage),
                          [&](int, int, int, int) { count += batches[r]; });
  return count;
}

}  // namespace detail

/// Foretells a valid plan or program. Throws stretto::error with the check's sentence where the plan can't run to its end.
constexpr forecast simulate(const plan_view& p, const costs& prices = costs(), const holding& holds = holding(), simulate_options how = {}) {
  forecast f;
  if (const std::int64_t n = prices.entries.size(); n != 0 && n != p.actions.count && n != p.actions.count * how.steps)
    throw error(text("stretto: costs of ", n, " entries are given for a plan of ", p.actions.count, " entries and ", how.steps, " steps; give one for each entry, or for each entry of each step").str());
  if (how.steps < 1) throw error(text("stretto: simulate is asked for ", how.steps, " steps; give at least 1").str());
  if ((!detail::frame_fault(p).ok() || p.lowered) && !check(p, links::buffered).ok()) require(check(p, links::buffered));
  const wiring w(p);
  if (!detail::crossing_fault(p, w.used).ok()) require(check(p));
  const std::int64_t needed = detail::nodes_needed(p);
  if (needed > p.actions.count * static_cast<std::int64_t>(graph::max_passes)) require(check(p));
  walk_state s(p, w);
  detail::timing t(p, w, s, prices, holds, f, how.record);
  double before_last = 0;
  for (int i = 0; i < how.steps; ++i) {
    if (i > 0) {
      t.turn();
      before_last = t.last_end();
      s.done = detail::flags(w.nodes);
      for (std::int64_t& at : s.at) at = 0;
      s.required_done = 0;
    }
    const bool ended = t.in_turns() ? detail::walk_in_time(p, w, s, t) : walk(p, w, s, t);
    if (!ended || s.required_done != needed || (i == 0 && !detail::group_fault(p).ok())) require(check(p));
  }
  t.finish(holds);
  if (!(f.makespan <= 1.7e308)) throw error("stretto: the costs add up to more than a number can hold; give smaller ones");
  f.messages = detail::message_count(p, w, s);
  f.step = f.makespan - before_last;
  if (how.record) detail::path_finder(p, w, s, t.messages(), f).find(t.ran());
  return f;
}

}  // namespace stretto::inline v0
