// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decoder models: sizes, gradients, and the same bits whatever the plan.
#include "catch.hpp"

#include <cstring>
#include <string>
#include <vector>

#include <stretto/model.hpp>
#include <stretto/plan/weight_order.hpp>
#include <stretto/run.hpp>
#include <stretto/train/gradient_check.hpp>
#include <stretto/train/loss_scale.hpp>
#include <stretto/transport/seeded.hpp>

using namespace stretto;

namespace {

constexpr int micro_batches = 8;

transformer_shape tiny_gpt() {
  transformer_shape s = gpt2_shape(2, 24, 3, 17, 12);
  s.samples = 2, s.sequence = 7;
  return s;
}
transformer_shape tiny_llama() {
  transformer_shape s = llama_shape(2, 24, 6, 2, 20, 17, 12);
  s.samples = 2, s.sequence = 7;
  return s;
}

/// As in recent models: heads of queries and keys are normed before they are turned.
transformer_shape tiny_normed() {
  transformer_shape s = tiny_llama();
  s.head_norm = true;
  return s;
}

/// Tokens that count, with one that doesn't; the same for every run.
struct text_of_numbers {
  std::vector<std::int32_t> tokens, labels;
  explicit text_of_numbers(const transformer_shape& s) {
    for (std::int64_t i = 0; i < micro_batches * s.rows(); ++i) {
      tokens.push_back(static_cast<std::int32_t>(random_stream{.seed = 5}.bits(i) % static_cast<std::uint32_t>(s.vocabulary)));
      labels.push_back(i % 11 == 3 ? -100 : static_cast<std::int32_t>((tokens.back() * 3 + 1) % s.vocabulary));
    }
  }
  template <class Pipeline>
  void feed(Pipeline& p, const transformer_shape& s) const {
    const std::int64_t each = s.sequence, rows = s.rows();
    p.template feed<std::int32_t>("tokens", [this, each, rows](const data_share& d) { return view<const std::int32_t>{tokens.data() + d.first_sample * each, rows}; });
    p.template feed<std::int32_t>("labels", [this, each, rows](const data_share& d) { return view<const std::int32_t>{labels.data() + d.first_sample * each, rows}; });
  }
};

gradient_report checked(const transformer_shape& s) {
  const text_of_numbers data(s);
  pipeline p(transformer<host::device, double>(s, {.seed = 3}), even_cut(layer_costs(s), 1), make_plan(gpipe{}, {.ranks = 1, .micro_batches = 2}), sgd{}, {.seed = 9, .samples = s.samples});
  data.feed(p, s);
  return check_gradients(p, 10, {.numbers = 3, .floor = 1e-4});
}

/// Losses, norms and weights of five steps, as bits. A seed: over messages that are delivered in its order.
template <class T>
std::vector<double> trained(const transformer_shape& s, const plan& order, bool recompute = false, std::uint32_t seed = 0) {
  const text_of_numbers data(s);
  const auto model = transformer<host::device, T>(s, {.seed = 3, .recompute = recompute});
  const cut stages = even_cut(std::vector<double>(static_cast<std::size_t>(model.size()), 1.0), order.stages);
  const auto run = [&](auto&& p) {
    data.feed(p, s);
    std::vector<double> all;
    for (int step = 0; step < 5; ++step) {
      auto h = p.step(100);
      all.push_back(h.loss()), all.push_back(h.norm());
    }
    p.finish();
    for (const parameter& q : p.parameters())
      for (std::int64_t i = 0; i < q.count; ++i) all.push_back(static_cast<double>(static_cast<const float*>(q.value)[i]));
    return all;
  };
  const pipeline_options how{.seed = 9, .samples = s.samples, .clip = 0.5};
  if (seed == 0) return run(pipeline(model, stages, order, adamw{.rate = 0.01}, how));
  seeded over(order.ranks, {.seed = seed});
  return run(pipeline(over, model, stages, order, adamw{.rate = 0.01}, how));
}

/// Every schedule that adds gradients in the order of the micro-batches, on 1, 2 and 4 ranks.
template <class T>
void same_bits_everywhere(transformer_shape s) {
  s.dropout = 0.1, s.attention_dropout = 0.1, s.layers = 3;
  const auto truth = trained<T>(s, make_plan(one_f_one_b{}, {.ranks = 1, .micro_batches = micro_batches}));
  REQUIRE(truth[4] < truth[0]);
  int plans = 0;
  all_schedules::each([&](auto schedule) {
    using S = decltype(schedule);
    for (const int ranks : {1, 2, 4})
      for (int chunks = 1; chunks <= (takes_chunks<S>() ? 2 : 1); ++chunks) {
        const sizes z{.ranks = ranks, .micro_batches = micro_batches, .chunks = chunks};
        if (refuses(schedule, z)) continue;
        const plan order = make_plan(schedule, z);
        if (order.stages > 8 || order_of_weights(order) != weight_order::ascending || owners(order) > 1) continue;
        INFO(S::name << " on " << ranks << " ranks with " << chunks << " chunks");
        ++plans;
        CHECK(trained<T>(s, order, plans % 3 == 0) == truth);  // every third recomputes
        CHECK(trained<T>(s, order, plans % 3 == 1, static_cast<std::uint32_t>(plans)) == truth);
      }
  });
  CHECK(plans >= 48);
}

}  // namespace

TEST_CASE("the numbers of parameters are the published ones") {
  CHECK(parameter_count(gpt2_shape(12, 768, 12)) == 124439808);
  CHECK(parameter_count(gpt2_shape(48, 1600, 25, 50304)) == 1557686400);
  CHECK(parameter_count(llama_shape(32, 4096, 32, 8, 14336)) == 8030261248);
}

TEST_CASE("the number of parameters is what layers show") {
  for (const transformer_shape& s : {tiny_gpt(), tiny_llama(), tiny_normed()}) {
    const auto model = transformer<host::device, float>(s);
    std::int64_t shown = 0;
    for (int i = 0; i < model.size(); ++i) {
      void (*drop)(void*) = nullptr;
      void* made = model.make(i, &drop);
      parameter_list list;
      model.row(i).parameters(made, list);
      for (const parameter& p : list.all())
        if (p.tie.empty() || i == 0) shown += p.count;
      drop(made);
    }
    CHECK(shown == parameter_count(s));
    CHECK(model.find("block.1.mlp") == 4);
    CHECK(layer_costs(s).size() == static_cast<std::size_t>(model.size()));
  }
}

TEST_CASE("gradients of a GPT are those by differences") {
  transformer_shape s = tiny_gpt();
  const gradient_report plain = checked(s);
  INFO(plain.words().str());
  CHECK(plain.within(2e-6));
  CHECK(plain.checked > 80);
  s.dropout = 0.2, s.attention_dropout = 0.1, s.window = 3;
  const gradient_report dropped = checked(s);
  INFO(dropped.words().str());
  CHECK(dropped.within(2e-6));
}

TEST_CASE("gradients of a Llama are those by differences") {
  const gradient_report r = checked(tiny_llama());
  INFO(r.words().str());
  CHECK(r.within(2e-6));
}

TEST_CASE("gradients of a Transformer whose heads are normed are those by differences") {
  transformer_shape s = tiny_normed();
  const gradient_report plain = checked(s);
  INFO(plain.words().str());
  CHECK(plain.within(2e-6));
  CHECK(plain.checked > 50);
  s.turning.pairs = rotary_pairs::neighbours, s.window = 3;
  CHECK(checked(s).within(2e-6));
}
TEST_CASE("a GPT has the same bits under every plan, with any number of ranks") { same_bits_everywhere<float>(tiny_gpt()); }
TEST_CASE("a Llama has the same bits under every plan, with any number of ranks") { same_bits_everywhere<float>(tiny_llama()); }
TEST_CASE("a Transformer whose heads are normed has the same bits under every plan, with any number of ranks") { same_bits_everywhere<float>(tiny_normed()); }
TEST_CASE("a Llama of bf16 with masters has the same bits under every plan, with any number of ranks") { same_bits_everywhere<bf16>(tiny_llama()); }

TEST_CASE("a GPT of fp16 learns with a scale of the loss that finds itself, and skips the same steps on any number of ranks") {
  const transformer_shape s = tiny_gpt();
  const text_of_numbers data(s);
  const auto model = transformer<host::device, fp16>(s, {.seed = 3});
  const auto run = [&](const plan& order) {
    pipeline p(model, even_cut(layer_costs(s), order.stages), order, adamw{.rate = 0.01}, {.seed = 9, .samples = s.samples, .clip = 1, .skips = true});
    data.feed(p, s);
    loss_scale scale{.scale = 16777216, .interval = 3};
    std::vector<double> all;
    for (int i = 0; i < 14; ++i) {
      p.rule().loss_scale = scale.scale;
      auto h = p.step(100);
      all.push_back(h.loss()), all.push_back(scale.scale);
      scale = next_scale(scale, !h.skipped());
      if (!h.skipped()) all.push_back(h.norm());
    }
    return all;
  };
  const auto truth = run(make_plan(gpipe{}, {.ranks = 1, .micro_batches = 8}));
  CHECK(truth[0] == truth[2]);  // the first scale is too much
  CHECK(truth[3] == 8388608);
  CHECK(truth[truth.size() - 3] < 0.9 * truth[0]);
  CHECK(truth.size() > 14 * 2 + 6);   // steps that were taken
  for (const int ranks : {1, 2, 4}) {
    CHECK(run(make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = 8})) == truth);
    CHECK(run(make_plan(zb_h1{}, {.ranks = ranks, .micro_batches = 8})) == truth);
  }
}

TEST_CASE("a Transformer that can't be is refused") {
  const auto words = [](auto change) {
    transformer_shape s = tiny_gpt();
    change(s);
    try {
      s.validate();
    } catch (const error& e) {
      return std::string(e.what());
    }
    return std::string("taken");
  };
  CHECK(words([](auto& s) { s.vocabulary = 0; }) == "stretto: a Transformer can't have a vocabulary of 0; give 1 to 2147483647");
  CHECK(words([](auto& s) { s.layers = 0; }) == "stretto: a Transformer of width 24 with 0 layers and 3 heads can't be; give each at least 1");
  CHECK(words([](auto& s) { s.width = 1 << 25; }) == "stretto: a Transformer of width 33554432 with 2 layers and an inner width of 134217728 is beyond any use; correct it");
  CHECK(words([](auto& s) { s.heads = 5; }) == "stretto: a Transformer of width 24 can't share it evenly among 5 heads; change one, or give head_size");
  CHECK(words([](auto& s) { s.head_size = 257; }) == "stretto: a Transformer has heads of 257 numbers; give 1 to 256");
  CHECK(words([](auto& s) { s.kv_heads = 2; }) == "stretto: a Transformer can't share 2 heads of keys and values evenly among 3 heads; use a divisor");
  CHECK(words([](auto& s) { s.samples = 0; }) == "stretto: a Transformer can't take micro-batches of 0 samples of 7 tokens; give each at least 1");
  CHECK(words([](auto& s) { s.sequence = 13; }) == "stretto: a Transformer for 12 positions can't take sequences of 13 tokens; shorten them, or raise positions");
  CHECK(words([](auto& s) { s.positions = 1 << 29; }) == "stretto: a Transformer of 536870912 positions is beyond any use; correct it");
  CHECK(words([](auto& s) { s.head_norm = true; }) == "stretto: a Transformer norms heads where it turns them, and this one turns none; set rotary, or unset head_norm");
  CHECK(words([](auto& s) { s.rotary = true, s.head_size = 7; }) == "stretto: a Transformer turns pairs of a head's numbers, and heads have 7; make them even");
  CHECK(words([](auto& s) { s.dropout = 1; }) == "stretto: a Transformer drops a share of 0 or more and below 1; correct dropout");
  CHECK(words([](auto& s) { s.epsilon = 0; }) == "stretto: a Transformer has an epsilon above 0 and a deviation of at least 0; correct them");
  CHECK(words([](auto& s) { s.window = -1; }) == "stretto: a Transformer can't see -1 tokens back; give 0 for all");
}

TEST_CASE("feeds of another length are refused where they are asked for") {
  const transformer_shape s = tiny_gpt();
  const std::vector<std::int32_t> few(static_cast<std::size_t>(s.rows()), 1);
  const auto thrown = [&](std::int64_t tokens, std::int64_t labels) {
    pipeline p(transformer<host::device, double>(s), even_cut(layer_costs(s), 1), make_plan(gpipe{}, {.ranks = 1, .micro_batches = 1}), sgd{}, {.samples = s.samples});
    p.feed<std::int32_t>("tokens", [&](const data_share&) { return view<const std::int32_t>{few.data(), tokens}; });
    p.feed<std::int32_t>("labels", [&](const data_share&) { return view<const std::int32_t>{few.data(), labels}; });
    try {
      p.step().loss();
    } catch (const error& e) {
      return std::string(e.what());
    }
    return std::string("taken");
  };
  CHECK(thrown(3, 14) == "stretto: rank 0 step 0 (0F0) layer 0 threw: feed 'tokens' gives 3 tokens where a micro-batch has 2 samples of 7; give as many");
  CHECK(thrown(14, 3) == "stretto: rank 0 step 0 (0F0) layer 5 threw: feed 'labels' gives 3 labels where a micro-batch has 2 samples of 7; give as many");
}
