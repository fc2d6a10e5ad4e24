// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The signature: every schedule on every number of ranks gives the loss, the gradients, their norm and the weights of one
// rank, bit for bit.
#include <map>
#include <string>

#include "catch.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

constexpr int blocks = 21, layers = blocks + 3;

template <class S>
toy::outcome outcome_of(const S& schedule, const sizes& z, double clip = 0.5) {
  const plan order = make_plan(schedule, z);
  const toy::data data(z.micro_batches);
  pipeline p(toy::model_of(blocks), toy::cut_of(layers, order.stages), order, adamw{.rate = 0.01}, {.seed = 3, .samples = toy::rows, .clip = clip});
  toy::feed(p, data);
  return toy::train(p, 5, z.micro_batches * toy::rows);
}

}  // namespace

TEST_CASE("the toy model learns") {
  const toy::outcome o = outcome_of(gpipe{}, {.ranks = 1, .micro_batches = 4}, 0);
  CHECK(o.losses.back() < 0.9 * o.losses.front());
  CHECK(o.norms.front() > 0);
}

TEST_CASE("every schedule on every number of ranks gives the bits of one rank") {
  int runs = 0;
  for (int m : {1, 2, 5, 8}) {
    const toy::outcome one = outcome_of(gpipe{}, {.ranks = 1, .micro_batches = m});
    all_schedules::each([&](auto s) {
      using S = decltype(s);
      if constexpr (!std::is_same_v<S, forward_only>)
        for (int ranks : {1, 2, 3, 4, 8})
          for (int chunks = 1; chunks <= (takes_chunks<S>() ? 3 : 1); ++chunks) {
            const sizes z{.ranks = ranks, .micro_batches = m, .chunks = chunks};
            if (refuses(s, z)) continue;
            INFO(sweep::place(s.name, z));
            const toy::outcome o = outcome_of(s, z);
            REQUIRE(o.losses == one.losses);
            REQUIRE(o.norms == one.norms);
            REQUIRE(o.gradients == one.gradients);
            REQUIRE(o.weights == one.weights);
            ++runs;
          }
    });
  }
  CHECK(runs == 4 * (5 + 5 + 15));
}

TEST_CASE("a drain in descending order adds gradients in another order: the bits differ, the loss of the first step doesn't") {
  const sizes z{.ranks = 4, .micro_batches = 5};
  const toy::outcome up = outcome_of(gpipe{}, z), down = outcome_of(gpipe{.drain = drain_order::descending}, z);
  CHECK(up.losses.front() == down.losses.front());
  CHECK(up.gradients != down.gradients);
  CHECK(up.weights != down.weights);
}
