// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Walks a program under a link model: lists in order, sends that may hold their rank, messages that may queue. Says
// whether the end is reached and, if not, who waits for whom. The rules are those of links.hpp, word for word.
//
//     rank 0 | 0F0 [0SEND_F0 …            rendezvous: held until rank 1 has issued 1RECV_F0
//     rank 1 | 1RECV_F0 1F0 …
// A step that is possible stays possible, so one greedy walk decides. Cost: O(entries), plus wake-ups of ranks.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/cycle.hpp>
#include <stretto/plan/links.hpp>
#include <stretto/plan/messages.hpp>
#include <stretto/plan/walk.hpp>

namespace stretto::inline v0::detail {

class exchange {
 public:
  constexpr exchange(const plan_view& plan, const wiring& wires, const message_table& messages, link_model model)
      : p(plan), w(wires), t(messages), links(model), s(plan, wires), issued(plan.ranks, 0), queue_head(plan.ranks, 0),
        unmet(messages.pairs, 0), served(flags(messages.count)), waiter(queues(), -1), next_waiter(queues(), -1),
        ready(queues()), standing(flags(queues())), sleeping(flags(queues())) {
    for (std::int64_t q = 0; q < queues(); ++q) wake(static_cast<std::int32_t>(q));
  }

  /// Goes as far as it can; true when every list, and every message, came to its end.
  constexpr bool run() {
    while (waiting > 0) {
      const std::int32_t q = ready[head];
      head = head + 1 == queues() ? 0 : head + 1;
      --waiting;
      standing[q] = 0;
      moved = false;
      std::int32_t blocked = advance(q);
      if (blocked >= 0) {
        next_waiter[q] = waiter[blocked];
        waiter[blocked] = q;
      }
      if (moved) wake_waiters(q);
    }
    for (std::int64_t q = 0; q < queues(); ++q)
      if (s.at[q] < p.order(static_cast<int>(q / s.lanes)).count) return false;
    for (int r = 0; r < p.ranks && links.which == link_model::kind::single_fifo; ++r)
      if (first_in_queue(r) >= 0) return false;
    return true;
  }

  /// Who waits for whom, once run() came back with false. Queue nodes of single_fifo follow those of the lists.
  constexpr wait_graph waits() {
    wait_graph g;
    g.nodes = queues() + p.ranks;
    for (std::int64_t q = 0; q < queues(); ++q) {
      const int rank = static_cast<int>(q / s.lanes);
      const view<const action> list = p.order(rank);
      if (s.at[q] >= list.count) continue;
      const std::int64_t step = s.at[q];
      if (list[step].is_message())
        message_waits(g, rank, step);
      else
        for (std::int64_t i = step; i <= step + (list[step].kind == role::run_with_next); ++i) input_waits(g, q, rank, i, list[i]);
    }
    for (int r = 0; r < p.ranks && links.which == link_model::kind::single_fifo; ++r) {
      const std::int64_t step = first_in_queue(r);
      if (step < 0) continue;
      const action& a = p.order(r)[step];
      const message_ends m = t.read(p, w, a, r);
      const int other = m.from == r ? m.to : m.from;
      const std::int64_t end = m.from == r ? t.receive_step[m.id] : t.send_step[m.id];
      const wait why{wait_kind::queue, r, static_cast<int>(step), a, other, p.order(other)[end]};
      g.add(queues() + r, end < issued[other] ? queues() + other : static_cast<std::int64_t>(other) * s.lanes, why);
    }
    return g;
  }

 private:
  constexpr std::int64_t queues() const { return static_cast<std::int64_t>(p.ranks) * s.lanes; }
  constexpr std::int32_t list_of(int rank) const { return rank * s.lanes; }
  constexpr bool sent(const message_ends& m) const { return t.send_step[m.id] < issued[m.from]; }
  constexpr bool received(const message_ends& m) const { return t.receive_step[m.id] < issued[m.to]; }

  constexpr void wake(std::int32_t q) {
    if (standing[q] != 0) return;
    standing[q] = 1;
    ready[head + waiting < queues() ? head + waiting : head + waiting - queues()] = q;
    ++waiting;
  }
  constexpr void wake_waiters(std::int32_t q) {
    for (std::int32_t woken = waiter[q]; woken >= 0; woken = next_waiter[woken]) wake(woken);
    waiter[q] = -1;
  }

  /// Takes a queue as far as it goes; gives the queue that it then waits for, -1 if none (or if a service will wake it).
  constexpr std::int32_t advance(std::int32_t q) {
    const int rank = q / s.lanes, lane = q % s.lanes;
    const view<const action> list = p.order(rank);
    for (std::int64_t& step = s.at[q]; step < list.count;) {
      const action* a = &list[step];
      if (s.lane_index(*a) != lane) {
        ++step;
        continue;
      }
      if (a->is_message()) {
        const std::int64_t end = links.which == link_model::kind::grouped ? end_of_run(list, step) : step + 1;
        for (std::int64_t i = step; i < end && issued[rank] < end; ++i)
          if (list[i].kind == role::send && !produced(list[i], rank)) return producer_queue(list[i], rank);
        if (issued[rank] < end) issue(rank, step, end);
        for (std::int64_t i = step; i < end; ++i)
          if (const std::int32_t on = holder(list[i], rank); on >= 0) return on;
        step = end;
        moved = true;
        continue;
      }
      const int count = a->kind == role::run_with_next ? 2 : 1;
      std::int32_t blocked = -1;
      bool asleep = false;
      for (int i = 0; i < count && blocked < 0 && !asleep; ++i)
        for_each_input(p, w, a[i], rank, [&, this](const input& in) {
          if (by_message(in, rank)) {
            const message_ends m = ends(in, a[i], rank);
            if (!received(m)) blocked = list_of(rank);
            else if (!sent(m)) blocked = list_of(m.from);
            else if (links.which == link_model::kind::single_fifo && served[m.id] == 0) asleep = true;
          } else if (!s.there(p, w, a[i], in)) {
            blocked = in.rank * s.lanes + s.lane_of[in.pass];
          }
          return blocked < 0 && !asleep;
        });
      if (asleep) {
        sleeping[q] = 1;
        return -1;
      }
      if (blocked >= 0) return blocked;
      for (int i = 0; i < count; ++i) s.mark(p, w, a[i]);
      step += count;
      moved = true;
      if (lane == 0) issued[rank] = step;
    }
    return -1;
  }

  constexpr std::int64_t end_of_run(const view<const action>& list, std::int64_t step) const {
    while (step < list.count && list[step].is_message()) ++step;
    return step;
  }

  constexpr bool produced(const action& send, int rank) const {
    const message_ends m = t.read(p, w, send, rank);
    return s.done[w.node(m.producer, m.place, send.micro_batch, m.slice)] != 0;
  }
  constexpr std::int32_t producer_queue(const action& send, int rank) const {
    return list_of(rank) + s.lane_of[p.passes->edges[send.pass].producer];
  }

  /// Notes the entries from `step` to `end` as issued, all at once.
  constexpr void issue(int rank, std::int64_t step, std::int64_t end) {
    for (std::int64_t i = step; i < end && links.which == link_model::kind::bounded; ++i) {
      const action& a = p.order(rank)[i];
      const message_ends m = t.read(p, w, a, rank);
      if (a.kind == role::send && !received(m)) ++unmet[t.pair[m.id]];
      if (a.kind == role::receive && sent(m)) --unmet[t.pair[m.id]];
    }
    issued[rank] = end;
    moved = true;
    if (links.which == link_model::kind::single_fifo) serve(rank);
  }

  /// The queue whose move can release this message entry, -1 if it holds nobody now.
  constexpr std::int32_t holder(const action& a, int rank) const {
    const bool send = a.kind == role::send;
    const auto which = links.which;
    if (which != link_model::kind::bounded && which != link_model::kind::rendezvous && which != link_model::kind::grouped) return -1;
    if (!send && which != link_model::kind::grouped) return -1;
    const message_ends m = t.read(p, w, a, rank);
    if (which == link_model::kind::bounded) return unmet[t.pair[m.id]] > links.bound ? list_of(m.to) : -1;
    if (send) return received(m) ? -1 : list_of(m.to);
    return sent(m) ? -1 : list_of(m.from);
  }

  /// The step of the first message in a rank's queue, issued or not yet served; -1 where the queue is empty.
  constexpr std::int64_t first_in_queue(int rank) {
    const view<const action> list = p.order(rank);
    while (queue_head[rank] < issued[rank] && !list[queue_head[rank]].is_message()) ++queue_head[rank];
    return queue_head[rank] < issued[rank] ? queue_head[rank] : -1;
  }

  /// Serves what can be served from this rank's queue, and then from the queues that this moved.
  constexpr void serve(int rank) {
    grow_array<int> look;
    look.push_back(rank);
    while (!look.empty()) {
      const int r = look.back();
      look.pop_back();
      while (true) {
        const std::int64_t step = first_in_queue(r);
        if (step < 0) break;
        const message_ends m = t.read(p, w, p.order(r)[step], r);
        const int other = m.from == r ? m.to : m.from;
        const std::int64_t theirs = first_in_queue(other);
        if (theirs < 0 || theirs != (m.from == r ? t.receive_step[m.id] : t.send_step[m.id])) break;
        ++queue_head[r], ++queue_head[other];
        served[m.id] = 1;
        for (std::int32_t q = list_of(m.to); q < list_of(m.to) + s.lanes; ++q) {
          if (sleeping[q] == 0) continue;
          sleeping[q] = 0;
          wake(q);
        }
        look.push_back(other);
      }
    }
  }

  constexpr bool by_message(const input& in, int rank) const {
    return in.rank != rank && p.passes->edges[in.row].how != relation::group && !absent(p, s.planned, in.pass, w.node(in));
  }
  constexpr message_ends ends(const input& in, const action& a, int rank) const {
    message_ends m;
    m.id = t.id(w, in.row, p.passes->edges[in.row].consumer, a.stage, a.micro_batch, a.slice);
    m.from = in.rank;
    m.to = rank;
    return m;
  }

  constexpr void input_waits(wait_graph& g, std::int64_t q, int rank, std::int64_t step, const action& a) {
    const action& what = p.order(rank)[step];
    for_each_input(p, w, a, rank, [&, this](const input& in) {
      const int here = static_cast<int>(step);
      if (!by_message(in, rank)) {
        const action on = action::of(in.pass, in.place, in.micro_batch, in.slice);
        const std::int64_t to = static_cast<std::int64_t>(in.rank) * s.lanes + s.lane_of[in.pass];
        if (!s.there(p, w, a, in)) g.add(q, to, {to == q ? wait_kind::own_later : wait_kind::input, rank, here, what, in.rank, on});
        return true;
      }
      const message_ends m = ends(in, a, rank);
      const action& send = p.order(m.from)[t.send_step[m.id]];
      const action& receive = p.order(rank)[t.receive_step[m.id]];
      if (!received(m)) g.add(q, list_of(rank), {wait_kind::own_later, rank, here, what, rank, receive});
      if (!sent(m)) g.add(q, list_of(m.from), {wait_kind::input, rank, here, what, m.from, send});
      if (links.which == link_model::kind::single_fifo && received(m) && sent(m) && served[m.id] == 0)
        for (int r : {rank, m.from})
          if (first_in_queue(r) != (r == rank ? t.receive_step[m.id] : t.send_step[m.id]))
            g.add(q, queues() + r, {wait_kind::arrival, rank, here, what, m.from, send});
      return true;
    });
  }

  constexpr void message_waits(wait_graph& g, int rank, std::int64_t step) {
    const view<const action> list = p.order(rank);
    const std::int64_t end = links.which == link_model::kind::grouped ? end_of_run(list, step) : step + 1;
    for (std::int64_t i = step; i < end; ++i) {
      const action& a = list[i];
      const message_ends m = t.read(p, w, a, rank);
      if (issued[rank] < end) {
        if (a.kind == role::send && !produced(a, rank))
          g.add(list_of(rank), producer_queue(a, rank),
                {wait_kind::own_later, rank, static_cast<int>(i), a, rank, action::of(m.producer, m.place, a.micro_batch, m.slice)});
        continue;
      }
      const std::int32_t on = holder(a, rank);
      if (on < 0) continue;
      const int other = on / s.lanes;
      const std::int64_t theirs = a.kind == role::send ? t.receive_step[m.id] : t.send_step[m.id];
      g.add(list_of(rank), on, {wait_kind::held, rank, static_cast<int>(i), a, other, p.order(other)[theirs]});
    }
  }

  const plan_view& p;
  const wiring& w;
  const message_table& t;
  link_model links;
  walk_state s;
  heap_array<std::int64_t> issued;      // entries of each rank's list that are issued
  heap_array<std::int64_t> queue_head;  // single_fifo: where each rank's queue begins
  heap_array<std::int32_t> unmet;       // bounded: sends of a pair whose receive isn't issued
  heap_array<std::uint8_t> served;      // single_fifo
  heap_array<std::int32_t> waiter, next_waiter, ready;
  heap_array<std::uint8_t> standing;    // in `ready`
  heap_array<std::uint8_t> sleeping;    // single_fifo: until a message is served
  std::int64_t head = 0, waiting = 0;
  bool moved = false;
};

}  // namespace stretto::inline v0::detail
