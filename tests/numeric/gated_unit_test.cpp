// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/gated_unit.hpp>

#include "host/bounds.hpp"
#include "numeric/differences.hpp"

using namespace stretto;
using Catch::Approx;

TEST_CASE("gradients of gated units are what differences say") {
  for (activation kind : {activation::silu, activation::gelu, activation::gelu_tanh, activation::relu, activation::logistic}) {
    INFO(activation_name(kind));
    const shape<2> s{{3, 7}};
    tensor<double, 2> gate = test::numbers<double>(s, 1, -3, 3), up = test::numbers<double>(s, 2, -3, 3), h(s), dgate(s), dup(s);
    const tensor<double, 2> dh = test::numbers<double>(s, 3);
    reference::gated_unit_backward(gate, up, dh, dgate, dup, kind);
    const auto loss = [&] {
      reference::gated_unit(gate, up, h, kind);
      return test::weighted(h, dh);
    };
    test::check_gradient<2>(gate, dgate, loss);
    test::check_gradient<2>(up, dup, loss);
  }
}

TEST_CASE("a gated unit by hand") {
  tensor<double, 2> gate({1, 2}), up({1, 2}), h({1, 2});
  gate(0, 0) = 1, gate(0, 1) = -2, up(0, 0) = 3, up(0, 1) = 5;
  reference::gated_unit(gate, up, h);
  CHECK(h(0, 0) == Approx(3 * 0.7310585786300049));
  CHECK(h(0, 1) == Approx(-10 * 0.11920292202211755));
}
