// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One safetensors file, read or written tensor by tensor.
//
//     const safetensors_file f("model.safetensors");       reads the header, no data
//     const stored_tensor& t = f.at("wte");                its type, shape, bytes()
//     f.read(t, values.data());                            all of it; or f.read(t, from, to, n), n bytes of it
//
//     safetensors_writer w("out.safetensors", {{"wte", stored_type::float32, {50257, 768}}, {"step", stored_type::int64}});
//     for (const stored_tensor& t : w.tensors()) w.write(t.name, data_of(t), t.bytes());      in this order
//     w.finish();                                          synced; throws where one is missing
// Neither holds more than the header, so a rank reads only its own tensors. A tensor may be written in pieces.
// Source: the format, in safetensors_header.hpp.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stretto/train/digest.hpp>
#include <stretto/train/file.hpp>
#include <stretto/train/safetensors_header.hpp>

namespace stretto::inline v0 {

static_assert(std::endian::native == std::endian::little);

class safetensors_file {
 public:
  /// Throws stretto::error, with file and byte, where the file isn't one.
  explicit safetensors_file(std::string path, const file_calls& calls = detail::real_calls) : file_(file::open(std::move(path), calls)), words_("'") {
    words_.add(detail::path_words(file_.path()), "'");
    char first[8] = {};
    const std::int64_t there = file_.size() < 8 ? file_.size() : 8;
    file_.read(0, first, there);
    const std::int64_t n = safetensors_header_bytes({first, static_cast<std::size_t>(there)}, file_.size(), words_);
    std::string source(static_cast<std::size_t>(n), '\0');
    file_.read(8, source.data(), n);
    header_ = read_safetensors_header(source, file_.size() - 8 - n, words_);
  }

  const std::string& path() const { return file_.path(); }
  const safetensors_header& header() const { return header_; }
  const std::vector<stored_tensor>& tensors() const { return header_.tensors; }
  const stored_tensor* find(std::string_view name) const { return header_.find(name); }
  const stored_tensor& at(std::string_view name) const {
    const stored_tensor* t = find(name);
    if (t == nullptr) throw error(text("stretto: ", words_, " has no tensor '", detail::fit_to_print(name), "'; ask for one of its ", static_cast<int>(tensors().size())).str());
    return *t;
  }

  void read(const stored_tensor& t, void* to) const { read(t, 0, to, t.bytes()); }
  void read(const stored_tensor& t, std::int64_t from, void* to, std::int64_t bytes) const {
    if (from < 0 || bytes < 0 || from > t.bytes() - bytes || t.begin < 0 || t.end > header_.data_bytes)
      throw error(text("stretto: tensor '", detail::fit_to_print(t.name), "' of ", words_, " has ", t.bytes(), " bytes, and ", bytes, " from byte ", from, " on are read; read what it has").str());
    file_.read(header_.data + t.begin + from, to, bytes);
  }

 private:
  file file_;
  text words_;
  safetensors_header header_;
};

struct safetensors_writer_options {
  std::vector<std::pair<std::string, std::string>> metadata = {};
  sha256* digest = nullptr;  ///< gets all bytes of the file
  const file_calls* calls = &detail::real_calls;
};

class safetensors_writer {
 public:
  /// Names, types and shapes of all tensors; throws where two have one name or a shape is none.
  safetensors_writer(std::string path, std::vector<stored_tensor> tensors, safetensors_writer_options how = {}) : words_("'"), digest_(how.digest) {
    words_.add(detail::path_words(path), "'");
    header_.tensors = std::move(tensors);
    header_.metadata = std::move(how.metadata);
    place_tensors(header_, words_);
    const std::string first = write_safetensors_header(header_, words_);
    file_ = file::create(std::move(path), *how.calls);
    put(first.data(), static_cast<std::int64_t>(first.size()));
  }

  /// In the order in which they are to be written: those of larger numbers first.
  const std::vector<stored_tensor>& tensors() const { return header_.tensors; }

  /// The whole next tensor, or the next piece of it. One without numbers needn't be written.
  void write(std::string_view name, const void* data, std::int64_t bytes) {
    while (next_ < tensors().size() && at_ == header_.data + tensors()[next_].end && tensors()[next_].name != name) ++next_;
    if (next_ == tensors().size() || tensors()[next_].name != name)
      throw error(text("stretto: tensor '", detail::fit_to_print(name), "' is written to ", words_, " where ", wanted(), " comes next; write the tensors in the order of tensors()").str());
    const std::int64_t left = header_.data + tensors()[next_].end - at_;
    if (bytes < 0 || bytes > left)
      throw error(text("stretto: ", bytes, " bytes of tensor '", detail::fit_to_print(name), "' are written to ", words_, ", and it lacks ", left, "; write as many as it has").str());
    put(data, bytes);
  }

  /// Returns when all is on disk.
  void finish() {
    while (next_ < tensors().size() && at_ == header_.data + tensors()[next_].end) ++next_;
    if (next_ < tensors().size())
      throw error(text("stretto: ", words_, " lacks ", header_.data + header_.data_bytes - at_, " bytes, from tensor ", wanted(), " on; write all before finish()").str());
    file_.sync();
    file_.close();
  }
  /// Of the file.
  std::int64_t bytes() const { return header_.data + header_.data_bytes; }

 private:
  text wanted() const {
    std::size_t k = next_;
    while (k < tensors().size() && at_ == header_.data + tensors()[k].end) ++k;
    return k < tensors().size() ? text("'", detail::fit_to_print(tensors()[k].name), "'") : text("none");
  }
  void put(const void* data, std::int64_t bytes) {
    file_.write(at_, data, bytes);
    if (digest_ != nullptr) digest_->add(data, bytes);
    at_ += bytes;
  }

  text words_;
  sha256* digest_;
  safetensors_header header_;
  file file_;
  std::int64_t at_ = 0;
  std::size_t next_ = 0;
};

}  // namespace stretto::inline v0
