// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/split_rotary.hpp>

#include "host/elementwise.hpp"

using namespace stretto;

namespace {

tensor<std::int32_t, 1> some_places(std::int64_t tokens) {
  tensor<std::int32_t, 1> t({tokens});
  for (std::int64_t i = 0; i < tokens; ++i) t[i] = static_cast<std::int32_t>((i * 37 + 11) % 100);
  return t;
}

/// Forward and backward, with or without norms, of the queue's operations or of plain loops.
template <class T>
struct split_of {
  using C = computes_in<T>;
  tensor<T, 3> queries, keys, values;
  tensor<C, 2> inverse;
  tensor<T, 2> dqkv;
  tensor<C, 1> dwq, dwk;

  split_of(std::int64_t tokens, std::int64_t heads, std::int64_t shared, std::int64_t size)
      : queries({tokens, heads, size}), keys({tokens, shared, size}), values({tokens, shared, size}), inverse({heads + shared, tokens}), dqkv({tokens, (heads + 2 * shared) * size}), dwq({size}), dwk({size}) {
    for (tensor<C, 1>* dw : {&dwq, &dwk})
      for (C& v : *dw) v = static_cast<C>(0.5);
  }

  template <class... Queue>
  void run(const tensor<T, 2>& qkv, const tensor<std::int32_t, 1>& at, const rotary_table<C>& table, const head_norms<T>& n, const tensor<T, 2>& d, Queue&... q) {
    const std::int64_t h = queries.extent(1), k = keys.extent(1), size = queries.extent(2);
    const auto part = [&](std::int64_t first, std::int64_t count) { return by_heads(tensor_view<T, 2>(d).columns(first * size, count * size), count); };
    const head_norms_backward<T> back{.norms = n, .qkv = qkv, .inverse = inverse, .dqueries = dwq, .dkeys = dwk};
    if constexpr (sizeof...(Queue) > 0) {
      host::split_rotary(q..., qkv, at, table, queries, keys, values, n, inverse);
      host::split_rotary_backward(q..., part(0, h), part(h, k), part(h + k, k), at, table, dqkv, back);
    } else {
      reference::split_rotary(qkv, at, table, queries, keys, values, n, inverse);
      reference::split_rotary_backward(part(0, h), part(h, k), part(h + k, k), at, table, dqkv, back);
    }
  }
};

}  // namespace

TEST_CASE("heads that are split, normed and turned are near the truth on every set of instructions") {
  test::each_type([](auto t) {
    using T = decltype(t);
    struct sizes { std::int64_t tokens, heads, shared, size, dims; };
    for (const sizes& s : {sizes{0, 2, 1, 4, 4}, sizes{1, 1, 1, 2, 2}, sizes{5, 3, 2, 7, 6}, sizes{9, 4, 2, 64, 64}, sizes{4, 2, 1, 130, 32}})
      for (const rotary_pairs pairs : {rotary_pairs::halves, rotary_pairs::neighbours})
        for (const bool normed : {false, true}) {
          const rotary_options o{.theta = 500, .pairs = pairs};
          const rotary_table<float> table(100, s.dims, o);
          const rotary_table<double> exact(100, s.dims, o);
          const auto at = some_places(s.tokens);
          const shape<2> wide{{s.tokens, (s.heads + 2 * s.shared) * s.size}};
          const auto qkv = test::numbers<T>(wide, 1), d = test::numbers<T>(wide, 2);
          const auto wq = test::numbers<T>(shape<1>{{s.size}}, 3, 0.5, 1.5), wk = test::numbers<T>(shape<1>{{s.size}}, 4, 0.5, 1.5);
          const auto dq = test::as<double>(wq), dk = test::as<double>(wk);
          split_of<double> truth(s.tokens, s.heads, s.shared, s.size);
          split_of<T> loops(s.tokens, s.heads, s.shared, s.size);
          truth.run(test::as<double>(qkv), at, exact, normed ? head_norms<double>{dq, dk, 1e-5} : head_norms<double>{}, test::as<double>(d));
          loops.run(qkv, at, table, normed ? head_norms<T>{wq, wk, 1e-5} : head_norms<T>{}, d);
          if (normed && sizeof(T) == 2) {  // gradients are rounded between turning back and the norm
            for (tensor<float, 1>* dw : {&loops.dwq, &loops.dwk})
              for (float& v : *dw) v = 0.5f;
            for (std::int64_t h = 0; h < s.heads + s.shared; ++h) {
              const auto head = [&](const tensor<T, 2>& m) { return by_heads(tensor_view<T, 2>(m).columns(h * s.size, s.size), 1); };
              tensor<T, 3> g({s.tokens, 1, s.size});
              reference::rotary_backward(head(d), at, table, g);
              reference::rms_norm_backward_weight(stretto::detail::head_of(head(qkv), 0), stretto::detail::run_of(tensor_view<float, 2>(loops.inverse), h), g.matrix(), h < s.heads ? loops.dwq : loops.dwk);
            }
          }
          for (const host::isa level : test::levels())
            for (int threads = 1; threads <= 2; ++threads) {
              INFO(host::isa_name(level) << " " << element_name(element_traits<T>::type) << " heads of " << s.size << (normed ? " normed" : ""));
              host::queue q({.threads = threads, .most = level});
              split_of<T> got(s.tokens, s.heads, s.shared, s.size);
              got.run(qkv, at, table, normed ? head_norms<T>{wq, wk, 1e-5} : head_norms<T>{}, d, q);
              CHECK(test::near_truth(got.queries, loops.queries, truth.queries));
              CHECK(test::near_truth(got.keys, loops.keys, truth.keys));
              CHECK(test::same_bits(got.values, loops.values));
              CHECK(test::near_truth(got.dqkv, loops.dqkv, truth.dqkv));
              CHECK(test::near_truth(got.inverse, loops.inverse, truth.inverse));
              CHECK(test::near_truth(got.dwq, loops.dwq, truth.dwq));
              CHECK(test::near_truth(got.dwk, loops.dwk, truth.dwk));
            }
        }
  });
}

TEST_CASE("gradients may be put where they came from, and values stay in place") {
  host::queue q;
  const std::int64_t tokens = 5, heads = 3, shared = 2, size = 16;
  const rotary_table<float> table(100, 16);
  const auto at = some_places(tokens);
  const shape<2> wide{{tokens, (heads + 2 * shared) * size}};
  const auto qkv = test::numbers<float>(wide, 1), d = test::numbers<float>(wide, 2);
  const auto w = test::numbers<float>(shape<1>{{size}}, 3);
  split_of<float> apart(tokens, heads, shared, size);
  apart.run(qkv, at, table, {w, w, 1e-5}, d, q);
  tensor<float, 2> here = d, split = qkv;
  tensor<float, 1> dwq({size}), dwk({size});
  for (tensor<float, 1>* dw : {&dwq, &dwk})
    for (float& v : *dw) v = 0.5f;
  const auto part = [&](const tensor<float, 2>& m, std::int64_t first, std::int64_t count) { return by_heads(tensor_view<float, 2>(m).columns(first * size, count * size), count); };
  const auto values = part(split, heads + shared, shared);
  host::split_rotary(q, split, at, table, apart.queries, apart.keys, values, {w, w, 1e-5});
  CHECK(test::same_bits(split, qkv));
  host::split_rotary_backward(q, part(here, 0, heads), part(here, heads, shared), part(here, heads + shared, shared), at, table, here,
                              {.norms = {w, w, 1e-5}, .qkv = qkv, .inverse = apart.inverse, .dqueries = dwq, .dkeys = dwk});
  CHECK(test::same_bits(here, apart.dqkv));
  CHECK(test::same_bits(dwq, apart.dwq));
}

TEST_CASE("norms of heads that don't go with them are refused") {
  host::queue q;
  const rotary_table<float> table(4, 8);
  const tensor<std::int32_t, 1> at({3});
  const tensor<float, 2> qkv({3, 32});
  tensor<float, 3> queries({3, 2, 8}), keys({3, 1, 8}), values({3, 1, 8});
  const tensor<float, 1> eight({8}), four({4});
  CHECK_THROWS_WITH(host::split_rotary(q, qkv, at, table, queries, queries, values),
                    "stretto: split_rotary of a matrix of shape (3, 32) has queries of (3, 2, 8), keys of (3, 2, 8) and values of (3, 1, 8); give (tokens, heads, head size), which fill its columns side by side");
  CHECK_THROWS_WITH(host::split_rotary(q, qkv, at, table, queries, keys, values, {eight, four}), "stretto: split_rotary with 8 numbers can't take a weight of keys of 4 numbers; give one a number");
  CHECK_THROWS_WITH(host::split_rotary_backward(q, queries, keys, values, at, table, qkv, {.norms = {eight, eight}}),
                    "stretto: split_rotary_backward of 3 rows and 3 columns can't take inverse of shape (0, 0); give it the same shape");
}
