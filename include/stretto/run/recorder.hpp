// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a run measured: when each entry of the lists began to wait, began to work and ended, and when each message was put
// and taken. Indices are those of the program's actions, so measured and foretold times lie side by side.
//
//     const recording r = step.measured();       r.starts[i], r.ends[i]: seconds since the pipeline was bound
// Cost: two readings of the clock an entry where a pipeline records, none where it doesn't; all memory is asked for when it
// is bound.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

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

namespace detail {

struct entry_times {
  std::int64_t wait = 0, start = 0, end = 0;  // nanoseconds
};

inline std::int64_t clock_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace detail

}  // namespace stretto::inline v0
