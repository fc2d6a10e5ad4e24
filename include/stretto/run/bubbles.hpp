// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Why ranks were idle in a recorded step, in the words of simulate, beside what simulate foretells of the same passes.
//
//     const bubble_report b = bubbles_of(p.steps(), p.step(n).measured());     b.measured[2].idle.wait, b.foretold[2].idle.wait
//     std::printf("%s", to_table(b).c_str());
//         rank            work  update    fill    wait  communication   drain  imbalance
//            0  measured 12.1 ms  40 us     0 us  ...
//               foretold …
// fill, wait, communication, drain and imbalance are those of plan/forecast.hpp: the foretold ones of a simulation in which
// every pass takes what it took here on average, and messages nothing. update is what a rank works at the step's end: its
// NORM and UPDATE, waiting for others' sums left out. Ranks that weren't measured have none. Cost: that of simulate.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <stretto/plan/simulate.hpp>
#include <stretto/run/hang_report.hpp>   // lasting
#include <stretto/run/measured.hpp>

namespace stretto::inline v0 {

struct rank_bubbles {
  double work = 0;    ///< at passes of micro-batches
  double update = 0;  ///< at passes that happen once a step
  idle_causes idle;
};

struct bubble_report {
  double makespan = 0, foretold_makespan = 0;  ///< seconds from the first start to the last end
  std::vector<rank_bubbles> measured, foretold;  ///< by rank
};

namespace detail {

inline std::vector<rank_bubbles> bubbles_in(const timeline& t, const plan_view& p) {
  std::vector<rank_bubbles> all(t.of_rank.size());
  for (std::size_t r = 0; r < all.size(); ++r) all[r].idle = t.of_rank[r].idle;
  for (const drawn_action& d : t.actions) {
    if (d.on != lane::compute || d.half == 2) continue;
    rank_bubbles& rank = all[static_cast<std::size_t>(d.rank)];
    (p.passes->passes[d.pass].per == share::step ? rank.update : rank.work) += d.end - d.start;
  }
  return all;
}

inline std::string padded_left(std::string word, std::size_t width) { return word.size() < width ? std::string(width - word.size(), ' ') + word : word; }

}  // namespace detail

/// @post of each measured rank: work + update + idle.sum() is makespan, but for rounding.
inline bubble_report bubbles_of(const plan_view& program, const recording& r) {
  const timeline measured = make_timeline(program, r), foretold = make_timeline(program, mean_costs(program, r), holding(0, 0, 0));
  bubble_report out;
  out.makespan = measured.makespan, out.foretold_makespan = foretold.makespan;
  out.measured = detail::bubbles_in(measured, program), out.foretold = detail::bubbles_in(foretold, program);
  return out;
}

/// The report as a table: two rows a rank.
inline std::string to_table(const bubble_report& b) {
  constexpr std::size_t width = 11;
  std::string out = "rank          ";
  for (const char* title : {"work", "update", "fill", "wait", "message", "drain", "imbalance", "all"}) out += detail::padded_left(title, width);
  out += '\n';
  const auto row = [&](const std::string& who, const char* which, const rank_bubbles& r, double makespan) {
    out += detail::padded_left(who, 4) + "  " + which;
    const auto cell = [&](double seconds) { out += detail::padded_left(seconds < 0.5e-6 ? "0" : detail::lasting(seconds), width); };
    for (const double seconds : {r.work, r.update, r.idle.fill, r.idle.wait, r.idle.communication, r.idle.drain, r.idle.imbalance, makespan}) cell(seconds);
    out += '\n';
  };
  for (std::size_t r = 0; r < b.measured.size(); ++r) {
    row(std::to_string(r), "measured", b.measured[r], b.makespan);
    row("", "foretold", b.foretold[r], b.foretold_makespan);
  }
  return out;
}

}  // namespace stretto::inline v0
