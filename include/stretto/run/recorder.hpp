// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a run measured: when each entry of the lists began to wait, began to work and ended, and when each message was put
// and taken, in seconds since the pipeline was bound. Indices are those of the program's actions, so measured and foretold
// times lie side by side.
//
//     const recording r = p.step(n).measured();
//     r.ends[entry_of(p.steps(), action::forward(1, 2))]        when F2 of stage 1 ended
// Cost: two readings of the clock an entry where a pipeline records, none where it doesn't; all memory is asked for when it
// is bound.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include <stretto/plan/plan.hpp>

namespace stretto::inline v0 {

/// A message as it went. Times in seconds since the pipeline was bound.
struct message_times {
  int from = 0, to = 0;              ///< ranks
  int from_stage = 0, to_stage = 0;
  int micro_batch = 0, slice = 0;
  bool forward = true;               ///< a value, or a gradient on its way back
  double put = 0, taken = 0;
};

/// One step as it was measured.
struct recording {
  std::vector<double> waits, starts, ends;  ///< by entry of the program's lists; an entry that only receives has none: all 0
  std::vector<message_times> messages;
};

/// The place of an action in a program's lists, for the times of a recording; -1 where it isn't there.
inline std::int64_t entry_of(const plan_view& program, const action& what) {
  for (std::int64_t i = 0; i < program.actions.count; ++i)
    if (program.actions[i] == what) return i;
  return -1;
}

namespace detail {

struct entry_times {
  std::int64_t wait = 0, start = 0, end = 0;  // nanoseconds
};

inline std::int64_t clock_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace detail

}  // namespace stretto::inline v0
