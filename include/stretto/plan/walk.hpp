// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Walks a plan: every rank runs its list in order, lane by lane, and an action waits until its inputs are done. The
// checker walks to see whether the end is reached, the simulator walks and adds times.
//
//     rank 0 | 0F0 0F1 . . 0B0        each dot: rank 0 waits for I of stage 1, and is woken when rank 1 has moved
//     rank 1 |  .  1F0 1B0 …
// The walk is by ranks, not by clock: a rank goes on until it must wait, then wakes those who wait for it, last ranks
// first. Messages in a list are passed over; edges meet by identity. Cost: O(actions × edges of an action); scratch of 16
// bytes a rank and one a node.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/wiring.hpp>

namespace stretto::inline v0 {

namespace detail {

/// Zeroed flags; in one expression where the compiler evaluates it.
constexpr heap_array<std::uint8_t> flags(std::int64_t n) { return heap_array<std::uint8_t>(n, std::uint8_t{0}); }

/// Whether the action names something that the plan has, on the rank that owns it.
constexpr bool well_placed(const plan_view& p, const action& a, int rank) {
  const graph& g = *p.passes;
  if (!g.has(a.pass)) return false;
  const pass_kind& kind = g.passes[a.pass];
  if (a.micro_batch < 0 || a.micro_batch >= (kind.per == share::step ? 1 : p.micro_batches)) return false;
  if (a.slice >= (kind.per == share::slice ? p.slices : 1)) return false;
  if (a.stage < 0 || a.stage >= (kind.by == scope::rank ? p.ranks : p.stages)) return false;
  if (kind.by == scope::rank) return a.stage == rank && p.in_group(kind.group, rank);
  return p.owner(a.pass, a.stage, a.micro_batch) == rank;
}

/// well_placed, with the usual case first.
constexpr bool stands(const plan_view& p, const wiring& w, const action& a, int rank) {
  if (a.pass < graph::max_passes && w.plain[a.pass] && a.stage >= 0 && a.stage < p.stages && a.micro_batch >= 0 &&
      a.micro_batch < p.micro_batches && a.slice < p.slices)
    return p.route_of(a.micro_batch).rank_of(a.stage) == rank;
  return well_placed(p, a, rank);
}

/// By node, whether an entry of the lists does it; empty where nothing is optional.
constexpr heap_array<std::uint8_t> planned_nodes(const plan_view& p, const wiring& w) {
  if (!w.optional) return {};
  heap_array<std::uint8_t> planned = flags(w.nodes);
  for (int r = 0; r < p.ranks; ++r)
    for (const action& a : p.order(r))
      if (!a.is_message() && well_placed(p, a, r))
        for (int c = 0; c < w.covers[a.pass]; ++c) planned[w.node(w.covered[a.pass][c], a.stage, a.micro_batch, a.slice)] = 1;
  return planned;
}

/// Whether a node is optional and not in the plan.
constexpr bool absent(const plan_view& p, const heap_array<std::uint8_t>& planned, pass_id k, std::int64_t node) {
  return planned.size() != 0 && p.passes->passes[k].how_often != times::once && planned[node] == 0;
}

/// How many nodes a complete plan does: those that must be done once, on every hop of every route or every member.
constexpr std::int64_t nodes_needed(const plan_view& p) {
  const graph& g = *p.passes;
  heap_array<std::int64_t> passed(p.routes, 0);  // micro-batches of each route
  for (int m = 0; m < p.micro_batches && p.routes > 1; ++m) ++passed[p.route_index(m)];
  if (p.routes == 1) passed[0] = p.micro_batches;
  std::int64_t hops_in_all = 0, stages = 0;  // stages that some route passes
  for (int s = 0; s < p.stages; ++s) {
    int r = 0;
    while (r < p.routes && p.route(r).rank_of(s) < 0) ++r;
    stages += r < p.routes;
  }
  for (int r = 0; r < p.routes; ++r) {
    std::int64_t here = 0;
    for (int s = 0; s < p.stages; ++s) here += p.route(r).rank_of(s) >= 0;
    hops_in_all += here * passed[r];
  }
  std::int64_t needed = 0;
  for (int k = 0; k < g.pass_count; ++k) {
    if (!g.is_node(k) || g.passes[k].how_often != times::once) continue;
    const pass_kind& kind = g.passes[k];
    const std::int64_t q = kind.per == share::slice ? p.slices : 1;
    const std::int64_t m = kind.per == share::step ? 1 : p.micro_batches;
    if (kind.by == scope::rank)
      needed += p.group_size(kind.group) * m * q;
    else if (kind.per == share::step)
      needed += stages;
    else
      needed += hops_in_all * q;
  }
  return needed;
}

}  // namespace detail

/// Where a walk stands. After a walk that reached its end, every list is done.
struct walk_state {
  int lanes = 1;                       ///< queues a rank: 1 where every pass uses the compute lane
  int lane_of[graph::max_passes] = {};
  heap_array<std::int64_t> at;         ///< next entry of each queue (rank × lanes + lane), an index into the rank's list
  heap_array<std::uint8_t> done;       ///< by node
  heap_array<std::uint8_t> planned;    ///< by node, filled only where some producers are optional
  std::int64_t required_done = 0;
  bool misplaced = false;              ///< the walk met an action that the plan can't hold

  constexpr bool stop_here() {
    misplaced = true;
    return false;
  }

  constexpr walk_state(const plan_view& p, const wiring& w) : done(detail::flags(w.nodes)) {
    const graph& g = *p.passes;
    int index[lane_count] = {0, -1, -1, -1, -1};
    for (int k = 0; k < g.pass_count; ++k) {
      const int l = static_cast<int>(g.passes[k].on);
      if (g.has(k) && index[l] < 0) index[l] = lanes++;
      lane_of[k] = g.has(k) ? index[l] : 0;
    }
    at = heap_array<std::int64_t>(static_cast<std::int64_t>(p.ranks) * lanes, 0);
    planned = detail::planned_nodes(p, w);
  }

  constexpr int lane_index(const action& a) const { return a.is_message() || a.pass >= graph::max_passes ? 0 : lane_of[a.pass]; }

  /// Whether what `a` waits for can be counted as there: done, optional and not in the plan, or one of those that `a` does.
  constexpr bool there(const plan_view& p, const wiring& w, const action& a, const input& i) const {
    const std::int64_t n = w.node(i);
    return done[n] != 0 || w.does(a, i) || detail::absent(p, planned, i.pass, n);
  }

  /// Whether nobody does what a message of `row` is for, at that place.
  constexpr bool unwanted(const plan_view& p, const wiring& w, int row, int place, int micro_batch, int slice) const {
    const pass_id k = p.passes->edges[row].consumer;
    return detail::absent(p, planned, k, w.node(k, place, micro_batch, slice));
  }

  /// Notes the nodes that `a` does; false if one was done before.
  constexpr bool mark(const plan_view& p, const wiring& w, const action& a) {
    for (int i = 0; i < w.covers[a.pass]; ++i) {
      const pass_id k = w.covered[a.pass][i];
      std::uint8_t& d = done[w.node(k, a.stage, a.micro_batch, a.slice)];
      if (d != 0) return false;
      d = 1;
      required_done += p.passes->passes[k].how_often == times::once;
    }
    return true;
  }
};

/// Walks the orders as far as they go. The visitor hears begin(rank) when an entry (or pair) is looked at, input(rank, i, a)
/// for each input i of action a that is there, and end(rank, step, first, count) when it runs. Returns whether all lists ended.
template <class Visitor>
constexpr bool walk(const plan_view& p, const wiring& w, walk_state& s, Visitor& on) {
  const std::int64_t queues = static_cast<std::int64_t>(p.ranks) * s.lanes;
  heap_array<std::int32_t> ready(queues), waiter(queues, -1), next_waiter(queues);
  for (std::int64_t q = 0; q < queues; ++q) ready[q] = static_cast<std::int32_t>(queues - 1 - q);
  std::int64_t waiting = queues, ended = 0;  // a stack: each queue stands in it at most once
  while (waiting > 0) {
    const std::int32_t q = ready[--waiting];
    const int rank = q / s.lanes, lane = q % s.lanes;
    const view<const action> list = p.order(rank);
    std::int64_t step = s.at[q];
    bool moved = false;
    std::int32_t blocked = -1;
    while (step < list.count) {
      const action* a = &list[step];
      if (a->is_message() || (s.lanes > 1 && s.lane_index(*a) != lane)) {
        ++step;
        continue;
      }
      const int count = a->kind == role::run_with_next ? 2 : 1;
      for (int i = 0; i < count; ++i)
        if (step + i >= list.count || (i > 0 && a[i].kind != role::run) || !detail::stands(p, w, a[i], rank) || s.lane_index(a[i]) != lane)
          return s.stop_here();
      on.begin(rank);
      for (int i = 0; i < count && blocked < 0; ++i)
        for_each_input(p, w, a[i], rank, [&](const input& in) {
          if (!s.there(p, w, a[i], in)) {
            blocked = in.rank * s.lanes + s.lane_of[in.pass];
            return false;
          }
          on.input(rank, in, a[i]);
          return true;
        });
      if (blocked >= 0) break;
      for (int i = 0; i < count; ++i)
        if (!s.mark(p, w, a[i])) return s.stop_here();
      on.end(rank, step, a, count);
      step += count;
      moved = true;
    }
    s.at[q] = step;
    if (step == list.count) ++ended;
    if (blocked >= 0) {
      next_waiter[q] = waiter[blocked];
      waiter[blocked] = q;
    }
    if (!moved) continue;
    // The rank furthest behind runs first, so that those before it find much to do at once, in one piece of memory.
    for (std::int32_t woken = waiter[q]; woken >= 0; woken = next_waiter[woken]) {
      std::int64_t i = waiting++;
      for (; i > 0 && waiting - i < 8 && ready[i - 1] > woken; --i) ready[i] = ready[i - 1];
      ready[i] = woken;
    }
    waiter[q] = -1;
  }
  return ended == queues;
}

}  // namespace stretto::inline v0
