// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Calls stretto-explore as a person does.
#pragma once

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "catch.hpp"

struct result {
  int status;
  std::string out;  // both streams
};

/// Runs a command of the shell.
inline result shell(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  result r{0, ""};
  char block[4096];
  for (std::size_t n; (n = fread(block, 1, sizeof block, pipe)) > 0;) r.out.append(block, n);
  const int status = pclose(pipe);
  r.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return r;
}

inline result run(const std::string& arguments) { return shell(std::string(STRETTO_EXPLORE) + " " + arguments); }

/// What it prints where all is fine.
inline std::string printed(const std::string& arguments) {
  const result r = run(arguments);
  INFO(arguments << ": " << r.out);
  CHECK(r.status == 0);
  return r.out;
}

/// One sentence, with these words in it, and this exit status.
inline void refused(const std::string& arguments, const std::string& words, int status = 2) {
  const result r = run(arguments);
  INFO(arguments << ": " << r.out);
  CHECK(r.status == status);
  CHECK(r.out.rfind("stretto: ", 0) == 0);
  CHECK(r.out.find(words) != std::string::npos);
  CHECK(std::count(r.out.begin(), r.out.end(), '\n') == 1);
}

/// A folder of this test, gone with it.
struct folder {
  std::string path;
  folder() {
    char name[] = "/tmp/stretto_explore_XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  folder(const folder&) = delete;
  ~folder() {  // may run when Catch2 has ended
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
};

inline void write(const std::string& path, const std::string& text) {
  REQUIRE(std::ofstream(path).write(text.data(), static_cast<std::streamsize>(text.size())));
}

inline std::string content(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A file with that text, gone when the program ends.
inline std::string file(const std::string& text) {
  static const folder all;
  static int count = 0;
  const std::string path = all / ("file_" + std::to_string(count++));
  write(path, text);
  return path;
}
