// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <limits>

#include <stretto/host/softmax.hpp>

#include "catch.hpp"
#include "rows.hpp"

using namespace stretto;

namespace {

const softmax_options kinds[] = {{}, {.scale = 0.35}, {.scale = -1}, {.scale = 1.5, .log = true}};

template <class T>
struct given {
  tensor<T, 2> x, y, dy;

  explicit given(const shape<2>& s) : x(test::row_numbers<T>(s, 1, -6, 6)), y(test::row_numbers<T>(s, 2, 0, 0.2)), dy(test::row_numbers<T>(s, 3)) {}
  template <class U>
  given<U> in() const {
    given<U> g(shape<2>{{0, 0}});
    g.x = test::as<U>(x), g.y = test::as<U>(y), g.dy = test::as<U>(dy);
    return g;
  }
};

template <class T>
struct made {
  tensor<T, 2> y, dx;
  tensor<computes_in<T>, 1> lse;
};

/// Forward, and backward from other numbers; on a queue, or as plain loops.
template <class T, class... Queue>
made<T> run(const given<T>& g, const softmax_options& o, Queue&... queue) {
  made<T> m{tensor<T, 2>(g.x.extents()), tensor<T, 2>(g.x.extents()), tensor<computes_in<T>, 1>(shape<1>{{g.x.rows()}})};
  if constexpr (sizeof...(queue) > 0) {
    host::softmax(queue..., g.x, m.y, m.lse, o);
    host::softmax_backward(queue..., g.y, g.dy, m.dx, o);
  } else {
    reference::softmax(g.x, m.y, m.lse, o);
    reference::softmax_backward(g.y, g.dy, m.dx, o);
  }
  return m;
}

template <class T>
bool same(const made<T>& a, const made<T>& b) {
  return test::same_bits(a.y, b.y) && test::same_bits(a.dx, b.dx) && test::same_bits(a.lse, b.lse);
}

}  // namespace

TEST_CASE("softmax is as near to the truth as plain loops") {
  test::each_type([](auto of) {
    using T = decltype(of);
    for (const shape<2>& s : test::row_shapes) {
      if (s[1] == 0) continue;  // nothing has no largest number
      const given<T> g(s);
      const given<double> exact = g.template in<double>();
      for (const softmax_options& o : kinds) {
        const made<T> plain = run(g, o);
        const made<double> truth = run(exact, o);
        for (host::isa level : test::levels()) {
          host::queue q({.most = level});
          const made<T> got = run(g, o, q);
          INFO(host::isa_name(level) << ", " << s[0] << " by " << s[1] << ", " << sizeof(T) << " bytes, scale " << o.scale << (o.log ? ", log" : ""));
          CHECK(test::near_truth(got.y, plain.y, truth.y));
          CHECK(test::near_truth(got.lse, plain.lse, truth.lse));
          CHECK(test::near_truth(got.dx, plain.dx, truth.dx));
        }
      }
    }
  });
}

TEST_CASE("Probabilities of softmax far below the largest are right, too") {
  tensor<float, 2> x({1, 100}), y({1, 100});
  for (std::int64_t i = 0; i < 100; ++i) x(0, i) = static_cast<float>(-i);
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    host::softmax(q, x, y);
    double all = 0;
    for (std::int64_t i = 0; i < 100; ++i) all += std::exp(static_cast<double>(-i));
    for (std::int64_t i = 0; i < 86; ++i) CHECK(static_cast<double>(y(0, i)) * all / std::exp(static_cast<double>(-i)) == Catch::Approx(1).epsilon(6e-7));
  }
}

TEST_CASE("The largest number of softmax may be anywhere") {
  test::each_type([](auto of) {
    using T = decltype(of);
    tensor<T, 2> x({1, 77}), y({1, 77});
    for (host::isa level : test::levels()) {
      host::queue q({.most = level});
      for (std::int64_t at = 0; at < 77; ++at) {
        x(0, at) = static_cast<T>(200.0f);
        host::softmax(q, x, y);
        CHECK(static_cast<float>(y(0, at)) == 1);
        x(0, at) = static_cast<T>(0.0f);
      }
    }
  });
}

TEST_CASE("softmax gives the same bits with any number of threads, and of double those of plain loops") {
  const given<bf16> g(shape<2>{{37, 1031}});
  for (host::isa level : test::levels())
    for (bool log : {false, true}) {
      host::queue one({.most = level}), two({.threads = 2, .most = level}), three({.threads = 3, .most = level});
      const made<bf16> first = run(g, {.log = log}, one);
      CHECK(same(first, run(g, {.log = log}, two)));
      CHECK(same(first, run(g, {.log = log}, three)));
    }
  const given<double> exact(shape<2>{{3, 17}});
  host::queue q;
  CHECK(same(run(exact, {.scale = 2}), run(exact, {.scale = 2}, q)));
}

TEST_CASE("A row of softmax doesn't hang on where it stands, nor on whether it goes past the cache") {
  const auto check = [](auto of, std::int64_t rows, std::int64_t n, const softmax_options& o) {
    using T = decltype(of);
    const given<T> g(shape<2>{{rows, n}});
    const test::framed<T> x(g.x), before(g.y), dy(g.dy);
    for (host::isa level : test::streaming_levels()) {
      host::queue q({.most = level});
      const made<T> all = run(g, o, q);
      test::framed<T> y(g.x.extents()), dx(g.x.extents());
      host::softmax(q, x.inner, y.inner, {}, o);
      host::softmax_backward(q, before.inner, dy.inner, dx.inner, o);
      CHECK((test::same_bits(all.y, y.copy()) && test::same_bits(all.dx, dx.copy()) && y.kept() && dx.kept()));
      for (std::int64_t t : {std::int64_t{0}, rows / 2, rows - 1}) {
        tensor<T, 2> row({1, n}), back({1, n});
        host::softmax(q, g.x.rows(t, 1), row, {}, o);
        host::softmax_backward(q, g.y.rows(t, 1), g.dy.rows(t, 1), back, o);
        CHECK(std::memcmp(row.data(), all.y.row(t), static_cast<unsigned long>(n) * sizeof(T)) == 0);
        CHECK(std::memcmp(back.data(), all.dx.row(t), static_cast<unsigned long>(n) * sizeof(T)) == 0);
      }
    }
  };
  check(float{}, 1031, 1031, {.scale = 0.5});
  check(bf16{}, 2063, 1031, {.scale = 0.5});
  check(fp16{}, 61, 77, {.log = true});
}

TEST_CASE("softmax may overwrite what it reads") {
  const given<bf16> g(shape<2>{{5, 77}});
  for (host::isa level : test::levels())
    for (bool log : {false, true}) {
      host::queue q({.most = level});
      const softmax_options o{.log = log};
      const made<bf16> apart = run(g, o, q);
      given<bf16> h = g;
      host::softmax(q, h.x, h.x, {}, o);
      CHECK(test::same_bits(h.x, apart.y));
      host::softmax_backward(q, h.y, h.dy, h.dy, o);
      CHECK(test::same_bits(h.dy, apart.dx));
      host::softmax_backward(q, h.y, g.dy, h.y, o);
      CHECK(test::same_bits(h.y, apart.dx));
    }
}

TEST_CASE("What is no number and what is infinite goes through softmax as through plain loops") {
  test::each_type([](auto of) {
    using T = decltype(of);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    given<T> g(shape<2>{{6, 37}});
    g.x(1, 36) = g.y(1, 36) = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
    g.x(2, 5) = g.y(2, 5) = static_cast<T>(-infinity);
    g.x(3, 5) = static_cast<T>(infinity);
    g.dy(5, 0) = static_cast<T>(infinity);
    for (std::int64_t i = 0; i < 37; ++i) g.x(4, i) = static_cast<T>(-infinity);
    for (bool log : {false, true}) {
      const made<T> plain = run(g, {.log = log});
      for (host::isa level : test::levels()) {
        host::queue q({.most = level});
        const made<T> got = run(g, {.log = log}, q);
        CHECK((test::alike(got.y, plain.y) && test::alike(got.dx, plain.dx) && test::alike(got.lse, plain.lse)));
        CHECK(static_cast<float>(got.y(2, 5)) == static_cast<float>(plain.y(2, 5)));
      }
    }
  });
}

TEST_CASE("softmax says what doesn't fit") {
  host::queue q, little({.scratch_bytes = 4096});
  const tensor<float, 2> x({3, 8}), other({3, 7}), wide({1, 2000});
  const tensor<float, 1> seven({7});
  CHECK_THROWS_WITH(host::softmax(q, x, other), "stretto: softmax of 3 rows and 8 columns can't take y of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::softmax(q, x, x, seven), "stretto: softmax with 3 rows can't take lse of 7 numbers; give one a row");
  CHECK_THROWS_WITH(host::softmax_backward(q, x, other, x), "stretto: softmax_backward of 3 rows and 8 columns can't take dy of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::softmax_backward(q, x, x, other), "stretto: softmax_backward of 3 rows and 8 columns can't take dx of shape (3, 7); give it the same shape");
  CHECK_THROWS_WITH(host::softmax(little, wide, wide), "stretto: softmax needs 8000 bytes of scratch memory for each thread, and the queue has 4096; make it with scratch_bytes = 8000");
}
