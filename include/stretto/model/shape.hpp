// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The sizes and choices of a Transformer, which its layers are made of.
//
//     transformer_shape{.vocabulary = 50304, .positions = 1024, .width = 768, .layers = 12, .heads = 12}     GPT-2's smallest
// and how much of the data a micro-batch holds: samples × sequence rows of tokens go through a layer at once.
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/model/norm.hpp>
#include <stretto/numeric/activation.hpp>
#include <stretto/numeric/rotary.hpp>

namespace stretto::inline v0 {

struct transformer_shape {
  std::int64_t vocabulary = 256;  ///< rows of the table of tokens, padding included
  std::int64_t positions = 256;   ///< the longest sequence
  std::int64_t width = 128;
  int layers = 4;
  int heads = 4;
  int kv_heads = 0;               ///< heads of keys and values; 0: as many as heads
  std::int64_t head_size = 0;     ///< 0: width / heads
  std::int64_t hidden = 0;        ///< of the MLP; 0: 4 width
  norm_kind norm = norm_kind::layer;
  double epsilon = 1e-5;
  bool biases = true;
  bool gated = false;             ///< the MLP is activation(gate) · up
  activation kind = activation::gelu_tanh;
  bool learned_positions = true;  ///< a table of positions is added to the embedding
  bool rotary = false;            ///< queries and keys are turned by their positions
  rotary_options turning = {};
  bool head_norm = false;         ///< each head of queries and keys is normed by itself before it is turned
  bool causal = true;             ///< a token sees those before it; false: all of its sample
  label lengths = {};             ///< the feed that says how many tokens each sample has, the rest being padding that nobody sees; empty: all
  std::int64_t window = 0;        ///< how far back attention sees; 0: to the beginning
  bool tied = true;               ///< the head reads the embedding's table
  double dropout = 0;             ///< behind the embedding, attention and the MLP
  double attention_dropout = 0;
  double deviation = 0.02;        ///< of weights in the beginning; of those that end in the stream, divided by √(2 layers)

  // What a micro-batch holds; of sequence, in runs that aren't training, at most.
  std::int64_t samples = 1;
  std::int64_t sequence = 128;
  std::int64_t kept_tokens = 0;   ///< how long a text may grow over runs that go on, which is for how many keys and values are kept; 0: positions

  std::int64_t size() const { return head_size > 0 ? head_size : heads > 0 ? width / heads : 0; }
  int groups() const { return kv_heads > 0 ? kv_heads : heads; }
  std::int64_t inner() const { return hidden > 0 ? hidden : 4 * width; }
  std::int64_t rows() const { return samples * sequence; }
  std::int64_t queries() const { return heads * size(); }
  std::int64_t keys() const { return groups() * size(); }
  std::int64_t kept() const { return kept_tokens > 0 ? kept_tokens : positions; }

  /// How many tokens a feed gives each sample.
  std::int64_t tokens_each(const context& c, const label& feed, std::int64_t given) const {
    if (c.training && given != rows())
      throw error(text("stretto: feed '", feed, "' gives ", given, " tokens where a micro-batch has ", samples, " samples of ", sequence, "; give as many").str());
    if (given < samples || given > rows() || given % samples != 0)
      throw error(text("stretto: feed '", feed, "' gives ", given, " tokens where a micro-batch has ", samples, " samples of up to ", sequence, "; give each as many, at least one").str());
    return given / samples;
  }

  /// Where new tokens begin: behind those that `length` counts, unless texts begin anew. Counts the new ones.
  std::int64_t behind(const context& c, std::int64_t& length, std::int64_t new_tokens) const {
    if (c.training && c.share.slices > 1)
      throw error(text("stretto: a Transformer is trained by a plan of ", c.share.slices, " slices a micro-batch, and its attention can't send gradients back from slice to slice; give a plan without slices").str());
    const std::int64_t at = c.begins ? 0 : length;
    if (at + new_tokens > kept())
      throw error(text("stretto: texts of ", at, " tokens are to grow by ", new_tokens, " where a Transformer keeps ", kept(), "; begin anew with a part of them, or raise kept_tokens, or positions").str());
    return length = at + new_tokens, at;
  }

  /// How many of its `each` tokens a sample of a micro-batch has, the rest being padding; nothing where all have as many.
  view<const std::int32_t> lengths_of(const context& c, std::int64_t each) const {
    if (lengths.empty()) return {};
    const auto given = c.feed<std::int32_t>(lengths);
    if (given.count != samples) throw error(text("stretto: feed '", lengths, "' gives ", given.count, " lengths where a micro-batch has ", samples, " samples; give one a sample").str());
    for (std::int64_t n = 0; n < samples; ++n)
      if (given[n] < 1 || given[n] > each) throw error(text("stretto: feed '", lengths, "' gives sample ", n, " a length of ", given[n], "; give 1 to ", each).str());
    return given;
  }
  std::int64_t length(const view<const std::int32_t>& of_samples, std::int64_t sample, std::int64_t each) const { return of_samples.count > 0 ? of_samples[sample] : each; }

  /// Throws stretto::error for what no Transformer can be.
  void validate() const {
    const auto refuse = [](auto... parts) { throw error(text(parts...).str()); };
    if (vocabulary < 1 || vocabulary > INT32_MAX) refuse("stretto: a Transformer can't have a vocabulary of ", vocabulary, "; give 1 to 2147483647");
    if (width < 1 || layers < 1 || heads < 1) refuse("stretto: a Transformer of width ", width, " with ", layers, " layers and ", heads, " heads can't be; give each at least 1");
    if (width > 1 << 24 || layers > 1 << 20 || inner() > 1 << 26) refuse("stretto: a Transformer of width ", width, " with ", layers, " layers and an inner width of ", inner(), " is beyond any use; correct it");
    if (head_size <= 0 && width % heads != 0) refuse("stretto: a Transformer of width ", width, " can't share it evenly among ", heads, " heads; change one, or give head_size");
    if (size() < 1 || size() > 256) refuse("stretto: a Transformer has heads of ", size(), " numbers; give 1 to 256");
    if (heads % groups() != 0) refuse("stretto: a Transformer can't share ", groups(), " heads of keys and values evenly among ", heads, " heads; use a divisor");
    if (samples < 1 || sequence < 1 || samples > 1 << 24) refuse("stretto: a Transformer can't take micro-batches of ", samples, " samples of ", sequence, " tokens; give each at least 1");
    if (sequence > positions) refuse("stretto: a Transformer for ", positions, " positions can't take sequences of ", sequence, " tokens; shorten them, or raise positions");
    if (kept_tokens != 0 && (kept_tokens < sequence || kept_tokens > positions))
      refuse("stretto: a Transformer for sequences of ", sequence, " tokens and ", positions, " positions can't keep keys and values of ", kept_tokens, "; give a number between them, or 0 for all positions");
    if (positions > 1 << 28) refuse("stretto: a Transformer of ", positions, " positions is beyond any use; correct it");
    if (rotary && size() % 2 != 0) refuse("stretto: a Transformer turns pairs of a head's numbers, and heads have ", size(), "; make them even");
    if (head_norm && !rotary) refuse("stretto: a Transformer norms heads where it turns them, and this one turns none; set rotary, or unset head_norm");
    if (!(dropout >= 0 && dropout < 1) || !(attention_dropout >= 0 && attention_dropout < 1)) refuse("stretto: a Transformer drops a share of 0 or more and below 1; correct dropout");
    if (!(epsilon > 0) || !(deviation >= 0)) refuse("stretto: a Transformer has an epsilon above 0 and a deviation of at least 0; correct them");
    if (window < 0) refuse("stretto: a Transformer can't see ", window, " tokens back; give 0 for all");
  }
};

/// The numbers of parameters, those of a tied table once.
inline std::int64_t parameter_count(const transformer_shape& s) {
  const std::int64_t bias = s.biases ? 1 : 0, norm = s.width * (s.norm == norm_kind::layer ? 2 : 1);
  const std::int64_t qkv = (s.queries() + 2 * s.keys()) * (s.width + bias), out = s.width * (s.queries() + bias);
  const std::int64_t up = (s.gated ? 2 : 1) * s.inner() * (s.width + bias), down = s.width * (s.inner() + bias);
  const std::int64_t tables = s.vocabulary * s.width * (s.tied ? 1 : 2) + (s.learned_positions ? s.positions * s.width : 0);
  return tables + s.layers * (qkv + out + up + down + 2 * norm + (s.head_norm ? 2 * s.size() : 0)) + norm;
}

}  // namespace stretto::inline v0
