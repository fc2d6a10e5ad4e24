// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Root mean square norm of each row, as plain loops: what the devices' versions are held to.
//
//     r = 1 / sqrt(mean(x²) + epsilon)        y = x r w            w: the weight plus weight_offset, 1 without a weight
//     g = dy w                                dx = r (g - x r mean(g x r)) + residual_gradient
//                                             dw += sum over rows of dy x r
// add_rms_norm first adds what a layer gives to the residual stream: s = x + residual, y = norm(s). The gradient of both x
// and residual is then dx, with what comes back along the stream as residual_gradient.
// Source: Zhang and Sennrich, arXiv 1910.07467, 2019.
#pragma once

#include <cmath>
#include <cstdint>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

struct rms_norm_options {
  double epsilon = 1e-5;
  double weight_offset = 0;  ///< 1: weights are stored as w - 1
};

template <class T, class Space = host_memory>
struct rms_norm_backward_options {
  double weight_offset = 0;
  tensor_view<const T, 2, Space> residual_gradient = {};  ///< of the stream that the norm reads; added to dx
};

namespace reference {

/// y and, where it isn't {}, r of each row.
template <class T>
void rms_norm(reads<T, 2> x, reads<T, 1> weight, const tensor_view<T, 2>& y, writes<computes_in<T>, 1> inverse = {}, const rms_norm_options& o = {}) {
  using number = computes_in<T>;
  const std::int64_t n = x.columns();
  for (std::int64_t t = 0; t < x.rows(); ++t) {
    number squares = 0;
    for (std::int64_t i = 0; i < n; ++i) squares += static_cast<number>(x(t, i)) * static_cast<number>(x(t, i));
    const number r = 1 / std::sqrt((n > 0 ? squares / static_cast<number>(n) : 0) + static_cast<number>(o.epsilon));
    if (inverse.data() != nullptr) inverse[t] = r;
    for (std::int64_t i = 0; i < n; ++i) {
      const number w = weight.data() != nullptr ? static_cast<number>(weight[i]) + static_cast<number>(o.weight_offset) : 1;
      y(t, i) = static_cast<T>(static_cast<number>(x(t, i)) * r * w);
    }
  }
}

/// s = x + residual, rounded to T; y = norm(s).
template <class T>
void add_rms_norm(reads<T, 2> x, reads<T, 2> residual, reads<T, 1> weight, writes<T, 2> s, const tensor_view<T, 2>& y, writes<computes_in<T>, 1> inverse = {},
                  const rms_norm_options& o = {}) {
  using number = computes_in<T>;
  for (std::int64_t t = 0; t < x.rows(); ++t)
    for (std::int64_t i = 0; i < x.columns(); ++i) s(t, i) = static_cast<T>(static_cast<number>(x(t, i)) + static_cast<number>(residual(t, i)));
  rms_norm<T>(s, weight, y, inverse, o);
}

template <class T>
void rms_norm_backward_input(reads<T, 2> x, reads<T, 1> weight, reads<computes_in<T>, 1> inverse, reads<T, 2> dy, const tensor_view<T, 2>& dx,
                             const rms_norm_backward_options<std::type_identity_t<T>>& o = {}) {
  using number = computes_in<T>;
  const std::int64_t n = x.columns();
  for (std::int64_t t = 0; t < x.rows(); ++t) {
    const number r = inverse[t];
    const auto g = [&](std::int64_t i) {
      const number w = weight.data() != nullptr ? static_cast<number>(weight[i]) + static_cast<number>(o.weight_offset) : 1;
      return static_cast<number>(dy(t, i)) * w;
    };
    number dot = 0;
    for (std::int64_t i = 0; i < n; ++i) dot += g(i) * (static_cast<number>(x(t, i)) * r);
    const number mean = dot / static_cast<number>(n);
    for (std::int64_t i = 0; i < n; ++i) {
      number d = r * (g(i) - static_cast<number>(x(t, i)) * r * mean);
      if (o.residual_gradient.data() != nullptr) d += static_cast<number>(o.residual_gradient(t, i));
      dx(t, i) = static_cast<T>(d);
    }
  }
}

/// Adds to dweight.
template <class T>
void rms_norm_backward_weight(const tensor_view<T, 2>& x, reads<computes_in<T>, 1> inverse, reads<T, 2> dy, writes<computes_in<T>, 1> dweight) {
  using number = computes_in<T>;
  for (std::int64_t i = 0; i < x.columns(); ++i) {
    number s = 0;
    for (std::int64_t t = 0; t < x.rows(); ++t) s += static_cast<number>(dy(t, i)) * (static_cast<number>(x(t, i)) * inverse[t]);
    dweight[i] += s;
  }
}

}  // namespace reference
}  // namespace stretto::inline v0
