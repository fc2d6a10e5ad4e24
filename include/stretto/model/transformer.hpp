// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decoder models: GPT-2's family and Llama's, by their shape.
//
//     embedding ─ (attention ─ mlp) × layers ─ head            2 layers + 2 in all; a cut may lie between any two
//     auto model = transformer<host::device, float>(gpt2_shape(12, 768, 12));
//     pipeline p(model, even_cut(layer_costs(shape), 4), plan, adamw{…}, {.samples = shape.samples});
//     p.feed<std::int32_t>("tokens", …), p.feed<std::int32_t>("labels", …);
// Layers are called "embedding", "block.3.attention", "block.3.mlp" and "head", and so are their parameters.
// Source: Radford et al., Language models are unsupervised multitask learners, 2019; Touvron et al., LLaMA, 2023.
#pragma once

#include <vector>

#include <stretto/model/attention.hpp>
#include <stretto/model/head.hpp>
#include <stretto/model/mlp.hpp>

namespace stretto::inline v0 {

/// GPT-2: LayerNorm, biases, GELU, learned positions, a tied table.
constexpr transformer_shape gpt2_shape(int layers, std::int64_t width, int heads, std::int64_t vocabulary = 50257, std::int64_t positions = 1024) {
  transformer_shape s;
  s.vocabulary = vocabulary, s.positions = positions, s.width = width, s.layers = layers, s.heads = heads;
  s.sequence = positions;
  return s;
}

/// Llama: RMSNorm, no biases, SwiGLU, rotary positions, grouped heads, a head of its own.
constexpr transformer_shape llama_shape(int layers, std::int64_t width, int heads, int kv_heads, std::int64_t hidden, std::int64_t vocabulary = 128256, std::int64_t positions = 8192,
                                        double theta = 500000) {
  transformer_shape s;
  s.vocabulary = vocabulary, s.positions = positions, s.width = width, s.layers = layers, s.heads = heads, s.kv_heads = kv_heads, s.hidden = hidden;
  s.norm = norm_kind::rms, s.biases = false, s.gated = true, s.kind = activation::silu;
  s.learned_positions = false, s.rotary = true, s.turning.theta = theta, s.tied = false;
  s.sequence = positions;
  return s;
}

/// How a model begins, and what its loss is.
template <class Device, class T>
struct transformer_options {
  std::uint32_t seed = 0;                 ///< of the weights that it begins with
  typename Device::options queue = {};    ///< of each rank
  cross_entropy_options loss = {};
  logits_watcher<T> watcher = {};
  bool recompute = false;                 ///< blocks keep nothing but their inputs
};

template <class Device, class T>
auto transformer(const transformer_shape& s, const transformer_options<Device, T>& o = {}) {
  s.validate();
  auto blocks = repeat(s.layers, layer<attention_layer<Device, T>>(s, o.seed, o.queue).named("block.#.attention"),
                       layer<mlp_layer<Device, T>>(s, o.seed, o.queue).named("block.#.mlp"));
  if (o.recompute) blocks = recompute(blocks);
  return sequential(layer<embedding_layer<Device, T>>(s, o.seed, o.queue).named("embedding"), blocks,
                    layer<head_layer<Device, T>>(s, o.seed, o.queue, o.loss, o.watcher).named("head"));
}

/// What each layer costs, for even_cut: floating-point operations of a micro-batch, forward and backward. An embedding is
/// counted as reading and adding a row a token.
inline std::vector<double> layer_costs(const transformer_shape& s) {
  const auto rows = static_cast<double>(s.rows()), width = static_cast<double>(s.width);
  const double heads = static_cast<double>(s.queries()), keys = static_cast<double>(s.keys()), inner = static_cast<double>(s.inner());
  const double seen = s.window > 0 && s.window < s.sequence ? static_cast<double>(s.window) : static_cast<double>(s.sequence) / (s.causal ? 2 : 1);
  const double attention = 6 * rows * width * (2 * heads + 2 * keys) + 14 * rows * heads * seen;
  const double mlp = 6 * rows * width * inner * (s.gated ? 3 : 2);
  std::vector<double> costs{rows * width * 20};
  for (int i = 0; i < s.layers; ++i) costs.push_back(attention), costs.push_back(mlp);
  costs.push_back(6 * rows * width * static_cast<double>(s.vocabulary));
  return costs;
}

}  // namespace stretto::inline v0
