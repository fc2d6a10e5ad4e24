// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/activation.hpp>

#include "host/elementwise.hpp"

using namespace stretto;

TEST_CASE("activations are near the truth on every set of instructions") {
  for (int k = 0; k < activations; ++k) {
    const auto kind = static_cast<activation>(k);
    INFO(activation_name(kind));
    test::hold_elementwise<1, 1>([=](auto& q, const auto& in, const auto& out) { host::activate(q, in[0], out[0], kind); },
                                 [=](const auto& in, const auto& out) { reference::activate(in[0], out[0], kind); }, -6, 6);
  }
}

TEST_CASE("gradients of activations are near the truth on every set of instructions") {
  for (int k = 0; k < activations; ++k) {
    const auto kind = static_cast<activation>(k);
    INFO(activation_name(kind));
    test::hold_elementwise<2, 1>([=](auto& q, const auto& in, const auto& out) { host::activate_backward(q, in[0], in[1], out[0], kind); },
                                 [=](const auto& in, const auto& out) { reference::activate_backward(in[0], in[1], out[0], kind); }, -6, 6);
  }
}

TEST_CASE("activations of many numbers have the bits of parts of them") {
  const auto fast = [](auto& q, const auto& in, const auto& out) { host::activate(q, in[0], out[0], activation::silu); };
  const auto plain = [](const auto& in, const auto& out) { reference::activate(in[0], out[0], activation::silu); };
  test::hold_elementwise_in_parts<float, 1, 1>(fast, plain);
  test::hold_elementwise_in_parts<bf16, 1, 1>(fast, plain);
}

TEST_CASE("activations keep the small numbers of their tails") {
  // In a sum with 1 they would be lost: each is compared with the truth by itself.
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    const tensor<float, 2> x = test::numbers<float>(shape<2>{{1, 999}}, 3, -12, -4);
    tensor<float, 2> y({1, 999}), s({1, 999});
    const tensor<float, 2> ones = test::numbers<float>(shape<2>{{1, 999}}, 3, 1, 1);
    for (activation kind : {activation::gelu, activation::gelu_tanh, activation::silu, activation::logistic}) {
      INFO(host::isa_name(level) << " " << activation_name(kind));
      host::activate(q, x, y, kind);
      host::activate_backward(q, x, ones, s, kind);
      double worst = 0, worst_slope = 0;
      for (std::int64_t i = 0; i < 999; ++i) {
        const double at = static_cast<double>(x.data()[i]), root = std::sqrt(2 / 3.14159265358979323846);
        const double z = root * (at + 0.044715 * at * at * at), l = 1 / (1 + std::exp(-at)), lz = 1 / (1 + std::exp(-2 * z)), p = 0.5 * std::erfc(-at * std::sqrt(0.5));
        double truth = at * p, slope = p + at * std::exp(-at * at / 2) / std::sqrt(2 * 3.14159265358979323846);
        if (kind == activation::gelu_tanh) truth = at * lz, slope = lz + at * lz * (1 - lz) * 2 * root * (1 + 3 * 0.044715 * at * at);
        if (kind == activation::silu) truth = at * l, slope = l + at * l * (1 - l);
        if (kind == activation::logistic) truth = l, slope = l * (1 - l);
        if (std::abs(truth) < 1e-25) continue;
        worst = std::max(worst, std::abs(static_cast<double>(y.data()[i]) / truth - 1));
        worst_slope = std::max(worst_slope, std::abs(static_cast<double>(s.data()[i]) / slope - 1));
      }
      CHECK(worst < 3e-5);
      CHECK(worst_slope < 3e-5);
    }
  }
}

TEST_CASE("activations have their limits however far") {
  const float most = std::numeric_limits<float>::max(), inf = std::numeric_limits<float>::infinity();

  float kept[8] = {1e4f, 1e20f, most, inf, -1e4f, -1e20f, -most, -inf};
  const tensor_view<const float, 2> far_out(kept, {{1, 8}});
  tensor<float, 2> y({1, 8}), ones = test::numbers<float>(shape<2>{{1, 8}}, 1, 1, 1);
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    for (activation kind : {activation::relu, activation::gelu, activation::gelu_tanh, activation::silu, activation::tanh, activation::logistic}) {
      INFO(host::isa_name(level) << " " << activation_name(kind));
      const bool bounded = kind == activation::tanh || kind == activation::logistic;
      host::activate(q, far_out, y, kind);
      for (int i = 0; i < 4; ++i) CHECK(y(0, i) == (bounded ? 1.0f : kept[i]));
      for (int i = 4; i < 7; ++i) CHECK(std::abs(y(0, i) - (kind == activation::tanh ? -1.0f : 0.0f)) < 1e-37f);
      host::activate_backward(q, far_out, ones, y, kind);
      for (int i = 0; i < 8; ++i) CHECK(std::abs(y(0, i) - (i < 4 && !bounded ? 1.0f : 0.0f)) < 1e-30f);
    }
  }
}

TEST_CASE("activations are numbers where their exponential comes to the end of float") {
  tensor<float, 2> x({1, 4096}), y({1, 4096}), s({1, 4096});
  const tensor<float, 2> ones = test::numbers<float>(shape<2>{{1, 4096}}, 1, 1, 1);
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    for (activation kind : {activation::gelu, activation::gelu_tanh, activation::silu, activation::tanh, activation::logistic})
      for (const float to : {-86.0f, -42.0f, -12.5f, -9.5f}) {  // exp(-x), exp(-2 x), exp(x^2 / 2), exp of gelu_tanh's polynomial
        INFO(host::isa_name(level) << " " << activation_name(kind) << " below " << to);
        for (int i = 0; i < 4096; ++i) x(0, i) = to - static_cast<float>(i) / 1024;
        host::activate(q, x, y, kind);
        host::activate_backward(q, x, ones, s, kind);
        double worst = 0, worst_slope = 0;
        for (int i = 0; i < 4096; ++i) {
          const auto at = static_cast<double>(x(0, i));
          const auto off = [](float v, double truth) { return std::isfinite(v) ? std::abs(static_cast<double>(v) - truth) : 1e9; };
          worst = std::max(worst, off(y(0, i), reference::activated(kind, at)));
          worst_slope = std::max(worst_slope, off(s(0, i), reference::activation_slope(kind, at)));
        }
        CHECK(worst < 1e-7);
        CHECK(worst_slope < 1e-7);
      }
  }
}

TEST_CASE("activations may be done in place") {
  host::queue q;
  tensor<float, 2> x = test::numbers<float>(shape<2>{{3, 70}}, 1, -3, 3), dy = test::numbers<float>(shape<2>{{3, 70}}, 2), y(x.extents()), dx(x.extents());
  host::activate(q, x, y, activation::gelu);
  host::activate_backward(q, x, dy, dx, activation::gelu);
  host::activate_backward(q, x, dy, dy, activation::gelu);
  CHECK(test::same_bits(dy, dx));
  host::activate(q, x, x, activation::gelu);
  CHECK(test::same_bits(x, y));
}

TEST_CASE("activations of double are the plain loops") {
  host::queue q;
  const tensor<double, 2> x = test::numbers<double>(shape<2>{{3, 5}}, 1, -3, 3), dy = test::numbers<double>(shape<2>{{3, 5}}, 2);
  tensor<double, 2> a({3, 5}), b({3, 5});
  host::activate(q, x, a, activation::silu);
  reference::activate(x, b, activation::silu);
  CHECK(test::same_bits(a, b));
  host::activate_backward(q, x, dy, a, activation::silu);
  reference::activate_backward(x, dy, b, activation::silu);
  CHECK(test::same_bits(a, b));
}

TEST_CASE("activations of matrices that differ are refused") {
  host::queue q;
  tensor<float, 2> x({2, 3}), y({2, 4});
  CHECK_THROWS_WITH(host::activate(q, x, y, activation::relu), "stretto: activate takes matrices of one shape, and was given (2, 3) and (2, 4); make them alike");
  CHECK_THROWS_WITH(host::activate_backward(q, x, y, x, activation::relu),
                    "stretto: activate_backward takes matrices of one shape, and was given (2, 4) and (2, 3); make them alike");
}
