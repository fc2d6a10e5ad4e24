// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/embedding.hpp>

#include "host/elementwise.hpp"

using namespace stretto;

namespace {

/// Some often, some never.
tensor<std::int32_t, 1> some_ids(std::int64_t tokens, std::int64_t vocabulary) {
  tensor<std::int32_t, 1> ids({tokens});
  for (std::int64_t t = 0; t < tokens; ++t) ids[t] = static_cast<std::int32_t>(t % 3 == 0 ? vocabulary / 2 : t * t * 7 % vocabulary);
  return ids;
}

}  // namespace

TEST_CASE("embeddings are near the truth on every set of instructions") {
  test::each_type([](auto t) {
    using T = decltype(t);
    struct sizes { std::int64_t tokens, rows, columns; };
    for (const sizes& n : {sizes{0, 3, 4}, sizes{1, 1, 1}, sizes{7, 5, 13}, sizes{19, 11, 67}, sizes{4, 3, 300}, sizes{130, 16, 515}})
      for (const embedding_options& o : {embedding_options{}, embedding_options{.scale = 1.3}, embedding_options{.scale = 1, .first_id = 2, .vocabulary = n.rows + 3}}) {
        const auto ids = some_ids(n.tokens, o.vocabulary < 0 ? n.rows : o.vocabulary);
        const tensor<T, 2> all = test::numbers<T>(shape<2>{{n.rows, n.columns + 3}}, 1), all_dy = test::numbers<T>(shape<2>{{n.tokens, n.columns + 3}}, 2);
        const auto weight = all.columns(1, n.columns), dy = all_dy.columns(2, n.columns);
        const shape<2> s{{n.tokens, n.columns}}, table{{n.rows, n.columns}};
        tensor<T, 2> loops(s);
        tensor<double, 2> truth(s), wide_weight(table), wide_dy(s);
        for (std::int64_t i = 0; i < n.rows; ++i)
          for (std::int64_t j = 0; j < n.columns; ++j) wide_weight(i, j) = static_cast<double>(weight(i, j));
        for (std::int64_t i = 0; i < n.tokens; ++i)
          for (std::int64_t j = 0; j < n.columns; ++j) wide_dy(i, j) = static_cast<double>(dy(i, j));
        reference::embedding(ids, weight, loops, o);
        reference::embedding(ids, wide_weight, truth, o);
        tensor<float, 2> loops_weight = test::numbers<float>(table, 3);
        const tensor<float, 2> before = loops_weight;
        tensor<double, 2> truth_weight = test::as<double>(before);
        reference::embedding_backward(ids, dy, loops_weight, o);
        reference::embedding_backward(ids, wide_dy, truth_weight, o);
        for (host::isa level : test::levels())
          for (int threads = 1; threads <= 3; ++threads) {
            INFO(host::isa_name(level) << " " << element_name(element_traits<T>::type) << " " << s.words().c_str() << " " << threads << " threads");
            host::queue q({.threads = threads, .most = level, .scratch_bytes = 0});
            tensor<T, 2> y(s);
            host::embedding(q, ids, weight, y, o);
            CHECK(test::near_truth(y, loops, truth));
            tensor<float, 2> dweight = before, parts = before;
            host::embedding_backward(q, ids, dy, dweight, o);
            CHECK(test::near_truth(dweight, loops_weight, truth_weight));
            if (o.scale == 1) CHECK(test::same_bits(dweight, loops_weight));  // tokens ascending, whoever does them
            const std::int64_t half = n.tokens / 2;
            host::embedding_backward(q, ids.part(0, 0, half), dy.rows(0, half), parts, o);
            host::embedding_backward(q, ids.part(0, half, n.tokens - half), dy.rows(half, n.tokens - half), parts, o);
            CHECK(test::same_bits(dweight, parts));
          }
      }
  });
}

TEST_CASE("an embedding keeps every bit, past the cache too") {
  test::each_type([](auto t) {
    using T = decltype(t);
    const std::int64_t tokens = (4 << 20) / 1000 / static_cast<std::int64_t>(sizeof(T)) + 9;
    const auto ids = some_ids(tokens, 40);
    tensor<T, 2> weight = test::numbers<T>(shape<2>{{40, 1000}}, 1), y({tokens, 1000});
    weight(20, 3) = static_cast<T>(std::numeric_limits<float>::infinity());
    weight(20, 4) = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
    weight(20, 5) = static_cast<T>(-0.0f);
    weight(20, 6) = static_cast<T>(1e-41f);
    for (host::isa level : test::levels()) {
      host::queue q({.threads = 2, .most = level, .scratch_bytes = 0});
      host::embedding(q, ids, weight, y);
      int differ = 0;
      for (std::int64_t i = 0; i < tokens; ++i) differ += std::memcmp(y.row(i), weight.row(ids[i]), 1000 * sizeof(T)) != 0;
      CHECK(differ == 0);
    }
  });
}

TEST_CASE("embeddings of double are the plain loops") {
  host::queue q;
  const auto ids = some_ids(9, 5);
  const tensor<double, 2> weight = test::numbers<double>(shape<2>{{5, 7}}, 1), dy = test::numbers<double>(shape<2>{{9, 7}}, 2);
  tensor<double, 2> a({9, 7}), b({9, 7}), da({5, 7}), db({5, 7});
  host::embedding(q, ids, weight, a);
  reference::embedding(ids, weight, b);
  CHECK(test::same_bits(a, b));
  host::embedding_backward(q, ids, dy, da);
  reference::embedding_backward(ids, dy, db);
  CHECK(test::same_bits(da, db));
}

TEST_CASE("embeddings that can't be are refused") {
  host::queue q;
  tensor<std::int32_t, 1> ids({3});
  tensor<float, 2> weight({5, 4}), y({3, 4}), bad({3, 5});
  CHECK_THROWS_WITH(host::embedding(q, ids, weight, bad), "stretto: embedding of 3 ids with a table of 4 columns goes with a matrix of that many rows and columns, not (3, 5); correct it");
  ids[1] = 5;
  CHECK_THROWS_WITH(host::embedding(q, ids, weight, y), "stretto: token 1 has id 5, and the vocabulary has ids 0 to 4; correct the id, or the vocabulary");
  CHECK_THROWS_WITH(host::embedding_backward(q, ids, y, weight), "stretto: token 1 has id 5, and the vocabulary has ids 0 to 4; correct the id, or the vocabulary");
  host::embedding(q, ids, weight, y, {.vocabulary = 6});
  ids[1] = -1;
  CHECK_THROWS_WITH(host::embedding(q, ids, weight, y, {.vocabulary = 6}), "stretto: token 1 has id -1, and the vocabulary has ids 0 to 5; correct the id, or the vocabulary");
  CHECK_THROWS_WITH(host::embedding(q, ids, weight, y, {.first_id = 2, .vocabulary = 6}),
                    "stretto: embedding was given a table of 5 ids from 2 on of a vocabulary of 6; correct first_id or vocabulary");
  CHECK_THROWS_WITH(host::embedding(q, ids, weight, y, {.first_id = INT64_MAX - 1}),
                    "stretto: embedding was given a table of 5 ids from 9223372036854775806 on of a vocabulary of 9223372036854775807; correct first_id or vocabulary");
  CHECK_THROWS_WITH(host::embedding_backward(q, ids, y, weight, {.first_id = INT64_MAX, .vocabulary = 6}),
                    "stretto: embedding_backward was given a table of 5 ids from 9223372036854775807 on of a vocabulary of 6; correct first_id or vocabulary");
  CHECK_THROWS_WITH(host::embedding(q, ids, weight, y, {.first_id = INT64_MIN}),
                    "stretto: embedding was given a table of 5 ids from -9223372036854775808 on of a vocabulary of -9223372036854775803; correct first_id or vocabulary");
}
