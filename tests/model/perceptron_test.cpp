// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Perceptrons: sizes, gradients, the same bits whatever the plan, and what is refused.
#include "catch.hpp"
#include "model/outcomes.hpp"

#include <stretto/host/activation.hpp>
#include <stretto/host/add.hpp>
#include <stretto/host/cast.hpp>
#include <stretto/host/cross_entropy.hpp>
#include <stretto/host/device.hpp>
#include <stretto/host/dropout.hpp>
#include <stretto/host/layer_norm.hpp>
#include <stretto/host/matrix_product.hpp>
#include <stretto/host/rms_norm.hpp>
#include <stretto/host/squared_error.hpp>
#include <stretto/model/perceptron.hpp>
#include <stretto/train/gradient_check.hpp>

using namespace stretto;

namespace {

perceptron_shape some_perceptron() {
  return {.inputs = 5, .width = 7, .layers = 3, .outputs = 4, .normed = true, .dropout = 0.2, .samples = 3};
}

struct perceptron_data {
  perceptron_shape s;
  std::vector<float> inputs = outcomes::numbers(outcomes::micro_batches * s.samples * s.inputs, 1), targets = outcomes::numbers(outcomes::micro_batches * s.samples * s.outputs, 2);
  std::vector<std::int32_t> labels = outcomes::choices(outcomes::micro_batches * s.samples, 3, 0, static_cast<std::int32_t>(s.outputs));

  explicit perceptron_data(const perceptron_shape& shape) : s(shape) { labels[1] = -100; }
  template <class Pipeline>
  void feed(Pipeline& p) const {
    p.template feed<float>("inputs", outcomes::share_of(inputs, s.inputs, s.samples));
    if (s.loss == loss_kind::cross_entropy) p.template feed<std::int32_t>("labels", outcomes::share_of(labels, 1, s.samples));
    else p.template feed<float>("targets", outcomes::share_of(targets, s.outputs, s.samples));
  }
};

template <class T, class With>
auto with_perceptron(const perceptron_shape& s, const plan& order, const With& with, bool recompute = false) {
  const perceptron_data data(s);
  pipeline p(perceptron<host::device, T>(s, {.seed = 3, .recompute = recompute}), even_cut(layer_costs(s), order.stages), order, adamw{.rate = 0.01}, {.seed = 9, .samples = s.samples, .clip = 0.5});
  data.feed(p);
  return with(p);
}

gradient_report perceptron_gradients(const perceptron_shape& s) {
  return with_perceptron<double>(s, make_plan(gpipe{}, {.ranks = 1, .micro_batches = 2}), [](auto& p) { return check_gradients(p, 10, {.numbers = 1000, .floor = 1e-3}); });
}

}  // namespace

TEST_CASE("gradients of a perceptron are those of differences") {
  perceptron_shape s = some_perceptron();
  for (const loss_kind loss : {loss_kind::cross_entropy, loss_kind::squared_error})
    for (const norm_kind norm : {norm_kind::layer, norm_kind::rms}) {
      s.loss = loss, s.norm = norm;
      const gradient_report r = perceptron_gradients(s);
      INFO(r.words().c_str());
      CHECK(r.within(1e-6));
      CHECK(r.checked == parameter_count(s));
    }
  s.normed = false;
  const gradient_report r = perceptron_gradients(s);
  INFO(r.words().c_str());
  CHECK(r.within(1e-6));
}

TEST_CASE("a perceptron learns to the same bits by every plan") {
  perceptron_shape s = some_perceptron();
  s.layers = 6;
  const auto learned = [&](const plan& order, bool recompute = false) {
    return with_perceptron<float>(s, order, [](auto& p) { return outcomes::after(p, outcomes::micro_batches * 3); }, recompute);
  };
  for (const loss_kind loss : {loss_kind::cross_entropy, loss_kind::squared_error}) {
    s.loss = loss;
    const std::vector<double> alone = learned(make_plan(one_f_one_b{}, {.ranks = 1, .micro_batches = outcomes::micro_batches}));
    CHECK(alone[0] > 0);
    CHECK(alone[0] != alone[2]);
    outcomes::each_plan(s.layers + 2, [&](const plan& order, const std::string& which) {
      INFO(which);
      CHECK(learned(order) == alone);
    });
    CHECK(learned(make_plan(zb_h1{}, {.ranks = 2, .micro_batches = outcomes::micro_batches}), true) == alone);
  }
}

TEST_CASE("the losses of a perceptron are means over samples") {
  perceptron_shape s{.inputs = 2, .layers = 0, .outputs = 3, .samples = 2};
  const plan alone = make_plan(gpipe{}, {.ranks = 1, .micro_batches = 1});
  const auto loss_of = [&](double scores, std::int32_t label) {  // all scores are `scores`
    pipeline p(perceptron<host::device, float>(s), cut::of({2}), alone, adamw{});
    const std::vector<float> inputs(4, 0.0f), targets{1, 2, 3, 4, 5, 6};
    const std::vector<std::int32_t> labels{label, label};
    p.feed<float>("inputs", outcomes::share_of(inputs, 2, 2));
    p.feed<float>("targets", outcomes::share_of(targets, 3, 2));
    p.feed<std::int32_t>("labels", outcomes::share_of(labels, 1, 2));
    float* const bias = static_cast<float*>(p.parameters()[1].value);
    for (int i = 0; i < 3; ++i) bias[i] = static_cast<float>(scores);
    return p.step(2).loss();
  };
  CHECK(loss_of(5, 1) == Catch::Approx(std::log(3.0)));
  CHECK(loss_of(5, -100) == 0);
  s.loss = loss_kind::squared_error;
  CHECK(loss_of(0, 0) == Catch::Approx((1 + 4 + 9 + 16 + 25 + 36) / 6.0));
}

TEST_CASE("a perceptron has as many parameters as it says") {
  perceptron_shape s = some_perceptron();
  const auto count = [&] {
    return with_perceptron<float>(s, make_plan(gpipe{}, {.ranks = 1, .micro_batches = 2}), [](auto& p) { return outcomes::parameters_of(p); });
  };
  CHECK(count() == parameter_count(s));
  CHECK(parameter_count(s) == 7 * 6 + 2 * 7 * 8 + 3 * 14 + 4 * 8);
  s.normed = false, s.layers = 0;
  CHECK(count() == parameter_count(s));
  CHECK(parameter_count(s) == 4 * 6);
  CHECK(perceptron<host::device, float>(s).size() == static_cast<int>(layer_costs(s).size()));
}

TEST_CASE("a perceptron's layers have names") {
  const auto m = perceptron<host::device, float>(some_perceptron());
  CHECK(m.find("inputs") == 0);
  CHECK(m.find("hidden.2") == 3);
  CHECK(m.find("head") == 4);
}

TEST_CASE("perceptrons that can't be are refused in a sentence") {
  const auto refused = [](auto change) {
    perceptron_shape s = some_perceptron();
    change(s);
    s.validate();
  };
  CHECK_THROWS_WITH(refused([](auto& s) { s.inputs = 0; }), "stretto: a perceptron of 0 inputs, width 7 and 4 outputs can't be; give each 1 to 67108864");
  CHECK_THROWS_WITH(refused([](auto& s) { s.width = 67108865; }), "stretto: a perceptron of 5 inputs, width 67108865 and 4 outputs can't be; give each 1 to 67108864");
  CHECK_THROWS_WITH(refused([](auto& s) { s.outputs = -1; }), "stretto: a perceptron of 5 inputs, width 7 and -1 outputs can't be; give each 1 to 67108864");
  CHECK_THROWS_WITH(refused([](auto& s) { s.layers = -1; }), "stretto: a perceptron can't have -1 hidden layers; give 0 to 1048576");
  CHECK_THROWS_WITH(refused([](auto& s) { s.samples = 0; }), "stretto: a perceptron can't take micro-batches of 0 samples; give 1 to 16777216");
  CHECK_THROWS_WITH(refused([](auto& s) { s.dropout = 1; }), "stretto: a perceptron drops a share of 0 or more and below 1; correct dropout");
  CHECK_THROWS_WITH(refused([](auto& s) { s.epsilon = 0; }), "stretto: a perceptron has an epsilon above 0 and a deviation of at least 0; correct them");
}

TEST_CASE("feeds of a perceptron that have another length are refused in a sentence") {
  const auto fed = [](std::int64_t inputs, std::int64_t labels, std::int64_t targets, loss_kind loss) {
    perceptron_shape s{.inputs = 2, .width = 3, .layers = 1, .outputs = 3, .loss = loss, .samples = 2};
    static const std::vector<float> all(100, 0.5f);
    static const std::vector<std::int32_t> classes(100, 1);
    pipeline p(perceptron<host::device, float>(s), cut::of({3}), make_plan(gpipe{}, {.ranks = 1, .micro_batches = 1}), adamw{});
    p.feed<float>("inputs", [=](const data_share&) { return view<const float>{all.data(), inputs}; });
    p.feed<float>("targets", [=](const data_share&) { return view<const float>{all.data(), targets}; });
    p.feed<std::int32_t>("labels", [=](const data_share&) { return view<const std::int32_t>{classes.data(), labels}; });
    p.step(2).loss();
  };
  using Catch::Matchers::ContainsSubstring;
  CHECK_THROWS_WITH(fed(3, 2, 6, loss_kind::cross_entropy), ContainsSubstring("feed 'inputs' gives 3 numbers where a micro-batch has shape (2, 2); give as many"));
  CHECK_THROWS_WITH(fed(4, 1, 6, loss_kind::cross_entropy), ContainsSubstring("feed 'labels' gives 1 labels where a micro-batch has 2 samples; give one a sample"));
  CHECK_THROWS_WITH(fed(4, 2, 5, loss_kind::squared_error), ContainsSubstring("feed 'targets' gives 5 numbers where a micro-batch has 2 samples of 3; give as many"));
}
