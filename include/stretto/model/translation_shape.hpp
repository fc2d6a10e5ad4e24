// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The sizes and choices of an encoder-decoder Transformer: those of two Transformers of one width.
//
//     translation_shape{.source_vocabulary = 8000, .target_vocabulary = 8000, .source_tokens = 64, .target_tokens = 64,
//                       .width = 512, .encoder_layers = 6, .decoder_layers = 6, .heads = 8, .samples = 16}
#pragma once

#include <stretto/model/shape.hpp>

namespace stretto::inline v0 {

struct translation_shape {
  std::int64_t source_vocabulary = 256, target_vocabulary = 256;
  std::int64_t source_tokens = 32, target_tokens = 32;  ///< of a sample, padding included
  std::int64_t width = 128;
  int encoder_layers = 2, decoder_layers = 2;
  int heads = 4;
  std::int64_t hidden = 0;          ///< of MLPs; 0: 4 width
  norm_kind norm = norm_kind::layer;
  double epsilon = 1e-5;
  bool biases = true;
  bool gated = false;               ///< MLPs are activation(gate) · up
  activation kind = activation::gelu_tanh;
  bool padded = true;               ///< feed "source_lengths" says how many tokens each source has
  bool tied = true;                 ///< the head reads the target's table
  bool shared = false;              ///< and the source has the same
  double dropout = 0, attention_dropout = 0;
  double deviation = 0.02;

  std::int64_t samples = 1;         ///< of a micro-batch

  transformer_shape encoder() const {
    transformer_shape t = half(source_vocabulary, source_tokens, encoder_layers);
    t.causal = false, t.tied = shared;
    if (padded) t.lengths = "source_lengths";
    return t;
  }
  transformer_shape decoder() const {
    transformer_shape t = half(target_vocabulary, target_tokens, decoder_layers);
    t.tied = tied;
    return t;
  }

  /// Throws stretto::error for what no such model can be.
  void validate() const {
    encoder().validate(), decoder().validate();
    if (shared && (!tied || source_vocabulary != target_vocabulary))
      throw error(text("stretto: a translation model that shares its table has a tied head and one vocabulary, not ", source_vocabulary, " and ", target_vocabulary, "; correct them, or shared").str());
  }

 private:
  transformer_shape half(std::int64_t vocabulary, std::int64_t tokens, int layers) const {
    transformer_shape t;
    t.vocabulary = vocabulary, t.positions = tokens, t.sequence = tokens, t.samples = samples;
    t.width = width, t.layers = layers, t.heads = heads, t.hidden = hidden;
    t.norm = norm, t.epsilon = epsilon, t.biases = biases, t.gated = gated, t.kind = kind;
    t.dropout = dropout, t.attention_dropout = attention_dropout, t.deviation = deviation;
    return t;
  }
};

/// The numbers of parameters, those of a tied table once.
inline std::int64_t parameter_count(const translation_shape& s) {
  transformer_shape from = s.encoder(), to = s.decoder();
  from.tied = true;  // no head
  const std::int64_t bias = s.biases ? 1 : 0, norm = s.width * (s.norm == norm_kind::layer ? 2 : 1);
  const std::int64_t cross = norm + (to.queries() + 2 * to.keys()) * (s.width + bias) + s.width * (to.queries() + bias);
  return parameter_count(from) - (s.shared ? s.source_vocabulary * s.width : 0) + parameter_count(to) + s.decoder_layers * cross;
}

}  // namespace stretto::inline v0
