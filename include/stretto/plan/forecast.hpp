// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What simulate foretells of a plan.
//
//     forecast f = simulate(p, costs(1, 1, 1, 0.1), holding(), {.record = true});
//     f.makespan, f.bubble(), f.peak            always
//     f.starts[i], f.ends[i], f.slack[i]        of entry i of the lists
//     f.idle[r].wait, f.memory[r]               why rank r was idle; what it held from when on
// The idle time of a rank has five causes, which add up to makespan - work_of[r]:
//     fill, drain      before its first pass and behind its last
//     communication    a gap in between, while the message that ends it is under way; wait: the rest of such gaps
//     imbalance        what the rank works less than the busiest one, taken from wait, then drain, fill and communication
// so the first four add up to bubble() on every rank. Cost: see simulate.hpp.
#pragma once

#include <cstdint>
#include <initializer_list>

#include <stretto/core/array.hpp>

namespace stretto::inline v0 {

/// What a rank holds from a moment on.
struct level {
  double from;
  double held;
};

/// The idle time of a rank by cause.
struct idle_causes {
  double fill = 0, wait = 0, drain = 0, communication = 0, imbalance = 0;
  constexpr double sum() const { return fill + wait + drain + communication + imbalance; }

  /// Says that so much of it is because the rank has less work than the busiest: from wait, drain, fill and communication.
  constexpr void take_imbalance(double less) {
    imbalance = less;
    for (double* cause : {&wait, &drain, &fill, &communication}) {
      const double part = *cause < less ? *cause : less;
      *cause -= part;
      less -= part;
    }
  }
};

struct forecast {
  double makespan = 0;             ///< the last end, from time 0
  double span = 0;                 ///< the longest over ranks from its first start to its last end
  double work = 0;                 ///< of the busiest rank's compute lane
  double step = 0;                 ///< steady time of a step: makespan where only one step was simulated
  double peak = 0;                 ///< the most that a rank holds, in units of what a forward of a whole share holds
  heap_array<double> peak_of;      ///< by rank
  heap_array<double> held_of;      ///< by rank, in holding's own unit
  heap_array<double> work_of;      ///< by rank, of its compute lane
  std::int64_t actions = 0;        ///< passes in the lists
  std::int64_t messages = 0;       ///< edges that cross ranks

  // Where recorded, of the last step but for memory and idle, which are of all:
  heap_array<double> starts, ends;               ///< by entry of the plan's lists; 0 for messages
  heap_array<double> slack;                      ///< by entry: how much later it may end without a later makespan
  grow_array<std::int64_t> critical;             ///< entries, each beginning when the one before it, or its message, is there
  heap_array<grow_array<level>> memory;          ///< by rank
  heap_array<idle_causes> idle;                  ///< by rank

  constexpr double bubble() const { return makespan - work; }
  constexpr double bubble_rate() const { return makespan > 0 ? bubble() / makespan : 0; }
  constexpr double span_bubble_rate() const { return span > 0 ? 1 - work / span : 0; }
};

}  // namespace stretto::inline v0
