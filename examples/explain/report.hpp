// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What stretto-explain says of a run, from the logs of its ranks.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <stretto/explain.hpp>

#include "../explore/files.hpp"

namespace explain {

using explore::refuse;

/// The logs in the files. A file that is no log is refused by name.
inline std::vector<stretto::rank_log> read_logs(const std::vector<std::string>& files) {
  std::vector<stretto::rank_log> logs;
  for (const std::string& file : files) {
    try {
      logs.push_back(stretto::read_dump(explore::read_file(file)));
    } catch (const explore::usage_error&) {
      throw;
    } catch (const stretto::error& e) {
      refuse("the file '" + file + "' is no log: " + std::string(e.what()).substr(9));
    }
  }
  return logs;
}

/// The step of that number; without one the last that all ranks have ended, of training if there is one.
inline const stretto::merged_step* choose_step(const stretto::run_log& all, int number) {
  const stretto::merged_step* found = nullptr;
  for (const stretto::merged_step& s : all.steps) {
    if (number > 0 && s.number == number) return &s;
    if (number == 0 && s.whole && (found == nullptr || s.order == 0 || found->order != 0)) found = &s;
  }
  if (number == 0) return found;
  std::string known;
  for (const stretto::merged_step& s : all.steps) known += (known.empty() ? "" : ", ") + std::to_string(s.number);
  refuse("step " + std::to_string(number) + " isn't in the logs; they have " + (known.empty() ? "none" : known));
}

inline std::string name_of(const stretto::merged_step& s) {
  return "step " + std::to_string(s.number) + (s.order == 0 ? "" : " of order " + std::to_string(s.order)) + (s.whole ? "" : " (unfinished)");
}

inline stretto::timeline drawn(const stretto::run_log& all, const stretto::merged_step& s) { return stretto::make_timeline(all.work(s), s.times, {.title = name_of(s)}); }

/// When the first pass of a step began, on the run's axis; below 0 where none has.
inline double first_start(const stretto::plan_view& p, const stretto::recording& r) {
  double first = -1;
  for (std::int64_t i = 0; i < p.actions.count; ++i)
    if (const double start = r.starts[static_cast<std::size_t>(i)]; !p.actions[i].is_message() && (start != 0 || r.ends[static_cast<std::size_t>(i)] != 0) && (first < 0 || start < first)) first = start;
  return first;
}

inline std::string trace_of(const stretto::run_log& all) {
  std::vector<stretto::timeline> steps;
  std::vector<double> begins;
  for (const stretto::merged_step& s : all.steps)
    if (const double begin = first_start(all.work(s), s.times); begin >= 0) steps.push_back(drawn(all, s)), begins.push_back(begin);
  std::vector<stretto::placed_timeline> placed;
  for (std::size_t i = 0; i < steps.size(); ++i) placed.push_back({&steps[i], begins[i]});
  return stretto::to_trace(placed);
}

inline std::string page_of(const stretto::run_log& all, const stretto::merged_step& s) {
  const stretto::plan_view p = all.work(s);
  const stretto::timeline measured = drawn(all, s), foretold = stretto::make_timeline(p, stretto::mean_costs(p, s.times), stretto::holding(), {.title = name_of(s), .unit = "s"});
  return stretto::to_html(foretold, &measured);
}

/// The sizes of the run, and how well its clocks are known.
inline std::string head_of(const std::vector<stretto::rank_log>& logs, const stretto::run_log& all) {
  std::int64_t worst = 0, moved = 0;
  bool measured = true;
  int count = 0;
  for (const stretto::rank_log* const log : stretto::logs_by_rank(logs)) {
    if (log == nullptr) continue;
    ++count;
    worst = std::max(worst, log->uncertainty), measured = measured && log->uncertainty >= 0;
    moved = std::max(moved, std::abs(all.moved[static_cast<std::size_t>(log->rank)]));
  }
  std::string out = std::to_string(count) + " logs of " + std::to_string(all.ranks) + " ranks, " + std::to_string(all.steps.size()) + " steps kept, clocks ";
  out += measured && worst == 0 ? "alike" : measured ? "within " + stretto::detail::lasting(static_cast<double>(worst) * 1e-9) : "not compared";
  if (moved > 0) out += ", put right by messages by up to " + stretto::detail::lasting(static_cast<double>(moved) * 1e-9);
  if (!all.aligned) out += "; messages contradict each other, so times of different ranks can't be compared";
  if (count < static_cast<int>(logs.size())) out += "; of " + std::to_string(logs.size()) + " logs " + std::to_string(logs.size() - static_cast<std::size_t>(count)) + " are of an earlier run, or older, and left out";
  return out + "\n";
}

inline std::string measures_of(const stretto::run_log& all, const stretto::merged_step& s) {
  const stretto::plan_view p = all.work(s);
  std::string out = "\n" + name_of(s) + ": what each rank did, beside a simulation of the same passes\n" + stretto::to_table(stretto::bubbles_of(p, s.times));
  std::vector<stretto::recording> steps;
  std::vector<std::int64_t> numbers;
  for (const stretto::merged_step& one : all.steps)
    if (one.order == s.order && one.whole) steps.push_back(one.times), numbers.push_back(one.number);
  out += "\nslow ranks, over " + std::to_string(steps.size()) + " steps\n";
  return out + stretto::to_text(stretto::stragglers_of(p, steps, {.cut = all.find_order(s.order)->cut}), numbers);
}

}  // namespace explain
