// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/chunked_cross_entropy.hpp>
#include <stretto/numeric/chunked_cross_entropy.hpp>

#include "catch.hpp"
#include "rows.hpp"

using namespace stretto;

namespace {

constexpr std::int64_t rows = 23, width = 17, vocabulary = 131;

template <class T>
struct given {
  tensor<T, 2> hidden = test::numbers<T, 2>({{rows, width}}, 1, -2, 2), head = test::numbers<T, 2>({{vocabulary, width}}, 2);
  tensor<std::int32_t, 1> labels{shape<1>{{rows}}};
  tensor<float, 1> weights = test::numbers<float, 1>({{rows}}, 3, 0.5, 2);

  given() {
    for (std::int64_t t = 0; t < rows; ++t) labels[t] = t % 5 == 2 ? -100 : static_cast<std::int32_t>(t * 37 % 129);
    for (std::int64_t t : {3, 10, 18}) labels[t] = best(t);
  }
  std::int32_t best(std::int64_t t) const {
    double most = -1e9;
    std::int32_t where = 0;
    for (std::int32_t v = 0; v < 129; ++v) {
      double logit = 0;
      for (std::int64_t i = 0; i < width; ++i) logit += static_cast<double>(hidden(t, i)) * static_cast<double>(head(v, i));
      if (logit > most) most = logit, where = v;
    }
    return where;
  }
  template <class U>
  given<U> in() const {
    given<U> g;
    g.hidden = test::as<U>(hidden), g.head = test::as<U>(head), g.labels = labels;
    return g;
  }
};

template <class T>
struct made {
  tensor<computes_in<T>, 1> loss{shape<1>{{rows}}}, lse{shape<1>{{rows}}};
  tensor<T, 2> dhidden{shape<2>{{rows, width}}};
  tensor<computes_in<T>, 2> dhead{shape<2>{{vocabulary, width}}};
  cross_entropy_sum sum;
};

template <class T, class... Queue>
made<T> run(const given<T>& g, std::int64_t chunk, Queue&... queue) {
  made<T> m;
  for (computes_in<T>& d : m.dhead) d = 1;
  tensor<T, 2> room({chunk, vocabulary});
  constexpr auto factor = static_cast<computes_in<T>>(0.125);
  const cross_entropy_options o{.vocabulary = 129, .z_loss = 0.001, .weights = g.weights, .count_right = true};
  if constexpr (sizeof...(queue) > 0) m.sum = host::chunked_cross_entropy(queue..., g.hidden, g.head, g.labels, factor, room, m.loss, m.lse, m.dhidden, m.dhead, o);
  else m.sum = reference::chunked_cross_entropy(g.hidden, g.head, g.labels, factor, room, m.loss, m.lse, m.dhidden, m.dhead, o);
  return m;
}

}  // namespace

TEST_CASE("chunked_cross_entropy is as near to the truth as plain loops, with chunks of any size") {
  test::each_type([](auto of) {
    using T = decltype(of);
    const given<T> g;
    const made<T> plain = run(g, rows);
    const made<double> truth = run(g.template in<double>(), rows);
    for (host::isa level : test::product_levels()) {
      host::queue q({.most = level}), two({.threads = 2, .most = level});
      const made<T> whole = run(g, rows, q);
      for (std::int64_t chunk : {1, 6, 23, 64}) {
        const made<T> got = run(g, chunk, q), shared = run(g, chunk, two);
        INFO(host::isa_name(level) << ", " << sizeof(T) << " bytes, chunks of " << chunk);
        CHECK(test::near_truth(got.loss, plain.loss, truth.loss));
        CHECK(test::near_truth(got.lse, plain.lse, truth.lse));
        CHECK(test::near_truth(got.dhidden, plain.dhidden, truth.dhidden));
        CHECK(test::near_truth(got.dhead, plain.dhead, truth.dhead));
        CHECK((test::same_bits(got.loss, whole.loss) && test::same_bits(got.dhidden, whole.dhidden)));
        CHECK((got.sum.loss == whole.sum.loss && got.sum.right == whole.sum.right && got.sum.tokens == truth.sum.tokens && got.sum.weight == truth.sum.weight));
        if (std::is_same_v<T, float>) CHECK((got.sum.right == truth.sum.right && got.sum.right >= 3));
        CHECK((test::same_bits(got.loss, shared.loss) && test::same_bits(got.dhidden, shared.dhidden) && test::same_bits(got.dhead, shared.dhead)));
      }
    }
  });
}

TEST_CASE("Without gradients chunked_cross_entropy gives the same losses, and one gradient without the other") {
  const given<bf16> g;
  host::queue q;
  const made<bf16> all = run(g, 6, q);
  made<bf16> some;
  tensor<bf16, 2> room({6, vocabulary});
  const cross_entropy_options o{.vocabulary = 129, .z_loss = 0.001, .weights = g.weights};
  const double sum = host::chunked_cross_entropy(q, g.hidden, g.head, g.labels, 0.125f, room, some.loss, some.lse, {}, {}, o).loss;
  CHECK((sum == all.sum.loss && test::same_bits(some.loss, all.loss) && test::same_bits(some.lse, all.lse)));
  host::chunked_cross_entropy(q, g.hidden, g.head, g.labels, 0.125f, room, some.loss, some.lse, some.dhidden, {}, o);
  CHECK(test::same_bits(some.dhidden, all.dhidden));
  for (float& d : some.dhead) d = 1;
  host::chunked_cross_entropy(q, g.hidden, g.head, g.labels, 0.125f, room, some.loss, some.lse, {}, some.dhead, o);
  CHECK(test::same_bits(some.dhead, all.dhead));
}

TEST_CASE("chunked_cross_entropy says what doesn't fit") {
  host::queue q;
  const given<float> g;
  made<float> m;
  tensor<float, 2> room({4, vocabulary}), none({0, vocabulary}), slim({4, 7});
  CHECK_THROWS_WITH(host::chunked_cross_entropy(q, g.hidden, g.head, g.labels, 1, none, m.loss, m.lse),
                    "stretto: chunked_cross_entropy has no room for logits; give it a matrix of (rows of a chunk, 131)");
  CHECK_THROWS_WITH(host::chunked_cross_entropy(q, g.hidden, g.head, g.labels, 1, room, m.loss, m.lse, {}, {}, {.shard = {131, 262}}),
                    "stretto: chunked_cross_entropy needs the whole vocabulary, and was given a shard; use matrix_product and cross_entropy_shard");
  CHECK_THROWS_WITH(host::chunked_cross_entropy(q, g.hidden, slim, g.labels, 1, room, m.loss, m.lse),
                    "stretto: chunked_cross_entropy of 4 rows and 17 columns can't take a head of shape (4, 7); give it the same shape");
  CHECK_THROWS_WITH(host::chunked_cross_entropy(q, g.hidden, g.head, g.labels, 1, slim, m.loss, m.lse),
                    "stretto: chunked_cross_entropy of 4 rows and 131 columns can't take room of shape (4, 7); give it the same shape");
  CHECK_THROWS_WITH(host::chunked_cross_entropy(q, g.hidden, g.head, g.labels, 1, room, m.loss, m.lse, slim),
                    "stretto: chunked_cross_entropy of 23 rows and 17 columns can't take dhidden of shape (4, 7); give it the same shape");
  CHECK_THROWS_WITH(host::chunked_cross_entropy(q, g.hidden, g.head, g.labels, 1, room, m.loss, m.lse, {}, slim),
                    "stretto: chunked_cross_entropy of 131 rows and 17 columns can't take dhead of shape (4, 7); give it the same shape");
  given<float> wrong;
  wrong.labels[3] = 131;
  CHECK_THROWS_WITH(host::chunked_cross_entropy(q, g.hidden, g.head, wrong.labels, 1, room, m.loss, m.lse),
                    "stretto: chunked_cross_entropy found label 131 in row 3, and the vocabulary has 131 labels; give one from 0 on, or -100 for a row that doesn't count");
}
