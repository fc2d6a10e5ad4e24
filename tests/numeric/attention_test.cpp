// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/attention.hpp>

#include <array>
#include <string>
#include <vector>

#include "differences.hpp"

using namespace stretto;
using namespace test;

namespace {

constexpr double none = -std::numeric_limits<double>::infinity();

/// One call: its inputs, places and options.
struct problem {
  tensor<double, 3> queries, keys, values, d_output;
  std::vector<std::int32_t> q_positions, k_positions, q_documents, k_documents;
  attention_options options = {};

  problem(std::int64_t tq, std::int64_t tk, std::int64_t heads, std::int64_t kv, std::int64_t d)
      : queries(numbers<double, 3>({tq, heads, d}, 1)), keys(numbers<double, 3>({tk, kv, d}, 2, -2, 2)), values(numbers<double, 3>({tk, kv, d}, 3)),
        d_output(numbers<double, 3>({tq, heads, d}, 4)) {
    for (int i = 0; i < tq; ++i) q_positions.push_back(static_cast<std::int32_t>(i * 5 % tq)), q_documents.push_back(i % 3 == 0 ? 4 : 9);
    for (int i = 0; i < tk; ++i) k_positions.push_back(static_cast<std::int32_t>(i)), k_documents.push_back(i % 4 == 1 ? 4 : 9);
  }
  static token_places places(const std::vector<std::int32_t>& p, const std::vector<std::int32_t>& d) {
    const auto n = static_cast<std::int64_t>(p.size());
    return {.positions = {p.data(), {{n}}}, .documents = {d.data(), {{n}}}};
  }
  token_places at_queries() const { return places(q_positions, q_documents); }
  token_places at_keys() const { return places(k_positions, k_documents); }

  /// The sum of outputs times d_output.
  double value() const {
    tensor<double, 3> output(queries.extents());
    tensor<double, 2> lse({queries.extent(0), queries.extent(1)});
    reference::attention(queries, keys, values, at_queries(), at_keys(), output, lse, options);
    return weighted(output, d_output);
  }
};

}  // namespace

TEST_CASE("The gradients of attention are the slopes of its outputs") {
  std::vector<attention_options> all(5);
  all[1].causal = false;
  all[2].window = 3, all[2].scale = 0.7;
  all[3].soft_cap = 1.5, all[3].scale = -1;
  all[4].dropout = 0.4, all[4].stream = {5, 6, 7, 8}, all[4].first_head = 3;
  for (const attention_options& o : all)
    for (const auto& [tq, tk, heads, kv, d] : {std::array<int, 5>{7, 6, 4, 2, 3}, std::array<int, 5>{4, 9, 3, 1, 2}}) {
      problem p(tq, tk, heads, kv, d);
      p.options = o;
      const shape<2> rows{{tq, heads}};
      tensor<double, 3> output(p.queries.extents()), dq(p.queries.extents()), dk(p.keys.extents()), dv(p.keys.extents());
      tensor<double, 2> lse(rows), delta(rows);
      reference::attention(p.queries, p.keys, p.values, p.at_queries(), p.at_keys(), output, lse, o);
      reference::attention_delta(output, p.d_output, delta);
      reference::attention_backward(p.queries, p.keys, p.values, p.d_output, lse, delta, p.at_queries(), p.at_keys(), dq, dk, dv, o);
      const auto value = [&] { return p.value(); };
      check_gradient(p.queries, dq, value);
      check_gradient(p.keys, dk, value);
      check_gradient(p.values, dv, value);
    }
}

TEST_CASE("Attention is a softmax over the keys that are seen") {
  problem p(6, 8, 2, 1, 4);
  p.options = {.window = 4, .scale = 0.5};
  tensor<double, 3> output(p.queries.extents());
  tensor<double, 2> lse({6, 2});
  reference::attention(p.queries, p.keys, p.values, p.at_queries(), p.at_keys(), output, lse, p.options);
  int empty = 0;
  for (int i = 0; i < 6; ++i)
    for (int h = 0; h < 2; ++h) {
      double sum = 0, out[4] = {};
      for (int j = 0; j < 8; ++j) {
        const int q = p.q_positions[static_cast<unsigned>(i)], k = p.k_positions[static_cast<unsigned>(j)];
        if (k > q || k < q - 3 || p.q_documents[static_cast<unsigned>(i)] != p.k_documents[static_cast<unsigned>(j)]) continue;
        double s = 0;
        for (int e = 0; e < 4; ++e) s += p.queries(i, h, e) * p.keys(j, 0, e);
        sum += std::exp(0.5 * s);
        for (int e = 0; e < 4; ++e) out[e] += std::exp(0.5 * s) * p.values(j, 0, e);
      }
      empty += sum == 0;
      if (sum == 0) CHECK(lse(i, h) == none);
      else CHECK(lse(i, h) == Catch::Approx(std::log(sum)));
      for (int e = 0; e < 4; ++e) CHECK(output(i, h, e) == Catch::Approx(sum == 0 ? 0 : out[e] / sum));
    }
  CHECK(empty > 0);
}

TEST_CASE("Attention to the keys in parts, in any order, is attention to all") {
  problem p(9, 12, 4, 2, 5);
  p.options = {.dropout = 0.25, .stream = {1, 2, 3, 4}};
  const shape<2> rows{{9, 4}};
  tensor<double, 3> whole(p.queries.extents()), state(p.queries.extents()), output(p.queries.extents());
  tensor<double, 2> lse(rows), merged(rows), delta(rows);
  reference::attention(p.queries, p.keys, p.values, p.at_queries(), p.at_keys(), whole, lse, p.options);
  reference::attention_delta(whole, p.d_output, delta);
  tensor<double, 3> dq(p.queries.extents()), dk(p.keys.extents()), dv(p.keys.extents()), dq_parts(p.queries.extents()), dk_parts(p.keys.extents()), dv_parts(p.keys.extents());
  reference::attention_backward(p.queries, p.keys, p.values, p.d_output, lse, delta, p.at_queries(), p.at_keys(), dq, dk, dv, p.options);
  bool first = true;
  for (int part : {2, 0, 1, 3}) {
    const token_places at{.positions = {p.k_positions.data() + 3 * part, {{3}}}, .documents = {p.k_documents.data() + 3 * part, {{3}}}};
    const auto keys = p.keys.part(0, 3 * part, 3), values = p.values.part(0, 3 * part, 3);
    attention_options o = p.options;
    o.accumulate = !first;
    reference::attention_block(p.queries, keys, values, p.at_queries(), at, state, merged, part == 3 ? output : tensor_view<double, 3>(), o);
    o.accumulate = true;
    reference::attention_backward(p.queries, keys, values, p.d_output, lse, delta, p.at_queries(), at, dq_parts, dk_parts.part(0, 3 * part, 3), dv_parts.part(0, 3 * part, 3), o);
    first = false;
  }
  CHECK(errors_of(output, whole).largest < 1e-14);
  CHECK(same_bits(output, state));
  for (std::int64_t i = 0; i < lse.size(); ++i) CHECK((lse.data()[i] == merged.data()[i] || std::abs(lse.data()[i] - merged.data()[i]) < 1e-14));
  CHECK(errors_of(dq_parts, dq).largest < 1e-14);
  CHECK(errors_of(dk_parts, dk).largest < 1e-14);
  CHECK(errors_of(dv_parts, dv).largest < 1e-14);
}

TEST_CASE("Whether a weight is dropped hangs on the stream, the head, the document and both positions alone") {
  const random_stream s{1, 2, 3, 4};
  const random_block key = attention_key(s, 5, 6);
  const auto differs = [&](const random_block& other, std::int64_t q, std::int64_t k) {
    int n = 0;
    for (int i = 0; i < 16; ++i) n += attention_bits(key, 100, 200 + i) != attention_bits(other, q, k + i);
    return n > 14;
  };
  CHECK_FALSE(differs(key, 100, 200));
  CHECK(differs(key, 101, 200));
  CHECK(differs(key, 100, 216));
  CHECK(differs(attention_key(s, 6, 6), 100, 200));
  CHECK(differs(attention_key(s, 5, 7), 100, 200));
  CHECK(differs(attention_key({1, 2, 3, 5}, 5, 6), 100, 200));
  int kept = 0;
  for (int q = 0; q < 100; ++q)
    for (int k = 0; k < 100; ++k) kept += attention_bits(key, q, k) >= dropped_below(0.3);
  CHECK(std::abs(kept - 7000) < 4 * 46);
  CHECK(dropped_below(0) == 0);
  CHECK(dropped_below(0.5) == 0x80000000u);
  CHECK(dropped_below(1e-10) == 1);
  CHECK(dropped_below(0.99999999999) == 0xffffffffu);
}

TEST_CASE("Which keys a query sees") {
  const attention_options causal{}, window{.window = 3}, both{.causal = false}, back{.causal = false, .window = 3};
  const auto seen = [](const attention_options& o) {
    std::string s;
    for (int k = 0; k < 8; ++k) s += attends(o, 5, k) ? '#' : '.';
    return s;
  };
  CHECK(seen(causal) == "######..");
  CHECK(seen(window) == "...###..");
  CHECK(seen(both) == "########");
  CHECK(seen(back) == "...#####");
  CHECK(token_places{.offset = 3, .step = 8}.position(2) == 19);
}
