// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stages for tests of streams: numbers go through, each stage adds to them, and time is a counter that layers move.
#pragma once

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include <stretto/stream.hpp>

namespace stages {

using namespace stretto;

/// Nanoseconds that pass only where a test lets them.
inline std::atomic<std::int64_t> now{0};
inline std::int64_t fake_clock() { return now.load(); }
inline void pass(double seconds) { now.fetch_add(static_cast<std::int64_t>(seconds * 1e9)); }

inline std::atomic<int> calls[4];  // of each stage's layer

/// x, and what every stage that saw it has added.
struct item {
  int x = 0;
  std::int64_t path = 0;
};
inline void clear() {
  now = 0;
  for (auto& c : calls) c = 0;
}

/// Notes that it was there, takes its time, and throws for one number.
struct step {
  using input = item;
  using output = item;
  int which = 0;
  double takes = 0;
  int hates = -1;
  void forward(context&, const item& in, item& out) {
    ++calls[which];
    pass(takes);
    if (in.x == hates) throw std::runtime_error("no such number");
    out = {in.x, in.path * 10 + which + 1};
  }
  void backward_input(context&, const item&, const nothing&, nothing&) {}
};

inline auto model(const step& a = {0}, const step& b = {1}, const step& c = {2}, const step& d = {3}) {
  return sequential(layer<stream_entry<item>>(), layer<step>(a), layer<step>(b), layer<step>(c), layer<step>(d), layer<stream_exit<item>>());
}

/// A step for each rank where there are four, more where there are fewer.
inline cut cut_for(int ranks) {
  switch (ranks) {
    case 1: return cut::of({6});
    case 2: return cut::of({3, 3});
    case 3: return cut::of({2, 2, 2});
    default: return cut::of({2, 1, 1, 2});
  }
}
inline plan walk(int ranks, int queue) { return service_of(make_plan(forward_only{}, {.ranks = ranks, .micro_batches = 1}), queue); }

}  // namespace stages
