// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/attention.hpp>
#include <stretto/numeric/attention_sink.hpp>

#include "attention_cases.hpp"

using namespace stretto;
using namespace test;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();
constexpr float no_number = std::numeric_limits<float>::quiet_NaN();

template <class T>
struct result {
  tensor<T, 3> output;
  tensor<float, 2> lse;
  explicit result(const shape<3>& s) : output(s), lse(shape<2>{{s[0], s[1]}}) {}
  friend bool operator==(const result& a, const result& b) { return same_bits(a.output, b.output) && same_bits(a.lse, b.lse); }
};

template <class T>
result<T> attend(host::queue& q, const tensor_view<const T, 3>& queries, const tensor_view<const T, 3>& keys, const tensor_view<const T, 3>& values, const token_places& at_queries = {},
                 const token_places& at_keys = {}, const attention_options& o = {}) {
  result<T> r(queries.extents());
  host::attention(q, queries, keys, values, at_queries, at_keys, r.output, r.lse, o);
  return r;
}

template <class T>
void hold_to_truth(const attention_case& c) {
  const attention_inputs<T> in(c);
  const shape<3> s = in.queries.extents();
  result<T> plain(s);
  tensor<double, 3> truth(s);
  tensor<double, 2> true_lse({s[0], s[1]});
  reference::attention<double>(as<double>(in.queries), as<double>(in.keys), as<double>(in.values), c.at_queries, c.at_keys, truth, true_lse, c.options);
  reference::attention<T>(in.queries, in.keys, in.values, c.at_queries, c.at_keys, plain.output, plain.lse, c.options);
  for (host::isa level : attention_levels()) {
    INFO(c.words() << ", " << host::isa_name(level) << ", " << element_name(element_traits<T>::type));
    host::queue q({.most = level});
    const result<T> got = attend<T>(q, in.queries, in.keys, in.values, c.at_queries, c.at_keys, c.options);
    CHECK(near_truth(got.output, plain.output, truth));
    CHECK(same_places(got.lse, true_lse));
    CHECK(near_truth(finite(got.lse), finite(plain.lse), finite(true_lse)));
    for (int threads = 2; threads <= (std::is_same_v<T, float> ? 3 : 1); ++threads) {
      host::queue more({.threads = threads, .most = level});
      CHECK(attend<T>(more, in.queries, in.keys, in.values, c.at_queries, c.at_keys, c.options) == got);
    }
  }
}

}  // namespace

TEST_CASE("Attention is as near to the truth as plain loops and has the same bits with any number of threads") {
  for (const attention_case& c : attention_cases()) {
    hold_to_truth<float>(c);
    hold_to_truth<bf16>(c);
    hold_to_truth<fp16>(c);
  }
}

TEST_CASE("Attention in double is the plain loops") {
  const attention_case c{20, 30, 4, 2, 7, {.causal = false, .soft_cap = 2}};
  const attention_inputs<double> in(c);
  host::queue q;
  tensor<double, 3> a(in.queries.extents()), b(in.queries.extents());
  tensor<double, 2> la({20, 4}), lb({20, 4});
  host::attention(q, in.queries, in.keys, in.values, {}, {}, a, la, c.options);
  reference::attention(in.queries, in.keys, in.values, {}, {}, b, lb, c.options);
  CHECK(same_bits(a, b));
  CHECK(same_bits(la, lb));
}

TEST_CASE("Queries, keys and values may be columns of one matrix that stands anywhere") {
  const std::int64_t n = 70, heads = 4, kv = 2, d = 24, row = (heads + 2 * kv) * d + 5;
  for (host::isa level : attention_levels()) {
    host::queue q({.most = level});
    for (int off : {0, 1, 7}) {
      const auto numbers_of = numbers<float, 1>({n * row + off}, 5);
      const float* const first = numbers_of.data() + off;
      const tensor_view<const float, 3> queries(first, {{n, heads, d}}, {row, d, 1}),
          keys(first + heads * d, {{n, kv, d}}, {row, d, 1}), values(first + (heads + kv) * d, {{n, kv, d}}, {row, d, 1});
      const auto copy = [](const tensor_view<const float, 3>& v) {
        tensor<float, 3> t(v.extents());
        for (std::int64_t i = 0; i < v.extent(0); ++i)
          for (std::int64_t h = 0; h < v.extent(1); ++h)
            for (std::int64_t e = 0; e < v.extent(2); ++e) t(i, h, e) = v(i, h, e);
        return t;
      };
      const auto packed = attend<float>(q, copy(queries), copy(keys), copy(values));
      CHECK(attend<float>(q, queries, keys, values) == packed);
      tensor<float, 1> room({n * row + off});
      tensor<float, 2> lse({n, heads});
      const tensor_view<float, 3> output(room.data() + off, {{n, heads, d}}, {row, d, 1});
      host::attention(q, queries, keys, values, {}, {}, output, lse);
      CHECK(same_bits(copy(output), packed.output));
      double beyond = 0;  // nothing is written between
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t e = heads * d; e < row; ++e) beyond += std::abs(static_cast<double>(room[off + i * row + e]));
      CHECK(beyond == 0);
    }
  }
}

TEST_CASE("A document has the same bits alone and among others, wherever it stands") {
  const std::vector<int> lengths{5, 70, 1, 130, 49};
  std::vector<std::int32_t> documents, positions;
  for (unsigned k = 0; k < lengths.size(); ++k)
    for (int i = 0; i < lengths[k]; ++i) documents.push_back(static_cast<std::int32_t>(7 - k)), positions.push_back(i);
  const auto n = static_cast<std::int64_t>(documents.size());
  const attention_case c{n, n, 2, 1, 20, {.window = 90, .dropout = 0.2, .stream = {1, 2, 3, 4}}};
  attention_inputs<float> in(c);
  const token_places all{.positions = {positions.data(), {{n}}}, .documents = {documents.data(), {{n}}}};
  for (host::isa level : attention_levels()) {
    host::queue q({.most = level});
    const auto together = attend<float>(q, in.queries, in.keys, in.values, all, all, c.options);
    std::int64_t first = 0;
    for (unsigned k = 0; k < lengths.size(); first += lengths[k++]) {
      const std::int64_t count = lengths[k];
      const token_places at{.documents = {documents.data() + first, {{count}}}};
      const auto alone = attend<float>(q, in.queries.part(0, first, count), in.keys.part(0, first, count), in.values.part(0, first, count), at, at, c.options);
      CHECK(std::memcmp(alone.output.data(), &together.output(first, 0, 0), static_cast<unsigned long>(alone.output.size()) * sizeof(float)) == 0);
      CHECK(std::memcmp(alone.lse.data(), &together.lse(first, 0), static_cast<unsigned long>(alone.lse.size()) * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("What a query does not see never touches its result, even where it is no number") {
  const attention_case c{150, 150, 1, 1, 20, {.window = 100}};
  const attention_inputs<float> clean(c);
  for (host::isa level : attention_levels()) {
    host::queue q({.most = level});
    const auto truth = attend<float>(q, clean.queries, clean.keys, clean.values, {}, {}, c.options);
    for (float odd : {no_number, infinite, -infinite})
      for (int at : {0, 20, 70, 149}) {
        attention_inputs<float> in(c);
        in.values(at, 0, 3) = odd;
        in.keys(at, 0, 4) = no_number;
        const auto got = attend<float>(q, in.queries, in.keys, in.values, {}, {}, c.options);
        for (int i = 0; i < 150; ++i) {
          const bool sees = i >= at && i - at < 100;
          INFO(odd << " at " << at << ", query " << i);
          if (sees) REQUIRE((std::isnan(got.output(i, 0, 3)) && std::isnan(got.lse(i, 0))));
          else REQUIRE((std::memcmp(&got.output(i, 0, 0), &truth.output(i, 0, 0), 80) == 0 && got.lse(i, 0) == truth.lse(i, 0)));
        }
      }
    attention_inputs<float> in(c);  // a value alone
    in.values(70, 0, 3) = infinite;
    const auto got = attend<float>(q, in.queries, in.keys, in.values, {}, {}, c.options);
    for (int i = 0; i < 150; ++i)
      REQUIRE((i < 70 ? std::memcmp(&got.output(i, 0, 0), &truth.output(i, 0, 0), 80) == 0 : got.output(i, 0, 3) == infinite && got.output(i, 0, 2) == truth.output(i, 0, 2)));
  }
}

TEST_CASE("Large scores stay finite and queries without keys have nothing") {
  const attention_case c{60, 60, 1, 1, 4};
  for (host::isa level : attention_levels()) {
    host::queue q({.most = level});
    for (float size : {-1e4f, 1e4f}) {
      attention_inputs<float> in(c);
      for (int i = 0; i < 60; ++i)
        for (int e = 0; e < 4; ++e) in.queries(i, 0, e) = e == 0 ? 2 : 0, in.keys(i, 0, e) = e == 0 ? size + static_cast<float>(i % 2) : 0;
      const auto got = attend<float>(q, in.queries, in.keys, in.values, {.offset = -3}, {});
      for (int i = 0; i < 60; ++i) {
        if (i < 3) {
          CHECK(got.lse(i, 0) == -infinite);
          for (int e = 0; e < 4; ++e) CHECK(got.output(i, 0, e) == 0);
        } else {
          CHECK(std::abs(static_cast<double>(got.lse(i, 0)) - static_cast<double>(size)) < 6);
          for (int e = 0; e < 4; ++e) CHECK(std::abs(got.output(i, 0, e)) <= 1);
        }
      }
    }
    attention_inputs<float> one({1, 1, 1, 1, 3});  // a softmax over one key is exact
    const auto got = attend<float>(q, one.queries, one.keys, one.values);
    CHECK(same_bits(got.output, one.values));
  }
}

TEST_CASE("Attention block by block, in any layout, is attention to all keys") {
  constexpr int n = 144, ranks = 3;
  const attention_options options{.window = 120, .dropout = 0.2, .stream = {3, 1, 4, 1}};
  const attention_case c{n, n, 2, 1, 18, options};
  const attention_inputs<float> in(c);
  tensor<double, 3> truth(in.queries.extents());
  tensor<double, 2> true_lse({n, 2});
  result<float> plain(in.queries.extents());
  reference::attention<double>(as<double>(in.queries), as<double>(in.keys), as<double>(in.values), {}, {}, truth, true_lse, options);
  reference::attention<float>(in.queries, in.keys, in.values, {}, {}, plain.output, plain.lse, options);
  for (host::isa level : attention_levels())
    for (layout l : {layout::contiguous, layout::zigzag, layout::striped}) {
      host::queue q({.most = level});
      tensor<float, 3> output(in.queries.extents());
      tensor<float, 2> lse({n, 2});
      for (int r = 0; r < ranks; ++r) {
        const auto mine = positions_of(l, n, ranks, r);
        const auto queries = rows_at(in.queries, mine);
        result<bf16> rounded(queries.extents());
        result<float> state(queries.extents()), last(queries.extents());
        for (int step = 0; step < ranks; ++step) {
          const auto theirs = positions_of(l, n, ranks, (r + ranks - step) % ranks);
          attention_options o = options;
          o.accumulate = step > 0;
          host::attention_block(q, queries, rows_at(in.keys, theirs), rows_at(in.values, theirs), places_at(mine), places_at(theirs), state.output, state.lse,
                                step + 1 == ranks ? last.output : tensor_view<float, 3>(), o);
        }
        CHECK(same_bits(last.output, state.output));
        for (unsigned i = 0; i < mine.size(); ++i)
          for (int h = 0; h < 2; ++h) {
            lse(mine[i], h) = state.lse(i, h);
            for (int e = 0; e < 18; ++e) output(mine[i], h, e) = state.output(i, h, e);
          }
      }
      INFO(host::isa_name(level) << ", layout " << static_cast<int>(l));
      CHECK(near_truth(output, plain.output, truth));
      CHECK(near_truth(lse, plain.lse, true_lse));
    }
}

TEST_CASE("A block of keys that nobody sees leaves the state as it is, to the bit") {
  const attention_case c{50, 70, 2, 2, 12};
  const attention_inputs<float> in(c);
  for (host::isa level : attention_levels()) {
    host::queue q({.most = level});
    result<float> state(in.queries.extents());
    host::attention_block(q, in.queries, in.keys, in.values, {.offset = -10}, {}, state.output, state.lse, tensor_view<float, 3>());
    const result<float> before = state;
    tensor<bf16, 3> rounded(in.queries.extents());
    const attention_inputs<bf16> other(c);
    for (const token_places& at : {token_places{.offset = 500}, token_places{.offset = 40}}) {  // none, and all but the first ten queries' none
      result<float> after = before;
      host::attention_block(q, other.queries, other.keys, other.values, {.offset = -10}, at, after.output, after.lse, rounded, {.accumulate = true});
      for (int i = 0; i < (at.offset == 500 ? 50 : 50 - 10); ++i)
        for (int h = 0; h < 2; ++h) {
          if (i < 10) CHECK(after.lse(i, h) == -infinite);
          CHECK(std::memcmp(&after.output(i, h, 0), &before.output(i, h, 0), 48) == 0);
          CHECK(std::memcmp(&after.lse(i, h), &before.lse(i, h), 4) == 0);
        }
      for (std::int64_t i = 0; i < rounded.size(); ++i) CHECK(rounded.data()[i].bits == bf16(after.output.data()[i]).bits);
    }
  }
}

TEST_CASE("A sink takes its share of the weights") {
  const attention_case c{40, 40, 2, 1, 6};
  const attention_inputs<float> in(c);
  host::queue q;
  const auto without = attend<float>(q, in.queries, in.keys, in.values);
  result<float> with(in.queries.extents());
  const float sinks[] = {0.5f, -1};
  attention_sink<float>(tensor_view<const float, 1>(sinks, {{2}}), with.output, with.lse);
  host::attention_block(q, in.queries, in.keys, in.values, {}, {}, with.output, with.lse, tensor_view<float, 3>(), {.accumulate = true});
  for (int i = 0; i < 40; ++i)
    for (int h = 0; h < 2; ++h) {
      const double all = std::exp(static_cast<double>(without.lse(i, h))) + std::exp(static_cast<double>(sinks[h]));
      CHECK(static_cast<double>(with.lse(i, h)) == Catch::Approx(std::log(all)).margin(1e-6));
      for (int e = 0; e < 6; ++e)
        CHECK(static_cast<double>(with.output(i, h, e)) == Catch::Approx(static_cast<double>(without.output(i, h, e)) * std::exp(static_cast<double>(without.lse(i, h))) / all).margin(1e-6));
    }
}

TEST_CASE("Attention refuses what does not go together") {
  host::queue q;
  const auto t = [](std::int64_t n, std::int64_t h, std::int64_t d) { return tensor<float, 3>({n, h, d}); };
  const auto call = [&](const tensor<float, 3>& queries, const tensor<float, 3>& keys, const tensor<float, 3>& values, const tensor<float, 3>& output, const shape<2>& lse,
                        const attention_options& o = {}, const token_places& at = {}, const token_places& at_keys = {}) {
    host::attention(q, queries, keys, values, at, at_keys, output, tensor<float, 2>(lse), o);
  };
  CHECK_THROWS_WITH(call(t(5, 4, 8), t(6, 2, 8), t(7, 2, 8), t(5, 4, 8), {{5, 4}}),
                    "stretto: attention of queries of shape (5, 4, 8) is given keys of (6, 2, 8) and values of (7, 2, 8); give (tokens, heads, head size) with one head size, and as many values as keys");
  CHECK_THROWS_WITH(call(t(5, 4, 9), t(6, 2, 8), t(6, 2, 8), t(5, 4, 9), {{5, 4}}), Catch::Matchers::ContainsSubstring("is given keys of (6, 2, 8)"));
  CHECK_THROWS_WITH(call(t(5, 4, 257), t(6, 2, 257), t(6, 2, 257), t(5, 4, 257), {{5, 4}}), "stretto: attention has head size 257; give 1 to 256");
  CHECK_THROWS_WITH(call(t(5, 4, 0), t(6, 2, 0), t(6, 2, 0), t(5, 4, 0), {{5, 4}}), "stretto: attention has head size 0; give 1 to 256");
  CHECK_THROWS_WITH(call(t(5, 4, 8), t(6, 3, 8), t(6, 3, 8), t(5, 4, 8), {{5, 4}}),
                    "stretto: 4 heads of queries can't share 3 of keys and values evenly; make the first a multiple of the second");
  CHECK_THROWS_WITH(call(t(5, 4, 8), t(6, 2, 8), t(6, 2, 8), t(5, 3, 8), {{5, 4}}), "stretto: attention of queries of shape (5, 4, 8) doesn't give outputs of (5, 3, 8); make them alike");
  CHECK_THROWS_WITH(call(t(5, 4, 8), t(6, 2, 8), t(6, 2, 8), t(5, 4, 8), {{4, 5}}),
                    "stretto: attention of queries of shape (5, 4, 8) has one lse and one delta a token and head, not (4, 5); give (tokens, heads)");
  const std::int32_t list[6] = {};
  CHECK_THROWS_WITH(call(t(5, 4, 8), t(6, 2, 8), t(6, 2, 8), t(5, 4, 8), {{5, 4}}, {}, {.positions = {list, {{6}}}}),
                    "stretto: attention to 5 tokens of queries is given 6 positions and 5 documents; give one a token, or none");
  CHECK_THROWS_WITH(call(t(5, 4, 8), t(6, 2, 8), t(6, 2, 8), t(5, 4, 8), {{5, 4}}, {}, {.documents = {list, {{5}}}}, {.documents = {list, {{4}}}}),
                    "stretto: attention to 6 tokens of keys is given 6 positions and 4 documents; give one a token, or none");
  CHECK_THROWS_WITH(call(t(5, 4, 8), t(6, 2, 8), t(6, 2, 8), t(5, 4, 8), {{5, 4}}, {}, {.documents = {list, {{5}}}}),
                    "stretto: attention is given the documents of its queries or of its keys alone; give both, or none");
  CHECK_THROWS_WITH(call(t(5, 4, 8), t(6, 2, 8), t(6, 2, 8), t(5, 4, 8), {{5, 4}}, {}, {.offset = 2147483645, .step = 1}),
                    "stretto: 5 tokens of queries from position 2147483645 on with step 1 leave the range of 32 bits; number them from 0");
  const double too_large = std::numeric_limits<double>::infinity();
  for (const attention_options& o : {attention_options{.window = -1}, attention_options{.scale = too_large}, attention_options{.scale = 1e-40}, attention_options{.soft_cap = -1},
                                     attention_options{.soft_cap = 1e-40}, attention_options{.dropout = 1}, attention_options{.dropout = -0.1}})
    CHECK_THROWS_WITH(call(t(5, 4, 8), t(6, 2, 8), t(6, 2, 8), t(5, 4, 8), {{5, 4}}, o),
                      "stretto: attention takes a window and a soft cap of 0 or more, a scale and a soft cap from 1e-30 to 1e30, and a dropout of 0 or more and below 1; correct its options");
  CHECK_THROWS_WITH(call(t(5, 4, 8), t(6, 2, 8), t(6, 2, 8), t(5, 4, 8), {{5, 4}}, {.accumulate = true}),
                    "stretto: attention without a state has nothing to merge with; give attention_block one, or leave accumulate out");
  const auto in = t(5, 4, 8), keys = t(6, 2, 8), state = t(5, 4, 7);
  tensor<float, 2> lse({5, 4});
  CHECK_THROWS_WITH(host::attention_block(q, in, keys, keys, {}, {}, state, lse, tensor_view<float, 3>()),
                    "stretto: attention of queries of shape (5, 4, 8) can't keep a state of (5, 4, 7); make them alike");
  host::queue tight({.scratch_bytes = 4096});
  CHECK_THROWS_WITH(host::attention(tight, in, keys, keys, {}, {}, t(5, 4, 8), lse),
                    "stretto: attention needs 48128 bytes of scratch memory for each thread, and the queue has 4096; make it with scratch_bytes = 48128");
  CHECK_THROWS_WITH(attention_sink<float>(tensor_view<const float, 1>(nullptr, {{3}}), in, lse), "stretto: attention with one lse a token and head, (5, 4), can't have 3 sinks; give one a head");
}
