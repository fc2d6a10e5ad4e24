// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights of layers: what the optimizer sees, and what products read.
//
//     weight_matrix   value (out, in) ──► packed for y = x wᵀ, and for dx = dy w        made anew when weights have changed
//                     gradient        ◄── dw += dyᵀ x
//     weight_vector   value ──► the same in T, where activations have 16 bits
// For activations of float and double, values have their type; for those of 16 bits, values and gradients are float, the
// masters, and products read copies of 16 bits. Cost in memory of a matrix of n numbers: value, gradient, two packed copies.
#pragma once

#include <string_view>

#include <stretto/model/begin.hpp>
#include <stretto/stage/context.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

/// Numbers that belong to columns: scales and biases.
template <class Device, class T>
class weight_vector {
 public:
  using real = computes_in<T>;
  static constexpr bool copies = !std::is_same_v<T, real>;
  using view = typename Device::template view<const T, 1>;

  weight_vector() = default;
  explicit weight_vector(std::int64_t count, double begin = 0) : value({count}), gradient({count}) {
    begin_with(value, [&](real* first, std::int64_t n) { for (std::int64_t i = 0; i < n; ++i) first[i] = static_cast<real>(begin); });
    if constexpr (copies) copy_ = numbers<T>({count});
  }

  /// In T, as operations read it.
  view read() const {
    if constexpr (copies) return copy_;
    else return value;
  }
  std::int64_t size() const { return value.size(); }

  void weights_changed(typename Device::queue& q) {
    if constexpr (copies)
      if (size() > 0) cast(q, value.template shaped<2>({1, size()}), copy_.template shaped<2>({1, size()}));
  }
  std::int64_t bytes() const { return copies ? size() * static_cast<std::int64_t>(sizeof(T)) : 0; }

 private:
  template <class U>
  using numbers = typename Device::template tensor<U, 1>;

 public:
  numbers<real> value, gradient;

 private:
  numbers<T> copy_;
};

/// A matrix that products read, (out, in), with a bias where it has one.
template <class Device, class T>
class weight_matrix {
 public:
  using real = computes_in<T>;
  using matrix = typename Device::template view<T, 2>;
  using reads_matrix = typename Device::template view<const std::type_identity_t<T>, 2>;
  using queue = typename Device::queue;

  weight_matrix(std::int64_t out, std::int64_t in, bool has_bias, const begin_key& key, double deviation)
      : value({out, in}), gradient({out, in}), bias(has_bias ? out : 0) {
    begin_normal(value, key, deviation);
  }

  std::int64_t out() const { return value.rows(); }
  std::int64_t in() const { return value.columns(); }
  bool has_bias() const { return bias.size() > 0; }

  /// Room for what is packed.
  void reserve(const queue& q) {
    forward_ = packed(q, in(), out()), backward_ = packed(q, out(), in());
    if constexpr (copies) copy_ = typename Device::template tensor<T, 2>({out(), in()});
  }
  void weights_changed(queue& q) {
    if constexpr (copies) {
      cast(q, value, copy_);
      pack(q, transposed(copy_), forward_), pack(q, copy_, backward_);
    } else {
      pack(q, transposed(value), forward_), pack(q, value, backward_);
    }
    bias.weights_changed(q);
  }

  /// y = x wᵀ + bias, and what else is asked for behind it.
  void forward(queue& q, reads_matrix x, const matrix& y, typename Device::template product_options<T> o = {}) const {
    if (has_bias()) o.bias = bias.read();
    matrix_product(q, x, forward_, y, o);
  }
  /// dx = dy w.
  void backward_input(queue& q, reads_matrix dy, const matrix& dx) const { matrix_product(q, dy, backward_, dx); }
  /// dw += dyᵀ x, and the bias's.
  void backward_weight(queue& q, reads_matrix dy, reads_matrix x) {
    matrix_product(q, transposed(dy), x, gradient, {.accumulate = true});
    if (has_bias()) bias_gradient(q, dy, bias.gradient);
  }

  template <class Visit>
  void parameters(Visit&& visit, std::string_view weight, std::string_view bias_name) {
    visit(weight, value, gradient);
    if (has_bias()) visit(bias_name, bias.value, bias.gradient);
  }
  std::int64_t bytes() const { return forward_.bytes() + backward_.bytes() + copy_.size() * static_cast<std::int64_t>(sizeof(T)) + bias.bytes(); }

 private:
  static constexpr bool copies = !std::is_same_v<T, real>;
  using packed = typename Device::template packed<T>;

 public:
  typename Device::template tensor<real, 2> value, gradient;
  weight_vector<Device, T> bias;

 private:
  packed forward_, backward_;
  typename Device::template tensor<T, 2> copy_;
};

}  // namespace stretto::inline v0
