// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds the text files that somebody names: files as they are, and what is in folders and their folders.
//
//     text_files t = text_files_in({"docs", "notes.txt"});       t.all: path and bytes, in the order of sources; a folder's by name
// Of a folder, what is hidden (.git), empty, no file or no text (a zero byte in the first 8 KiB) is left out and counted; links
// to folders aren't followed, so nothing is met for ever. Cost: each folder is listed once, and each file's beginning is read.
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/train/mapped_file.hpp>

namespace stretto::inline v0 {

struct text_file {
  std::string path;
  std::int64_t bytes = 0;
};

struct text_files {
  std::vector<text_file> all;
  std::int64_t left_out = 0;  ///< of folders
};

namespace detail {

inline bool looks_like_text(std::string_view letters) { return letters.substr(0, 8192).find('\0') == std::string_view::npos; }

inline bool is_folder(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode);
}

inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  ::DIR* const open = ::opendir(folder.c_str());
  int why = open == nullptr ? errno : 0;
  if (open != nullptr) {
    errno = 0;
    while (const ::dirent* const entry = ::readdir(open)) names.emplace_back(entry->d_name);
    why = errno;
    ::closedir(open);
  }
  if (why != 0) throw error(text("stretto: folder '", shown_path(folder), "' can't be searched (", std::strerror(why), "); check who may read what is in it").str());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace detail

/// Throws stretto::error for a name that can't be read. `but` is left out: a file that is about to be written.
inline text_files text_files_in(const std::vector<std::string>& sources, const std::string& but = "") {
  text_files found;
  struct stat apart {};
  const bool has_apart = !but.empty() && ::stat(but.c_str(), &apart) == 0;
  for (const std::string& source : sources) {
    if (!detail::is_folder(source)) {
      const mapped_file f(source);  // says what is wrong
      if (!detail::looks_like_text(f.letters())) throw error(text("stretto: file '", detail::shown_path(source), "' has zero bytes and is no text; leave it out").str());
      found.all.push_back({source, f.bytes().count});
      continue;
    }
    std::vector<std::string> left{source};  // paths to look at, the next one last
    while (!left.empty()) {
      const std::string path = std::move(left.back());
      left.pop_back();
      struct stat link {}, about {};
      const bool there = ::lstat(path.c_str(), &link) == 0 && ::stat(path.c_str(), &about) == 0;
      if (path == source || (there && S_ISDIR(link.st_mode))) {
        const std::vector<std::string> names = detail::names_in(path);
        for (auto name = names.rbegin(); name != names.rend(); ++name)
          if (name->starts_with("."))
            found.left_out += *name != "." && *name != "..";
          else
            left.push_back(path + (path.ends_with('/') ? "" : "/") + *name);
      } else if (!there || !S_ISREG(about.st_mode) || about.st_size == 0 || (has_apart && about.st_dev == apart.st_dev && about.st_ino == apart.st_ino)) {
        ++found.left_out;
      } else if (const mapped_file f(path); detail::looks_like_text(f.letters())) {
        found.all.push_back({path, f.bytes().count});
      } else {
        ++found.left_out;
      }
    }
  }
  return found;
}

}  // namespace stretto::inline v0
