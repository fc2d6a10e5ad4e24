// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What eager, breadth-first, zero-bubble and bidirectional schedules cost, as formulas, against the simulator: 1,000 random costs
// (F, I, W) and sizes for each formula, to a billionth of the makespan. n = ranks - 1, B = I + W. A formula's conditions stand
// in the test's name; where they are wider than those published, they were found by trying.
#include <algorithm>
#include <cmath>
#include <string>

#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "sweep.hpp"
#include "tally.hpp"

using namespace stretto;
using sweep::drawn;
using sweep::same;
using sweep::tally;

namespace {

/// Compares makespan and bubble with a bubble, and what each rank holds with peak(rank).
template <class S, class Peak>
void compare(const S& s, const sizes& z, const drawn& c, double bubble, Peak&& peak, tally& t, tally& peaks) {
  const forecast f = simulate(make_plan(s, z), c.at());
  const std::string where = sweep::place(s.name, z);
  t.compare(f.makespan, z.micro_batches * c.both() + bubble, where);
  t.compare(f.makespan - f.bubble(), z.micro_batches * c.both(), where);
  for (int r = 0; r < z.ranks; ++r) peaks.compare(f.peak_of[r], peak(r), where);
}

/// The four pieces of DualPipe, h being one less than the ranks to the turn.
double dual_bubble(double h, const drawn& c) {
  if (h == 0) return 0;
  return h * std::max({2 * c.f, 2 * c.f + c.i - c.w, (1 - 1 / h) * c.f + 2 * c.i - c.w, (1 - 1 / h) * c.f + c.i});
}

}  // namespace

TEST_CASE("eager 1f1b takes (M + n)(F + B) and holds min(2(P - 1 - r) + 1, M) on rank r, for all P and M") {
  sweep::dice d(21);
  tally t, peaks;
  for (int k = 0; k < 1000; ++k) {
    const sizes z{d.between(1, 8), d.between(1, 32)};
    const drawn c(d);
    compare(eager_one_f_one_b{}, z, c, (z.ranks - 1) * c.both(), [&](int r) { return std::min(2 * (z.ranks - 1 - r) + 1, z.micro_batches); }, t, peaks);
  }
  CHECK_TALLY(t, 2000);
  CHECK_TALLY(peaks, 3000);
}

TEST_CASE("1f1b split takes M(F + I + W) + n(F + I + 2c) for c up to W/2 and holds min(P - r, M) on rank r, for all P and M") {
  sweep::dice d(40);
  tally t, peaks;
  for (int k = 0; k < 1000; ++k) {
    const sizes z{d.between(1, 8), d.between(1, 32)};
    const drawn c(d);
    compare(one_f_one_b_split{}, z, c, (z.ranks - 1) * (c.f + c.i), [&](int r) { return std::min(z.ranks - r, z.micro_batches); }, t, peaks);
    const double latency = d.between(0.0, c.w / 2);
    t.compare(simulate(make_plan(one_f_one_b_split{}, z), c.at(latency)).bubble(), (z.ranks - 1) * (c.f + c.i + 2 * latency), sweep::place("1f1b_split", z));
  }
  CHECK_TALLY(t, 3000);
  CHECK_TALLY(peaks, 3000);
}

TEST_CASE("a message's latency c costs eager 1f1b 2nc up to c = e(F + B)/2, where it runs ahead by e more for each rank behind, for all P and M, and more above") {
  sweep::dice d(22);
  tally t, chosen;
  int more = 0, less_would_do = 0, needed = 0;
  for (int k = 0; k < 2000; ++k) {
    const sizes z{d.between(1, 8), d.between(1, 32)};
    const drawn c(d);
    const int e = d.between(0, 3);
    const double latency = (k % 2 == 0 ? e : d.between(0.0, static_cast<double>(e))) * c.both() / 2;
    const double law = (z.micro_batches + z.ranks - 1) * c.both() + 2 * (z.ranks - 1) * latency;
    t.compare(simulate(make_plan(eager_one_f_one_b{.extra = e}, z), c.at(latency)).makespan, law, sweep::place("eager_1f1b", z));
    const auto best = eager_one_f_one_b::for_latency(c.at(latency));
    CHECK((best.extra <= e && best.extra >= 0));
    chosen.compare(simulate(make_plan(best, z), c.at(latency)).makespan, law, sweep::place("eager_1f1b, as its latency wants", z));
    // The law of Little for rank 0: so many are under way, and neighbours have best.extra + 1 between them.
    if (best.ahead({z.ranks, 1000}, 0) + 1 < z.ranks + 2 * (z.ranks - 1) * latency / c.both() - 1e-9) FAIL("fewer than Little's law wants");
    if (best.extra == 0 || z.ranks == 1 || z.micro_batches < 4 * z.ranks) continue;
    ++needed;
    less_would_do += same(simulate(make_plan(eager_one_f_one_b{.extra = best.extra - 1}, z), c.at(latency)).makespan, law);
    more += simulate(make_plan(best, z), c.at((best.extra * 0.5 + 0.02) * c.both())).makespan >
            law + 2 * (z.ranks - 1) * ((best.extra * 0.5 + 0.02) * c.both() - latency) + 1e-9;
  }
  CHECK_TALLY(t, 2000);
  CHECK_TALLY(chosen, 2000);
  CHECK(needed > 200);
  CHECK(less_would_do == 0);
  CHECK(more == needed);
}

TEST_CASE("what an eager 1f1b runs ahead is data: refusals name the length of the list, the rank that would deadlock, and what is below nothing") {
  const sizes z{.ranks = 3, .micro_batches = 4};
  const auto words = [&](const eager_one_f_one_b& s, const sizes& of) { return sweep::thrown([&] { (void)make_plan(s, of); }); };
  CHECK(words({.warmup = warmup_list::of({2, 1})}, z) == "stretto: eager_1f1b has no plan for the length of warmup = 2: a list of warm-ups has one for each rank; use 3");
  CHECK(words({.warmup = warmup_list::of({2, 3, 0})}, z) == "stretto: eager_1f1b has no plan for warmup = 2: a rank that runs ahead less far than the one behind it deadlocks; use 3");
  CHECK(words({.warmup = warmup_list::of({2, 1, -1})}, z) == "stretto: eager_1f1b has no plan for warmup = -1: a rank runs ahead by no less than nothing; use 0");
  CHECK(words({.extra = -1}, z) == "stretto: eager_1f1b has no plan for extra = -1: a rank runs ahead no less far than in 1f1b; use 0");
  warmup_list long_one;
  for (int r = 0; r < 65; ++r) long_one.push_back(0);
  CHECK(words({.warmup = long_one}, z) == "stretto: eager_1f1b has no plan for the length of warmup = 65: a list of warm-ups has at most 64; use 3");
  CHECK(words({.warmup = long_one}, {65, 4}) == "stretto: eager_1f1b has no plan for the length of warmup = 65: a list of warm-ups has at most 64");
  CHECK(words({.extra = 1'000'000'000}, z) == "");
  constexpr auto none = eager_one_f_one_b::for_latency(costs(1, 1, 1, 0));
  static_assert(none.extra == 0 && eager_one_f_one_b::for_latency(costs(0.1, 0.1, 0.1, 0.15)).extra == 1);
  CHECK(eager_one_f_one_b::for_latency(costs(0, 0, 0, 1)).extra == 1'000'000'000);
  // A list that rises does deadlock, past the refusal.
  draft rises;
  rises.order_of = {{action::forward(0, 0), action::backward(0, 0), action::forward(0, 1), action::backward(0, 1)},
                    {action::forward(1, 0), action::forward(1, 1), action::backward(1, 0), action::backward(1, 1)}};
  CHECK(check(make_plan(rises)).kind == fault::deadlock);
}

TEST_CASE("looped breadth first takes (M + n/V)(F + B) for M of at least P, (P + (M - 1)/V)(F + B) for fewer, and holds M, for both orders of draining") {
  sweep::dice d(23);
  tally t, few, peaks;
  for (int k = 0; k < 1000; ++k) {
    const sizes z{d.between(1, 8), d.between(1, 24), d.between(1, 4)};
    const drawn c(d);
    const bool enough = z.micro_batches >= z.ranks;
    const double slots = enough ? (z.ranks - 1.0) / z.chunks : z.ranks - z.micro_batches + (z.micro_batches - 1.0) / z.chunks;
    for (const drain_order drain : {drain_order::ascending, drain_order::descending})
      compare(looped_bfs{.drain = drain}, z, c, slots * c.both(), [&](int) { return z.micro_batches; }, enough ? t : few, peaks);
  }
  CHECK_TALLY(t, 2000);
  CHECK_TALLY(few, 300);
  CHECK_TALLY(peaks, 4000);
}

TEST_CASE("zb-h1 takes n max(F, I, F + I - W) more than its work and holds P on every rank, for M of at least P") {
  sweep::dice d(24);
  tally t, peaks;
  for (int k = 0; k < 1000; ++k) {
    const int p = d.between(1, 8), m = d.between(p, 4 * p + 3);
    const drawn c(d);
    compare(zb_h1{}, {p, m}, c, (p - 1) * std::max({c.f, c.i, c.f + c.i - c.w}), [&](int) { return p; }, t, peaks);
  }
  CHECK_TALLY(t, 2000);
  CHECK_TALLY(peaks, 3000);
}

TEST_CASE("a message's latency c costs zb-h1 4nc at equal costs T, for M above P and c up to T/2, and (4n - 2)c for M = P up to T/8") {
  sweep::dice d(25);
  tally t, least;
  for (int k = 0; k < 1000; ++k) {
    const int p = d.between(2, 8), m = d.between(p + 1, 4 * p + 3);
    const double cost = d.between(0.05, 4.0), c = d.between(0.0, 0.5) * cost;
    const auto makespan = [&](int batches, double latency) { return simulate(make_plan(zb_h1{}, {p, batches}), costs(cost, cost, cost, latency)).makespan; };
    t.compare(makespan(m, c), (3 * m + p - 1) * cost + 4 * (p - 1) * c, sweep::place("zb_h1", {p, m}));
    least.compare(makespan(p, c / 4), (4 * p - 1) * cost + (4 * p - 6) * c / 4, sweep::place("zb_h1", {p, p}));
  }
  CHECK_TALLY(t, 1000);
  CHECK_TALLY(least, 1000);
}

TEST_CASE("zb-h2 takes n max(F, I - F, F + I - 2W) more than its work, from 2P - 1 micro-batches on, holds min(2P - 1, M) on every rank, and has no bubble within a rank at equal costs") {
  sweep::dice d(26);
  tally t, peaks, spans;
  for (int k = 0; k < 1000; ++k) {
    const int p = d.between(1, 8), m = d.between(2 * p - 1, 4 * p + 3);
    const drawn c(d);
    compare(zb_h2{}, {p, m}, c, (p - 1) * std::max({c.f, c.i - c.f, c.f + c.i - 2 * c.w}), [&](int) { return 2 * p - 1; }, t, peaks);
    spans.compare(simulate(make_plan(zb_h2{}, {p, m}), costs(c.f, c.f, c.f)).span, 3 * m * c.f, sweep::place("zb_h2", {p, m}));
  }
  CHECK_TALLY(t, 2000);
  CHECK_TALLY(peaks, 3000);
  CHECK_TALLY(spans, 1000);
}

TEST_CASE("interleaved zero bubble takes n/V max(F, I, F + I - W) more than its work, for M of at least P, divided by rounds or not") {
  sweep::dice d(27);
  tally t, peaks;
  for (int k = 0; k < 1000; ++k) {
    const int p = d.between(1, 8), v = d.between(1, 4), m = d.between(p, 4 * p + 3);
    const drawn c(d);
    const int rounds = m / p, first = (m + rounds - 1) / rounds;  // of the first round: P where P divides M
    const double held = std::min(m * v, (v - 1) * first + p) / static_cast<double>(v);
    compare(interleaved_zb{}, {p, m, v}, c, (p - 1) * std::max({c.f, c.i, c.f + c.i - c.w}) / v, [&](int) { return held; }, t, peaks);
    if (m % p == 0) peaks.compare(held, p, "where P divides M");
  }
  CHECK_TALLY(t, 2000);
  CHECK_TALLY(peaks, 3000);
}

TEST_CASE("zb-v takes n/2 times the largest of eight pieces more than its work, from 2P - 1 micro-batches on, holds P on every rank, and has no bubble within a rank at equal costs") {
  sweep::dice d(28);
  tally t, peaks, spans;
  for (int k = 0; k < 1000; ++k) {
    const int p = d.between(1, 8), m = d.between(2 * p - 1, 4 * p + 3);
    const drawn c(d);
    const double n = p - 1;
    const double largest = p == 1 ? 0
                                  : std::max({c.i, 2 * (c.i - c.w), ((2 * n - 1) * c.f - (n - 1) * c.i) / n, (c.i + (n - 1) * c.w) / n, (c.f + (n - 1) * c.w) / n,
                                              2 * c.f - (2 + 1 / n) * c.w, 2 * c.f - c.i - c.w / n, ((2 * n - 1) * c.f + c.i) / n - 2 * c.w});
    compare(zb_v{}, {p, m}, c, n / 2 * largest, [&](int) { return p; }, t, peaks);
    spans.compare(simulate(make_plan(zb_v{}, {p, m}), costs(c.f, c.f, c.f)).span, 3 * m * c.f, sweep::place("zb_v", {p, m}));
  }
  CHECK_TALLY(t, 2000);
  CHECK_TALLY(peaks, 3000);
  CHECK_TALLY(spans, 1000);
}

TEST_CASE("dualpipe-v takes h/2 max(2F, 2F + I - W, (1 - 1/h)F + 2I - W, (1 - 1/h)F + I) more than its work, h = P - 1, for every M of at least 2P, and holds P + 1/2 at most") {
  sweep::dice d(29);
  tally t, peaks;
  for (int k = 0; k < 1000; ++k) {
    const int p = d.between(1, 8), m = d.between(2 * p, 5 * p);
    const drawn c(d);
    const forecast f = simulate(make_plan(dualpipe_v{}, {p, m}), c.at());
    t.compare(f.bubble(), dual_bubble(p - 1, c) / 2, sweep::place("dualpipe_v", {p, m}));
    peaks.compare(f.peak, p + 0.5, sweep::place("dualpipe_v", {p, m}));
  }
  CHECK_TALLY(t, 1000);
  CHECK_TALLY(peaks, 1000);
}

TEST_CASE("dualpipe takes h times the same, h = P/2 - 1, for all sizes that it takes, and holds P + 1 at most, and its authors' (P/2 - 1)(F + 2B - 3W) is that where F = I") {
  sweep::dice d(30);
  tally t, peaks, published;
  for (int k = 0; k < 1000; ++k) {
    const int p = 2 * d.between(1, 4), m = 2 * d.between(p, 2 * p + 3);
    const drawn c(d);
    const sizes z{p, m};
    const forecast f = simulate(make_plan(dualpipe{}, z), c.at());
    t.compare(f.bubble(), dual_bubble(p / 2 - 1, c), sweep::place("dualpipe", z));
    peaks.compare(f.peak, p + 1, sweep::place("dualpipe", z));
    const double w = std::min(c.f, c.w);  // W no longer than F and I
    const forecast even = simulate(make_plan(dualpipe{}, z), costs(c.f, c.f, w));
    published.compare(even.bubble(), (p / 2 - 1) * (c.f + 2 * (c.f + w) - 3 * w), sweep::place("dualpipe", z));
  }
  CHECK_TALLY(t, 1000);
  CHECK_TALLY(peaks, 1000);
  CHECK_TALLY(published, 1000);
  CHECK(simulate(make_plan(dualpipe{}, {8, 20})).makespan == 66);
  CHECK(simulate(make_plan(dualpipe{}, {8, 20}), costs(2, 2, 1)).makespan == 115);
}

TEST_CASE("with fewer than 2P - 1 micro-batches dualpipe-v's bubble at equal costs is 2P - 1 - M up to P of them and 3P - 2 - M above, and it holds min(M, P + 1/2)") {
  for (int p = 1; p <= 12; ++p)
    for (int m = 1; m < 2 * p - 1; ++m) {
      INFO(sweep::place("dualpipe_v", {p, m}));
      const forecast f = simulate(make_plan(dualpipe_v{}, {p, m}));
      CHECK(f.bubble() == (m <= p ? 2 * p - 1 - m : 3 * p - 2 - m));
      CHECK(f.peak == std::min<double>(m, p + 0.5));
    }
}

TEST_CASE("dualpipe's bubble at equal costs is 2P - 2 - M up to P micro-batches and 3P - 4 - M up to 2P - 2, it takes as long with an odd number as with one more, and holds min(M, P + 1)") {
  for (int p = 2; p <= 12; p += 2)
    for (int m = 1; m <= 3 * p; ++m) {
      INFO(sweep::place("dualpipe", {p, m}));
      const forecast f = simulate(make_plan(dualpipe{}, {p, m}));
      const int even = m + m % 2;
      CHECK(f.makespan == simulate(make_plan(dualpipe{}, {p, even})).makespan);
      CHECK(f.makespan == 3 * even + (even <= p ? 2 * p - 2 - even : even <= 2 * p - 2 ? 3 * p - 4 - even : p - 2));
      CHECK(f.peak == std::min(m, p + 1));
    }
}

TEST_CASE("interleaved zero bubble in groups takes n/V max(F, I, F + I - W) more than its work where the rest is 0 or at least P, and holds min(MV, (V - 1)N + P)/V") {
  sweep::dice d(31);
  tally t, peaks;
  for (int k = 0; k < 1000; ++k) {
    const int p = d.between(1, 8), v = d.between(1, 4), m = d.between(p, 4 * p + 3), n = d.between(p, m);
    const drawn c(d);
    const sizes z{p, m, v};
    const forecast f = simulate(make_plan(interleaved_zb{n}, z), c.at());
    const std::string where = sweep::place("interleaved_zb", z, n);
    if (m % n == 0 || m % n >= p) t.compare(f.bubble(), (p - 1) * std::max({c.f, c.i, c.f + c.i - c.w}) / v, where);
    peaks.compare(f.peak, std::min(m * v, (v - 1) * n + p) / static_cast<double>(v), where);
  }
  CHECK_TALLY(t, 500);
  CHECK_TALLY(peaks, 1000);
}

TEST_CASE("interleaved zero bubble refuses groups below P and above M in words that name others") {
  const auto words = [](int group, const sizes& z) { return sweep::thrown([&] { (void)make_plan(interleaved_zb{group}, z); }); };
  CHECK(words(3, {4, 8, 2}) == "stretto: interleaved_zb has no plan for group = 3: a group smaller than the number of ranks can deadlock; use 4");
  CHECK(words(9, {4, 8, 2}) == "stretto: interleaved_zb has no plan for group = 9: a group holds at most all micro-batches; use 8");
  CHECK(words(2, {4, 3, 2}) == "stretto: interleaved_zb has no plan for group = 2: a group smaller than the number of ranks can deadlock; use 0");
  CHECK(words(4, {4, 3, 2}) == "stretto: interleaved_zb has no plan for group = 4: a group holds at most all micro-batches; use 0");
  CHECK(words(-1, {2, 3}) == "stretto: interleaved_zb has no plan for group = -1: a group smaller than the number of ranks can deadlock; use 2");
  CHECK(words(5, {4, 8, 2}) == "");
}

TEST_CASE("4 ranks and 8 micro-batches take what the published corollaries say, at equal costs, at (2,2,1) and with a latency") {
  const auto three = [](auto s, int chunks, double equal, double uneven, double late) {
    INFO(s.name);
    const plan p = make_plan(s, {4, 8, chunks});
    CHECK(simulate(p).makespan == equal);
    CHECK(simulate(p, costs(2, 2, 1)).makespan == uneven);
    CHECK(simulate(p, costs(1, 1, 1, 0.1)).makespan == Approx(late));
  };
  three(eager_one_f_one_b{}, 1, 33, 55, 33.6);
  three(zb_h1{}, 1, 27, 49, 28.2);
  three(zb_h2{}, 1, 27, 46, 27.3);
  three(interleaved_zb{}, 2, 25.5, 44.5, 27.1);
  three(zb_v{}, 1, 25.5, 43, 26.8);
  three(dualpipe_v{}, 1, 27, 47.5, 28.7);
  three(looped_bfs{}, 2, 28.5, 47.5, 29.1);
  CHECK(simulate(make_plan(zb_h2{}, {4, 8})).span == 24);
  CHECK(simulate(make_plan(zb_v{}, {4, 8})).span == 24);
}

TEST_CASE("makespan, span and peak of split, breadth-first and bidirectional schedules at unit costs are those of the published table") {
  struct row {
    int ranks, micro_batches;
    double h1, interleaved, v, v_span, dual;  // 0: not in the table
  };
  const row table[] = {
      {2, 4, 13, 12.5, 12.5, 12, 13},  {4, 4, 15, 13.5, 15, 0, 0},      {4, 8, 27, 25.5, 25.5, 24, 27},  {4, 16, 51, 49.5, 49.5, 48, 51},
      {8, 8, 31, 27.5, 31, 0, 0},      {8, 16, 55, 51.5, 51.5, 48, 55}, {8, 32, 103, 99.5, 0, 0, 0},
  };
  const double breadth_first[] = {13.5, 16.5, 28.5, 52.5, 34.5, 58.5, 106.5};
  int at = 0;
  for (const row& r : table) {
    INFO("P " << r.ranks << " M " << r.micro_batches);
    const sizes z{r.ranks, r.micro_batches}, two{r.ranks, r.micro_batches, 2};
    CHECK(simulate(make_plan(zb_h1{}, z)).makespan == r.h1);
    const forecast i = simulate(make_plan(interleaved_zb{}, two)), b = simulate(make_plan(looped_bfs{}, two)), v = simulate(make_plan(zb_v{}, z));
    CHECK(i.makespan == r.interleaved);
    CHECK(i.peak == r.ranks);
    CHECK(b.makespan == breadth_first[at++]);
    CHECK(b.peak == r.micro_batches);
    if (r.v > 0) CHECK(v.makespan == r.v);
    if (r.v_span > 0) CHECK(v.span == r.v_span);
    if (r.dual > 0) CHECK(simulate(make_plan(dualpipe_v{}, z)).makespan == r.dual);
    if (r.dual > 0) CHECK(simulate(make_plan(dualpipe_v{}, z)).peak == r.ranks + 0.5);
  }
}

TEST_CASE("eager 1f1b and zb-h1 take the published times with and without latency") {
  struct row {
    int ranks, micro_batches;
    double latency, eager, h1;
  };
  const row table[] = {
      {2, 4, 0, 15, 13},      {4, 4, 0, 21, 15},     {4, 8, 0, 33, 27},     {8, 16, 0, 69, 55},     {8, 24, 0, 93, 79},  {8, 64, 0, 213, 199},
      {4, 8, 0.1, 33.6, 28.2}, {4, 8, 0.25, 34.5, 30}, {4, 8, 0.5, 36, 33},  {4, 8, 1, 39, 41},
      {8, 24, 0.1, 94.4, 81.8}, {8, 24, 0.25, 96.5, 86}, {8, 24, 0.5, 100, 93}, {8, 24, 1, 107, 120},
  };
  for (const row& r : table) {
    INFO("P " << r.ranks << " M " << r.micro_batches << " c " << r.latency);
    const costs c(1, 1, 1, r.latency);
    const sizes z{r.ranks, r.micro_batches};
    CHECK(simulate(make_plan(eager_one_f_one_b{}, z), c).makespan == Approx(r.eager));
    CHECK(simulate(make_plan(zb_h1{}, z), c).makespan == Approx(r.h1));
  }
}

TEST_CASE("bubble rates of the split and eager schedules at M = 4P are those of the published table, for uneven costs and with latency, to its four digits") {
  struct row {
    int ranks;
    double f, i, w, latency;
    double eager, breadth_first, two_chunks, four_chunks, h1, h2, v, dual;
  };
  const row table[] = {
      {4, 1, 1, 1, 0, 0.1579, 0.0857, 0.0303, 0.0154, 0.0588, 0.0588, 0.0303, 0.0588},
      {4, 1, 1, 1, 0.05, 0.1623, 0.0909, 0.0457, 0.0390, 0.0698, 0.0616, 0.0429, 0.0840},
      {4, 1, 1, 1, 0.2, 0.1753, 0.1061, 0.0892, 0.1837, 0.1011, 0.0698, 0.0787, 0.1623},
      {4, 1, 1.2, 0.8, 0, 0.1579, 0.0857, 0.0419, 0.0214, 0.0805, 0.0588, 0.0361, 0.0698},
      {4, 1, 1, 0.5, 0, 0.1579, 0.0857, 0.0533, 0.0274, 0.1011, 0.0698, 0.0361, 0.0857},
      {4, 1, 2, 1, 0, 0.1579, 0.0857, 0.0448, 0.0229, 0.0857, 0.0448, 0.0448, 0.0791},
      {4, 1, 1.5, 0.5, 0, 0.1579, 0.0857, 0.0588, 0.0303, 0.1111, 0.0857, 0.0588, 0.0900},
      {4, 1, 2, 0.3, 0, 0.1579, 0.0857, 0.0712, 0.0369, 0.1330, 0.1200, 0.0881, 0.1104},
      {4, 1, 2, 0.3, 0.1, 0.1659, 0.0951, 0.1096, 0.1470, 0.1498, 0.1287, 0.1134, 0.1586},
      {4, 2, 1, 1, 0, 0.1579, 0.0857, 0.0448, 0.0229, 0.0857, 0.0857, 0.0588, 0.0857},
      {8, 1, 1, 1, 0, 0.1795, 0.0986, 0.0352, 0.0179, 0.0680, 0.0680, 0.0352, 0.0680},
      {8, 1, 1, 1, 0.05, 0.1844, 0.1045, 0.0523, 0.0433, 0.0805, 0.0711, 0.0509, 0.0994},
      {8, 1, 1, 1, 0.2, 0.1987, 0.1217, 0.1003, 0.2040, 0.1160, 0.0805, 0.0952, 0.1926},
      {8, 1, 1.2, 0.8, 0, 0.1795, 0.0986, 0.0486, 0.0249, 0.0926, 0.0680, 0.0419, 0.0822},
      {8, 1, 1, 0.5, 0, 0.1795, 0.0986, 0.0616, 0.0318, 0.1160, 0.0805, 0.0419, 0.0986},
      {8, 1, 2, 1, 0, 0.1795, 0.0986, 0.0519, 0.0266, 0.0986, 0.0519, 0.0519, 0.0954},
      {8, 1, 1.5, 0.5, 0, 0.1795, 0.0986, 0.0680, 0.0352, 0.1273, 0.0986, 0.0680, 0.1090},
      {8, 1, 2, 0.3, 0, 0.1795, 0.0986, 0.0821, 0.0428, 0.1518, 0.1373, 0.1013, 0.1312},
      {8, 1, 2, 0.3, 0.1, 0.1883, 0.1092, 0.1251, 0.1652, 0.1705, 0.1470, 0.1312, 0.1861},
      {8, 2, 1, 1, 0, 0.1795, 0.0986, 0.0519, 0.0266, 0.0986, 0.0986, 0.0725, 0.0986},
  };
  for (const row& r : table) {
    INFO("P " << r.ranks << " F:I:W " << r.f << ':' << r.i << ':' << r.w << " c " << r.latency);
    const costs c(r.f, r.i, r.w, r.latency);
    const int m = 4 * r.ranks;
    const auto close = [&](auto s, int chunks, double printed) {
      INFO(s.name << ", " << chunks << " chunks");
      CHECK(std::abs(simulate(make_plan(s, {r.ranks, m, chunks}), c).bubble_rate() - printed) <= 0.50001e-4);
    };
    close(eager_one_f_one_b{}, 1, r.eager);
    close(looped_bfs{}, 2, r.breadth_first);
    close(interleaved_zb{}, 2, r.two_chunks);
    close(interleaved_zb{}, 4, r.four_chunks);
    close(zb_h1{}, 1, r.h1);
    close(zb_h2{}, 1, r.h2);
    close(zb_v{}, 1, r.v);
    close(dualpipe_v{}, 1, r.dual);
  }
}

TEST_CASE("with fewer than 2P - 1 micro-batches interleaved zero bubble with 2 chunks is no slower than zb-v from P of them on, at equal costs") {
  int faster = 0;
  for (int p = 2; p <= 8; ++p)
    for (int m = p; m < 2 * p - 1; ++m) {
      INFO(sweep::place("zb_v", {p, m}));
      const double v = simulate(make_plan(zb_v{}, {p, m})).makespan, interleaved = simulate(make_plan(interleaved_zb{}, {p, m, 2})).makespan;
      CHECK(interleaved <= v);
      faster += interleaved < v;
    }
  CHECK(faster == 16);  // of 28
}

TEST_CASE("schedules on a V and from both ends refuse sizes in words that name others") {
  const auto words = [](auto s, const sizes& z) { return sweep::thrown([&] { (void)make_plan(s, z); }); };
  CHECK(words(zb_v{}, {2, 4, 3}) == "stretto: zb_v has no plan for chunks = 3: a V has two chunks a rank; use 2");
  CHECK(words(zb_v{}, {2, 4, 2}) == "");
  CHECK(words(one_f_one_b_v{}, {2, 4, 4}) == "stretto: 1f1b_v has no plan for chunks = 4: a V has two chunks a rank; use 2");
  CHECK(words(zb_v{}, {2, 4, 2, 2}) == "stretto: zb_v has no plan for slices = 2: it doesn't slice micro-batches; use 1");
  CHECK(words(dualpipe_v{}, {4, 7, 3}) == "stretto: dualpipe_v has no plan for chunks = 3: a V has two chunks a rank; use 2");
  CHECK(words(dualpipe{}, {3, 8}) == "stretto: dualpipe has no plan for ranks = 3: it needs an even number of ranks; use 2 or 4");
  CHECK(words(dualpipe{}, {1, 8}) == "stretto: dualpipe has no plan for ranks = 1: it needs an even number of ranks; use 2");
  // Both names for two chunks give one plan.
  CHECK(to_csv(make_plan(zb_v{}, {3, 5, 1})) == to_csv(make_plan(zb_v{}, {3, 5, 2})));
}
