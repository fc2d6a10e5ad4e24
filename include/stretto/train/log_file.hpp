// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A file that grows line by line while a run goes on, and the terminal: what reports need of the system. This is the one
// header of theirs that includes the system's.
//
//     log_file f = log_file::make("run/steps.jsonl");             replaces what was there
//     log_file f = log_file::behind("run/steps.jsonl", bytes);    keeps so many bytes, and goes on behind them
//     f.append("…\n");                                            all of it or, with an error, nothing
// Bytes are with the system when append returns, so they outlive a crash of the program, not one of the machine.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0::detail {

/// What came from outside, so that a sentence can show it: at most 60 characters, and none that moves the cursor.
inline std::string shown(std::string_view s) {
  std::string out;
  for (char c : s.substr(0, 60)) out += c >= ' ' && c <= '~' ? c : '?';
  return s.size() > 60 ? out + "..." : out;
}

[[noreturn]] inline void refuse_file(const char* what, std::string_view path, int number, const char* done) {
  throw error(text("stretto: the ", what, " '", path, "' can't be ", done, " (", std::strerror(number), "); give a place where that is allowed and has room").str());
}

[[noreturn]] inline void refuse_reading(std::string_view path, const char* why) {
  throw error(text("stretto: the file '", path, "' can't be read (", why, "); give a file that can").str());
}

/// Makes the folders on the way to a file, or to a folder whose path ends with /.
inline void make_folders(const std::string& path) {
  for (std::size_t i = path.find('/', 1); i != std::string::npos; i = path.find('/', i + 1)) {
    const std::string folder = path.substr(0, i);
    if (::mkdir(folder.c_str(), 0777) != 0) {
      const int number = errno == EEXIST ? ENOTDIR : errno;
      struct stat known;
      if (::stat(folder.c_str(), &known) != 0 || !S_ISDIR(known.st_mode)) refuse_file("folder", folder, number, "made");
    }
  }
}

class log_file {
 public:
  /// A new file; one of this name is emptied.
  static log_file make(const std::string& path) { return log_file(path, O_WRONLY | O_CREAT, 0); }

  /// A file whose first `bytes` bytes stay.
  static log_file behind(const std::string& path, std::int64_t bytes) { return log_file(path, O_WRONLY | O_CREAT, bytes); }

  /// A new file under a name that none has; `path` gets a number behind it where one does.
  static log_file make_only(std::string path) {
    const std::string wanted = path;
    for (int i = 1; i < 1000 && ::access(path.c_str(), F_OK) == 0; ++i) path = wanted + "." + std::to_string(i);
    return log_file(path, O_WRONLY | O_CREAT | O_EXCL, 0);
  }

  log_file(log_file&& other) noexcept : path_(static_cast<std::string&&>(other.path_)), file_(other.file_), size_(other.size_), regular_(other.regular_) { other.file_ = -1; }
  log_file& operator=(log_file&&) = delete;
  ~log_file() {
    if (file_ >= 0) ::close(file_);
  }

  /// Throws stretto::error where the disk is full, say; then the file is as long as it was, and a later append may go well.
  void append(std::string_view bytes) {
    std::string_view left = bytes;
    while (!left.empty()) {
      const ssize_t n = ::write(file_, left.data(), left.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        const int number = n < 0 ? errno : EIO;
        if (regular_) to_size(size_);
        refuse_file("file", path_, number, "written");
      }
      left.remove_prefix(static_cast<std::size_t>(n));
    }
    size_ += static_cast<std::int64_t>(bytes.size());
  }

  const std::string& path() const { return path_; }

 private:
  log_file(const std::string& path, int flags, std::int64_t bytes) : path_(path), size_(bytes) {
    if (path.find('\0') != std::string::npos) refuse_file("file", shown(path), EINVAL, "opened");
    file_ = ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, 0666);  // a pipe that nobody reads would wait for ever
    if (file_ < 0) refuse_file("file", path_, errno, "opened");
    ::fcntl(file_, F_SETFL, ::fcntl(file_, F_GETFL) & ~O_NONBLOCK);
    struct stat known;
    regular_ = ::fstat(file_, &known) == 0 && S_ISREG(known.st_mode);
    if (regular_ && !to_size(bytes)) {
      const int number = errno;
      ::close(file_);
      refuse_file("file", path_, number, "cut");
    }
  }

  bool to_size(std::int64_t bytes) { return ::ftruncate(file_, bytes) == 0 && ::lseek(file_, bytes, SEEK_SET) == bytes; }

  std::string path_;
  int file_ = -1;
  std::int64_t size_ = 0;
  bool regular_ = false;
};

/// Calls take(piece) for the bytes of a file, in pieces. Throws stretto::error where it can't be read, or is no plain file.
/// False where there is none and that is allowed.
template <class Take>
bool each_piece(const std::string& path, bool may_lack, Take&& take) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0 && errno == ENOENT && may_lack) return false;
  if (file < 0) refuse_reading(path, std::strerror(errno));
  struct closer {
    int of;
    ~closer() { ::close(of); }
  } const at_end{file};
  struct stat known;
  if (::fstat(file, &known) != 0) refuse_reading(path, std::strerror(errno));
  if (!S_ISREG(known.st_mode)) refuse_reading(path, S_ISDIR(known.st_mode) ? std::strerror(EISDIR) : "it is no plain file");
  char piece[16384];
  while (true) {
    const ssize_t n = ::read(file, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) refuse_reading(path, std::strerror(errno));
    if (n == 0) return true;
    if (!take(std::string_view(piece, static_cast<std::size_t>(n)))) return true;
  }
}

inline std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == 0) return "localhost";
  for (char* c = name; *c != 0; ++c)
    if (*c == '/') *c = '-';
  return name;
}

inline int process_number() { return static_cast<int>(::getpid()); }

/// The columns of the terminal that a file is; 0 where it is none.
inline int terminal_width(std::FILE* file) {
  const int number = file == nullptr ? -1 : ::fileno(file);
  if (number < 0 || ::isatty(number) != 1) return 0;
  winsize now = {};
  return ::ioctl(number, TIOCGWINSZ, &now) == 0 && now.ws_col > 0 ? now.ws_col : 80;
}

}  // namespace stretto::inline v0::detail
