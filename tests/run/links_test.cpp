// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Skip connections, routes and plans that don't fit are refused when they are bound, each in its sentence.
#include <array>
#include <cmath>
#include <string>

#include "catch.hpp"
#include "schedule/sweep.hpp"
#include <stretto/run.hpp>

using namespace stretto;
using sweep::thrown;

namespace {

struct begin {
  using input = nothing;
  using output = float;
  std::vector<float> w{1}, g{0};
  void forward(context&, const nothing&, float& out) { out = 1; }
  void backward_input(context&, const nothing&, const float&, nothing&) {}
  void backward_weight(context&, const nothing&, const float& d) { g[0] += d; }
  void parameters(auto&& visit) { visit("w", w, g); }
};
template <class T>
struct giver {
  using input = float;
  using output = float;
  using given = T;
  void forward(context&, const float& in, float& out, T&) { out = in; }
  void backward_input(context&, const float&, const float& g, const gradient_of<T>&, float& d) { d = g; }
};
template <class T>
struct taker {
  using input = float;
  using output = float;
  using taken = T;
  void forward(context&, const float& in, const T&, float& out) { out = in; }
  void backward_input(context&, const float&, const T&, const float& g, float& d, gradient_of<T>&) { d = g; }
};
struct end {
  using input = float;
  using output = double;
  void forward(context&, const float& in, double& out) { out = static_cast<double>(in); }
  void backward_input(context&, const float&, const double& g, float& d) { d = static_cast<float>(g); }
};
struct pass_on {
  using input = float;
  using output = float;
  void forward(context&, const float& in, float& out) { out = in; }
  void backward_input(context&, const float&, const float& g, float& d) { d = g; }
};
struct pass_first {
  using input = nothing;
  using output = float;
  void forward(context&, const nothing&, float& out) { out = 1; }
};
struct weigh {
  using input = float;
  using output = float;
  std::vector<float> w{2}, g{0};
  void forward(context&, const float& in, float& out) { out = w[0] * in; }
  void backward_input(context&, const float&, const float& g_out, float& d) { d = w[0] * g_out; }
  void backward_weight(context&, const float& in, const float& g_out) { g[0] += in * g_out; }
  void parameters(auto&& visit) { visit("w", w, g); }
};
/// Lets its input go, and gives what is of its output's type: no argument is filled in a copy.
struct early_giver {
  using input = float;
  using output = float;
  using given = float;
  static constexpr bool keeps_input = false;
  void forward(context&, const float& in, float& out, float& away) { out = away = in; }
  void backward_input(context&, const float& g, const float& back, float& d) { d = g + back; }
};
static_assert(detail::is_layer<early_giver>());
/// Has a gradient, and neither assign nor add.
struct odd {
  float x = 0;
};

}  // namespace

template <>
struct stretto::wire_traits<odd> {
  using gradient = odd;
  static odd gradient_like(const odd&) { return {}; }
  static std::int64_t bytes(const odd&) { return sizeof(odd); }
};

namespace {

template <class... R>
std::string words_of(const R&... layers) {
  const auto m = sequential(layer<begin>(), layers..., layer<end>());
  return thrown([&] { pipeline p(m, cut::of({1, m.size() - 1}), make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2})); });
}

}  // namespace

TEST_CASE("skip connections that don't fit are refused when they are bound") {
  CHECK(words_of(layer<giver<float>>().gives("u"), layer<taker<float>>().takes("u")) == "");
  CHECK(words_of(layer<giver<float>>(), layer<taker<float>>().takes("u")) ==
        "stretto: layer 1 gives to a skip connection that has no name; name it with gives() where the layer stands in the model");
  CHECK(words_of(layer<giver<float>>().gives("u"), layer<taker<float>>().named("up")) ==
        "stretto: nobody takes what layer 1 gives to skip connection 'u'; let a layer behind it take it");
  CHECK(words_of(layer<taker<float>>().named("up")) ==
        "stretto: layer 1 (up) takes from a skip connection that has no name; name it with takes() where the layer stands in the model");
  CHECK(words_of(layer<taker<float>>().takes("u"), layer<giver<float>>().gives("u")) ==
        "stretto: layer 1 takes from skip connection 'u', and no layer before it gives to it; let one give by that name");
  CHECK(words_of(layer<giver<float>>().gives("u"), layer<giver<float>>().gives("u"), layer<taker<float>>().takes("u")) ==
        "stretto: layer 1 and layer 2 both give to skip connection 'u'; give each its own name");
  CHECK(words_of(layer<giver<double>>().gives("u").named("down"), layer<taker<float>>().takes("u")) ==
        "stretto: layer 1 (down) gives to skip connection 'u' another type than layer 2 takes; make `given` of the one and `taken` of the other the same type");
  CHECK(words_of(layer<giver<odd>>().gives("u"), layer<taker<odd>>().takes("u")) == "");
  CHECK(words_of(layer<giver<odd>>().gives("u"), layer<taker<odd>>().takes("u"), layer<taker<odd>>().takes("u")) ==
        "stretto: several layers take what layer 1 gives, and the wire_traits of its type have no assign, or those of its gradient no add; write them");
}

TEST_CASE("cuts before layers that are out of order or that aren't there are refused") {
  CHECK(thrown([] { cut_before(3, {7}); }) == "stretto: a stage is to begin with layer 7, behind layer 0 of 3 layers; give beginnings from 1 on, each larger than the one before");
  CHECK(thrown([] { cut_before(5, {3, 2}); }) == "stretto: a stage is to begin with layer 2, behind layer 3 of 5 layers; give beginnings from 1 on, each larger than the one before");
  CHECK(thrown([] { cut_before(5, {0}); }).find("layer 0, behind layer 0") != std::string::npos);
}

TEST_CASE("options and numbers that are no use are refused") {
  const auto m = sequential(layer<begin>(), layer<end>());
  const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2});
  const cut c = cut::of({1, 1});
  CHECK(thrown([&] { pipeline p(m, c, plan{}); }) == "stretto: no plan: it was never made, or was moved from; make it with make_plan");
  const std::string options = "stretto: pipeline_options::clip is below 0 or no number, samples is below 1, first_step below 0, or skipped not from 0 to first_step; correct it";
  CHECK(thrown([&] { pipeline p(m, c, order, sgd{}, {.clip = -1}); }) == options);
  CHECK(thrown([&] { pipeline p(m, c, order, sgd{}, {.clip = std::nan("")}); }) == options);
  CHECK(thrown([&] { pipeline p(m, c, order, sgd{}, {.samples = 0}); }) == options);
  threads t(2);
  CHECK(thrown([&] { pipeline p(t, m, c, order, sgd{}, {.threads = {.deadline = 3}}); }) ==
        "stretto: pipeline_options::threads is for the transport that a pipeline makes, and this one is given one; give these options to that");
  pipeline p(t, m, c, order);
  for (double normalizer : {0.0, std::nan(""), HUGE_VAL})
    CHECK(thrown([&] { p.step(normalizer); }) == "stretto: the normalizer of a step is 0 or no finite number; give what the sum of the last layer is divided by");
  CHECK(p.step(2).loss() == 1);
  pipeline q(m, c, order);
  q.feed<int>("x", [](const data_share&) { return view<const int>{}; });
  CHECK(thrown([&] { q.feed<int>("x", [](const data_share&) { return view<const int>{}; }); }) == "stretto: feed 'x' is given twice; give each feed its own name");
}

TEST_CASE("a second pipeline over a transport that one runs over is refused, and follows when that has ended") {
  const auto m = sequential(layer<begin>(), layer<pass_on>(), layer<pass_on>(), layer<end>());
  const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2});
  threads t(2, {.deadline = 5});
  seeded u(2);
  const std::string words = "stretto: a pipeline runs over this transport already; let that one end first, or make another transport";
  for (int round = 0; round < 2; ++round) {
    pipeline p(t, m, cut::of({2, 2}), order);
    pipeline q(u, m, cut::of({2, 2}), order);
    CHECK(thrown([&] { pipeline second(t, m, cut::of({2, 2}), order); }) == words);
    CHECK(thrown([&] { pipeline second(u, m, cut::of({2, 2}), order); }) == words);
    CHECK(p.step().loss() == 2);
    CHECK(q.step().loss() == 2);
  }
}

TEST_CASE("plans that don't fit the model are refused when they are bound") {
  const auto m = sequential(layer<begin>(), layer<giver<float>>().gives("u"), layer<taker<float>>().takes("u"), layer<end>());
  const auto plain = sequential(layer<begin>(), layer<pass_on>(), layer<pass_on>(), layer<end>());
  const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2});
  threads t(3);
  CHECK(thrown([&] { pipeline p(t, m, cut::of({2, 2}), order); }) == "stretto: the plan is for 2 ranks and the transport has 3; make them for one number of ranks");
  CHECK(thrown([&] { pipeline p(m, cut::of({2, 2}), lower(order)); }) ==
        "stretto: the model has skip connections, and this plan holds its messages already; give the order that it came from");
  const auto route = [](const std::vector<std::vector<hop>>& hops, const std::vector<std::vector<action>>& lists) {
    draft d;
    d.hops_of = hops;
    d.order_of = lists;
    d.stage_count = 3;
    return make_plan(d);
  };
  const auto both = [](int s, int b) { return std::vector<action>{action::forward(s, b), action::backward(s, b)}; };
  const cut three = cut::of({1, 1, 2});
  CHECK(thrown([&] { pipeline p(plain, three, route({{{1, 0}, {2, 1}}}, {both(1, 0), both(2, 0)})); }) ==
        "stretto: a route begins with stage 1, whose first layer takes an input; begin with the stage that reads the feeds");
  CHECK(thrown([&] { pipeline p(plain, three, route({{{0, 0}, {1, 1}}}, {both(0, 0), both(1, 0)})); }) ==
        "stretto: a route ends with stage 1, which doesn't have the model's last layer; end with stage 2");
  CHECK(thrown([&] { pipeline p(plain, three, route({{{0, 0}, {2, 1}}}, {both(0, 0), both(2, 0)})); }) == "");  // a stage left out
  CHECK(thrown([&] { pipeline p(m, three, route({{{0, 0}, {2, 1}}}, {both(0, 0), both(2, 0)})); }) ==
        "stretto: a skip connection joins stages 1 and 2, and a route passes one of them without the other; let routes pass both");
  // Stages that begin without weights to train: left out, and exchanged with one behind the first weights.
  const auto late = sequential(layer<pass_first>(), layer<pass_on>(), layer<weigh>(), layer<pass_on>(), layer<end>());
  const cut four = cut::of({1, 1, 1, 2});
  draft skipping;
  skipping.hops_of = {{{0, 0}, {1, 0}, {2, 0}, {3, 0}}, {{0, 0}, {1, 0}, {3, 0}}};
  skipping.route_index = {0, 1};
  skipping.order_of = {{action::forward(0, 0), action::forward(1, 0), action::forward(2, 0), action::forward(3, 0), action::backward(3, 0), action::backward(2, 0), action::backward(1, 0), action::backward(0, 0),
                        action::forward(0, 1), action::forward(1, 1), action::forward(3, 1), action::backward(3, 1), action::backward(1, 1), action::backward(0, 1)}};
  CHECK(thrown([&] {
    pipeline p(late, four, make_plan(skipping), sgd{.rate = 0});
    if (p.step().loss() != 2 + 1 || p.step().norm() != 1) throw std::runtime_error("other numbers");
  }) == "");
  skipping.hops_of = {{{0, 0}, {2, 0}, {1, 0}, {3, 0}}};
  skipping.route_index = {};
  skipping.order_of = {{action::forward(0, 0), action::forward(2, 0), action::forward(1, 0), action::forward(3, 0), action::backward(3, 0), action::backward(1, 0), action::backward(2, 0), action::backward(0, 0)}};
  CHECK(thrown([&] { pipeline p(late, four, make_plan(skipping)); }) ==
        "stretto: a route passes stage 2 before stage 1, where layers without weights to train begin the model; what is in front of the first weights hands no gradient on, so let routes pass it first");
  draft loose;
  loose.kinds.edge_count = 0;
  loose.order_of = {{action::forward(0, 0), action::backward(0, 0)}};
  CHECK(thrown([&] { pipeline p(plain, cut::of({4}), make_plan(loose)); }) ==
        "stretto: the plan's graph has no row by which F waits for F of the hop before, with a message; begin with the graph training() or inference()");
  const auto narrowed_wire = sequential(layer<begin>(), make_stage("to int", [](const float& x) { return std::array<float, 2>{x, x}; }, [](const float&, const std::array<float, 2>& d) { return d[0]; }),
                                        make_stage("back", [](const std::array<float, 2>& x) { return x[0]; }, [](const std::array<float, 2>&, const float& d) { return std::array<float, 2>{d, 0}; }),
                                        layer<end>());
  CHECK(thrown([&] { pipeline p(narrowed_wire, three, route({{{0, 0}, {2, 1}}}, {both(0, 0), both(2, 0)})); }) ==
        "stretto: a route goes from stage 0 to stage 2, which takes another type than it gives; let routes join stages that fit");
  draft own;
  const pass_id look = own.kinds.add(pass_kind{.name = "LOOK"});
  own.order_of = {{action::forward(0, 0), action::of(look, 0, 0), action::backward(0, 0)}};
  CHECK(thrown([&] { pipeline p(plain, cut::of({4}), make_plan(own)); }) ==
        "stretto: rank 0 step 1 is of pass LOOK, which no layer does; the pipeline runs F, I, W and B");
  pipeline p(plain, cut::of({2, 2}), order);
  draft swapped;
  swapped.order_of = {{action::forward(1, 0), action::backward(1, 0)}, {action::forward(0, 0), action::backward(0, 0)}};
  CHECK(thrown([&] { p.rebind(make_plan(swapped)); }) == "stretto: the plan lets rank 0 do stage 1, which another plan gave to other ranks; bind plans with the same owners");
  CHECK(p.step().loss() == 2);  // it goes on as before
}
