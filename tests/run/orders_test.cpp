// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps and orders: a plan as a constant, gradients gathered over several runs, other orders over the same layers, and what
// changes from step to step.
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "run/scales.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"
#include <stretto/run.hpp>

using namespace scales;
using namespace stretto;
using sweep::thrown;

namespace {
constexpr const auto& constant = static_plan<one_f_one_b, ranks<2>, micro_batches<3>>;
}

TEST_CASE("a plan that is a constant runs like one that is made at run time") {
  const auto model = sequential(layer<counter>(), layer<merged_scale>(), layer<total>());
  auto p = make_pipeline<constant>(model, cut::of({1, 2}), sgd{.rate = 0});
  CHECK(p.step(1).loss() == 3 * 6);
  pipeline q(model, cut::of({1, 2}), constant, sgd{.rate = 0});
  CHECK(q.step(1).loss() == 3 * 6);
  pipeline r(model, cut::of({1, 2}), lower(make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 3})), sgd{.rate = 0});
  CHECK(r.step(1).loss() == 3 * 6);
}

TEST_CASE("gradients gathered over several runs of a plan are those of one longer plan") {
  const toy::data data(6);
  const auto outcome = [&](int micro_batches, int runs) {
    pipeline p(toy::model_of(6), toy::cut_of(9, 3), plan_of(3, micro_batches), adamw{.rate = 0.01}, {.samples = toy::rows, .clip = 0.5});
    p.feed<int>("tokens", [&](const data_share& s) { return view<const int>{data.tokens.data() + s.first_sample, toy::rows}; });
    p.feed<int>("targets", [&](const data_share& s) { return view<const int>{data.targets.data() + s.first_sample, toy::rows}; });
    std::vector<double> norms;
    for (int step = 0; step < 3; ++step) {
      for (int i = 1; i < runs; ++i) p.accumulate(18);
      norms.push_back(p.step(18).norm());
    }
    std::vector<std::vector<float>> all;
    for (const parameter& one : p.parameters()) {
      all.emplace_back(static_cast<const float*>(one.value), static_cast<const float*>(one.value) + one.count);
      if (one.gradient != nullptr) all.emplace_back(static_cast<const float*>(one.gradient), static_cast<const float*>(one.gradient) + one.count);
    }
    return std::make_pair(norms, all);
  };
  const auto whole = outcome(6, 1);
  CHECK(outcome(3, 2) == whole);
  CHECK(outcome(2, 3) == whole);
  CHECK(outcome(1, 6) == whole);
  pipeline p(sequential(layer<counter>(), layer<scale>(), layer<total>()), cut::of({2, 1}), plan_of(2, 2));
  CHECK(thrown([&] { p.accumulate(1).norm(); }) == "stretto: the norm is asked of a run without an update; ask it of a step");
  CHECK(thrown([&] { p.rebind(plan_of(2, 3)); }) == "stretto: rebind is asked for between accumulate and step; end the step first");
  pipeline q(sequential(layer<counter>(), layer<scale>(), layer<total>()), cut::of({2, 1}), make_plan(forward_only{}, {.ranks = 2, .micro_batches = 2}));
  CHECK(thrown([&] { q.accumulate(1); }) == "stretto: accumulate is asked of a plan without backward passes; train by one that has them");
}

TEST_CASE("another order of the same cut changes nothing but the time: rebind between steps") {
  const toy::data data(5);
  const auto losses = [&](bool change) {
    pipeline p(toy::model_of(6), toy::cut_of(9, 3), plan_of(3, 5), adamw{.rate = 0.01}, {.samples = toy::rows, .clip = 0.5});
    toy::feed(p, data);
    std::vector<double> all;
    for (int i = 0; i < 6; ++i) {
      if (change && i % 2 == 1) p.rebind(make_plan(gpipe{}, {.ranks = 3, .micro_batches = 5}));
      if (change && i > 0 && i % 2 == 0) p.rebind(plan_of(3, 5));
      all.push_back(p.step(15).loss());
    }
    return all;
  };
  CHECK(losses(true) == losses(false));
  pipeline p(sequential(layer<counter>(), layer<scale>(), layer<total>()), cut::of({2, 1}), plan_of(2, 2));
  auto old = p.step();
  p.rebind(plan_of(2, 3));
  CHECK(thrown([&] { old.loss(); }) == "stretto: a step is asked for its results after rebind; ask before");
  CHECK(thrown([&] { p.rebind(plan_of(3, 3)); }) == "stretto: a plan of 3 ranks and 3 stages is bound to a pipeline of 2 and 2; give a plan of the same cut");
  CHECK(p.step(1).loss() > 0);
  CHECK(thrown([&] { p.run(1); }) == "stretto: order 1 is asked for, and 0 were bound with bind(); use the number that bind gave");
  CHECK(thrown([&] { p.feed<int>("late", [](const data_share&) { return view<const int>{}; }); }) == "stretto: feed 'late' is given after the first step; give all feeds before it");
}

TEST_CASE("an order that is replaced takes its memory with it") {
  pipeline p(toy::model_of(6), toy::cut_of(9, 3), plan_of(3, 5), adamw{.rate = 0.01}, {.samples = toy::rows});
  std::int64_t before[3] = {};
  for (int i = 0; i < 6; ++i) {
    p.rebind(i % 2 == 0 ? make_plan(gpipe{}, {.ranks = 3, .micro_batches = 5}) : plan_of(3, 5));
    for (int r = 0; r < 3 && i == 1; ++r) before[r] = p.memory(r).now();
  }
  for (int r = 0; r < 3; ++r) {
    CHECK(before[r] > 0);
    CHECK(p.memory(r).now() == before[r]);
  }
}

TEST_CASE("an order that trains can't come between gathered gradients and their step") {
  pipeline p(sequential(layer<counter>(), layer<scale>(), layer<total>()), cut::of({2, 1}), plan_of(2, 4), sgd{.rate = 0});
  const int e = p.bind(make_plan(gpipe{}, {.ranks = 2, .micro_batches = 4}));
  const int f = p.bind(make_plan(forward_only{}, {.ranks = 2, .micro_batches = 2}));
  p.accumulate(1);
  CHECK(thrown([&] { p.run(e); }) == "stretto: order 1 trains, and is run between accumulate and step, whose gradients it would lose; end the step first");
  CHECK(p.run(f).loss() == 3 * (1 + 2));
  auto step = p.step(1);
  CHECK(step.loss() == 3 * 10);
  CHECK(gradient_of_parameter(p, 0) == 2 * 10);
  step = p.run(e);
  CHECK(step.loss() == 3 * 10);
  CHECK(gradient_of_parameter(p, 0) == 10);
  CHECK(p.steps(f).micro_batches == 2);
}

TEST_CASE("the optimizer's rate may change from step to step, and holds for the steps asked for from there on") {
  const auto weights = [](bool waits) {
    pipeline p(sequential(layer<counter>(), layer<scale>(), layer<total>()), cut::of({2, 1}), plan_of(2, 2), sgd{.rate = 0});
    for (int i = 0; i < 6; ++i) {
      p.optimizer().rate = 0.25 * i;
      p.step(1);
      if (waits) p.finish();
    }
    p.finish();
    return *static_cast<const float*>(p.parameters()[0].value);
  };
  CHECK(weights(true) == 3 - 3 * 0.25f * (1 + 2 + 3 + 4 + 5));
  CHECK(weights(false) == weights(true));
}

namespace {

/// Says which order asked for it.
struct asker {
  using input = nothing;
  using output = float;
  void forward(context& c, const nothing&, float& out) { out = c.feed<float>("by order")[0]; }
};
/// Begins with its place in the model.
struct numbered : scale {
  explicit numbered(layer_index l, float times) { w[0] = times * static_cast<float>(l.value); }
};
struct frozen_scale : scale {
  static constexpr bool frozen = true;
};

}  // namespace

TEST_CASE("a feed is told which order asks, and repeated layers which of them they are") {
  const std::vector<float> by_order{10, 20};
  pipeline p(sequential(layer<asker>(), repeat<numbered>(2, 0.5f), layer<frozen_scale>(), layer<total>()), cut::of({2, 3}), plan_of(2, 1), adamw{.rate = 0.1, .decay = 0.5});
  p.feed<float>("by order", [&](const data_share& s) { return view<const float>{&by_order[static_cast<std::size_t>(s.order)], 1}; });
  const int e = p.bind(make_plan(forward_only{}, {.ranks = 2, .micro_batches = 1}));
  CHECK(p.run(e).loss() == 20 * 0.5 * 1 * 3);
  CHECK(p.step().loss() == 10 * 0.5 * 1 * 3);
  REQUIRE(p.parameters().size() == 3);
  CHECK(p.parameters()[2].gradient == nullptr);  // frozen, whatever it shows
  CHECK(*static_cast<const float*>(p.parameters()[2].value) == 3);
}
