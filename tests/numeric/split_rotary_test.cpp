// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/split_rotary.hpp>

#include "catch.hpp"
#include "differences.hpp"

using namespace stretto;

namespace {

constexpr std::int64_t tokens = 3, heads = 3, shared = 2, head_size = 6;
const shape<2> all_columns{{tokens, (heads + 2 * shared) * head_size}};

tensor<std::int32_t, 1> places() {
  tensor<std::int32_t, 1> t({tokens});
  t[0] = 4, t[1] = 0, t[2] = 7;
  return t;
}
/// Queries, keys and values, and room for what goes with them.
struct parts {
  tensor<double, 3> queries{{tokens, heads, head_size}}, keys{{tokens, shared, head_size}}, values{{tokens, shared, head_size}};
};

}  // namespace

TEST_CASE("Without norms, what is split is turned, and values are as they were") {
  const auto qkv = test::numbers<double, 2>(all_columns, 1);
  for (const rotary_pairs pairs : {rotary_pairs::halves, rotary_pairs::neighbours}) {
    const rotary_table<double> table(8, 4, {.theta = 50, .pairs = pairs});
    parts p;
    reference::split_rotary(qkv, places(), table, p.queries, p.keys, p.values);
    tensor<double, 2> turned = qkv;
    const auto both = by_heads(turned.columns(0, (heads + shared) * head_size), heads + shared);
    reference::rotary(both, places(), table, both);
    for (std::int64_t t = 0; t < tokens; ++t)
      for (std::int64_t i = 0; i < head_size; ++i) {
        for (std::int64_t h = 0; h < heads; ++h) CHECK(p.queries(t, h, i) == turned(t, h * head_size + i));
        for (std::int64_t h = 0; h < shared; ++h) CHECK(p.keys(t, h, i) == turned(t, (heads + h) * head_size + i));
        for (std::int64_t h = 0; h < shared; ++h) CHECK(p.values(t, h, i) == qkv(t, (heads + shared + h) * head_size + i));
      }
    tensor<double, 2> back(all_columns);
    reference::split_rotary_backward(p.queries, p.keys, p.values, places(), table, back);
    for (std::int64_t i = 0; i < back.size(); ++i) CHECK(back.data()[i] == Catch::Approx(qkv.data()[i]).margin(1e-14));
  }
}

TEST_CASE("Heads that are normed have one size, whatever the product gave") {
  tensor<double, 2> qkv = test::numbers<double, 2>(all_columns, 1);
  const rotary_table<double> table(8, 6);
  tensor<double, 1> ones({head_size});
  for (double& v : ones) v = 1;
  parts p;
  for (double& v : qkv) v *= 1000;
  reference::split_rotary(qkv, places(), table, p.queries, p.keys, p.values, {ones, ones, 0});
  for (const tensor<double, 3>* x : {&p.queries, &p.keys})
    for (std::int64_t t = 0; t < tokens; ++t)
      for (std::int64_t h = 0; h < x->extent(1); ++h) {
        double squares = 0;
        for (std::int64_t i = 0; i < head_size; ++i) squares += (*x)(t, h, i) * (*x)(t, h, i);
        CHECK(squares == Catch::Approx(static_cast<double>(head_size)));
      }
}

TEST_CASE("Gradients of normed and turned heads are their slopes") {
  for (const rotary_pairs pairs : {rotary_pairs::halves, rotary_pairs::neighbours}) {
    const rotary_table<double> table(8, 4, {.theta = 50, .pairs = pairs});
    const auto qkv = test::numbers<double, 2>(all_columns, 1);
    const auto wq = test::numbers<double, 1>({{head_size}}, 2), wk = test::numbers<double, 1>({{head_size}}, 3);
    const auto dq = test::numbers<double, 3>({{tokens, heads, head_size}}, 4), dk = test::numbers<double, 3>({{tokens, shared, head_size}}, 5), dv = test::numbers<double, 3>({{tokens, shared, head_size}}, 6);
    tensor<double, 2> inverse({heads + shared, tokens}), dqkv(all_columns);
    tensor<double, 1> dwq({head_size}), dwk({head_size});
    parts p;
    const auto loss = [&] {
      reference::split_rotary(qkv, places(), table, p.queries, p.keys, p.values, {wq, wk, 0.01}, inverse);
      return test::weighted(p.queries, dq) + test::weighted(p.keys, dk) + test::weighted(p.values, dv);
    };
    loss();
    const head_norms_backward<double> n{.norms = {wq, wk, 0.01}, .qkv = qkv, .inverse = inverse, .dqueries = dwq, .dkeys = dwk};
    reference::split_rotary_backward(dq, dk, dv, places(), table, dqkv, n);
    const tensor<double, 1> once = dwq;
    test::check_gradient(qkv, dqkv, loss);
    test::check_gradient(wq, dwq, loss);
    test::check_gradient(wk, dwk, loss);
    reference::split_rotary_backward(dq, dk, dv, places(), table, dqkv, n);  // adds
    for (std::int64_t i = 0; i < head_size; ++i) CHECK(dwq[i] == Catch::Approx(2 * once[i]));
  }
}
