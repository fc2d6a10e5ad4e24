// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights under other tools' names: each number lands where it belongs and comes back, and what doesn't fit changes nothing.
#include <cmath>
#include <deque>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <unistd.h>

#include <stretto/model/transformer.hpp>
#include <stretto/train/published_weights.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

struct published_folder {
  std::string path = (std::filesystem::temp_directory_path() / ("stretto_published_" + std::to_string(::getpid()))).string();
  published_folder() { std::filesystem::remove_all(path), std::filesystem::create_directory(path); }
  ~published_folder() { std::filesystem::remove_all(path); }
};

transformer_shape tiny_gpt2() { return gpt2_shape(2, 8, 2, 11, 6); }
transformer_shape tiny_llama() { return llama_shape(2, 8, 4, 2, 12, 11, 6); }

/// The parameters that a model of the shape has, without the model, all of their numbers 0.5.
template <class T = float>
struct own_parameters {
  std::deque<std::vector<T>> numbers;
  std::vector<parameter> all;

  explicit own_parameters(const transformer_shape& s) {
    std::set<std::string> known;
    const auto tensors = published_tensors(s);
    for (const published_tensor& t : tensors) {
      if (!known.insert(t.parameter).second) continue;
      add(t.parameter, detail::numbers_of(detail::pieces_of(tensors, t.parameter), s));
    }
  }
  void add(const std::string& name, std::int64_t count) {
    numbers.emplace_back(static_cast<std::size_t>(count), T(0.5));
    parameter p;
    p.name.add(name), p.count = count, p.value = numbers.back().data();
    p.type = sizeof(T) == 8 ? number_type::float64 : number_type::float32;
    all.push_back(p);
  }
  std::vector<T>& at(const std::string& name) {
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].name.str() == name) return numbers[i];
    FAIL("no parameter " << name);
    return numbers[0];
  }
  void count_up() {
    int n = 0;
    for (auto& v : numbers)
      for (T& x : v) x = static_cast<T>(++n % 4099) / 64;
  }
  bool untouched() const {
    for (const auto& v : numbers)
      for (const T x : v)
        if (x < T(0.5) || x > T(0.5)) return false;
    return true;
  }
};

/// Writes a file with these tensors, the numbers of each 1, 2, 3 …
void write_counting(const std::string& path, const std::vector<stored_tensor>& tensors) {
  safetensors_writer w(path, tensors);
  for (const stored_tensor& t : w.tensors()) {
    std::vector<float> numbers;
    for (std::int64_t i = 0; i < t.bytes() / 4; ++i) numbers.push_back(static_cast<float>(i + 1));
    w.write(t.name, numbers.data(), t.bytes());
  }
  w.finish();
}
std::vector<stored_tensor> stored_of(const transformer_shape& s, std::int64_t vocabulary = 0) {
  std::vector<stored_tensor> all;
  std::set<std::string> known;
  for (const published_tensor& t : published_tensors(s, vocabulary))
    if (known.insert(t.name).second) all.push_back({t.name, stored_type::float32, t.shape});
  return all;
}
template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("tensors of a GPT-2 have their published names and shapes") {
  std::string words;
  for (const published_tensor& t : published_tensors(tiny_gpt2()))
    if (t.name.find(".h.1.") == std::string::npos) words += t.name + std::string(shape_words(t.shape).str()) + " ";
  CHECK(words == "transformer.wte.weight(11, 8) transformer.wpe.weight(6, 8) transformer.h.0.ln_1.weight(8) transformer.h.0.ln_1.bias(8) "
                 "transformer.h.0.attn.c_attn.weight(8, 24) transformer.h.0.attn.c_attn.bias(24) transformer.h.0.attn.c_proj.weight(8, 8) transformer.h.0.attn.c_proj.bias(8) "
                 "transformer.h.0.ln_2.weight(8) transformer.h.0.ln_2.bias(8) transformer.h.0.mlp.c_fc.weight(8, 32) transformer.h.0.mlp.c_fc.bias(32) "
                 "transformer.h.0.mlp.c_proj.weight(32, 8) transformer.h.0.mlp.c_proj.bias(8) transformer.ln_f.weight(8) transformer.ln_f.bias(8) transformer.wte.weight(11, 8) ");
}

TEST_CASE("tensors of a Llama have their published names and shapes") {
  std::string words;
  for (const published_tensor& t : published_tensors(tiny_llama()))
    if (t.name.find(".1.") == std::string::npos) words += t.name + std::string(shape_words(t.shape).str()) + " ";
  CHECK(words == "model.embed_tokens.weight(11, 8) model.layers.0.input_layernorm.weight(8) model.layers.0.self_attn.q_proj.weight(8, 8) model.layers.0.self_attn.k_proj.weight(4, 8) "
                 "model.layers.0.self_attn.v_proj.weight(4, 8) model.layers.0.self_attn.o_proj.weight(8, 8) model.layers.0.post_attention_layernorm.weight(8) "
                 "model.layers.0.mlp.gate_proj.weight(12, 8) model.layers.0.mlp.up_proj.weight(12, 8) model.layers.0.mlp.down_proj.weight(8, 12) model.norm.weight(8) lm_head.weight(11, 8) ");
  CHECK(published_tensors(tiny_llama()).size() == 1 + 2 * 9 + 2);
}

TEST_CASE("each published number lands in its place") {
  const published_folder f;
  const std::string file = f.path + "/model.safetensors";
  own_parameters g(tiny_gpt2());
  write_counting(file, stored_of(tiny_gpt2()));
  const published_report r = load_published(f.path, tiny_gpt2(), g.all);
  CHECK(r.tensors == 2 + 2 * 12 + 2);
  CHECK((r.left.empty() && r.kept.empty()));
  for (int out = 0; out < 24; ++out)
    for (int in = 0; in < 8; ++in) REQUIRE(g.at("block.1.attention.qkv.weight")[static_cast<std::size_t>(out * 8 + in)] == static_cast<float>(in * 24 + out + 1));
  CHECK(g.at("block.0.mlp.down.weight")[1 * 32 + 2] == 2 * 8 + 1 + 1);
  CHECK(g.at("block.0.attention.qkv.bias")[17] == 18);
  CHECK(g.at("embedding.table.weight") == g.at("head.table.weight"));
  CHECK(g.at("embedding.positions.weight")[47] == 48);

  own_parameters l(tiny_llama());
  write_counting(file, stored_of(tiny_llama()));
  CHECK(load_published(file, tiny_llama(), l.all).tensors == 21);
  const std::vector<float>& qkv = l.at("block.1.attention.qkv.weight");
  CHECK((qkv[0] == 1 && qkv[8 * 8 - 1] == 64));             // queries
  CHECK((qkv[8 * 8] == 1 && qkv[12 * 8 - 1] == 32));        // keys
  CHECK((qkv[12 * 8] == 1 && qkv[16 * 8 - 1] == 32));       // values
  CHECK((l.at("block.0.mlp.up.weight")[95] == 96 && l.at("block.0.mlp.up.weight")[96] == 1));  // the gate comes first
  CHECK(l.at("head.table.weight")[87] == 88);

  transformer_shape s = tiny_llama();
  s.turning.pairs = rotary_pairs::neighbours, s.head_size = 4, s.biases = true;   // heads of four: (0, 2) (1, 3) there are (0, 1) (2, 3) here
  own_parameters n(s);
  write_counting(file, stored_of(s));
  load_published(file, s, n.all);
  std::vector<float> rows;
  for (std::size_t row = 0; row < 8; ++row) rows.push_back((n.at("block.0.attention.qkv.weight")[row * 8] - 1) / 8);
  CHECK(rows == std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7});
  CHECK(n.at("block.0.attention.qkv.bias")[17] == 3);       // of a key
  CHECK(n.at("block.0.attention.qkv.bias")[25] == 2);       // of a value
}

TEST_CASE("what is saved comes back, in each type and in shards") {
  const published_folder f;
  transformer_shape neighbours = tiny_llama();
  neighbours.turning.pairs = rotary_pairs::neighbours, neighbours.head_size = 4, neighbours.biases = true;
  for (const transformer_shape& s : {tiny_gpt2(), tiny_llama(), neighbours}) {
    own_parameters a(s);
    a.count_up();
    if (s.tied) a.at("head.table.weight") = a.at("embedding.table.weight");
    for (const auto& [type, most] : {std::pair{stored_type::float32, 1000}, {stored_type::float64, 1 << 20}, {stored_type::bfloat16, 1 << 20}, {stored_type::float16, 300}}) {
      save_published(f.path, s, a.all, {.type = type, .most_bytes = most});
      const safetensors_set files = safetensors_set::open(f.path);
      CHECK((files.files() > 1) == (most < 2000));
      CHECK(files.file(0).header().metadata == std::vector<std::pair<std::string, std::string>>{{"format", "pt"}});
      CHECK(published_family_of(published_shape(f.path)) == published_family_of(s));
      own_parameters b(s);
      own_parameters<double> wide(s);
      load_published(files, s, b.all);
      load_published(files, s, wide.all);
      for (std::size_t i = 0; i < a.numbers.size(); ++i)
        for (std::size_t k = 0; k < a.numbers[i].size(); ++k) {
          const float x = a.numbers[i][k], y = type == stored_type::bfloat16 ? static_cast<float>(bf16(x)) : type == stored_type::float16 ? static_cast<float>(fp16(x)) : x;
          if (b.numbers[i][k] < y || b.numbers[i][k] > y || static_cast<float>(wide.numbers[i][k]) < y || static_cast<float>(wide.numbers[i][k]) > y) FAIL(a.all[i].name.c_str() << " " << k);
        }
    }
  }
}

TEST_CASE("what can't be written leaves the model that was there, and another one leaves nothing of it") {
  const published_folder folder;
  const transformer_shape s = tiny_llama();
  own_parameters<> first(s), read(s), huge(s);
  first.count_up();
  huge.numbers.back()[0] = 1e6f;
  save_published(folder.path, s, first.all);
  CHECK_THROWS_AS(save_published(folder.path, s, huge.all, {.type = stored_type::float16}), error);
  load_published(folder.path, s, read.all);
  CHECK(read.numbers == first.numbers);
  const auto shards = [&] {
    int count = 0;
    for (const std::string& name : list_directory(folder.path)) count += name.find("-of-") != name.npos ? 1 : 0;
    return count;
  };
  save_published(folder.path, s, first.all, {.most_bytes = 1000});
  CHECK(shards() > 2);
  CHECK_FALSE(path_exists(folder.path + "/model.safetensors"));
  const int many = shards();
  save_published(folder.path, s, first.all, {.most_bytes = 2000});
  CHECK(shards() < many);
  replace_file(folder.path + "/model-of-truth.md", "mine");
  save_published(folder.path, s, first.all);
  CHECK(path_exists(folder.path + "/model-of-truth.md"));
  CHECK(shards() == 1);  // that one
  for (const std::string& name : list_directory(folder.path)) CHECK(name.find(".part") == name.npos);
  CHECK_FALSE(path_exists(folder.path + "/model.safetensors.index.json"));
}

TEST_CASE("names are found without what stands before them, and buffers are left") {
  const published_folder f;
  const std::string file = f.path + "/model.safetensors";
  std::vector<stored_tensor> bare = stored_of(tiny_gpt2());
  for (stored_tensor& t : bare) t.name = t.name.substr(12);
  for (const char* buffer : {"h.0.attn.bias", "h.1.attn.masked_bias"}) bare.push_back({buffer, stored_type::float32, {1, 1, 6, 6}});
  write_counting(file, bare);
  own_parameters p(tiny_gpt2());
  const published_report r = load_published(file, tiny_gpt2(), p.all);
  CHECK(r.left == std::vector<std::string>{"h.0.attn.bias", "h.1.attn.masked_bias"});
  CHECK(p.at("block.0.attention.qkv.bias")[1] == 2);

  // A tied table may be there twice, or under the head's name alone; twice with other numbers isn't tied.
  std::vector<stored_tensor> both = stored_of(tiny_gpt2());
  both.push_back({"lm_head.weight", stored_type::float32, {11, 8}});
  write_counting(file, both);
  CHECK(load_published(file, tiny_gpt2(), p.all).left == std::vector<std::string>{"lm_head.weight"});
  both.front().name = "other.weight";
  write_counting(file, both);
  own_parameters head(tiny_gpt2());
  CHECK(load_published(file, tiny_gpt2(), head.all, {.part = true}).tensors == 28);
  CHECK(head.at("embedding.table.weight") == p.at("embedding.table.weight"));
  both.front().name = "transformer.wte.weight", both.back().shape = {8, 11};
  write_counting(file, both);
  CHECK(refusal([&] { load_published(file, tiny_gpt2(), p.all); }) ==
        "stretto: the weights in '" + file + "' don't fit the parameters, in 1 tensor: 'lm_head.weight' isn't the table that the shape ties it to; give a shape with tied = false");
}

TEST_CASE("a padded table takes the published rows, and gives them back") {
  const published_folder f;
  const std::string file = f.path + "/model.safetensors";
  const transformer_shape s = gpt2_shape(1, 8, 2, 16, 6);
  write_counting(file, stored_of(s, 11));
  own_parameters p(s);
  CHECK(refusal([&] { load_published(file, s, p.all); }) ==
        "stretto: the weights in '" + file + "' don't fit the parameters, in 2 tensors: 'transformer.wte.weight' is stored as F32 (11, 8) and wanted as (16, 8), "
        "'transformer.wte.weight' is stored as F32 (11, 8) and wanted as (16, 8); give vocabulary = 11");
  CHECK(p.untouched());
  load_published(file, s, p.all, {.vocabulary = 11});
  const std::vector<float>& table = p.at("head.table.weight");
  CHECK(table[10 * 8 + 7] == 88);
  for (std::size_t row = 11; row < 16; ++row)
    for (std::size_t j = 0; j < 8; ++j) REQUIRE(table[row * 8 + j] == static_cast<float>(5 * 8 + j + 1));  // the mean: that of row 5
  save_published(f.path, s, p.all, {.vocabulary = 11});
  CHECK(safetensors_set::open(f.path).at("transformer.wte.weight").shape == std::vector<std::int64_t>{11, 8});
  CHECK(published_shape(f.path).vocabulary == 11);
  CHECK_THROWS_WITH(published_tensors(s, 17), "stretto: 17 tokens of other tools don't fit the vocabulary of 16; give a vocabulary of at most the shape's, or 0");
}

TEST_CASE("a process loads what it has, and parameters may stay as they are, where that is said") {
  const published_folder f;
  const std::string file = f.path + "/model.safetensors";
  const transformer_shape s = tiny_llama();
  write_counting(file, stored_of(s));
  own_parameters some(s);
  some.all.erase(some.all.begin() + 3, some.all.end());  // the table, and the first norm and product
  CHECK(refusal([&] { load_published(file, s, some.all); }).find("'model.layers.0.self_attn.o_proj.weight' is stored and not wanted") != std::string::npos);
  CHECK(some.untouched());
  const published_report r = load_published(file, s, some.all, {.part = true});
  CHECK(r.tensors == 5);
  CHECK(r.left.size() == 16);
  CHECK(some.at("block.0.attention.qkv.weight")[127] == 32);
  CHECK(refusal([&] { save_published(f.path, s, some.all); }) == "stretto: parameter block.0.attention.out.weight of tensor 'model.layers.0.self_attn.o_proj.weight' isn't among those that are given; "
                                                                 "write where all of a model are, one that has loaded a checkpoint for instance");

  // Without a head, and with a parameter that nobody else knows.
  std::vector<stored_tensor> headless = stored_of(s);
  headless.pop_back();
  write_counting(file, headless);
  own_parameters all(s);
  all.add("adapter.weight", 4);
  CHECK(refusal([&] { load_published(file, s, all.all); }) ==
        "stretto: the weights in '" + file + "' don't fit the parameters, in 2 tensors: 'lm_head.weight' is missing and wanted as (11, 8), 'adapter.weight' is no parameter of that shape; "
        "give a shape with tied = true, or set lacking where parameters may keep their numbers");
  CHECK(all.untouched());
  CHECK(load_published(file, s, all.all, {.lacking = true}).kept == std::vector<std::string>{"head.table.weight", "adapter.weight"});
  CHECK(all.at("head.table.weight")[0] == 0.5f);
  CHECK(all.at("block.1.mlp.down.weight")[95] == 96);
}

TEST_CASE("weights that don't fit are refused, each in its words, and nothing changes") {
  const published_folder f;
  const std::string file = f.path + "/model.safetensors";
  const transformer_shape s = tiny_gpt2();
  own_parameters p(s);
  const auto changed = [&](auto change) {
    std::vector<stored_tensor> tensors = stored_of(s);
    change(tensors);
    write_counting(file, tensors);
    const std::string words = refusal([&] { load_published(file, s, p.all); }), begin = "stretto: the weights in '" + file + "' don't fit the parameters, in ";
    CHECK(p.untouched());
    return words.substr(0, begin.size()) == begin ? words.substr(begin.size()) : words;
  };
  const auto of = [](std::vector<stored_tensor>& all, const std::string& name) -> stored_tensor& {
    for (stored_tensor& t : all)
      if (t.name == name) return t;
    return all.front();
  };
  CHECK(changed([&](auto& t) { of(t, "transformer.h.0.attn.c_attn.weight").shape = {24, 8}; }) ==
        "1 tensor: 'transformer.h.0.attn.c_attn.weight' is stored as F32 (24, 8) and wanted as (8, 24); take the shape from the config.json of these weights");
  CHECK(changed([&](auto& t) { of(t, "transformer.wpe.weight").type = stored_type::int32; }) == "1 tensor: 'transformer.wpe.weight' is stored as I32 (6, 8); convert it to F32");
  CHECK(changed([&](auto& t) { of(t, "transformer.ln_f.bias").name = "transformer.ln_g.bias"; }) ==
        "2 tensors: 'transformer.ln_f.bias' is missing and wanted as (8), 'transformer.ln_g.bias' is stored and not wanted; set lacking where parameters may keep their numbers, or set part where files may hold more");
  CHECK(changed([&](auto& t) { t.front().shape = {12, 8}; }).find("take the shape from the config.json") != std::string::npos);
  p.all[2].count = 7;
  CHECK(changed([](auto&) {}) == "1 tensor: 'block.0.attention.norm.weight' has 7 numbers where the shape has 8; load into a model of the shape that is given");
  CHECK(refusal([&] { save_published(f.path, s, p.all); }) == "stretto: parameter block.0.attention.norm.weight has 7 numbers where the shape has 8; give the shape that the model was made with");
  own_parameters q(s);
  q.at("head.table.weight")[3] = 1;
  CHECK(refusal([&] { save_published(f.path, s, q.all); }) ==
        "stretto: parameters embedding.table.weight and head.table.weight differ, and are stored as one tensor 'transformer.wte.weight'; write them when no step is under way");
  q.at("head.table.weight")[3] = 0.5f, q.at("block.1.mlp.up.bias")[0] = 70000;
  CHECK(refusal([&] { save_published(f.path, s, q.all, {.type = stored_type::float16}); }) == "stretto: tensor 'transformer.h.1.mlp.c_fc.bias' has numbers that F16 can't hold; write it as F32 or BF16");
  CHECK(refusal([&] { save_published(f.path, s, q.all, {.type = stored_type::int8}); }) == "stretto: weights are not written as I8; choose F64, F32, BF16 or F16");
}
