// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/add.hpp>

#include "host/elementwise.hpp"

using namespace stretto;

TEST_CASE("sums of matrices are near the truth on every set of instructions") {
  const auto fast = [](auto& q, const auto& in, const auto& out) { host::add(q, in[0], in[1], out[0]); };
  const auto plain = [](const auto& in, const auto& out) { reference::add(in[0], in[1], out[0]); };
  test::hold_elementwise<2, 1>(fast, plain);
  test::hold_elementwise_in_parts<fp16, 2, 1>(fast, plain);
}

TEST_CASE("sums with a bias are near the truth on every set of instructions") {
  test::each_type([](auto t) {
    using T = decltype(t);
    for (const shape<2>& s : {shape<2>{{0, 5}}, shape<2>{{3, 0}}, shape<2>{{1, 1}}, shape<2>{{3, 67}}, shape<2>{{2, 4211}}}) {
      const tensor<T, 2> x = test::numbers<T>(s, 1), all = test::numbers<T>(shape<2>{{1, s[1] + 1}}, 2);
      const auto bias = all.columns(1, s[1])[0];
      tensor<T, 2> loops(s);
      reference::add_bias(x, bias, loops);
      for (host::isa level : test::levels())
        for (int threads = 1; threads <= 3; ++threads) {
          INFO(host::isa_name(level) << " " << element_name(element_traits<T>::type) << " " << s.words().c_str());
          host::queue q({.threads = threads, .most = level, .scratch_bytes = 0});
          tensor<T, 2> y(s), here = x;
          host::add_bias(q, x, bias, y);
          CHECK(test::same_bits(y, loops));  // one rounding, whatever the order
          host::add_bias(q, here, bias, here);
          CHECK(test::same_bits(here, loops));
        }
    }
  });
}

TEST_CASE("gradients of a bias are summed row by row onto what is there") {
  test::each_type([](auto t) {
    using T = decltype(t);
    for (const shape<2>& s : {shape<2>{{0, 5}}, shape<2>{{3, 0}}, shape<2>{{1, 1}}, shape<2>{{17, 67}}, shape<2>{{9, 515}}, shape<2>{{2050, 7}}}) {
      const tensor<T, 2> all = test::numbers<T>(shape<2>{{s[0], s[1] + 3}}, 1);
      const auto dy = all.columns(1, s[1]);
      tensor<float, 1> loops = test::numbers<float>(shape<1>{{s[1]}}, 2);
      const tensor<float, 1> before = loops;
      reference::bias_gradient(dy, loops);
      for (host::isa level : test::levels())
        for (int threads = 1; threads <= 3; ++threads) {
          INFO(host::isa_name(level) << " " << element_name(element_traits<T>::type) << " " << s.words().c_str());
          host::queue q({.threads = threads, .most = level, .scratch_bytes = 0});
          tensor<float, 1> dbias = before;
          host::bias_gradient(q, dy, dbias);
          CHECK(test::same_bits(dbias, loops));
          dbias = before;  // in two calls
          host::bias_gradient(q, dy.rows(0, s[0] / 3), dbias);
          host::bias_gradient(q, dy.rows(s[0] / 3, s[0] - s[0] / 3), dbias);
          CHECK(test::same_bits(dbias, loops));
        }
    }
  });
}

TEST_CASE("sums of double are the plain loops") {
  host::queue q;
  const tensor<double, 2> x = test::numbers<double>(shape<2>{{3, 5}}, 1), r = test::numbers<double>(shape<2>{{3, 5}}, 2);
  const tensor<double, 1> bias = test::numbers<double>(shape<1>{{5}}, 3);
  tensor<double, 2> a({3, 5}), b({3, 5});
  tensor<double, 1> da({5}), db({5});
  host::add(q, x, r, a);
  reference::add(x, r, b);
  CHECK(test::same_bits(a, b));
  host::add_bias(q, x, bias, a);
  reference::add_bias(x, bias, b);
  CHECK(test::same_bits(a, b));
  host::bias_gradient(q, x, da);
  reference::bias_gradient(x, db);
  CHECK(test::same_bits(da, db));
}

TEST_CASE("sums of what differs in shape are refused") {
  host::queue q;
  tensor<float, 2> x({2, 3}), y({2, 4});
  tensor<float, 1> bias({4});
  CHECK_THROWS_WITH(host::add(q, x, y, x), "stretto: add takes matrices of one shape, and was given (2, 4) and (2, 3); make them alike");
  CHECK_THROWS_WITH(host::add_bias(q, x, bias, x), "stretto: add_bias with 3 columns can't take bias of 4 numbers; give one a column");
  CHECK_THROWS_WITH(host::bias_gradient(q, x, bias), "stretto: bias_gradient with 3 columns can't take dbias of 4 numbers; give one a column");
}
