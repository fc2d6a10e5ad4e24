// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/attention_backward.hpp>
#include <stretto/numeric/attention_sink.hpp>

#include "attention_cases.hpp"

using namespace stretto;
using namespace test;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();
constexpr float no_number = std::numeric_limits<float>::quiet_NaN();

template <class G>
struct gradients {
  tensor<G, 3> queries, keys, values;
  gradients(const shape<3>& q, const shape<3>& k) : queries(q), keys(k), values(k) {}
  friend bool operator==(const gradients& a, const gradients& b) { return same_bits(a.queries, b.queries) && same_bits(a.keys, b.keys) && same_bits(a.values, b.values); }
};

/// Inputs with the outputs of the forward pass, by plain loops.
template <class T>
struct sample : attention_inputs<T> {
  tensor<computes_in<T>, 2> lse, delta;

  explicit sample(const attention_case& c) : attention_inputs<T>(c), lse({c.tq, c.heads}), delta({c.tq, c.heads}) { forward(c.at_queries, c.at_keys, c.options); }

  void forward(const token_places& at_queries, const token_places& at_keys, const attention_options& o) {
    tensor<T, 3> output(this->queries.extents());
    reference::attention(this->queries, this->keys, this->values, at_queries, at_keys, output, lse, o);
    reference::attention_delta(output, this->d_output, delta);
  }
  template <class To>
  sample<To> in(const attention_case& c) const {
    sample<To> s({0, 0, c.heads, c.kv, c.d});
    s.queries = as<To>(this->queries), s.keys = as<To>(this->keys), s.values = as<To>(this->values), s.d_output = as<To>(this->d_output);
    s.lse = as<computes_in<To>>(lse), s.delta = as<computes_in<To>>(delta);
    return s;
  }
  template <class G>
  gradients<G> backward(host::queue& q, const token_places& at_queries = {}, const token_places& at_keys = {}, const attention_options& o = {}) const {
    gradients<G> g(this->queries.extents(), this->keys.extents());
    host::attention_backward(q, this->queries, this->keys, this->values, this->d_output, lse, delta, at_queries, at_keys, g.queries, g.keys, g.values, o);
    return g;
  }
};

template <class T, class G>
void hold_to_truth(const attention_case& c, const sample<T>& in, const gradients<float>& loops, const gradients<double>& truth) {
  gradients<G> plain(in.queries.extents(), in.keys.extents());
  plain.queries = as<G>(loops.queries), plain.keys = as<G>(loops.keys), plain.values = as<G>(loops.values);
  for (host::isa level : attention_levels()) {
    INFO(c.words() << ", " << host::isa_name(level) << ", " << element_name(element_traits<T>::type) << " to " << element_name(element_traits<G>::type));
    host::queue q({.most = level});
    const auto got = in.template backward<G>(q, c.at_queries, c.at_keys, c.options);
    CHECK(near_truth(got.queries, plain.queries, truth.queries));
    CHECK(near_truth(got.keys, plain.keys, truth.keys));
    CHECK(near_truth(got.values, plain.values, truth.values));
    for (int threads = 2; threads <= (std::is_same_v<T, float> ? 3 : 1); ++threads) {
      host::queue more({.threads = threads, .most = level});
      CHECK(in.template backward<G>(more, c.at_queries, c.at_keys, c.options) == got);
    }
    if constexpr (std::is_same_v<G, float>) {
      gradients<float> sums(in.queries.extents(), in.keys.extents());
      attention_options o = c.options;
      o.accumulate = true;
      for (int i = 0; i < 2; ++i)
        host::attention_backward(q, in.queries, in.keys, in.values, in.d_output, in.lse, in.delta, c.at_queries, c.at_keys, sums.queries, sums.keys, sums.values, o);
      float off = 0;  // from twice the gradients
      const auto compare = [&](const tensor<float, 3>& twice, const tensor<float, 3>& once) {
        for (std::int64_t i = 0; i < once.size(); ++i) {
          const float o2 = std::abs(twice.data()[i] - 2 * once.data()[i]);
          off = o2 > off || o2 != o2 ? o2 : off;
        }
      };
      compare(sums.queries, got.queries);
      CHECK(off == 0);
      compare(sums.keys, got.keys);
      compare(sums.values, got.values);
      CHECK(off < 1e-4f);
    }
  }
}

template <class T>
void hold_to_truth(const attention_case& c) {
  const sample<T> in(c);
  const sample<double> wide = in.template in<double>(c);
  gradients<double> truth(in.queries.extents(), in.keys.extents());
  reference::attention_backward(wide.queries, wide.keys, wide.values, wide.d_output, wide.lse, wide.delta, c.at_queries, c.at_keys, truth.queries, truth.keys, truth.values, c.options);
  gradients<float> plain(in.queries.extents(), in.keys.extents());
  reference::attention_backward<T, float>(in.queries, in.keys, in.values, in.d_output, in.lse, in.delta, c.at_queries, c.at_keys, plain.queries, plain.keys, plain.values, c.options);
  hold_to_truth<T, T>(c, in, plain, truth);
  if constexpr (!std::is_same_v<T, float>) hold_to_truth<T, float>(c, in, plain, truth);
}

}  // namespace

TEST_CASE("The gradients of attention are as near to the truth as plain loops and have the same bits with any number of threads") {
  for (const attention_case& c : attention_cases()) {
    hold_to_truth<float>(c);
    hold_to_truth<bf16>(c);
    hold_to_truth<fp16>(c);
  }
}

TEST_CASE("The gradients of attention in double are the plain loops") {
  const attention_case c{20, 30, 4, 2, 7, {.soft_cap = 2}};
  const sample<double> in(c);
  host::queue q;
  gradients<double> b(in.queries.extents(), in.keys.extents());
  reference::attention_backward(in.queries, in.keys, in.values, in.d_output, in.lse, in.delta, {}, {}, b.queries, b.keys, b.values, c.options);
  CHECK(in.backward<double>(q, {}, {}, c.options) == b);
  tensor<double, 2> delta({20, 4});
  host::attention_delta(q, in.queries, tensor_view<const double, 3>(in.d_output), delta);  // views that may not be written, too
  gradients<double> again(in.queries.extents(), in.keys.extents());
  host::attention_backward(q, in.queries, in.keys, in.values, tensor_view<const double, 3>(in.d_output), in.lse, in.delta, {}, {}, again.queries, again.keys, again.values, c.options);
  CHECK(again == b);
}

TEST_CASE("The delta of attention is the sum of outputs times their gradients") {
  for (host::isa level : attention_levels()) {
    host::queue q({.most = level}), three({.threads = 3, .most = level});
    const auto check = [&]<class T>(T, std::int64_t d) {
      const attention_inputs<T> in({37, 1, 3, 3, d});
      const shape<2> rows{{37, 3}};
      tensor<float, 2> plain(rows), got(rows), again(rows);
      tensor<double, 2> truth(rows);
      reference::attention_delta<double>(as<double>(in.queries), as<double>(in.d_output), truth);
      reference::attention_delta(in.queries, in.d_output, plain);
      host::attention_delta(q, in.queries, in.d_output, got);
      host::attention_delta(three, in.queries, in.d_output, again);
      INFO(host::isa_name(level) << ", head size " << d);
      CHECK(near_truth(got, plain, truth));
      CHECK(same_bits(got, again));
    };
    for (std::int64_t d : {1, 15, 16, 40, 64, 133}) {
      check(0.0f, d);
      check(bf16(0.0f), d);
      check(fp16(0.0f), d);
    }
  }
}

TEST_CASE("More keys than sums fit the scratch memory give the same bits") {
  for (host::isa level : attention_levels()) {
    const attention_case c{20, 900, 1, 1, 256, {.window = 100}, {.offset = 640}};
    const sample<bf16> in(c);
    host::queue all({.most = level});
    const auto sums = in.backward<float>(all, c.at_queries, {}, c.options);
    const auto rounded = [](const tensor<float, 3>& t) { return as<bf16>(t); };
    for (const std::int64_t scratch : {806912, 1 << 20, 2 << 20, 4 << 20}) {  // sums for 64, 128, 640 and all keys fit
      host::queue q({.most = level, .scratch_bytes = scratch});
      CHECK(q.scratch_bytes() == scratch);
      const auto got = in.backward<bf16>(q, c.at_queries, {}, c.options);
      CHECK(same_bits(got.queries, rounded(sums.queries)));
      CHECK(same_bits(got.keys, rounded(sums.keys)));
      CHECK(same_bits(got.values, rounded(sums.values)));
    }
    host::queue less({.most = level, .scratch_bytes = 4096});
    CHECK_THROWS_WITH(in.backward<bf16>(less, c.at_queries, {}, c.options),
                      "stretto: attention_backward needs 805888 bytes of scratch memory for each thread, and the queue has 4096; make it with scratch_bytes = 805888");
  }
}

TEST_CASE("A document's gradients have the same bits alone and among others") {
  const std::vector<int> lengths{5, 70, 1, 110};
  std::vector<std::int32_t> documents, positions;
  for (unsigned k = 0; k < lengths.size(); ++k)
    for (int i = 0; i < lengths[k]; ++i) documents.push_back(static_cast<std::int32_t>(7 - k)), positions.push_back(i);
  const auto n = static_cast<std::int64_t>(documents.size());
  const token_places all{.positions = {positions.data(), {{n}}}, .documents = {documents.data(), {{n}}}};
  const attention_case c{n, n, 2, 1, 20, {.window = 90, .dropout = 0.2, .stream = {1, 2, 3, 4}}, all, all};
  const sample<float> in(c);
  for (host::isa level : attention_levels()) {
    host::queue q({.most = level});
    const auto together = in.backward<float>(q, all, all, c.options);
    std::int64_t first = 0;
    for (unsigned k = 0; k < lengths.size(); first += lengths[k++]) {
      const std::int64_t count = lengths[k];
      const token_places at{.documents = {documents.data() + first, {{count}}}};
      gradients<float> alone({{count, 2, 20}}, {{count, 1, 20}});
      host::attention_backward(q, in.queries.part(0, first, count), in.keys.part(0, first, count), in.values.part(0, first, count), in.d_output.part(0, first, count), in.lse.rows(first, count),
                               in.delta.rows(first, count), at, at, alone.queries, alone.keys, alone.values, c.options);
      const auto bytes = static_cast<unsigned long>(count * 20) * sizeof(float);
      CHECK(std::memcmp(alone.queries.data(), &together.queries(first, 0, 0), 2 * bytes) == 0);
      CHECK(std::memcmp(alone.keys.data(), &together.keys(first, 0, 0), bytes) == 0);
      CHECK(std::memcmp(alone.values.data(), &together.values(first, 0, 0), bytes) == 0);
    }
  }
}

TEST_CASE("What a query does not see has no part in gradients, even where it is no number") {
  const attention_case c{150, 150, 1, 1, 20, {.window = 100}};
  const sample<float> clean(c);
  const auto same_row = [](const tensor<float, 3>& a, const tensor<float, 3>& b, int i) { return std::memcmp(&a(i, 0, 0), &b(i, 0, 0), 80) == 0; };
  for (host::isa level : attention_levels()) {
    host::queue q({.most = level});
    const auto truth = clean.backward<float>(q, {}, {}, c.options);
    for (float odd : {no_number, infinite})
      for (int at : {20, 70, 149}) {
        sample<float> in(c);
        in.keys(at, 0, 4) = odd, in.values(at, 0, 3) = odd;
        const auto keys = in.backward<float>(q, {}, {}, c.options);
        in = clean;
        in.queries(at, 0, 4) = odd, in.d_output(at, 0, 3) = odd, in.delta(at, 0) = odd;
        const auto queries = in.backward<float>(q, {}, {}, c.options);
        for (int i = 0; i < 150; ++i) {
          INFO(odd << " at " << at << ", token " << i);
          const bool sees_key = i >= at && i - at < 100, seen_by_query = i <= at && at - i < 100;
          REQUIRE((sees_key ? !std::isfinite(keys.queries(i, 0, 0)) : same_row(keys.queries, truth.queries, i)));
          REQUIRE((seen_by_query ? !std::isfinite(queries.keys(i, 0, 0)) : same_row(queries.keys, truth.keys, i) && same_row(queries.values, truth.values, i)));
          if (i != at) REQUIRE((same_row(keys.keys, truth.keys, i) && same_row(keys.values, truth.values, i) && same_row(queries.queries, truth.queries, i)));
        }
      }
  }
}

TEST_CASE("Gradients added up step by step, in any layout, are those of all keys") {
  constexpr int n = 144, ranks = 3;
  const attention_case c{n, n, 2, 1, 18, {.window = 120, .dropout = 0.2, .stream = {3, 1, 4, 1}}};
  const sample<float> in(c);
  const sample<double> wide = in.in<double>(c);
  gradients<double> truth(in.queries.extents(), in.keys.extents());
  gradients<float> plain(in.queries.extents(), in.keys.extents());
  reference::attention_backward(wide.queries, wide.keys, wide.values, wide.d_output, wide.lse, wide.delta, {}, {}, truth.queries, truth.keys, truth.values, c.options);
  reference::attention_backward(in.queries, in.keys, in.values, in.d_output, in.lse, in.delta, {}, {}, plain.queries, plain.keys, plain.values, c.options);
  attention_options o = c.options;
  o.accumulate = true;
  for (host::isa level : attention_levels())
    for (layout l : {layout::contiguous, layout::zigzag, layout::striped}) {
      host::queue q({.most = level});
      gradients<float> got(in.queries.extents(), in.keys.extents());
      const auto put = [](tensor<float, 3>& to, const tensor<float, 3>& from, const std::vector<std::int32_t>& at) {
        for (unsigned i = 0; i < at.size(); ++i)
          for (std::int64_t h = 0; h < to.extent(1); ++h)
            for (int e = 0; e < 18; ++e) to(at[i], h, e) = from(i, h, e);
      };
      for (int k = 0; k < ranks; ++k) {
        const auto theirs = positions_of(l, n, ranks, k);
        const auto keys = rows_at(in.keys, theirs), values = rows_at(in.values, theirs);
        gradients<float> of_keys({{n / ranks, 2, 18}}, keys.extents());
        for (int r = 0; r < ranks; ++r) {
          const auto mine = positions_of(l, n, ranks, r);
          tensor<float, 2> lse({n / ranks, 2}), delta({n / ranks, 2});
          for (unsigned i = 0; i < mine.size(); ++i)
            for (int h = 0; h < 2; ++h) lse(i, h) = in.lse(mine[i], h), delta(i, h) = in.delta(mine[i], h);
          tensor<float, 3> dq = rows_at(got.queries, mine);
          host::attention_backward(q, rows_at(in.queries, mine), keys, values, rows_at(in.d_output, mine), lse, delta, places_at(mine), places_at(theirs), dq, of_keys.keys, of_keys.values, o);
          put(got.queries, dq, mine);
        }
        put(got.keys, of_keys.keys, theirs), put(got.values, of_keys.values, theirs);
      }
      INFO(host::isa_name(level) << ", layout " << static_cast<int>(l));
      CHECK(near_truth(got.queries, plain.queries, truth.queries));
      CHECK(near_truth(got.keys, plain.keys, truth.keys));
      CHECK(near_truth(got.values, plain.values, truth.values));
    }
}

TEST_CASE("Gradients may be columns of one matrix that stands anywhere") {
  const std::int64_t n = 70, d = 24, row = 4 * d + 5;
  const attention_case c{n, n, 2, 1, d};
  const sample<float> in(c);
  for (host::isa level : attention_levels())
    for (int off : {0, 1, 7}) {
      host::queue q({.most = level});
      const auto packed = in.backward<float>(q);
      tensor<float, 1> room({n * row + off});
      for (float& f : room) f = 3;
      float* const first = room.data() + off;
      const tensor_view<float, 3> queries(first, {{n, 2, d}}, {row, d, 1}), keys(first + 2 * d, {{n, 1, d}}, {row, d, 1}), values(first + 3 * d, {{n, 1, d}}, {row, d, 1});
      host::attention_backward(q, in.queries, in.keys, in.values, in.d_output, in.lse, in.delta, {}, {}, queries, keys, values);
      for (std::int64_t i = 0; i < n; ++i) {
        REQUIRE(std::memcmp(&queries(i, 0, 0), &packed.queries(i, 0, 0), 2 * 24 * 4) == 0);
        REQUIRE(std::memcmp(&keys(i, 0, 0), &packed.keys(i, 0, 0), 24 * 4) == 0);
        REQUIRE(std::memcmp(&values(i, 0, 0), &packed.values(i, 0, 0), 24 * 4) == 0);
        for (std::int64_t e = 4 * d; e < row; ++e) REQUIRE(first[i * row + e] == 3);
      }
    }
}

TEST_CASE("The gradient of a sink is the slope of the outputs") {
  const attention_case c{12, 12, 2, 1, 4};
  const attention_inputs<double> in(c);
  tensor<double, 1> sinks({2}), d_sinks({2});
  sinks[0] = 0.3, sinks[1] = -1;
  tensor<double, 3> state({12, 2, 4});
  tensor<double, 2> lse({12, 2}), delta({12, 2});
  const auto value = [&] {
    attention_sink<double>(sinks, state, lse);
    reference::attention_block(in.queries, in.keys, in.values, {}, {}, state, lse, tensor_view<double, 3>(), {.accumulate = true});
    double sum = 0;
    for (std::int64_t i = 0; i < state.size(); ++i) sum += state.data()[i] * in.d_output.data()[i];
    return sum;
  };
  value();
  reference::attention_delta(state, in.d_output, delta);
  attention_sink_backward(sinks, lse, delta, d_sinks);
  for (int h = 0; h < 2; ++h) {
    const double at = sinks[h];
    sinks[h] = at + 1e-5;
    const double above = value();
    sinks[h] = at - 1e-5;
    const double below = value();
    sinks[h] = at;
    CHECK(d_sinks[h] == Catch::Approx((above - below) / 2e-5).epsilon(1e-6));
  }
}

TEST_CASE("The backward pass of attention refuses what does not go together") {
  host::queue q;
  const attention_case c{5, 6, 4, 2, 8};
  const sample<float> in(c);
  gradients<float> g(in.queries.extents(), in.keys.extents());
  const tensor<float, 3> other({6, 2, 7});
  CHECK_THROWS_WITH(host::attention_backward(q, in.queries, in.keys, in.values, in.d_output, in.lse, in.delta, {}, {}, g.queries, g.keys, other),
                    "stretto: keys and values of shape (6, 2, 8) can't have gradients of (6, 2, 8) and (6, 2, 7); make them alike");
  CHECK_THROWS_WITH(host::attention_backward(q, in.queries, in.keys, in.values, in.d_output, in.lse, in.delta, {}, {}, other, g.keys, g.values),
                    "stretto: attention of queries of shape (5, 4, 8) doesn't give outputs of (6, 2, 7); make them alike");
  CHECK_THROWS_WITH(host::attention_backward(q, in.queries, in.keys, in.values, in.d_output, in.lse, in.delta.rows(0, 4), {}, {}, g.queries, g.keys, g.values),
                    "stretto: attention of queries of shape (5, 4, 8) has one lse and one delta a token and head, not (4, 4); give (tokens, heads)");
  const sample<bf16> half(c);
  gradients<bf16> h(in.queries.extents(), in.keys.extents());
  CHECK_THROWS_WITH(host::attention_backward(q, half.queries, half.keys, half.values, half.d_output, half.lse, half.delta, {}, {}, h.queries, h.keys, h.values, {.accumulate = true}),
                    "stretto: the gradients of attention in bf16 aren't added to, because each time would round; give float ones, or leave accumulate out");
  CHECK_THROWS_WITH(host::attention_delta(q, in.queries, in.d_output, in.lse.rows(0, 4)),
                    "stretto: outputs of shape (5, 4, 8) with gradients of (5, 4, 8) don't give deltas of (4, 4); give gradients of the outputs' shape, and one delta a token and head");
  host::queue tight({.scratch_bytes = 4096});
  CHECK_THROWS_WITH(host::attention_backward(tight, in.queries, in.keys, in.values, in.d_output, in.lse, in.delta, {}, {}, g.queries, g.keys, g.values),
                    "stretto: attention_backward needs 91136 bytes of scratch memory for each thread, and the queue has 4096; make it with scratch_bytes = 91136");
}
