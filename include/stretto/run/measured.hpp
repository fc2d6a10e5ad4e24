// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A recorded step as a timeline, and what its passes cost on average: a run drawn beside its simulation, in one page.
//
//     const recording r = p.step(n).measured();
//     const timeline measured = make_timeline(p.steps(), r);
//     const timeline foretold = make_timeline(p.steps(), mean_costs(p.steps(), r), holding(), {.unit = "s"});
//     to_html(foretold, &measured);   to_trace(foretold, &measured);
// Times count from the first start. Ranks of other processes were not measured here and stay empty. Cost: O(entries).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include <stretto/draw/timeline.hpp>
#include <stretto/run/recorder.hpp>

namespace stretto::inline v0 {

namespace detail {

inline void require_same(const plan_view& program, const recording& r) {
  for (const std::vector<double>* times : {&r.starts, &r.ends})
    if (static_cast<std::int64_t>(times->size()) != program.actions.count)
      throw error(text("stretto: a recording of ", static_cast<std::int64_t>(times->size()), " entries is drawn by a program of ", program.actions.count,
                       "; give the program that was recorded, which is steps() of its pipeline").str());
}

/// Whether an entry was measured: those of other processes, and receives, have no times.
inline bool was_measured(const recording& r, std::int64_t entry) {
  const auto i = static_cast<std::size_t>(entry);
  return r.starts[i] != 0 || r.ends[i] != 0;
}

/// What every rank holds over time: taken at a start, released at an end.
inline void fill_memory(timeline& t, const plan_view& p, const holding& h) {
  const graph& g = *p.passes;
  const std::uint32_t done = g.covers_of(used_passes(p));
  bool releases = false;  // where no pass in the plan releases, a pass lets go what it took when it ends
  for (int k = 0; k < g.pass_count; ++k) releases = releases || ((done >> k & 1) != 0 && h.pass[k] < 0);
  struct change {
    double when, amount;
  };
  std::vector<std::vector<change>> changes(t.of_rank.size());
  for (const drawn_action& d : t.actions) {
    const pass_kind& kind = g.passes[d.pass];
    const double slices = kind.per == share::slice ? p.slices : 1, chunks = kind.by == scope::stage ? p.chunks(d.rank) : 1;
    double taken = 0, released = 0;
    for (int c = 0; c < g.pass_count; ++c) {
      if ((g.cover(d.pass) >> c & 1) == 0) continue;
      double held = static_cast<double>(h.pass[c]) / chunks;
      for (const auto& one : h.specials)
        if (one.stage == d.stage && one.pass == c) held = static_cast<double>(one.amount);
      (held > 0 ? taken : released) += (held > 0 ? held : -held) / slices;
    }
    auto& here = changes[static_cast<std::size_t>(d.rank)];
    if (taken > 0) here.push_back({d.start, taken});
    if (const double gone = releases ? released : taken; gone > 0) here.push_back({d.end, -gone});
  }
  for (std::size_t r = 0; r < changes.size(); ++r) {
    drawn_rank& rank = t.of_rank[r];
    const auto of = static_cast<std::int64_t>(r);
    double held = of < h.always.size() ? static_cast<double>(h.always[of]) : 0;
    rank.memory.push_back({0, held});
    rank.peak = held;
    std::stable_sort(changes[r].begin(), changes[r].end(), [](const change& a, const change& b) { return a.when < b.when || (a.when == b.when && a.amount < b.amount); });
    for (const change& c : changes[r]) {
      held += c.amount;
      if (std::abs(held) < 1e-9) held = 0;
      rank.peak = (std::max)(rank.peak, held);
      if (rank.memory.back().from == c.when) rank.memory.back().held = held;
      else rank.memory.push_back({c.when, held});
    }
  }
}

/// Gives messages the times at which they were put and taken, where these were measured.
inline void time_messages(timeline& t, const recording& r, double first) {
  using key = std::tuple<int, int, int, int, bool>;  // stages, micro-batch, slice, direction
  std::vector<std::pair<key, const message_times*>> by_key;
  for (const message_times& m : r.messages) by_key.push_back({{m.from_stage, m.to_stage, m.micro_batch, m.slice, m.forward}, &m});
  std::sort(by_key.begin(), by_key.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (drawn_message& m : t.messages) {
    const drawn_action &from = t.actions[static_cast<std::size_t>(m.from)], &to = t.actions[static_cast<std::size_t>(m.to)];
    const key wanted{from.stage, to.stage, to.micro_batch, to.slice, from.pass == pass::forward};
    const auto found = std::lower_bound(by_key.begin(), by_key.end(), wanted, [](const auto& a, const key& b) { return a.first < b; });
    if (found == by_key.end() || found->first != wanted || found->second->put == 0 || found->second->taken == 0) continue;
    m.sent = found->second->put - first;
    m.taken = found->second->taken - first;
  }
}

}  // namespace detail

/// The timeline of a recorded step of `program`, in seconds. What its ranks held follows from `holds`.
inline timeline make_timeline(const plan_view& program, const recording& r, const timeline_options& how = {}, const holding& holds = holding()) {
  detail::require_same(program, r);
  double first = std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < program.actions.count; ++i)
    if (!program.actions[i].is_message() && detail::was_measured(r, i)) first = (std::min)(first, r.starts[static_cast<std::size_t>(i)]);
  timeline_options in_seconds = how;
  in_seconds.unit = "s";
  timeline t = detail::lay_out(program, in_seconds, true, [&](std::int64_t entry) {
    const auto i = static_cast<std::size_t>(entry);
    return detail::was_measured(r, entry) ? std::pair(r.starts[i] - first, r.ends[i] - first) : std::pair(-1.0, -1.0);
  });
  detail::time_messages(t, r, first);
  detail::fill_memory(t, program, holds);
  return t;
}

/// What the passes of a recorded step took on average, in seconds: by stage and pass, or by rank where a pass is a rank's.
/// Messages cost nothing.
inline costs mean_costs(const plan_view& program, const recording& r) {
  detail::require_same(program, r);
  const graph& g = *program.passes;
  const int places = (std::max)(program.ranks, program.stages);
  struct sum {
    double time = 0;
    int count = 0;
  };
  std::vector<sum> sums(static_cast<std::size_t>(places) * graph::max_passes);
  const auto at = [&](int place, int k) -> sum& { return sums[static_cast<std::size_t>(place) * graph::max_passes + static_cast<std::size_t>(k)]; };
  for (std::int64_t i = 0; i < program.actions.count; ++i) {
    const action& a = program.actions[i];
    if (a.is_message() || !detail::was_measured(r, i)) continue;
    sum& s = at(a.stage, a.pass);
    s.time += r.ends[static_cast<std::size_t>(i)] - r.starts[static_cast<std::size_t>(i)];
    ++s.count;
  }
  costs c(0, 0, 0);
  for (double& one : c.pass) one = 0;
  for (int place = 0; place < places; ++place)
    for (int k = 0; k < graph::max_passes; ++k) {
      const sum& s = at(place, k);
      if (s.count == 0) continue;
      const double mean = s.time / s.count * (g.passes[k].per == share::slice ? program.slices : 1);
      const std::uint32_t cover = g.cover(static_cast<pass_id>(k));
      int nodes = 0;  // a fused pass costs the sum of those that it does: each gets its part, unless it was measured itself
      for (int n = 0; n < g.pass_count; ++n) nodes += (cover >> n & 1) != 0 ? 1 : 0;
      for (int n = 0; n < g.pass_count; ++n)
        if ((cover >> n & 1) != 0 && g.is_node(n) && (n == k || at(place, n).count == 0))
          c.specials.push_back({g.passes[k].by, place, static_cast<pass_id>(n), mean / nodes});
    }
  return c;
}

}  // namespace stretto::inline v0
