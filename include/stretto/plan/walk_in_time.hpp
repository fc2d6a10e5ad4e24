// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Walks a plan in order of time, for simulations where messages take turns: who comes first at a link depends on when, and
// walk.hpp, which lets a rank go on as far as it can, doesn't look at the clock.
//
//     pop the earliest end → its messages leave → those who waited, and its own lane, look again → push the ends of what runs
// Ends at one time go by rank and lane. Cost: O(entries × log(ranks × lanes)), plus looks at entries that still wait.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/walk.hpp>

namespace stretto::inline v0::detail {

/// A heap of queues by the time at which what they run ends; each queue stands in it at most once.
class ends_heap {
 public:
  constexpr explicit ends_heap(std::int64_t queues) : heap(queues), time(queues, 0.0) {}
  constexpr bool empty() const { return count == 0; }
  constexpr double at(std::int32_t q) const { return time[q]; }

  constexpr void push(std::int32_t q, double when) {
    time[q] = when;
    std::int64_t i = count++;
    for (; i > 0 && sooner(q, heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = q;
  }
  constexpr std::int32_t pop() {
    const std::int32_t top = heap[0], last = heap[--count];
    std::int64_t i = 0;
    while (2 * i + 1 < count) {
      std::int64_t child = 2 * i + 1;
      if (child + 1 < count && sooner(heap[child + 1], heap[child])) ++child;
      if (!sooner(heap[child], last)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return top;
  }

 private:
  constexpr bool sooner(std::int32_t a, std::int32_t b) const { return time[a] < time[b] || (time[a] == time[b] && a < b); }
  heap_array<std::int32_t> heap;
  heap_array<double> time;
  std::int64_t count = 0;
};

/// As walk(), with a visitor whose end() gives the time at which the entry ends, and whose send() lets its messages leave.
template <class Visitor>
constexpr bool walk_in_time(const plan_view& p, const wiring& w, walk_state& s, Visitor& on) {
  const std::int64_t queues = static_cast<std::int64_t>(p.ranks) * s.lanes;
  ends_heap ends(queues);
  heap_array<std::int32_t> waiter(queues, -1), next_waiter(queues);
  std::int64_t ended = 0;
  bool sound = true;
  // Lets a queue run its next entry if all is there that it waits for; else it waits for the queue that lacks.
  const auto look = [&](std::int32_t q) {
    const int rank = static_cast<int>(q / s.lanes), lane = static_cast<int>(q % s.lanes);
    const view<const action> list = p.order(rank);
    std::int64_t& step = s.at[q];
    while (step < list.count && (list[step].is_message() || s.lane_index(list[step]) != lane)) ++step;
    if (step == list.count) return void(++ended);
    const action* a = &list[step];
    const int count = a->kind == role::run_with_next ? 2 : 1;
    for (int i = 0; i < count; ++i)
      if (step + i >= list.count || (i > 0 && a[i].kind != role::run) || !stands(p, w, a[i], rank) || s.lane_index(a[i]) != lane)
        return void(sound = s.stop_here());
    std::int32_t blocked = -1;
    on.begin(rank);
    for (int i = 0; i < count && blocked < 0; ++i)
      for_each_input(p, w, a[i], rank, [&](const input& in) {
        if (!s.there(p, w, a[i], in)) blocked = in.rank * s.lanes + s.lane_of[in.pass];
        else on.input(rank, in, a[i]);
        return blocked < 0;
      });
    if (blocked < 0) return ends.push(q, on.end(rank, step, a, count));
    next_waiter[q] = waiter[blocked];
    waiter[blocked] = q;
  };
  for (std::int32_t q = 0; q < queues; ++q) look(q);
  while (sound && !ends.empty()) {
    const std::int32_t q = ends.pop();
    const int rank = static_cast<int>(q / s.lanes);
    const action* a = &p.order(rank)[s.at[q]];
    const int count = a->kind == role::run_with_next ? 2 : 1;
    for (int i = 0; i < count; ++i)
      if (!s.mark(p, w, a[i])) return s.stop_here();
    on.send(rank, a, count, ends.at(q));
    s.at[q] += count;
    std::int32_t woken = waiter[q];
    waiter[q] = -1;
    while (woken >= 0) {
      const std::int32_t next = next_waiter[woken];
      look(woken);
      woken = next;
    }
    look(q);
  }
  return sound && ended == queues;
}

}  // namespace stretto::inline v0::detail
