// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What schedules cost, as formulas, against the simulator: 1,000 random costs (F, I, W) and sizes for each formula, to a
// billionth of the makespan. n = ranks - 1, B = I + W. A formula's conditions stand in the test's name.
#include <algorithm>
#include <cmath>
#include <string>

#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "sweep.hpp"

using namespace stretto;

namespace {

/// One random case: sizes by the test, costs from 0.05 to 4, each pass on its own.
struct drawn {
  double f, i, w;
  explicit drawn(sweep::dice& d) : f(d.between(0.05, 4.0)), i(d.between(0.05, 4.0)), w(d.between(0.05, 4.0)) {}
  double b() const { return i + w; }
  double both() const { return f + i + w; }
  costs at(double latency = 0) const { return costs(f, i, w, latency); }
};

bool same(double a, double b) { return std::abs(a - b) <= 1e-9 * std::max(1.0, std::max(std::abs(a), std::abs(b))); }

/// Counts cases that miss their formula, and keeps the first for the report.
struct tally {
  int cases = 0, missed = 0;
  std::string first;

  void compare(double found, double formula, const std::string& where) {
    ++cases;
    if (same(found, formula)) return;
    if (missed++ == 0) first = where + ": simulate says " + std::to_string(found) + ", the formula " + std::to_string(formula);
  }
};

#define CHECK_TALLY(t, least) \
  do {                        \
    INFO(t.first);            \
    CHECK(t.missed == 0);     \
    CHECK(t.cases >= (least)); \
  } while (false)

}  // namespace

TEST_CASE("gpipe takes (M + n)(F + B) and holds M on every rank, for all P and M and both orders of draining") {
  sweep::dice d(1);
  tally t, peaks;
  for (int k = 0; k < 1000; ++k) {
    const sizes z{d.between(1, 8), d.between(1, 32)};
    const drawn c(d);
    for (drain_order drain : {drain_order::ascending, drain_order::descending}) {
      const forecast f = simulate(make_plan(gpipe{drain}, z), c.at());
      t.compare(f.makespan, (z.micro_batches + z.ranks - 1) * c.both(), sweep::place("gpipe", z));
      t.compare(f.bubble(), (z.ranks - 1) * c.both(), sweep::place("gpipe", z));
      for (int r = 0; r < z.ranks; ++r) peaks.compare(f.peak_of[r], z.micro_batches, sweep::place("gpipe", z));
    }
  }
  CHECK_TALLY(t, 4000);
  CHECK_TALLY(peaks, 4000);
}

TEST_CASE("1f1b takes (M + n)(F + B) and holds min(P - r, M) on rank r, for all P and M") {
  sweep::dice d(2);
  tally t, peaks;
  for (int k = 0; k < 1000; ++k) {
    const sizes z{d.between(1, 8), d.between(1, 32)};
    const drawn c(d);
    const forecast f = simulate(make_plan(one_f_one_b{}, z), c.at());
    t.compare(f.makespan, (z.micro_batches + z.ranks - 1) * c.both(), sweep::place("1f1b", z));
    for (int r = 0; r < z.ranks; ++r) peaks.compare(f.peak_of[r], std::min(z.ranks - r, z.micro_batches), sweep::place("1f1b", z));
  }
  CHECK_TALLY(t, 1000);
  CHECK_TALLY(peaks, 1000);
}

TEST_CASE("interleaved 1f1b takes (M + n/V)(F + B), for M a multiple of P, in rounds and in groups of P alike") {
  sweep::dice d(3);
  tally t, peaks;
  for (int k = 0; k < 1000; ++k) {
    const int p = d.between(1, 8), v = d.between(1, 4), m = p * d.between(1, 4);
    const sizes z{p, m, v};
    const drawn c(d);
    for (int group : {0, p}) {
      const forecast f = simulate(make_plan(interleaved_one_f_one_b{group}, z), c.at());
      t.compare(f.makespan, (m + (p - 1.0) / v) * c.both(), sweep::place("interleaved_1f1b", z, group));
      for (int r = 0; r < p; ++r)
        peaks.compare(f.peak_of[r], std::min(m * v, (v - 1) * p + 2 * (p - 1 - r) + 1) / static_cast<double>(v), sweep::place("interleaved_1f1b", z, group));
    }
  }
  CHECK_TALLY(t, 2000);
  CHECK_TALLY(peaks, 2000);
}

TEST_CASE("interleaved 1f1b in rounds takes (M + n/V)(F + B) for every M of at least P") {
  sweep::dice d(4);
  tally t, peaks;
  for (int k = 0; k < 1000; ++k) {
    const int p = d.between(1, 8), v = d.between(1, 4), m = d.between(p, 4 * p + 3);
    const sizes z{p, m, v};
    const drawn c(d);
    const forecast f = simulate(make_plan(interleaved_one_f_one_b{}, z), c.at());
    t.compare(f.makespan, (m + (p - 1.0) / v) * c.both(), sweep::place("interleaved_1f1b", z));
    const int group = interleaved_one_f_one_b{}.groups_for(z).size;
    for (int r = 0; r < p; ++r)
      peaks.compare(f.peak_of[r], std::min(m * v, (v - 1) * group + 2 * (p - 1 - r) + 1) / static_cast<double>(v), sweep::place("interleaved_1f1b", z));
  }
  CHECK_TALLY(t, 1000);
  CHECK_TALLY(peaks, 1000);
}

TEST_CASE("interleaved 1f1b in groups of N from P to M takes (M + n/V)(F + B), with a rest of at least P or none") {
  sweep::dice d(5);
  tally t, peaks;
  for (int k = 0; k < 1000;) {
    const int p = d.between(1, 8), v = d.between(1, 4), m = d.between(p, 4 * p + 3), group = d.between(p, m);
    const sizes z{p, m, v};
    const drawn c(d);
    const interleaved_one_f_one_b s{group};
    if (refuses(s, z)) continue;
    ++k;
    const forecast f = simulate(make_plan(s, z), c.at());
    t.compare(f.makespan, (m + (p - 1.0) / v) * c.both(), sweep::place("interleaved_1f1b", z, group));
    for (int r = 0; r < p; ++r)
      peaks.compare(f.peak_of[r], std::min(m * v, (v - 1) * group + 2 * (p - 1 - r) + 1) / static_cast<double>(v), sweep::place("interleaved_1f1b", z, group));
  }
  CHECK_TALLY(t, 1000);
  CHECK_TALLY(peaks, 1000);
}

TEST_CASE("forward only takes (M + n/(V Q)) F, for every M of at least P, and for every M where V is 1") {
  sweep::dice d(6);
  tally t;
  for (int k = 0; k < 1000; ++k) {
    const int p = d.between(1, 8), v = d.between(1, 4), q = d.between(1, 3);
    const sizes z{p, d.between(v == 1 ? 1 : p, 32), v, q};
    const drawn c(d);
    const forecast f = simulate(make_plan(forward_only{}, z), c.at());
    t.compare(f.makespan, (z.micro_batches + (p - 1.0) / (v * q)) * c.f, sweep::place("forward_only", z));
    t.compare(f.work, z.micro_batches * c.f, sweep::place("forward_only", z));
  }
  CHECK_TALLY(t, 2000);
}

TEST_CASE("a message's latency c costs gpipe 2nc, whatever c is") {
  sweep::dice d(7);
  tally t;
  for (int k = 0; k < 1000; ++k) {
    const sizes z{d.between(1, 8), d.between(1, 32)};
    const drawn c(d);
    const double latency = d.between(0.0, 20.0);
    t.compare(simulate(make_plan(gpipe{}, z), c.at(latency)).makespan,
              (z.micro_batches + z.ranks - 1) * c.both() + 2 * (z.ranks - 1) * latency, sweep::place("gpipe", z));
  }
  CHECK_TALLY(t, 1000);
}

TEST_CASE("a message's latency c costs 1f1b c (2 M n / P + 2 (P - 2)), for P of at least 2, M a multiple of P and at least 2P, whatever c is") {
  // The law is stated for small c; it holds as far as this test goes: up to 100 times the largest cost of a pass.
  sweep::dice d(8);
  tally t;
  double furthest = 0;
  for (int k = 0; k < 1000; ++k) {
    const int p = d.between(2, 8), m = p * d.between(2, 6);
    const sizes z{p, m};
    const drawn c(d);
    const double scale[] = {0.1, 1, 10, 100};
    const double latency = d.between(0.0, 4.0) * scale[k % 4];
    furthest = std::max(furthest, latency / c.both());
    t.compare(simulate(make_plan(one_f_one_b{}, z), c.at(latency)).makespan,
              (m + p - 1) * c.both() + latency * (2.0 * m * (p - 1) / p + 2 * (p - 2)), sweep::place("1f1b", z));
  }
  CHECK_TALLY(t, 1000);
  CHECK(furthest > 50);
}

TEST_CASE("latency at 4 ranks and 8 micro-batches costs what the published corollaries say") {
  const costs c(1, 1, 1, 0.1);
  const sizes z{.ranks = 4, .micro_batches = 8};
  CHECK(simulate(make_plan(gpipe{}, z), c).makespan == Approx(33.6));
  CHECK(simulate(make_plan(one_f_one_b{}, z), c).makespan == Approx(34.6));
  CHECK(simulate(make_plan(interleaved_one_f_one_b{}, {4, 8, 2}), c).makespan == Approx(29.9));
  CHECK(simulate(make_plan(gpipe{}, z), costs(2, 2, 1)).makespan == 55);
  CHECK(simulate(make_plan(one_f_one_b{}, z), costs(2, 2, 1)).makespan == 55);
  CHECK(simulate(make_plan(interleaved_one_f_one_b{}, {4, 8, 2}), costs(2, 2, 1)).makespan == 47.5);
  // One group of all micro-batches goes breadth first, and hides more of it than depth first: 0.6 against 1.4.
  CHECK(simulate(make_plan(interleaved_one_f_one_b{8}, {4, 8, 2}), c).makespan == Approx(29.1));
}

TEST_CASE("makespan, span and peak at unit costs are those of the published table") {
  struct row {
    int ranks, micro_batches;
    double gpipe, one_f, one_f_peak, interleaved, interleaved_peak;
  };
  const row table[] = {
      {2, 4, 15, 15, 2, 13.5, 2.5},  {4, 4, 21, 21, 4, 16.5, 4},    {4, 8, 33, 33, 4, 28.5, 5.5},     {4, 16, 57, 57, 4, 52.5, 5.5},
      {8, 8, 45, 45, 8, 34.5, 8},    {8, 16, 69, 69, 8, 58.5, 11.5}, {8, 32, 117, 117, 8, 106.5, 11.5},
  };
  for (const row& r : table) {
    INFO("P " << r.ranks << " M " << r.micro_batches);
    const sizes z{r.ranks, r.micro_batches};
    const sizes two{r.ranks, r.micro_batches, 2};
    const forecast g = simulate(make_plan(gpipe{}, z)), o = simulate(make_plan(one_f_one_b{}, z)), i = simulate(make_plan(interleaved_one_f_one_b{}, two));
    CHECK(g.makespan == r.gpipe);
    CHECK(g.span == r.gpipe);
    CHECK(g.peak == r.micro_batches);
    CHECK(o.makespan == r.one_f);
    CHECK(o.span == r.one_f);
    CHECK(o.peak == r.one_f_peak);
    CHECK(i.makespan == r.interleaved);
    CHECK(i.span == r.interleaved);
    CHECK(i.peak == r.interleaved_peak);
    // Looped breadth first has the same makespan and holds everything; one group of all micro-batches is its like.
    CHECK(simulate(make_plan(interleaved_one_f_one_b{r.micro_batches}, two)).makespan == r.interleaved);
  }
}
