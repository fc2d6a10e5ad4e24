// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The norm that stands before a layer's products: LayerNorm, or RMSNorm, chosen when it is made.
//
//     y = (x - mean) / deviation · weight + bias          or       y = x / root of the mean square · weight
// The gradient of its weights is summed over a micro-batch when gradients go back, and added when the weight pass comes,
// which keeps the order of weight passes and needs no more room than the weights. Cost: reads x and writes y once.
#pragma once

#include <stretto/model/weights.hpp>

namespace stretto::inline v0 {

enum class norm_kind { layer, rms };

template <class Device, class T>
class norm {
 public:
  using real = computes_in<T>;
  using queue = typename Device::queue;
  using matrix = typename Device::template view<T, 2>;
  using reads_matrix = typename Device::template view<const std::type_identity_t<T>, 2>;
  template <int Rank>
  using reals = typename Device::template tensor<real, Rank>;

  /// What backward wants of a micro-batch.
  struct saved {
    reals<1> mean, inverse;            // a row
    reals<1> weight_part, bias_part;   // of this micro-batch's gradients

    std::int64_t bytes() const { return (mean.size() + inverse.size() + weight_part.size() + bias_part.size()) * static_cast<std::int64_t>(sizeof(real)); }
  };

  norm(norm_kind kind, std::int64_t width, double epsilon) : weight(width, 1), bias(kind == norm_kind::layer ? width : 0), kind_(kind), epsilon_(epsilon) {}

  saved make_saved(std::int64_t rows) const {
    return {reals<1>({kind_ == norm_kind::layer ? rows : 0}), reals<1>({rows}), reals<1>({weight.size()}), reals<1>({bias.size()})};
  }

  void forward(queue& q, reads_matrix x, const matrix& y, saved& s) const {
    s.inverse.reshape({x.rows()});
    if (kind_ == norm_kind::layer) s.mean.reshape({x.rows()});
    if (kind_ == norm_kind::layer) layer_norm(q, x, weight.read(), bias.read(), y, s.mean, s.inverse, {.epsilon = epsilon_});
    else rms_norm(q, x, weight.read(), y, s.inverse, {.epsilon = epsilon_});
  }
  /// dx = what goes back through the norm, + `around`, the gradient of the stream that goes around the layer.
  void backward_input(queue& q, reads_matrix x, reads_matrix dy, const matrix& dx, reads_matrix around, saved& s) const {
    for (reals<1>* part : {&s.weight_part, &s.bias_part}) q.zero(*part);
    if (kind_ == norm_kind::layer) {
      layer_norm_backward_weight(q, x, s.mean, s.inverse, dy, s.weight_part, s.bias_part);
      layer_norm_backward_input(q, x, weight.read(), s.mean, s.inverse, dy, dx, {.residual_gradient = around});
    } else {
      rms_norm_backward_weight(q, x, s.inverse, dy, s.weight_part);
      rms_norm_backward_input(q, x, weight.read(), s.inverse, dy, dx, {.residual_gradient = around});
    }
  }
  void backward_weight(queue& q, const saved& s) {
    const auto adds = [&](const reals<1>& part, reals<1>& to) {
      const shape<2> row{{1, to.size()}};
      if (to.size() > 0) add(q, part.template shaped<2>(row), to.template shaped<2>(row), to.template shaped<2>(row));
    };
    adds(s.weight_part, weight.gradient), adds(s.bias_part, bias.gradient);
  }

  void weights_changed(queue& q) { weight.weights_changed(q), bias.weights_changed(q); }

  template <class Visit>
  void parameters(Visit&& visit, std::string_view weight_name, std::string_view bias_name) {
    visit(weight_name, weight.value, weight.gradient);
    if (bias.size() > 0) visit(bias_name, bias.value, bias.gradient);
  }
  std::int64_t bytes() const { return weight.bytes() + bias.bytes(); }

  weight_vector<Device, T> weight, bias;

 private:
  norm_kind kind_;
  double epsilon_;
};

}  // namespace stretto::inline v0
