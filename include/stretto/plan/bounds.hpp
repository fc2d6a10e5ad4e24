// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What no order can beat: lower bounds of the makespan of a plan's graph, routes and costs, whatever its lists say.
//
//     bounds b = lower_bounds(p, costs(1, 1, 1));                       b.work, b.route, b.rank, b.best()
//     bounds b = lower_bounds(p, c, simulate(p, c, h).peak_of, h);      b.memory, too
//     work     the busiest rank's
//     route    the longest chain of passes and messages
//     rank     each rank by itself: a pass can't begin before the chain in front of it, nor the step end before the chain
//              behind it; in between the rank does one pass at a time (it may interrupt them, so this is a bound)
//     memory   what is held takes room for at least the chain from the forward that takes it to the pass that releases it, so
//              all of it together needs that long at the given peak; looked at where forwards alone take and I and W release
// Passes that may run in overlapped pairs count as work with the share that a pair takes, in chains with all of their cost.
// With fused backward passes, one chunk and equal costs `rank` is (micro_batches + ranks - 1) * (t_forward + t_backward),
// which gpipe and 1f1b reach. Cost: O(actions × (edges of an action + log actions)). The bound of one machine with heads and
// tails is Jackson's, 1955; it is sharp where passes may be interrupted.
#pragma once

#include <cstdint>
#include <initializer_list>

#include <stretto/core/array.hpp>
#include <stretto/plan/check.hpp>
#include <stretto/plan/post.hpp>
#include <stretto/plan/price.hpp>
#include <stretto/plan/walk.hpp>

namespace stretto::inline v0 {

struct bounds {
  double work = 0, route = 0, rank = 0, memory = 0;

  constexpr double best() const {
    double most = work;
    for (double b : {route, rank, memory}) most = b > most ? b : most;
    return most;
  }
};

namespace detail {

/// Hears a walk and keeps in which order entries ran.
struct listener {
  const plan_view& p;
  heap_array<std::int64_t> sequence;
  heap_array<std::int32_t> rank_of;
  std::int64_t count = 0;

  constexpr explicit listener(const plan_view& plan) : p(plan), sequence(plan.actions.count), rank_of(plan.actions.count) {}
  constexpr void begin(int) {}
  constexpr void input(int, const stretto::input&, const action&) {}
  constexpr void end(int rank, std::int64_t step, const action*, int many) {
    for (int i = 0; i < many; ++i) {
      sequence[count++] = p.rows[rank] + step + i;
      rank_of[p.rows[rank] + step + i] = rank;
    }
  }
};

/// The makespan of one machine that may interrupt its work: at every moment it does, of what can begin, what has the longest
/// tail. `jobs` come by their heads, earliest first.
struct machine_job {
  double head, work, tail;
};

constexpr double one_machine(heap_array<machine_job>& jobs, std::int64_t n) {
  for (std::int64_t width = 1; width < n; width *= 2) {  // merge sort by head; n log n and stable
    heap_array<machine_job> sorted(n);
    for (std::int64_t from = 0; from < n; from += 2 * width) {
      std::int64_t a = from, b = from + width;
      const std::int64_t a_end = b < n ? b : n, b_end = from + 2 * width < n ? from + 2 * width : n;
      for (std::int64_t i = from; i < b_end; ++i) sorted[i] = a < a_end && (b >= b_end || jobs[a].head <= jobs[b].head) ? jobs[a++] : jobs[b++];
    }
    jobs = static_cast<heap_array<machine_job>&&>(sorted);
  }
  heap_array<std::int64_t> heap(n);  // of jobs that can begin, the longest tail on top
  std::int64_t waiting = 0, next = 0;
  const auto before = [&](std::int64_t a, std::int64_t b) { return jobs[a].tail > jobs[b].tail; };
  double now = 0, end = 0;
  while (waiting > 0 || next < n) {
    if (waiting == 0 && jobs[next].head > now) now = jobs[next].head;
    for (; next < n && jobs[next].head <= now; ++next) {
      std::int64_t i = waiting++;
      for (; i > 0 && before(next, heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
      heap[i] = next;
    }
    machine_job& job = jobs[heap[0]];
    const double room = next < n ? jobs[next].head - now : job.work;
    if (room < job.work) {
      job.work -= room;
      now = jobs[next].head;
      continue;
    }
    now += job.work;
    end = now + job.tail > end ? now + job.tail : end;
    const std::int64_t last = heap[--waiting];
    std::int64_t i = 0;
    while (2 * i + 1 < waiting) {
      std::int64_t child = 2 * i + 1;
      if (child + 1 < waiting && before(heap[child + 1], heap[child])) ++child;
      if (!before(heap[child], last)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
  }
  return end;
}

}  // namespace detail

/// Bounds for one step. `peak_of` is what each rank may hold of `holds`, in units of a forward of a whole share, as
/// forecast::peak_of is; where it is empty, memory is no bound. Noise and measured entries in `prices` are left out. Throws
/// stretto::error with the check's sentence where the plan isn't valid.
/// @post simulate(q, prices, holds).makespan >= best() for every q of the same passes, graph and routes that holds no more than
/// `peak_of`.
constexpr bounds lower_bounds(const plan_view& p, const costs& prices = costs(), const heap_array<double>& peak_of = {}, const holding& holds = holding()) {
  if (!check(p, links::buffered).ok()) require(check(p, links::buffered));
  costs quiet = prices;
  quiet.noise = {};
  quiet.entries = {};
  quiet.sharing = turns::none;
  const wiring w(p);
  walk_state s(p, w);
  detail::listener heard(p);
  (void)walk(p, w, s, heard);
  const heap_array<std::int32_t> chunks = detail::divisors(p);
  detail::price_list price(p, quiet, chunks);
  const detail::post mail(p, w, quiet);
  const std::int64_t n = heard.count;
  heap_array<std::int32_t> doer(w.nodes, -1);
  heap_array<double> cost(p.actions.count, 0.0), head(p.actions.count, 0.0), tail(p.actions.count, 0.0);
  const auto rank_of = [&](std::int64_t e) { return heard.rank_of[e]; };
  bounds b;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t e = heard.sequence[i];
    const action& a = p.actions[e];
    cost[e] = price.of(0, rank_of(e), e - p.rows[rank_of(e)], &a, 1);
    for (int c = 0; c < w.covers[a.pass]; ++c) doer[w.node(w.covered[a.pass][c], a.stage, a.micro_batch, a.slice)] = static_cast<std::int32_t>(e);
  }
  const auto each_cause = [&](std::int64_t e, auto&& visit) {
    for_each_input(p, w, p.actions[e], rank_of(e), [&](const input& in) {
      if (const std::int64_t from = doer[w.node(in)]; from >= 0 && from != e) visit(from, in.rank == rank_of(e) ? 0.0 : mail.delay(in.row, in.rank, rank_of(e)));
      return true;
    });
  };
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t e = heard.sequence[i];
    each_cause(e, [&](std::int64_t from, double delay) {
      if (const double there = head[from] + cost[from] + delay; there > head[e]) head[e] = there;
    });
    if (head[e] + cost[e] > b.route) b.route = head[e] + cost[e];
  }
  for (std::int64_t i = n; i-- > 0;) {
    const std::int64_t e = heard.sequence[i];
    each_cause(e, [&](std::int64_t from, double delay) {
      if (const double left = tail[e] + cost[e] + delay; left > tail[from]) tail[from] = left;
    });
  }
  for (int r = 0; r < p.ranks; ++r) {
    heap_array<detail::machine_job> jobs(p.order(r).count);
    std::int64_t many = 0;
    double work = 0;
    for (std::int64_t e = p.rows[r]; e < p.rows[r + 1]; ++e) {
      if (p.actions[e].is_message() || s.lane_index(p.actions[e]) != 0) continue;
      jobs[many++] = {head[e], quiet.overlapped * cost[e], tail[e]};
      work += quiet.overlapped * cost[e];
    }
    b.work = work > b.work ? work : b.work;
    const double alone = detail::one_machine(jobs, many);
    b.rank = alone > b.rank ? alone : b.rank;
  }
  const graph& g = *p.passes;
  if (peak_of.size() == 0 || !g.has(pass::backward_weight) || !holds.specials.empty() || holds.pass[pass::forward] <= 0) return b;
  for (int k = 0; k < g.pass_count; ++k) {
    const bool halves = k == pass::backward_input || k == pass::backward_weight;
    if (g.is_node(k) && (w.used >> k & 1) != 0 && k != pass::forward && (halves ? holds.pass[k] > 0 : holds.pass[k] != 0)) return b;
  }
  const double whole = static_cast<double>(holds.pass[pass::forward]), by_weight = -static_cast<double>(holds.pass[pass::backward_weight]) / whole,
               by_input = -static_cast<double>(holds.pass[pass::backward_input]) / whole;
  // How long each forward's activations are held at least: the longest chain to the pass that lets them go, over entries of
  // their own micro-batch.
  heap_array<grow_array<std::int64_t>> of_batch(p.micro_batches);
  for (std::int64_t i = 0; i < n; ++i)
    if (p.passes->passes[p.actions[heard.sequence[i]].pass].per != share::step) of_batch[p.actions[heard.sequence[i]].micro_batch].push_back(heard.sequence[i]);
  heap_array<double> held(p.ranks, 0.0), chain(p.actions.count, -1.0);
  for (const auto& entries : of_batch)
    for (std::int64_t i = 0; i < entries.size(); ++i) {
      const std::int64_t begin = entries[i];
      const action& a = p.actions[begin];
      if (a.pass != pass::forward) continue;
      const std::int64_t release = doer[w.node(pass::backward_weight, a.stage, a.micro_batch, a.slice)];
      const std::int64_t input = doer[w.node(pass::backward_input, a.stage, a.micro_batch, a.slice)];
      chain[begin] = cost[begin];
      for (std::int64_t k = i + 1; k < entries.size() && release >= 0 && chain[release] < 0; ++k) {
        double longest = -1;
        each_cause(entries[k], [&](std::int64_t from, double delay) {
          if (chain[from] >= 0 && chain[from] + delay > longest) longest = chain[from] + delay;
        });
        if (longest >= 0) chain[entries[k]] = longest + cost[entries[k]];
      }
      if (release >= 0 && input >= 0)
        held[rank_of(begin)] += (by_weight * chain[release] + by_input * chain[input]) / (static_cast<double>(chunks[rank_of(begin)]) * p.slices);
      for (const std::int64_t e : entries) chain[e] = -1;
    }
  for (int r = 0; r < p.ranks && r < peak_of.size(); ++r)
    if (peak_of[r] > 0 && held[r] / peak_of[r] > b.memory) b.memory = held[r] / peak_of[r];
  return b;
}

}  // namespace stretto::inline v0
