// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds the first fault of a plan that doesn't walk to its end: what stands where it can't, what stands twice, what is
// missing. Runs only when something is wrong, so it is plain and thorough rather than quick.
//
// Order of search: the frame (frame.hpp), then each list entry by entry, then what is missing in the order stage,
// micro-batch, then the groups. Cost: O(actions + nodes).
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/frame.hpp>
#include <stretto/plan/verdict.hpp>
#include <stretto/plan/walk.hpp>

namespace stretto::inline v0::detail {

constexpr finding at(fault f, int rank, std::int64_t step, const action& what) { return {f, rank, static_cast<int>(step), what}; }

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

/// A set of nodes: a flag each where the actions can do most of them, else a table of those that are in it.
class node_set {
 public:
  constexpr node_set(std::int64_t nodes, std::int64_t most) : flagged_(nodes < 16 * most + 1024) {
    std::int64_t room = 16;
    while (!flagged_ && room < 2 * most) room *= 2;
    if (flagged_) flags_ = flags(nodes);
    else table_ = heap_array<std::int64_t>(room, -1);
  }

  /// Puts n in; false if it was there.
  constexpr bool add(std::int64_t n) {
    if (flagged_) {
      const bool fresh = flags_[n] == 0;
      flags_[n] = 1;
      return fresh;
    }
    std::int64_t& slot = table_[find(n)];
    const bool fresh = slot != n;
    slot = n;
    return fresh;
  }

  constexpr bool has(std::int64_t n) const { return flagged_ ? flags_[n] != 0 : table_[find(n)] == n; }

 private:
  constexpr std::int64_t find(std::int64_t n) const {
    const auto mask = static_cast<std::uint64_t>(table_.size() - 1);
    std::uint64_t at = static_cast<std::uint64_t>(n) * 0x9e3779b97f4a7c15u >> 20 & mask;
    while (table_[static_cast<std::int64_t>(at)] != -1 && table_[static_cast<std::int64_t>(at)] != n) at = (at + 1) & mask;
    return static_cast<std::int64_t>(at);
  }

  bool flagged_;
  heap_array<std::uint8_t> flags_;
  heap_array<std::int64_t> table_;
};

/// The first entry that can't stand where it stands, or stands twice; else the first that is missing.
constexpr finding content_fault(const plan_view& p, const wiring& w) {
  const graph& g = *p.passes;
  std::int64_t most = 0;  // nodes that the actions do
  for (const action& a : p.actions)
    if (!a.is_message() && g.has(a.pass)) most += w.covers[a.pass];
  node_set done(w.nodes, most);
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
        if (!done.add(w.node(w.covered[a.pass][c], a.stage, a.micro_batch, a.slice))) return at(fault::duplicate, r, i, a);
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
          if (!done.has(w.node(k, place, m, q)))
            return at(fault::missing, rank, p.order(rank).count, action::of(static_cast<pass_id>(k), place, m, q));
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
