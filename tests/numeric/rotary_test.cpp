// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/rotary.hpp>

#include "host/bounds.hpp"
#include "numeric/differences.hpp"

using namespace stretto;
using Catch::Approx;

namespace {

tensor<std::int32_t, 1> places(std::initializer_list<int> at) {
  tensor<std::int32_t, 1> t({static_cast<std::int64_t>(at.size())});
  std::int64_t i = 0;
  for (int p : at) t[i++] = p;
  return t;
}

}  // namespace

TEST_CASE("gradients of rotary embedding are what differences say") {
  for (rotary_pairs pairs : {rotary_pairs::halves, rotary_pairs::neighbours}) {
    const rotary_table<double> table(20, 6, {.theta = 100, .pairs = pairs});
    const shape<3> s{{3, 2, 8}};
    const auto positions = places({0, 7, 19});
    tensor<double, 3> x = test::numbers<double>(s, 1), y(s), dx(s);
    const tensor<double, 3> dy = test::numbers<double>(s, 2);
    reference::rotary_backward(dy, positions, table, dx);
    test::check_gradient<3>(x, dx, [&] {
      reference::rotary(x, positions, table, y);
      return test::weighted(y, dy);
    });
  }
}

TEST_CASE("products of turned heads hang on how far they are apart") {
  for (rotary_pairs pairs : {rotary_pairs::halves, rotary_pairs::neighbours}) {
    const rotary_table<double> table(1000, 16, {.pairs = pairs});
    const tensor<double, 3> one = test::numbers<double>(shape<3>{{1, 2, 16}}, 1);
    tensor<double, 3> x({3, 2, 16}), y(x.extents());
    for (int t = 0; t < 3; ++t)
      for (int i = 0; i < 32; ++i) x.data()[t * 32 + i] = one.data()[i];
    const auto product = [&](int p, int q) {
      reference::rotary(x, places({p, q, 0}), table, y);
      double s = 0;
      for (int i = 0; i < 16; ++i) s += y(0, 0, i) * y(1, 1, i);
      return s;
    };
    CHECK(product(5, 2) == Approx(product(903, 900)));
    CHECK(product(5, 2) != Approx(product(5, 3)));
  }
}

TEST_CASE("rotary embedding by hand, in both conventions") {
  // Two pairs: angles p and p / sqrt(theta) = p / 10.
  const double c1 = std::cos(3.0), s1 = std::sin(3.0), c2 = std::cos(0.3), s2 = std::sin(0.3);
  const tensor<double, 3> x = test::numbers<double>(shape<3>{{1, 1, 5}}, 1);
  tensor<double, 3> y(x.extents());
  const double* const v = x.data();
  reference::rotary(x, places({3}), rotary_table<double>(4, 4, {.theta = 100}), y);
  CHECK(y(0, 0, 0) == Approx(v[0] * c1 - v[2] * s1));
  CHECK(y(0, 0, 1) == Approx(v[1] * c2 - v[3] * s2));
  CHECK(y(0, 0, 2) == Approx(v[2] * c1 + v[0] * s1));
  CHECK(y(0, 0, 3) == Approx(v[3] * c2 + v[1] * s2));
  CHECK(y(0, 0, 4) == v[4]);
  reference::rotary(x, places({3}), rotary_table<double>(4, 4, {.theta = 100, .pairs = rotary_pairs::neighbours}), y);
  CHECK(y(0, 0, 0) == Approx(v[0] * c1 - v[1] * s1));
  CHECK(y(0, 0, 1) == Approx(v[1] * c1 + v[0] * s1));
  CHECK(y(0, 0, 2) == Approx(v[2] * c2 - v[3] * s2));
  CHECK(y(0, 0, 3) == Approx(v[3] * c2 + v[2] * s2));
}

TEST_CASE("scaling divides positions") {
  const rotary_table<double> plain(10, 8), scaled(40, 8, {.scaling = 4});
  for (int i = 0; i < 8; ++i) CHECK(scaled.row(36)[i] == plain.row(9)[i]);
}

TEST_CASE("backward undoes forward, in place") {
  const rotary_table<double> table(50, 8);
  tensor<double, 3> x = test::numbers<double>(shape<3>{{2, 3, 8}}, 1);
  const tensor<double, 3> before = x;
  const auto positions = places({13, 49});
  reference::rotary(x, positions, table, x);
  CHECK(!test::same_bits(x, before));
  reference::rotary_backward(x, positions, table, x);
  for (std::int64_t i = 0; i < x.size(); ++i) CHECK(x.data()[i] == Approx(before.data()[i]));
}

TEST_CASE("rotary tables that can't be are refused") {
  CHECK_THROWS_WITH(rotary_table<float>(0, 8), "stretto: a rotary table can't have 0 positions; give 1 or more");
  CHECK_THROWS_WITH(rotary_table<float>(8, 7), "stretto: rotary embedding turns pairs, not 7 numbers of a head; give an even number of 2 or more");
  CHECK_THROWS_WITH(rotary_table<float>(8, 8, {.theta = 0}), "stretto: a rotary table's theta and scaling are more than 0; correct them");
  CHECK_THROWS_WITH(rotary_table<float>(8, 8, {.scaling = -1}), "stretto: a rotary table's theta and scaling are more than 0; correct them");
  tensor<float, 2> m({2, 10});
  CHECK_THROWS_WITH(by_heads(m, 3), "stretto: 10 columns can't be shared by 3 heads evenly; correct the number of heads");
  CHECK(by_heads(m, 5).extents() == shape<3>{{2, 5, 2}});
}
