// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How far the clocks of two ranks are apart, so that times of several processes stand on one axis.
//
//     rank r   a ───────►           ┌────► d        offset = ((b - a) + (c - d)) / 2
//     rank 0             b ── c ────┘               off by (d - a - (c - b)) / 2 at most
// Of some exchanges the quickest counts. Each is two steps of a gathering whose members are 0 and r: who has nothing to say
// in a step publishes before it waits. Cost: five exchanges for each rank of another process than rank 0's, when it is bound.
// Source: D. Mills, Internet time synchronization: the network time protocol, IEEE Transactions on Communications, 1991.
#pragma once

#include <cstdint>
#include <cstring>

#include <stretto/core/text.hpp>
#include <stretto/run/recorder.hpp>
#include <stretto/transport/transport.hpp>

namespace stretto::inline v0::detail {

struct clock_offset {
  std::int64_t offset = 0, uncertainty = -1;  ///< nanoseconds
};

/// What the first local rank must add to its clock to be at rank 0's. All processes call it, one after the other with rank 0's.
template <class Transport, class Say>
clock_offset measure_clock(Transport& t, std::int64_t number, Say&& say) {
  constexpr int exchanges = 5;
  clock_offset best;
  if (t.local(0)) best.uncertainty = 0;
  for (int r = 1; r < t.ranks(); ++r) {
    if (t.local(0) == t.local(r)) continue;  // neither, or one process
    auto* const g = t.open_gathering(label(text("clock ", number, " ", r).str()), {2 * static_cast<std::int64_t>(sizeof(std::int64_t)), 4, {0, r}});
    for (std::int64_t step = 0; step < 2 * exchanges; step += 2) {
      std::int64_t times[2] = {};
      if (t.local(0)) {
        t.publish(*g, 0, step);
        t.gathered(*g, t.host(), step, say);
        times[0] = clock_now();
        void* const mine = t.segment(*g, 0, step + 1);
        times[1] = clock_now();
        std::memcpy(mine, times, sizeof times);
        t.publish(*g, 0, step + 1);
        continue;
      }
      const std::int64_t a = clock_now();
      t.publish(*g, r, step);
      t.publish(*g, r, step + 1);
      t.gathered(*g, t.host(), step + 1, say);
      const std::int64_t d = clock_now();
      std::memcpy(times, t.from(*g, 0, step + 1), sizeof times);
      const std::int64_t off = (d - a - (times[1] - times[0])) / 2;
      if (best.uncertainty >= 0 && best.uncertainty <= off) continue;
      best = {((times[0] - a) + (times[1] - d)) / 2, off > 0 ? off : 0};
    }
    if (t.local(0)) t.gathered(*g, t.host(), 2 * exchanges - 1, say);
    t.close(g);
  }
  return best;
}

}  // namespace stretto::inline v0::detail
