// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A file that is written whole or not at all.
//
//     new_file f("a.txt");   f.put(letters, n);   f.finish();        it lies in "a.txt.part" until finish() renames it
// Without finish() the part is taken away again, and what lay in the place before stays. finish() waits until the disk has it.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/train/mapped_file.hpp>

namespace stretto::inline v0 {

class new_file {
 public:
  /// Throws stretto::error where the place can't be written; so do the others.
  explicit new_file(std::string path) : path_(std::move(path)), part_(path_ + ".part"), file_(path_.find('\0') == std::string::npos ? std::fopen(part_.c_str(), "wbe") : nullptr) {
    if (file_ == nullptr) refuse();
  }
  new_file(const new_file&) = delete;
  new_file& operator=(const new_file&) = delete;
  ~new_file() { drop(); }

  const std::string& path() const { return path_; }

  void put(const void* from, std::int64_t bytes) {
    open();
    if (std::fwrite(from, 1, static_cast<std::size_t>(bytes), file_) != static_cast<std::size_t>(bytes)) refuse();
  }
  /// Goes on at the beginning, over what was written there.
  void rewind() {
    open();
    if (std::fseek(file_, 0, SEEK_SET) != 0) refuse();
  }
  void finish() {
    open();
    if (!detail::flush_to_disk(file_)) refuse();
    if (std::fclose(std::exchange(file_, nullptr)) != 0 || std::rename(part_.c_str(), path_.c_str()) != 0) {
      const int why = errno;
      std::remove(part_.c_str());
      errno = why;
      refuse();
    }
  }

 private:
  void open() const {
    if (file_ == nullptr) throw error(text("stretto: file '", detail::shown_path(path_), "' is finished already, or couldn't be written; open it anew").str());
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
  std::FILE* file_;
};

}  // namespace stretto::inline v0
