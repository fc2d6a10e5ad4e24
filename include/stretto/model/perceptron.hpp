// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Perceptrons: layers of products and activations, for classes or for numbers.
//
//     inputs ─ hidden.0 ─ hidden.1 ─ … ─ head             layers + 2 in all; a cut may lie between any two
//     auto model = perceptron<host::device, float>({.inputs = 784, .width = 512, .layers = 3, .outputs = 10, .samples = 32});
//     pipeline p(model, even_cut(layer_costs(shape), 4), plan, adamw{…}, {.samples = shape.samples});
//     p.feed<float>("inputs", …);                                    samples × inputs a micro-batch
//     p.feed<std::int32_t>("labels", …);                             or p.feed<float>("targets", …) with loss_kind::squared_error
// Layers and their parameters bear the names above: "hidden.1.weight".
// Source: Rumelhart, Hinton and Williams, Nature 323, 1986.
#pragma once

#include <vector>

#include <stretto/model/dense.hpp>
#include <stretto/model/feed.hpp>

namespace stretto::inline v0 {

/// How a model begins, what its loss is, and who looks at its scores.
template <class Device, class T>
struct perceptron_options {
  std::uint32_t seed = 0;                ///< of the weights that it begins with
  typename Device::options queue = {};   ///< of each rank
  cross_entropy_options loss = {};
  logits_watcher<T> watcher = {};
  bool recompute = false;                ///< hidden layers keep nothing but their inputs
};

template <class Device, class T>
auto perceptron(const perceptron_shape& s, const perceptron_options<Device, T>& o = {}) {
  s.validate();
  auto hidden = repeat(s.layers, layer<dense_layer<Device, T>>(s, o.seed, o.queue).named("hidden.#"));
  if (o.recompute) hidden = recompute(hidden);
  return sequential(layer<feed_layer<Device, T, 2>>(label("inputs"), shape<2>{{s.samples, s.inputs}}, o.queue).named("inputs"), hidden,
                    layer<output_layer<Device, T>>(s.head(), o.seed, o.queue, o.loss, o.watcher).named("head"));
}

/// What each layer costs, for even_cut: floating-point operations of a micro-batch, forward and backward. Inputs are counted
/// as a copy.
inline std::vector<double> layer_costs(const perceptron_shape& s) {
  const auto rows = static_cast<double>(s.samples), width = static_cast<double>(s.width), inputs = static_cast<double>(s.inputs);
  std::vector<double> costs{rows * inputs};
  for (int i = 0; i < s.layers; ++i) costs.push_back(rows * width * (i == 0 ? 4 * inputs : 6 * width));
  costs.push_back(6 * rows * static_cast<double>(s.outputs * s.head().in));
  return costs;
}

}  // namespace stretto::inline v0
