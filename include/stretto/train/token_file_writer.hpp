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

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/train/token_file.hpp>

namespace stretto::inline v0 {

class token_file_writer {
 public:
  /// Throws where the place can't be written, or the format is Megatron's.
  explicit token_file_writer(std::string path, token_format format = token_format::llmc) : path_(std::move(path)), part_(path_ + ".part"), header_(format != token_format::raw16) {
    if (format == token_format::megatron) throw error("stretto: a pair of Megatron's files can be read, not written; choose llm.c's format or raw uint16");
    file_ = std::fopen(part_.c_str(), "wbe");
    if (file_ == nullptr) refuse();
    if (header_) put_header();
  }
  token_file_writer(const token_file_writer&) = delete;
  token_file_writer& operator=(const token_file_writer&) = delete;
  ~token_file_writer() { drop(); }

  std::int64_t size() const { return size_; }

  void add(std::int32_t token) {
    if (token < 0 || token > 65535)
      throw error(text("stretto: token ", token, " is to be written to file '", detail::shown_path(path_), "', where two bytes hold 0 to 65535; use a smaller vocabulary").str());
    if (header_ && size_ == INT32_MAX)
      throw error(text("stretto: file '", detail::shown_path(path_), "' is to have more than 2147483647 tokens, which llm.c's header can't say; write several files, or raw uint16").str());
    buffer_[used_++] = static_cast<std::uint16_t>(token);
    ++size_;
    if (used_ == buffered) flush();
  }
  void add(view<const std::int32_t> tokens) {
    for (const std::int32_t t : tokens) add(t);
  }

  /// Puts the file in its place. @post token_file(path) has the tokens.
  void finish() {
    if (file_ == nullptr) throw error(text("stretto: file '", detail::shown_path(path_), "' is finished already; open another writer").str());
    flush();
    if (header_) {
      if (std::fseek(file_, 0, SEEK_SET) != 0) refuse();
      put_header();
    }
    if (!detail::flush_to_disk(file_)) refuse();
    if (std::fclose(std::exchange(file_, nullptr)) != 0 || std::rename(part_.c_str(), path_.c_str()) != 0) {
      const int why = errno;
      std::remove(part_.c_str());
      errno = why;
      refuse();
    }
  }

 private:
  static constexpr int buffered = 32768;

  void put(const void* from, std::size_t bytes) {
    if (std::fwrite(from, 1, bytes, file_) != bytes) refuse();
  }
  void put_header() {
    const std::int32_t header[256] = {20240520, 1, static_cast<std::int32_t>(size_)};
    put(header, sizeof header);
  }
  void flush() {
    put(buffer_, 2 * static_cast<std::size_t>(std::exchange(used_, 0)));
  }
  void drop() {
    if (file_ == nullptr) return;
    std::fclose(std::exchange(file_, nullptr));
    std::remove(part_.c_str());
  }
  [[noreturn]] void refuse() {
    const int why = errno;
    drop();
    throw error(text("stretto: file '", detail::shown_path(path_), "' can't be written (", std::strerror(why), "); check the folder, and the room on its disk").str());
  }

  std::string path_, part_;
  bool header_;
  std::FILE* file_ = nullptr;
  std::int64_t size_ = 0;
  int used_ = 0;
  std::uint16_t buffer_[buffered];
};

}  // namespace stretto::inline v0
