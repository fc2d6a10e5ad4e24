// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranks as processes give the loss, the norm, the gradients and the weights of one rank, bit for bit.
#include <map>
#include <string>

#include "catch.hpp"
#include "processes.hpp"

using namespace stretto;

namespace {

constexpr int blocks = 21, layers = blocks + 3;

struct known_rank {
  std::vector<double> losses, norms;
  std::map<std::string, std::vector<float>> weights, gradients;
};

std::string name_of(const parameter& p) { return std::string(p.name.str()); }

template <class P>
known_rank outcome(P& p, int micro_batches, int steps) {
  known_rank o;
  for (int i = 0; i < steps; ++i) {
    auto step = p.step(micro_batches * toy::rows);
    o.losses.push_back(step.loss()), o.norms.push_back(step.norm());
  }
  for (const parameter& one : p.parameters()) {
    const auto *v = static_cast<const float*>(one.value), *g = static_cast<const float*>(one.gradient);
    o.weights[name_of(one)].assign(v, v + one.count);
    if (g != nullptr) o.gradients[name_of(one)].assign(g, g + one.count);
  }
  return o;
}

/// Whether the parameters of this process are those of one rank.
bool are_among(const std::map<std::string, std::vector<float>>& mine, const std::map<std::string, std::vector<float>>& all) {
  for (const auto& [name, numbers] : mine)
    if (!all.count(name) || all.at(name) != numbers) return false;
  return !mine.empty();
}

pipeline_options options() { return {.seed = 3, .samples = toy::rows, .clip = 0.5}; }

const known_rank& one_rank(int micro_batches, int steps) {
  static std::map<std::pair<int, int>, known_rank> known;
  auto& k = known[{micro_batches, steps}];
  if (k.losses.empty()) {
    const toy::data data(micro_batches);
    pipeline p(toy::model_of(blocks), toy::cut_of(layers, 1), make_plan(gpipe{}, {.ranks = 1, .micro_batches = micro_batches}), adamw{.rate = 0.01}, options());
    toy::feed(p, data);
    k = outcome(p, micro_batches, steps);
  }
  return k;
}

int same_bits(bool all, int steps) {
  int plans = 0;
  for (const int m : all ? std::vector<int>{4, 5, 8, 16} : std::vector<int>{8})
    processes::each_plan(processes::count(), m, all, [&](const plan& order, std::string_view name) {
      if (!toy::adds_ascending(order)) return;
      CAPTURE(std::string(name), m);
      const toy::data data(m);
      mpi t({.deadline = 60});
      pipeline p(t, toy::model_of(blocks), toy::cut_of(layers, order.stages), order, adamw{.rate = 0.01}, options());
      toy::feed(p, data);
      const known_rank mine = outcome(p, m, steps);
      const known_rank& one = one_rank(m, steps);
      const bool same = mine.losses == one.losses && mine.norms == one.norms && are_among(mine.weights, one.weights) && are_among(mine.gradients, one.gradients);
      CHECK(same);
      ++plans;
    });
  return plans;
}

}  // namespace

TEST_CASE("six schedules on 2 ranks have the bits of one", "[ranks2]") { CHECK(same_bits(false, 5) == 6); }
TEST_CASE("six schedules on 4 ranks have the bits of one", "[ranks4]") { CHECK(same_bits(false, 5) == 6); }
TEST_CASE("every schedule on 2 ranks has the bits of one", "[ranks2][.most]") { CHECK(same_bits(true, 5) >= 20); }
TEST_CASE("every schedule on 3 ranks has the bits of one", "[ranks3][.most]") { CHECK(same_bits(true, 5) >= 20); }
TEST_CASE("every schedule on 4 ranks has the bits of one", "[ranks4][.most]") { CHECK(same_bits(true, 5) >= 20); }
TEST_CASE("every schedule on 8 ranks has the bits of one", "[ranks8][.most]") { CHECK(same_bits(true, 5) >= 20); }
