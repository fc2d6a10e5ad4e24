// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The shape of a GPT-2 or a Llama as other tools write it down: the config.json beside their weights.
//
//     {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50257, …}
//     {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_key_value_heads": 8, "rope_theta": 5e5, …}
//
//     transformer_shape s = read_published_config(read_file("gpt2/config.json", 1 << 20), "gpt2/config.json");
//     to_json(published_config(s), 2)
// What isn't there has the value that it has there; what a transformer_shape can't say is refused in a sentence, and what
// doesn't change a model's numbers isn't looked at. samples and sequence are the user's to set.
// Source: huggingface.co/docs/transformers, GPT2Config and LlamaConfig.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <stretto/model/shape.hpp>
#include <stretto/train/json.hpp>

namespace stretto::inline v0 {

/// Whose names and layouts weights have.
enum class published_family { gpt2, llama };

/// Throws stretto::error where the shape is of neither.
inline published_family published_family_of(const transformer_shape& s) {
  const bool llama = s.norm == norm_kind::rms;
  const char* odd = nullptr;
  if (!s.causal) odd = "attention to what comes later";
  else if (s.window > 0) odd = "attention within a window";
  else if (s.head_norm) odd = "heads that are normed";
  else if (s.gated != llama) odd = llama ? "RMSNorm and an MLP without a gate" : "LayerNorm and a gated MLP";
  else if (s.rotary != llama || s.learned_positions == llama) odd = llama ? "RMSNorm and other than rotary positions" : "LayerNorm and other than learned positions";
  else if (!llama && !s.biases) odd = "LayerNorm and no biases";
  else if (!llama && (s.groups() != s.heads || s.queries() != s.width)) odd = "LayerNorm and heads that aren't as many, or as wide, as the width's";
  if (odd != nullptr) throw error(text("stretto: a Transformer with ", odd, " is neither the GPT-2 nor the Llama of other tools; change it, or save it as a checkpoint").str());
  return llama ? published_family::llama : published_family::gpt2;
}

namespace detail {

/// Names of activations; of several for one the first is written.
inline constexpr std::pair<std::string_view, activation> published_activations[] = {
    {"gelu_new", activation::gelu_tanh}, {"gelu_pytorch_tanh", activation::gelu_tanh}, {"gelu_fast", activation::gelu_tanh}, {"gelu", activation::gelu},
    {"silu", activation::silu},          {"swish", activation::silu},                  {"relu", activation::relu},           {"relu2", activation::relu_squared},
    {"tanh", activation::tanh},          {"sigmoid", activation::logistic},            {"linear", activation::none}};

/// A configuration's members, each of a kind and within bounds. null is as good as nothing.
class published_members {
 public:
  published_members(const json& all, std::string_view name) : all_(all), name_(name) {}

  const json* find(std::string_view member) const {
    const json* const j = all_.find(member);
    return j == nullptr || j->is(json_kind::null) ? nullptr : j;
  }
  /// From 1 on; otherwise < 0: it has to be there.
  std::int64_t whole(std::string_view member, std::int64_t otherwise = -1) const {
    const json* const j = find(member);
    if (j == nullptr && otherwise >= 0) return otherwise;
    if (j == nullptr) throw error(text("stretto: ", name_, " has no ", member, ", which says how large the model is; add it").str());
    if (!j->is(json_kind::integer) || j->integer() < 1 || j->integer() > most) mistaken(member, "a whole number from 1 to 1073741824");
    return j->integer();
  }
  double number(std::string_view member, double otherwise, bool zero = false) const {
    const json* const j = find(member);
    if (j == nullptr) return otherwise;
    const double v = j->is(json_kind::integer) || j->is(json_kind::real) ? j->number() : -1;
    if (!(v > 0) && !(zero && v >= 0)) mistaken(member, zero ? "a number of at least 0" : "a number above 0");
    return v;
  }
  bool flag(std::string_view member, bool otherwise) const {
    const json* const j = find(member);
    if (j == nullptr) return otherwise;
    if (!j->is(json_kind::boolean)) mistaken(member, "true or false");
    return j->boolean();
  }
  std::string word(std::string_view member, std::string_view otherwise) const {
    const json* const j = find(member);
    if (j == nullptr) return std::string(otherwise);
    if (!j->is(json_kind::string)) mistaken(member, "a string");
    return j->string();
  }
  activation activation_of(std::string_view member, std::string_view otherwise) const {
    const std::string asked = word(member, otherwise);
    text known;
    for (const auto& [published, kind] : published_activations) {
      if (published == asked) return kind;
      known.add(known.empty() ? "" : ", ", published);
    }
    throw error(text("stretto: ", name_, " has the activation '", fit_to_print(asked), "'; take a model with one of ", known).str());
  }
  /// Refuses it unless it is as said.
  void only(std::string_view member, bool as_said) const {
    if (as_said) return;
    const json* const j = find(member);
    throw error(text("stretto: ", name_, " has ", member, " ", j != nullptr ? fit_to_print(to_json(*j)) : text("left out"), ", which no transformer_shape says; take another model, or write its layers").str());
  }

 private:
  static constexpr std::int64_t most = 1 << 30;

  [[noreturn]] void mistaken(std::string_view member, std::string_view wanted) const {
    throw error(text("stretto: ", name_, " has ", member, " ", fit_to_print(to_json(all_.at(member))), " where ", wanted, " belongs; correct it").str());
  }

  const json& all_;
  std::string_view name_;
};

inline void read_gpt2_config(const published_members& m, transformer_shape& s) {
  s.positions = m.whole("n_positions"), s.width = m.whole("n_embd");
  s.layers = static_cast<int>(m.whole("n_layer")), s.heads = static_cast<int>(m.whole("n_head"));
  s.hidden = m.whole("n_inner", 0);
  s.kind = m.activation_of("activation_function", "gelu_new");
  s.epsilon = m.number("layer_norm_epsilon", 1e-5);
  s.dropout = m.number("resid_pdrop", 0.1, true), s.attention_dropout = m.number("attn_pdrop", 0.1, true);
  s.tied = m.flag("tie_word_embeddings", true);
  const double embedded = m.number("embd_pdrop", 0.1, true);
  m.only("embd_pdrop", !(embedded < s.dropout) && !(s.dropout < embedded));
  m.only("scale_attn_weights", m.flag("scale_attn_weights", true));
  m.only("scale_attn_by_inverse_layer_idx", !m.flag("scale_attn_by_inverse_layer_idx", false));
  m.only("add_cross_attention", !m.flag("add_cross_attention", false));
}

inline void read_llama_config(const published_members& m, std::string_view name, transformer_shape& s) {
  s.norm = norm_kind::rms, s.gated = true, s.learned_positions = false, s.rotary = true;
  s.positions = m.whole("max_position_embeddings", 2048), s.width = m.whole("hidden_size");
  s.layers = static_cast<int>(m.whole("num_hidden_layers")), s.heads = static_cast<int>(m.whole("num_attention_heads"));
  s.kv_heads = static_cast<int>(m.whole("num_key_value_heads", s.heads));
  s.head_size = m.whole("head_dim", 0), s.hidden = m.whole("intermediate_size");
  s.kind = m.activation_of("hidden_act", "silu");
  s.epsilon = m.number("rms_norm_eps", 1e-6);
  s.attention_dropout = m.number("attention_dropout", 0, true);
  s.tied = m.flag("tie_word_embeddings", false);
  s.biases = m.flag("attention_bias", false);
  m.only("mlp_bias", m.flag("mlp_bias", false) == s.biases);
  s.turning.theta = m.number("rope_theta", 10000);
  for (const char* member : {"rope_scaling", "rope_parameters"}) {  // the one before transformers 5, the other from then on
    const json* const j = m.find(member);
    if (j == nullptr) continue;
    m.only(member, j->is(json_kind::object));
    const published_members rope(*j, name);
    const std::string type = rope.word("rope_type", rope.word("type", "default"));
    m.only(member, type == "default" || type == "linear");
    m.only(member, !(rope.number("partial_rotary_factor", 1) < 1) && !(rope.number("partial_rotary_factor", 1) > 1));
    s.turning.theta = rope.number("rope_theta", s.turning.theta);
    if (type == "linear") s.turning.scaling = rope.number("factor", 1);
  }
}

}  // namespace detail

/// The shape that the text of a config.json says; `name` is what the text is called where it is refused.
inline transformer_shape read_published_config(std::string_view source, std::string_view name = "config.json") {
  const json all = read_json(source, name);
  if (!all.is(json_kind::object)) throw error(text("stretto: ", name, " is no JSON object; give the config.json of a model").str());
  const detail::published_members m(all, name);
  const std::string family = m.word("model_type", "none");
  if (family != "gpt2" && family != "llama") throw error(text("stretto: ", name, " is of model_type '", detail::fit_to_print(family), "', and gpt2 and llama are read; take a model of one of these").str());
  transformer_shape s;
  s.vocabulary = m.whole("vocab_size");
  s.deviation = m.number("initializer_range", 0.02, true);
  m.only("quantization_config", m.find("quantization_config") == nullptr);
  if (family == "gpt2") detail::read_gpt2_config(m, s);
  else detail::read_llama_config(m, name, s);
  s.sequence = s.positions;
  s.validate();
  return s;
}

/// The config.json of a shape, with as many tokens as `vocabulary` says where the table is padded. No token is special.
inline json published_config(const transformer_shape& s, std::int64_t vocabulary = 0, std::string_view dtype = "float32") {
  const published_family family = published_family_of(s);
  const bool llama = family == published_family::llama;
  std::string_view kind;
  for (const auto& [published, ours] : detail::published_activations)
    if (ours == s.kind && kind.empty()) kind = published;
  json c = json::object();
  c.set("architectures", json::array().push_back(llama ? "LlamaForCausalLM" : "GPT2LMHeadModel")).set("model_type", llama ? "llama" : "gpt2");
  c.set("vocab_size", vocabulary > 0 ? vocabulary : s.vocabulary);
  if (llama) {
    c.set("max_position_embeddings", s.positions).set("hidden_size", s.width).set("num_hidden_layers", s.layers);
    c.set("num_attention_heads", s.heads).set("num_key_value_heads", s.groups()).set("head_dim", s.size()).set("intermediate_size", s.inner());
    c.set("hidden_act", kind).set("rms_norm_eps", s.epsilon).set("attention_bias", s.biases).set("mlp_bias", s.biases);
    c.set("rope_theta", s.turning.theta).set("attention_dropout", s.attention_dropout);
    if (s.turning.scaling < 1 || s.turning.scaling > 1) c.set("rope_scaling", json::object().set("rope_type", "linear").set("factor", s.turning.scaling));
  } else {
    c.set("n_positions", s.positions).set("n_embd", s.width).set("n_layer", s.layers).set("n_head", s.heads);
    c.set("n_inner", s.hidden > 0 ? json(s.hidden) : json()).set("activation_function", kind).set("layer_norm_epsilon", s.epsilon);
    c.set("resid_pdrop", s.dropout).set("embd_pdrop", s.dropout).set("attn_pdrop", s.attention_dropout);
  }
  c.set("initializer_range", s.deviation).set("tie_word_embeddings", s.tied).set("bos_token_id", json()).set("eos_token_id", json()).set("torch_dtype", dtype);
  return c;
}

}  // namespace stretto::inline v0
