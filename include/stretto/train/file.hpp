// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Files by position, and what it takes to put one in place so that a crash leaves the old or the new: write elsewhere,
// sync, rename, sync the directory.
//
//     file f = file::create("run/weights.part");   f.write(0, data, n);   f.sync();   f.close();
//     rename_path("run/weights.part", "run/weights");   sync_directory("run");
//     replace_file("run/latest", "step_00000012\n");    all of that at once
// Reads and writes are of the whole range or throw: what the system does in pieces goes on, and what it interrupts is asked
// again. Only files are opened, never pipes or devices, so nothing waits. What opens, reads or changes anything goes through
// file_calls, a table that tests exchange to let the n-th call fail.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

/// The calls of the system, as they are or as a test wants them. Each sets errno where it gives less than 0.
struct file_calls {
  int (*open)(const char* path, int flags, unsigned mode) = [](const char* path, int flags, unsigned mode) { return ::open(path, flags, mode); };
  int (*status)(int descriptor, struct ::stat* out) = [](int descriptor, struct ::stat* out) { return ::fstat(descriptor, out); };
  long (*read)(int descriptor, void* to, unsigned long n, long at) = [](int descriptor, void* to, unsigned long n, long at) -> long { return ::pread(descriptor, to, n, at); };
  long (*write)(int descriptor, const void* from, unsigned long n, long at) = [](int descriptor, const void* from, unsigned long n, long at) -> long { return ::pwrite(descriptor, from, n, at); };
  int (*sync)(int descriptor) = [](int descriptor) { return ::fsync(descriptor); };
  int (*close)(int descriptor) = [](int descriptor) { return ::close(descriptor); };
  int (*rename)(const char* from, const char* to) = [](const char* from, const char* to) { return ::rename(from, to); };
  int (*remove)(const char* path) = [](const char* path) { return ::unlink(path); };
  int (*make_directory)(const char* path) = [](const char* path) { return ::mkdir(path, 0777); };
  int (*remove_directory)(const char* path) = [](const char* path) { return ::rmdir(path); };
};

namespace detail {

inline constexpr file_calls real_calls{};

/// A path in a sentence: on one row, and the end of a long one.
inline text path_words(std::string_view path) {
  text t(path.size() > 300 ? "..." : "");
  for (char c : path.substr(path.size() > 300 ? path.size() - 300 : 0)) t.add(static_cast<unsigned char>(c) < ' ' || c == 127 ? '?' : c);
  return t;
}

[[noreturn]] inline void file_failure(std::string_view path, std::string_view done, int number) {
  throw error(text("stretto: '", path_words(path), "' can't be ", done, " (", std::generic_category().message(number), "); correct the path, or mend what the system names").str());
}

template <class Call>
auto insist(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// As much of a path as the system takes: a 0 in the middle would end it.
inline const char* system_path(const std::string& path) {
  if (path.find('\0') != path.npos || path.empty()) file_failure(path, "used", path.empty() ? ENOENT : EINVAL);
  return path.c_str();
}

}  // namespace detail

class file {
 public:
  file() = default;
  /// To be read. Throws stretto::error where it isn't there, may not be read or is no file.
  static file open(std::string path, const file_calls& calls = detail::real_calls) { return file(std::move(path), O_RDONLY, "opened", calls); }
  /// New and empty, whatever was there.
  static file create(std::string path, const file_calls& calls = detail::real_calls) { return file(std::move(path), O_RDWR | O_CREAT | O_TRUNC, "created", calls); }

  file(file&& o) noexcept : path_(std::move(o.path_)), calls_(o.calls_), descriptor_(std::exchange(o.descriptor_, -1)), size_(o.size_) {}
  file& operator=(file&& o) noexcept {
    std::swap(path_, o.path_), std::swap(calls_, o.calls_), std::swap(descriptor_, o.descriptor_), std::swap(size_, o.size_);
    return *this;
  }
  ~file() {
    if (descriptor_ >= 0) calls_->close(descriptor_);
  }

  const std::string& path() const { return path_; }
  /// In bytes: as it was opened, and what was written since.
  std::int64_t size() const { return size_; }

  /// Throws where the file ends before.
  void read(std::int64_t at, void* to, std::int64_t n) const {
    auto* out = static_cast<char*>(to);
    while (n > 0) {
      const long got = detail::insist([&] { return calls_->read(descriptor_, out, static_cast<unsigned long>(n < piece ? n : piece), at); });
      if (got < 0) detail::file_failure(path_, "read", errno);
      if (got == 0)
        throw error(text("stretto: '", detail::path_words(path_), "' ends at byte ", at, ", and ", n, " more are read; it was cut off, take a whole copy").str());
      out += got, at += got, n -= got;
    }
  }
  void write(std::int64_t at, const void* from, std::int64_t n) {
    const auto* in = static_cast<const char*>(from);
    while (n > 0) {
      const long put = detail::insist([&] { return calls_->write(descriptor_, in, static_cast<unsigned long>(n < piece ? n : piece), at); });
      if (put <= 0) detail::file_failure(path_, "written", put < 0 ? errno : ENOSPC);
      in += put, at += put, n -= put;
      if (at > size_) size_ = at;
    }
  }
  /// Returns when the bytes would outlive a loss of power.
  void sync() {
    if (detail::insist([&] { return calls_->sync(descriptor_); }) < 0) detail::file_failure(path_, "synced", errno);
  }
  /// Says whether closing failed, which the destructor doesn't.
  void close() {
    if (calls_->close(std::exchange(descriptor_, -1)) < 0 && errno != EINTR) detail::file_failure(path_, "closed", errno);
  }

 private:
  static constexpr std::int64_t piece = 1 << 28;  // Linux takes no more than 2 GiB at once

  file(std::string path, int flags, std::string_view done, const file_calls& calls) : path_(std::move(path)), calls_(&calls) {
    // O_NONBLOCK: opening a pipe would wait for its other end.
    const char* const name = detail::system_path(path_);
    descriptor_ = detail::insist([&] { return calls_->open(name, flags | O_CLOEXEC | O_NONBLOCK, 0666); });
    if (descriptor_ < 0) detail::file_failure(path_, done, errno);
    struct ::stat status = {};
    int wrong = 0;
    if (calls_->status(descriptor_, &status) < 0)
      wrong = errno;
    else if (!S_ISREG(status.st_mode))
      wrong = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    if (wrong != 0) {
      calls_->close(std::exchange(descriptor_, -1));
      detail::file_failure(path_, done, wrong);
    }
    size_ = status.st_size;
  }

  std::string path_;
  const file_calls* calls_ = &detail::real_calls;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

inline void rename_path(const std::string& from, const std::string& to, const file_calls& calls = detail::real_calls) {
  if (calls.rename(detail::system_path(from), detail::system_path(to)) < 0) detail::file_failure(from, "renamed", errno);
}
inline void remove_file(const std::string& path, const file_calls& calls = detail::real_calls) {
  if (calls.remove(detail::system_path(path)) < 0) detail::file_failure(path, "removed", errno);
}

/// What was made, renamed or removed in a directory outlives a loss of power from here on.
inline void sync_directory(const std::string& path, const file_calls& calls = detail::real_calls) {
  const int d = detail::insist([&] { return calls.open(detail::system_path(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0); });
  const int failed = d < 0 || detail::insist([&] { return calls.sync(d); }) < 0 ? errno : 0;
  if (d >= 0) calls.close(d);
  if (failed != 0) detail::file_failure(path, "synced", failed);
}

/// The names in a directory but . and .., sorted.
inline std::vector<std::string> list_directory(const std::string& path, const file_calls& calls = detail::real_calls, int flags = 0) {
  const int d = detail::insist([&] { return calls.open(detail::system_path(path), flags | O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0); });
  ::DIR* const all = d < 0 ? nullptr : ::fdopendir(d);
  if (all == nullptr) {
    const int number = errno;
    if (d >= 0) calls.close(d);
    detail::file_failure(path, "listed", number);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const struct ::dirent* one = ::readdir(all)) {
    const std::string_view name = one->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  const int number = errno;
  ::closedir(all);
  if (number != 0) detail::file_failure(path, "listed", number);
  std::sort(names.begin(), names.end());
  return names;
}

/// Whether a path names anything.
inline bool path_exists(const std::string& path) {
  struct ::stat status = {};
  if (::lstat(detail::system_path(path), &status) == 0) return true;
  if (errno != ENOENT && errno != ENOTDIR) detail::file_failure(path, "looked at", errno);
  return false;
}

/// Makes a directory and those above it, where they aren't there.
inline void make_directories(const std::string& path, const file_calls& calls = detail::real_calls) {
  if (path_exists(path)) {
    list_directory(path, calls);
    return;
  }
  const std::size_t end = path.find_last_not_of('/'), slash = path.find_last_of('/', end);
  const std::string above = slash == path.npos ? "." : path.substr(0, slash == 0 ? 1 : slash);
  if (slash != path.npos) make_directories(above, calls);
  if (calls.make_directory(detail::system_path(path)) < 0 && errno != EEXIST) detail::file_failure(path, "made", errno);
  sync_directory(above, calls);
}

/// Removes a directory and what is in it, at most so many directories deep. What a link leads to stays.
inline void remove_directory(const std::string& path, const file_calls& calls = detail::real_calls, int depth = 8) {
  for (const std::string& name : list_directory(path, calls, O_NOFOLLOW)) {
    const std::string inner = path + "/" + name;
    if (calls.remove(inner.c_str()) == 0 || errno == ENOENT) continue;
    if ((errno != EISDIR && errno != EPERM) || depth == 0) detail::file_failure(inner, "removed", errno);
    remove_directory(inner, calls, depth - 1);
  }
  if (calls.remove_directory(path.c_str()) < 0) detail::file_failure(path, "removed", errno);
}

/// The whole of a file that has at most so many bytes.
inline std::string read_file(const std::string& path, std::int64_t most, const file_calls& calls = detail::real_calls) {
  const file f = file::open(path, calls);
  if (f.size() > most)
    throw error(text("stretto: '", detail::path_words(path), "' has ", f.size(), " bytes, and at most ", most, " are read; give the right file").str());
  std::string s(static_cast<std::size_t>(f.size()), '\0');
  f.read(0, s.data(), f.size());
  return s;
}

/// Writes a file and syncs it.
inline void write_file(const std::string& path, std::string_view content, const file_calls& calls = detail::real_calls) {
  file f = file::create(path, calls);
  f.write(0, content.data(), static_cast<std::int64_t>(content.size()));
  f.sync();
  f.close();
}

/// A crash at any time leaves the old content or the new. Uses the name `path`.part.
inline void replace_file(const std::string& path, std::string_view content, const file_calls& calls = detail::real_calls) {
  write_file(path + ".part", content, calls);
  rename_path(path + ".part", path, calls);
  const std::size_t slash = path.find_last_of('/');
  sync_directory(slash == path.npos ? "." : path.substr(0, slash == 0 ? 1 : slash), calls);
}

}  // namespace stretto::inline v0
