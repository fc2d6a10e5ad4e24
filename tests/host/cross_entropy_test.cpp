// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <limits>

#include <stretto/host/cross_entropy.hpp>
#include <stretto/numeric/lse_merge.hpp>

#include "catch.hpp"
#include "rows.hpp"

using namespace stretto;

namespace {

constexpr shape<2> shapes[] = {{{0, 8}}, {{1, 1}}, {{5, 3}}, {{6, 61}}, {{7, 128}}, {{4, 1031}}, {{3, 5003}}};

template <class T>
struct given {
  tensor<T, 2> x;
  tensor<std::int32_t, 1> labels;
  tensor<float, 1> weights;

  explicit given(const shape<2>& s) : x(test::row_numbers<T>(s, 1, -6, 6)), labels(shape<1>{{s[0]}}), weights(test::numbers<float, 1>({{s[0]}}, 2, 0.5, 2)) {
    for (std::int64_t t = 0; t < s[0]; ++t) labels[t] = t % 4 == 2 ? -100 : static_cast<std::int32_t>(t * 977 % s[1]);
  }
  template <class U>
  given<U> in() const {
    given<U> g(shape<2>{{0, 1}});
    g.x = test::as<U>(x), g.labels = labels, g.weights = weights;
    return g;
  }
  /// Kind 0: nothing besides; 1: all options; 2: smoothing and z-loss.
  cross_entropy_options options(int kind) const {
    cross_entropy_options o{.count_right = true};
    if (kind == 1) o.soft_cap = 4, o.weights = weights;
    if (kind == 1 || kind == 2) o.label_smoothing = 0.1, o.z_loss = 0.01;
    return o;
  }
};

template <class T>
struct made {
  tensor<computes_in<T>, 1> loss, lse;
  tensor<T, 2> dx;
  cross_entropy_sum sum;
};

/// Forward and backward; on a queue, or as plain loops.
template <class T, class... Queue>
made<T> run(const given<T>& g, const cross_entropy_options& o, Queue&... queue) {
  using number = computes_in<T>;
  made<T> m{tensor<number, 1>(g.labels.extents()), tensor<number, 1>(g.labels.extents()), tensor<T, 2>(g.x.extents()), {}};
  const auto factor = static_cast<number>(0.25);
  if constexpr (sizeof...(queue) > 0) {
    m.sum = host::cross_entropy(queue..., g.x, g.labels, m.loss, m.lse, o);
    host::cross_entropy_backward(queue..., g.x, g.labels, m.lse, factor, m.dx, o);
  } else {
    m.sum = reference::cross_entropy(g.x, g.labels, m.loss, m.lse, o);
    reference::cross_entropy_backward(g.x, g.labels, m.lse, factor, m.dx, o);
  }
  return m;
}

template <class T>
bool same(const made<T>& a, const made<T>& b) {
  return test::same_bits(a.loss, b.loss) && test::same_bits(a.lse, b.lse) && test::same_bits(a.dx, b.dx) && std::memcmp(&a.sum, &b.sum, sizeof a.sum) == 0;
}

}  // namespace

TEST_CASE("cross_entropy is as near to the truth as plain loops") {
  test::each_type([](auto of) {
    using T = decltype(of);
    for (const shape<2>& s : shapes) {
      const given<T> g(s);
      const given<double> exact = g.template in<double>();
      for (int kind = 0; kind < 3; ++kind) {
        const cross_entropy_options o = g.options(kind);
        const made<T> plain = run(g, o);
        const made<double> truth = run(exact, o);
        for (host::isa level : test::levels()) {
          host::queue q({.most = level});
          const made<T> got = run(g, o, q);
          INFO(host::isa_name(level) << ", " << s[0] << " by " << s[1] << ", " << sizeof(T) << " bytes, kind " << kind);
          CHECK(test::near_truth(got.loss, plain.loss, truth.loss));
          CHECK(test::near_truth(got.lse, plain.lse, truth.lse));
          CHECK(test::near_truth(got.dx, plain.dx, truth.dx));
          CHECK((got.sum.right == truth.sum.right && got.sum.tokens == truth.sum.tokens && got.sum.weight == truth.sum.weight));
          CHECK(got.sum.loss == Catch::Approx(truth.sum.loss).epsilon(1e-5));
        }
      }
    }
  });
}

TEST_CASE("Padding has no share and gradient 0, whatever stands there") {
  given<float> g(shape<2>{{5, 61}});
  for (std::int64_t t = 0; t < 5; ++t)
    for (std::int64_t i = 50; i < 61; ++i) g.x(t, i) = i % 2 == 0 ? 1e30f : std::numeric_limits<float>::quiet_NaN();
  for (std::int32_t& l : g.labels) l = l < 0 ? l : l % 50;
  given<float> narrow(shape<2>{{5, 50}});
  for (std::int64_t t = 0; t < 5; ++t)
    for (std::int64_t i = 0; i < 50; ++i) narrow.x(t, i) = g.x(t, i);
  narrow.labels = g.labels;
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    const made<float> wide = run(g, {.vocabulary = 50, .label_smoothing = 0.1, .count_right = true}, q), cut = run(narrow, {.label_smoothing = 0.1, .count_right = true}, q);
    CHECK((test::same_bits(wide.loss, cut.loss) && test::same_bits(wide.lse, cut.lse) && wide.sum.right == cut.sum.right));
    for (std::int64_t t = 0; t < 5; ++t) {
      CHECK(std::memcmp(wide.dx.row(t), cut.dx.row(t), 50 * sizeof(float)) == 0);
      for (std::int64_t i = 50; i < 61; ++i) CHECK(wide.dx(t, i) == 0);
    }
  }
}

TEST_CASE("cross_entropy counts right guesses, of equal logits the first") {
  tensor<float, 2> x({4, 2100});
  tensor<std::int32_t, 1> labels({4});
  tensor<float, 1> loss({4}), lse({4});
  x(0, 1500) = x(0, 2050) = 3;
  x(1, 1030) = x(1, 1031) = 3;
  x(2, 2099) = 3;
  labels[0] = 1500, labels[1] = 1031, labels[2] = 2099, labels[3] = 0;
  for (host::isa level : test::levels()) {
    host::queue q({.threads = 2, .most = level});
    CHECK(host::cross_entropy(q, x, labels, loss, lse, {.count_right = true}).right == 3);
    CHECK(host::cross_entropy(q, x, labels, loss, lse, {.soft_cap = 1, .count_right = true}).right == 3);
    CHECK(host::cross_entropy(q, x, labels, loss, lse).right == 0);
  }
}

TEST_CASE("cross_entropy counts right guesses among numbers alone") {
  test::each_type([](auto of) {
    using T = decltype(of);
    constexpr float none = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    for (const std::int64_t columns : {3, 1500}) {
      tensor<T, 2> x({6, columns});
      tensor<std::int32_t, 1> labels({6});
      tensor<float, 1> loss({6}), lse({6});
      const auto last = columns - 1;
      x(0, 0) = x(1, 0) = x(4, 0) = static_cast<T>(none);
      x(0, last) = x(1, last) = static_cast<T>(1.0f);
      labels[0] = static_cast<std::int32_t>(last);
      for (std::int64_t i = 0; i < columns; ++i) x(2, i) = static_cast<T>(none), x(3, i) = static_cast<T>(-infinity), x(5, i) = static_cast<T>(i == last ? -infinity : none);
      labels[4] = 1, labels[5] = static_cast<std::int32_t>(last);
      CHECK(reference::cross_entropy(x, labels, loss, lse, {.count_right = true}).right == 4);
      for (host::isa level : test::levels()) {
        host::queue q({.most = level});
        CHECK(host::cross_entropy(q, x, labels, loss, lse, {.count_right = true}).right == 4);
      }
    }
  });
}

TEST_CASE("Without columns there are only rows that don't count, with smoothing too") {
  const auto hold = [](auto of) {
    using T = decltype(of);
    host::queue q;
    const tensor<T, 2> x({2, 0});
    tensor<std::int32_t, 1> labels({2});
    tensor<computes_in<T>, 1> loss({2}), lse({2});
    labels[0] = labels[1] = -100;
    loss[0] = loss[1] = 7;
    const cross_entropy_sum sum = host::cross_entropy(q, x, labels, loss, lse, {.label_smoothing = 0.1});
    CHECK((sum.tokens == 0 && sum.loss == 0 && loss[0] == 0 && loss[1] == 0));
    labels[1] = 0;
    CHECK_THROWS_WITH(host::cross_entropy(q, x, labels, loss, lse, {.label_smoothing = 0.1}),
                      "stretto: cross_entropy found label 0 in row 1, and the vocabulary has 0 labels; give one from 0 on, or -100 for a row that doesn't count");
  };
  test::each_type(hold);
  hold(double{});
}

TEST_CASE("The largest logit may be in any block, and each may have a larger one") {
  tensor<float, 2> x({1, 2600});
  tensor<std::int32_t, 1> label({1});
  tensor<float, 1> loss({1}), lse({1});
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    for (std::int64_t at : {0, 5, 1023, 1024, 2047, 2048, 2560, 2590, 2599}) {
      x(0, at) = 200;
      CHECK(host::cross_entropy(q, x, label, loss, lse).tokens == 1);
      CHECK(lse[0] == 200);
      x(0, at) = 0;
    }
    tensor<float, 2> up({1, 2600});
    double all = 0;
    for (std::int64_t i = 0; i < 2600; ++i) up(0, i) = 0.0009765625f * static_cast<float>(i), all += std::exp(static_cast<double>(up(0, i)));
    host::cross_entropy(q, up, label, loss, lse);
    CHECK(static_cast<double>(lse[0]) == Catch::Approx(std::log(all)).epsilon(1e-7));
  }
}

TEST_CASE("The gradient of a sure guess of bf16 is rounded once") {
  tensor<bf16, 2> x({1, 64}), dx({1, 64});
  tensor<std::int32_t, 1> label({1});
  tensor<float, 1> loss({1}), lse({1});
  label[0] = 33, x(0, 33) = bf16(12.0f);
  const double rest = 63 * std::exp(-12.0), off = -rest / (1 + rest);  // p - 1: far below a step of bf16 at 1
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    host::cross_entropy(q, x, label, loss, lse);
    host::cross_entropy_backward(q, x, label, lse, 1, dx);
    CHECK(static_cast<double>(dx(0, 33)) == Catch::Approx(off).epsilon(0.01));
  }
}

TEST_CASE("cross_entropy gives the same bits with any number of threads, and of double those of plain loops") {
  const given<bf16> g(shape<2>{{37, 2063}});
  for (host::isa level : test::levels()) {
    host::queue one({.most = level}), two({.threads = 2, .most = level}), three({.threads = 3, .most = level});
    const made<bf16> first = run(g, g.options(1), one);
    CHECK(same(first, run(g, g.options(1), two)));
    CHECK(same(first, run(g, g.options(1), three)));
  }
  const given<double> exact(shape<2>{{3, 17}});
  host::queue q;
  CHECK(same(run(exact, exact.options(1)), run(exact, exact.options(1), q)));
}

TEST_CASE("A row of cross_entropy doesn't hang on where it stands, nor on whether its gradient goes past the cache") {
  const auto check = [](auto of, std::int64_t rows, std::int64_t n, int kind) {
    using T = decltype(of);
    const given<T> g(shape<2>{{rows, n}});
    const cross_entropy_options o = g.options(kind);
    const test::framed<T> x(g.x);
    for (host::isa level : test::streaming_levels()) {
      host::queue q({.most = level});
      const made<T> all = run(g, o, q);
      test::framed<T> dx(g.x.extents());
      tensor<float, 1> loss(g.labels.extents()), lse(g.labels.extents());
      host::cross_entropy(q, x.inner, g.labels, loss, lse, o);
      host::cross_entropy_backward(q, x.inner, g.labels, lse, 0.25f, dx.inner, o);
      CHECK((test::same_bits(all.loss, loss) && test::same_bits(all.lse, lse) && test::same_bits(all.dx, dx.copy()) && dx.kept()));
      for (std::int64_t t : {std::int64_t{0}, rows / 2, rows - 1}) {
        cross_entropy_options one = o;
        if (o.weights.data() != nullptr) one.weights = o.weights.part(0, t, 1);
        tensor<T, 2> row({1, n});
        tensor<float, 1> alone({1}), its({1});
        host::cross_entropy(q, g.x.rows(t, 1), g.labels.part(0, t, 1), alone, its, one);
        host::cross_entropy_backward(q, g.x.rows(t, 1), g.labels.part(0, t, 1), its, 0.25f, row, one);
        CHECK((alone[0] == loss[t] && its[0] == lse[t]));
        CHECK(std::memcmp(row.data(), all.dx.row(t), static_cast<unsigned long>(n) * sizeof(T)) == 0);
        host::cross_entropy_backward(q, row, g.labels.part(0, t, 1), its, 0.25f, row, one);  // in place
      }
      tensor<T, 2> over = g.x;
      host::cross_entropy_backward(q, over, g.labels, lse, 0.25f, over, o);
      CHECK(test::same_bits(over, all.dx));
    }
  };
  check(float{}, 1031, 1031, 0);
  check(bf16{}, 2063, 1031, 0);
  check(fp16{}, 61, 77, 1);
}

TEST_CASE("Shards of a vocabulary join to what the whole gives") {
  const given<bf16> g(shape<2>{{9, 1031}});
  const std::int64_t rows = 9, begins[] = {0, 400, 401, 1031};
  for (host::isa level : test::levels())
    for (int kind : {0, 1}) {
      host::queue q({.most = level});
      cross_entropy_options o = g.options(kind);
      o.count_right = false;
      const made<bf16> whole = run(g, o, q);
      tensor<float, 1> l({rows}), target({rows}), sum({rows}), part_l({rows}), part_target({rows}), part_sum({rows}), loss({rows});
      tensor<bf16, 2> dx(g.x.extents());
      for (float& v : l) v = -std::numeric_limits<float>::infinity();
      for (int s = 0; s < 3; ++s) {
        o.shard = {begins[s], 1031};
        host::cross_entropy_shard(q, g.x.columns(begins[s], begins[s + 1] - begins[s]), g.labels, part_l, part_target, part_sum, o);
        for (std::int64_t t = 0; t < rows; ++t)
          if (g.labels[t] >= 0) l[t] = weigh(l[t], part_l[t]).lse, target[t] += part_target[t], sum[t] += part_sum[t];
      }
      const cross_entropy_sum joined = finish_cross_entropy<float>(g.labels, l, target, sum, loss, o);
      CHECK(joined.loss == Catch::Approx(whole.sum.loss).epsilon(1e-6));
      for (std::int64_t t = 0; t < rows; ++t) CHECK(loss[t] == Catch::Approx(whole.loss[t]).epsilon(1e-5));
      for (int s = 0; s < 3; ++s) {
        o.shard = {begins[s], 1031};
        const std::int64_t count = begins[s + 1] - begins[s];
        host::cross_entropy_backward(q, g.x.columns(begins[s], count), g.labels, whole.lse, 0.25f, dx.columns(begins[s], count), o);
      }
      CHECK(test::same_bits(dx, whole.dx));
    }
}

TEST_CASE("What is no number and what is infinite goes through cross_entropy as through plain loops") {
  test::each_type([](auto of) {
    using T = decltype(of);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    given<T> g(shape<2>{{6, 1300}});
    for (std::int32_t& l : g.labels) l = 7;
    g.labels[5] = -100;
    g.x(0, 1200) = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
    g.x(1, 5) = static_cast<T>(-infinity);
    g.x(2, 5) = static_cast<T>(infinity);
    for (std::int64_t i = 0; i < 1300; ++i) g.x(3, i) = static_cast<T>(-infinity);
    for (std::int64_t i = 0; i < 1030; ++i) g.x(4, i) = static_cast<T>(-infinity);
    g.x(5, 0) = g.x(0, 1200);
    const made<T> plain = run(g, {});
    for (host::isa level : test::levels()) {
      host::queue q({.most = level});
      const made<T> got = run(g, {}, q);
      CHECK((test::alike(got.loss, plain.loss) && test::alike(got.lse, plain.lse) && test::alike(got.dx, plain.dx)));
      CHECK((std::isfinite(got.lse[4]) && got.lse[5] == 0 && static_cast<float>(got.dx(5, 0)) == 0 && static_cast<float>(got.dx(1, 5)) == 0));
    }
  });
}

TEST_CASE("cross_entropy says what doesn't fit") {
  host::queue q;
  const tensor<float, 2> x({3, 8}), other({3, 7});
  tensor<std::int32_t, 1> labels({3}), two({2});
  tensor<float, 1> three({3}), seven({7});
  CHECK_THROWS_WITH(host::cross_entropy(q, x, two, three, three), "stretto: cross_entropy with 3 rows can't take labels of 2 numbers; give one a row");
  CHECK_THROWS_WITH(host::cross_entropy(q, x, labels, seven, three), "stretto: cross_entropy with 3 rows can't take loss of 7 numbers; give one a row");
  CHECK_THROWS_WITH(host::cross_entropy(q, x, labels, three, seven), "stretto: cross_entropy with 3 rows can't take lse of 7 numbers; give one a row");
  CHECK_THROWS_WITH(host::cross_entropy(q, x, labels, three, three, {.weights = seven}), "stretto: cross_entropy with 3 rows can't take weights of 7 numbers; give one a row");
  CHECK_THROWS_WITH(host::cross_entropy(q, x, labels, three, three, {.vocabulary = 9}),
                    "stretto: cross_entropy of 8 columns can't have a vocabulary of 9; give at most as many, or the shard that the columns are");
  CHECK_THROWS_WITH(host::cross_entropy(q, x, labels, three, three, {.shard = {8, 16}}),
                    "stretto: cross_entropy needs the whole vocabulary, and was given a shard from 8 on; use cross_entropy_shard");
  CHECK_THROWS_WITH(host::cross_entropy_shard(q, x, labels, three, seven, {}, {.shard = {8, 16}}), "stretto: cross_entropy_shard with 3 rows can't take target of 7 numbers; give one a row");
  CHECK_THROWS_WITH(host::cross_entropy_backward(q, x, labels, three, 1, other), "stretto: cross_entropy_backward of 3 rows and 8 columns can't take dlogits of shape (3, 7); give it the same shape");
  const auto refused = [&](std::int64_t first, std::int64_t whole, const char* words) {
    CHECK_THROWS_WITH(host::cross_entropy_shard(q, x, labels, three, three, {}, {.shard = {first, whole}}), words);
    tensor<float, 2> dx({3, 8});
    CHECK_THROWS(host::cross_entropy_backward(q, x, labels, three, 1, dx, {.shard = {first, whole}}));
  };
  refused(2, 0, "stretto: cross_entropy_shard was given a shard from 2 on of a vocabulary of 0; give first from 0 to 2147483647, and the size of the vocabulary as whole");
  refused(-3, 9, "stretto: cross_entropy_shard was given a shard from -3 on of a vocabulary of 9; give first from 0 to 2147483647, and the size of the vocabulary as whole");
  refused(INT64_MAX, 9,
          "stretto: cross_entropy_shard was given a shard from 9223372036854775807 on of a vocabulary of 9; give first from 0 to 2147483647, and the size of the vocabulary as whole");
  refused(0, -9, "stretto: cross_entropy_shard was given a shard from 0 on of a vocabulary of -9; give first from 0 to 2147483647, and the size of the vocabulary as whole");
  CHECK_THROWS_WITH(host::cross_entropy(q, x, labels, three, three, {.shard = {2, 0}}),
                    "stretto: cross_entropy was given a shard from 2 on of a vocabulary of 0; give first from 0 to 2147483647, and the size of the vocabulary as whole");
  CHECK_NOTHROW(host::cross_entropy_shard(q, x, labels, three, three, {}, {.shard = {16, 9}}));  // padding alone
  labels[1] = 7;
  CHECK_THROWS_WITH(host::cross_entropy(q, x, labels, three, three, {.vocabulary = 7}),
                    "stretto: cross_entropy found label 7 in row 1, and the vocabulary has 7 labels; give one from 0 on, or -100 for a row that doesn't count");
  labels[1] = -1;
  CHECK_THROWS_WITH(host::cross_entropy_backward(q, x, labels, three, 1, x),
                    "stretto: cross_entropy_backward found label -1 in row 1, and the vocabulary has 8 labels; give one from 0 on, or -100 for a row that doesn't count");
  CHECK_NOTHROW(host::cross_entropy(q, x, labels, three, three, {.ignore = -1}));
}
