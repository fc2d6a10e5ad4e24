// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A file seen as bytes in memory, read only. Pages come from disk when they are touched, and ranks in one machine share
// them, so a file may be larger than memory.
//
//     const mapped_file f("train.bin");
//     f.bytes()                             view<const std::byte> of the whole file
// Move-only: who has it last takes the mapping away. Cost: three calls of the system to open; nothing is read. A file that
// somebody shortens while it is mapped is out of scope: the system ends a program that touches what is gone, so put a new
// file beside the old one and rename it.
// The only header of this room that includes <sys/mman.h> and its like.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

namespace detail {

/// A path as it stands in a sentence: what would break the line becomes a question mark, and a long one loses its front.
inline std::string shown_path(std::string_view path) {
  std::string s(path.size() > 400 ? path.substr(path.size() - 400) : path);
  for (char& c : s)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = '?';
  return s;
}

inline bool file_is_there(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0;
}

/// All that was written is on the disk. False with errno where it isn't.
inline bool flush_to_disk(std::FILE* file) { return std::fflush(file) == 0 && ::fsync(::fileno(file)) == 0; }

/// Closes at the end of a block.
struct descriptor {
  int number;
  explicit descriptor(int n) : number(n) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (number >= 0) ::close(number);
  }
};

}  // namespace detail

class mapped_file {
 public:
  mapped_file() = default;

  /// Throws stretto::error where there is no such file, it is empty, may not be read or is none of bytes on a disk.
  explicit mapped_file(std::string path) : path_(std::move(path)) {
    const std::string name = detail::shown_path(path_);
    // Without O_NONBLOCK a pipe that nobody writes to would hold us here.
    const detail::descriptor file(path_.find('\0') == std::string::npos ? ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK) : (errno = EINVAL, -1));
    struct stat about {};
    if (file.number < 0 || ::fstat(file.number, &about) != 0)
      throw error(text("stretto: file '", name, "' can't be opened (", std::strerror(errno), "); check its name and who may read it").str());
    if (S_ISDIR(about.st_mode)) throw error(text("stretto: '", name, "' is a directory; name a file in it").str());
    if (!S_ISREG(about.st_mode)) throw error(text("stretto: '", name, "' is a device or a pipe, which can't be mapped into memory; copy it into a file first").str());
    if (about.st_size == 0) throw error(text("stretto: file '", name, "' is empty; make it anew, or leave it out").str());
    void* const at = ::mmap(nullptr, static_cast<std::size_t>(about.st_size), PROT_READ, MAP_PRIVATE, file.number, 0);
    if (at == MAP_FAILED)
      throw error(text("stretto: file '", name, "' of ", static_cast<std::int64_t>(about.st_size), " bytes can't be mapped into memory (", std::strerror(errno),
                       "); raise the limit of addresses, or split the file").str());
    bytes_ = {static_cast<const std::byte*>(at), static_cast<std::int64_t>(about.st_size)};
  }

  mapped_file(mapped_file&& other) noexcept : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}
  mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~mapped_file() {
    if (bytes_.first != nullptr) ::munmap(const_cast<std::byte*>(bytes_.first), static_cast<std::size_t>(bytes_.count));
  }

  view<const std::byte> bytes() const { return bytes_; }
  std::string_view letters() const { return {reinterpret_cast<const char*>(bytes_.first), static_cast<std::size_t>(bytes_.count)}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  view<const std::byte> bytes_;
};

}  // namespace stretto::inline v0
