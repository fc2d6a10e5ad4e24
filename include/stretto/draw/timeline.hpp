// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A timeline: what a picture shows of a plan. Each action with its start and end, each message, what every rank holds over
// time, and why it was idle. It is foretold by simulate, or measured by a run (run/measured.hpp), and it is one value
// either way; to_svg, to_html and to_trace draw it.
//
//     const timeline t = make_timeline(make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8}), costs(1, 1, 1));
//     to_svg(t);   to_html(t);   to_trace(t);
// It owns all that it shows, so the plan may go. Cost: that of simulate, and about 200 bytes an action.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <stretto/plan/simulate.hpp>

namespace stretto::inline v0 {

/// One action as it is drawn.
struct drawn_action {
  std::string name;              ///< as text forms write it: 2F5
  std::string label;             ///< what fits in a box: 5; the pass's name where it happens once a step
  std::int64_t entry = 0;        ///< of the plan's lists
  int rank = 0;
  lane on = lane::compute;
  pass_id pass = 0;
  int stage = -1;                ///< -1: it is done by the rank, whatever stages it has
  int micro_batch = -1;          ///< -1: once a step
  int slice = 0;
  int chunk = 0;                 ///< which of the rank's stages, counted from 0
  int half = 0;                  ///< 1 or 2: the first or the second of an overlapped pair
  double start = 0, end = 0;
  double waited = 0;             ///< idle time of its lane before it
  std::int64_t after = -1;       ///< the action that it waited for last; -1: none
  double slack = -1;             ///< how much later it may end without a later makespan; -1: not known
  bool critical = false;
};

/// A message, from the action that gives it to the one that takes it. Both are indices of actions.
struct drawn_message {
  std::int64_t from, to;
  double sent, taken;
};

/// A rank in sum.
struct drawn_rank {
  double work = 0;            ///< of its compute lane
  idle_causes idle;
  double peak = 0;            ///< the most that it holds, in holding's unit
  std::vector<level> memory;  ///< what it holds from when on
};

struct timeline {
  std::string title;
  std::string unit;                    ///< of times: "s", or "" where a time is a mere number
  bool measured = false;
  int ranks = 0, stages = 0, micro_batches = 0, slices = 1;
  int chunks = 1;                      ///< the most stages that a rank has
  std::vector<std::string> passes;     ///< names by pass_id; empty where there is none
  std::vector<drawn_action> actions;   ///< rank by rank, in the order of the lists
  std::vector<drawn_message> messages;
  std::vector<drawn_rank> of_rank;
  double makespan = 0;                 ///< from 0, the first start, to the last end
};

struct timeline_options {
  std::string title = "";  ///< empty: the plan's name
  std::string unit = "";   ///< "s" where costs are seconds
};

namespace detail {

/// The stages that a rank has on any route, ascending.
inline std::vector<int> stages_of(const plan_view& p, int rank) {
  std::vector<int> own;
  for (int s = 0; s < p.stages; ++s) {
    bool here = false;
    for (int i = 0; i < p.routes && !here; ++i) here = p.route(i).rank_of(s) == rank;
    if (here) own.push_back(s);
  }
  return own;
}

/// What stands in a box: the name without its stage and its pass.
inline std::string label_of(const std::string& name, const pass_kind& kind) {
  if (kind.per == share::step) return std::string(kind.name.str());
  const std::size_t digits = name.find_first_not_of("0123456789");
  return digits == std::string::npos ? name : name.substr(name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", digits));
}

/// Finds for each action what it waited for last, and the messages.
inline void join(timeline& t, const plan_view& p, const wiring& w, const heap_array<std::int64_t>& doer) {
  std::vector<std::int64_t> before(static_cast<std::size_t>(p.ranks) * lane_count, -1);  // last of each lane
  const auto at = [&](std::int64_t i) -> drawn_action& { return t.actions[static_cast<std::size_t>(i)]; };
  const double near_enough = 1e-9 * t.makespan;
  for (std::int64_t k = 0; k < static_cast<std::int64_t>(t.actions.size()); ++k) {
    drawn_action& d = at(k);
    std::int64_t& lane_before = before[static_cast<std::size_t>(d.rank) * lane_count + static_cast<std::size_t>(d.on)];
    std::int64_t own = lane_before, away = -1;  // what ended last on this rank, and on others
    if (own >= 0) d.waited = d.start - at(own).end;
    for_each_input(p, w, p.actions[d.entry], d.rank, [&](const input& in) {
      const std::int64_t j = doer[w.node(in)];
      if (j < 0 || j == k || (d.half == 2 && j == k - 1)) return true;
      const edge& row = p.passes->edges[in.row];
      const bool other = in.rank != d.rank;
      if (other && !row.message.empty() && row.how != relation::group) t.messages.push_back({j, k, at(j).end, d.start});
      std::int64_t& last = other ? away : own;
      if (last < 0 || at(j).end > at(last).end) last = j;
      return true;
    });
    const bool from_own = own >= 0 && (away < 0 || at(own).end >= d.start - near_enough || (t.measured && at(own).end > at(away).end));
    d.after = from_own ? own : away;
    if (d.half == 2) {  // both wait for the inputs of both
      drawn_action& first = at(k - 1);
      if (d.after < 0 || (first.after >= 0 && at(first.after).end > at(d.after).end)) d.after = first.after;
      first.after = d.after;
    }
    if (d.half != 1) lane_before = k;
  }
}

/// The work of each rank and its idle time by cause, as they follow from the times alone.
inline void sum_up(timeline& t) {
  std::vector<double> last(t.of_rank.size(), -1), sent(t.actions.size(), -1);
  for (const drawn_message& m : t.messages) sent[static_cast<std::size_t>(m.to)] = (std::max)(sent[static_cast<std::size_t>(m.to)], m.sent);
  for (std::size_t k = 0; k < t.actions.size(); ++k) {
    const drawn_action& d = t.actions[k];
    if (d.on != lane::compute || d.half == 2) continue;
    const auto r = static_cast<std::size_t>(d.rank);
    drawn_rank& rank = t.of_rank[r];
    rank.work += d.end - d.start;
    const bool awaited = d.after >= 0 && t.actions[static_cast<std::size_t>(d.after)].rank != d.rank;
    const double under_way = last[r] >= 0 && awaited && sent[k] >= 0 ? (std::max)(0.0, d.start - (std::max)(last[r], sent[k])) : 0;
    if (last[r] < 0) rank.idle.fill = d.start;
    else rank.idle.communication += under_way, rank.idle.wait += d.start - last[r] - under_way;
    last[r] = d.end;
  }
  double busiest = 0;
  for (const drawn_rank& rank : t.of_rank) busiest = (std::max)(busiest, rank.work);
  for (std::size_t r = 0; r < last.size(); ++r) {
    if (last[r] < 0) continue;
    t.of_rank[r].idle.drain = t.makespan - last[r];
    t.of_rank[r].idle.take_imbalance(busiest - t.of_rank[r].work);
  }
}

/// Lays the entries of a plan out as a timeline. When an entry starts and ends is asked of `times`: times(entry) gives a
/// pair, and a start below 0 for an entry that isn't known, which is left out.
template <class Times>
timeline lay_out(const plan_view& p, const timeline_options& how, bool measured, Times&& times) {
  timeline t;
  t.title = how.title.empty() ? std::string(p.name.str()) : how.title;
  t.unit = how.unit;
  t.measured = measured;
  t.ranks = p.ranks, t.stages = p.stages, t.micro_batches = p.micro_batches, t.slices = p.slices;
  for (int k = 0; k < p.passes->pass_count; ++k) t.passes.emplace_back(p.passes->passes[k].name.str());
  t.of_rank.resize(static_cast<std::size_t>(p.ranks));
  const naming name(p);
  const wiring w(p);
  heap_array<std::int64_t> doer(w.nodes, -1);
  for (int r = 0; r < p.ranks; ++r) {
    const std::vector<int> own = stages_of(p, r);
    t.chunks = (std::max)(t.chunks, static_cast<int>(own.size()));
    const view<const action> list = p.order(r);
    for (std::int64_t i = 0; i < list.count; ++i) {
      const action& a = list[i];
      if (a.is_message()) continue;
      const auto [start, end] = times(p.rows[r] + i);
      if (start < 0) continue;
      const pass_kind& kind = p.passes->passes[a.pass];
      drawn_action d;
      d.name = name(a).str();
      d.label = label_of(d.name, kind);
      d.entry = p.rows[r] + i, d.rank = r, d.on = kind.on, d.pass = a.pass, d.slice = a.slice;
      d.stage = kind.by == scope::stage ? a.stage : -1;
      d.micro_batch = kind.per == share::step ? -1 : a.micro_batch;
      d.chunk = d.stage < 0 ? 0 : static_cast<int>(std::lower_bound(own.begin(), own.end(), a.stage) - own.begin());
      d.half = a.kind == role::run_with_next ? 1 : i > 0 && list[i - 1].kind == role::run_with_next ? 2 : 0;
      d.start = start, d.end = end;
      for (int c = 0; c < w.covers[a.pass]; ++c) doer[w.node(w.covered[a.pass][c], a.stage, a.micro_batch, a.slice)] = static_cast<std::int64_t>(t.actions.size());
      t.actions.push_back(std::move(d));
      t.makespan = (std::max)(t.makespan, end);
    }
  }
  join(t, p, w, doer);
  sum_up(t);
  return t;
}

/// What a forecast knows beyond times.
inline void take_details(timeline& t, const plan_view& p, const forecast& f) {
  std::vector<std::int64_t> drawn(static_cast<std::size_t>(p.actions.count), -1);
  for (std::size_t k = 0; k < t.actions.size(); ++k) {
    t.actions[k].slack = f.slack[t.actions[k].entry];
    drawn[static_cast<std::size_t>(t.actions[k].entry)] = static_cast<std::int64_t>(k);
  }
  for (std::int64_t entry : f.critical)
    if (const std::int64_t k = drawn[static_cast<std::size_t>(entry)]; k >= 0) t.actions[static_cast<std::size_t>(k)].critical = true;
  for (int r = 0; r < p.ranks; ++r) {
    drawn_rank& rank = t.of_rank[static_cast<std::size_t>(r)];
    rank.idle = f.idle[r];
    rank.peak = f.held_of[r];
    rank.memory.assign(f.memory[r].begin(), f.memory[r].end());
  }
}

}  // namespace detail

/// A timeline as simulate foretells it; throws what simulate throws.
inline timeline make_timeline(const plan_view& p, const costs& prices = costs(), const holding& holds = holding(), const timeline_options& how = {}) {
  const forecast f = simulate(p, prices, holds, {.record = true});
  timeline t = detail::lay_out(p, how, false, [&](std::int64_t entry) { return std::pair(f.starts[entry], f.ends[entry]); });
  detail::take_details(t, p, f);
  return t;
}

}  // namespace stretto::inline v0
