// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Commands that measure: metrics, in few numbers, and simulate, in many.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <stretto/plan/bounds.hpp>
#include <stretto/plan/spread.hpp>

#include "choose.hpp"
#include "words.hpp"

namespace explore {

/// Keys and values, as lines or as one JSON object. A value that is a list or a text is written as JSON has it.
struct sheet {
  std::vector<std::pair<std::string, std::string>> lines;

  std::string json() const {
    std::string out;
    for (const auto& [key, value] : lines) out += (out.empty() ? "{\"" : ", \"") + key + "\": " + value;
    return out + "}";
  }
};

inline std::string list_of(const stretto::heap_array<double>& numbers, const char* begin = "", const char* end = "") {
  std::string all;
  for (double x : numbers) all += (all.empty() ? "" : ",") + digits(x);
  return begin + all + end;
}

inline int metrics(arguments& a) {
  int steps = 1;
  bool json = false;
  const chosen c = choose(a, {"metrics", ", --steps N, --json", [&](arguments& more) {
                                more.integer("--steps", steps, 1, 1'000'000);
                                json = more.flag("--json");
                              }});
  const stretto::forecast f = stretto::simulate(c.plan, c.prices.costs, c.prices.holding, {.steps = steps});
  sheet s{{{"makespan", digits(f.makespan)},
           {"span", digits(f.span)},
           {"bubble", digits(settled(f.bubble(), f.makespan))},
           {"bubble_rate", digits(settled(f.bubble_rate(), 1))},
           {"span_bubble_rate", digits(settled(f.span_bubble_rate(), 1))},
           {"peak", digits(f.peak)},
           {"peak_per_rank", json ? list_of(f.peak_of, "[", "]") : list_of(f.peak_of)},
           {"actions", std::to_string(f.actions)},
           {"messages", std::to_string(f.messages)}}};
  if (steps > 1) s.lines.push_back({"step", digits(f.step)});
  std::string out;
  for (const auto& [key, value] : s.lines) out += key + " " + value + "\n";
  put(json ? s.json() + "\n" : out);
  return 0;
}

/// The critical path in short: passes of one rank together, long runs cut in the middle; > is a message to another rank.
inline std::string path_of(const stretto::plan_view& p, const stretto::forecast& f) {
  const stretto::naming name(p);
  const auto rank_of = [&](std::int64_t entry) { return static_cast<int>(std::upper_bound(p.rows, p.rows + p.ranks + 1, entry) - p.rows) - 1; };
  std::string out;
  for (std::int64_t i = 0; i < f.critical.size();) {
    std::int64_t behind = i;
    while (behind < f.critical.size() && rank_of(f.critical[behind]) == rank_of(f.critical[i])) ++behind;
    out += out.empty() ? "" : " >";
    for (std::int64_t k = i; k < behind; ++k) {
      if (behind - i > 6 && k == i + 3) {
        out += " …";
        k = behind - 2;
      }
      out += (out.empty() ? "" : " ") + std::string(name(p.actions[f.critical[k]]).str());
    }
    i = behind;
  }
  return out;
}

/// A table with its columns aligned: numbers to the right; the first column, and one called remark, to the left.
/// `least` is how wide columns are at least, so that rows of two tables are alike.
inline std::string aligned(const std::vector<std::vector<std::string>>& rows, std::vector<std::size_t> least = {}) {
  std::vector<std::size_t> width = std::move(least);
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      width.resize(std::max(width.size(), i + 1), 0);
      width[i] = std::max(width[i], row[i].size());
    }
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      out += rows.front()[i] == "remark" ? "  " + row[i] : i == 0 ? padded(row[i], width[i]) : "  " + std::string(width[i] - row[i].size(), ' ') + row[i];
    out.erase(out.find_last_not_of(' ') + 1);
    out += "\n";
  }
  return out;
}

inline int simulate(arguments& a) {
  int steps = 1, times = 0;
  bool json = false;
  const chosen c = choose(a, {"simulate", ", --steps N, --spread N, --json", [&](arguments& more) {
                                more.integer("--steps", steps, 1, 1'000'000);
                                more.integer("--spread", times, 1, 10'000);
                                json = more.flag("--json");
                              }});
  if (times > 0 && !c.prices.costs.noise.any()) refuse("--spread is of steps with noise, and without it all are the same; add --jitter X or --stragglers SHARE,FACTOR");
  const stretto::forecast f = stretto::simulate(c.plan, c.prices.costs, c.prices.holding, {.steps = steps, .record = true});
  const stretto::plan_view p = c.plan;
  const stretto::bounds least = stretto::lower_bounds(p, c.prices.costs, f.peak_of, c.prices.holding);
  const std::string path = path_of(p, f);
  const auto part = [&](double x) { return settled(x, f.makespan); };
  stretto::spread all;
  if (times > 0) all = stretto::spread_of(p, c.prices.costs, times, {.steps = steps});
  if (json) {
    std::string ranks;
    for (int r = 0; r < p.ranks; ++r) {
      const stretto::idle_causes& i = f.idle[r];
      ranks += (r > 0 ? ", " : "") +
               sheet{{{"work", digits(f.work_of[r])}, {"fill", digits(part(i.fill))}, {"wait", digits(part(i.wait))}, {"communication", digits(part(i.communication))},
                      {"drain", digits(part(i.drain))}, {"imbalance", digits(part(i.imbalance))}, {"peak", digits(f.peak_of[r])}}}.json();
    }
    sheet s{{{"makespan", digits(f.makespan)}, {"steps", std::to_string(steps)}, {"step", digits(f.step)}, {"bubble_rate", digits(settled(f.bubble_rate(), 1))},
               {"peak", digits(f.peak)}, {"bound", digits(least.best())}, {"messages", std::to_string(f.messages)}, {"ranks", "[" + ranks + "]"},
               {"critical", quoted(path)}}};
    if (times > 0)
      s.lines.push_back({"spread", sheet{{{"seeds", std::to_string(times)}, {"median", digits(all.share(0.5))}, {"p95", digits(all.share(0.95))}}}.json()});
    put(s.json() + "\n");
    return 0;
  }
  std::string out = R"(step time  )" + digits(f.step, 6) + (steps > 1 ? R"(, steady, of )" + std::to_string(steps) + R"( that take )" + digits(f.makespan, 6) : "") + "\n";
  if (times > 0) {
    out += "spread     " R"(median )" + digits(all.share(0.5), 6) + R"(, 95 % within )" + digits(all.share(0.95), 6) + ", of " + std::to_string(times) + " seeds";
    out += (steps > 1 ? " and all " + std::to_string(steps) + " steps" : "") + "\n";
  }
  out += "bubble     " + percent(f.bubble_rate()) + "\n";
  out += "bound      " + digits(least.best(), 6) + R"(, which no order of one step can beat)" "\n";
  out += "messages   " + std::to_string(f.messages) + "\n\n";
  std::vector<std::vector<std::string>> rows{{"", "work", "fill", "wait", "communication", "drain", "imbalance", "peak"}};
  for (int r = 0; r < p.ranks; ++r) {
    const stretto::idle_causes& i = f.idle[r];
    rows.push_back({"rank " + std::to_string(r)});
    for (double x : {f.work_of[r], i.fill, i.wait, i.communication, i.drain, i.imbalance}) rows.back().push_back(digits(part(x), 4));
    rows.back().push_back(digits(f.peak_of[r], 4));
  }
  out += aligned(rows) + "\n" R"(critical path )" + path + "\n";
  put(out);
  return 0;
}

}  // namespace explore
