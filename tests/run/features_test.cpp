// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What layers and pipelines can do beside the usual: layers from callables, tuples and integers at boundaries, shapes that
// vary, a lossy wire, slices with a carry, inputs let go early, frozen beginnings, gradients gathered over several runs,
// other orders over the same layers, a plan as a constant, a stage with two owners.
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <tuple>

#include "catch.hpp"
#include "run/scales.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"
#include <stretto/run.hpp>

using namespace scales;
using namespace stretto;
using sweep::thrown;

TEST_CASE("layers from callables work beside structs, with and without weights") {
  auto shared = std::make_shared<std::array<std::vector<float>, 2>>();
  (*shared)[0] = {3}, (*shared)[1] = {0};
  const auto times = [shared](const float& x) { return (*shared)[0][0] * x; };
  const auto back = [shared](const float&, const float& dy) { return (*shared)[0][0] * dy; };
  const auto weigh = [shared](const float& x, const float& dy) { (*shared)[1][0] += x * dy; };
  const auto show = [shared](parameter_list& visit) { visit("w", (*shared)[0], (*shared)[1]); };
  const auto model = sequential(layer<counter>(), make_stage("double", [](context& c, const float& x) { return c.training ? 2 * x : x; }, [](const float&, const float& dy) { return 2 * dy; }),
                                make_stage("triple", times, back, weigh, show), layer<total>());
  CHECK(model.find("triple") == 2);
  CHECK(thrown([&] { static_cast<void>(model.find("none")); }) == "stretto: the model has no layer named 'none'; name one with named()");
  pipeline p(model, cut::of({2, 2}), plan_of(2, 3), sgd{.rate = 0});
  CHECK(p.step(1).loss() == 6 * (1 + 2 + 3));
  CHECK(gradient_of_parameter(p, 0) == 2 * (1 + 2 + 3));
  const auto both = [shared](const float& x, const float& dy) { return (*shared)[1][0] += x * dy, (*shared)[0][0] * dy; };
  pipeline q(sequential(layer<counter>(), make_stage("triple", times, both, show), layer<total>()), cut::of({1, 2}), plan_of(2, 3), sgd{.rate = 0});
  CHECK(q.step(1).loss() == 3 * 6);
  CHECK(gradient_of_parameter(q, 0) == 6);
}

namespace {

using several = std::tuple<float, std::array<int, 2>, values<std::uint8_t>, float>;

/// A number, ids and a mask, and a number.
struct mixed_start {
  using input = nothing;
  using output = several;
  std::vector<float> w{2}, g{0};
  output make_output() const { return {0.f, {}, values<std::uint8_t>(4), 0.f}; }
  void forward(context& c, const nothing&, several& out) {
    const int m = c.share.micro_batch;
    std::get<0>(out) = w[0];
    std::get<1>(out) = {m, m + 1};
    std::get<2>(out).resize(m % 4 + 1);
    std::get<2>(out).fill(static_cast<std::uint8_t>(m));
    std::get<3>(out) = 10;
  }
  void backward_input(context&, const nothing&, const gradient_of<several>&, nothing&) {}
  void backward_weight(context&, const nothing&, const gradient_of<several>& d) {
    static_assert(std::is_same_v<gradient_of<several>, std::tuple<float, nothing, nothing, float>>);
    g[0] += std::get<0>(d);
  }
  void parameters(auto&& visit) { visit("w", w, g); }
};
struct mixed_pass {
  using input = several;
  using output = several;
  output make_output() const { return {0.f, {}, values<std::uint8_t>(4), 0.f}; }
  void forward(context&, const several& in, several& out) {
    wire_traits<several>::assign(out, in);
    std::get<0>(out) *= 2;
  }
  void backward_input(context&, const several&, const gradient_of<several>& g, gradient_of<several>& d) {
    d = g;
    std::get<0>(d) *= 2;
  }
};
struct mixed_end {
  using input = several;
  using output = double;
  void forward(context& c, const several& in, double& out) {
    const auto m = c.share.micro_batch;
    if (std::get<1>(in)[1] != m + 1 || std::get<2>(in).size() != m % 4 + 1 || std::get<2>(in)[m % 4] != m) throw std::runtime_error("another micro-batch's ids or mask");
    out = static_cast<double>(std::get<0>(in)) + static_cast<double>(std::get<3>(in));
  }
  void backward_input(context&, const several&, const double& g, gradient_of<several>& d) { d = {static_cast<float>(g), {}, {}, static_cast<float>(g)}; }
};

/// Gives integers alone.
struct token_start {
  using input = nothing;
  using output = std::array<int, 3>;
  std::vector<float> w{2}, g{0};
  void forward(context&, const nothing&, output& out) { out = {}; }
  void backward_input(context&, const nothing&, const nothing&, nothing&) {}
  void backward_weight(context&, const nothing&, const nothing&) {}
  void parameters(auto&& visit) { visit("w", w, g); }
};
struct token_end {
  using input = std::array<int, 3>;
  using output = double;
  void forward(context&, const input&, double& out) { out = 0; }
  void backward_input(context&, const input&, const double&, nothing&) {}
};

}  // namespace

namespace {

using masked = std::tuple<values<float>, std::array<bool, 6>, values<int>>;

struct masked_start {
  using input = nothing;
  using output = masked;
  output make_output() const { return {values<float>(6), {}, values<int>(6)}; }
  void forward(context& c, const nothing&, masked& out) {
    auto& [x, on, id] = out;
    const int m = c.share.micro_batch, n = 3 + m % 4;
    x.resize(n), id.resize(n);
    for (int i = 0; i < n; ++i) x[i] = 0.1f * static_cast<float>(i + m), on[static_cast<std::size_t>(i)] = (i + m) % 3 != 0, id[i] = (i * m) % 3;
  }
};
/// x + w[id] x where the mask is on.
struct masked_scale {
  using input = masked;
  using output = masked;
  std::vector<float> w{0.1f, 0.2f, 0.3f}, g = std::vector<float>(3);
  output make_output() const { return masked_start().make_output(); }
  template <class Do>
  static void each(const masked& in, Do&& act) {
    for (std::int64_t i = 0; i < std::get<0>(in).size(); ++i)
      if (std::get<1>(in)[static_cast<std::size_t>(i)]) act(i, static_cast<std::size_t>(std::get<2>(in)[i]));
  }
  void forward(context&, const masked& in, masked& out) {
    wire_traits<masked>::assign(out, in);
    each(in, [&](std::int64_t i, std::size_t k) { std::get<0>(out)[i] += w[k] * std::get<0>(in)[i]; });
  }
  void backward_input(context&, const masked& in, const gradient_of<masked>& dy, gradient_of<masked>& dx) {
    std::get<0>(dx).assign(std::get<0>(dy));
    each(in, [&](std::int64_t i, std::size_t k) { std::get<0>(dx)[i] += w[k] * std::get<0>(dy)[i]; });
  }
  void backward_weight(context&, const masked& in, const gradient_of<masked>& dy) {
    each(in, [&](std::int64_t i, std::size_t k) { g[k] += std::get<0>(dy)[i] * std::get<0>(in)[i]; });
  }
  void parameters(auto&& visit) { visit("w", w, g); }
};
struct masked_end {
  using input = masked;
  using output = double;
  void forward(context&, const masked& in, double& out) {
    out = 0;
    masked_scale::each(in, [&](std::int64_t i, std::size_t k) { out += std::abs(static_cast<double>(std::get<0>(in)[i]) - static_cast<double>(k)); });
  }
  void backward_input(context&, const masked& in, const double& g, gradient_of<masked>& d) {
    std::get<0>(d).resize(std::get<0>(in).size());
    std::get<0>(d).fill(0);
    masked_scale::each(in, [&](std::int64_t i, std::size_t k) { std::get<0>(d)[i] = static_cast<float>(std::get<0>(in)[i] < static_cast<float>(k) ? -g : g); });
  }
};

}  // namespace

TEST_CASE("a model of numbers, masks and ids is trained over four ranks to the bits of one") {
  const auto trained = [](int ranks) {
    pipeline p(sequential(layer<masked_start>(), repeat<masked_scale>(6), layer<masked_end>()), even_cut(std::vector<double>(8, 1.0), ranks), plan_of(ranks, 8), sgd{.rate = 0.01});
    std::vector<double> seen;
    for (int i = 0; i < 6; ++i) seen.push_back(p.step(8).loss());
    for (const parameter& one : p.parameters()) seen.insert(seen.end(), static_cast<float*>(one.value), static_cast<float*>(one.value) + one.count);
    return seen;
  };
  const std::vector<double> one = trained(1);
  CHECK(one[5] < one[0]);
  CHECK(trained(4) == one);
}

TEST_CASE("numbers, integers and masks cross a boundary together, and only numbers have gradients") {
  recorded<threads> t(3);
  pipeline p(t, sequential(layer<mixed_start>(), layer<mixed_pass>(), layer<mixed_end>()), cut::of({1, 1, 1}), plan_of(3, 4), sgd{.rate = 0});
  CHECK(p.step(1).loss() == 4 * (4 + 10));
  CHECK(gradient_of_parameter(p, 0) == 4 * 2);
  CHECK(t.bytes(0, 1) == 4 * (4 + 8 + 4) + (1 + 2 + 3 + 4));  // the mask's size differs by micro-batch
  CHECK(t.bytes(1, 0) == 4 * (4 + 4));
  CHECK(thrown([] { pipeline q(sequential(layer<token_start>(), layer<token_end>()), cut::of({1, 1}), plan_of(2, 1)); }) ==
        "stretto: layer 0 gives nothing that has a gradient, and layer 0 before it has weights to train; make its output of floating-point numbers, or mark those layers frozen");
}

namespace {

/// As many values as the feed "sizes" says.
struct ragged_start {
  using input = nothing;
  using output = values<float>;
  std::vector<float> w{1}, g{0};
  output make_output() const { return output(6); }
  void forward(context& c, const nothing&, output& out) {
    out.resize(c.feed<int>("sizes")[0]);
    for (std::int64_t i = 0; i < out.size(); ++i) out[i] = w[0] * static_cast<float>(i + 1);
  }
  void backward_input(context&, const nothing&, const output&, nothing&) {}
  void backward_weight(context&, const nothing&, const output& d) {
    for (std::int64_t i = 0; i < d.size(); ++i) g[0] += static_cast<float>(i + 1) * d[i];
  }
  void parameters(auto&& visit) { visit("w", w, g); }
};
struct ragged_end {
  using input = values<float>;
  using output = double;
  void forward(context&, const input& in, double& out) {
    out = 0;
    for (float x : in) out += static_cast<double>(x);
  }
  void backward_input(context&, const input& in, const double& g, input& d) {
    d.resize(in.size());
    d.fill(static_cast<float>(g));
  }
};

}  // namespace

TEST_CASE("shapes differ by micro-batch up to the bound, and a larger one is an error that names both") {
  std::vector<int> sizes{6, 1, 0, 4};
  const auto run = [&](int ranks) {
    pipeline p(sequential(layer<ragged_start>(), layer<ragged_end>()), ranks == 1 ? cut::of({2}) : cut::of({1, 1}), plan_of(ranks, 4), sgd{.rate = 0.1});
    p.feed<int>("sizes", [&](const data_share& s) { return view<const int>{&sizes[static_cast<std::size_t>(s.micro_batch)], 1}; });
    const double loss = p.step(11).loss();
    return std::make_tuple(loss, gradient_of_parameter(p, 0), p.step(11).loss());
  };
  CHECK(run(1) == run(2));
  CHECK(std::get<0>(run(2)) == (21 + 1 + 0 + 10) / 11.0);
  sizes[1] = 7;
  CHECK(thrown([&] { run(2); }) ==
        "stretto: rank 0 step 2 (0F1) layer 0 threw: 7 values don't fit a slot with room for 6; let the layer's make_output, or make_saved, give the largest shape");
}

TEST_CASE("a lossy wire halves what travels where the cut lies in it, and changes no bit elsewhere") {
  const auto model = sequential(layer<ragged_start>(), layer<narrow<bfloat16>>(6).named("wire"), layer<widen<bfloat16>>(6), layer<ragged_end>());
  const std::vector<int> sizes{6, 5, 3, 4};
  const auto run = [&](const cut& c, std::int64_t* bytes) {
    recorded<threads> t(2);
    pipeline p(t, model, c, plan_of(2, 4), sgd{.rate = 0.1});
    p.feed<int>("sizes", [&](const data_share& s) { return view<const int>{&sizes[static_cast<std::size_t>(s.micro_batch)], 1}; });
    const double loss = p.step(7).loss();
    bytes[0] = t.bytes(0, 1), bytes[1] = t.bytes(1, 0);
    return std::make_tuple(loss, gradient_of_parameter(p, 0), p.step(7).loss());
  };
  std::int64_t in_the_wire[2], before[2];
  const auto a = run(cut_before(4, {model.find("wire") + 1}), in_the_wire);
  const auto b = run(cut_before(4, {model.find("wire")}), before);
  CHECK(a == b);
  CHECK(in_the_wire[0] == 2 * (6 + 5 + 3 + 4));
  CHECK(before[0] == 2 * in_the_wire[0]);
  CHECK(before[1] == 2 * in_the_wire[1]);
  CHECK(bfloat16::round(1.00390625f) == 0x3f80);  // half way: to even
  CHECK(bfloat16::round(1.01171875f) == 0x3f82);
  CHECK(bfloat16::round(std::numeric_limits<float>::quiet_NaN()) > 0x7f80);
}

namespace {

/// Adds up over the slices of a micro-batch what goes through, forward and back.
struct running_sum {
  using input = float;
  using output = float;
  using saved = float;
  struct carry {
    float sum = 0, back = 0;
  };
  std::vector<float> w{1}, g{0};
  void forward(context& c, const float& in, float& out, float& sum, carry& k) {
    if (c.share.slice == 0) k = {};
    sum = k.sum += in;
    out = w[0] * sum;
  }
  void backward_input(context&, const float&, const float& dy, float& dx, float&, carry& k) {
    k.back += w[0] * dy;  // from the last slice to the first
    dx = k.back;
  }
  void backward_weight(context&, const float&, const float& dy, float& sum, carry&) { g[0] += sum * dy; }
  void parameters(auto&& visit) { visit("w", w, g); }
};
struct sliced_start {
  using input = nothing;
  using output = float;
  std::vector<float> w{1}, g{0};
  void forward(context& c, const nothing&, float& out) { out = w[0] * static_cast<float>(10 * c.share.micro_batch + c.share.slice + 1); }
  void backward_input(context&, const nothing&, const float&, nothing&) {}
  void backward_weight(context& c, const nothing&, const float& d) { g[0] += static_cast<float>(10 * c.share.micro_batch + c.share.slice + 1) * d; }
  void parameters(auto&& visit) { visit("w", w, g); }
};

/// All slices forward, then back from the last to the first.
struct sliced {
  static constexpr const char* name = "sliced";
  static constexpr bool takes_slices = true;
  constexpr void order(const sizes& z, int rank, auto&& put) const {
    for (int m = 0; m < z.micro_batches; ++m)
      for (int q = 0; q < z.slices; ++q) put(action::forward(rank, m, q));
    for (int m = 0; m < z.micro_batches; ++m)
      for (int q = z.slices; q-- > 0;) put(action::backward(rank, m, q));
  }
};

}  // namespace

TEST_CASE("slices of a micro-batch share a carry from the first forward to the last weight pass") {
  const auto run = [](int ranks, int micro_batches) {
    pipeline p(sequential(layer<sliced_start>(), layer<running_sum>(), layer<total>()), ranks == 1 ? cut::of({3}) : cut::of({1, 1, 1}),
               make_plan(sliced{}, {.ranks = ranks, .micro_batches = micro_batches, .slices = 3}), sgd{.rate = 0});
    auto step = p.step(1);
    const double loss = step.loss();
    return std::make_tuple(loss, step.norm(), gradient_of_parameter(p, 0));
  };
  // Inputs 1 2 3 give sums 1 3 6; the gradient of input q is the number of slices from q on.
  CHECK(std::get<0>(run(1, 1)) == 10);
  CHECK(std::get<1>(run(1, 1)) == std::sqrt(2 * 10.0 * 10.0));
  CHECK(std::get<2>(run(1, 1)) == 1 * 3 + 2 * 2 + 3 * 1);
  CHECK(run(3, 1) == run(1, 1));
  CHECK(run(3, 4) == run(1, 4));
}

namespace {

/// Needs no input for its backward.
struct forgetful {
  using input = float;
  using output = float;
  using saved = float;
  static constexpr bool keeps_input = false;
  std::vector<float> w{3}, g{0};
  void forward(context&, const float& in, float& out, float& kept) { out = w[0] * in, kept = in; }
  void backward_input(context&, const float& dy, float& dx, float&) { dx = w[0] * dy; }
  void backward_weight(context&, const float& dy, float& kept) { g[0] += kept * dy; }
  void parameters(auto&& visit) { visit("w", w, g); }
};

}  // namespace

TEST_CASE("inputs that backward doesn't want are let go after forward: fewer objects, the same bits") {
  const auto objects = [](const auto& model) {
    const plan order = make_plan(gpipe{}, {.ranks = 2, .micro_batches = 8});
    const cut c = cut::of({1, 2});
    const model_links links = links_of(model, c, false);
    const runnable_plan added = make_runnable(order, {});
    const flow f = make_flow(lower(added.order), added, links);
    int count = 0;
    for (const channel_plan& one : f.channels) count += one.forward ? one.objects : 0;
    return count;
  };
  const auto kept = sequential(layer<counter>(), layer<scale>(), layer<total>());
  const auto dropped = sequential(layer<counter>(), layer<forgetful>(), layer<total>());
  // A sender can't know that an object came back early unless a message tells it, so the count stays what is certain.
  CHECK(objects(dropped) <= objects(kept));
  const auto outcome = [](const auto& model) {
    pipeline p(model, cut::of({1, 2}), plan_of(2, 6), sgd{.rate = 0.01});
    auto a = p.step(6), b = p.step(6);
    p.finish();
    return std::make_tuple(a.loss(), b.loss(), b.norm(), gradient_of_parameter(p, 0));
  };
  CHECK(outcome(kept) == outcome(dropped));
}

TEST_CASE("a layer that does its backward in one piece is refused where weights have passes of their own, unless that is allowed") {
  draft d;
  d.order_of = {{action::forward(0, 0), action::backward_input(0, 0), action::backward_weight(0, 0)}};
  const plan split = make_plan(d);
  const auto model = sequential(layer<counter>(), layer<merged_scale>(), layer<total>());
  CHECK(thrown([&] { pipeline p(model, cut::of({3}), split); }) ==
        "stretto: layer 1 does its backward in one piece, and the plan has weight passes of their own; give it backward_input and backward_weight, or set pipeline_options::merged_backward");
  pipeline p(model, cut::of({3}), split, sgd{.rate = 0}, {.merged_backward = true});
  CHECK(p.step(1).loss() == 3);
  CHECK(gradient_of_parameter(p, 0) == 1);
  pipeline q(model, cut::of({3}), plan_of(1, 1), sgd{.rate = 0});  // B does both
  CHECK(q.step(1).loss() == 3);
  CHECK(gradient_of_parameter(q, 0) == 1);
}

TEST_CASE("what lies before the first weights to train gets no gradient, and no message carries one") {
  recorded<threads> t(3);
  pipeline p(t, sequential(layer<counter>(), make_stage("fixed", [](const float& x) { return x; }, [](const float&, const float& dy) { return dy; }), layer<scale>(), layer<total>()),
             cut::of({2, 1, 1}), plan_of(3, 4), sgd{.rate = 0});
  CHECK(p.step(1).loss() == 3 * 10);
  CHECK(gradient_of_parameter(p, 0) == 10);
  CHECK(t.messages(0, 1) == 4);
  CHECK(t.messages(1, 0) == 0);
  CHECK(t.messages(2, 1) == 4);
  // Nothing to train at all: forward only goes anywhere.
  recorded<threads> u(2);
  pipeline q(u, sequential(layer<counter>(), layer<total>()), cut::of({1, 1}), plan_of(2, 3));
  CHECK(q.step(1).loss() == 6);
  CHECK(q.step(1).norm() == 0);
  CHECK(u.messages(1, 0) == 0);
}

TEST_CASE("a stage with two owners keeps them alike: their gradients are added, and both take the same step") {
  // Micro-batch 0 goes 0@0 → 1@1, micro-batch 1 goes 0@1 → 1@0.
  const auto both_ways = [](int ranks) {
    draft d;
    if (ranks == 2) {
      d.hops_of = {{{0, 0}, {1, 1}}, {{0, 1}, {1, 0}}};
      d.route_index = {0, 1};
      d.order_of = {{action::forward(0, 0), action::forward(1, 1), action::backward(1, 1), action::backward(0, 0)},
                    {action::forward(0, 1), action::forward(1, 0), action::backward(1, 0), action::backward(0, 1)}};
    } else {
      d.hops_of = {{{0, 0}, {1, 0}}};
      d.order_of = {{action::forward(0, 0), action::forward(1, 0), action::backward(1, 0), action::backward(0, 0), action::forward(0, 1), action::forward(1, 1),
                     action::backward(1, 1), action::backward(0, 1)}};
    }
    return make_plan(d);
  };
  const auto model = sequential(layer<counter>(), layer<scale>(), layer<scale>(), layer<total>());
  pipeline one(model, cut::of({2, 2}), both_ways(1), adamw{.rate = 0.1}, {.clip = 1});
  pipeline two(model, cut::of({2, 2}), both_ways(2), adamw{.rate = 0.1}, {.clip = 1});
  for (int i = 0; i < 5; ++i) {  // each owner adds up by itself, so the sums are in another order than on one rank
    auto a = one.step(2), b = two.step(2);
    CHECK(a.loss() == Approx(b.loss()).epsilon(1e-5));
    CHECK(a.norm() == Approx(b.norm()).epsilon(1e-5));
  }
  REQUIRE(two.parameters().size() == 4);
  for (std::size_t i : {0u, 2u}) {
    const float here = *static_cast<const float*>(two.parameters()[i].value), there = *static_cast<const float*>(two.parameters()[i + 1].value);
    CHECK(here == there);
    CHECK(here == Approx(*static_cast<const float*>(one.parameters()[i / 2].value)).epsilon(1e-5));
    CHECK(here != 3);
  }
}

namespace {

/// Adds up what it has seen since its texts began, and tells how often a carry was made for sharing.
struct going_sum {
  using input = float;
  using output = float;
  struct carry {
    float sum = 0;
    bool shared = false;
  };
  static inline std::atomic<int> shared_ones = 0, lone_ones = 0;
  carry make_carry(bool shared) const { return ++(shared ? shared_ones : lone_ones), carry{0, shared}; }
  void forward(context& c, const float& in, float& out, carry& k) {
    if (c.begins) k.sum = 0;
    out = k.sum += in;
  }
  void backward_input(context&, const float&, const float& dy, float& dx, carry&) { dx = dy; }
};

/// Sends each micro-batch's own number.
struct own_number {
  using input = nothing;
  using output = float;
  void forward(context& c, const nothing&, float& out) { out = c.feed<float>("numbers")[0]; }
  void backward_input(context&, const nothing&, const float&, nothing&) {}
};

}  // namespace

TEST_CASE("a run that goes on finds the carries of the run before, one a micro-batch") {
  for (const int ranks : {1, 3}) {
    CAPTURE(ranks);
    going_sum::shared_ones = going_sum::lone_ones = 0;
    const plan order = make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = 4});
    pipeline p(sequential(layer<own_number>(), layer<going_sum>(), layer<total>()), ranks == 1 ? cut::of({3}) : cut::of({1, 1, 1}), order, sgd{.rate = 0});
    CHECK(going_sum::shared_ones == 0);  // training shares nothing
    CHECK(going_sum::lone_ones > 0);
    const int e = p.bind(forward_of(order, 3), {.keeps_carry = true}), plain = p.bind(forward_of(order));
    CHECK(going_sum::shared_ones == 3);
    std::vector<float> numbers{1, 10, 100, 1000};
    p.feed<float>("numbers", [&](const data_share& s) { return view<const float>{&numbers[static_cast<std::size_t>(s.micro_batch)], 1}; });
    CHECK(p.run(e).loss() == 111);
    CHECK(p.go_on(e).loss() == 2 * 111);
    CHECK(p.run(plain).loss() == 1111);
    CHECK(p.step().loss() == 1111);
    CHECK(p.go_on(e).loss() == 3 * 111);
    CHECK(p.run(e).loss() == 111);
    CHECK(thrown([&] { p.go_on(plain); }) == "stretto: order 2 is asked to go on, and keeps nothing between runs; bind it with {.keeps_carry = true}");
    CHECK(thrown([&] { p.bind(order, {.keeps_carry = true}); }).find("bind one of forward passes") != std::string::npos);
  }
}

namespace {

/// Two weights whose names agree for as long as one likes.
template <int Length>
struct long_names {
  using input = float;
  using output = float;
  std::vector<float> w{3}, v{0.5f}, dw{0}, dv{0};
  void forward(context&, const float& x, float& y) { y = w[0] * x + v[0]; }
  void backward_input(context&, const float&, const float& dy, float& dx) { dx = w[0] * dy; }
  void backward_weight(context&, const float& x, const float& dy) { dw[0] += x * dy, dv[0] += dy; }
  void parameters(auto&& visit) {
    const std::string name(Length, 'n');
    visit(name + "w", w, dw), visit(name + "v", v, dv);
  }
};

}  // namespace

TEST_CASE("parameters of a stage with two owners are told apart by their place, however long their names are") {
  const auto losses = [](auto one) {
    const plan order = make_plan(dualpipe{}, {.ranks = 2, .micro_batches = 4});
    const auto l = layer<decltype(one)>();
    pipeline p(sequential(layer<counter>(), l, l, layer<total>()), cut::of({2, 2}), order, sgd{.rate = 1e-4});
    std::vector<double> all;
    for (int i = 0; i < 4; ++i) all.push_back(p.step(4).loss());
    return all;
  };
  const auto plain = losses(long_names<1>{});
  CHECK(plain[0] == (9 * 10 + 4 * (3 * 0.5 + 0.5)) / 4);
  CHECK(losses(long_names<100>{}) == plain);
}
