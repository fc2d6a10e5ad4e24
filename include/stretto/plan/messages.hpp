// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The messages of a program: each is one edge between two ranks, numbered by its row and its consumer, with the place of
// its send and of its receive in the ranks' lists.
//
//     rank 0 | 0F0 0SEND_F0              message (row F, consumer 1F0): sent at rank 0 step 1, received at rank 1 step 0
//     rank 1 | 1RECV_F0 1F0
// Cost: 28 bytes a possible message.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/diagnose.hpp>
#include <stretto/plan/walk.hpp>
#include <stretto/plan/wiring.hpp>

namespace stretto::inline v0::detail {

/// The two ends of a message, read from either end's entry.
struct message_ends {
  fault wrong = fault::none;
  std::int64_t id = -1;
  int from = -1, to = -1;           // ranks
  pass_id producer = 0;
  int place = 0, slice = 0;         // of the producer
};

struct message_table {
  std::int64_t base[graph::max_edges] = {};
  std::int64_t count = 0;
  heap_array<std::int32_t> send_step, receive_step;  // -1 where the end is not in the lists
  heap_array<std::int32_t> pair;                     // dense number of the ordered pair of ranks
  int pairs = 0;
  heap_array<std::uint8_t> planned;                  // by node, where some are optional

  constexpr message_table(const plan_view& p, const wiring& w) : planned(planned_nodes(p, w)) {
    const graph& g = *p.passes;
    for (int e = 0; e < g.edge_count; ++e) {
      base[e] = count;
      if (g.edges[e].message.empty()) continue;
      const pass_kind& c = g.passes[g.edges[e].consumer];
      count += w.per_place[g.edges[e].consumer] * (c.by == scope::rank ? p.ranks : p.stages);
    }
    send_step = heap_array<std::int32_t>(count, -1);
    receive_step = heap_array<std::int32_t>(count, -1);
    pair = heap_array<std::int32_t>(count, -1);
  }

  constexpr std::int64_t id(const wiring& w, int row, pass_id consumer, int place, int micro_batch, int slice) const {
    return base[row] + w.node(consumer, place, micro_batch, slice) - w.base[consumer];
  }

  /// Reads a message entry of `rank`; `wrong` says why it can't be one.
  constexpr message_ends read(const plan_view& p, const wiring& w, const action& a, int rank) const {
    const graph& g = *p.passes;
    message_ends m;
    m.wrong = fault::unknown_pass;
    if (a.pass >= g.edge_count || g.edges[a.pass].message.empty()) return m;
    const edge& row = g.edges[a.pass];
    if (!g.has(row.consumer) || !g.has(row.producer)) return m;
    m.wrong = fault::needless_message;  // nobody waits along a row whose consumer is a name for several
    if (!g.is_node(row.consumer)) return m;
    const bool by_rank = g.passes[row.consumer].by == scope::rank;
    const int consumer = a.kind == role::send ? a.peer : a.stage, producer = a.kind == role::send ? a.stage : a.peer;
    const int behind = row.how == relation::feedback ? 1 : 0;
    const int slice = a.slice + (a.kind == role::send ? behind : 0);
    m.wrong = fault::out_of_range;
    if (a.micro_batch < 0 || a.micro_batch >= p.micro_batches || slice >= p.slices || slice < behind) return m;
    if (a.stage < 0 || a.stage >= (by_rank && a.kind == role::receive ? p.ranks : p.stages)) return m;
    m.wrong = fault::needless_message;
    if (consumer < 0 || consumer >= (by_rank ? p.ranks : p.stages) || producer < 0 || producer >= p.stages) return m;
    const route_view r = p.route_of(a.micro_batch);
    m.from = r.rank_of(producer);
    m.to = by_rank ? consumer : r.rank_of(consumer);
    m.wrong = fault::out_of_range;
    if (m.from < 0 || m.to < 0) return m;
    m.wrong = fault::needless_message;
    if (m.from == m.to || place_at(row, r, consumer) != producer) return m;
    if (by_rank ? !p.in_group(g.passes[row.consumer].group, consumer) : !row_holds_at(row, r, consumer)) return m;
    m.wrong = (a.kind == role::send ? m.from : m.to) == rank ? fault::none : fault::wrong_rank;
    m.id = id(w, a.pass, row.consumer, consumer, a.micro_batch, slice);
    m.producer = row.producer;
    m.place = producer;
    m.slice = slice - behind;
    return m;
  }

  /// Notes where each end stands; returns the first message that can't stand where it stands or stands twice.
  constexpr finding place(const plan_view& p, const wiring& w) {
    for (int r = 0; r < p.ranks; ++r) {
      const view<const action> list = p.order(r);
      for (std::int64_t i = 0; i < list.count; ++i) {
        if (!list[i].is_message()) continue;
        const message_ends m = read(p, w, list[i], r);
        if (m.wrong != fault::none) return at(m.wrong, r, i, list[i]);
        const pass_id taker = p.passes->edges[list[i].pass].consumer;
        if (absent(p, planned, m.producer, w.node(m.producer, m.place, list[i].micro_batch, m.slice)) ||
            absent(p, planned, taker, m.id - base[list[i].pass] + w.base[taker]))
          return at(fault::needless_message, r, i, list[i]);
        std::int32_t& step = list[i].kind == role::send ? send_step[m.id] : receive_step[m.id];
        if (step >= 0) return at(fault::duplicate, r, i, list[i]);
        step = static_cast<std::int32_t>(i);
      }
    }
    return {};
  }

  /// The first edge between ranks that lacks an end.
  constexpr finding completeness(const plan_view& p, const wiring& w) const {
    const graph& g = *p.passes;
    for (int r = 0; r < p.ranks; ++r) {
      const view<const action> list = p.order(r);
      for (std::int64_t i = 0; i < list.count; ++i) {
        if (list[i].is_message()) continue;
        fault lacks = fault::none;
        action end = list[i];
        int where = r;
        for_each_input(p, w, list[i], r, [&](const input& in) {
          if (in.rank == r || g.edges[in.row].how == relation::group || absent(p, planned, in.pass, w.node(in))) return true;
          const edge& row = g.edges[in.row];
          const pass_id carried = static_cast<pass_id>(in.row);
          const std::int64_t m = id(w, in.row, row.consumer, list[i].stage, list[i].micro_batch, list[i].slice);
          if (send_step[m] < 0) {
            lacks = fault::missing_send;
            where = in.rank;
            end = {carried, role::send, static_cast<std::uint16_t>(in.slice), in.place, in.micro_batch, list[i].stage};
          } else if (receive_step[m] < 0) {
            lacks = fault::missing_receive;
            end = {carried, role::receive, list[i].slice, list[i].stage, in.micro_batch, in.place};
          }
          return lacks == fault::none;
        });
        if (lacks != fault::none) return at(lacks, where, lacks == fault::missing_send ? p.order(where).count : i, end);
      }
    }
    return {};
  }

  /// Numbers the ordered pairs of ranks; returns the first receive that isn't its pair's next send, if `in_order` asks.
  constexpr finding pairs_in_order(const plan_view& p, const wiring& w, bool in_order) {
    heap_array<std::int32_t> slot(p.ranks, -1), touched(p.ranks), sent(p.ranks, 0), seen(p.ranks, 0);
    heap_array<std::int32_t> nth(count, -1);
    for (int r = 0; r < p.ranks; ++r) {
      int many = 0;
      for (const action& a : p.order(r)) {
        if (a.kind != role::send) continue;
        const message_ends m = read(p, w, a, r);
        if (slot[m.to] < 0) {
          slot[m.to] = pairs++;
          touched[many++] = m.to;
        }
        pair[m.id] = slot[m.to];
        nth[m.id] = sent[m.to]++;
      }
      for (int i = 0; i < many; ++i) {
        slot[touched[i]] = -1;
        sent[touched[i]] = 0;
      }
    }
    for (int r = 0; r < p.ranks && in_order; ++r) {
      int many = 0;
      const view<const action> list = p.order(r);
      for (std::int64_t i = 0; i < list.count; ++i) {
        if (list[i].kind != role::receive) continue;
        const message_ends m = read(p, w, list[i], r);
        if (seen[m.from] == 0) touched[many++] = m.from;
        if (nth[m.id] != seen[m.from]++) return at(fault::mismatch, r, i, list[i]);
      }
      for (int i = 0; i < many; ++i) seen[touched[i]] = 0;
    }
    return {};
  }
};

}  // namespace stretto::inline v0::detail
