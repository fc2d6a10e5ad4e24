// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Encoder-decoder Transformers, for translation.
//
//     source ─ (attention ─ mlp) × encoder layers ─ target ─ (attention ─ cross ─ mlp) × decoder layers ─ head
//                                                      └─── memory ──────────┴── one skip connection to all of them
//     auto model = translation<host::device, float>(shape);
//     pipeline p(model, even_cut(layer_costs(shape), 4), plan, adamw{…}, {.samples = shape.samples});
//     p.feed<std::int32_t>("source", …), p.feed<std::int32_t>("source_lengths", …);     tokens, and how many aren't padding
//     p.feed<std::int32_t>("target", …), p.feed<std::int32_t>("labels", …);             and what follows each; -100: nothing
// Encoders see all of their source, decoders what comes before. A cut may lie between any two layers: the memory goes to each
// stage once, and its gradients are added in the order of the layers. Layers and their parameters are called "source",
// "encoder.3.attention", "encoder.3.mlp", "target", "decoder.3.attention", "decoder.3.cross", "decoder.3.mlp" and "head".
// Source: Vaswani et al., Attention is all you need, 2017; norms stand before products, as in Xiong et al., ICML 2020.
#pragma once

#include <vector>

#include <stretto/model/cross_attention.hpp>
#include <stretto/model/target.hpp>
#include <stretto/model/transformer.hpp>
#include <stretto/model/translation_shape.hpp>

namespace stretto::inline v0 {

/// How a model begins, what its loss is, and who looks at its logits.
template <class Device, class T>
struct translation_options {
  std::uint32_t seed = 0;                ///< of the weights that it begins with
  typename Device::options queue = {};   ///< of each rank
  cross_entropy_options loss = {};
  logits_watcher<T> watcher = {};
  bool recompute = false;                ///< blocks keep nothing but their inputs
};

template <class Device, class T>
auto translation(const translation_shape& s, const translation_options<Device, T>& o = {}) {
  s.validate();
  const transformer_shape from = s.encoder(), to = s.decoder();
  auto encoder = repeat(s.encoder_layers, layer<attention_layer<Device, T>>(from, o.seed, o.queue).named("encoder.#.attention"),
                        layer<mlp_layer<Device, T>>(from, o.seed, o.queue).named("encoder.#.mlp"));
  auto decoder = repeat(s.decoder_layers, layer<attention_layer<Device, T>>(to, o.seed, o.queue).named("decoder.#.attention"),
                        layer<cross_attention_layer<Device, T>>(from, to, o.seed, o.queue).named("decoder.#.cross").takes("memory"),
                        layer<mlp_layer<Device, T>>(to, o.seed, o.queue).named("decoder.#.mlp"));
  if (o.recompute) encoder = recompute(encoder), decoder = recompute(decoder);
  return sequential(layer<embedding_layer<Device, T>>(from, o.seed, o.queue, label("source"), s.shared ? 0u : 1u, 1u).named("source"), encoder,
                    layer<target_layer<Device, T>>(from, to, o.seed, o.queue).named("target").gives("memory"), decoder,
                    layer<head_layer<Device, T>>(to, o.seed, o.queue, o.loss, o.watcher).named("head"));
}

/// What each layer costs, for even_cut: floating-point operations of a micro-batch, forward and backward. Padding counts.
inline std::vector<double> layer_costs(const translation_shape& s) {
  const std::vector<double> from = layer_costs(s.encoder()), to = layer_costs(s.decoder());
  const transformer_shape target = s.decoder();
  const auto rows = static_cast<double>(target.rows()), sources = static_cast<double>(s.samples * s.source_tokens), width = static_cast<double>(s.width);
  const double cross = 12 * width * (rows * static_cast<double>(target.queries()) + sources * static_cast<double>(target.keys())) +
                       14 * rows * static_cast<double>(target.queries() * s.source_tokens);
  std::vector<double> costs(from.begin(), from.end() - 1);
  costs.push_back(to.front() + 20 * sources * width);
  for (int i = 0; i < s.decoder_layers; ++i) costs.push_back(to[1]), costs.push_back(cross), costs.push_back(to[2]);
  costs.push_back(to.back());
  return costs;
}

}  // namespace stretto::inline v0
