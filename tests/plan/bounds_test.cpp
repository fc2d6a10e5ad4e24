// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Lower bounds: no plan of any schedule is faster, those that are known to be best reach them, and they are as high as the
// published ones, which are written out here for stages that lie one a rank.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <stretto/plan/bounds.hpp>
#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

struct uneven {
  std::vector<double> f, i, w;
  double latency = 0;

  uneven(sweep::dice& d, int ranks) : latency(d.between(0.0, 0.5)) {
    for (int r = 0; r < ranks; ++r) f.push_back(d.between(0.2, 3.0)), i.push_back(d.between(0.2, 3.0)), w.push_back(d.between(0.2, 3.0));
  }
  costs prices() const {
    costs c(1, 1, 1, latency);
    for (int r = 0; r < static_cast<int>(f.size()); ++r) {
      const auto k = static_cast<std::size_t>(r);
      c.specials.push_back({scope::rank, r, pass::forward, f[k]});
      c.specials.push_back({scope::rank, r, pass::backward_input, i[k]});
      c.specials.push_back({scope::rank, r, pass::backward_weight, w[k]});
    }
    return c;
  }
};

}  // namespace

TEST_CASE("no schedule is faster than the bounds of its own graph, routes, costs and peaks") {
  sweep::dice d(1);
  int cases = 0, reached = 0;
  all_schedules::each([&](auto s) {
    for (int p : {1, 2, 4, 6})
      for (int m : {1, 3, 4, 8, 12})
        for (int v : {1, 2, 3})
          for (int k = 0; k < 3; ++k) {
            const sizes z{p, m, v};
            if (refuses(s, z)) continue;
            const plan q = make_plan(s, z);
            if (!q.passes.has(pass::backward)) continue;
            const costs c = k == 0 ? costs() : uneven(d, p).prices();
            const forecast f = simulate(q, c);
            const bounds b = lower_bounds(q, c, f.peak_of);
            INFO(sweep::place(s.name, z));
            if (f.makespan < b.best() * (1 - 1e-12)) FAIL(f.makespan << " beats " << b.best() << ": work " << b.work << " route " << b.route << " rank " << b.rank << " memory " << b.memory);
            reached += f.makespan <= b.best() * (1 + 1e-12);
            ++cases;
          }
  });
  CHECK(cases > 1000);
  CHECK(reached > 200);
}

TEST_CASE("the bound of a rank by itself is as high as the published ones for fused and for split backward passes") {
  sweep::dice d(2);
  int split_cases = 0, fused_cases = 0;
  all_schedules::each([&](auto s) {
    for (int k = 0; k < 60; ++k) {
      const sizes z{d.between(1, 6), d.between(1, 12)};
      if (refuses(s, z)) continue;
      const plan q = make_plan(s, z);
      if (!q.passes.has(pass::backward) || q.stages != z.ranks || q.routes > 1) continue;
      const uneven u(d, z.ranks);
      const bounds b = lower_bounds(q, u.prices());
      const std::uint32_t used = used_passes(q);
      const bool split = (used >> pass::backward_weight & 1) != 0;
      double published = 0, head = 0, tail_fused = 0, tail_split = 0;
      for (std::size_t r = 0; r < u.f.size(); ++r) {
        const double m = z.micro_batches;
        if (split) {
          published = std::max(published, head + m * (u.f[r] + u.i[r]) + tail_split + u.w[0] * (r > 0));
          published = std::max(published, head + m * (u.f[r] + u.i[r] + u.w[r]));
        } else {
          published = std::max(published, head + m * (u.f[r] + u.i[r] + u.w[r]) + tail_fused);
        }
        head += u.f[r] + u.latency;
        tail_fused += u.i[r] + u.w[r] + u.latency;
        tail_split += u.i[r] + u.latency;
      }
      INFO(sweep::place(s.name, z));
      if (b.rank < published * (1 - 1e-12)) FAIL(b.rank << " is below " << published);
      (split ? split_cases : fused_cases) += 1;
    }
  });
  CHECK(split_cases > 100);
  CHECK(fused_cases > 100);
}

TEST_CASE("gpipe and 1f1b reach the bound at equal costs without latency, and zb_h1 does at equal passes: 27, 55, 79, 199") {
  sweep::dice d(3);
  for (int k = 0; k < 100; ++k) {
    const sizes z{d.between(1, 8), d.between(1, 16)};
    const costs c(d.between(0.1, 3.0), d.between(0.1, 3.0), d.between(0.1, 3.0));
    for (const plan& p : {make_plan(gpipe{}, z), make_plan(one_f_one_b{}, z)}) CHECK(lower_bounds(p, c).best() == Approx(simulate(p, c).makespan).epsilon(1e-12));
  }
  const int sizes_of[][3] = {{4, 8, 27}, {8, 16, 55}, {8, 24, 79}, {8, 64, 199}};
  for (const auto& [p, m, makespan] : sizes_of) {
    const plan q = make_plan(zb_h1{}, {p, m});
    CHECK(lower_bounds(q).best() == makespan);
    CHECK(simulate(q).makespan == makespan);
  }
}

TEST_CASE("memory bounds a step by how long activations are held at least: Little's law") {
  // One micro-batch at a time on each of 4 ranks: each is held on rank 0 for all 12 passes of its way, and two messages a hop.
  const sizes z{4, 6};
  const heap_array<double> one(4, 1.0);
  CHECK(lower_bounds(make_plan(one_f_one_b{}, z), costs(1, 1, 1), one).memory == 6 * 12);
  CHECK(lower_bounds(make_plan(one_f_one_b{}, z), costs(1, 1, 1, 0.5), one).memory == 6 * 15);
  CHECK(lower_bounds(make_plan(one_f_one_b{}, z), costs(1, 1, 1), heap_array<double>(4, 4.0)).memory == 6 * 12 / 4.0);
  CHECK(lower_bounds(make_plan(one_f_one_b{}, z)).memory == 0);
  CHECK(lower_bounds(make_plan(zb_h1{}, z), costs(1, 1, 1), one).memory == 6 * 9);  // W of the last stages needn't be waited for
}

TEST_CASE("the bound of memory is of the holding that the peaks are of, and pairs count with what they may take") {
  const plan p = make_plan(from_csv("0F0,0I0,0F1,0W0,0I1,0F2,0W1,0I2,0F3,0W2,0I3,0F4,0W3,0I4,0W4\n"
                                    "1F0,1I0,1W0,1F1,1I1,1W1,1F2,1I2,1W2,1F3,1I3,1W3,1F4,1I4,1W4\n"));
  sweep::dice d(5);
  int by_memory = 0;
  for (int k = 0; k < 200; ++k) {
    const int by_input = d.between(0, 4);
    const holding h(4, by_input, 4 - by_input);
    const costs c(d.between(0.2, 2.0), d.between(0.2, 2.0), d.between(0.2, 2.0));
    for (const plan& q : {p, make_plan(zb_h1{}, {4, 8}), make_plan(interleaved_one_f_one_b{}, {2, 6, 2})}) {
      const forecast f = simulate(q, c, h);
      const bounds b = lower_bounds(q, c, f.peak_of, h);
      if (b.best() > f.makespan * (1 + 1e-12)) FAIL("memory " << b.memory << ", makespan " << f.makespan);
      by_memory += b.memory > b.work;
    }
  }
  CHECK(by_memory > 20);
  const plan lone = make_plan(from_csv("0F0,0B0,0F1,0B1\n")), paired = make_plan(from_csv("0F0,(0B0;0F1)OVERLAP_F_B,0B1\n"));
  costs c;
  c.overlapped = 0.5;
  CHECK(simulate(paired, c).makespan == 5);
  CHECK(lower_bounds(lone, c).best() <= 5);
  CHECK(lower_bounds(lone, c).best() == lower_bounds(paired, c).best());
  const program again = lower(make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8}), {.recompute = stage_choice::all()});
  CHECK(lower_bounds(again, costs(), simulate(again).peak_of).best() <= simulate(again).makespan);
}

TEST_CASE("the bounds of work and of the longest route are those that one can count") {
  const plan p = make_plan(one_f_one_b{}, {3, 5});
  costs c(1, 1, 1, 0.25);
  c.specials.push_back({scope::rank, 1, pass::forward, 4});
  CHECK(lower_bounds(p, c).work == 5 * 6);
  CHECK(lower_bounds(p, c).route == 3 + 6 + 3 + 4 * 0.25);
  static_assert(lower_bounds(static_plan<gpipe, ranks<2>, micro_batches<2>>).best() == 9);
}

TEST_CASE("bounds of a plan with a fault are refused with the check's sentence") {
  const plan p = make_plan(from_csv("0F0,0B0\n1B0,1F0\n"));
  CHECK(sweep::thrown([&] { (void)lower_bounds(p); }) == check(p).sentence());
}
