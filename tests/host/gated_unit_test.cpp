// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/gated_unit.hpp>

#include "host/elementwise.hpp"

using namespace stretto;

TEST_CASE("gated units are near the truth on every set of instructions") {
  for (activation kind : {activation::silu, activation::gelu, activation::gelu_tanh}) {
    INFO(activation_name(kind));
    test::hold_elementwise<2, 1>([=](auto& q, const auto& in, const auto& out) { host::gated_unit(q, in[0], in[1], out[0], kind); },
                                 [=](const auto& in, const auto& out) { reference::gated_unit(in[0], in[1], out[0], kind); });
    test::hold_elementwise<3, 2>([=](auto& q, const auto& in, const auto& out) { host::gated_unit_backward(q, in[0], in[1], in[2], out[0], out[1], kind); },
                                 [=](const auto& in, const auto& out) { reference::gated_unit_backward(in[0], in[1], in[2], out[0], out[1], kind); });
  }
}

TEST_CASE("gated units of many numbers have the bits of parts of them") {
  const auto fast = [](auto& q, const auto& in, const auto& out) { host::gated_unit_backward(q, in[0], in[1], in[2], out[0], out[1]); };
  const auto plain = [](const auto& in, const auto& out) { reference::gated_unit_backward(in[0], in[1], in[2], out[0], out[1]); };
  test::hold_elementwise_in_parts<float, 3, 2>(fast, plain);
  test::hold_elementwise_in_parts<bf16, 3, 2>(fast, plain);
}

TEST_CASE("gradients of a gated unit may stand where its numbers were, in halves of one matrix") {
  test::each_type([](auto t) {
    using T = decltype(t);
    const std::int64_t width = 77;
    tensor<T, 2> both = test::numbers<T>(shape<2>{{5, 2 * width}}, 1), dh = test::numbers<T>(shape<2>{{5, width}}, 2), dgate({5, width}), dup({5, width});
    const auto gate = both.columns(0, width), up = both.columns(width, width);
    for (host::isa level : test::levels()) {
      host::queue q({.most = level});
      tensor<T, 2> here = both;
      const auto gate_here = here.columns(0, width), up_here = here.columns(width, width);
      host::gated_unit_backward(q, gate, up, dh, dgate, dup);
      host::gated_unit_backward(q, gate_here, up_here, dh, gate_here, up_here);
      for (int i = 0; i < 5; ++i)
        for (int j = 0; j < width; ++j) {
          CHECK(static_cast<float>(gate_here(i, j)) == static_cast<float>(dgate(i, j)));
          CHECK(static_cast<float>(up_here(i, j)) == static_cast<float>(dup(i, j)));
        }
    }
  });
}

TEST_CASE("gated units of double are the plain loops") {
  host::queue q;
  const shape<2> s{{3, 5}};
  const tensor<double, 2> gate = test::numbers<double>(s, 1), up = test::numbers<double>(s, 2), dh = test::numbers<double>(s, 3);
  tensor<double, 2> a(s), b(s), c(s), d(s);
  host::gated_unit(q, gate, up, a);
  reference::gated_unit(gate, up, b);
  CHECK(test::same_bits(a, b));
  host::gated_unit_backward(q, gate, up, dh, a, c);
  reference::gated_unit_backward(gate, up, dh, b, d);
  CHECK(test::same_bits(a, b));
  CHECK(test::same_bits(c, d));
}

TEST_CASE("gated units of matrices that differ are refused") {
  host::queue q;
  tensor<float, 2> x({2, 3}), y({2, 4});
  CHECK_THROWS_WITH(host::gated_unit(q, x, y, y), "stretto: gated_unit takes matrices of one shape, and was given (2, 3) and (2, 4); make them alike");
  CHECK_THROWS_WITH(host::gated_unit_backward(q, x, x, x, x, y), "stretto: gated_unit_backward takes matrices of one shape, and was given (2, 4) and (2, 3); make them alike");
}
