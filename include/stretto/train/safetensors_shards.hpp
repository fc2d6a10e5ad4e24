// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tensors in several safetensors files, seen as one, and written as such.
//
//     model-00001-of-00003.safetensors  …  model.safetensors.index.json     {"metadata":{"total_size":…},"weight_map":{"wte":"model-00001-…",…}}
//
//     const safetensors_set s = safetensors_set::open("gpt2/");             an index, a file, or a directory that holds one of both
//     const std::int64_t n = s.at("wte").bytes();   s.read("wte", to, n);
//
//     sharded_safetensors_writer w("out", tensors, {.most_bytes = 5'000'000'000});     as safetensors_writer
// What fits one file becomes one, without an index. Cost: the headers of all files.
// Source: huggingface.co/docs/transformers, "Big models", sharded checkpoints.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stretto/train/safetensors.hpp>

namespace stretto::inline v0 {

class safetensors_set {
 public:
  safetensors_set() = default;

  /// A file of tensors, an index of such, or a directory with model.safetensors or model.safetensors.index.json.
  static safetensors_set open(const std::string& path, const file_calls& calls = detail::real_calls) {
    constexpr std::string_view index = ".index.json";
    safetensors_set s;
    if (path.size() >= index.size() && std::string_view(path).substr(path.size() - index.size()) == index)
      s.add_index(path, calls);
    else if (path_exists(path + "/model.safetensors.index.json"))
      s.add_index(path + "/model.safetensors.index.json", calls);
    else if (path_exists(path + "/model.safetensors"))
      s.add(path + "/model.safetensors", calls);
    else
      s.add(path, calls);
    return s;
  }

  /// One file more. Throws where a name is there already.
  void add(const std::string& path, const file_calls& calls = detail::real_calls) {
    auto one = std::make_unique<safetensors_file>(path, calls);
    for (const stored_tensor& t : one->tensors())
      if (const auto& [file, tensor] = look(t.name); tensor != nullptr)
        throw error(text("stretto: tensor '", detail::fit_to_print(t.name), "' is in '", detail::path_words(file->path()), "' and in '", detail::path_words(path), "'; leave one out").str());
    files_.push_back(std::move(one));
  }

  int files() const { return static_cast<int>(files_.size()); }
  const safetensors_file& file(int i) const { return *files_[static_cast<std::size_t>(i)]; }
  int count() const {
    int n = 0;
    for (const auto& f : files_) n += static_cast<int>(f->tensors().size());
    return n;
  }
  /// nullptr where no file has it.
  const stored_tensor* find(std::string_view name) const { return look(name).second; }
  const stored_tensor& at(std::string_view name) const { return *found(name).second; }

  /// All of a tensor, which must have so many bytes.
  void read(std::string_view name, void* to, std::int64_t bytes) const {
    const auto [file, tensor] = found(name);
    if (bytes != tensor->bytes())
      throw error(text("stretto: tensor '", detail::fit_to_print(name), "' of '", detail::path_words(file->path()), "' has ", tensor->bytes(), " bytes, and ", bytes, " are read as the whole; give it as much room").str());
    file->read(*tensor, to);
  }
  void read(std::string_view name, std::int64_t from, void* to, std::int64_t bytes) const {
    const auto [file, tensor] = found(name);
    file->read(*tensor, from, to, bytes);
  }

 private:
  std::pair<const safetensors_file*, const stored_tensor*> look(std::string_view name) const {
    for (const auto& f : files_)
      if (const stored_tensor* t = f->find(name); t != nullptr) return {f.get(), t};
    return {nullptr, nullptr};
  }
  std::pair<const safetensors_file*, const stored_tensor*> found(std::string_view name) const {
    const auto at = look(name);
    if (at.second == nullptr)
      throw error(text("stretto: no tensor '", detail::fit_to_print(name), "' is in the ", files(), " files of weights from '", files_.empty() ? text("") : detail::path_words(files_[0]->path()), "' on; ask for one of their ", count()).str());
    return at;
  }

  void add_index(const std::string& path, const file_calls& calls) {
    const text words("'", detail::path_words(path), "'");
    const json all = read_json(read_file(path, safetensors_header::most_bytes, calls), words);
    const json* const map = all.is(json_kind::object) ? all.find("weight_map") : nullptr;
    if (map == nullptr || !map->is(json_kind::object)) throw error(text("stretto: ", words, " has no weight_map, an object of names and files; give the index of a sharded model").str());
    std::vector<std::pair<std::string, std::string>> by_file;
    for (std::size_t i = 0; i < map->names().size(); ++i) {
      const json& name = map->values()[i];
      if (!name.is(json_kind::string) || name.string().empty() || name.string()[0] == '.' || name.string().find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
        throw error(text("stretto: ", words, " maps tensor '", detail::fit_to_print(map->names()[i]), "' to what is no name of a file beside it; correct the index").str());
      by_file.emplace_back(name.string(), map->names()[i]);
    }
    std::sort(by_file.begin(), by_file.end());
    const std::size_t slash = path.find_last_of('/');
    const std::string folder = slash == path.npos ? "" : path.substr(0, slash + 1);
    for (std::size_t i = 0; i < by_file.size(); ++i) {
      if (i == 0 || by_file[i].first != by_file[i - 1].first) add(folder + by_file[i].first, calls);
      if (files_.back()->find(by_file[i].second) == nullptr)
        throw error(text("stretto: ", words, " says that tensor '", detail::fit_to_print(by_file[i].second), "' is in ", detail::fit_to_print(by_file[i].first), ", and it isn't; correct the index, or take whole files").str());
    }
  }

  std::vector<std::unique_ptr<safetensors_file>> files_;
};

struct sharded_safetensors_options {
  std::int64_t most_bytes = 5'000'000'000;  ///< of data in a file; a larger tensor has one of its own
  std::string name = "model";
  std::vector<std::pair<std::string, std::string>> metadata = {};
  const file_calls* calls = &detail::real_calls;
};

class sharded_safetensors_writer {
 public:
  /// The directory is made where it isn't there.
  sharded_safetensors_writer(std::string directory, const std::vector<stored_tensor>& tensors, sharded_safetensors_options how = {}) : directory_(std::move(directory)), how_(std::move(how)) {
    if (how_.most_bytes < 1) throw error(text("stretto: shards of at most ", how_.most_bytes, " bytes can't be written; give most_bytes of 1 or more").str());
    safetensors_header all;  // finds names that are there twice, in whatever shards
    all.tensors = tensors;
    const text words("'", detail::path_words(directory_), "'");
    place_tensors(all, words);
    total_ = all.data_bytes;
    shards_.emplace_back();
    std::int64_t filled = 0;
    for (const stored_tensor& t : tensors) {
      const std::int64_t bytes = detail::bytes_of(t.type, t.shape);
      if (filled > 0 && bytes > 0 && filled > how_.most_bytes - bytes) shards_.emplace_back(), filled = 0;
      shards_.back().tensors.push_back(t);
      filled += bytes;
    }
    for (safetensors_header& s : shards_) {
      place_tensors(s, words);
      for (const stored_tensor& t : s.tensors) tensors_.push_back(t);
    }
    make_directories(directory_, *how_.calls);
    open();
  }

  /// In the order in which they are to be written.
  const std::vector<stored_tensor>& tensors() const { return tensors_; }
  int shards() const { return static_cast<int>(shards_.size()); }
  /// The name of a file in the directory.
  std::string name(int shard) const {
    if (shards() == 1) return how_.name + ".safetensors";
    const auto five = [](int n) {
      const std::string s = std::to_string(n);
      return std::string(s.size() < 5 ? 5 - s.size() : 0, '0') + s;
    };
    return how_.name + "-" + five(shard + 1) + "-of-" + five(shards()) + ".safetensors";
  }

  void write(std::string_view name, const void* data, std::int64_t bytes) {
    if (at_ + 1 < shards() && shards_[static_cast<std::size_t>(at_)].find(name) == nullptr) {
      writer_->finish();
      ++at_;
      open();
    }
    writer_->write(name, data, bytes);
  }

  /// Returns when all is on disk. Files get their names here, so that those of before stay until all are whole; the index
  /// comes last.
  void finish() {
    writer_->finish();
    if (at_ + 1 < shards())
      throw error(text("stretto: '", detail::path_words(directory_), "' lacks ", shards() - at_ - 1, " of ", shards(), " files of weights; write all tensors before finish()").str());
    for (int s = 0; s < shards(); ++s) rename_path(directory_ + "/" + name(s) + ".part", directory_ + "/" + name(s), *how_.calls);
    if (shards() > 1) {
      json map = json::object(), index = json::object();
      for (int s = 0; s < shards(); ++s)
        for (const stored_tensor& t : shards_[static_cast<std::size_t>(s)].tensors) map.append(t.name, name(s));
      index.append("metadata", json::object().append("total_size", total_)).append("weight_map", std::move(map));
      replace_file(directory_ + "/" + how_.name + ".safetensors.index.json", to_json(index, 2) + "\n", *how_.calls);
    }
    sync_directory(directory_, *how_.calls);
  }

 private:
  void open() {
    safetensors_writer_options o;
    o.metadata = how_.metadata;
    o.calls = how_.calls;
    writer_.emplace(directory_ + "/" + name(at_) + ".part", shards_[static_cast<std::size_t>(at_)].tensors, std::move(o));
  }

  std::string directory_;
  sharded_safetensors_options how_;
  std::int64_t total_ = 0;
  std::vector<safetensors_header> shards_;
  std::vector<stored_tensor> tensors_;
  std::optional<safetensors_writer> writer_;
  int at_ = 0;
};

}  // namespace stretto::inline v0
