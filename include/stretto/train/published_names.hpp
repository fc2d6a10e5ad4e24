// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a Transformer's parameters are called elsewhere, and how they lie there: a list of tensors, made from its shape.
//
//     here                          GPT-2, Conv1D: (in, out)             Llama: (out, in)
//     embedding.table.weight        transformer.wte.weight               model.embed_tokens.weight
//     embedding.positions.weight    transformer.wpe.weight
//     block.3.attention.norm        transformer.h.3.ln_1                 model.layers.3.input_layernorm
//     block.3.attention.qkv         transformer.h.3.attn.c_attn          model.layers.3.self_attn.q_proj, k_proj, v_proj
//     block.3.attention.out         transformer.h.3.attn.c_proj          model.layers.3.self_attn.o_proj
//     block.3.mlp.norm              transformer.h.3.ln_2                 model.layers.3.post_attention_layernorm
//     block.3.mlp.up                transformer.h.3.mlp.c_fc             model.layers.3.mlp.gate_proj, up_proj
//     block.3.mlp.down              transformer.h.3.mlp.c_proj           model.layers.3.mlp.down_proj
//     head.norm                     transformer.ln_f                     model.norm
//     head.table.weight             lm_head.weight                       lm_head.weight          a tied one: the first row's
// Matrices here are (out, in), queries above keys above values, the gate above what it gates. Llama's heads turn pairs of
// halves, as rotary_pairs::halves does; where a shape turns neighbours, its rows of queries and keys are in another order.
// Source: huggingface.co/docs/transformers, GPT-2 and Llama; the order of pairs, in numeric/rotary.hpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <stretto/train/published_config.hpp>

namespace stretto::inline v0 {

/// One of those that others have, and where its numbers are here.
struct published_tensor {
  std::string name;
  std::vector<std::int64_t> shape;  ///< as it is there
  std::string parameter;            ///< whose numbers it holds
  std::int64_t first = 0;           ///< the first of them
  bool transposed = false;          ///< there it is (in, out)
  bool tokens = false;              ///< its rows are tokens, and the parameter may have more
  std::int64_t turned = 0;          ///< the size of heads whose neighbours are turned here, and whose halves are there; else 0

  std::int64_t rows() const { return shape[0]; }
  std::int64_t columns() const { return shape.size() > 1 ? shape[1] : 1; }
  /// Where the number of a row and a column is in the parameter.
  std::int64_t place(std::int64_t row, std::int64_t column) const {
    if (transposed) return first + column * rows() + row;
    if (turned > 0) {
      const std::int64_t in_head = row % turned, half = turned / 2;
      row += 2 * (in_head % half) + in_head / half - in_head;
    }
    return first + row * columns() + column;
  }
};

/// All tensors of a shape; the uses of a tied table have one name. `vocabulary`: tokens there, where the table here is padded.
inline std::vector<published_tensor> published_tensors(const transformer_shape& s, std::int64_t vocabulary = 0) {
  const bool llama = published_family_of(s) == published_family::llama;
  const std::int64_t tokens = vocabulary > 0 ? vocabulary : s.vocabulary;
  if (tokens > s.vocabulary)
    throw error(text("stretto: ", tokens, " tokens of other tools don't fit the vocabulary of ", s.vocabulary, "; give a vocabulary of at most the shape's, or 0").str());
  const std::string base = llama ? "model." : "transformer.";
  std::vector<published_tensor> all;
  const auto vector = [&](std::string name, std::string parameter, std::int64_t count, std::int64_t first = 0, std::int64_t turned = 0) {
    all.push_back({std::move(name), {count}, std::move(parameter), first, false, false, turned});
  };
  const auto table = [&](std::string name, std::string parameter) { all.push_back({std::move(name), {tokens, s.width}, std::move(parameter), 0, false, true, 0}); };
  const auto norm = [&](const std::string& name, const std::string& parameter) {
    vector(name + ".weight", parameter + ".weight", s.width);
    if (s.norm == norm_kind::layer) vector(name + ".bias", parameter + ".bias", s.width);
  };
  // Rows from `row` on of a matrix (out, in).
  const auto matrix = [&](const std::string& name, const std::string& parameter, std::int64_t out, std::int64_t in, std::int64_t row = 0, std::int64_t turned = 0) {
    const std::vector<std::int64_t> there = llama ? std::vector{out, in} : std::vector{in, out};
    all.push_back({name + ".weight", there, parameter + ".weight", row * in, !llama, false, turned});
    if (s.biases) vector(name + ".bias", parameter + ".bias", out, row, turned);
  };

  const std::string embedded = base + (llama ? "embed_tokens" : "wte") + ".weight";
  table(embedded, "embedding.table.weight");
  if (!llama) all.push_back({base + "wpe.weight", {s.positions, s.width}, "embedding.positions.weight"});
  const std::int64_t turned = s.rotary && s.turning.pairs == rotary_pairs::neighbours ? s.size() : 0;
  for (int i = 0; i < s.layers; ++i) {
    const std::string there = base + (llama ? "layers." : "h.") + std::to_string(i) + ".", here = "block." + std::to_string(i) + ".";
    norm(there + (llama ? "input_layernorm" : "ln_1"), here + "attention.norm");
    if (llama) {
      matrix(there + "self_attn.q_proj", here + "attention.qkv", s.queries(), s.width, 0, turned);
      matrix(there + "self_attn.k_proj", here + "attention.qkv", s.keys(), s.width, s.queries(), turned);
      matrix(there + "self_attn.v_proj", here + "attention.qkv", s.keys(), s.width, s.queries() + s.keys());
    } else {
      matrix(there + "attn.c_attn", here + "attention.qkv", 3 * s.width, s.width);
    }
    matrix(there + (llama ? "self_attn.o_proj" : "attn.c_proj"), here + "attention.out", s.width, s.queries());
    norm(there + (llama ? "post_attention_layernorm" : "ln_2"), here + "mlp.norm");
    matrix(there + (llama ? "mlp.gate_proj" : "mlp.c_fc"), here + "mlp.up", s.inner(), s.width);
    if (llama) matrix(there + "mlp.up_proj", here + "mlp.up", s.inner(), s.width, s.inner());
    matrix(there + (llama ? "mlp.down_proj" : "mlp.c_proj"), here + "mlp.down", s.width, s.inner());
  }
  norm(base + (llama ? "norm" : "ln_f"), "head.norm");
  table(s.tied ? embedded : "lm_head.weight", "head.table.weight");
  return all;
}

namespace detail {

/// Names that hold no weights: masks and frequencies that older versions kept beside them.
inline bool published_buffer(std::string_view name) {
  for (const std::string_view end : {".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"})
    if (name.size() > end.size() && name.substr(name.size() - end.size()) == end) return true;
  return false;
}

/// Without what stands before it where a model has a head: files of the model alone leave it out.
inline std::string_view published_bare(std::string_view name) {
  for (const std::string_view base : {"transformer.", "model."})
    if (name.substr(0, base.size()) == base) return name.substr(base.size());
  return name;
}

}  // namespace detail

}  // namespace stretto::inline v0
