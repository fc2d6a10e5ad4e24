// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Residual networks: sizes, gradients, the same bits whatever the plan, samples that don't see each other, and what is
// refused.
#include "catch.hpp"
#include "model/outcomes.hpp"

#include <stretto/host/activation.hpp>
#include <stretto/host/add.hpp>
#include <stretto/host/cast.hpp>
#include <stretto/host/convolution.hpp>
#include <stretto/host/cross_entropy.hpp>
#include <stretto/host/device.hpp>
#include <stretto/host/dropout.hpp>
#include <stretto/host/layer_norm.hpp>
#include <stretto/host/matrix_product.hpp>
#include <stretto/host/pooling.hpp>
#include <stretto/host/rms_norm.hpp>
#include <stretto/host/squared_error.hpp>
#include <stretto/model/residual_network.hpp>
#include <stretto/train/gradient_check.hpp>

using namespace stretto;

namespace {

residual_shape some_images() {
  residual_shape s{.height = 5, .width = 3, .channels = 2, .stages = {3, 4}, .blocks = 2, .classes = 3, .dropout = 0.2, .samples = 2};
  s.kind = activation::silu;
  return s;
}

struct image_data {
  residual_shape s;
  std::vector<float> images = outcomes::numbers(outcomes::micro_batches * s.images().count(), 1);
  std::vector<std::int32_t> labels = outcomes::choices(outcomes::micro_batches * s.samples, 3, 0, static_cast<std::int32_t>(s.classes));

  explicit image_data(const residual_shape& shape) : s(shape) {}
  template <class Pipeline>
  void feed(Pipeline& p) const {
    p.template feed<float>("images", outcomes::share_of(images, s.images().count() / s.samples, s.samples));
    p.template feed<std::int32_t>("labels", outcomes::share_of(labels, 1, s.samples));
  }
};

template <class T, class With>
auto with_images(const residual_shape& s, const plan& order, const With& with, bool recompute = false) {
  const image_data data(s);
  pipeline p(residual_network<host::device, T>(s, {.seed = 3, .recompute = recompute}), even_cut(layer_costs(s), order.stages), order, adamw{.rate = 0.01}, {.seed = 9, .samples = s.samples, .clip = 0.5});
  data.feed(p);
  return with(p);
}

}  // namespace

TEST_CASE("gradients of a residual network are those of differences") {
  residual_shape s = some_images();
  for (const norm_kind norm : {norm_kind::layer, norm_kind::rms}) {
    s.norm = norm;
    const gradient_report r =
        with_images<double>(s, make_plan(gpipe{}, {.ranks = 1, .micro_batches = 1}), [](auto& p) { return check_gradients(p, 2, {.numbers = 16, .step = 2e-6, .floor = 1e-3}); });
    INFO(r.words().c_str());
    CHECK(r.within(1e-6));
  }
}

TEST_CASE("a residual network learns to the same bits by every plan") {
  residual_shape s = some_images();
  s.kind = activation::relu;
  const auto learned = [&](const plan& order, bool recompute = false) {
    return with_images<float>(s, order, [](auto& p) { return outcomes::after(p, outcomes::micro_batches * 2); }, recompute);
  };
  const std::vector<double> alone = learned(make_plan(one_f_one_b{}, {.ranks = 1, .micro_batches = outcomes::micro_batches}));
  CHECK(alone[0] > 0);
  CHECK(alone[4] != alone[0]);
  outcomes::each_plan(s.all_blocks() + 4, [&](const plan& order, const std::string& which) {
    INFO(which);
    CHECK(learned(order) == alone);
  });
  CHECK(learned(make_plan(zb_h1{}, {.ranks = 2, .micro_batches = outcomes::micro_batches}), true) == alone);
}

TEST_CASE("what a residual network makes of an image does not hang on the others of its micro-batch") {
  residual_shape s = some_images();
  s.dropout = 0;
  const auto losses = [&](std::int32_t other) {  // of the first sample alone, beside an image of other numbers
    std::vector<float> images = outcomes::numbers(s.images().count(), 1);
    for (std::int64_t i = s.images().count() / 2; i < s.images().count(); ++i) images[static_cast<std::size_t>(i)] *= static_cast<float>(other);
    const std::vector<std::int32_t> labels{1, -100};
    pipeline p(residual_network<host::device, float>(s), even_cut(layer_costs(s), 1), make_plan(gpipe{}, {.ranks = 1, .micro_batches = 1}), adamw{});
    p.feed<float>("images", outcomes::share_of(images, s.images().count() / 2, 2));
    p.feed<std::int32_t>("labels", outcomes::share_of(labels, 1, 2));
    return std::pair(p.step().loss(), p.step().loss());
  };
  CHECK(losses(1) == losses(-7));
  CHECK(losses(1).first != losses(1).second);
}

TEST_CASE("a residual network has as many parameters and as small images as it says") {
  residual_shape s = some_images();
  const auto count = [&] {
    return with_images<float>(s, make_plan(gpipe{}, {.ranks = 1, .micro_batches = 2}), [](auto& p) { return outcomes::parameters_of(p); });
  };
  CHECK(count() == parameter_count(s));
  s.norm = norm_kind::rms, s.blocks = 1;
  CHECK(count() == parameter_count(s));
  CHECK(parameter_count(s) == 54 + (3 + 81 + 3 + 81) + (3 + 108 + 4 + 144 + 12) + 4 + 15);
  CHECK(s.behind(-1) == shape<4>{{2, 5, 3, 3}});
  CHECK(s.behind(0) == shape<4>{{2, 5, 3, 3}});
  CHECK(s.behind(1) == shape<4>{{2, 3, 2, 4}});
  CHECK(residual_network<host::device, float>(s).size() == static_cast<int>(layer_costs(s).size()));
}

TEST_CASE("a residual network's layers have names") {
  const auto m = residual_network<host::device, float>(some_images());
  CHECK(m.find("stem") == 1);
  CHECK(m.find("block.3") == 5);
  CHECK(m.find("pool") == 6);
}

TEST_CASE("residual networks that can't be are refused in a sentence") {
  const auto refused = [](auto change) {
    residual_shape s = some_images();
    change(s);
    s.validate();
  };
  CHECK_THROWS_WITH(refused([](auto& s) { s.height = 0; }), "stretto: a residual network can't take images of 0 by 3 with 2 channels; give 1 to 32768 pixels each way, and 1 to 4096 channels");
  CHECK_THROWS_WITH(refused([](auto& s) { s.stages = {}; }), "stretto: a residual network of 0 stages with 2 blocks each can't be; give at least one stage, and 1 to 65536 blocks");
  CHECK_THROWS_WITH(refused([](auto& s) { s.blocks = 0; }), "stretto: a residual network of 2 stages with 0 blocks each can't be; give at least one stage, and 1 to 65536 blocks");
  CHECK_THROWS_WITH(refused([](auto& s) { s.stages[1] = -4; }), "stretto: stage 1 of a residual network has -4 channels; give 1 to 65536");
  CHECK_THROWS_WITH(refused([](auto& s) { s.classes = 0; }), "stretto: a residual network can't tell 0 classes apart; give 1 to 67108864");
  CHECK_THROWS_WITH(refused([](auto& s) { s.samples = 0; }), "stretto: a residual network can't take micro-batches of 0 samples; give 1 to 32768");
  CHECK_THROWS_WITH(refused([](auto& s) { s.dropout = -1; }), "stretto: a residual network drops a share of 0 or more and below 1; correct dropout");
  CHECK_THROWS_WITH(refused([](auto& s) { s.deviation = -1; }), "stretto: a residual network has an epsilon above 0 and a deviation of at least 0; correct them");
}
