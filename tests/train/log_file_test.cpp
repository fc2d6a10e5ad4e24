// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Files that grow: made, gone on behind a byte, refused in words, and whole after a write that failed.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

#include <unistd.h>

#include <stretto/train/log_file.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

struct folder_of_logs {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("stretto_log_" + std::to_string(::getpid()));
  folder_of_logs() { std::filesystem::create_directories(path); }
  ~folder_of_logs() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

std::string all_of(const std::string& path) {
  std::string all;
  detail::each_piece(path, true, [&](std::string_view piece) { return all += piece, true; });
  return all;
}

}  // namespace

TEST_CASE("a log file is made, emptied, and gone on behind a byte") {
  const folder_of_logs at;
  detail::log_file::make(at.file("a")).append("one\ntwo\n");
  CHECK(all_of(at.file("a")) == "one\ntwo\n");
  detail::log_file::behind(at.file("a"), 4).append("three\n");
  CHECK(all_of(at.file("a")) == "one\nthree\n");
  detail::log_file::make(at.file("a"));
  CHECK(all_of(at.file("a")).empty());
  CHECK(detail::log_file::make_only(at.file("a")).path() == at.file("a.1"));
  CHECK(detail::log_file::make_only(at.file("a")).path() == at.file("a.2"));
  CHECK_FALSE(detail::each_piece(at.file("none"), true, [](std::string_view) { return true; }));
}

TEST_CASE("folders on the way are made") {
  const folder_of_logs at;
  detail::make_folders(at.file("b/c/d.txt"));
  CHECK(std::filesystem::is_directory(at.path / "b/c"));
  CHECK_FALSE(std::filesystem::exists(at.path / "b/c/d.txt"));
  detail::log_file::make(at.file("plain"));
  CHECK_THROWS_WITH(detail::make_folders(at.file("plain/x")), "stretto: the folder '" + at.file("plain") + "' can't be made (Not a directory); give a place where that is allowed and has room");
}

TEST_CASE("files that can not be opened or read are refused in words") {
  const folder_of_logs at;
  const std::string place = "; give a place where that is allowed and has room";
  CHECK_THROWS_WITH(detail::log_file::make(at.path.string()), "stretto: the file '" + at.path.string() + "' can't be opened (Is a directory)" + place);
  CHECK_THROWS_WITH(detail::log_file::make(at.file("no/x")), "stretto: the file '" + at.file("no/x") + "' can't be opened (No such file or directory)" + place);
  CHECK_THROWS_WITH(detail::log_file::make(std::string("a\0b", 3)), "stretto: the file 'a?b' can't be opened (Invalid argument)" + place);
  CHECK_THROWS_WITH(detail::log_file::behind(at.file("cut"), -1), "stretto: the file '" + at.file("cut") + "' can't be cut (Invalid argument)" + place);
  CHECK_THROWS_WITH(all_of(at.path.string()), "stretto: the file '" + at.path.string() + "' can't be read (Is a directory); give a file that can");
  CHECK_THROWS_WITH(detail::each_piece(at.file("none"), false, [](std::string_view) { return true; }),
                    "stretto: the file '" + at.file("none") + "' can't be read (No such file or directory); give a file that can");
  CHECK_THROWS_WITH(all_of("/dev/zero"), "stretto: the file '/dev/zero' can't be read (it is no plain file); give a file that can");
  CHECK_THROWS_WITH(detail::log_file::make("/dev/full").append("x"), "stretto: the file '/dev/full' can't be written (No space left on device)" + place);
}

TEST_CASE("what is shown of a name from outside is short and printed") {
  CHECK(detail::shown("a\x1b[2J\n") == "a?[2J?");
  CHECK(detail::shown(std::string(100, 'x')) == std::string(60, 'x') + "...");
}

TEST_CASE("a file that is no terminal has no width") {
  const folder_of_logs at;
  std::FILE* const file = std::fopen(at.file("t").c_str(), "w");
  REQUIRE(file != nullptr);
  CHECK(detail::terminal_width(file) == 0);
  CHECK(detail::terminal_width(nullptr) == 0);
  std::fclose(file);
  CHECK_FALSE(detail::host_name().empty());
}
