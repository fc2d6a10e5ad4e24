// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Files by position: whole ranges whatever the system does, and a sentence for each failure.
#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <stretto/train/file.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

struct file_folder {
  std::string path = (std::filesystem::temp_directory_path() / ("stretto_file_" + std::to_string(::getpid()))).string();
  file_folder() { std::filesystem::remove_all(path), std::filesystem::create_directory(path); }
  ~file_folder() { std::filesystem::remove_all(path); }
};

std::string sentence(void (*act)(const std::string&), const std::string& path) {
  try {
    act(path);
  } catch (const error& e) {
    return e.what();
  }
  return "";
}

int calls_made = 0;

}  // namespace

TEST_CASE("a file is written and read by position") {
  const file_folder f;
  file out = file::create(f.path + "/a");
  out.write(3, "def", 3);
  out.write(0, "abc", 3);
  CHECK(out.size() == 6);
  out.sync();
  out.close();
  const file in = file::open(f.path + "/a");
  CHECK(in.size() == 6);
  char two[2];
  in.read(2, two, 2);
  CHECK(std::string(two, 2) == "cd");
  CHECK_THROWS_WITH(in.read(4, two, 3), "stretto: '" + f.path + "/a' ends at byte 6, and 1 more are read; it was cut off, take a whole copy");
  file moved = file::open(f.path + "/a");
  moved = file::create(f.path + "/b");
  CHECK(moved.size() == 0);
  CHECK(list_directory(f.path) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("calls that do a part or are interrupted are asked again") {
  const file_folder f;
  file_calls odd;
  odd.write = [](int d, const void* from, unsigned long n, long at) -> long {
    if (++calls_made % 3 == 0) return errno = EINTR, -1;
    return ::pwrite(d, from, n < 3 ? n : 3, at);
  };
  odd.read = [](int d, void* to, unsigned long n, long at) -> long {
    if (++calls_made % 2 == 0) return errno = EINTR, -1;
    return ::pread(d, to, n < 2 ? n : 2, at);
  };
  odd.sync = [](int d) {
    if (++calls_made % 2 == 0) return errno = EINTR, -1;
    return ::fsync(d);
  };
  write_file(f.path + "/a", "of a whole sentence", odd);
  CHECK(read_file(f.path + "/a", 100, odd) == "of a whole sentence");
}

TEST_CASE("what the system refuses is told with its path") {
  const file_folder f;
  const std::string end = "; correct the path, or mend what the system names";
  CHECK(sentence([](const std::string& p) { file::open(p); }, f.path + "/none") == "stretto: '" + f.path + "/none' can't be opened (No such file or directory)" + end);
  CHECK(sentence([](const std::string& p) { file::open(p); }, f.path) == "stretto: '" + f.path + "' can't be opened (Is a directory)" + end);
  CHECK(sentence([](const std::string& p) { file::create(p); }, f.path) == "stretto: '" + f.path + "' can't be created (Is a directory)" + end);
  CHECK(sentence([](const std::string& p) { file::open(p); }, "") == "stretto: '' can't be used (No such file or directory)" + end);
  CHECK(sentence([](const std::string& p) { file::open(p); }, std::string("a\0b", 3)) == "stretto: 'a?b' can't be used (Invalid argument)" + end);
  CHECK(sentence([](const std::string& p) { list_directory(p); }, f.path + "/none") == "stretto: '" + f.path + "/none' can't be listed (No such file or directory)" + end);
  CHECK(sentence([](const std::string& p) { sync_directory(p); }, f.path + "/none") == "stretto: '" + f.path + "/none' can't be synced (No such file or directory)" + end);
  CHECK(sentence([](const std::string& p) { remove_file(p); }, f.path + "/none") == "stretto: '" + f.path + "/none' can't be removed (No such file or directory)" + end);
  CHECK(sentence([](const std::string& p) { rename_path(p, p + "2"); }, f.path + "/none") == "stretto: '" + f.path + "/none' can't be renamed (No such file or directory)" + end);
  write_file(f.path + "/file", "x");
  CHECK(sentence([](const std::string& p) { make_directories(p); }, f.path + "/file/a") == "stretto: '" + f.path + "/file' can't be listed (Not a directory)" + end);
  CHECK(sentence([](const std::string& p) { read_file(p, 0); }, f.path + "/file") == "stretto: '" + f.path + "/file' has 1 bytes, and at most 0 are read; give the right file");
  // A pipe would wait for somebody at its other end.
  REQUIRE(::mkfifo((f.path + "/pipe").c_str(), 0600) == 0);
  CHECK(sentence([](const std::string& p) { file::open(p); }, f.path + "/pipe") == "stretto: '" + f.path + "/pipe' can't be opened (Invalid argument)" + end);
  CHECK(sentence([](const std::string& p) { file::create(p); }, f.path + "/pipe").find("can't be created") != std::string::npos);
  const std::string long_name(500, 'n');
  CHECK(sentence([](const std::string& p) { file::open(p); }, f.path + "/" + long_name) == "stretto: '..." + long_name.substr(0, 300) + "' can't be opened (File name too long)" + end);
  file_calls full;
  full.write = [](int, const void*, unsigned long, long) -> long { return errno = ENOSPC, -1; };
  CHECK_THROWS_WITH(write_file(f.path + "/b", "x", full), "stretto: '" + f.path + "/b' can't be written (No space left on device)" + end);
  full.write = [](int, const void*, unsigned long, long) -> long { return 0; };  // which would go on for ever
  CHECK_THROWS_WITH(write_file(f.path + "/b", "x", full), "stretto: '" + f.path + "/b' can't be written (No space left on device)" + end);
  file_calls late;
  late.close = [](int d) { return ::close(d), errno = EIO, -1; };
  CHECK_THROWS_WITH(write_file(f.path + "/b", "x", late), "stretto: '" + f.path + "/b' can't be closed (Input/output error)" + end);
}

TEST_CASE("directories are made and removed with what is in them, and links lead nowhere") {
  const file_folder f;
  make_directories(f.path + "/a/b/c/");
  make_directories(f.path + "/a/b");
  write_file(f.path + "/a/b/c/file", "x");
  write_file(f.path + "/kept", "x");
  std::filesystem::create_directory(f.path + "/other");
  write_file(f.path + "/other/file", "x");
  std::filesystem::create_symlink(f.path + "/other", f.path + "/a/link");
  remove_directory(f.path + "/a");
  CHECK(!path_exists(f.path + "/a"));
  CHECK(path_exists(f.path + "/other/file"));
  std::filesystem::create_symlink(f.path + "/other", f.path + "/link");
  CHECK_THROWS_AS(remove_directory(f.path + "/link"), error);
  CHECK(path_exists(f.path + "/other/file"));
}

TEST_CASE("a file is replaced as a whole or not at all") {
  const file_folder f;
  replace_file(f.path + "/a", "one");
  file_calls broken;
  broken.rename = [](const char*, const char*) { return errno = EIO, -1; };
  CHECK_THROWS_AS(replace_file(f.path + "/a", "two", broken), error);
  CHECK(read_file(f.path + "/a", 10) == "one");
  replace_file(f.path + "/a", "three");
  CHECK(read_file(f.path + "/a", 10) == "three");
  CHECK(list_directory(f.path) == std::vector<std::string>{"a"});
}
