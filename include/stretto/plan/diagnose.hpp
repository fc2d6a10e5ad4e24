// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds the first fault of a plan that doesn't walk to its end: what stands where it can't, what stands twice, what is
// missing. Runs only when something is wrong, so it is plain and thorough rather than quick.
//
// Order of search: the frame (graph, routes), then each list entry by entry, then what is missing in the order stage,
// micro-batch, then the groups. Cost: O(actions + nodes), unless nearly all is missing.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/verdict.hpp>
#include <stretto/plan/walk.hpp>

namespace stretto::inline v0::detail {

constexpr finding at(fault f, int rank, std::int64_t step, const action& what) { return {f, rank, static_cast<int>(step), what}; }

/// A place where a row joins two ranks and neither a message nor a collective carries it over: a stage with two owners that
/// does something once a step, say, or a rank that waits for a collective of a group that it isn't in. The finding's peer
/// is the row.
constexpr finding silent_crossing(const plan_view& p) {
  const graph& g = *p.passes;
  heap_array<std::int32_t> first_of(p.routes, -1);  // micro-batch that makes the route
  for (int m = p.micro_batches - 1; m >= 0; --m) first_of[p.route_index(m)] = m;
  std::uint32_t done = 0;  // by some action in the lists
  for (int k = 0; k < g.pass_count; ++k) done |= (p.used >> k & 1) != 0 && g.has(k) ? g.cover(static_cast<pass_id>(k)) : 0;
  for (int e = 0; e < g.edge_count; ++e) {
    const edge& row = g.edges[e];
    if (!row.message.empty() || (done >> row.consumer & 1) == 0) continue;
    const pass_kind& consumer = g.passes[row.consumer];
    const pass_kind& producer = g.passes[row.producer];
    const auto found = [&](int rank, int place, int m) {
      action a = action::of(row.consumer, place, m);
      a.peer = e;
      return finding{fault::bad_graph, rank, -1, a};
    };
    const bool once = consumer.per == share::step, collective = row.how == relation::group;
    if (collective && p.group_size(producer.group) == 0) continue;  // nobody does it, so nobody waits
    if (consumer.by == scope::rank) {
      const bool to_end = producer.by == scope::stage && (row.how == relation::first_hop || row.how == relation::last_hop);
      for (int i = 0; i < p.group_size(consumer.group) && (collective || to_end); ++i) {
        const int rank = p.group_member(consumer.group, i);
        if (collective && !p.in_group(producer.group, rank)) return found(rank, rank, 0);
        for (int r = 0; r < p.routes && to_end; ++r)
          if (first_of[r] >= 0 && p.route(r).rank_of(row.how == relation::first_hop ? p.route(r).first() : p.route(r).last()) != rank)
            return found(rank, rank, first_of[r]);
      }
      continue;
    }
    for (int i = 0; i < p.routes; ++i) {
      const route_view r = p.route(i);
      for (int s = 0; s < p.stages && first_of[i] >= 0; ++s) {
        if (r.rank_of(s) < 0 || (!once && !row_holds_at(row, r, s))) continue;
        const int here = once ? p.owner(row.consumer, s, 0) : r.rank_of(s);
        if (collective && !p.in_group(producer.group, here)) return found(here, s, first_of[i]);
        if (collective || (once && producer.by == scope::rank)) continue;
        const int place = once ? s : place_at(row, r, s);
        if (place < 0) continue;
        const bool of_step = producer.by == scope::stage && producer.per == share::step;
        if ((of_step ? p.owner(row.producer, place, 0) : r.rank_of(place)) != here) return found(here, s, first_of[i]);
      }
    }
  }
  return {};
}

/// Graph and routes: what no order can mend.
constexpr finding frame_fault(const plan_view& p) {
  const graph& g = *p.passes;
  for (int e = 0; e < g.edge_count; ++e) {
    const edge& row = g.edges[e];
    if (!g.has(row.consumer) && !g.has(row.producer)) continue;
    const bool messages_fit = row.message.empty() || (g.has(row.producer) && g.passes[row.producer].by == scope::stage &&
                                                      g.passes[row.producer].per == share::slice &&
                                                      row.how != relation::group && row.how != relation::same_place &&
                                                      row.how != relation::previous_step && g.passes[row.consumer].per == share::slice);
    const bool skip_fits = row.how != relation::skip || (row.from >= 0 && row.from < p.stages && row.to >= 0 && row.to < p.stages);
    const bool group_fits = row.how != relation::group || (g.has(row.producer) && g.passes[row.producer].by == scope::rank);
    if (!g.has(row.consumer) || !g.is_node(row.producer) || !messages_fit || !skip_fits || !group_fits)
      return at(fault::bad_graph, -1, e, action::of(row.consumer, 0, 0));
  }
  for (int k = 0; k < g.pass_count; ++k) {
    if (!g.has(k)) continue;
    for (char c : g.passes[k].name.str())
      if ((c < 'A' || c > 'Z') && c != '_') return at(fault::bad_graph, -1, -1, action::of(static_cast<pass_id>(k), 0, 0));
    if (g.find(g.passes[k].name.str()) != k) return at(fault::bad_graph, -1, -1, action::of(static_cast<pass_id>(k), 0, 0));
    int covers = 0;
    for (int c = 0; c < g.pass_count; ++c) covers += g.has(k) && (g.cover(static_cast<pass_id>(k)) >> c & 1) != 0;
    const bool beyond = g.cover(static_cast<pass_id>(k)) >> g.pass_count != 0;
    if (covers > wiring::max_cover || beyond) return at(fault::bad_graph, -1, -1, action::of(static_cast<pass_id>(k), 0, 0));
  }
  for (int k = 0; k < g.pass_count; ++k)
    for (int c = 0; c < g.pass_count; ++c)
      if (g.has(k) && (g.cover(static_cast<pass_id>(k)) >> c & 1) != 0 &&
          (!g.is_node(c) || g.passes[c].on != g.passes[k].on || g.passes[c].by != g.passes[k].by || g.passes[c].per != g.passes[k].per) &&
          c != k)
        return at(fault::bad_graph, -1, -1, action::of(static_cast<pass_id>(k), 0, 0));
  for (int r = 0; r < p.routes; ++r)
    for (int s = 0; s < p.stages; ++s)
      if (p.route(r).rank_of(s) >= p.ranks) return at(fault::bad_route, p.route(r).rank_of(s), -1, action::of(0, s, 0));
  for (int i = 0; p.groups > 0 && i < p.group_ints[p.groups]; ++i)
    if (const int member = p.group_ints[p.groups + 1 + i]; member < 0 || member >= p.ranks)
      return at(fault::bad_route, member, -1, action::of(0, -1, 0));
  for (int k = 0; k < g.pass_count; ++k)
    if (g.has(k) && (g.passes[k].group >= p.groups || g.passes[k].group < -1)) return at(fault::bad_graph, -1, -1, action::of(static_cast<pass_id>(k), 0, 0));
  return silent_crossing(p);
}

/// Why `a` can't stand on `rank`.
constexpr fault misplacement(const plan_view& p, const action& a, int rank) {
  if (well_placed(p, a, rank)) return fault::none;
  const graph& g = *p.passes;
  if (!g.has(a.pass)) return fault::unknown_pass;
  const bool here = a.stage >= 0 && a.stage < (g.passes[a.pass].by == scope::rank ? p.ranks : p.stages);
  for (int r = 0; here && r < p.ranks; ++r)
    if (well_placed(p, a, r)) return fault::wrong_rank;
  return fault::out_of_range;
}

/// The first entry that can't stand where it stands, or stands twice; else the first that is missing.
constexpr finding content_fault(const plan_view& p, const wiring& w) {
  const graph& g = *p.passes;
  // Where the actions can't do nearly all nodes, flags are kept for the first ones alone, and the rest is looked up.
  std::int64_t most = 1024;
  for (int r = 0; r < p.ranks; ++r)
    for (const action& a : p.order(r))
      if (!a.is_message() && g.has(a.pass))
        for (std::uint32_t left = g.cover(a.pass); left != 0; left &= left - 1) ++most;
  const std::int64_t kept = w.nodes < 16 * most ? w.nodes : most;
  const auto looked_up = [&](std::int64_t n, int rank, std::int64_t step) {  // done by an entry before this one?
    for (int r = 0; r <= rank; ++r) {
      const view<const action> list = p.order(r);
      for (std::int64_t i = 0; i < (r < rank ? list.count : step); ++i) {
        if (list[i].is_message() || !well_placed(p, list[i], r)) continue;
        for (int c = 0; c < w.covers[list[i].pass]; ++c)
          if (w.node(w.covered[list[i].pass][c], list[i].stage, list[i].micro_batch, list[i].slice) == n) return true;
      }
    }
    return false;
  };
  heap_array<std::uint8_t> done = flags(kept);
  for (int r = 0; r < p.ranks; ++r) {
    const view<const action> list = p.order(r);
    for (std::int64_t i = 0; i < list.count; ++i) {
      const action& a = list[i];
      if (a.is_message()) continue;
      if (const fault f = misplacement(p, a, r); f != fault::none) return at(f, r, i, a);
      if (a.kind == role::run_with_next &&
          (i + 1 >= list.count || list[i + 1].kind != role::run || (g.has(list[i + 1].pass) && g.passes[list[i + 1].pass].on != g.passes[a.pass].on)))
        return at(fault::bad_pair, r, i, a);
      if (g.passes[a.pass].how_often == times::any) continue;
      for (int c = 0; c < w.covers[a.pass]; ++c) {
        const std::int64_t n = w.node(w.covered[a.pass][c], a.stage, a.micro_batch, a.slice);
        if (n < kept ? done[n] != 0 : looked_up(n, r, i)) return at(fault::duplicate, r, i, a);
        if (n < kept) done[n] = 1;
      }
    }
  }
  for (int k = 0; k < g.pass_count; ++k) {
    if (!g.is_node(k) || g.passes[k].how_often != times::once) continue;
    const pass_kind& kind = g.passes[k];
    const int places = kind.by == scope::rank ? p.ranks : p.stages;
    for (int place = 0; place < places; ++place)
      for (int m = 0; m < (kind.per == share::step ? 1 : p.micro_batches); ++m)
        for (int q = 0; q < (kind.per == share::slice ? p.slices : 1); ++q) {
          const int rank = p.owner(static_cast<pass_id>(k), place, m);
          if (rank < 0 || (kind.by == scope::rank && !p.in_group(kind.group, place))) continue;
          const std::int64_t n = w.node(k, place, m, q);
          const int end = p.ranks - 1;
          if (n < kept ? done[n] == 0 : !looked_up(n, end, p.order(end).count)) return at(fault::missing, rank, p.order(rank).count, action::of(static_cast<pass_id>(k), place, m, q));
        }
  }
  return {};
}

/// Collectives of one group must start in one order on all of its members.
constexpr finding group_fault(const plan_view& p) {
  const graph& g = *p.passes;
  bool collective[graph::max_passes] = {};
  for (int e = 0; e < g.edge_count; ++e) collective[g.edges[e].producer] |= g.edges[e].how == relation::group;
  for (int k = 0; k < g.pass_count; ++k) {
    if (!collective[k] || p.group_size(g.passes[k].group) == 0) continue;
    const int group = g.passes[k].group;
    const int first = p.group_member(group, 0);
    for (int i = 1; i < p.group_size(group); ++i) {
      const view<const action> a = p.order(first), b = p.order(p.group_member(group, i));
      // Passes of one group share its communicator, so all of them are compared as one sequence.
      const auto counts = [&](const action& x) {
        return !x.is_message() && g.has(x.pass) && collective[x.pass] && g.passes[x.pass].group == group;
      };
      std::int64_t x = 0, y = 0;
      while (true) {
        while (x < a.count && !counts(a[x])) ++x;
        while (y < b.count && !counts(b[y])) ++y;
        if (x == a.count || y == b.count) break;
        if (a[x].pass != b[y].pass || a[x].micro_batch != b[y].micro_batch || a[x].slice != b[y].slice)
          return at(fault::group_order, p.group_member(group, i), y, b[y]);
        ++x, ++y;
      }
    }
  }
  return {};
}

}  // namespace stretto::inline v0::detail
