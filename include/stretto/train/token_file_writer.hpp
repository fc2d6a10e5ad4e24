// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writes a file of tokens, as llm.c's .bin or as raw uint16.
//
//     token_file_writer w("train.bin");
//     w.add(tokens);                   as often as you like: a view or one token
//     w.finish();                      now it is there
// Tokens go to "train.bin.part", which finish() renames: nobody finds half a file, and a writer that goes without finish()
// takes it away. Cost: a buffer of 64 KiB, two bytes a token on disk.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/train/new_file.hpp>
#include <stretto/train/token_file.hpp>

namespace stretto::inline v0 {

class token_file_writer {
 public:
  /// Throws where the place can't be written, or the format is Megatron's.
  explicit token_file_writer(std::string path, token_format format = token_format::llmc) : header_(format != token_format::raw16), file_(written(std::move(path), format)) {
    if (header_) put_header();
  }

  std::int64_t size() const { return size_; }

  void add(std::int32_t token) {
    if (token < 0 || token > 65535)
      throw error(text("stretto: token ", token, " is to be written to file '", detail::shown_path(file_.path()), "', where two bytes hold 0 to 65535; use a smaller vocabulary").str());
    if (header_ && size_ == INT32_MAX)
      throw error(text("stretto: file '", detail::shown_path(file_.path()), "' is to have more than 2147483647 tokens, which llm.c's header can't say; write several files, or raw uint16").str());
    buffer_[used_++] = static_cast<std::uint16_t>(token);
    ++size_;
    if (used_ == buffered) flush();
  }
  void add(view<const std::int32_t> tokens) {
    for (const std::int32_t t : tokens) add(t);
  }

  /// Puts the file in its place. @post token_file(path) has the tokens.
  void finish() {
    flush();
    if (header_) {
      file_.rewind();
      put_header();
    }
    file_.finish();
  }

 private:
  static constexpr int buffered = 32768;

  static std::string written(std::string path, token_format format) {
    if (format == token_format::megatron) throw error("stretto: a pair of Megatron's files can be read, not written; choose llm.c's format or raw uint16");
    return path;
  }
  void put_header() {
    const std::int32_t header[256] = {20240520, 1, static_cast<std::int32_t>(size_)};
    file_.put(header, sizeof header);
  }
  void flush() { file_.put(buffer_, 2 * std::exchange(used_, 0)); }

  bool header_;
  new_file file_;
  std::int64_t size_ = 0;
  int used_ = 0;
  std::uint16_t buffer_[buffered];
};

}  // namespace stretto::inline v0
