// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/cross_entropy.hpp>
#include <stretto/numeric/lse_merge.hpp>

#include "catch.hpp"
#include "differences.hpp"

using namespace stretto;
using Catch::Approx;

namespace {

tensor<std::int32_t, 1> some_labels(std::int64_t rows, std::int64_t vocabulary, std::int32_t ignore) {
  tensor<std::int32_t, 1> l(shape<1>{{rows}});
  for (std::int64_t t = 0; t < rows; ++t) l[t] = t % 4 == 2 ? ignore : static_cast<std::int32_t>((t * 5 + 1) % vocabulary);
  return l;
}

}  // namespace

TEST_CASE("The cross-entropy by hand") {
  tensor<double, 2> x({2, 4});
  tensor<std::int32_t, 1> label({2});
  tensor<double, 1> loss({2}), l({2});
  x(0, 1) = std::log(2.0), x(0, 3) = 100;  // shares 1/4, 1/2, 1/4, and padding
  label[0] = 1, label[1] = -100;
  cross_entropy_options o{.vocabulary = 3};
  const cross_entropy_sum s = reference::cross_entropy(x, label, loss, l, o);
  CHECK(loss[0] == Approx(std::log(2.0)));
  CHECK(l[0] == Approx(std::log(4.0)));
  CHECK((loss[1] == 0 && l[1] == 0 && s.tokens == 1 && s.weight == 1 && s.loss == loss[0]));
  o.z_loss = 0.1;
  CHECK(reference::cross_entropy(x, label, loss, l, o).loss == Approx(std::log(2.0) + 0.1 * std::log(4.0) * std::log(4.0)));
  o.z_loss = 0, o.label_smoothing = 0.3;
  CHECK(reference::cross_entropy(x, label, loss, l, o).loss == Approx(0.8 * std::log(2.0) + 0.2 * std::log(4.0)));  // 0.7 + 0.1, and 0.1 twice
  tensor<float, 1> weights({2});
  weights[0] = 3, weights[1] = 5;
  o.label_smoothing = 0, o.weights = weights;
  CHECK(reference::cross_entropy(x, label, loss, l, o).loss == Approx(3 * std::log(2.0)));
  CHECK(reference::cross_entropy(x, label, loss, l, o).weight == 3);
}

TEST_CASE("Of equal largest logits the first is the guess") {
  tensor<double, 2> x({3, 5});
  tensor<std::int32_t, 1> label({3});
  tensor<double, 1> loss({3}), l({3});
  x(0, 2) = x(0, 4) = x(1, 2) = x(1, 4) = 1;
  label[0] = 2, label[1] = 4, label[2] = 0;
  CHECK(reference::cross_entropy(x, label, loss, l, {.count_right = true}).right == 2);
  CHECK(reference::cross_entropy(x, label, loss, l).right == 0);
}

TEST_CASE("What is no number is never the guess") {
  constexpr double none = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  tensor<double, 2> x({4, 3});
  tensor<std::int32_t, 1> label({4});
  tensor<double, 1> loss({4}), l({4});
  x(0, 0) = none, x(0, 2) = 1, label[0] = 2;
  x(1, 0) = none, label[1] = 0;
  for (int i = 0; i < 3; ++i) x(2, i) = none, x(3, i) = -infinity;
  label[2] = 0, label[3] = 0;
  CHECK(reference::cross_entropy(x, label, loss, l, {.count_right = true}).right == 2);
}

TEST_CASE("Shards anywhere in 64 bits have the labels that they have") {
  const tensor<double, 2> x = test::numbers<double>(shape<2>{{2, 4}}, 1);
  tensor<std::int32_t, 1> label({2});
  label[0] = 0, label[1] = 2147483647;
  tensor<double, 1> l({2}), target({2});
  tensor<double, 2> dx({2, 4});
  for (const std::int64_t first : {INT64_MIN, INT64_MIN + 1, std::int64_t{-5}, INT64_MAX - 1, INT64_MAX}) {
    const cross_entropy_options o{.shard = {first, INT64_MAX}};
    reference::cross_entropy_shard(x, label, l, target, {}, o);
    CHECK((target[0] == 0 && target[1] == 0));
    reference::cross_entropy_backward<double>(x, label, l, 1, dx, o);
    CHECK(o.valid(4) == (first < 0 ? 4 : first == INT64_MAX ? 0 : 1));
  }
  reference::cross_entropy_shard(x, label, l, target, {}, {.shard = {2147483645, 2147483648}});
  CHECK((target[0] == 0 && target[1] == x(1, 2)));
}

TEST_CASE("Gradients of the cross-entropy are its slopes") {
  constexpr shape<2> size{{5, 9}};
  const auto x = test::numbers<double, 2>(size, 1, -3, 3);
  const auto weights = test::numbers<float, 1>({{5}}, 2, 0.5, 2);
  const auto labels = some_labels(5, 7, -1);
  const cross_entropy_options plain{.ignore = -1, .vocabulary = 7};
  std::vector<cross_entropy_options> all(6, plain);
  all[1].label_smoothing = 0.2;
  all[2].z_loss = 0.05;
  all[3].soft_cap = 2;
  all[4].weights = weights;
  all[5] = {.ignore = -1, .vocabulary = 7, .label_smoothing = 0.2, .z_loss = 0.05, .soft_cap = 2, .weights = weights};
  for (const cross_entropy_options& o : all) {
    tensor<double, 2> dx(size);
    tensor<double, 1> loss({5}), l({5});
    const auto value = [&] { return 0.25 * reference::cross_entropy(x, labels, loss, l, o).loss; };
    value();
    reference::cross_entropy_backward(x, labels, l, 0.25, dx, o);
    test::check_gradient(x, dx, value);
    for (std::int64_t i = 0; i < 9; ++i) CHECK(dx(2, i) == 0);  // ignored
    CHECK((dx(0, 7) == 0 && dx(0, 8) == 0));                    // padding
    tensor<double, 2> over = x;
    reference::cross_entropy_backward(over, labels, l, 0.25, over, o);
    CHECK(test::same_bits(over, dx));
  }
}

TEST_CASE("Shards of a vocabulary join to the whole") {
  constexpr std::int64_t rows = 6, columns = 11, vocabulary = 10;
  const auto x = test::numbers<double, 2>({{rows, columns}}, 1, -3, 3);
  const auto labels = some_labels(rows, vocabulary, -1);
  cross_entropy_options o{.ignore = -1, .vocabulary = vocabulary, .label_smoothing = 0.1, .z_loss = 0.02, .soft_cap = 3};
  tensor<double, 1> loss({rows}), l({rows}), target({rows}), sum({rows}), joined({rows}), part_l({rows}), part_target({rows}), part_sum({rows}), losses({rows});
  tensor<double, 2> dx({rows, columns}), parts({rows, columns});
  const cross_entropy_sum whole = reference::cross_entropy(x, labels, loss, l, o);
  reference::cross_entropy_backward(x, labels, l, 1, dx, o);
  for (double& v : joined) v = -std::numeric_limits<double>::infinity();
  const std::int64_t begins[] = {0, 4, 9, 10, columns};  // the last is padding alone
  for (int s = 0; s < 4; ++s) {
    o.shard = {begins[s], vocabulary};
    reference::cross_entropy_shard(x.columns(begins[s], begins[s + 1] - begins[s]), labels, part_l, part_target, part_sum, o);
    for (std::int64_t t = 0; t < rows; ++t) joined[t] = weigh(joined[t], part_l[t]).lse, target[t] += part_target[t], sum[t] += part_sum[t];
  }
  const cross_entropy_sum again = finish_cross_entropy<double>(labels, joined, target, sum, losses, o);
  CHECK(again.loss == Approx(whole.loss));
  CHECK((again.tokens == whole.tokens && again.weight == whole.weight));
  for (std::int64_t t = 0; t < rows; ++t) CHECK(losses[t] == Approx(loss[t]));
  for (int s = 0; s < 4; ++s) {
    o.shard = {begins[s], vocabulary};
    const std::int64_t count = begins[s + 1] - begins[s];
    reference::cross_entropy_backward<double>(x.columns(begins[s], count), labels, joined, 1, parts.columns(begins[s], count), o);
  }
  for (std::int64_t i = 0; i < dx.size(); ++i) CHECK(parts.data()[i] == Approx(dx.data()[i]).margin(1e-15));
}

TEST_CASE("finish_cross_entropy says what doesn't fit") {
  tensor<std::int32_t, 1> labels({3});
  tensor<double, 1> three({3}), two({2});
  CHECK_THROWS_WITH(finish_cross_entropy<double>(labels, two, three, {}, three, {}), "stretto: finish_cross_entropy of 3 labels was given 2 numbers as lse; give one for each label");
  CHECK_THROWS_WITH(finish_cross_entropy<double>(labels, three, two, {}, three, {}), "stretto: finish_cross_entropy of 3 labels was given 2 numbers as target; give one for each label");
  CHECK_THROWS_WITH(finish_cross_entropy<double>(labels, three, three, two, three, {}), "stretto: finish_cross_entropy of 3 labels was given 2 numbers as sum; give one for each label");
  CHECK_THROWS_WITH(finish_cross_entropy<double>(labels, three, three, {}, three, {.label_smoothing = 0.1}),
                    "stretto: finish_cross_entropy needs the sums of logits and the vocabulary's size for label smoothing; give sum, and shard.whole or vocabulary");
}
