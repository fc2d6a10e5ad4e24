// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <limits>

#include <stretto/host/rms_norm.hpp>

#include "catch.hpp"
#include "rows.hpp"

using namespace stretto;

namespace {

template <class T>
struct given {
  tensor<T, 2> x, residual, dy, ds;
  tensor<T, 1> weight;

  explicit given(const shape<2>& s)
      : x(test::row_numbers<T>(s, 1, -2, 2)), residual(test::row_numbers<T>(s, 2)), dy(test::row_numbers<T>(s, 3)), ds(test::row_numbers<T>(s, 4)),
        weight(test::numbers<T, 1>({{s[1]}}, 5, 0.5, 1.5)) {}
  template <class U>
  given<U> in() const {
    given<U> g(shape<2>{{0, 0}});
    g.x = test::as<U>(x), g.residual = test::as<U>(residual), g.dy = test::as<U>(dy), g.ds = test::as<U>(ds), g.weight = test::as<U>(weight);
    return g;
  }
};

template <class T>
struct made {
  tensor<T, 2> y, added, s, dx;
  tensor<computes_in<T>, 1> inverse, dweight;
};

/// All that there is to the norm; on a queue, or as plain loops.
template <class T, class... Queue>
made<T> run(const given<T>& g, bool weighted, double offset, bool with_residual, Queue&... queue) {
  const shape<2> s = g.x.extents();
  made<T> m{tensor<T, 2>(s), tensor<T, 2>(s), tensor<T, 2>(s), tensor<T, 2>(s), tensor<computes_in<T>, 1>(shape<1>{{s[0]}}), tensor<computes_in<T>, 1>(shape<1>{{s[1]}})};
  for (computes_in<T>& d : m.dweight) d = 3;
  const tensor_view<const T, 1> w = weighted ? tensor_view<const T, 1>(g.weight) : tensor_view<const T, 1>();
  const rms_norm_options o{.epsilon = 1e-3, .weight_offset = offset};
  rms_norm_backward_options<T> back{.weight_offset = offset};
  if (with_residual) back.residual_gradient = g.ds;
  tensor<computes_in<T>, 1> again(m.inverse.extents());
  if constexpr (sizeof...(queue) > 0) {
    host::rms_norm(queue..., g.x, w, m.y, m.inverse, o);
    host::add_rms_norm(queue..., g.x, g.residual, w, m.s, m.added, again, o);
    host::rms_norm_backward_input(queue..., g.x, w, m.inverse, g.dy, m.dx, back);
    host::rms_norm_backward_weight(queue..., g.x, m.inverse, g.dy, m.dweight);
  } else {
    reference::rms_norm(g.x, w, m.y, m.inverse, o);
    reference::add_rms_norm(g.x, g.residual, w, m.s, m.added, again, o);
    reference::rms_norm_backward_input(g.x, w, m.inverse, g.dy, m.dx, back);
    reference::rms_norm_backward_weight(g.x, m.inverse, g.dy, m.dweight);
  }
  return m;
}

template <class T>
bool same(const made<T>& a, const made<T>& b) {
  return test::same_bits(a.y, b.y) && test::same_bits(a.added, b.added) && test::same_bits(a.s, b.s) && test::same_bits(a.dx, b.dx) &&
         test::same_bits(a.inverse, b.inverse) && test::same_bits(a.dweight, b.dweight);
}

}  // namespace

TEST_CASE("rms_norm is as near to the truth as plain loops") {
  test::each_type([](auto of) {
    using T = decltype(of);
    for (const shape<2>& s : test::row_shapes) {
      const given<T> g(s);
      const given<double> exact = g.template in<double>();
      for (int kind = 0; kind < 3; ++kind) {  // weights, weights less one, none
        const double offset = kind == 1 ? 1 : 0;
        const made<T> plain = run(g, kind < 2, offset, kind > 0);
        const made<double> truth = run(exact, kind < 2, offset, kind > 0);
        for (host::isa level : test::levels()) {
          host::queue q({.most = level});
          const made<T> got = run(g, kind < 2, offset, kind > 0, q);
          INFO(host::isa_name(level) << ", " << s[0] << " by " << s[1] << ", " << sizeof(T) << " bytes, kind " << kind);
          CHECK(test::near_truth(got.y, plain.y, truth.y));
          CHECK(test::near_truth(got.inverse, plain.inverse, truth.inverse));
          CHECK(test::same_bits(got.s, plain.s));
          CHECK(test::near_truth(got.added, plain.added, truth.added));
          CHECK(test::near_truth(got.dx, plain.dx, truth.dx));
          CHECK(test::near_truth(got.dweight, plain.dweight, truth.dweight));
        }
      }
    }
  });
}

TEST_CASE("rms_norm gives the same bits with any number of threads, and of double those of plain loops") {
  const given<bf16> g(shape<2>{{37, 1031}});
  for (host::isa level : test::levels()) {
    host::queue one({.most = level}), two({.threads = 2, .most = level}), three({.threads = 3, .most = level});
    const made<bf16> first = run(g, true, 0, true, one);
    CHECK(same(first, run(g, true, 0, true, two)));
    CHECK(same(first, run(g, true, 0, true, three)));
  }
  const given<double> exact(shape<2>{{3, 17}});
  host::queue q;
  CHECK(same(run(exact, true, 1, true), run(exact, true, 1, true, q)));
}

TEST_CASE("A row of rms_norm doesn't hang on where it stands, nor on whether it goes past the cache") {
  const auto check = [](auto of, std::int64_t rows, std::int64_t n) {
    using T = decltype(of);
    const given<T> g(shape<2>{{rows, n}});
    const test::framed<T> x(g.x), dy(g.dy), ds(g.ds);
    for (host::isa level : test::streaming_levels()) {
      host::queue q({.most = level});
      const made<T> all = run(g, true, 0, true, q);
      test::framed<T> y(g.x.extents()), s(g.x.extents()), dx(g.x.extents());
      tensor<float, 1> inverse(shape<1>{{rows}});
      host::add_rms_norm(q, x.inner, ds.inner, g.weight, s.inner, y.inner);
      host::rms_norm(q, x.inner, g.weight, y.inner, inverse, {.epsilon = 1e-3});
      host::rms_norm_backward_input(q, x.inner, g.weight, inverse, dy.inner, dx.inner, {.residual_gradient = ds.inner});
      CHECK(test::same_bits(all.y, y.copy()));
      CHECK(test::same_bits(all.dx, dx.copy()));
      CHECK((y.kept() && s.kept() && dx.kept()));
      tensor<float, 1> weights(all.dweight.extents());
      for (float& w : weights) w = 3;
      host::rms_norm_backward_weight(q, x.inner, inverse, dy.inner, weights);
      CHECK(test::same_bits(all.dweight, weights));
      for (std::int64_t t : {std::int64_t{0}, rows / 2, rows - 1}) {
        tensor<T, 2> row({1, n}), back({1, n}), sum({1, n});
        host::rms_norm(q, g.x.rows(t, 1), g.weight, row, {}, {.epsilon = 1e-3});
        CHECK(std::memcmp(row.data(), all.y.row(t), static_cast<unsigned long>(n) * sizeof(T)) == 0);
        host::rms_norm_backward_input(q, g.x.rows(t, 1), g.weight, inverse.part(0, t, 1), g.dy.rows(t, 1), back, {.residual_gradient = g.ds.rows(t, 1)});
        CHECK(std::memcmp(back.data(), all.dx.row(t), static_cast<unsigned long>(n) * sizeof(T)) == 0);
        host::add_rms_norm(q, g.x.rows(t, 1), g.residual.rows(t, 1), g.weight, sum, row, {}, {.epsilon = 1e-3});
        CHECK(std::memcmp(sum.data(), all.s.row(t), static_cast<unsigned long>(n) * sizeof(T)) == 0);
        CHECK(std::memcmp(row.data(), all.added.row(t), static_cast<unsigned long>(n) * sizeof(T)) == 0);
      }
    }
  };
  check(float{}, 1031, 1031);
  check(bf16{}, 2063, 1031);
  check(fp16{}, 61, 77);
}

TEST_CASE("rms_norm may overwrite what it reads") {
  const given<bf16> g(shape<2>{{5, 77}});
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    const made<bf16> apart = run(g, true, 0, true, q);
    given<bf16> h = g;
    tensor<bf16, 2> y(g.x.extents());
    host::rms_norm_backward_input(q, h.x, h.weight, apart.inverse, h.dy, h.dy, {.residual_gradient = h.ds});
    CHECK(test::same_bits(h.dy, apart.dx));
    host::rms_norm_backward_input(q, h.x, h.weight, apart.inverse, g.dy, h.ds, {.residual_gradient = h.ds});
    CHECK(test::same_bits(h.ds, apart.dx));
    host::add_rms_norm(q, h.x, h.residual, h.weight, h.residual, y, {}, {.epsilon = 1e-3});
    CHECK(test::same_bits(h.residual, apart.s));
    CHECK(test::same_bits(y, apart.added));
    host::rms_norm(q, h.x, h.weight, h.x, {}, {.epsilon = 1e-3});
    CHECK(test::same_bits(h.x, apart.y));
  }
}

TEST_CASE("What is no number and what is infinite goes through rms_norm as through plain loops") {
  test::each_type([](auto of) {
    using T = decltype(of);
    given<T> g(shape<2>{{4, 37}});
    g.x(1, 36) = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
    g.x(2, 5) = static_cast<T>(-std::numeric_limits<float>::infinity());
    g.dy(3, 0) = static_cast<T>(std::numeric_limits<float>::infinity());
    const made<T> plain = run(g, true, 0, false);
    for (host::isa level : test::levels()) {
      host::queue q({.most = level});
      const made<T> got = run(g, true, 0, false, q);
      CHECK((test::alike(got.y, plain.y) && test::alike(got.dx, plain.dx) && test::alike(got.inverse, plain.inverse) && test::alike(got.dweight, plain.dweight)));
    }
  });
}

TEST_CASE("rms_norm says what doesn't fit") {
  host::queue q, little({.scratch_bytes = 4096});
  const tensor<float, 2> x({3, 8}), other({3, 7});
  const tensor<float, 1> w({8}), seven({7});
  tensor<float, 1> three({3}), dw({8});
  CHECK_THROWS_WITH(host::rms_norm(q, x, w, other), "stretto: rms_norm of 3 rows and 8 columns can't take y of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::rms_norm(q, x, seven, x), "stretto: rms_norm with 8 columns can't take a weight of 7 numbers; give one a column");
  CHECK_THROWS_WITH(host::rms_norm(q, x, w, x, seven), "stretto: rms_norm with 3 rows can't take inverse of 7 numbers; give one a row");
  CHECK_THROWS_WITH(host::add_rms_norm(q, x, other, w, x, x), "stretto: add_rms_norm of 3 rows and 8 columns can't take a residual of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::add_rms_norm(q, x, x, w, other, x), "stretto: add_rms_norm of 3 rows and 8 columns can't take s of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::rms_norm_backward_input(q, x, w, {}, x, x), "stretto: rms_norm_backward_input with 3 rows can't take inverse of 0 numbers; give one a row");
  CHECK_THROWS_WITH(host::rms_norm_backward_input(q, x, w, three, other, x), "stretto: rms_norm_backward_input of 3 rows and 8 columns can't take dy of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::rms_norm_backward_input(q, x, w, three, x, other), "stretto: rms_norm_backward_input of 3 rows and 8 columns can't take dx of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::rms_norm_backward_input(q, x, w, three, x, x, {.residual_gradient = other}),
                    "stretto: rms_norm_backward_input of 3 rows and 8 columns can't take a residual gradient of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::rms_norm_backward_weight(q, x, three, other, dw), "stretto: rms_norm_backward_weight of 3 rows and 8 columns can't take dy of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::rms_norm_backward_weight(q, x, three, x, {}), "stretto: rms_norm_backward_weight with 8 columns can't take dweight of 0 numbers; give one a column");
  const tensor<float, 2> wide({1, 2000});
  CHECK_THROWS_WITH(host::rms_norm(little, wide, {}, wide),
                    "stretto: rms_norm needs 16000 bytes of scratch memory for each thread, and the queue has 4096; make it with scratch_bytes = 16000");
}
