// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Faults of a plan's frame, its graph and its routes: what no order can mend. They are looked for before anything walks.
//
//     row 7: I waits for U over a group       but rank 2, which does I, isn't in it: outside_group
// Each rule of the tables is an enumerator of graph_rule. Cost: O(passes² + rows × routes × stages).
#pragma once

#include <string_view>

#include <stretto/core/array.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/plan/verdict.hpp>
#include <stretto/plan/wiring.hpp>

namespace stretto::inline v0::detail {

constexpr bool in_capitals(std::string_view name) {
  for (char c : name)
    if ((c < 'A' || c > 'Z') && c != '_') return false;
  return true;
}

/// The rule that a row of the edge table breaks, looked at by itself.
constexpr graph_rule row_rule(const graph& g, const edge& row, int stages) {
  if (row.how > relation::skip || row.at > hops::last) return graph_rule::no_relation;
  if (!g.has(row.consumer)) return graph_rule::no_consumer;
  if (!g.has(row.producer)) return graph_rule::no_producer;
  if (!g.is_node(row.producer)) return graph_rule::fused_producer;
  const pass_kind& producer = g.passes[row.producer];
  if (row.how == relation::same_place && row.consumer == row.producer) return graph_rule::waits_for_itself;
  if (row.how == relation::group && producer.by != scope::rank) return graph_rule::group_producer;
  if (row.how == relation::skip && (row.from < 0 || row.from >= stages || row.to < 0 || row.to >= stages || row.from == row.to))
    return graph_rule::skip_stages;
  if (row.message.empty()) return graph_rule::none;
  if (row.how == relation::group || row.how == relation::same_place || row.how == relation::previous_step) return graph_rule::message_relation;
  if (producer.by != scope::stage || producer.per != share::slice || g.passes[row.consumer].per != share::slice) return graph_rule::message_ends;
  return in_capitals(row.message.str()) ? graph_rule::none : graph_rule::message_name;
}

/// The rule that a pass breaks, looked at by itself.
constexpr graph_rule pass_rule(const graph& g, int k, int groups) {
  const pass_kind& kind = g.passes[k];
  const std::string_view name = kind.name.str();
  if (static_cast<int>(kind.on) >= lane_count || kind.by > scope::rank || kind.per > share::step || kind.how_often > times::any)
    return graph_rule::no_lane;
  if (!in_capitals(name) || name.substr(0, 5) == "SEND_" || name.substr(0, 5) == "RECV_") return graph_rule::pass_name;
  if (g.find(name) != k) return graph_rule::pass_taken;
  const std::uint32_t cover = g.cover(static_cast<pass_id>(k));
  if (cover >> g.pass_count != 0 || (kind.covers != 0 && (kind.covers >> k & 1) != 0 && kind.covers != 1u << k)) return graph_rule::covers_other;
  int covers = 0;
  for (int c = 0; c < g.pass_count; ++c) {
    if ((cover >> c & 1) == 0) continue;
    ++covers;
    const pass_kind& other = g.passes[c];
    if (c != k && (!g.is_node(c) || other.on != kind.on || other.by != kind.by || other.per != kind.per)) return graph_rule::covers_other;
  }
  if (covers > wiring::max_cover) return graph_rule::covers_many;
  return kind.group >= groups || kind.group < -1 ? graph_rule::no_group : graph_rule::none;
}

/// A place where a row joins two ranks and neither a message nor a collective carries it over: a stage with two owners that
/// does something once a step, say, or a rank that waits for a collective of a group that it isn't in.
constexpr finding crossing_fault(const plan_view& p, std::uint32_t used) {
  const graph& g = *p.passes;
  heap_array<std::int32_t> first_of(p.routes, -1);  // micro-batch that makes the route
  for (int m = p.micro_batches - 1; m >= 0; --m) first_of[p.route_index(m)] = m;
  const std::uint32_t done = g.covers_of(used);
  for (int e = 0; e < g.edge_count; ++e) {
    const edge& row = g.edges[e];
    if (!row.message.empty() || (done >> row.consumer & 1) == 0) continue;
    const pass_kind& consumer = g.passes[row.consumer];
    const pass_kind& producer = g.passes[row.producer];
    const bool once = consumer.per == share::step, collective = row.how == relation::group;
    if (collective && p.group_size(producer.group) == 0) continue;  // nobody does it, so nobody waits
    const auto found = [&](int rank, int place, int m) {
      return finding{fault::bad_graph, rank, e, action::of(row.consumer, place, m), collective ? graph_rule::outside_group : graph_rule::crosses};
    };
    if (consumer.by == scope::rank) {
      const bool to_end = producer.by == scope::stage && (row.how == relation::first_hop || row.how == relation::last_hop);
      for (int i = 0; i < p.group_size(consumer.group) && (collective || to_end); ++i) {
        const int rank = p.group_member(consumer.group, i);
        if (collective && !p.in_group(producer.group, rank)) return found(rank, rank, 0);
        for (int r = 0; r < p.routes && to_end; ++r) {
          const int end = row.how == relation::first_hop ? p.route(r).first() : p.route(r).last();
          if (first_of[r] >= 0 && end >= 0 && p.route(r).rank_of(end) != rank) return found(rank, rank, first_of[r]);
        }
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

/// The first fault of the graph, the routes and the groups: what stands in the tables, whatever the lists hold. Nothing
/// else may be asked of a plan that has one.
constexpr finding frame_fault(const plan_view& p) {
  if (p.ranks < 1 || p.routes < 1) return {fault::no_plan};
  const graph& g = *p.passes;
  for (int e = 0; e < g.edge_count; ++e) {
    const edge& row = g.edges[e];
    // inference() takes passes out and leaves their rows
    if (row.consumer < g.pass_count && row.producer < g.pass_count && !g.has(row.consumer) && !g.has(row.producer)) continue;
    graph_rule rule = row_rule(g, row, p.stages);
    if (rule == graph_rule::none && !row.message.empty() && g.find_message(row.message.str()) != e) rule = graph_rule::message_taken;
    if (rule != graph_rule::none) return {fault::bad_graph, -1, e, action::of(row.consumer, 0, 0), rule};
  }
  for (int k = 0; k < g.pass_count; ++k) {
    if (!g.has(k)) continue;
    const graph_rule rule = pass_rule(g, k, p.groups);
    if (rule != graph_rule::none) return {fault::bad_graph, -1, -1, action::of(static_cast<pass_id>(k), 0, 0), rule};
  }
  for (int r = 0; r < p.routes; ++r)
    for (int s = 0; s < p.stages; ++s)
      if (p.route(r).rank_of(s) >= p.ranks) return {fault::bad_route, p.route(r).rank_of(s), -1, action::of(0, s, 0)};
  heap_array<std::int32_t> listed(p.groups > 0 ? p.ranks : 0, -1);  // the last group that names a rank
  for (int group = 0; group < p.groups; ++group)
    for (int i = 0; i < p.group_size(group); ++i) {
      const int member = p.group_member(group, i);
      const bool outside = member < 0 || member >= p.ranks;
      if (outside || listed[member] == group) return {fault::bad_route, member, -1, action::of(0, -1, outside ? -1 : group)};
      listed[member] = group;
    }
  return {};
}

}  // namespace stretto::inline v0::detail
