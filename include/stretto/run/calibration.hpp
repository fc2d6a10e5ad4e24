// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What passes and messages cost, from recorded steps of any order over the same cut: the input of simulate for others.
//
//     calibration c = calibrate(p.steps(), recordings);        of one process; p.calibrate(recordings) where there are several
//     c.add(calibrate(split_program, more));                   what another order showed beside it: I and W for themselves
//     simulate(other_plan, c.prices(other_plan)).makespan
// A pass costs the median over steps and micro-batches, by rank, stage and slice, so one disturbed step doesn't matter. A
// link's latency is the lower quartile of taken - put, over messages whose receiver waited already. A fused B that wasn't seen
// costs I + W, and of I and W that weren't, each half of B; what was assumed is told. Times are in seconds.
// Cost: a sort of the entries recorded.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/costs.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/run/gather_recordings.hpp>
#include <stretto/run/recorder.hpp>

namespace stretto::inline v0 {

/// What an entry of a pass takes.
struct pass_figure {
  int rank = 0, stage = 0;
  pass_id pass = no_pass;
  int slice = 0;
  std::int64_t count = 0;   ///< entries seen
  double seconds = 0;       ///< their median
  double spread = 0;        ///< half of what lies between their quartiles
};

/// What a message takes from one rank to another.
struct link_figure {
  int from = 0, to = 0;
  std::int64_t count = 0;   ///< messages whose receiver waited already; 0: none, and nothing is known
  double latency = 0;
};

namespace detail {

/// The number below which so much of a sorted list lies.
inline double quantile(const std::vector<double>& sorted, int quarters) {
  const auto n = sorted.size();
  if (quarters == 2 && n % 2 == 0) return (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
  return sorted[(n - 1) * static_cast<std::size_t>(quarters) / 4];
}


}  // namespace detail

struct calibration {
  std::vector<pass_figure> passes;  ///< by rank, stage, pass, slice
  std::vector<link_figure> links;   ///< by from, to
  int steps = 0;
  double span = 0;                  ///< median of the steps': the longest, over ranks, from a rank's first start to its last end
  double noise = 0;                 ///< half of what lies between the quartiles of these, as a share of the median

  const pass_figure* find(int rank, int stage, pass_id k, int slice = 0) const {
    const pass_figure wanted{.rank = rank, .stage = stage, .pass = k, .slice = slice};
    const auto at = std::lower_bound(passes.begin(), passes.end(), wanted, before);
    return at != passes.end() && !before(wanted, *at) ? &*at : nullptr;
  }

  /// What another calibration knows of passes and links that this one knows nothing of.
  void add(const calibration& more) {
    std::vector<pass_figure> others;
    for (const pass_figure& f : more.passes)
      if (find(f.rank, f.stage, f.pass, f.slice) == nullptr) others.push_back(f);
    passes.insert(passes.end(), others.begin(), others.end());
    std::sort(passes.begin(), passes.end(), before);
    for (const link_figure& f : more.links) {
      const auto mine = std::find_if(links.begin(), links.end(), [&](const link_figure& l) { return l.from == f.from && l.to == f.to; });
      if (mine == links.end()) links.push_back(f);
      else if (mine->count == 0) *mine = f;
    }
  }

  /// What an entry of an order costs, by what was seen. `assumed` is set where I and W are guessed from B.
  double price(int rank, const action& a, bool* assumed = nullptr) const {
    const auto of = [&, this](pass_id k) { return find(rank, a.stage, k, a.slice); };
    if (const pass_figure* seen = of(a.pass)) return seen->seconds;
    if (const auto *i = of(pass::backward_input), *w = of(pass::backward_weight); a.pass == pass::backward && i != nullptr && w != nullptr) return i->seconds + w->seconds;
    if (const pass_figure* b = of(pass::backward); b != nullptr && (a.pass == pass::backward_input || a.pass == pass::backward_weight)) {
      if (assumed != nullptr) *assumed = true;
      return b->seconds / 2;
    }
    throw error(text("stretto: a calibration has nothing of pass ", static_cast<int>(a.pass), " of stage ", a.stage, " on rank ", rank,
                     "; calibrate with recordings of a step that trains, over the same cut and placement").str(), {.rank = rank, .stage = a.stage});
  }

  /// Costs of an order, entry by entry. Of links that nothing is known of, the latency is the median of the others'.
  costs prices(const plan_view& order) const {
    costs c(0, 0, 0);
    c.entries = heap_array<double>(order.actions.count, 0.0);
    for (int r = 0; r < order.ranks; ++r)
      for (std::int64_t i = order.rows[r]; i < order.rows[r + 1]; ++i)
        if (const action& a = order.actions[i]; !a.is_message() && (a.pass == pass::forward || a.pass == pass::backward || a.pass == pass::backward_input || a.pass == pass::backward_weight))
          c.entries[i] = price(r, a);
    std::vector<double> known;
    for (const link_figure& l : links)
      if (l.count > 0) known.push_back(l.latency), c.links.push_back({.from = l.from, .to = l.to, .latency = l.latency});
    std::sort(known.begin(), known.end());
    if (!known.empty()) c.latency = detail::quantile(known, 2);
    return c;
  }

 private:
  static bool before(const pass_figure& a, const pass_figure& b) { return std::tuple(a.rank, a.stage, a.pass, a.slice) < std::tuple(b.rank, b.stage, b.pass, b.slice); }
};

/// The figures of recorded steps of one program. Times of a recording are those of one clock.
inline calibration calibrate(const plan_view& program, const std::vector<recording>& recorded) {
  if (recorded.empty()) throw error("stretto: a calibration is asked for without a recorded step; give handle.measured() of some steps");
  std::map<std::tuple<int, int, int, int>, std::vector<double>> times;  // rank, stage, pass, slice
  std::map<std::pair<int, int>, std::vector<double>> delays;
  std::map<std::tuple<int, int, int, int, bool>, std::int64_t> takers;  // stage, stage before it, micro-batch, slice, forward
  for (std::int64_t i = 0; i < program.actions.count; ++i)
    if (const action& a = program.actions[i]; !a.is_message() && program.passes->passes[a.pass].by == scope::stage) {
      const route_view r = program.route_of(a.micro_batch);
      const bool forward = a.pass == pass::forward, back = a.pass == pass::backward || a.pass == pass::backward_input;
      if (forward || back) takers[{a.stage, forward ? r.previous(a.stage) : r.next(a.stage), a.micro_batch, a.slice, forward}] = i;
    }
  std::vector<double> spans;
  for (const recording& one : recorded) {
    detail::must_fit(program, one);
    double longest = 0;
    for (int r = 0; r < program.ranks; ++r) {
      double first = 0, last = 0;
      for (std::int64_t i = program.rows[r]; i < program.rows[r + 1]; ++i) {
        const action& a = program.actions[i];
        const double start = one.starts[static_cast<std::size_t>(i)], end = one.ends[static_cast<std::size_t>(i)];
        if (a.is_message() || (start == 0 && end == 0)) continue;
        if (last == 0) first = start;
        last = end;
        if (program.passes->passes[a.pass].by == scope::stage) times[{r, a.stage, a.pass, a.slice}].push_back(end - start);
      }
      longest = (std::max)(longest, last - first);
    }
    spans.push_back(longest);
    for (const message_times& m : one.messages) {
      std::vector<double>& of = delays[{m.from, m.to}];
      const auto taker = takers.find({m.to_stage, m.from_stage, m.micro_batch, m.slice, m.forward});
      if (taker == takers.end() || m.put == 0 || m.taken == 0) continue;
      if (const double waits = one.waits[static_cast<std::size_t>(taker->second)]; waits != 0 && waits <= m.put) of.push_back((std::max)(0.0, m.taken - m.put));
    }
  }
  calibration out;
  out.steps = static_cast<int>(recorded.size());
  for (auto& [key, all] : times) {
    std::sort(all.begin(), all.end());
    const auto [rank, stage, k, slice] = key;
    out.passes.push_back({rank, stage, static_cast<pass_id>(k), slice, static_cast<std::int64_t>(all.size()), detail::quantile(all, 2), (detail::quantile(all, 3) - detail::quantile(all, 1)) / 2});
  }
  for (auto& [key, all] : delays) {
    std::sort(all.begin(), all.end());
    out.links.push_back({key.first, key.second, static_cast<std::int64_t>(all.size()), all.empty() ? 0 : detail::quantile(all, 1)});
  }
  std::sort(spans.begin(), spans.end());
  out.span = detail::quantile(spans, 2);
  if (out.span > 0) out.noise = (detail::quantile(spans, 3) - detail::quantile(spans, 1)) / (2 * out.span);
  return out;
}

/// The same by another name, for pipeline::calibrate.
inline calibration calibration_of(const plan_view& program, const std::vector<recording>& recorded) { return calibrate(program, recorded); }

}  // namespace stretto::inline v0
