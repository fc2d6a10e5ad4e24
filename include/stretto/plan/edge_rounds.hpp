// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// edge_rounds(plan): in which order the ranks that exchange messages set up a communicator for each direction of each pair,
// so that nobody waits for a rank that is busy with another, and nothing is set up during the first step.
//
//     4 ranks, stages in a loop      0>1 2>3 | 1>0 3>2 | 0>3 1>2 | 3>0 2>1         a round, all at once, between bars
//     4 ranks, stages in a V         0>1 2>3 | 1>0 3>2 | 1>2 | 2>1
// A round is a matching: each rank stands in it at most once. Pairs are taken in sorted order, as many as fit, and each
// matching comes twice, once in each direction. At most 2 × (2 × most neighbours - 1) rounds.
// Cost: O(routes × stages × passes + ranks² + pairs × rounds).
// Source: the directed-edge communicators of PyTorch's schedules.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/check.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/plan/wiring.hpp>

namespace stretto::inline v0 {

/// From one rank to another.
struct rank_edge {
  int from = 0, to = 0;
  friend constexpr bool operator==(const rank_edge&, const rank_edge&) = default;
};

/// Rounds of edges.
struct edge_table {
  grow_array<rank_edge> edges;
  grow_array<std::int64_t> ends;  ///< behind the last edge of each round

  constexpr std::int64_t rounds() const { return ends.size(); }
  constexpr view<const rank_edge> round(std::int64_t i) const {
    const std::int64_t first = i == 0 ? 0 : ends[i - 1];
    return {edges.data() + first, ends[i] - first};
  }
};

namespace detail {

/// Visits (from, to) of every edge of the graph that crosses ranks, once a route, stage and pass.
template <class Visit>
constexpr void each_crossing(const plan_view& p, const wiring& w, Visit&& visit) {
  heap_array<std::int64_t> some(p.routes, -1);  // a micro-batch of each route
  for (int m = p.micro_batches; m-- > 0;) some[p.route_index(m)] = m;
  for (int i = 0; i < p.routes; ++i)
    for (int s = 0; s < p.stages && some[i] >= 0; ++s)
      for (int k = 0; k < p.passes->pass_count && p.route(i).rank_of(s) >= 0; ++k)
        for (int q = 0; p.passes->is_node(k) && w.out_begin[k] < w.out_begin[k + 1] && q < (p.slices > 1 ? 2 : 1); ++q) {
          const int from = p.route(i).rank_of(s);
          for_each_output(p, w, action::of(static_cast<pass_id>(k), s, static_cast<int>(some[i]), q), from, [&](int, int, int to, int) { visit(from, to); });
        }
}

}  // namespace detail

/// The rounds of a plan, or of a program. Throws stretto::error with the check's sentence where its tables are broken.
constexpr edge_table edge_rounds(const plan_view& p) {
  if (!detail::frame_fault(p).ok()) require(check(p));
  const wiring w(p);
  grow_array<rank_edge> pairs;  // sorted: ranks in turn, and the higher end of each in turn
  heap_array<std::int32_t> begin(p.ranks + 1, 0), at(p.ranks + 1, 0);
  detail::each_crossing(p, w, [&](int from, int to) { ++begin[(from < to ? from : to) + 1]; });
  for (int r = 0; r < p.ranks; ++r) begin[r + 1] += begin[r];
  heap_array<std::int32_t> higher(begin[p.ranks]);
  for (int r = 0; r < p.ranks; ++r) at[r] = begin[r];
  detail::each_crossing(p, w, [&](int from, int to) { higher[at[from < to ? from : to]++] = from < to ? to : from; });
  heap_array<std::uint8_t> met(p.ranks, std::uint8_t{0});
  for (int r = 0; r < p.ranks; ++r) {
    for (std::int32_t i = begin[r]; i < begin[r + 1]; ++i) met[higher[i]] = 1;
    for (int other = r + 1; other < p.ranks; ++other) {
      if (met[other] == 0) continue;
      pairs.push_back({r, other});
      met[other] = 0;
    }
  }
  edge_table out;
  heap_array<std::uint8_t> taken(pairs.size(), std::uint8_t{0});
  heap_array<std::int64_t> busy(p.ranks, -1);
  std::int64_t left = pairs.size(), first = 0;
  for (std::int64_t matching = 0; left > 0; ++matching) {
    const std::int64_t begins = out.edges.size();
    while (taken[first] != 0) ++first;
    for (std::int64_t i = first; i < pairs.size(); ++i) {
      const rank_edge e = pairs[i];
      if (taken[i] != 0 || busy[e.from] == matching || busy[e.to] == matching) continue;
      taken[i] = 1;
      busy[e.from] = busy[e.to] = matching;
      out.edges.push_back(e);
      --left;
    }
    const std::int64_t ends = out.edges.size();
    out.ends.push_back(ends);
    for (std::int64_t i = begins; i < ends; ++i) {
      const rank_edge e = out.edges[i];
      out.edges.push_back({e.to, e.from});
    }
    out.ends.push_back(out.edges.size());
  }
  return out;
}

}  // namespace stretto::inline v0
