// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Texts that go on: what is read token by token, with keys and values kept, has the bits of what is read at once.
#include <algorithm>
#include <string>
#include <vector>

#include "allocations.hpp"
#include "catch.hpp"

#include <stretto/model.hpp>
#include <stretto/run.hpp>

using namespace stretto;

namespace {

constexpr int micro_batches = 3, samples = 2;
constexpr double unseen = 1e9;

transformer_shape tiny_gpt(std::int64_t tokens) {
  transformer_shape s = gpt2_shape(2, 24, 3, 17, tokens);
  s.samples = samples, s.sequence = tokens, s.deviation = 0.2;
  return s;
}
transformer_shape tiny_llama(std::int64_t tokens) {
  transformer_shape s = llama_shape(2, 24, 6, 2, 20, 17, tokens);
  s.samples = samples, s.sequence = tokens, s.deviation = 0.2;
  return s;
}

/// Texts of so many tokens, and the logits that are seen of them, by micro-batch, sample, token and word.
template <class T>
struct texts {
  std::int64_t length, vocabulary;
  std::vector<std::int32_t> tokens;
  std::vector<double> logits;
  std::int64_t first = 0, each = 0;                 // what is read now
  std::vector<std::int32_t> share[micro_batches];  // of it, by micro-batch

  texts(std::int64_t tokens_each, std::int64_t words)
      : length(tokens_each), vocabulary(words), logits(static_cast<std::size_t>(micro_batches * samples * tokens_each * words), unseen) {
    for (std::int64_t i = 0; i < micro_batches * samples * length; ++i) tokens.push_back(static_cast<std::int32_t>(random_stream{.seed = 5}.bits(i) % static_cast<std::uint32_t>(words)));
    for (auto& one : share) one.reserve(static_cast<std::size_t>(samples * length));
  }
  std::int64_t text(std::int64_t m, std::int64_t n) const { return (m * samples + n) * length; }

  void look_at(std::int64_t from, std::int64_t count) {
    first = from, each = count;
    for (int m = 0; m < micro_batches; ++m) {
      share[m].clear();
      for (int n = 0; n < samples; ++n)
        for (std::int64_t i = from; i < from + count; ++i) share[m].push_back(tokens[static_cast<std::size_t>(text(m, n) + i)]);
    }
  }
  static void look(void* with, const data_share& d, const tensor_view<const T, 2>& seen) {
    texts& t = *static_cast<texts*>(with);
    const std::int64_t from = t.first + d.slice * t.each;
    for (std::int64_t n = 0; n < samples; ++n)
      for (std::int64_t i = 0; i < t.each; ++i)
        for (std::int64_t w = 0; w < t.vocabulary; ++w)
          t.logits[static_cast<std::size_t>((t.text(d.micro_batch, n) + from + i) * t.vocabulary + w)] = static_cast<double>(seen(n * t.each + i, w));
  }
  transformer_options<host::device, T> options(host::isa most = host::isa::amx) { return {.seed = 3, .queue = {.most = most}, .watcher = {look, this}}; }
  template <class Pipeline>
  void feed(Pipeline& p) const {
    p.template feed<std::int32_t>("tokens", [this](const data_share& d) { return view<const std::int32_t>{share[d.micro_batch].data(), static_cast<std::int64_t>(share[d.micro_batch].size())}; });
    p.template feed<std::int32_t>("labels", [](const data_share&) { return view<const std::int32_t>{}; });
  }
};

plan training(int ranks) { return make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = micro_batches}); }

/// The logits of whole texts, read at once.
template <class T>
std::vector<double> at_once(const transformer_shape& s, host::isa most = host::isa::amx) {
  texts<T> t(s.sequence, s.vocabulary);
  pipeline p(transformer<host::device, T>(s, t.options(most)), even_cut(layer_costs(s), 1), training(1), sgd{}, {.samples = s.samples});
  t.feed(p);
  t.look_at(0, s.sequence);
  CHECK(p.run(p.bind(forward_of(training(1)))).loss() == 0);
  return t.logits;
}

/// The same, read in pieces of so many tokens.
template <class T>
std::vector<double> in_pieces(transformer_shape s, int ranks, const std::vector<int>& pieces, host::isa most = host::isa::amx) {
  texts<T> t(s.sequence, s.vocabulary);
  s.sequence = 0;
  for (const int piece : pieces) s.sequence = piece > s.sequence ? piece : s.sequence;
  pipeline p(transformer<host::device, T>(s, t.options(most)), even_cut(layer_costs(s), ranks), training(ranks), sgd{}, {.samples = s.samples});
  t.feed(p);
  const int writing = p.bind(forward_of(training(ranks)), {.keeps_carry = true});
  std::int64_t at = 0;
  for (const int piece : pieces) {
    t.look_at(at, piece);
    (at == 0 ? p.run(writing) : p.go_on(writing)).loss();
    at += piece;
  }
  CHECK(at == t.length);
  return t.logits;
}

template <class T>
void same_bits(const transformer_shape& s, const std::vector<int>& pieces) {
  const std::vector<double> truth = at_once<T>(s);
  REQUIRE(std::count(truth.begin(), truth.end(), unseen) == 0);
  for (const int ranks : {1, 2, 4}) {
    INFO(ranks << " ranks");
    CHECK(in_pieces<T>(s, ranks, pieces) == truth);
  }
}

/// A prompt, some more of it, and then one at a time.
std::vector<int> then_one_by_one(std::vector<int> pieces, std::int64_t tokens) {
  for (const int piece : pieces) tokens -= piece;
  for (; tokens > 0; --tokens) pieces.push_back(1);
  return pieces;
}

template <class Do>
std::string words_of(Do&& work) {
  try {
    work();
  } catch (const error& e) {
    return e.what();
  }
  return "taken";
}

}  // namespace

TEST_CASE("a GPT that reads token by token has the bits of one that reads at once, over any number of ranks") {
  same_bits<float>(tiny_gpt(13), then_one_by_one({5, 3}, 13));
  same_bits<bf16>(tiny_gpt(13), then_one_by_one({5, 3}, 13));
  same_bits<double>(tiny_gpt(13), then_one_by_one({5, 3}, 13));
}
TEST_CASE("a Llama that reads token by token has the bits of one that reads at once, over any number of ranks") {
  same_bits<float>(tiny_llama(13), then_one_by_one({5, 3}, 13));
  same_bits<bf16>(tiny_llama(13), then_one_by_one({5, 3}, 13));
  same_bits<double>(tiny_llama(13), then_one_by_one({5, 3}, 13));
}
TEST_CASE("bits don't hang on where tiles of keys and groups of queries end, with a window or without") {
  transformer_shape s = tiny_llama(101);
  s.layers = 1;
  const std::vector<int> pieces{47, 2, 13, 1, 1, 1, 1, 30, 1, 1, 1, 1, 1};
  const auto agrees = [&] {
    for (const host::isa most : {host::isa::portable, host::isa::avx2, host::isa::avx512}) {
      CHECK(in_pieces<float>(s, 1, pieces, most) == at_once<float>(s, most));
      CHECK(in_pieces<bf16>(s, 1, pieces, most) == at_once<bf16>(s, most));
    }
  };
  agrees();
  s.window = 33;
  agrees();
  const auto seen = at_once<float>(s);
  s.window = 32;
  CHECK(seen != at_once<float>(s));
}

TEST_CASE("run begins texts anew, and evaluation between doesn't disturb them") {
  transformer_shape s = tiny_gpt(9);
  texts<float> t(9, s.vocabulary);
  const auto truth = at_once<float>(s);
  pipeline p(transformer<host::device, float>(s, t.options()), even_cut(layer_costs(s), 2), training(2), sgd{}, {.samples = s.samples});
  t.feed(p);
  const int evaluation = p.bind(forward_of(training(2))), writing = p.bind(forward_of(training(2)), {.keeps_carry = true});
  t.look_at(2, 7);
  p.run(writing).loss();
  CHECK(t.logits != truth);
  for (const int again : {0, 1}) {
    INFO(again);
    t.logits.assign(t.logits.size(), unseen);
    t.look_at(0, 6);
    p.run(writing).loss();
    t.look_at(3, 4);
    p.run(evaluation).loss();  // fewer tokens than there is room for, and nothing kept
    t.look_at(6, 3);
    p.go_on(writing).loss();
    t.look_at(0, 6);  // what evaluation wrote over
    p.run(evaluation).loss();
    CHECK(t.logits == truth);
  }
}

TEST_CASE("forward passes that are sliced have the bits of whole ones") {
  transformer_shape s = tiny_llama(12);
  texts<float> t(12, s.vocabulary);
  const auto truth = at_once<float>(s);
  const plan sliced = make_plan(from_csv("0F0,0F0s1,0F1,0F1s1,0F2,0F2s1\n1F0,1F0s1,1F1,1F1s1,1F2,1F2s1\n"));
  pipeline p(transformer<host::device, float>(s, t.options()), even_cut(layer_costs(s), 2), training(2), sgd{}, {.samples = s.samples});
  std::vector<std::int32_t> both[2];
  t.each = 6;
  p.feed<std::int32_t>("tokens", [&](const data_share& d) {
    std::vector<std::int32_t>& mine = both[d.slice];
    mine.clear();
    for (int n = 0; n < samples; ++n)
      for (int i = 0; i < 6; ++i) mine.push_back(t.tokens[static_cast<std::size_t>(t.text(d.micro_batch, n) + d.slice * 6 + i)]);
    return view<const std::int32_t>{mine.data(), static_cast<std::int64_t>(mine.size())};
  });
  p.feed<std::int32_t>("labels", [](const data_share&) { return view<const std::int32_t>{}; });
  p.run(p.bind(sliced)).loss();
  CHECK(t.logits == truth);
}

TEST_CASE("keys and values are kept where something goes on, and nowhere else") {
  transformer_shape s = tiny_gpt(12), brief = s;
  s.positions = 64, s.learned_positions = false, brief.learned_positions = false;
  const plan order = training(2);
  const auto kept = [&](const transformer_shape& of) { return dry_run(transformer<host::device, float>(of), even_cut(layer_costs(of), 2), order).total().memory(); };
  CHECK(kept(s) == kept(brief));
  attention_layer<host::device, float> one(layer_index{1}, s, 0, {});
  CHECK(one.make_carry(false).bytes() == 0);
  CHECK(one.make_carry(true).bytes() == samples * 64 * 2 * 24 * 4);
  const auto writing = [&](bool keeps) { return static_cast<double>(dry_run(transformer<host::device, float>(s), even_cut(layer_costs(s), 2), forward_of(order, 3), {.keeps_carry = keeps}).total().kept); };
  CHECK(writing(true) - writing(false) == Catch::Approx(2 * 3 * one.make_carry(true).bytes()).epsilon(0.01));  // two blocks, three micro-batches
  s.kept_tokens = 20;
  s.validate();
  CHECK((attention_layer<host::device, bf16>(layer_index{1}, s, 0, {}).make_carry(true).bytes() == samples * 20 * 2 * 24 * 2));
  s.kept_tokens = 11;
  CHECK(words_of([&] { s.validate(); }) == "stretto: a Transformer for sequences of 12 tokens and 64 positions can't keep keys and values of 11; give a number between them, or 0 for all positions");
}

TEST_CASE("tokens that a text can't go on with are refused") {
  const auto refused = [](std::int64_t begins_with, std::int64_t more, void (*change)(transformer_shape&)) {
    transformer_shape s = tiny_gpt(9);
    s.sequence = 6;
    change(s);
    const std::vector<std::int32_t> some(64, 1);
    std::int64_t count = begins_with;
    pipeline p(transformer<host::device, float>(s), even_cut(layer_costs(s), 1), training(1), sgd{}, {.samples = s.samples});
    p.feed<std::int32_t>("tokens", [&](const data_share&) { return view<const std::int32_t>{some.data(), count}; });
    p.feed<std::int32_t>("labels", [](const data_share&) { return view<const std::int32_t>{}; });
    p.feed<std::int32_t>("lengths", [&](const data_share&) { return view<const std::int32_t>{some.data(), s.samples}; });
    const int writing = p.bind(forward_of(training(1)), {.keeps_carry = true});
    return words_of([&] {
      p.run(writing).loss();
      count = more;
      p.go_on(writing).loss();
    });
  };
  const auto as_it_is = [](transformer_shape&) {};
  CHECK(refused(12, 6, as_it_is) == "taken");
  CHECK(refused(12, 8, as_it_is) ==
        "stretto: rank 0 step 0 (0F0) layer 0 threw: texts of 6 tokens are to grow by 4 where a Transformer keeps 9; begin anew with a part of them, or raise kept_tokens, or positions");
  CHECK(refused(14, 2, as_it_is) ==
        "stretto: rank 0 step 0 (0F0) layer 0 threw: feed 'tokens' gives 14 tokens where a micro-batch has 2 samples of up to 6; give each as many, at least one");
  CHECK(refused(7, 2, as_it_is) ==
        "stretto: rank 0 step 0 (0F0) layer 0 threw: feed 'tokens' gives 7 tokens where a micro-batch has 2 samples of up to 6; give each as many, at least one");
  CHECK(refused(2, 0, as_it_is) ==
        "stretto: rank 0 step 0 (0F0) layer 0 threw: feed 'tokens' gives 0 tokens where a micro-batch has 2 samples of up to 6; give each as many, at least one");
  const std::string alone = "stretto: rank 0 step 0 (0F0) layer 1 threw: attention that sees tokens behind its own, or is told lengths, can't go on with a text; run it anew";
  CHECK(refused(2, 2, [](transformer_shape& s) { s.causal = false; }) == alone);
  CHECK(refused(2, 2, [](transformer_shape& s) { s.lengths = label("lengths"); }) == alone);
}

TEST_CASE("a Transformer isn't trained by slices") {
  const transformer_shape s = tiny_gpt(6);
  const std::vector<std::int32_t> some(static_cast<std::size_t>(s.rows()), 1);
  pipeline p(transformer<host::device, float>(s), even_cut(layer_costs(s), 1), make_plan(from_csv("0F0,0F0s1,0B0s1,0B0\n")), sgd{}, {.samples = s.samples});
  for (const char* name : {"tokens", "labels"}) p.feed<std::int32_t>(name, [&](const data_share&) { return view<const std::int32_t>{some.data(), s.rows()}; });
  CHECK(words_of([&] { p.step().loss(); }) ==
        "stretto: rank 0 step 0 (0F0) layer 0 threw: a Transformer is trained by a plan of 2 slices a micro-batch, and its attention can't send gradients back from slice to slice; give a plan "
        "without slices");
}

TEST_CASE("nothing is allocated while a text is written") {
  transformer_shape s = tiny_llama(40);
  texts<float> t(40, s.vocabulary);
  pipeline p(transformer<host::device, float>(s, t.options()), even_cut(layer_costs(s), 2), training(2), sgd{}, {.samples = s.samples});
  t.feed(p);
  const int writing = p.bind(forward_of(training(2)), {.keeps_carry = true});
  t.look_at(0, 9);
  p.run(writing).loss();
  const std::int64_t before = allocations::calls.load();
  for (int i = 9; i < 30; ++i) {
    t.look_at(i, 1);
    p.go_on(writing).loss();
  }
  t.look_at(0, 40);
  p.run(writing).loss();
  const std::int64_t after = allocations::calls.load();
  CHECK((after == before && (before > 0 || !allocations::counted)));
}
