// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The clock of a simulation: it hears a walk (walk.hpp, walk_in_time.hpp) and keeps when each pass ends, why ranks were idle
// and, where asked, when everything was.
//
//     start of an entry = the later of: its lane is free, the last of what it waits for has arrived
// Cost: 8 bytes a node that is waited for; 20 an entry where times are recorded.
#pragma once

#include <cstdint>

#include <stretto/plan/post.hpp>
#include <stretto/plan/price.hpp>
#include <stretto/plan/store.hpp>

namespace stretto::inline v0::detail {

class timing {
 public:
  constexpr timing(const plan_view& plan, const wiring& wires, const walk_state& state, const costs& prices, const holding& holds, forecast& out,
                   bool record)
      : p(plan), w(wires), s(state), f(out), divisor(divisors(plan)), price(plan, prices, divisor), mail(plan, wires, prices),
        held(plan, wires, state, holds, divisor, record), free_at(static_cast<std::int64_t>(plan.ranks) * state.lanes, 0.0),
        first(plan.ranks, -1.0), worked(plan.ranks, 0.0), recording(record) {
    const graph& g = *p.passes;
    for (int k = 0; k < g.pass_count; ++k) {  // only what is waited for keeps its end
      shift[k] = kept - w.base[k];
      if (g.is_node(k) && (w.awaited >> k & 1) != 0) kept += w.per_place[k] * (g.passes[k].by == scope::rank ? p.ranks : p.stages);
    }
    now = heap_array<double>(kept);
    if (!record) return;
    f.starts = heap_array<double>(p.actions.count, 0.0);
    f.ends = heap_array<double>(p.actions.count, 0.0);
    f.idle = heap_array<idle_causes>(p.ranks, idle_causes{});
    sequence = heap_array<std::int64_t>(p.actions.count);
    begun = heap_array<std::uint8_t>(p.ranks, std::uint8_t{0});
  }

  constexpr void begin(int) { ready = 0, under_way = 0; }

  constexpr void input(int rank, const stretto::input& in, const action& consumer) {
    if (s.done[w.node(in)] == 0) return;  // optional, and not in the plan
    const double end = now[w.node(in) + shift[in.pass]];
    const double there = in.rank == rank ? end : mail.arrival(in, consumer, rank, end);
    if (there > ready) ready = there, under_way = there - end;
  }

  /// Runs an entry, or a pair; gives its end.
  constexpr double end(int rank, std::int64_t step, const action* a, int count) {
    const int lane = s.lane_index(*a);
    double& lane_free = free_at[static_cast<std::int64_t>(rank) * s.lanes + lane];
    if (before.size() != 0) earlier(a, count, rank);
    const double start = ready > lane_free ? ready : lane_free, cost = price.of(step_, rank, step, a, count), finish = start + cost;
    if (lane == 0) worked[rank] += cost;
    f.actions += count;
    held.move(rank, a, count, start, finish);
    for (int i = 0; i < count; ++i)
      for (int c = 0; c < w.covers[a[i].pass]; ++c) {
        const pass_id k = w.covered[a[i].pass][c];
        if ((w.awaited >> k & 1) != 0) now[w.node(k, a[i].stage, a[i].micro_batch, a[i].slice) + shift[k]] = finish;
      }
    if (recording) record(rank, p.rows[rank] + step, count, lane, start, finish, lane_free);
    if (first[rank] < 0 || start < first[rank]) first[rank] = start;
    lane_free = finish;
    return finish;
  }

  /// An entry's messages leave, where links are shared.
  constexpr void send(int rank, const action* a, int count, double when) {
    for (int i = 0; i < count; ++i)
      for_each_output(p, w, a[i], rank, [&](int row, int place, int to, int slice) { mail.send(row, a[i], place, slice, rank, to, when); });
  }
  constexpr bool in_turns() const { return mail.shared(); }

  /// Between steps: what was now is before.
  constexpr void turn() {
    held.end_step();
    ++step_;
    units = 0;
    f.actions = 0;
    if (before.size() == 0) before = heap_array<double>(kept);
    for (std::int64_t i = 0; i < kept; ++i) before[i] = now[i];
  }

  constexpr double last_end() const {
    double last = 0;
    for (double t : free_at) last = t > last ? t : last;
    return last;
  }

  /// Sums up after the last step.
  constexpr void finish(const holding& holds) {
    held.finish(holds, f);
    f.work_of = worked;
    f.makespan = last_end();
    for (int r = 0; r < p.ranks; ++r) {
      double last = 0;
      for (int l = 0; l < s.lanes; ++l)
        if (const double t = free_at[static_cast<std::int64_t>(r) * s.lanes + l]; t > last) last = t;
      if (first[r] >= 0 && last - first[r] > f.span) f.span = last - first[r];
      f.work = worked[r] > f.work ? worked[r] : f.work;
    }
    for (int r = 0; recording && r < p.ranks; ++r) sum_up(r);
  }

  /// What was run in the last step, in an order in which nothing comes before what it waited for.
  constexpr view<const std::int64_t> ran() const { return {sequence.data(), units}; }
  constexpr const post& messages() const { return mail; }

 private:
  constexpr void record(int rank, std::int64_t entry, int count, int lane, double start, double finish, double lane_free) {
    sequence[units++] = entry;
    for (int i = 0; i < count; ++i) f.starts[entry + i] = start, f.ends[entry + i] = finish;
    if (lane != 0) return;
    idle_causes& idle = f.idle[rank];
    const double gap = start - lane_free, flight = under_way < gap ? under_way : gap;
    if (begun[rank] == 0) idle.fill = start;
    else idle.communication += flight, idle.wait += gap - flight;
    begun[rank] = 1;
  }

  constexpr void sum_up(int rank) {
    idle_causes& idle = f.idle[rank];
    if (begun[rank] == 0) idle.fill = f.makespan;
    else idle.drain = f.makespan - free_at[static_cast<std::int64_t>(rank) * s.lanes];
    if (const double less = f.work - worked[rank]; less > 1e-12 * f.makespan) idle.take_imbalance(less);  // else rounding
  }

  /// Adds what the step before must have done.
  constexpr void earlier(const action* a, int count, int rank) {
    for (int i = 0; i < count; ++i)
      for_each_input(
          p, w, a[i], rank,
          [&](const stretto::input& in) {
            if (p.passes->passes[in.pass].how_often != times::once && s.planned[w.node(in)] == 0) return true;
            const double end = before[w.node(in) + shift[in.pass]], there = end + (in.rank != rank ? mail.delay(in.row, in.rank, rank) : 0);
            if (there > ready) ready = there, under_way = there - end;
            return true;
          },
          true);
  }

  const plan_view& p;
  const wiring& w;
  const walk_state& s;
  forecast& f;
  heap_array<std::int32_t> divisor;  // chunks of each rank
  price_list price;
  post mail;
  store held;
  heap_array<double> free_at, first, worked;
  heap_array<double> now, before;    // end of each node, in this step and in the one before
  std::int64_t kept = 0, shift[graph::max_passes] = {};
  bool recording;
  heap_array<std::int64_t> sequence;  // first entries of what ran
  heap_array<std::uint8_t> begun;     // ranks that have worked
  std::int64_t step_ = 0, units = 0;
  double ready = 0, under_way = 0;
};

}  // namespace stretto::inline v0::detail
