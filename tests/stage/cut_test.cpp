// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The cut by cost: known optima, and every cut there is for small models.
#include <algorithm>
#include <string>
#include <vector>

#include <stretto/stage/cut.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

double slowest(const std::vector<double>& costs, const cut_options& o, const cut& c) { return detail::slowest(costs, o, c.begin); }

bool keeps_caps(const cut_options& o, const cut& c) {
  for (int s = 0; s < c.stages() && !o.caps.empty(); ++s) {
    double held = 0;
    for (int l = c.first(s); l < c.last(s); ++l) held += o.memory[static_cast<unsigned>(l)] * (o.in_flight.empty() ? 1 : o.in_flight[static_cast<unsigned>(s)]);
    if (held > o.caps[static_cast<unsigned>(s)]) return false;
  }
  return true;
}

/// The best of all cuts, tried one by one; -1 where none keeps the caps.
double best_of_all(const std::vector<double>& costs, const cut_options& o, std::vector<int>& sizes, int left) {
  double best = -1;
  if (static_cast<int>(sizes.size()) + 1 == o.stages) {
    sizes.push_back(left);
    const cut c = cut::of(sizes);
    if (keeps_caps(o, c)) best = slowest(costs, o, c);
    sizes.pop_back();
    return best;
  }
  for (int n = 1; left - n >= o.stages - static_cast<int>(sizes.size()) - 1; ++n) {
    sizes.push_back(n);
    const double one = best_of_all(costs, o, sizes, left - n);
    sizes.pop_back();
    if (one >= 0 && (best < 0 || one < best)) best = one;
  }
  return best;
}

std::vector<double> layers(double first, int blocks, double last) {
  std::vector<double> all{first};
  all.insert(all.end(), static_cast<std::size_t>(blocks), 1.0);
  all.push_back(last);
  return all;
}

using sweep::thrown;

}  // namespace

TEST_CASE("known optima of the cut") {
  const auto bottleneck = [](const std::vector<double>& costs, cut_options o) {
    if (o.stages == 0) o.stages = static_cast<int>(o.speeds.size());
    return slowest(costs, o, even_cut(costs, o));
  };
  const std::vector<double> twelve(12, 1.0), two_dozen(24, 1.0);
  CHECK(bottleneck(twelve, {.stages = 4}) == 3);
  const std::vector<double> small = layers(0.2, 12, 4.9);  // a head that costs as much as five blocks
  CHECK(bottleneck(small, {.stages = 2}) == Catch::Approx(8.9).epsilon(1e-12));
  CHECK(bottleneck(small, {.stages = 4}) == Catch::Approx(4.9).epsilon(1e-12));
  CHECK(bottleneck(small, {.stages = 8}) == Catch::Approx(4.9).epsilon(1e-12));
  CHECK(bottleneck(layers(0.1, 12, 1.84), {.stages = 4}) == Catch::Approx(4).epsilon(1e-12));
  CHECK(bottleneck(layers(0.2, 24, 1.84), {.stages = 4}) == Catch::Approx(7).epsilon(1e-12));
  CHECK(bottleneck({5, 1, 1, 1, 1, 1, 1, 5}, {.stages = 4}) == 5);
  CHECK(even_cut({1, 2, 3, 4, 5, 6, 7, 8, 9}, 3) == cut::of({5, 2, 2}));
  CHECK(bottleneck({9, 8, 7, 6, 5, 4, 3, 2, 1}, {.stages = 3}) == 17);
  CHECK(bottleneck({3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5}, {.stages = 5}) == 11);
  CHECK(even_cut(two_dozen, {.speeds = {2, 2, 1, 1}}) == cut::of({8, 8, 4, 4}));
  cut_options capped{.speeds = {2, 2, 1, 1}, .memory = two_dozen, .caps = {6, 99, 99, 99}};
  CHECK(bottleneck(two_dozen, capped) == 5);
}

TEST_CASE("no cut of a small model is better than the one by cost") {
  sweep::dice roll(71);
  int refused = 0;
  for (int round = 0; round < 3000 / sweep::scarce; ++round) {
    const int n = roll.between(1, 9);
    cut_options o;
    o.stages = roll.between(1, n);
    std::vector<double> costs;
    for (int l = 0; l < n; ++l) costs.push_back(roll.between(0, 3) == 0 ? roll.between(0, 9) : roll.between(0.0, 3.0));
    if (roll.between(0, 1) == 0)
      for (int s = 0; s < o.stages; ++s) o.speeds.push_back(roll.between(0.5, 3.0));
    if (roll.between(0, 1) == 0) {
      for (int l = 0; l < n; ++l) o.memory.push_back(roll.between(0.1, 2.0));
      for (int s = 0; s < o.stages; ++s) o.caps.push_back(roll.between(0.5, 6.0)), o.in_flight.push_back(o.stages - s);
    }
    std::vector<int> sizes;
    const double best = best_of_all(costs, o, sizes, n);
    INFO("round " << round);
    if (best < 0) {
      ++refused;
      CHECK_THROWS_AS(even_cut(costs, o), error);
      continue;
    }
    const cut c = even_cut(costs, o);
    REQUIRE(c.layers() == n);
    REQUIRE(c.stages() == o.stages);
    REQUIRE(keeps_caps(o, c));
    REQUIRE(slowest(costs, o, c) == Catch::Approx(best).epsilon(1e-12).margin(1e-12));
  }
  CHECK(refused > 100 / sweep::scarce);
}

TEST_CASE("every layer is in exactly one stage") {
  for (int n = 1; n <= 64; ++n)
    for (int stages = 1; stages <= std::min(n, 8); ++stages) {
      const cut c = even_cut(std::vector<double>(static_cast<std::size_t>(n), 1.0), stages);
      REQUIRE(c.begin.front() == 0);
      REQUIRE(c.layers() == n);
      for (int s = 0; s < stages; ++s) REQUIRE(c.first(s) < c.last(s));
      for (int l = 0; l < n; ++l) REQUIRE((c.first(c.stage_of(l)) <= l && l < c.last(c.stage_of(l))));
      REQUIRE(slowest(std::vector<double>(static_cast<std::size_t>(n), 1.0), {}, c) == (n + stages - 1) / stages);
    }
}

TEST_CASE("cuts that can't be are refused in a sentence") {
  CHECK(thrown([] { cut::of({3, 0, 2}); }) == "stretto: stage 1 of the cut has 0 layers; give every stage at least one");
  CHECK(thrown([] { cut::of({}); }) == "stretto: a cut has at least one stage; give the number of layers of each");
  CHECK(thrown([] { even_cut({1, 1}, 3); }) == "stretto: 2 layers can't be cut into 3 stages; use 1 to 2");
  CHECK(thrown([] { even_cut({1, -1}, 1); }) == "stretto: a layer's cost is not a number of at least 0; give one");
  CHECK(thrown([] { even_cut({1, 1}, {.speeds = {1, 0}}); }) == "stretto: a stage's speed is not a number above 0; give one");
  CHECK(thrown([] { even_cut({1, 1}, {.stages = 2, .speeds = {1}}); }).find("another length") != std::string::npos);
  CHECK(thrown([] { even_cut({1, 1}, {.stages = 2, .memory = {4, 4}, .caps = {5, 3}}); }) ==
        "stretto: no cut of 2 layers into 2 stages keeps the caps of memory; raise a cap, add stages or recompute");
}
