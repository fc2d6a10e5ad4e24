// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Models in several safetensors files: what is written comes back, and files that don't go together are refused.
#include <filesystem>
#include <string>
#include <vector>

#include <unistd.h>

#include <stretto/train/safetensors_shards.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

struct shards_folder {
  std::string path = (std::filesystem::temp_directory_path() / ("stretto_shards_" + std::to_string(::getpid()))).string();
  shards_folder() { std::filesystem::remove_all(path), std::filesystem::create_directory(path); }
  ~shards_folder() { std::filesystem::remove_all(path); }
};

const std::vector<stored_tensor> five = {{"a", stored_type::float32, {4}}, {"b", stored_type::int8, {3}}, {"c", stored_type::float64, {2}}, {"d", stored_type::float32, {9}}, {"e", stored_type::float32, {0}}};

/// Writes numbers that tell the tensors apart.
void fill(sharded_safetensors_writer& w) {
  for (const stored_tensor& t : w.tensors()) w.write(t.name, std::string(static_cast<std::size_t>(t.bytes()), t.name[0]).data(), t.bytes());
  w.finish();
}

void one_tensor(const std::string& path, const std::string& name) {
  safetensors_writer w(path, {{name, stored_type::int8, {1}}});
  w.write(name, "x", 1);
  w.finish();
}

}  // namespace

TEST_CASE("a model in shards comes back whole") {
  const shards_folder f;
  for (const std::int64_t most : {std::int64_t{1}, std::int64_t{20}, std::int64_t{35}, std::int64_t{1000}}) {
    const std::string path = f.path + "/most/" + std::to_string(most);
    sharded_safetensors_writer w(path, five, {.most_bytes = most});
    fill(w);
    CHECK(w.shards() == (most == 1 ? 4 : most == 20 ? 3 : most == 35 ? 2 : 1));
    CHECK(path_exists(path + "/model.safetensors.index.json") == (most != 1000));
    const safetensors_set s = safetensors_set::open(path);
    CHECK(s.files() == w.shards());
    CHECK(s.count() == 5);
    for (const stored_tensor& t : five) {
      REQUIRE(s.at(t.name).shape == t.shape);
      std::string data(static_cast<std::size_t>(s.at(t.name).bytes()), '?');
      s.read(t.name, data.data(), s.at(t.name).bytes());
      REQUIRE(data == std::string(data.size(), t.name[0]));
    }
  }
  const json index = read_json(read_file(f.path + "/most/35/model.safetensors.index.json", 10000));
  CHECK(index.at("metadata").at("total_size").integer() == 16 + 3 + 16 + 36);
  CHECK(index.at("weight_map").at("a").string() == "model-00001-of-00002.safetensors");
  CHECK(index.at("weight_map").at("d").string() == "model-00002-of-00002.safetensors");
  const safetensors_set by_index = safetensors_set::open(f.path + "/most/35/model.safetensors.index.json");
  char two[2];
  by_index.read("d", 34, two, 2);
  CHECK(std::string(two, 2) == "dd");
  CHECK(safetensors_set::open(f.path + "/most/1000/model.safetensors").count() == 5);
  CHECK_THROWS_WITH(by_index.read("b", two, 2), "stretto: tensor 'b' of '" + f.path + "/most/35/model-00001-of-00002.safetensors' has 3 bytes, and 2 are read as the whole; give it as much room");
  CHECK_THROWS_WITH(by_index.at("z"), "stretto: no tensor 'z' is in the 2 files of weights from '" + f.path + "/most/35/model-00001-of-00002.safetensors' on; ask for one of their 5");
}

TEST_CASE("a writer of shards notices what is missing") {
  const shards_folder f;
  sharded_safetensors_writer w(f.path, five, {.most_bytes = 20, .name = "weights"});
  CHECK_THROWS_AS(w.write("c", "0123456789abcdef", 16), error);
  w.write("a", "0123456789abcdef", 16);
  w.write("b", "012", 3);
  CHECK_THROWS_WITH(w.finish(), "stretto: '" + f.path + "' lacks 2 of 3 files of weights; write all tensors before finish()");
  CHECK_THROWS_WITH(sharded_safetensors_writer(f.path, five, {.most_bytes = 0}), "stretto: shards of at most 0 bytes can't be written; give most_bytes of 1 or more");
  CHECK_THROWS_WITH(sharded_safetensors_writer(f.path, {{"a"}, {"b"}, {"a"}}, {.most_bytes = 4}), "stretto: tensor 'a' of '" + f.path + "' is there twice; correct the file, or what wrote it");
}

TEST_CASE("files of weights that don't go together are refused") {
  const shards_folder f;
  one_tensor(f.path + "/1", "a");
  one_tensor(f.path + "/2", "b");
  one_tensor(f.path + "/3", "a");
  safetensors_set s;
  s.add(f.path + "/1");
  s.add(f.path + "/2");
  CHECK_THROWS_WITH(s.add(f.path + "/3"), "stretto: tensor 'a' is in '" + f.path + "/1' and in '" + f.path + "/3'; leave one out");
  CHECK(s.count() == 2);
  const std::string index = f.path + "/m.index.json";
  const auto refused = [&](const std::string& content) -> std::string {
    write_file(index, content);
    try {
      safetensors_set::open(index);
    } catch (const error& e) {
      return e.what();
    }
    return "";
  };
  CHECK(refused(R"({"weight_map":{"a":"1","b":"2"}})") == "");
  CHECK(refused("[]") == "stretto: '" + index + "' has no weight_map, an object of names and files; give the index of a sharded model");
  CHECK(refused(R"({"weight_map":[]})") == "stretto: '" + index + "' has no weight_map, an object of names and files; give the index of a sharded model");
  for (const char* name : {R"("../1")", R"("/etc/passwd")", R"("")", R"("..")", "7", R"("a\u0000b")", R"("a\\b")"})
    CHECK(refused(std::string(R"({"weight_map":{"a":)") + name + "}}") == "stretto: '" + index + "' maps tensor 'a' to what is no name of a file beside it; correct the index");
  CHECK(refused(R"({"weight_map":{"a":"1","c":"2"}})") == "stretto: '" + index + "' says that tensor 'c' is in 2, and it isn't; correct the index, or take whole files");
  CHECK(refused(R"({"weight_map":{"a":"none"}})").find("can't be opened (No such file or directory)") != std::string::npos);
  CHECK(refused(R"({"weight_map":{"a":"1","a":"2"}})").find("has the name 'a' twice") != std::string::npos);
}
