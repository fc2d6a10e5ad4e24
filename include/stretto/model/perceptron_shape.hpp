// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The sizes and choices of a perceptron, which its layers are made of.
//
//     perceptron_shape{.inputs = 784, .width = 512, .layers = 3, .outputs = 10, .samples = 32}
//     inputs (784) ─ hidden.0 (512) ─ hidden.1 (512) ─ hidden.2 (512) ─ head (10)
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/model/norm.hpp>
#include <stretto/model/output.hpp>
#include <stretto/numeric/activation.hpp>

namespace stretto::inline v0 {

struct perceptron_shape {
  std::int64_t inputs = 16;   ///< numbers of a sample
  std::int64_t width = 64;    ///< of each hidden layer
  int layers = 2;             ///< hidden ones
  std::int64_t outputs = 2;   ///< classes, or numbers
  loss_kind loss = loss_kind::cross_entropy;
  activation kind = activation::gelu_tanh;
  bool normed = false;        ///< a norm behind each activation
  norm_kind norm = norm_kind::layer;
  double epsilon = 1e-5;
  double dropout = 0;         ///< behind each hidden layer
  double deviation = 0;       ///< of weights in the beginning; 0: √(2 / numbers that a product sums)

  std::int64_t samples = 1;   ///< of a micro-batch

  output_shape head() const { return {samples, layers > 0 ? width : inputs, outputs, loss, deviation}; }

  /// Throws stretto::error for what no perceptron can be.
  void validate() const {
    const auto refuse = [](auto... parts) { throw error(text(parts...).str()); };
    const auto out_of_reach = [](std::int64_t n, std::int64_t most) { return n < 1 || n > most; };
    if (out_of_reach(inputs, 1 << 26) || out_of_reach(width, 1 << 26) || out_of_reach(outputs, 1 << 26))
      refuse("stretto: a perceptron of ", inputs, " inputs, width ", width, " and ", outputs, " outputs can't be; give each 1 to 67108864");
    if (layers < 0 || layers > 1 << 20) refuse("stretto: a perceptron can't have ", layers, " hidden layers; give 0 to 1048576");
    if (out_of_reach(samples, 1 << 24)) refuse("stretto: a perceptron can't take micro-batches of ", samples, " samples; give 1 to 16777216");
    if (!(dropout >= 0 && dropout < 1)) refuse("stretto: a perceptron drops a share of 0 or more and below 1; correct dropout");
    if (!(epsilon > 0) || !(deviation >= 0)) refuse("stretto: a perceptron has an epsilon above 0 and a deviation of at least 0; correct them");
  }
};

inline std::int64_t parameter_count(const perceptron_shape& s) {
  const std::int64_t norm = s.normed ? s.width * (s.norm == norm_kind::layer ? 2 : 1) : 0, first = s.layers > 0 ? s.width * (s.inputs + 1) + norm : 0;
  return first + (s.layers > 1 ? (s.layers - 1) * (s.width * (s.width + 1) + norm) : 0) + s.outputs * (s.head().in + 1);
}

}  // namespace stretto::inline v0
