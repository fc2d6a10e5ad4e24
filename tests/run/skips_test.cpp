// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scaled losses and steps that aren't taken: a scale that is a power of two changes no bit; a step whose gradients aren't
// finite, or too large, leaves weights and the optimizer as they are on all ranks, as if it had never been asked for.
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "run/scales.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"
#include <stretto/run.hpp>
#include <stretto/transport/seeded.hpp>

using namespace stretto;
using sweep::thrown;

namespace {

constexpr double none = std::numeric_limits<double>::infinity();

struct from_feed {
  using input = nothing;
  using output = float;
  void forward(context& c, const nothing&, float& out) { out = c.feed<float>("x")[0]; }
  void backward_input(context&, const nothing&, const float&, nothing&) {}
};

const auto model = sequential(layer<from_feed>(), layer<scales::scale>(), layer<scales::scale>(), layer<scales::scale>(), layer<scales::total>());
using trained = pipeline<std::remove_const_t<decltype(model)>, adamw, seeded>;

/// Weights and optimizer's numbers after steps with these inputs; `look` sees each step.
std::vector<float> train(const plan& order, const std::vector<float>& inputs, pipeline_options how, const std::function<void(trained&, std::size_t)>& look, std::uint32_t seed = 0) {
  seeded over(order.ranks, {.seed = seed});
  std::vector<int> layers(static_cast<std::size_t>(order.stages), 1);
  layers.back() = 5 - order.stages + 1;
  trained p(over, model, cut::of(layers), order, adamw{.rate = 0.01, .epsilon = 1e-3}, how);
  p.feed<float>("x", [&](const data_share& s) { return view<const float>{&inputs[static_cast<std::size_t>(s.step)], 1}; });
  for (std::size_t i = 0; i < inputs.size(); ++i) look(p, i);
  p.finish();
  std::vector<float> all;
  for (const parameter& one : p.parameters())
    for (const void* at : {static_cast<const void*>(one.value), static_cast<const void*>(one.states[0]), static_cast<const void*>(one.states[1])}) all.push_back(*static_cast<const float*>(at));
  return all;
}

void each_plan(auto&& use) {
  for (const int ranks : {1, 2, 4}) {
    use(make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = 4}));
    use(make_plan(zb_h1{}, {.ranks = ranks, .micro_batches = 4}));
  }
  use(make_plan(interleaved_one_f_one_b{}, {.ranks = 2, .micro_batches = 4, .chunks = 2}));
}

}  // namespace

TEST_CASE("a scale of the loss that is a power of two changes no bit") {
  const toy::data data(4);
  each_plan([&](const plan& order) {
    const auto run = [&](double loss_scale, bool skips) {
      pipeline p(toy::model_of(6), toy::cut_of(9, order.stages), order, adamw{.rate = 0.01}, {.seed = 3, .samples = toy::rows, .clip = 0.5, .skips = skips});
      toy::feed(p, data);
      std::vector<double> seen;
      for (int i = 0; i < 3; ++i) {
        p.rule().loss_scale = loss_scale;
        p.accumulate(24);
        auto h = p.step(24);
        seen.push_back(h.loss()), seen.push_back(h.norm());
        CHECK_FALSE(h.skipped());
      }
      for (const parameter& one : p.parameters())
        for (std::int64_t k = 0; k < one.count; ++k) seen.push_back(static_cast<double>(static_cast<const float*>(one.value)[k]));
      return seen;
    };
    const auto plain = run(1, false);
    CHECK(run(1, true) == plain);
    CHECK(run(65536, true) == plain);
    CHECK(run(0.125, false) == plain);
  });
}

TEST_CASE("a step that isn't finite is skipped on all ranks, and those after it are as if it had never been") {
  const float wrong = std::numeric_limits<float>::infinity();
  const std::vector<float> bad{1, 2, wrong, 3, std::numeric_limits<float>::quiet_NaN(), -1}, good{1, 2, 3, -1};
  each_plan([&](const plan& order) {
    for (const std::uint32_t seed : {1, 2, 3}) {
      std::string skips;
      const auto with = train(order, bad, {.clip = 0.5, .skips = true}, [&](trained& p, std::size_t) { skips += p.step(4).skipped() ? 'x' : '.'; }, seed);
      CHECK(skips == "..x.x.");
      const auto without = train(order, good, {.clip = 0.5}, [](trained& p, std::size_t) { CHECK_FALSE(p.step(4).skipped()); }, seed);
      CHECK(with == without);
      // Steps that are asked for ahead are judged, too.
      CHECK(train(order, bad, {.clip = 0.5, .skips = true}, [](trained& p, std::size_t) { p.step(4); }, seed) == without);
    }
  });
  // Without the option what isn't finite gets into the weights.
  const auto through = train(make_plan(gpipe{}, {.ranks = 2, .micro_batches = 4}), bad, {}, [](trained& p, std::size_t) { p.step(4); });
  CHECK(through[0] - through[0] != 0);
}

TEST_CASE("a loss scale that overflows is halved until it fits, on all ranks alike") {
  // The gradient of a weight is 9 times the scale; float holds it up to a scale of 2^124.
  each_plan([&](const plan& order) {
    double now = 0x1p127;
    std::string skips;
    std::vector<double> norms;
    const auto scaled = train(order, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {.skips = true}, [&](trained& p, std::size_t) {
      p.rule().loss_scale = now;
      auto h = p.step(4);
      skips += h.skipped() ? 'x' : '.';
      if (h.skipped()) now /= 2;
    });
    CHECK(skips == "xxx.......");
    CHECK(scaled == train(order, {1, 1, 1, 1, 1, 1, 1}, {}, [](trained& p, std::size_t) { p.step(4); }));
  });
}

TEST_CASE("limits of norm and loss skip steps, and a run that goes on counts those before") {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 4});
  const auto run = [&](step_rule rule, pipeline_options how = {.skips = true}) {
    std::string skips;
    train(order, {1, 5, 1, 20, 1}, how, [&](trained& p, std::size_t) {
      p.rule() = rule;
      skips += p.step(4).skipped() ? 'x' : '.';
    });
    return skips;
  };
  CHECK(run({}) == ".....");
  CHECK(run({.most_norm = 200}) == "...x.");
  CHECK(run({.most_norm = 50}) == ".x.x.");
  CHECK(run({.most_loss = 100}) == ".x.x.");
  CHECK(run({.loss_scale = 1024, .most_norm = 50, .most_loss = 500}) == ".x.x.");
  CHECK(run({.most_norm = 0}) == "xxxxx");

  // AdamW's first update differs from its third: the count goes on where it was.
  const auto counted = [&](pipeline_options how) {
    return train(order, {1, 1, 1, 1}, how, [](trained& p, std::size_t i) { if (i < 1) p.step(4); });
  };
  CHECK(counted({.first_step = 2, .skipped = 2}) == counted({}));
  CHECK(counted({.first_step = 2, .skipped = 1}) == counted({.first_step = 1}));
  CHECK(counted({.first_step = 2}) != counted({}));
}

TEST_CASE("rules that can't be kept are refused, and ranks that are told different ones are named") {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 4});
  const auto why = [&](pipeline_options how, const std::function<void(trained&)>& use) {
    return thrown([&] { train(order, {1, 1}, how, [&](trained& p, std::size_t i) { if (i == 0) use(p); }); });
  };
  CHECK(why({}, [](trained& p) { p.rule().most_norm = 4, p.step(); }) == "stretto: step_rule limits norm or loss, and the pipeline skips no steps; set pipeline_options::skips");
  CHECK(why({}, [](trained& p) { p.rule().loss_scale = 0, p.step(); }) == "stretto: step_rule::loss_scale isn't above 0 and finite, or its inverse isn't; correct it");
  CHECK(why({}, [](trained& p) { p.rule().loss_scale = 1e-320, p.step(); }).find("or its inverse isn't") != std::string::npos);
  CHECK(why({.skips = true}, [](trained& p) {
    p.rule().most_norm = 0;
    CHECK_THROWS_AS(p.probe(0), error);
    CHECK(p.step(4).skipped());  // by the rule of before
    p.rule() = {.most_loss = -none};
    CHECK(p.step(4).skipped());
  }).empty());
  CHECK(why({}, [](trained& p) { p.rule().loss_scale = none, p.step(); }) == "stretto: step_rule::loss_scale isn't above 0 and finite, or its inverse isn't; correct it");
  CHECK(why({.skips = true}, [](trained& p) { p.rule().most_norm = std::numeric_limits<double>::quiet_NaN(), p.step(); }) == "stretto: step_rule::most_norm or most_loss is no number; give a limit, or infinity for none");
  CHECK(why({}, [](trained& p) { p.accumulate(8), p.rule().loss_scale = 2, p.step(8); }) ==
        "stretto: step_rule::loss_scale changes between accumulate and step, whose gradients are added up; change it after the step");
  CHECK(why({.skips = true}, [](trained& p) { p.accumulate(8), p.rule().most_loss = 2, p.step(8); }) ==
        "stretto: step_rule::most_loss is of a step over several runs, and only the last one's loss would be judged; limit the norm");
  CHECK(why({.skipped = 1}, [](trained&) {}).find("skipped not from 0 to first_step") != std::string::npos);
  CHECK(why({}, [](trained& p) { p.rule().loss_scale = 64, p.probe(4).loss(); CHECK(scales::gradient_of_parameter(p, 0) == 9); }).empty());  // of the loss itself
}
