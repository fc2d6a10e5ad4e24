// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How long messages take while a plan is simulated: latency, size over bandwidth, and turns on shared links.
//
//     rank 0 → rank 1      F0 [=====]                a message leaves when its pass has ended and its link is free,
//                          F1       [=====]          holds the link for size / bandwidth, and arrives a latency later
// Cost: two loads a message; 16 bytes a pair of ranks where links differ, 8 a possible message where they take turns.
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/costs.hpp>
#include <stretto/plan/wiring.hpp>

namespace stretto::inline v0::detail {

class post {
 public:
  constexpr post(const plan_view& plan, const wiring& wires, const costs& prices)
      : p(plan), w(wires), latency(prices.latency), sharing(prices.sharing), per_node(prices.ranks_per_node) {
    const graph& g = *p.passes;
    const auto fits = [](double x) { return x >= 0 && x <= 1e300; };
    const auto moves = [&](double bandwidth) { return fits(bandwidth) && (bandwidth == 0 || 1 / bandwidth <= 1e300); };
    bool fit = fits(prices.latency) && moves(prices.bandwidth);
    for (int e = 0; e < g.edge_count; ++e) {
      fit = fit && fits(prices.message_size[e]);
      const bool sliced = g.has(g.edges[e].producer) && g.passes[g.edges[e].producer].per == share::slice;
      size[e] = g.edges[e].message.empty() ? 0 : prices.message_size[e] / (sliced ? p.slices : 1);
    }
    for (const auto& l : prices.links) {
      fit = fit && fits(l.latency) && moves(l.bandwidth);
      if (l.from < -1 || l.from >= p.ranks || l.to < -1 || l.to >= p.ranks)
        throw error(text("stretto: a link is given from rank ", l.from, " to rank ", l.to, ", and the plan has ranks 0 to ", p.ranks - 1, "; give two of those, or -1 for any").str());
    }
    if (!fit) throw error("stretto: a latency, a bandwidth or a message's size is not a number from 0 to 1e300; give numbers in that range");
    if (sharing == turns::by_node && per_node < 1)
      throw error(text("stretto: costs say that a node has ", per_node, " ranks; give at least 1").str());
    uniform = prices.links.empty() && prices.bandwidth == 0;
    if (!uniform) {
      const std::int64_t pairs = static_cast<std::int64_t>(p.ranks) * p.ranks;
      latencies = heap_array<double>(pairs, prices.latency);
      unit_times = heap_array<double>(pairs, prices.bandwidth > 0 ? 1 / prices.bandwidth : 0.0);
      for (const auto& l : prices.links)
        for (int from = l.from < 0 ? 0 : l.from; from < (l.from < 0 ? p.ranks : l.from + 1); ++from)
          for (int to = l.to < 0 ? 0 : l.to; to < (l.to < 0 ? p.ranks : l.to + 1); ++to) {
            latencies[pair(from, to)] = l.latency;
            unit_times[pair(from, to)] = l.bandwidth > 0 ? 1 / l.bandwidth : 0.0;
          }
    }
    if (!shared()) return;
    const std::int64_t nodes = sharing == turns::by_node ? (p.ranks + per_node - 1) / per_node : 0;
    free_at = heap_array<double>(sharing == turns::by_pair ? static_cast<std::int64_t>(p.ranks) * p.ranks : 2 * nodes, 0.0);
    for (int e = 0; e < g.edge_count; ++e) {
      first[e] = count;
      if (!g.edges[e].message.empty() && g.has(g.edges[e].consumer))
        count += w.per_place[g.edges[e].consumer] * (g.passes[g.edges[e].consumer].by == scope::rank ? p.ranks : p.stages);
    }
    arrivals = heap_array<double>(count, 0.0);
  }

  /// Whether messages wait for each other, so that they must be looked at in order of time.
  constexpr bool shared() const { return sharing != turns::none && !uniform; }

  /// From the end of a pass to the arrival of its message, where nothing is in its way.
  constexpr double delay(int row, int from, int to) const {
    return uniform ? latency : latencies[pair(from, to)] + size[row] * unit_times[pair(from, to)];
  }

  /// Sends a message of a pass that ended at `when`; calls must come in order of time.
  constexpr void send(int row, const action& a, int place, int slice, int from, int to, double when) {
    const double busy = size[row] * unit_times[pair(from, to)];
    double leaves = when;
    double* const links[2] = {door(from, to, true), door(from, to, false)};
    for (const double* l : links) leaves = l != nullptr && *l > leaves ? *l : leaves;
    for (double* l : links)
      if (l != nullptr) *l = leaves + busy;
    arrivals[id(row, place, a.micro_batch, slice)] = leaves + busy + latencies[pair(from, to)];
  }

  /// When what an action waits for is there; `end` is when it ended on its rank.
  constexpr double arrival(const input& in, const action& consumer, int rank, double end) const {
    if (in.rank == rank) return end;
    if (shared() && !p.passes->edges[in.row].message.empty()) return arrivals[id(in.row, consumer.stage, consumer.micro_batch, consumer.slice)];
    return end + delay(in.row, in.rank, rank);
  }

 private:
  constexpr std::int64_t pair(int from, int to) const { return static_cast<std::int64_t>(from) * p.ranks + to; }
  constexpr std::int64_t id(int row, int place, int micro_batch, int slice) const {
    const pass_id k = p.passes->edges[row].consumer;
    return first[row] + w.node(k, place, micro_batch, slice) - w.base[k];
  }
  constexpr double* door(int from, int to, bool out) {
    if (sharing == turns::by_pair) return out ? &free_at[pair(from, to)] : nullptr;
    const int a = from / per_node, b = to / per_node;
    return a == b ? nullptr : &free_at[out ? 2 * a : 2 * b + 1];
  }

  const plan_view& p;
  const wiring& w;
  double latency;
  turns sharing;
  int per_node;
  bool uniform = true;
  double size[graph::max_edges] = {};
  heap_array<double> latencies, unit_times;  // by pair
  heap_array<double> free_at;                // by pair, or by node: its way out and its way in
  std::int64_t first[graph::max_edges] = {}, count = 0;
  heap_array<double> arrivals;               // by message: row, consumer
};

}  // namespace stretto::inline v0::detail
