// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Files in and out. A file is written beside its place and then put there, so that nobody finds half of one; a failure
// leaves what was there.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "arguments.hpp"

namespace explore {

inline std::string read_file(const std::string& path) {
  std::FILE* const in = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  std::string text;
  char block[4096];
  if (in != nullptr)
    for (std::size_t n; (n = std::fread(block, 1, sizeof block, in)) > 0;) text.append(block, n);
  const bool failed = in == nullptr || std::ferror(in) != 0;
  if (in != nullptr && in != stdin) std::fclose(in);
  if (failed) refuse("the file '" + path + "' can't be read; give a readable file, or - for standard input");
  return text;
}

/// Writes to standard output.
inline void put(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) refuse("the output can't be written");
}

[[noreturn]] inline void refuse_file(const std::string& path, int why) {
  refuse("the file '" + path + "' can't be written (" + std::strerror(why) + "); name a place that can");
}

/// Writes a file whole or not at all. What is no regular file (a device, a pipe) is written where it is.
inline void write_file(const std::string& path, std::string_view text) {
  std::string place = path;  // behind symbolic links, which stay
  if (char resolved[PATH_MAX]; realpath(path.c_str(), resolved) != nullptr) place = resolved;
  struct stat old {};
  const bool there = stat(place.c_str(), &old) == 0, regular = !there || S_ISREG(old.st_mode);
  if (there && regular && access(place.c_str(), W_OK) != 0) refuse_file(path, errno);
  const std::string beside = regular ? place + ".part" + std::to_string(getpid()) : place;
  const int file = open(beside.c_str(), regular ? O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC : O_WRONLY | O_CLOEXEC, 0666);
  if (file < 0) refuse_file(path, errno);
  int why = there && regular && fchmod(file, old.st_mode & 07777) != 0 ? errno : 0;
  for (std::size_t at = 0; why == 0 && at < text.size();) {
    const ssize_t n = write(file, text.data() + at, text.size() - at);
    if (n < 0 && errno != EINTR) why = errno;
    if (n > 0) at += static_cast<std::size_t>(n);
  }
  if (close(file) != 0 && why == 0) why = errno;
  if (why == 0 && regular && std::rename(beside.c_str(), place.c_str()) != 0) why = errno;
  if (why == 0) return;
  if (regular) unlink(beside.c_str());
  refuse_file(path, why);
}

/// Where a command's result goes: a file by -o FILE, else standard output.
struct output {
  std::string path;

  void read(arguments& a) {
    if (a.value("-o", path) && path.empty()) refuse("-o needs a file; leave it out for standard output");
  }
  void write(std::string_view text) const { path.empty() || path == "-" ? put(text) : write_file(path, text); }
};

}  // namespace explore
