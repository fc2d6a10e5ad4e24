// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The signature: every schedule on every number of ranks, over threads and over deliveries in any order, gives the loss,
// the gradients, their norm and the weights of one rank, bit for bit.
#include <map>
#include <string>

#include "catch.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"
#include <stretto/transport/seeded.hpp>

using namespace stretto;

namespace {

constexpr int blocks = 21, layers = blocks + 3;

template <class Transport = threads>
toy::outcome outcome_of(const plan& order, double clip = 0.5, bool again = false, pipeline_options how = {}, seeded_options seed = {}) {
  const toy::data data(order.micro_batches);
  how.seed = 3, how.samples = toy::rows, how.clip = clip;
  const auto model = toy::model_of(blocks, again);
  const cut c = toy::cut_of(layers, order.stages);
  const auto run = [&](auto& p) {
    toy::feed(p, data);
    return toy::train(p, 5, order.micro_batches * toy::rows);
  };
  if constexpr (std::is_same_v<Transport, threads>) {
    pipeline p(model, c, order, adamw{.rate = 0.01}, how);
    return run(p);
  } else {
    Transport t(order.ranks, seed);
    pipeline p(t, model, c, order, adamw{.rate = 0.01}, how);
    return run(p);
  }
}

/// 1F1B with weight passes of their own, each some micro-batches behind.
struct split_one_f_one_b {
  static constexpr const char* name = "split_1f1b";
  int lag = 2;

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    int weights = 0;
    one_f_one_b{}.order(z, rank, [&](const action& a) {
      if (a.pass == pass::forward) return put(a);
      put(action::backward_input(a.stage, a.micro_batch));
      for (; weights + lag <= a.micro_batch; ++weights) put(action::backward_weight(a.stage, weights));
    });
    for (; weights < z.micro_batches; ++weights) put(action::backward_weight(rank, weights));
  }
};

template <class Visit>
void each_case(Visit&& visit) {
  for (int m : {1, 2, 5, 8, 16})  // 16: enough for those that go both ways over 8 ranks
    all_schedules::each([&](auto s) {
      using S = decltype(s);
      if constexpr (!std::is_same_v<S, forward_only>)
        for (int ranks : {1, 2, 3, 4, 8})
          for (int chunks = 1; chunks <= (takes_chunks<S>() ? 3 : 1); ++chunks) {
            const sizes z{.ranks = ranks, .micro_batches = m, .chunks = chunks};
            if (!refuses(s, z)) visit(make_plan(s, z), sweep::place(s.name, z));
          }
    });
}

const toy::outcome& one_rank(int micro_batches, drain_order drain = drain_order::ascending) {
  static std::map<std::pair<int, drain_order>, toy::outcome> known;
  if (!known.count({micro_batches, drain})) known[{micro_batches, drain}] = outcome_of(make_plan(gpipe{drain}, {.ranks = 1, .micro_batches = micro_batches}));
  return known[{micro_batches, drain}];
}

/// Two ranks that each have the whole model and some of the micro-batches, the first `down` or the rest: what every plan must
/// give whose stages have two owners, since sums are made by owner.
struct shared_out {
  static constexpr const char* name = "shared_out";
  int down = 0;
  constexpr int stages(const sizes&) const { return 1; }
  constexpr int routes(const sizes&) const { return 2; }
  constexpr int route_of(const sizes&, int m) const { return m < down ? 0 : 1; }
  constexpr void route(const sizes&, int index, auto&& put) const { put(hop{0, index}); }
  constexpr void order(const sizes& z, int rank, auto&& put) const {
    for (int m = 0; m < z.micro_batches; ++m)
      for (pass_id what : {pass::forward, pass::backward})
        if (route_of(z, m) == rank) put(action::of(what, 0, m));
  }
};

const toy::outcome& two_owners(const plan_view& p) {
  static std::map<std::pair<int, int>, toy::outcome> known;
  int down = 0;
  for (int m = 0; m < p.micro_batches; ++m) down += p.route_index(m) == 0;
  const std::pair key(p.micro_batches, down);
  if (!known.count(key)) known[key] = outcome_of(make_plan(shared_out{down}, {.ranks = 2, .micro_batches = p.micro_batches}));
  return known[key];
}

/// What a plan must give, by its owners and by the order of its weight passes alone.
const toy::outcome& due(const plan_view& p) {
  if (p.routes > 1) return two_owners(p);
  return one_rank(p.micro_batches, toy::adds_ascending(p) ? drain_order::ascending : drain_order::descending);
}

}  // namespace

TEST_CASE("the toy model learns") {
  const toy::outcome o = outcome_of(make_plan(gpipe{}, {.ranks = 1, .micro_batches = 4}), 0);
  CHECK(o.losses.back() < 0.9 * o.losses.front());
  CHECK(o.norms.front() > 0);
}

TEST_CASE("without clipping, too, norms of tied gradients and all else have the bits of one rank") {
  CHECK(outcome_of(make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 4}), 0) == outcome_of(make_plan(gpipe{}, {.ranks = 1, .micro_batches = 4}), 0));
}

TEST_CASE("every schedule on every number of ranks gives the bits of one rank") {
  int runs = 0;
  each_case([&](const plan& order, const std::string& where) {
    INFO(where);
    REQUIRE(outcome_of(order) == due(order));
    ++runs;
  });
  CHECK(runs >= 4 * (5 + 5 + 15));
}

TEST_CASE("every schedule gives these bits in whatever order messages are delivered") {
  int runs = 0;
  each_case([&](const plan& order, const std::string& where) {
#ifdef STRETTO_SANITIZED
    if (runs % 5 != 0) return void(++runs);
#endif
    INFO(where);
    REQUIRE(outcome_of<seeded>(order, 0.5, false, {}, {.seed = static_cast<std::uint32_t>(runs)}) == due(order));
    ++runs;
  });
  CHECK(runs >= 4 * (5 + 5 + 15));
}

namespace {

void run_seeds(std::uint32_t from, std::uint32_t to) {
  const plan orders[] = {make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 5}), make_plan(interleaved_one_f_one_b{}, {.ranks = 3, .micro_batches = 5, .chunks = 2}),
                         make_plan(split_one_f_one_b{}, {.ranks = 3, .micro_batches = 5})};
  for (std::uint32_t seed = from; seed < to; ++seed) {
    INFO("seed " << seed);
    REQUIRE(outcome_of<seeded>(orders[seed % 3], 0.5, false, {}, {.seed = seed}) == one_rank(5));
  }
}

}  // namespace

#ifdef STRETTO_SANITIZED
TEST_CASE("20 seeds of delayed and reordered delivery give the same bits") { run_seeds(0, 20); }
#else
TEST_CASE("200 seeds of delayed and reordered delivery give the same bits") { run_seeds(0, 200); }
TEST_CASE("10000 seeds of delayed and reordered delivery give the same bits", "[.nightly]") { run_seeds(0, 10000); }
#endif

TEST_CASE("weight passes of their own, at any distance, give the same bits") {
  for (int m : {1, 5})
    for (int ranks : {1, 2, 4, 8})
      for (int lag : {0, 1, 3, 8}) {
        INFO("ranks " << ranks << " lag " << lag);
        REQUIRE(outcome_of(make_plan(split_one_f_one_b{.lag = lag}, {.ranks = ranks, .micro_batches = m})) == one_rank(m));
      }
}

TEST_CASE("recomputed layers, some or all, give the same bits") {
  for (int ranks : {1, 3, 8})
    for (bool split : {false, true}) {
      const sizes z{.ranks = ranks, .micro_batches = 5};
      const plan order = split ? make_plan(split_one_f_one_b{}, z) : make_plan(one_f_one_b{}, z);
      REQUIRE(outcome_of(order, 0.5, true) == one_rank(5));
      REQUIRE(outcome_of(order, 0.5, false, {.recompute_all = true}) == one_rank(5));
    }
}

TEST_CASE("every cut of the model gives the same bits") {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = 3});
  const auto outcome = [&](const std::vector<int>& begin) {
    const toy::data data(3);
    pipeline p(toy::model_of(6), cut_before(9, begin), order, adamw{.rate = 0.01}, {.seed = 3, .samples = toy::rows, .clip = 0.5});
    toy::feed(p, data);
    return toy::train(p, 2, 9);
  };
  const toy::outcome first = outcome({1, 2});
  for (int a = 1; a < 8; ++a)
    for (int b = a + 1; b < 9; ++b) REQUIRE(outcome({a, b}) == first);
}

TEST_CASE("a drain in descending order adds gradients in another order: the bits differ, the loss of the first step doesn't") {
  const sizes z{.ranks = 4, .micro_batches = 5};
  const toy::outcome up = outcome_of(make_plan(gpipe{}, z)), down = outcome_of(make_plan(gpipe{.drain = drain_order::descending}, z));
  CHECK(up.losses.front() == down.losses.front());
  CHECK(up.gradients != down.gradients);
  CHECK(up.weights != down.weights);
}
