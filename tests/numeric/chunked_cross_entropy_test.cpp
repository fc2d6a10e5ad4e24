// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/chunked_cross_entropy.hpp>

#include "catch.hpp"
#include "differences.hpp"

using namespace stretto;

namespace {
constexpr std::int64_t rows = 5, width = 3, vocabulary = 7;

struct world {
  tensor<double, 2> hidden = test::numbers<double, 2>({{rows, width}}, 1), head = test::numbers<double, 2>({{vocabulary, width}}, 2);
  tensor<float, 1> weights = test::numbers<float, 1>({{rows}}, 3, 0.5, 2);
  tensor<std::int32_t, 1> labels{shape<1>{{rows}}};
  tensor<double, 1> loss{shape<1>{{rows}}}, lse{shape<1>{{rows}}};
  cross_entropy_options o{.vocabulary = 6, .label_smoothing = 0.1, .weights = weights, .count_right = true};

  world() {
    for (std::int64_t t = 0; t < rows; ++t) labels[t] = t == 2 ? -100 : static_cast<std::int32_t>(t);
  }
  cross_entropy_sum run(std::int64_t chunk, tensor_view<double, 2> dhidden = {}, tensor_view<double, 2> dhead = {}) {
    tensor<double, 2> room({chunk, vocabulary});
    return reference::chunked_cross_entropy(hidden, head, labels, 0.5, room, loss, lse, dhidden, dhead, o);
  }
};

}  // namespace

TEST_CASE("Gradients of the last layer and its loss are their slopes, and chunks change nothing") {
  for (std::int64_t chunk : {1, 2, 5, 9}) {
    world w;
    tensor<double, 2> dhidden({rows, width}), dhead({vocabulary, width});
    w.run(chunk, dhidden, dhead);
    const auto loss = [&] { return 0.5 * w.run(2).loss; };
    test::check_gradient(w.hidden, dhidden, loss);
    test::check_gradient(w.head, dhead, loss);
    CHECK(w.run(chunk).loss == w.run(rows).loss);
    CHECK(w.run(chunk).right == w.run(rows).right);
  }
}
