// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// defer_receives(program, rule): moves receives back, from where their message was sent to where it is needed.
//
//     receives::eager           1RECV_F0 1RECV_F1 1F0 1B0 1SEND_B0 1F1 …       as lower places them
//     receives::deferred        1RECV_F0 1F0 1B0 1SEND_B0 1RECV_F1 1F1 …       directly before the pass that needs it
//     receives::lookahead(2)    1RECV_F0 1RECV_F1 1F0 1B0 …                    two passes of the compute lane before that
// A receive never moves forward. The order of the messages of two ranks never changes: a receive takes those before it of
// its pair along. Before a send to a rank of higher number, what was to be received from it by then is received, so that
// of two ranks that send to each other one has asked. A receive for another lane than compute stays where it is.
//
// Where messages hold ranks, or queue, this can deadlock. Of all schedules, ranks 1 to 6, micro-batches 1 to 12:
//
//     free of deadlock under     buffered, per_edge    bounded<1>    grouped, bounded<0>, rendezvous, single_fifo
//     eager                      all                   all           all
//     deferred, lookahead        all                   most          gpipe; others here and there, the more the further ahead
//     same_order::of_rank        all                   all           all
// With same_order::of_rank a receive passes no other message of its rank either, nor a pass that waits for a group, so it
// moves back over other passes alone; lower chooses that where it is told of a link model that needs it.
// Cost: O(entries) and 4 bytes a node of the graph.
// Source: deferring is PyTorch's, whose receives may change places with others of their pair.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/check.hpp>
#include <stretto/plan/plan.hpp>

namespace stretto::inline v0 {

/// Where receives stand.
struct receive_rule {
  int ahead = -1;  ///< passes before the one that needs the message; -1: as early as its sender allows
  friend constexpr bool operator==(const receive_rule&, const receive_rule&) = default;
};

namespace receives {
inline constexpr receive_rule eager{-1};
inline constexpr receive_rule deferred{0};
constexpr receive_rule lookahead(int passes) { return {passes}; }
}  // namespace receives

/// Which messages keep their order while receives move: those of each two ranks, or all of a rank.
enum class same_order : std::uint8_t { of_pair, of_rank };

/// @post the sends, the passes and the order of the messages of each two ranks are as before.
constexpr program defer_receives(program q, receive_rule rule, same_order keeps = same_order::of_pair) {
  if (rule.ahead < -1) throw error(text("stretto: lower is to place receives ", rule.ahead, " passes ahead; give 0 or more, or receives::eager").str());
  if (rule.ahead < 0) return q;
  const plan_view p = q;
  if (!detail::frame_fault(p).ok()) require(check(p));
  const wiring w(p);
  const graph& g = *p.passes;
  const detail::message_table messages(p, w);
  bool groups = false;  // a pass that waits for a group waits without a receive, and no receive may move behind it
  for (int e = 0; e < g.edge_count; ++e) groups = groups || (keeps == same_order::of_rank && g.edges[e].how == relation::group);
  std::int64_t longest = 0;
  for (int r = 0; r < p.ranks; ++r) longest = p.order(r).count > longest ? p.order(r).count : longest;
  heap_array<std::int32_t> needed_by(w.nodes, -1);          // the unit that does a node, on the compute lane
  heap_array<std::int32_t> begin(longest + 1);              // the entry where each unit begins
  heap_array<std::int32_t> due(longest), next(longest), head(longest);
  heap_array<std::int32_t> bound(p.ranks, 0);               // the first entry before which a pair's receives must stand
  heap_array<action> moved(longest);
  for (int r = 0; r < p.ranks; ++r) {
    const view<const action> list = p.order(r);
    std::int32_t units = 0;
    bool second = false;
    for (std::int64_t i = 0; i < list.count; ++i) {
      const action& a = list[i];
      head[i] = -1;
      if (a.is_message() || !detail::well_placed(p, a, r) || g.passes[a.pass].on != lane::compute) continue;
      if (!second) begin[units++] = static_cast<std::int32_t>(i);
      second = a.kind == role::run_with_next;
      for (int c = 0; c < w.covers[a.pass]; ++c) needed_by[w.node(w.covered[a.pass][c], a.stage, a.micro_batch, a.slice)] = units - 1;
    }
    auto bound_all = static_cast<std::int32_t>(list.count);  // the same for all pairs, where all keep their order
    for (std::int32_t& b : bound) b = bound_all;
    for (std::int64_t i = list.count; i-- > 0;) {
      const action& a = list[i];
      const auto here = static_cast<std::int32_t>(i);
      if (!a.is_message()) {
        const auto no_group = [&](const input& in) { return g.edges[in.row].how != relation::group; };
        if (groups && detail::well_placed(p, a, r) && !for_each_input(p, w, a, r, no_group))
          bound_all = i > 0 && list[i - 1].kind == role::run_with_next ? here - 1 : here;  // not between the two of a pair
        continue;
      }
      const detail::message_ends m = messages.read(p, w, a, r);
      if (m.wrong != fault::none) {
        due[i] = here;
        continue;
      }
      if (a.kind == role::send) {
        if (keeps == same_order::of_rank) bound_all = here;
        if (m.to > r && here < bound[m.to]) bound[m.to] = here;
        continue;
      }
      const std::int32_t by = needed_by[w.node(g.edges[a.pass].consumer, a.stage, a.micro_batch, a.slice)];
      const std::int32_t place = by < 0 ? here : begin[by < rule.ahead ? 0 : by - rule.ahead];
      const std::int32_t most = bound_all < bound[m.from] ? bound_all : bound[m.from];
      due[i] = place < here ? here : place < most ? place : most;
      bound[m.from] = due[i];
      if (keeps == same_order::of_rank) bound_all = due[i];
    }
    for (std::int64_t i = list.count; i-- > 0;) {
      if (list[i].kind != role::receive) continue;
      next[i] = head[due[i]];
      head[due[i]] = static_cast<std::int32_t>(i);
    }
    std::int64_t at = 0;
    for (std::int64_t i = 0; i < list.count; ++i) {
      for (std::int32_t k = head[i]; k >= 0; k = next[k]) moved[at++] = list[k];
      if (list[i].kind != role::receive) moved[at++] = list[i];
    }
    for (std::int64_t i = 0; i < list.count; ++i) q.actions[p.rows[r] + i] = moved[i];
  }
  return q;
}

}  // namespace stretto::inline v0
