// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <limits>

#include <stretto/host/layer_norm.hpp>

#include "catch.hpp"
#include "rows.hpp"

using namespace stretto;

namespace {

template <class T>
struct given {
  tensor<T, 2> x, residual, dy, ds;
  tensor<T, 1> weight, bias;

  explicit given(const shape<2>& s)
      : x(test::row_numbers<T>(s, 1, -1, 3)), residual(test::row_numbers<T>(s, 2)), dy(test::row_numbers<T>(s, 3)), ds(test::row_numbers<T>(s, 4)),
        weight(test::numbers<T, 1>({{s[1]}}, 5, 0.5, 1.5)), bias(test::numbers<T, 1>({{s[1]}}, 6)) {}
  template <class U>
  given<U> in() const {
    given<U> g(shape<2>{{0, 0}});
    g.x = test::as<U>(x), g.residual = test::as<U>(residual), g.dy = test::as<U>(dy), g.ds = test::as<U>(ds), g.weight = test::as<U>(weight), g.bias = test::as<U>(bias);
    return g;
  }
};

template <class T>
struct made {
  tensor<T, 2> y, added, s, dx;
  tensor<computes_in<T>, 1> mean, inverse, dweight, dbias;
};

/// All that there is to the norm; on a queue, or as plain loops. Kind 0: with weight and bias; 1: with a weight; 2: with none.
template <class T, class... Queue>
made<T> run(const given<T>& g, int kind, Queue&... queue) {
  using number = computes_in<T>;
  const shape<2> s = g.x.extents();
  const shape<1> rows{{s[0]}}, columns{{s[1]}};
  made<T> m{tensor<T, 2>(s), tensor<T, 2>(s), tensor<T, 2>(s), tensor<T, 2>(s), tensor<number, 1>(rows), tensor<number, 1>(rows), tensor<number, 1>(columns), tensor<number, 1>(columns)};
  for (number& d : m.dweight) d = 3;
  for (number& d : m.dbias) d = 4;
  using run_of = tensor_view<const T, 1>;
  const run_of w = kind < 2 ? run_of(g.weight) : run_of(), b = kind < 1 ? run_of(g.bias) : run_of();
  const layer_norm_options o{.epsilon = 1e-3};
  layer_norm_backward_options<T> back;
  if (kind > 0) back.residual_gradient = g.ds;
  tensor_view<number, 1> db;
  if (kind < 1) db = m.dbias;
  tensor<number, 1> again(rows), more(rows);
  if constexpr (sizeof...(queue) > 0) {
    host::layer_norm(queue..., g.x, w, b, m.y, m.mean, m.inverse, o);
    host::add_layer_norm(queue..., g.x, g.residual, w, b, m.s, m.added, again, more, o);
    host::layer_norm_backward_input(queue..., g.x, w, m.mean, m.inverse, g.dy, m.dx, back);
    host::layer_norm_backward_weight(queue..., g.x, m.mean, m.inverse, g.dy, m.dweight, db);
  } else {
    reference::layer_norm(g.x, w, b, m.y, m.mean, m.inverse, o);
    reference::add_layer_norm(g.x, g.residual, w, b, m.s, m.added, again, more, o);
    reference::layer_norm_backward_input(g.x, w, m.mean, m.inverse, g.dy, m.dx, back);
    reference::layer_norm_backward_weight(g.x, m.mean, m.inverse, g.dy, m.dweight, db);
  }
  return m;
}

template <class T>
bool same(const made<T>& a, const made<T>& b) {
  return test::same_bits(a.y, b.y) && test::same_bits(a.added, b.added) && test::same_bits(a.s, b.s) && test::same_bits(a.dx, b.dx) && test::same_bits(a.mean, b.mean) &&
         test::same_bits(a.inverse, b.inverse) && test::same_bits(a.dweight, b.dweight) && test::same_bits(a.dbias, b.dbias);
}

}  // namespace

TEST_CASE("layer_norm is as near to the truth as plain loops") {
  test::each_type([](auto of) {
    using T = decltype(of);
    for (const shape<2>& s : test::row_shapes) {
      const given<T> g(s);
      const given<double> exact = g.template in<double>();
      for (int kind = 0; kind < 3; ++kind) {
        const made<T> plain = run(g, kind);
        const made<double> truth = run(exact, kind);
        for (host::isa level : test::levels()) {
          host::queue q({.most = level});
          const made<T> got = run(g, kind, q);
          INFO(host::isa_name(level) << ", " << s[0] << " by " << s[1] << ", " << sizeof(T) << " bytes, kind " << kind);
          CHECK(test::near_truth(got.y, plain.y, truth.y));
          CHECK(test::near_truth(got.mean, plain.mean, truth.mean));
          CHECK(test::near_truth(got.inverse, plain.inverse, truth.inverse));
          CHECK(test::same_bits(got.s, plain.s));
          CHECK(test::near_truth(got.added, plain.added, truth.added));
          CHECK(test::near_truth(got.dx, plain.dx, truth.dx));
          CHECK(test::near_truth(got.dweight, plain.dweight, truth.dweight));
          CHECK(test::near_truth(got.dbias, plain.dbias, truth.dbias));
        }
      }
    }
  });
}

TEST_CASE("layer_norm keeps the digits of rows far from 0") {
  tensor<float, 2> x({1, 71}), y({1, 71});
  for (std::int64_t i = 0; i < 71; ++i) x(0, i) = 4096.0f + (i % 2 == 0 ? 0.25f : -0.25f) - (i == 70 ? 0.25f : 0.0f);
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    host::layer_norm(q, x, {}, {}, y, {}, {}, {.epsilon = 0});
    CHECK(y(0, 0) == Catch::Approx(1.00714).epsilon(1e-4));  // the mean is exact, the variance 0.0616
    CHECK(y(0, 70) == Catch::Approx(0).margin(2e-3));
  }
}

TEST_CASE("layer_norm gives the same bits with any number of threads, and of double those of plain loops") {
  const given<bf16> g(shape<2>{{37, 1031}});
  for (host::isa level : test::levels()) {
    host::queue one({.most = level}), two({.threads = 2, .most = level}), three({.threads = 3, .most = level});
    const made<bf16> first = run(g, 0, one);
    CHECK(same(first, run(g, 0, two)));
    CHECK(same(first, run(g, 0, three)));
  }
  const given<double> exact(shape<2>{{3, 17}});
  host::queue q;
  CHECK(same(run(exact, 0), run(exact, 0, q)));
}

TEST_CASE("A row of layer_norm doesn't hang on where it stands, nor on whether it goes past the cache") {
  const auto check = [](auto of, std::int64_t rows, std::int64_t n) {
    using T = decltype(of);
    const given<T> g(shape<2>{{rows, n}});
    const test::framed<T> x(g.x), dy(g.dy), residual(g.residual);
    for (host::isa level : test::streaming_levels()) {
      host::queue q({.most = level});
      const made<T> all = run(g, 0, q);
      test::framed<T> y(g.x.extents()), s(g.x.extents()), dx(g.x.extents()), added(g.x.extents());
      tensor<float, 1> mean(shape<1>{{rows}}), inverse(shape<1>{{rows}}), weights(shape<1>{{n}}), biases(shape<1>{{n}});
      host::layer_norm(q, x.inner, g.weight, g.bias, y.inner, mean, inverse, {.epsilon = 1e-3});
      host::add_layer_norm(q, x.inner, residual.inner, g.weight, g.bias, s.inner, added.inner, {}, {}, {.epsilon = 1e-3});
      host::layer_norm_backward_input(q, x.inner, g.weight, mean, inverse, dy.inner, dx.inner);
      for (float& w : weights) w = 3;
      for (float& b : biases) b = 4;
      host::layer_norm_backward_weight(q, x.inner, mean, inverse, dy.inner, weights, biases);
      CHECK((test::same_bits(all.y, y.copy()) && test::same_bits(all.s, s.copy()) && test::same_bits(all.added, added.copy()) && test::same_bits(all.dx, dx.copy())));
      CHECK((test::same_bits(all.dweight, weights) && test::same_bits(all.dbias, biases)));
      CHECK((y.kept() && s.kept() && dx.kept() && added.kept()));
      for (std::int64_t t : {std::int64_t{0}, rows / 2, rows - 1}) {
        tensor<T, 2> row({1, n}), back({1, n});
        host::layer_norm(q, g.x.rows(t, 1), g.weight, g.bias, row, {}, {}, {.epsilon = 1e-3});
        CHECK(std::memcmp(row.data(), all.y.row(t), static_cast<unsigned long>(n) * sizeof(T)) == 0);
        host::layer_norm_backward_input(q, g.x.rows(t, 1), g.weight, mean.part(0, t, 1), inverse.part(0, t, 1), g.dy.rows(t, 1), back);
        CHECK(std::memcmp(back.data(), all.dx.row(t), static_cast<unsigned long>(n) * sizeof(T)) == 0);
      }
    }
  };
  check(float{}, 1031, 1031);
  check(bf16{}, 2063, 1031);
  check(fp16{}, 61, 77);
}

TEST_CASE("layer_norm may overwrite what it reads") {
  const given<bf16> g(shape<2>{{5, 77}});
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    const made<bf16> apart = run(g, 1, q);
    given<bf16> h = g;
    tensor<bf16, 2> y(g.x.extents());
    host::layer_norm_backward_input(q, h.x, h.weight, apart.mean, apart.inverse, h.dy, h.dy, {.residual_gradient = h.ds});
    CHECK(test::same_bits(h.dy, apart.dx));
    host::layer_norm_backward_input(q, h.x, h.weight, apart.mean, apart.inverse, g.dy, h.ds, {.residual_gradient = h.ds});
    CHECK(test::same_bits(h.ds, apart.dx));
    host::add_layer_norm(q, h.x, h.residual, h.weight, {}, h.residual, y, {}, {}, {.epsilon = 1e-3});
    CHECK((test::same_bits(h.residual, apart.s) && test::same_bits(y, apart.added)));
    host::layer_norm(q, h.x, h.weight, {}, h.x, {}, {}, {.epsilon = 1e-3});
    CHECK(test::same_bits(h.x, apart.y));
  }
}

TEST_CASE("What is no number and what is infinite goes through layer_norm as through plain loops") {
  test::each_type([](auto of) {
    using T = decltype(of);
    given<T> g(shape<2>{{4, 37}});
    g.x(1, 36) = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
    g.x(2, 5) = static_cast<T>(-std::numeric_limits<float>::infinity());
    g.dy(3, 0) = static_cast<T>(std::numeric_limits<float>::infinity());
    const made<T> plain = run(g, 0);
    for (host::isa level : test::levels()) {
      host::queue q({.most = level});
      const made<T> got = run(g, 0, q);
      CHECK((test::alike(got.y, plain.y) && test::alike(got.dx, plain.dx) && test::alike(got.mean, plain.mean) && test::alike(got.inverse, plain.inverse)));
      CHECK((test::alike(got.dweight, plain.dweight) && test::alike(got.dbias, plain.dbias)));
    }
  });
}

TEST_CASE("layer_norm says what doesn't fit") {
  host::queue q, little({.scratch_bytes = 4096});
  const tensor<float, 2> x({3, 8}), other({3, 7}), wide({1, 2000});
  const tensor<float, 1> w({8}), seven({7});
  tensor<float, 1> three({3}), dw({8});
  CHECK_THROWS_WITH(host::layer_norm(q, x, w, w, other), "stretto: layer_norm of 3 rows and 8 columns can't take y of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::layer_norm(q, x, seven, w, x), "stretto: layer_norm with 8 columns can't take a weight of 7 numbers; give one a column");
  CHECK_THROWS_WITH(host::layer_norm(q, x, w, seven, x), "stretto: layer_norm with 8 columns can't take a bias of 7 numbers; give one a column");
  CHECK_THROWS_WITH(host::layer_norm(q, x, w, w, x, seven), "stretto: layer_norm with 3 rows can't take mean of 7 numbers; give one a row");
  CHECK_THROWS_WITH(host::layer_norm(q, x, w, w, x, three, seven), "stretto: layer_norm with 3 rows can't take inverse of 7 numbers; give one a row");
  CHECK_THROWS_WITH(host::add_layer_norm(q, x, other, w, w, x, x), "stretto: add_layer_norm of 3 rows and 8 columns can't take a residual of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::add_layer_norm(q, x, x, w, w, other, x), "stretto: add_layer_norm of 3 rows and 8 columns can't take s of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::layer_norm_backward_input(q, x, w, {}, three, x, x), "stretto: layer_norm_backward_input with 3 rows can't take mean of 0 numbers; give one a row");
  CHECK_THROWS_WITH(host::layer_norm_backward_input(q, x, w, three, three, other, x), "stretto: layer_norm_backward_input of 3 rows and 8 columns can't take dy of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::layer_norm_backward_input(q, x, w, three, three, x, x, {.residual_gradient = other}),
                    "stretto: layer_norm_backward_input of 3 rows and 8 columns can't take a residual gradient of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::layer_norm_backward_weight(q, x, three, three, x, dw, three), "stretto: layer_norm_backward_weight with 8 columns can't take dbias of 3 numbers; give one a column");
  CHECK_THROWS_WITH(host::layer_norm(little, wide, {}, {}, wide),
                    "stretto: layer_norm needs 24000 bytes of scratch memory for each thread, and the queue has 4096; make it with scratch_bytes = 24000");
}
