// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations: functions of one number that stand between the layers of a network, and their slopes.
//
//     none          x                          1
//     relu          x, or 0 below 0            1, or 0 up to 0
//     relu_squared  relu(x)^2                  2 relu(x)
//     gelu          x P(x)                     P(x) + x p(x)            P, p: the normal distribution and its density
//     gelu_tanh     x L(2 z)                   z = sqrt(2 / pi) (x + 0.044715 x^3): near gelu, without erf
//     silu          x L(x)                     L + x L (1 - L)          L: the logistic function, 1 / (1 + exp(-x))
//     tanh          tanh(x)                    1 - tanh(x)^2
//     logistic      L(x)                       L (1 - L)
// These are the functions in plain words; devices have their own. At minus infinity gelu, gelu_tanh and silu are what the
// formula says, no number; slopes are their limits there.
// Source: Hendrycks and Gimpel, arXiv 1606.08415, 2016 (gelu, silu); So et al., NeurIPS 2021 (relu_squared).
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

namespace stretto::inline v0 {

enum class activation : std::uint8_t { none, relu, relu_squared, gelu, gelu_tanh, silu, tanh, logistic };

inline constexpr int activations = 8;

constexpr std::string_view activation_name(activation a) {
  constexpr std::string_view names[] = {"none", "relu", "relu_squared", "gelu", "gelu_tanh", "silu", "tanh", "logistic"};
  return names[static_cast<int>(a)];
}

namespace reference {

template <class T>
T logistic(T x) {
  return 1 / (1 + std::exp(-x));
}

/// T: float or double.
template <class T>
T activated(activation kind, T x) {
  const T relu = 0 > x ? T(0) : x;
  switch (kind) {
    case activation::none: return x;
    case activation::relu: return relu;
    case activation::relu_squared: return relu * relu;
    case activation::gelu: return x * (T(0.5) * (1 + std::erf(x * T(0.70710678118654752440))));
    case activation::gelu_tanh: return x * (T(0.5) * (1 + std::tanh(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x))));
    case activation::silu: return x * logistic(x);
    case activation::tanh: return std::tanh(x);
    case activation::logistic: return logistic(x);
  }
  return x;
}

/// How steep it is at x.
template <class T>
T activation_slope(activation kind, T x) {
  const T root = T(0.79788456080286535588);  // of 2 / pi
  const auto times = [](T tail, T factor) { return tail == 0 ? tail : tail * factor; };  // flat beats however far
  switch (kind) {
    case activation::none: return 1;
    case activation::relu: return x > 0 ? T(1) : T(0);
    case activation::relu_squared: return 2 * activated(activation::relu, x);
    case activation::gelu:
      return T(0.5) * (1 + std::erf(x * T(0.70710678118654752440))) + times(T(0.5) * root * std::exp(T(-0.5) * x * x), x);
    case activation::gelu_tanh: {
      const T t = std::tanh(root * (x + T(0.044715) * x * x * x));
      return T(0.5) * (1 + t) + times(T(0.5) * (1 - t * t), root * (x + T(3 * 0.044715) * x * x * x));
    }
    case activation::silu: {
      const T l = logistic(x);
      return l + times(l * (1 - l), x);
    }
    case activation::tanh: {
      const T t = std::tanh(x);
      return 1 - t * t;
    }
    case activation::logistic: {
      const T l = logistic(x);
      return l * (1 - l);
    }
  }
  return 1;
}

}  // namespace reference
}  // namespace stretto::inline v0
