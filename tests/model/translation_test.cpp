// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Encoder-decoder models: sizes, gradients, the same bits whatever the plan, padding that nobody sees, and what is refused.
#include "catch.hpp"
#include "model/outcomes.hpp"

#include <stretto/host.hpp>
#include <stretto/model/translation.hpp>
#include <stretto/train/gradient_check.hpp>

using namespace stretto;

namespace {

translation_shape some_languages() {
  translation_shape s{.source_vocabulary = 7, .target_vocabulary = 6, .source_tokens = 5, .target_tokens = 4, .width = 6, .encoder_layers = 2, .decoder_layers = 2, .heads = 2};
  s.dropout = 0.2, s.attention_dropout = 0.2, s.deviation = 0.3, s.samples = 2;
  return s;
}

struct sentences {
  translation_shape s;
  std::int64_t samples = outcomes::micro_batches * s.samples;
  std::vector<std::int32_t> source = outcomes::choices(samples * s.source_tokens, 1, 0, static_cast<std::int32_t>(s.source_vocabulary));
  std::vector<std::int32_t> target = outcomes::choices(samples * s.target_tokens, 2, 0, static_cast<std::int32_t>(s.target_vocabulary));
  std::vector<std::int32_t> labels = outcomes::choices(samples * s.target_tokens, 3, 0, static_cast<std::int32_t>(s.target_vocabulary));
  std::vector<std::int32_t> lengths = outcomes::choices(samples, 4, 1, static_cast<std::int32_t>(s.source_tokens) + 1);

  explicit sentences(const translation_shape& shape) : s(shape) { labels[2] = -100, lengths[0] = 3; }
  template <class Pipeline>
  void feed(Pipeline& p) const {
    p.template feed<std::int32_t>("source", outcomes::share_of(source, s.source_tokens, s.samples));
    p.template feed<std::int32_t>("target", outcomes::share_of(target, s.target_tokens, s.samples));
    p.template feed<std::int32_t>("labels", outcomes::share_of(labels, s.target_tokens, s.samples));
    p.template feed<std::int32_t>("source_lengths", outcomes::share_of(lengths, 1, s.samples));
  }
};

template <class T, class With>
auto with_sentences(const sentences& data, const plan& order, const With& with, bool recompute = false) {
  pipeline p(translation<host::device, T>(data.s, {.seed = 3, .recompute = recompute}), even_cut(layer_costs(data.s), order.stages), order, adamw{.rate = 0.01},
             {.seed = 9, .samples = data.s.samples, .clip = 0.5});
  data.feed(p);
  return with(p);
}

const plan& one_rank() {
  static const plan p = make_plan(gpipe{}, {.ranks = 1, .micro_batches = outcomes::micro_batches});
  return p;
}

}  // namespace

TEST_CASE("gradients of an encoder and a decoder are those of differences") {
  translation_shape s = some_languages();
  const auto check = [&] {
    const gradient_report r =
        with_sentences<double>(sentences(s), make_plan(gpipe{}, {.ranks = 1, .micro_batches = 2}), [](auto& p) { return check_gradients(p, 10, {.numbers = 4, .step = 2e-6, .floor = 1e-3}); });
    INFO(r.words().c_str());
    CHECK(r.within(1e-6));
  };
  check();
  s.shared = true, s.target_vocabulary = s.source_vocabulary, s.norm = norm_kind::rms, s.biases = false, s.gated = true, s.padded = false;
  check();
}

TEST_CASE("an encoder and a decoder learn to the same bits by every plan") {
  translation_shape s = some_languages();
  const auto learned = [&](const plan& order, bool recompute = false) {
    return with_sentences<float>(sentences(s), order, [](auto& p) { return outcomes::after(p, outcomes::micro_batches * 8); }, recompute);
  };
  for (const bool shared : {false, true}) {
    s.shared = shared, s.target_vocabulary = shared ? 7 : 6;
    const std::vector<double> alone = learned(one_rank());
    CHECK(alone[0] > 0);
    CHECK(alone[4] != alone[0]);
    outcomes::each_plan(2 * s.encoder_layers + 3 * s.decoder_layers + 3, [&](const plan& order, const std::string& which) {
      INFO(which);
      CHECK(learned(order) == alone);
    });
    CHECK(learned(make_plan(zb_h1{}, {.ranks = 2, .micro_batches = outcomes::micro_batches}), true) == alone);
  }
}

TEST_CASE("padding of a source is seen by nobody, and gets no gradient") {
  translation_shape s = some_languages();
  s.dropout = s.attention_dropout = 0;
  sentences data(s);
  const auto learned = [&] { return with_sentences<float>(data, one_rank(), [](auto& p) { return outcomes::after(p, 32); }); };
  const std::vector<double> first = learned();
  for (std::int64_t i = 0; i < data.samples; ++i)
    for (std::int64_t k = data.lengths[static_cast<std::size_t>(i)]; k < s.source_tokens; ++k) {
      std::int32_t& token = data.source[static_cast<std::size_t>(i * s.source_tokens + k)];
      token = (token + 1) % static_cast<std::int32_t>(s.source_vocabulary);
    }
  CHECK(learned() == first);
  ++data.lengths[0];
  CHECK(learned() != first);
}

TEST_CASE("a decoder sees its source and what comes before, and an encoder all") {
  translation_shape s = some_languages();
  s.dropout = s.attention_dropout = 0, s.padded = false;
  sentences data(s);
  for (auto& l : data.labels) l = -100;
  data.labels[1] = 4;  // the loss is that of the second token of the first sample
  const auto loss = [&] { return with_sentences<float>(data, one_rank(), [](auto& p) { return p.step().loss(); }); };
  const double first = loss();
  const auto changed = [&](std::vector<std::int32_t>& tokens, std::size_t i) {
    const std::int32_t was = tokens[i];
    tokens[i] = (was + 1) % 6;
    const double other = loss();
    tokens[i] = was;
    return other != first;
  };
  CHECK(changed(data.target, 0));
  CHECK(changed(data.target, 1));
  CHECK_FALSE(changed(data.target, 2));
  CHECK(changed(data.source, 0));
  CHECK(changed(data.source, 4));
  CHECK_FALSE(changed(data.source, 5));
}

TEST_CASE("in evaluation, sentences may be shorter than there is room for") {
  const translation_shape s = some_languages();
  sentences data(s);
  data.lengths.assign(data.lengths.size(), 3);
  for (std::size_t i = 0; i < data.labels.size(); ++i)
    if (i % 4 >= 2) data.labels[i] = -100;
  const auto loss = [&](std::int64_t source_tokens, std::int64_t target_tokens) {
    const auto firsts = [](const std::vector<std::int32_t>& all, std::int64_t each, std::int64_t count) {
      std::vector<std::int32_t> some;
      for (std::size_t i = 0; i < all.size(); ++i)
        if (static_cast<std::int64_t>(i) % each < count) some.push_back(all[i]);
      return some;
    };
    const auto source = firsts(data.source, s.source_tokens, source_tokens), target = firsts(data.target, s.target_tokens, target_tokens), labels = firsts(data.labels, s.target_tokens, target_tokens);
    pipeline p(translation<host::device, float>(s, {.seed = 3}), even_cut(layer_costs(s), 1), forward_of(one_rank()), adamw{}, {.samples = s.samples});
    p.feed<std::int32_t>("source", outcomes::share_of(source, source_tokens, s.samples));
    p.feed<std::int32_t>("target", outcomes::share_of(target, target_tokens, s.samples));
    p.feed<std::int32_t>("labels", outcomes::share_of(labels, target_tokens, s.samples));
    p.feed<std::int32_t>("source_lengths", outcomes::share_of(data.lengths, 1, s.samples));
    return p.step().loss();
  };
  const double truth = loss(5, 4);
  CHECK(truth > 0);
  CHECK(loss(3, 2) == truth);
  CHECK(loss(4, 3) == truth);
}

TEST_CASE("an encoder and a decoder have as many parameters as they say") {
  translation_shape s = some_languages();
  const auto count = [&] { return with_sentences<float>(sentences(s), one_rank(), [](auto& p) { return outcomes::parameters_of(p); }); };
  CHECK(count() == parameter_count(s));
  s.tied = false, s.gated = true, s.biases = false;
  CHECK(count() == parameter_count(s));
  s.tied = true, s.shared = true, s.target_vocabulary = 7, s.norm = norm_kind::rms;
  CHECK(count() == parameter_count(s));
  CHECK(translation<host::device, float>(s).size() == static_cast<int>(layer_costs(s).size()));
}

TEST_CASE("layers of an encoder and a decoder have names") {
  const auto m = translation<host::device, float>(some_languages());
  CHECK(m.find("source") == 0);
  CHECK(m.find("encoder.1.mlp") == 4);
  CHECK(m.find("target") == 5);
  CHECK(m.find("decoder.1.cross") == 10);
  CHECK(m.find("head") == 12);
}

TEST_CASE("translations that can't be are refused in a sentence") {
  translation_shape s = some_languages();
  s.shared = true;
  CHECK_THROWS_WITH(s.validate(), "stretto: a translation model that shares its table has a tied head and one vocabulary, not 7 and 6; correct them, or shared");
  s.target_vocabulary = 7;
  s.validate();
  s.tied = false;
  CHECK_THROWS_WITH(s.validate(), "stretto: a translation model that shares its table has a tied head and one vocabulary, not 7 and 7; correct them, or shared");
  s = some_languages();
  s.heads = 4;
  CHECK_THROWS_WITH(s.validate(), "stretto: a Transformer of width 6 can't share it evenly among 4 heads; change one, or give head_size");

  const auto lengths = [&](std::int64_t count, std::int32_t length) {
    const sentences data(some_languages());
    const std::vector<std::int32_t> all{2, length};
    pipeline p(translation<host::device, float>(data.s), even_cut(layer_costs(data.s), 1), one_rank(), adamw{}, {.samples = data.s.samples});
    p.feed<std::int32_t>("source", outcomes::share_of(data.source, 5, 2));
    p.feed<std::int32_t>("source_lengths", [&](const data_share&) { return view<const std::int32_t>{all.data(), count}; });
    p.step().loss();
  };
  using Catch::Matchers::ContainsSubstring;
  CHECK_THROWS_WITH(lengths(1, 2), ContainsSubstring("feed 'source_lengths' gives 1 lengths where a micro-batch has 2 samples; give one a sample"));
  CHECK_THROWS_WITH(lengths(2, 6), ContainsSubstring("feed 'source_lengths' gives sample 1 a length of 6; give 1 to 5"));
  CHECK_THROWS_WITH(lengths(2, 0), ContainsSubstring("feed 'source_lengths' gives sample 1 a length of 0; give 1 to 5"));
}
