// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// simulate(plan, costs): when each pass runs and how much each rank holds, by the longest path.
//
//     forecast f = simulate(p, costs(1, 1, 1, 0.1));      f.makespan, f.span, f.bubble(), f.peak
// Every pass runs as early as its lane's order and its inputs allow. A message adds the latency after its pass and holds
// nobody. Both passes of an overlapped pair start when the inputs of both are there and end together after the sum; the
// one that takes memory does so before the other releases. Several steps follow each other without a barrier.
// Cost: O(actions × edges of an action); 8 bytes a node that is waited for, and 16 an
// entry where times are recorded.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/check.hpp>
#include <stretto/plan/costs.hpp>
#include <stretto/plan/walk.hpp>

namespace stretto::inline v0 {

/// What simulate foretells.
struct forecast {
  double makespan = 0;            ///< the last end, from time 0
  double span = 0;                ///< the longest over ranks from its first start to its last end
  double work = 0;                ///< of the busiest rank's compute lane
  double step = 0;                ///< steady time of a step: makespan where only one step was simulated
  double peak = 0;                ///< the most that a rank holds, in units of what a forward of a whole share holds
  heap_array<double> peak_of;     ///< by rank
  heap_array<double> starts, ends;  ///< by entry of the plan's lists, where asked for (of the last step)
  std::int64_t actions = 0;       ///< passes in the lists
  std::int64_t messages = 0;      ///< edges that cross ranks

  constexpr double bubble() const { return makespan - work; }
  constexpr double bubble_rate() const { return makespan > 0 ? bubble() / makespan : 0; }
  constexpr double span_bubble_rate() const { return span > 0 ? 1 - work / span : 0; }
};

struct simulate_options {
  int steps = 1;
  bool record = false;  ///< keep the start and end of every entry
};

namespace detail {

/// How many edges of a complete plan cross ranks and are carried by messages.
constexpr std::int64_t message_count(const plan_view& p, const wiring& w) {
  const graph& g = *p.passes;
  heap_array<std::int64_t> batches(p.routes, 0), some(p.routes, -1);
  for (int m = 0; m < p.micro_batches; ++m) {
    ++batches[p.route_index(m)];
    some[p.route_index(m)] = m;
  }
  std::int64_t count = 0;
  for (int r = 0; r < p.routes; ++r)
    for (int s = 0; s < p.stages && batches[r] > 0; ++s)
      for (int k = 0; k < g.pass_count && p.route(r).rank_of(s) >= 0; ++k)
        for (int q = 0; g.is_node(k) && w.out_begin[k] < w.out_begin[k + 1] && q < p.slices; ++q)
          for_each_output(p, w, action::of(static_cast<pass_id>(k), s, static_cast<int>(some[r]), q), p.route(r).rank_of(s),
                          [&](int, int, int, int) { count += batches[r]; });
  return count;
}

class timing {
 public:
  constexpr timing(const plan_view& plan, const wiring& wires, const walk_state& state, const costs& prices, const holding& holds, forecast& out,
                   bool record)
      : p(plan), w(wires), s(state), f(out), free_at(static_cast<std::int64_t>(plan.ranks) * state.lanes, 0.0), first(plan.ranks, -1.0),
        worked(plan.ranks, 0.0), held(plan.ranks, 0), most(plan.ranks, 0), divisor(plan.ranks), latency(prices.latency), entries{prices.entries.data(), prices.entries.size()} {
    const graph& g = *p.passes;
    constexpr double most_cost = 1e300;
    const auto fits = [](double cost) { return cost >= 0 && cost <= most_cost; };
    bool costs_fit = fits(prices.latency), holds_fit = true;
    for (int k = 0; k < g.pass_count; ++k) costs_fit = costs_fit && fits(prices.pass[k]);
    for (const auto& one : prices.specials) costs_fit = costs_fit && fits(one.cost);
    for (double cost : entries) costs_fit = costs_fit && fits(cost);
    if (!costs_fit) throw error("stretto: a cost or the latency is not a number from 0 to 1e300; give numbers in that range");
    const std::int64_t most_held = 9'000'000'000'000'000'000 / (p.actions.count + 1) / wiring::max_cover;
    for (std::int64_t h : holds.pass) holds_fit = holds_fit && h <= most_held && h >= -most_held;
    if (!holds_fit) throw error("stretto: what the passes hold adds up to more than a number can hold; give it in larger units");
    for (int k = 0; k < g.pass_count; ++k)
      for (int c = 0; c < g.pass_count; ++c)
        if (g.has(k) && (g.cover(static_cast<pass_id>(k)) >> c & 1) != 0) {
          price[k] += prices.pass[c];
          (holds.pass[c] > 0 ? taken[k] : released[k]) += holds.pass[c] > 0 ? holds.pass[c] : -holds.pass[c];
        }
    bool kept_for_later = false;  // where no pass in the plan releases, a pass lets go what it took when it ends
    for (int k = 0; k < g.pass_count; ++k) kept_for_later = kept_for_later || ((w.used >> k & 1) != 0 && released[k] != 0);
    for (int k = 0; k < g.pass_count && !kept_for_later; ++k) released[k] = taken[k];
    for (int r = 0; r < p.ranks; ++r) divisor[r] = 0;
    for (int i = 0; i < p.routes; ++i) {  // chunks of all ranks at once: stages of a route on each
      heap_array<std::int32_t> here(p.ranks, 0);
      for (int stage = 0; stage < p.stages; ++stage)
        if (const int r = p.route(i).rank_of(stage); r >= 0 && ++here[r] > divisor[r]) divisor[r] = here[r];
    }
    for (int r = 0; r < p.ranks; ++r) divisor[r] = divisor[r] < 1 ? 1 : divisor[r];
    if (!prices.specials.empty()) {
      by_rank = heap_array<double>(static_cast<std::int64_t>(p.ranks) * graph::max_passes, -1.0);
      by_stage = heap_array<double>(static_cast<std::int64_t>(p.stages) * graph::max_passes, -1.0);
      for (const auto& one : prices.specials) {
        const bool rank = one.of == scope::rank;
        if (one.index < 0 || one.index >= (rank ? p.ranks : p.stages) || !g.is_node(one.pass))
          throw error(text("stretto: a cost is given for ", rank ? "rank " : "stage ", one.index, ", pass ",
                           g.has(one.pass) ? g.passes[one.pass].name : label("?"), ", which the plan doesn't have; it has ", p.ranks, " ranks and ", p.stages, " stages").str());
        (rank ? by_rank : by_stage)[static_cast<std::int64_t>(one.index) * graph::max_passes + one.pass] = one.cost;
      }
    }
    for (int k = 0; k < g.pass_count; ++k) {  // only what is waited for keeps its end
      shift[k] = kept - w.base[k];
      if (g.is_node(k) && (w.awaited >> k & 1) != 0) kept += w.per_place[k] * (g.passes[k].by == scope::rank ? p.ranks : p.stages);
    }
    now = heap_array<double>(kept);
    for (int k = 0; k < g.pass_count; ++k)
      beside = beside || (g.has(k) && (w.used >> k & 1) != 0 && s.lane_of[k] != 0 && (taken[k] != 0 || released[k] != 0));
    if (beside) takings = heap_array<grow_array<moment>>(free_at.size()), releases = heap_array<grow_array<moment>>(free_at.size());
    if (record) {
      f.starts = heap_array<double>(p.actions.count, 0.0);
      f.ends = heap_array<double>(p.actions.count, 0.0);
    }
  }

  constexpr void begin(int) { ready = 0; }

  constexpr void input(int rank, const stretto::input& in) {
    if (s.done[w.node(in)] == 0) return;  // optional, and not in the plan
    const bool away = in.rank != rank;
    const double there = now[w.node(in) + shift[in.pass]] + (away ? latency : 0);
    ready = there > ready ? there : ready;
  }

  constexpr void end(int rank, std::int64_t step, const action* a, int count) {
    double& lane_free = free_at[static_cast<std::int64_t>(rank) * s.lanes + s.lane_index(*a)];
    if (before.size() != 0) earlier(a, count, rank);
    const double start = ready > lane_free ? ready : lane_free;
    double finish = start;
    for (int i = 0; i < count; ++i) {
      const double cost = entries.count != 0 ? entries[(entries.count > p.actions.count ? step_ * p.actions.count : 0) + p.rows[rank] + step + i] : price_of(rank, a[i]);
      finish += cost;
      worked[rank] += s.lane_index(a[i]) == 0 ? cost : 0;
      ++f.actions;
    }
    std::int64_t takes = 0, lets_go = 0;
    for (int i = 0; i < count; ++i) takes += taken[a[i].pass], lets_go += released[a[i].pass];
    if (!beside) {
      held[rank] += takes;
      if (held[rank] > most[rank]) most[rank] = held[rank];
      held[rank] -= lets_go;
    } else {
      const std::int64_t q = static_cast<std::int64_t>(rank) * s.lanes + s.lane_index(*a);
      takings[q].push_back({start, takes});
      releases[q].push_back({finish, lets_go});
    }
    for (int i = 0; i < count; ++i) {
      for (int c = 0; c < w.covers[a[i].pass]; ++c) {
        const pass_id k = w.covered[a[i].pass][c];
        if ((w.awaited >> k & 1) != 0) now[w.node(k, a[i].stage, a[i].micro_batch, a[i].slice) + shift[k]] = finish;
      }
    }
    if (f.starts.size() != 0)
      for (int i = 0; i < count; ++i) {
        f.starts[p.rows[rank] + step + i] = start;
        f.ends[p.rows[rank] + step + i] = finish;
      }
    if (first[rank] < 0 || start < first[rank]) first[rank] = start;
    lane_free = finish;
  }

  /// Between steps: what was now is before.
  constexpr void turn() {
    ++step_;
    if (before.size() == 0) before = heap_array<double>(kept);
    for (std::int64_t i = 0; i < kept; ++i) before[i] = now[i];
  }

  constexpr double last_end(int rank) const {
    double last = 0;
    for (int l = 0; l < s.lanes; ++l)
      if (const double t = free_at[static_cast<std::int64_t>(rank) * s.lanes + l]; t > last) last = t;
    return last;
  }

  /// Sums up after the last step.
  constexpr void finish(const holding& holds) {
    if (beside) replay_holdings();
    f.peak_of = heap_array<double>(p.ranks, 0.0);
    const double unit = holds.pass[pass::forward] > 0 ? static_cast<double>(holds.pass[pass::forward]) : 1.0;
    for (int r = 0; r < p.ranks; ++r) {
      const double last = last_end(r);
      f.makespan = last > f.makespan ? last : f.makespan;
      if (first[r] >= 0 && last - first[r] > f.span) f.span = last - first[r];
      f.work = worked[r] > f.work ? worked[r] : f.work;
      f.peak_of[r] = static_cast<double>(most[r]) / (unit * divisor[r] * p.slices);
      f.peak = f.peak_of[r] > f.peak ? f.peak_of[r] : f.peak;
    }
  }

 private:
  constexpr double price_of(int rank, const action& a) {
    const pass_kind& kind = p.passes->passes[a.pass];
    const double share = kind.per == stretto::share::slice ? p.slices : 1;
    const bool on_rank = kind.by == scope::rank;
    if (by_rank.size() == 0) {
      if (whole_of != rank) {
        whole_of = rank;
        for (int k = 0; k < p.passes->pass_count; ++k) {
          const pass_kind& one = p.passes->passes[k];
          whole[k] = price[k] / ((one.by == scope::rank ? 1 : divisor[rank]) * (one.per == stretto::share::slice ? p.slices : 1));
        }
      }
      return whole[a.pass];
    }
    double sum = 0;
    for (int k = 0; k < graph::max_passes; ++k) {
      if ((p.passes->cover(a.pass) >> k & 1) == 0) continue;
      const double of_rank = by_rank[static_cast<std::int64_t>(rank) * graph::max_passes + k];
      const double of_stage = on_rank ? -1 : by_stage[static_cast<std::int64_t>(a.stage) * graph::max_passes + k];
      if (of_stage >= 0)
        sum += of_stage / share;
      else
        sum += (of_rank >= 0 ? of_rank : general(k)) / (on_rank ? share : divisor[rank] * share);
    }
    return sum;
  }
  constexpr double general(int k) const { return price[k]; }

  /// Where lanes hold or release beside the compute lane, a walk isn't in order of time: merges the lanes of each rank by
  /// time. At one moment what is released goes first, but never before what its own pass takes.
  constexpr void replay_holdings() {
    heap_array<std::int64_t> taken_up_to(s.lanes), released_up_to(s.lanes);
    for (int r = 0; r < p.ranks; ++r) {
      for (int l = 0; l < s.lanes; ++l) taken_up_to[l] = released_up_to[l] = 0;
      while (true) {
        int from = -1;
        bool release = false;
        double when = 0;
        for (int l = 0; l < s.lanes; ++l) {
          const std::int64_t q = static_cast<std::int64_t>(r) * s.lanes + l, t = taken_up_to[l], e = released_up_to[l];
          if (e < t && (from < 0 || releases[q][e].when < when || (releases[q][e].when == when && !release)))
            from = l, release = true, when = releases[q][e].when;
          if (t < takings[q].size() && (from < 0 || takings[q][t].when < when)) from = l, release = false, when = takings[q][t].when;
        }
        if (from < 0) break;
        const std::int64_t q = static_cast<std::int64_t>(r) * s.lanes + from;
        held[r] += release ? -releases[q][released_up_to[from]++].amount : takings[q][taken_up_to[from]++].amount;
        if (held[r] > most[r]) most[r] = held[r];
      }
    }
  }

  /// Adds what the step before must have done.
  constexpr void earlier(const action* a, int count, int rank) {
    for (int i = 0; i < count; ++i)
      for_each_input(
          p, w, a[i], rank,
          [&](const stretto::input& in) {
            if (p.passes->passes[in.pass].how_often != times::once && s.planned[w.node(in)] == 0) return true;
            const double there = before[w.node(in) + shift[in.pass]] + (in.rank != rank ? latency : 0);
            ready = there > ready ? there : ready;
            return true;
          },
          true);
  }

  struct moment {
    double when;
    std::int64_t amount;
  };

  const plan_view& p;
  const wiring& w;
  const walk_state& s;
  forecast& f;
  bool beside = false;  // passes off the compute lane hold or release
  heap_array<grow_array<moment>> takings, releases;  // by queue, one each an entry
  heap_array<double> free_at, first, worked;
  heap_array<std::int64_t> held, most;
  heap_array<std::int32_t> divisor;  // chunks of each rank
  heap_array<double> now, before;    // end of each node, in this step and in the one before
  heap_array<double> by_rank, by_stage;
  std::int64_t kept = 0, shift[graph::max_passes] = {};
  double price[graph::max_passes] = {};
  std::int64_t taken[graph::max_passes] = {}, released[graph::max_passes] = {};
  double whole[graph::max_passes] = {};  // price of a pass on the rank looked at last
  int whole_of = -1;
  double latency;
  view<const double> entries;  // what each entry costs, where that is known
  std::int64_t step_ = 0;
  double ready = 0;
};

}  // namespace detail

/// Foretells a valid plan or program. Throws stretto::error with the check's sentence where the plan can't run to its end.
constexpr forecast simulate(const plan_view& p, const costs& prices = costs(), const holding& holds = holding(), simulate_options how = {}) {
  forecast f;
  if (const std::int64_t n = prices.entries.size(); n != 0 && n != p.actions.count && n != p.actions.count * how.steps)
    throw error(text("stretto: costs of ", n, " entries are given for a plan of ", p.actions.count, " entries and ", how.steps, " steps; give one for each entry, or for each entry of each step").str());
  if (how.steps < 1) throw error(text("stretto: simulate is asked for ", how.steps, " steps; give at least 1").str());
  if (!detail::frame_fault(p).ok() || p.lowered) require(check(p, links::buffered));
  const wiring w(p);
  if (!detail::crossing_fault(p, w.used).ok()) require(check(p));
  const std::int64_t needed = detail::nodes_needed(p);
  if (needed > p.actions.count * static_cast<std::int64_t>(graph::max_passes)) require(check(p));
  walk_state s(p, w);
  detail::timing t(p, w, s, prices, holds, f, how.record);
  double before_last = 0;
  for (int i = 0; i < how.steps; ++i) {
    if (i > 0) {
      t.turn();
      before_last = 0;
      for (int r = 0; r < p.ranks; ++r) before_last = t.last_end(r) > before_last ? t.last_end(r) : before_last;
      s.done = detail::flags(w.nodes);
      for (std::int64_t& at : s.at) at = 0;
      s.required_done = 0;
      f.actions = 0;
    }
    if (!walk(p, w, s, t) || s.required_done != needed || (i == 0 && !detail::group_fault(p).ok())) require(check(p));
  }
  t.finish(holds);
  f.messages = detail::message_count(p, w);
  double last = 0;
  for (int r = 0; r < p.ranks; ++r) last = t.last_end(r) > last ? t.last_end(r) : last;
  f.step = last - before_last;
  if (!(f.makespan <= 1.7e308)) throw error("stretto: the costs add up to more than a number can hold; give smaller ones");
  return f;
}

}  // namespace stretto::inline v0
