// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Files in memory: what is read is what is there, and every file that can't be read is refused in a sentence.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

#include <stretto/train/mapped_file.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

struct mapping_folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("stretto_mapped_" + std::to_string(::getpid()));
  mapping_folder() { std::filesystem::create_directories(path); }
  mapping_folder(const mapping_folder&) = delete;
  ~mapping_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

void put_letters(const std::string& path, const std::string& letters) { std::ofstream(path, std::ios::binary) << letters; }

}  // namespace

TEST_CASE("a mapped file shows the bytes of the file and moves without copying them") {
  const mapping_folder dir;
  put_letters(dir / "a", "three\n");
  mapped_file f(dir / "a");
  CHECK(f.letters() == "three\n");
  CHECK(f.bytes().count == 6);
  CHECK(f.path() == dir / "a");
  const std::byte* const at = f.bytes().first;
  mapped_file g(std::move(f));
  CHECK(g.bytes().first == at);
  put_letters(dir / "b", "other");
  mapped_file h(dir / "b");
  h = std::move(g);
  CHECK(h.letters() == "three\n");
  CHECK(mapped_file().bytes().empty());
}

TEST_CASE("a mapped file outlives its name") {
  const mapping_folder dir;
  put_letters(dir / "a", std::string(10000, 'x'));
  const mapped_file f(dir / "a");
  std::filesystem::remove(dir / "a");
  CHECK(f.letters() == std::string(10000, 'x'));
}

TEST_CASE("what can't be mapped is refused in a sentence") {
  const mapping_folder dir;
  const std::string d = dir.path.string();
  CHECK_THROWS_WITH(mapped_file(dir / "none"), "stretto: file '" + d + "/none' can't be opened (No such file or directory); check its name and who may read it");
  CHECK_THROWS_WITH(mapped_file(""), "stretto: file '' can't be opened (No such file or directory); check its name and who may read it");
  CHECK_THROWS_WITH(mapped_file(std::string("a\0b", 3)), "stretto: file 'a?b' can't be opened (Invalid argument); check its name and who may read it");
  CHECK_THROWS_WITH(mapped_file("a\nb"), "stretto: file 'a?b' can't be opened (No such file or directory); check its name and who may read it");
  CHECK_THROWS_WITH(mapped_file(d), "stretto: '" + d + "' is a directory; name a file in it");
  put_letters(dir / "empty", "");
  CHECK_THROWS_WITH(mapped_file(dir / "empty"), "stretto: file '" + d + "/empty' is empty; make it anew, or leave it out");
  CHECK_THROWS_WITH(mapped_file("/dev/zero"), "stretto: '/dev/zero' is a device or a pipe, which can't be mapped into memory; copy it into a file first");
  REQUIRE(::mkfifo((dir / "pipe").c_str(), 0600) == 0);  // must not wait for somebody to write
  CHECK_THROWS_WITH(mapped_file(dir / "pipe"), "stretto: '" + d + "/pipe' is a device or a pipe, which can't be mapped into memory; copy it into a file first");
  put_letters(dir / "secret", "x");
  std::filesystem::permissions(dir / "secret", std::filesystem::perms::none);
  if (::geteuid() != 0)
    CHECK_THROWS_WITH(mapped_file(dir / "secret"), "stretto: file '" + d + "/secret' can't be opened (Permission denied); check its name and who may read it");
  std::ofstream(dir / "huge").put('x');
  std::error_code refused;
  std::filesystem::resize_file(dir / "huge", std::uintmax_t{1} << 43, refused);  // holes: no disk is used
  if (!refused) {
    std::filesystem::resize_file(dir / "huge", std::uintmax_t{1} << 62, refused);
    if (!refused)
      CHECK_THROWS_WITH(mapped_file(dir / "huge"), Catch::Matchers::ContainsSubstring("huge' of 4611686018427387904 bytes can't be mapped into memory (Cannot allocate memory); raise the limit of addresses, or split the file"));
  }
}
