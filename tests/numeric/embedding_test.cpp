// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/embedding.hpp>

#include "numeric/differences.hpp"

using namespace stretto;

namespace {

tensor<std::int32_t, 1> some_ids() {
  tensor<std::int32_t, 1> ids({6});
  const int at[] = {3, 0, 3, 4, 3, 1};
  for (int i = 0; i < 6; ++i) ids[i] = at[i];
  return ids;
}

}  // namespace

TEST_CASE("the gradient of an embedding is what differences say") {
  for (const embedding_options& o : {embedding_options{}, embedding_options{.scale = 2.5}, embedding_options{.scale = -1, .first_id = 2, .vocabulary = 9}}) {
    const auto ids = some_ids();
    tensor<double, 2> weight = test::numbers<double>(shape<2>{{5, 3}}, 1), dweight({5, 3}), y({6, 3});
    const tensor<double, 2> dy = test::numbers<double>(shape<2>{{6, 3}}, 2);
    reference::embedding_backward(ids, dy, dweight, o);
    test::check_gradient<2>(weight, dweight, [&] {
      reference::embedding(ids, weight, y, o);
      return test::weighted(y, dy);
    });
  }
}

TEST_CASE("tables that begin anywhere in 64 bits have the ids that they have") {
  const auto ids = some_ids();
  const tensor<double, 2> weight = test::numbers<double>(shape<2>{{5, 3}}, 1, 1, 2);
  for (const std::int64_t first : {INT64_MIN, INT64_MIN + 1, std::int64_t{-6}, INT64_MAX}) {
    tensor<double, 2> y = test::numbers<double>(shape<2>{{6, 3}}, 2), dweight({5, 3});
    reference::embedding_backward(ids, y, dweight, {.first_id = first});
    reference::embedding(ids, weight, y, {.first_id = first});
    for (double v : y) CHECK(v == 0);
    for (double v : dweight) CHECK(v == 0);
  }
}

TEST_CASE("an embedding by hand, and in shards that sum to it") {
  const auto ids = some_ids();
  const tensor<double, 2> weight = test::numbers<double>(shape<2>{{5, 3}}, 1);
  tensor<double, 2> y({6, 3}), low({6, 3}), high({6, 3});
  reference::embedding(ids, weight, y);
  reference::embedding(ids, weight.rows(0, 2), low, {.vocabulary = 5});
  reference::embedding(ids, weight.rows(2, 3), high, {.first_id = 2, .vocabulary = 5});
  for (int t = 0; t < 6; ++t)
    for (int j = 0; j < 3; ++j) {
      CHECK(y(t, j) == weight(ids[t], j));
      CHECK(y(t, j) == low(t, j) + high(t, j));
    }
}
