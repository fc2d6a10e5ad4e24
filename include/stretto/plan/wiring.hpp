// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Wiring: the edge table laid out for walking. for_each_input names what an action waits for, for_each_output what it
// sends; nothing else in the library reads the edge table's relations.
//
//     for_each_input(…, 1F2)  ->  F of stage 0, micro-batch 2, on rank 0
//     for_each_input(…, 1B2)  ->  F of stage 1 (rank 1), I of stage 2 (rank 2)        a fused B does I and W
// Nodes of the graph are numbered densely: a pass's block, then place, micro-batch, slice. Cost: a few loads an edge.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/plan.hpp>

namespace stretto::inline v0 {

/// One thing that an action waits for.
struct input {
  int row;  ///< of the edge table
  pass_id pass;
  int place, micro_batch, slice;
  int rank;  ///< who does it
};

struct wiring {
  static constexpr int max_cover = 6;
  std::int64_t base[graph::max_passes] = {};
  std::int64_t per_place[graph::max_passes] = {}, per_micro_batch[graph::max_passes] = {}, per_slice[graph::max_passes] = {};
  std::int64_t nodes = 0;
  int in_begin[graph::max_passes + 1] = {};   // rows in which a pass (or one that it covers) is the consumer
  std::uint8_t in_row[graph::max_passes * graph::max_edges] = {};
  int out_begin[graph::max_passes + 1] = {};  // rows with messages in which it is the producer
  std::uint8_t out_row[graph::max_passes * graph::max_edges] = {};
  pass_id covered[graph::max_passes][max_cover] = {};  // the nodes that a pass does
  int covers[graph::max_passes] = {};                  // how many
  bool plain[graph::max_passes] = {};          // done by stages, for each slice: nearly every pass
  std::uint32_t used = 0;                     // bits of the passes that stand in the lists
  std::uint32_t awaited = 0;                  // bits of the passes that one of those waits for
  bool optional = false;                      // some producers, or takers of messages, may be absent

  constexpr explicit wiring(const plan_view& p) {
    const graph& g = *p.passes;
    int in = 0, out = 0;
    used = used_passes(p);
    const std::uint32_t done_here = g.covers_of(used);
    for (int k = 0; k < g.pass_count; ++k) {
      in_begin[k] = in;
      out_begin[k] = out;
      if (!g.has(k)) continue;
      const bool stands = (used >> k & 1) != 0;
      const std::uint32_t cover = g.cover(static_cast<pass_id>(k));
      for (int e = 0; e < g.edge_count; ++e) {
        const edge& row = g.edges[e];
        if (!applies(p, row)) continue;
        const bool within = row.how == relation::same_place && (cover >> row.producer & 1) != 0;  // B does I before W
        if ((cover >> row.consumer & 1) != 0 && !within) {
          in_row[in++] = static_cast<std::uint8_t>(e);
          awaited |= stands ? 1u << row.producer : 0;
        }
        if ((cover >> row.producer & 1) != 0 && !row.message.empty() && (done_here >> row.consumer & 1) != 0) out_row[out++] = static_cast<std::uint8_t>(e);
        optional = optional || g.passes[row.producer].how_often == times::at_most_once ||
                   (!row.message.empty() && g.passes[row.consumer].how_often == times::at_most_once);
      }
      const pass_kind& kind = g.passes[k];
      plain[k] = kind.by == scope::stage && kind.per == share::slice;
      for (int c = 0; c < g.pass_count; ++c) {
        if ((cover >> c & 1) == 0 || kind.how_often == times::any) continue;
        if (covers[k] == max_cover) break;  // check refuses a graph with more
        covered[k][covers[k]++] = static_cast<pass_id>(c);
      }
      if (!g.is_node(k)) continue;
      const std::int64_t q = kind.per == share::slice ? p.slices : 1;
      const std::int64_t m = kind.per == share::step ? 1 : p.micro_batches;
      base[k] = nodes;
      per_slice[k] = kind.per == share::slice ? 1 : 0;
      per_micro_batch[k] = kind.per == share::step ? 0 : q;
      per_place[k] = m * q;
      nodes += m * q * (kind.by == scope::rank ? p.ranks : p.stages);
    }
    in_begin[g.pass_count] = in;
    out_begin[g.pass_count] = out;
  }

  /// The number of a node. Coordinates that its pass doesn't have are ignored.
  constexpr std::int64_t node(int pass, int place, int micro_batch, int slice) const {
    return base[pass] + place * per_place[pass] + micro_batch * per_micro_batch[pass] + slice * per_slice[pass];
  }
  constexpr std::int64_t node(const input& i) const { return node(i.pass, i.place, i.micro_batch, i.slice); }

  /// Whether `a` does the node itself, as one of several.
  constexpr bool does(const action& a, const input& i) const {
    for (int c = 0; c < covers[a.pass]; ++c)
      if (covered[a.pass][c] == i.pass && node(i) == node(i.pass, a.stage, a.micro_batch, a.slice)) return true;
    return false;
  }

 private:
  static constexpr bool applies(const plan_view& p, const edge& row) {
    const graph& g = *p.passes;
    if (!g.has(row.consumer) || !g.is_node(row.producer)) return false;
    const bool sliced = row.how == relation::previous_slice || row.how == relation::next_slice || row.how == relation::feedback;
    return !sliced || p.slices > 1;
  }
};

namespace detail {

/// The place that `row` leads to from a stage of a route, or -1: the hop relations alone.
constexpr int place_at(const edge& row, const route_view& r, int stage) {
  switch (row.how) {
    case relation::previous_hop: return r.previous(stage);
    case relation::next_hop: return r.next(stage);
    case relation::first_hop: return r.first() == stage && row.consumer == row.producer ? -1 : r.first();  // itself
    case relation::last_hop: return r.last() == stage && row.consumer == row.producer ? -1 : r.last();
    case relation::feedback: return stage == r.first() ? r.last() : -1;
    case relation::skip: return stage == row.to && row.from < r.stages && r.rank_of(row.from) >= 0 ? row.from : -1;
    default: return stage;
  }
}

constexpr bool row_holds_at(const edge& row, const route_view& r, int stage) {
  return row.at == hops::all || stage == (row.at == hops::first ? r.first() : r.last());
}

/// Visits `row.producer` at a place for every micro-batch and slice that `a` doesn't name.
template <class Visit>
constexpr bool each_share(const plan_view& p, const edge& row, int index, const action& a, share of_a, int place, int slice, Visit&& visit) {
  const pass_kind& kind = p.passes->passes[row.producer];
  const bool all_batches = of_a == share::step && kind.per != share::step;
  const bool all_slices = of_a != share::slice && kind.per == share::slice;
  for (int m = all_batches ? 0 : a.micro_batch; m < (all_batches ? p.micro_batches : a.micro_batch + 1); ++m) {
    const int rank = p.owner(row.producer, place, kind.per == share::step ? 0 : m);
    if (rank < 0) continue;
    for (int q = all_slices ? 0 : slice; q < (all_slices ? p.slices : slice + 1); ++q)
      if (!visit(input{index, row.producer, place, m, q, rank})) return false;
  }
  return true;
}

/// The rows that the fast path of for_each_input doesn't cover: groups, passes on ranks, passes once a step.
template <class Visit>
constexpr bool each_input_of_row(const plan_view& p, int index, const action& a, int rank, int slice, Visit&& visit) {
  const graph& g = *p.passes;
  const edge& row = g.edges[index];
  const pass_kind& consumer = g.passes[a.pass];
  const pass_kind& producer = g.passes[row.producer];
  if (row.how == relation::group) {
    for (int i = 0; i < p.group_size(producer.group); ++i)
      if (!each_share(p, row, index, a, consumer.per, p.group_member(producer.group, i), slice, visit)) return false;
    return true;
  }
  if (consumer.by == scope::rank && producer.by == scope::stage && row.how != relation::first_hop && row.how != relation::last_hop) {
    for (int m = consumer.per == share::step ? 0 : a.micro_batch; m < (consumer.per == share::step ? p.micro_batches : a.micro_batch + 1); ++m)
      for (int s = 0; s < p.stages; ++s) {
        const action one{a.pass, a.kind, a.slice, a.stage, m, a.peer};
        if (p.route_of(m).rank_of(s) == rank &&
            !each_share(p, row, index, one, consumer.per == share::step ? share::micro_batch : consumer.per, s, slice, visit))
          return false;
      }
    return true;
  }
  int place = a.stage;
  if (consumer.per == share::step) {
    if (consumer.by != producer.by) place = producer.by == scope::rank ? rank : a.stage;
  } else {
    const route_view r = p.route_of(a.micro_batch);
    if (consumer.by == scope::stage && !row_holds_at(row, r, a.stage)) return true;
    place = consumer.by == scope::rank && producer.by == scope::rank ? a.stage : place_at(row, r, a.stage);
    if (place < 0) return true;
    if (producer.by == scope::rank && consumer.by == scope::stage) place = r.rank_of(place);
  }
  return each_share(p, row, index, a, consumer.per, place, slice, visit);
}

}  // namespace detail

/// Calls visit(input) for all that `a`, done by `rank`, waits for within the step (or, where `before` is set, in the
/// step before); stops when visit returns false, and says whether it came to the end.
template <class Visit>
constexpr bool for_each_input(const plan_view& p, const wiring& w, const action& a, int rank, Visit&& visit, bool before = false) {
  for (int i = w.in_begin[a.pass]; i < w.in_begin[a.pass + 1]; ++i) {
    const edge& row = p.passes->edges[w.in_row[i]];
    if ((row.how == relation::previous_step) != before) continue;
    int slice = a.slice;
    if (row.how == relation::previous_slice || row.how == relation::feedback) --slice;
    if (row.how == relation::next_slice) ++slice;
    if (slice < 0 || slice >= p.slices) continue;
    if (!w.plain[a.pass] || !w.plain[row.producer] || row.how == relation::group) {
      if (!detail::each_input_of_row(p, w.in_row[i], a, rank, slice, visit)) return false;
      continue;
    }
    const route_view r = p.route_of(a.micro_batch);
    if (!detail::row_holds_at(row, r, a.stage)) continue;
    const int place = detail::place_at(row, r, a.stage);
    if (place >= 0 && !visit(input{w.in_row[i], row.producer, place, a.micro_batch, slice, r.rank_of(place)})) return false;
  }
  return true;
}

/// Calls visit(row, place, rank, slice) for each consumer that gets a message from `a`: those on other ranks.
template <class Visit>
constexpr void for_each_output(const plan_view& p, const wiring& w, const action& a, int rank, Visit&& visit) {
  const graph& g = *p.passes;
  if (w.out_begin[a.pass] == w.out_begin[a.pass + 1]) return;
  const route_view r = p.route_of(a.micro_batch);
  for (int i = w.out_begin[a.pass]; i < w.out_begin[a.pass + 1]; ++i) {
    const edge& row = g.edges[w.out_row[i]];
    const auto one = [&](int place, int slice) {
      const int at = g.passes[row.consumer].by == scope::rank ? place : r.rank_of(place);
      if (at >= 0 && at != rank && (g.passes[row.consumer].by == scope::rank || detail::row_holds_at(row, r, place)))
        visit(w.out_row[i], place, at, slice);
    };
    switch (row.how) {
      case relation::previous_hop:
        if (r.next(a.stage) >= 0) one(r.next(a.stage), a.slice);
        break;
      case relation::next_hop:
        if (r.previous(a.stage) >= 0) one(r.previous(a.stage), a.slice);
        break;
      case relation::feedback:
        if (a.stage == r.last() && a.slice + 1 < p.slices) one(r.first(), a.slice + 1);
        break;
      case relation::skip:
        if (a.stage == row.from && row.to < r.stages && r.rank_of(row.to) >= 0) one(row.to, a.slice);
        break;
      case relation::first_hop:
      case relation::last_hop:
        if (a.stage != (row.how == relation::first_hop ? r.first() : r.last())) break;
        if (g.passes[row.consumer].by == scope::rank) {
          const int group = g.passes[row.consumer].group;
          for (int k = 0; k < p.group_size(group); ++k) one(p.group_member(group, k), a.slice);
        } else {
          for (int s = 0; s < p.stages; ++s) one(s, a.slice);
        }
        break;
      default: break;  // the other relations stay on one rank, or are collectives
    }
  }
}

}  // namespace stretto::inline v0
