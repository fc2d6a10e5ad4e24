// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layer norm of each row, as plain loops: what the devices' versions are held to.
//
//     m = mean(x)     r = 1 / sqrt(mean((x - m)²) + epsilon)     z = (x - m) r     y = z w + b       w and b may be {}: 1 and 0
//     g = dy w        dx = r (g - mean(g) - z mean(g z)) + residual_gradient
//                     dw += sum over rows of dy z       db += sum over rows of dy
// The variance is that of the distances from the mean, in a second pass: mean(x²) - m² loses all digits where m is large.
// add_layer_norm first adds what a layer gives to the residual stream: s = x + residual, y = norm(s).
// Source: Ba, Kiros and Hinton, arXiv 1607.06450, 2016.
#pragma once

#include <cmath>
#include <cstdint>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

struct layer_norm_options {
  double epsilon = 1e-5;
};

template <class T, class Space = host_memory>
struct layer_norm_backward_options {
  tensor_view<const T, 2, Space> residual_gradient = {};  ///< of the stream that the norm reads; added to dx
};

namespace reference {

/// y and, where they aren't {}, m and r of each row.
template <class T>
void layer_norm(reads<T, 2> x, reads<T, 1> weight, reads<T, 1> bias, const tensor_view<T, 2>& y, writes<computes_in<T>, 1> mean = {},
                writes<computes_in<T>, 1> inverse = {}, const layer_norm_options& o = {}) {
  using number = computes_in<T>;
  const std::int64_t n = x.columns();
  for (std::int64_t t = 0; t < x.rows(); ++t) {
    number all = 0, squares = 0;
    for (std::int64_t i = 0; i < n; ++i) all += static_cast<number>(x(t, i));
    const number m = n > 0 ? all / static_cast<number>(n) : 0;
    for (std::int64_t i = 0; i < n; ++i) squares += (static_cast<number>(x(t, i)) - m) * (static_cast<number>(x(t, i)) - m);
    const number r = 1 / std::sqrt((n > 0 ? squares / static_cast<number>(n) : 0) + static_cast<number>(o.epsilon));
    if (mean.data() != nullptr) mean[t] = m;
    if (inverse.data() != nullptr) inverse[t] = r;
    for (std::int64_t i = 0; i < n; ++i) {
      const number w = weight.data() != nullptr ? static_cast<number>(weight[i]) : 1;
      const number b = bias.data() != nullptr ? static_cast<number>(bias[i]) : 0;
      y(t, i) = static_cast<T>((static_cast<number>(x(t, i)) - m) * r * w + b);
    }
  }
}

/// s = x + residual, rounded to T; y = norm(s).
template <class T>
void add_layer_norm(reads<T, 2> x, reads<T, 2> residual, reads<T, 1> weight, reads<T, 1> bias, writes<T, 2> s, const tensor_view<T, 2>& y,
                    writes<computes_in<T>, 1> mean = {}, writes<computes_in<T>, 1> inverse = {}, const layer_norm_options& o = {}) {
  using number = computes_in<T>;
  for (std::int64_t t = 0; t < x.rows(); ++t)
    for (std::int64_t i = 0; i < x.columns(); ++i) s(t, i) = static_cast<T>(static_cast<number>(x(t, i)) + static_cast<number>(residual(t, i)));
  layer_norm<T>(s, weight, bias, y, mean, inverse, o);
}

template <class T>
void layer_norm_backward_input(reads<T, 2> x, reads<T, 1> weight, reads<computes_in<T>, 1> mean, reads<computes_in<T>, 1> inverse, reads<T, 2> dy,
                               const tensor_view<T, 2>& dx, const layer_norm_backward_options<std::type_identity_t<T>>& o = {}) {
  using number = computes_in<T>;
  const std::int64_t n = x.columns();
  for (std::int64_t t = 0; t < x.rows(); ++t) {
    const number m = mean[t], r = inverse[t];
    const auto g = [&](std::int64_t i) { return static_cast<number>(dy(t, i)) * (weight.data() != nullptr ? static_cast<number>(weight[i]) : 1); };
    const auto z = [&](std::int64_t i) { return (static_cast<number>(x(t, i)) - m) * r; };
    number all = 0, dot = 0;
    for (std::int64_t i = 0; i < n; ++i) all += g(i), dot += g(i) * z(i);
    all /= static_cast<number>(n), dot /= static_cast<number>(n);
    for (std::int64_t i = 0; i < n; ++i) {
      number d = r * (g(i) - all - z(i) * dot);
      if (o.residual_gradient.data() != nullptr) d += static_cast<number>(o.residual_gradient(t, i));
      dx(t, i) = static_cast<T>(d);
    }
  }
}

/// Adds to dweight and, where it isn't {}, to dbias.
template <class T>
void layer_norm_backward_weight(const tensor_view<T, 2>& x, reads<computes_in<T>, 1> mean, reads<computes_in<T>, 1> inverse, reads<T, 2> dy,
                                writes<computes_in<T>, 1> dweight, writes<computes_in<T>, 1> dbias = {}) {
  using number = computes_in<T>;
  for (std::int64_t i = 0; i < x.columns(); ++i) {
    number weights = 0, biases = 0;
    for (std::int64_t t = 0; t < x.rows(); ++t) {
      weights += static_cast<number>(dy(t, i)) * ((static_cast<number>(x(t, i)) - mean[t]) * inverse[t]);
      biases += static_cast<number>(dy(t, i));
    }
    dweight[i] += weights;
    if (dbias.data() != nullptr) dbias[i] += biases;
  }
}

}  // namespace reference
}  // namespace stretto::inline v0
