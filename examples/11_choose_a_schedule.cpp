// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -Iinclude examples/11_choose_a_schedule.cpp -o choose_a_schedule
// Prints:       which schedules fit a memory limit, the fastest first, for a cluster with a heavy last stage and a slow link;
//               then why each rank of the best is idle, what no order could beat, and how its steps spread under noise.
// Change next:  give the costs that you measured, another limit, or schedules of your own.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <stretto/stretto.hpp>

using namespace stretto;

// What is compared: any types that are schedules. all_schedules is the library's own list.
using candidates = schedule_list<gpipe, one_f_one_b, one_f_one_b_split, interleaved_one_f_one_b, zb_h1, interleaved_zb, zb_v, dualpipe_v>;

struct found {
  std::string name;
  plan order;
  double step = 0, peak = 0;
};

int main() {
  constexpr int ranks = 4, micro_batches = 12;
  constexpr double limit = 5;  // micro-batches that a rank's memory holds

  // Milliseconds of a rank's whole share of a micro-batch. The last rank has the vocabulary, ranks 1 and 2 are on two machines.
  costs c(10, 11, 8, 0.1);
  c.specials.push_back({scope::rank, ranks - 1, pass::forward, 14});
  c.specials.push_back({scope::rank, ranks - 1, pass::backward_input, 15});
  c.links.push_back({.from = 1, .to = 2, .latency = 1.5});
  c.links.push_back({.from = 2, .to = 1, .latency = 1.5});

  std::vector<found> fit;
  candidates::each([&](auto schedule) {
    const sizes z{.ranks = ranks, .micro_batches = micro_batches, .chunks = takes_chunks<decltype(schedule)>() ? 2 : 1};
    if (refuses(schedule, z)) return;
    plan p = make_plan(schedule, z);
    const forecast f = simulate(p, c);
    if (f.peak > limit) return void(std::printf("%-18s holds %g, above %g\n", schedule.name, f.peak, limit));
    fit.push_back({schedule.name, std::move(p), f.makespan, f.peak});
  });
  std::stable_sort(fit.begin(), fit.end(), [](const found& a, const found& b) { return a.step < b.step; });
  for (const found& one : fit) std::printf("%-18s step %6.2f ms, holds %g\n", one.name.c_str(), one.step, one.peak);

  const plan& best = fit.front().order;
  const forecast f = simulate(best, c, holding(), {.record = true});
  std::printf("\n%s: %.1f %% idle on the busiest rank; no order of it ends before %.2f ms\n", fit.front().name.c_str(), 100 * f.bubble_rate(),
              lower_bounds(best, c).best());
  for (int r = 0; r < ranks; ++r) {
    const idle_causes& why = f.idle[r];
    std::printf("rank %d  works %6.2f  fill %5.2f  wait %5.2f  communication %5.2f  drain %5.2f  imbalance %5.2f\n", r, f.work_of[r], why.fill, why.wait,
                why.communication, why.drain, why.imbalance);
  }
  c.noise = {.jitter = 0.04, .slow_share = 0.02, .slow_factor = 1.1};
  const spread s = spread_of(best, c, 200);
  std::printf("under noise: half of the steps take up to %.1f ms, 95 of 100 up to %.1f ms\n", s.share(0.5), s.share(0.95));
}
