// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Configurations of other tools' models: what they say becomes a shape and comes back, and what can't is refused.
#include <string>

#include <stretto/model/transformer.hpp>
#include <stretto/train/published_config.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

const std::string gpt2 = R"({
  "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "activation_function": "gelu_new", "attn_pdrop": 0.1, "embd_pdrop": 0.1, "resid_pdrop": 0.1,
  "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "n_inner": null,
  "vocab_size": 50257, "task_specific_params": {"text-generation": {"do_sample": true}}})";
const std::string llama = R"({
  "model_type": "llama", "attention_bias": false, "bos_token_id": 1, "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 8192,
  "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 500000.0,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 128256})";

/// The text with one member more, or with another value for one that is there.
transformer_shape with(const std::string& source, const char* member, const json& value) {
  json j = read_json(source);
  j.set(member, value);
  return read_published_config(to_json(j));
}
std::string again(const transformer_shape& s) { return to_json(published_config(read_published_config(to_json(published_config(s))))); }

}  // namespace

TEST_CASE("the configuration of a GPT-2 is its shape") {
  const transformer_shape s = read_published_config(gpt2);
  CHECK(parameter_count(s) == 124439808);
  CHECK(s.positions == 1024);
  CHECK(s.sequence == 1024);
  CHECK(s.epsilon == 1e-5);
  CHECK(s.dropout == 0.1);
  CHECK(s.tied);
  CHECK(s.kind == activation::gelu_tanh);
  CHECK(published_family_of(s) == published_family::gpt2);
  CHECK(with(gpt2, "n_inner", 100).inner() == 100);
  CHECK(with(gpt2, "activation_function", "gelu").kind == activation::gelu);
  CHECK_FALSE(with(gpt2, "tie_word_embeddings", false).tied);
}

TEST_CASE("the configuration of a Llama is its shape") {
  const transformer_shape s = read_published_config(llama);
  CHECK(parameter_count(s) == 8030261248);
  CHECK(s.groups() == 8);
  CHECK(s.turning.theta == 500000);
  CHECK(s.turning.pairs == rotary_pairs::halves);
  CHECK(s.dropout == 0);
  CHECK(published_family_of(s) == published_family::llama);
  CHECK(with(llama, "num_key_value_heads", json()).groups() == 32);
  CHECK(with(llama, "head_dim", 64).queries() == 32 * 64);
  CHECK(with(llama, "rope_scaling", json::object().set("type", "linear").set("factor", 4)).turning.scaling == 4);
  CHECK(with(llama, "rope_parameters", json::object().set("rope_type", "default").set("rope_theta", 20000.0)).turning.theta == 20000);
  const transformer_shape biased = read_published_config(R"({"model_type":"llama","vocab_size":9,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":12,"attention_bias":true,"mlp_bias":true})");
  CHECK(biased.biases);
  CHECK(biased.positions == 2048);  // what transformers takes where nothing is said
  CHECK(biased.epsilon == 1e-6);
  CHECK(biased.turning.theta == 10000);
  CHECK_FALSE(biased.tied);
}

TEST_CASE("a shape's configuration reads as that shape") {
  transformer_shape s = llama_shape(3, 40, 4, 2, 100, 17, 64, 20000);
  s.turning.scaling = 2, s.head_size = 6, s.biases = true, s.tied = true, s.attention_dropout = 0.25, s.kind = activation::gelu_tanh, s.deviation = 0.125, s.epsilon = 1e-6;
  const transformer_shape r = read_published_config(to_json(published_config(s)));
  CHECK(to_json(published_config(r)) == to_json(published_config(s)));
  CHECK(parameter_count(r) == parameter_count(s));
  CHECK(r.turning.scaling == 2);
  CHECK(r.size() == 6);
  CHECK(r.kind == activation::gelu_tanh);
  CHECK(to_json(published_config(gpt2_shape(2, 32, 4))) == again(gpt2_shape(2, 32, 4)));
  CHECK(published_config(gpt2_shape(2, 32, 4, 50304), 50257).at("vocab_size").integer() == 50257);
  CHECK(read_published_config(to_json(published_config(gpt2_shape(2, 32, 4)))).hidden == 0);
}

TEST_CASE("what no shape says is refused by name") {
  CHECK_THROWS_WITH(read_published_config("[]", "a.json"), "stretto: a.json is no JSON object; give the config.json of a model");
  CHECK_THROWS_WITH(with(gpt2, "model_type", "bert"), "stretto: config.json is of model_type 'bert', and gpt2 and llama are read; take a model of one of these");
  CHECK_THROWS_WITH(with(llama, "rope_scaling", json::object().set("rope_type", "llama3").set("factor", 8.0)),
                    "stretto: config.json has rope_scaling {\"rope_type\":\"llama3\",\"factor\":8.0}, which no transformer_shape says; take another model, or write its layers");
  CHECK_THROWS_WITH(with(llama, "rope_scaling", 2), "stretto: config.json has rope_scaling 2, which no transformer_shape says; take another model, or write its layers");
  CHECK_THROWS_WITH(with(llama, "attention_bias", true), "stretto: config.json has mlp_bias left out, which no transformer_shape says; take another model, or write its layers");
  CHECK_THROWS_WITH(with(llama, "quantization_config", json::object()), "stretto: config.json has quantization_config {}, which no transformer_shape says; take another model, or write its layers");
  CHECK_THROWS_WITH(with(gpt2, "embd_pdrop", 0), "stretto: config.json has embd_pdrop 0, which no transformer_shape says; take another model, or write its layers");
  for (const char* member : {"scale_attn_by_inverse_layer_idx", "add_cross_attention"}) CHECK_THROWS_AS(with(gpt2, member, true), error);
  CHECK_THROWS_AS(with(gpt2, "scale_attn_weights", false), error);
  CHECK_THROWS_AS(with(llama, "rope_parameters", json::object().set("partial_rotary_factor", 0.5)), error);
  CHECK_THROWS_WITH(with(llama, "hidden_act", "mish"),
                    "stretto: config.json has the activation 'mish'; take a model with one of gelu_new, gelu_pytorch_tanh, gelu_fast, gelu, silu, swish, relu, relu2, tanh, sigmoid, linear");
  CHECK_THROWS_WITH(with(gpt2, "n_embd", json()), "stretto: config.json has no n_embd, which says how large the model is; add it");
  CHECK_THROWS_WITH(with(gpt2, "n_layer", 0), "stretto: config.json has n_layer 0 where a whole number from 1 to 1073741824 belongs; correct it");
  CHECK_THROWS_WITH(with(gpt2, "n_layer", "12"), "stretto: config.json has n_layer \"12\" where a whole number from 1 to 1073741824 belongs; correct it");
  CHECK_THROWS_WITH(with(gpt2, "layer_norm_epsilon", 0), "stretto: config.json has layer_norm_epsilon 0 where a number above 0 belongs; correct it");
  CHECK_THROWS_WITH(with(gpt2, "attn_pdrop", "x"), "stretto: config.json has attn_pdrop \"x\" where a number of at least 0 belongs; correct it");
  CHECK_THROWS_WITH(with(gpt2, "tie_word_embeddings", 1), "stretto: config.json has tie_word_embeddings 1 where true or false belongs; correct it");
  CHECK_THROWS_WITH(with(gpt2, "activation_function", 1), "stretto: config.json has activation_function 1 where a string belongs; correct it");
  CHECK_THROWS_WITH(with(gpt2, "n_head", 7), "stretto: a Transformer of width 768 can't share it evenly among 7 heads; change one, or give head_size");
}

TEST_CASE("a shape of no family is refused with what is odd") {
  const auto refused = [](auto change, bool rms) -> std::string {
    transformer_shape s = rms ? llama_shape(1, 8, 2, 1, 12, 9, 8) : gpt2_shape(1, 8, 2, 9, 8);
    change(s);
    try {
      published_family_of(s);
    } catch (const error& e) {
      const std::string words = e.what(), begin = "stretto: a Transformer with ", end = " is neither the GPT-2 nor the Llama of other tools; change it, or save it as a checkpoint";
      REQUIRE(words.substr(words.size() - end.size()) == end);
      return words.substr(begin.size(), words.size() - begin.size() - end.size());
    }
    return "";
  };
  CHECK(refused([](auto&) {}, false) == "");
  CHECK(refused([](auto& s) { s.causal = false; }, false) == "attention to what comes later");
  CHECK(refused([](auto& s) { s.window = 3; }, true) == "attention within a window");
  CHECK(refused([](auto& s) { s.head_norm = true; }, true) == "heads that are normed");
  CHECK(refused([](auto& s) { s.gated = true; }, false) == "LayerNorm and a gated MLP");
  CHECK(refused([](auto& s) { s.gated = false; }, true) == "RMSNorm and an MLP without a gate");
  CHECK(refused([](auto& s) { s.rotary = true; }, false) == "LayerNorm and other than learned positions");
  CHECK(refused([](auto& s) { s.learned_positions = true; }, true) == "RMSNorm and other than rotary positions");
  CHECK(refused([](auto& s) { s.biases = false; }, false) == "LayerNorm and no biases");
  CHECK(refused([](auto& s) { s.kv_heads = 1; }, false) == "LayerNorm and heads that aren't as many, or as wide, as the width's");
}
