// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which ranks are slow, from recordings of several steps: beside others that do the same work, and beside their own past.
//
//     const straggler_report s = stragglers_of(p.steps(), recordings, {.cut = {0, 3, 6, 9, 12}});
//     s.found[0].rank, s.found[0].times, s.found[0].first_step;     std::printf("%s", to_text(s).c_str());
// The time of a pass is the median over a step's micro-batches, so one hiccup is none. A stage is slow in a step where it is
// more than `score` deviations above the median of all stages, a deviation being 1.4826 times the median distance from it
// (MAD), and more than `least` of it in excess; and named where that is so in `steps` steps on end. Where stages have other
// numbers of layers, times are compared by the layer; and where ranks differ because of that, the layer
// to move is named. What a layer takes isn't recorded, so those of a stage are taken to be alike.
// Cost: O(entries * log(entries)).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/run/hang_report.hpp>   // lasting
#include <stretto/run/measured.hpp>

namespace stretto::inline v0 {

struct straggler_options {
  double score = 3.5;        ///< deviations above the median
  double least = 0.1;        ///< and so much of the median
  double seconds = 20e-6;    ///< and so much in time: less is noise of the machine
  int steps = 3;             ///< on end
  std::vector<int> cut = {};  ///< the first layer of each stage, and how many there are; empty: stages are alike
};

struct straggler {
  int rank = 0, stage = 0;
  pass_id pass = 0;
  bool than_before = false;  ///< slower than it was itself; else: than the others
  int first_step = 0, last_step = 0;  ///< of the recordings, in their order
  double times = 1;          ///< how many times as long it takes, over these steps
};

/// A layer that one stage would better leave to its neighbour.
struct layer_move {
  int layer = -1;            ///< -1: none
  int from_stage = 0, to_stage = 0;
  double before = 0, after = 0;  ///< seconds that the busiest rank works for a micro-batch
};

struct straggler_report {
  std::vector<straggler> found;
  layer_move move;
  std::string pass_names[graph::max_passes];
};

namespace detail {

inline double median(std::vector<double> all) {
  if (all.empty()) return 0;
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::nth_element(all.begin(), middle, all.end());
  if (all.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(all.begin(), middle)) / 2;
}

/// How far above the others' median, in deviations; 0 where it isn't, or hardly.
inline double score_of(double one, const std::vector<double>& all, double least) {
  const double centre = median(all);
  if (!(one > centre * (1 + least))) return 0;
  std::vector<double> distances;
  for (const double x : all) distances.push_back(std::abs(x - centre));
  const double deviation = (std::max)(1.4826 * median(distances), 0.01 * centre);  // a hundredth is noise in any case
  return (one - centre) / deviation;
}

/// By recorded step: the median time of each pass of each stage; 0 where it wasn't measured.
struct pass_times {
  int stages;
  std::vector<std::vector<double>> of;  // by step; stage × passes

  double& at(std::size_t step, int stage, int pass) { return of[step][static_cast<std::size_t>(stage) * graph::max_passes + static_cast<std::size_t>(pass)]; }
};

inline pass_times times_by_pass(const plan_view& p, std::span<const recording> steps) {
  pass_times out{p.stages, {}};
  for (const recording& r : steps) {
    require_same(p, r);
    std::vector<std::vector<double>> all(static_cast<std::size_t>(p.stages) * graph::max_passes);
    for (std::int64_t i = 0; i < p.actions.count; ++i) {
      const action& a = p.actions[i];
      if (a.is_message() || !was_measured(r, i) || p.passes->passes[a.pass].by != scope::stage || p.passes->passes[a.pass].per == share::step) continue;
      all[static_cast<std::size_t>(a.stage) * graph::max_passes + a.pass].push_back(r.ends[static_cast<std::size_t>(i)] - r.starts[static_cast<std::size_t>(i)]);
    }
    out.of.emplace_back();
    for (auto& one : all) out.of.back().push_back(median(std::move(one)));
  }
  return out;
}

/// Notes a run of steps in which `slow(step)` holds, where it is long enough.
template <class Slow, class Ratio>
void note_run(straggler_report& out, straggler one, std::size_t steps, int least, Slow&& slow, Ratio&& ratio) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= steps; ++i) {
    if (i < steps && slow(i)) continue;
    if (i - begin >= static_cast<std::size_t>(least)) {
      std::vector<double> ratios;
      for (std::size_t k = begin; k < i; ++k) ratios.push_back(ratio(k));
      one.first_step = static_cast<int>(begin), one.last_step = static_cast<int>(i) - 1, one.times = median(std::move(ratios));
      out.found.push_back(one);
    }
    begin = i + 1;
  }
}

/// The one layer whose move to the stage beside its own helps the busiest rank most.
inline layer_move best_move(const plan_view& p, pass_times& times, const std::vector<int>& cut) {
  layer_move best;
  std::vector<double> load;  // by stage, over all its passes
  for (int s = 0; s < p.stages; ++s) {
    load.push_back(0);
    for (int k = 0; k < graph::max_passes; ++k) {
      std::vector<double> all;
      for (std::size_t i = 0; i < times.of.size(); ++i) all.push_back(times.at(i, s, k));
      load.back() += median(std::move(all));
    }
  }
  const auto busiest = [&](int from, int to, double moved) {
    std::vector<double> ranks(static_cast<std::size_t>(p.ranks), 0);
    for (int s = 0; s < p.stages; ++s)
      if (const int r = p.owner(pass::forward, s, 0); r >= 0) ranks[static_cast<std::size_t>(r)] += load[static_cast<std::size_t>(s)] + (s == to ? moved : s == from ? -moved : 0);
    return *std::max_element(ranks.begin(), ranks.end());
  };
  best.before = best.after = busiest(-1, -1, 0);
  for (int s = 0; s + 1 < p.stages; ++s)
    for (const bool up : {true, false}) {
      const int from = up ? s : s + 1, to = up ? s + 1 : s, layers = cut[static_cast<std::size_t>(from) + 1] - cut[static_cast<std::size_t>(from)];
      if (layers < 2) continue;
      const double after = busiest(from, to, load[static_cast<std::size_t>(from)] / layers);
      if (after < best.after) best = {up ? cut[static_cast<std::size_t>(s) + 1] - 1 : cut[static_cast<std::size_t>(s) + 1], from, to, best.before, after};
    }
  if (best.after > 0.97 * best.before) best.layer = -1;  // not worth it
  return best;
}

}  // namespace detail

/// Throws stretto::error where a recording isn't of that program, or the cut isn't one of its stages.
inline straggler_report stragglers_of(const plan_view& program, std::span<const recording> steps, const straggler_options& how = {}) {
  if (!how.cut.empty() && static_cast<int>(how.cut.size()) != program.stages + 1)
    throw error(text("stretto: straggler_options::cut is of ", static_cast<std::int64_t>(how.cut.size()) - 1, " stages and the program has ", program.stages, "; give the cut that was bound").str());
  straggler_report out;
  for (int k = 0; k < program.passes->pass_count; ++k) out.pass_names[k] = std::string(program.passes->passes[k].name.str());
  detail::pass_times times = detail::times_by_pass(program, steps);
  const auto by_layer = [&](std::size_t step, int stage, int k) {
    const int layers = how.cut.empty() ? 1 : how.cut[static_cast<std::size_t>(stage) + 1] - how.cut[static_cast<std::size_t>(stage)];
    return times.at(step, stage, k) / (layers > 0 ? layers : 1);
  };
  const auto is_slow = [&](std::size_t step, int stage, int k, const std::vector<double>& beside) {
    const double one = by_layer(step, stage, k), whole = times.at(step, stage, k);
    return detail::score_of(one, beside, how.least) > how.score && whole * (1 - detail::median(beside) / one) >= how.seconds;
  };
  for (int stage = 0; stage < program.stages; ++stage)
    for (int k = 0; k < program.passes->pass_count; ++k) {
      straggler one;
      one.rank = program.owner(pass::forward, stage, 0), one.stage = stage, one.pass = static_cast<pass_id>(k);
      std::vector<std::vector<double>> others(steps.size());
      for (std::size_t i = 0; i < steps.size(); ++i)
        for (int s = 0; s < program.stages; ++s)
          if (by_layer(i, s, k) > 0) others[i].push_back(by_layer(i, s, k));
      detail::note_run(out, one, steps.size(), how.steps, [&](std::size_t i) { return others[i].size() > 2 && is_slow(i, stage, k, others[i]); },
                       [&](std::size_t i) { return by_layer(i, stage, k) / detail::median(others[i]); });
      const auto past = [&](std::size_t i) {
        std::vector<double> before;
        for (std::size_t j = 0; j < i; ++j)
          if (by_layer(j, stage, k) > 0) before.push_back(by_layer(j, stage, k));
        return before;
      };
      one.than_before = true;
      detail::note_run(out, one, steps.size(), how.steps, [&](std::size_t i) { return past(i).size() > 2 && is_slow(i, stage, k, past(i)); },
                       [&](std::size_t i) { return by_layer(i, stage, k) / detail::median(past(i)); });
    }
  if (!how.cut.empty() && !steps.empty()) out.move = detail::best_move(program, times, how.cut);
  return out;
}

/// The report, a line each. `numbers` names the recorded steps; empty: from 0.
inline std::string to_text(const straggler_report& s, std::span<const std::int64_t> numbers = {}) {
  const auto number = [&](int step) { return std::to_string(numbers.empty() ? step : numbers[static_cast<std::size_t>(step)]); };
  std::string out;
  for (const straggler& one : s.found) {
    char times[32];
    std::snprintf(times, sizeof times, "%.2f", one.times);
    out += "rank " + std::to_string(one.rank) + ", pass " + s.pass_names[one.pass] + " of stage " + std::to_string(one.stage) + ": " + times + " times as long as " +
           (one.than_before ? "before" : "the others") + ", in steps " + number(one.first_step) + " to " + number(one.last_step) + "\n";
  }
  if (s.move.layer >= 0)
    out += "if the layers of stage " + std::to_string(s.move.from_stage) + " take alike, layer " + std::to_string(s.move.layer) + " would better go to stage " + std::to_string(s.move.to_stage) + ": the busiest rank then works " +
           detail::lasting(s.move.after) + " a micro-batch, not " + detail::lasting(s.move.before) + "\n";
  if (out.empty()) out = "no rank is slow\n";
  return out;
}

}  // namespace stretto::inline v0
