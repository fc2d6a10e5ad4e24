// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The times of passes where ranks are streams: what is noted when a thread puts a pass on its stream becomes, at the end of the
// step, when the device came by.
//
//     thread    F0 F1 F2 …  waits                          the stream   F0 ────── F1 ────── F2 ──────
//     noted     0  1  2  µs     ─► lane_times::read ─►                  0         900       1800 µs
// A message is put when the pass behind it is at its end, and taken when the pass that needs it begins. What updates the
// weights comes behind the wait, so its time is the thread's. Cost: see cuda/lane_clock.hpp; nothing where ranks aren't streams.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <stretto/run/binding.hpp>

namespace stretto::inline v0::detail {

template <class Transport>
class lane_times {
 public:
  void begin(Transport&, int) {}
  void before(Transport&, int, const work_item&) {}
  void behind(Transport&, int) {}
  bool read(Transport&, binding<Transport>&, int, std::int64_t) { return false; }
};

template <class Transport>
  requires has_lanes<Transport>
class lane_times<Transport> {
 public:
  /// The list of a rank is walked.
  void begin(Transport& t, int rank) { t.clock(rank).begin(), passes_.clear(); }
  void before(Transport& t, int rank, const work_item& pass) {
    t.clock(rank).mark();
    passes_.push_back(&pass);
  }
  void behind(Transport& t, int rank) { t.clock(rank).mark(); }

  /// When the stream has been waited for. Whether times were read.
  bool read(Transport& t, binding<Transport>& b, int rank, std::int64_t step) {
    const auto& clock = t.clock(rank);
    rank_notes& notes = b.record.ranks[static_cast<std::size_t>(rank)];
    const std::int64_t kept = step % kept_steps, least = notes.begun[kept].get() + 1;  // what is earlier is of the step before
    entry_times* const times = notes.times.data() + kept * b.work.order(rank).count;
    const rank_flow& f = b.tables.ranks[static_cast<std::size_t>(rank)];
    const auto each = [&](const port_range& ports, auto&& note) {
      for (int i = ports.begin; i < ports.end; ++i) note(static_cast<std::size_t>(f.ports[static_cast<std::size_t>(i)].channel));
    };
    std::int64_t last = least;
    std::size_t k = 0;
    for (const work_item& w : f.items) {
      entry_times& e = times[w.entry];
      const std::size_t box = b.record.mark(kept, w.box);
      if (k < passes_.size() && passes_[k] == &w && static_cast<std::int64_t>(2 * k + 1) < clock.marks()) {
        e.wait = last;
        e.start = last = (std::max)(last, clock.when(static_cast<std::int64_t>(2 * k)));
        each(w.takes, [&](std::size_t c) { if (!b.record.takes[c].empty()) b.record.takes[c][box] = last; });
        e.end = last = (std::max)(last, clock.when(static_cast<std::int64_t>(2 * k + 1)));
        ++k;
      } else if (w.kind == work::send) {
        e.wait = last, e.start = last, e.end = last;
        each(w.puts, [&](std::size_t c) { if (!b.record.puts[c].empty()) b.record.puts[c][box].when = last; });
      } else {  // at the end of the step: the thread's time, from when the device had done the passes
        e.wait = (std::max)(last, e.wait.get());
        e.start = (std::max)(last, e.start.get());
        e.end = last = (std::max)(e.start.get(), e.end.get());
      }
    }
    return true;
  }

 private:
  std::vector<const work_item*> passes_;  // as they were put on the stream
};

}  // namespace stretto::inline v0::detail
