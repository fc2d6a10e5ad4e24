// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Models of other tools compute here what they compute there: logits of tiny ones, with weights that both sides make by the
// same rule, held to those of transformers 5.24.0 in double.
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <unistd.h>

#include <stretto/model.hpp>
#include <stretto/run.hpp>
#include <stretto/train/published_weights.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

constexpr std::int32_t tokens[] = {3, 1, 4, 1, 5, 9, 2, 6};

struct made_elsewhere {
  const char* config;
  std::vector<double> logits;  // of the last token
};
const made_elsewhere models[] = {
    {R"({"model_type": "gpt2", "vocab_size": 11, "n_positions": 8, "n_embd": 12, "n_layer": 2, "n_head": 3})",
     {-1.7052963, 0.8246663, 0.5674686, 1.3959063, -0.2969345, -0.0276517, -1.3068663, -0.1892549, -0.6269314, -0.4068422, -0.1715304}},
    {R"({"model_type": "llama", "vocab_size": 11, "max_position_embeddings": 8, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "intermediate_size": 20, "rms_norm_eps": 1e-05, "rope_theta": 500.0})",
     {-1.9664791, 0.8792624, 0.6245117, 1.1239398, -1.4130748, -1.0775268, -1.3316668, -0.7561234, 0.8662132, 0.1878382, 1.5288119}},
    {R"({"model_type": "llama", "vocab_size": 11, "max_position_embeddings": 8, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "intermediate_size": 20, "head_dim": 6, "hidden_act": "gelu", "attention_bias": true, "mlp_bias": true,
         "tie_word_embeddings": true, "rope_scaling": {"rope_type": "linear", "factor": 2.0}})",
     {-1.7349791, 0.9230288, -0.2670702, -2.4127796, 0.4135694, 0.5759678, -0.3417809, 0.9457395, -0.7475191, 0.4049878, -0.0487982}}};

/// From -1/2 to 1/2 in 1024 steps; for the weights of norms around 1.
std::vector<float> made_weights(const std::string& name, std::int64_t count) {
  std::uint32_t h = 2166136261u;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  const bool norm = name.find("norm.weight") != name.npos || name.find("ln_") != name.npos;
  std::vector<float> all;
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t k = h + static_cast<std::uint32_t>(i) * 0x9e3779b1u;
    k = (k ^ k >> 15) * 0x85ebca6bu;
    k ^= k >> 13;
    const float v = (static_cast<float>(k >> 8 & 1023u) - 512) / 1024;
    all.push_back(norm ? 1 + v / 2 : v);
  }
  return all;
}

std::vector<float> logits_of(const transformer_shape& s, const std::string& weights, const std::string& saved) {
  std::vector<float> last;
  const auto look = [](void* with, const data_share&, const tensor_view<const float, 2>& logits) { static_cast<std::vector<float>*>(with)->assign(logits.row(7), logits.row(7) + logits.columns()); };
  const plan order = make_plan(gpipe{}, {.ranks = 2, .micro_batches = 1});
  pipeline p(transformer<host::device, float>(s, {.watcher = {look, &last}}), even_cut(layer_costs(s), 2), order, sgd{});
  for (const char* feed : {"tokens", "labels"}) p.feed<std::int32_t>(feed, [](const data_share&) { return view<const std::int32_t>{tokens, 8}; });
  load_published(weights, s, p.parameters());
  p.weights_changed();
  p.run(p.bind(forward_of(order)), 8).loss();
  p.finish();
  save_published(saved, s, p.parameters());
  return last;
}

}  // namespace

TEST_CASE("models of other tools give the logits that they give there") {
  const std::string path = (std::filesystem::temp_directory_path() / ("stretto_logits_" + std::to_string(::getpid()))).string();
  for (const made_elsewhere& m : models) {
    std::filesystem::create_directories(path + "/there");
    write_file(path + "/there/config.json", m.config);
    transformer_shape s = published_shape(path + "/there");
    std::vector<stored_tensor> stored;
    for (const published_tensor& t : published_tensors(s))
      if (stored.empty() || t.name != stored.front().name) stored.push_back({t.name, stored_type::float32, t.shape});
    safetensors_writer w(path + "/there/model.safetensors", stored);
    for (const stored_tensor& t : w.tensors()) w.write(t.name, made_weights(t.name, t.bytes() / 4).data(), t.bytes());
    w.finish();

    for (const rotary_pairs pairs : {rotary_pairs::halves, rotary_pairs::neighbours}) {
      s.turning.pairs = pairs;
      const std::vector<float> logits = logits_of(s, path + "/there", path + "/here");
      REQUIRE(logits.size() == m.logits.size());
      for (std::size_t i = 0; i < logits.size(); ++i) CHECK(std::abs(static_cast<double>(logits[i]) - m.logits[i]) < 2e-5);
      const safetensors_set here = safetensors_set::open(path + "/here");
      CHECK(here.count() == static_cast<int>(stored.size()));
      for (const stored_tensor& t : stored) {
        std::vector<float> numbers(static_cast<std::size_t>(here.at(t.name).bytes() / 4));
        here.read(t.name, numbers.data(), here.at(t.name).bytes());
        CHECK(numbers == made_weights(t.name, static_cast<std::int64_t>(numbers.size())));
      }
    }
    std::filesystem::remove_all(path);
  }
}
