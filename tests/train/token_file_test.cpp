// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Files of tokens in all formats: what was written is read, and every number that can't be is refused with its place.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <stretto/train/token_file.hpp>
#include <stretto/train/token_file_writer.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

struct token_folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("stretto_tokens_" + std::to_string(::getpid()));
  token_folder() { std::filesystem::create_directories(path); }
  token_folder(const token_folder&) = delete;
  ~token_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

void put_bytes(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

template <class T>
void append(std::string& s, T value) {
  s.append(reinterpret_cast<const char*>(&value), sizeof value);
}

view<const std::byte> bytes_of(const std::string& s) { return {reinterpret_cast<const std::byte*>(s.data()), static_cast<std::int64_t>(s.size())}; }

/// llm.c's file of these tokens.
template <class T = std::uint16_t>
std::string llmc_bytes(const std::vector<std::int64_t>& tokens, std::int32_t magic = 20240520, std::int32_t version = 1) {
  std::string s;
  for (int i = 0; i < 256; ++i) append(s, i == 0 ? magic : i == 1 ? version : i == 2 ? static_cast<std::int32_t>(tokens.size()) : 0);
  for (const std::int64_t t : tokens) append(s, static_cast<T>(t));
  return s;
}

template <class T>
std::string plain_bytes(const std::vector<std::int64_t>& tokens) {
  std::string s;
  for (const std::int64_t t : tokens) append(s, static_cast<T>(t));
  return s;
}

struct index_numbers {
  std::uint64_t version = 1;
  int code = 8;
  std::vector<std::int32_t> lengths{3, 0, 2, 4};
  std::vector<std::int64_t> offsets{0, 6, 6, 10};
  std::vector<std::int64_t> starts{0, 2, 3, 4};
  std::string more = {};

  std::string bytes() const {
    std::string s("MMIDIDX\0\0", 9);
    append(s, version);
    append(s, static_cast<std::uint8_t>(code));
    append(s, static_cast<std::uint64_t>(lengths.size()));
    append(s, static_cast<std::uint64_t>(starts.size()));
    for (auto n : lengths) append(s, n);
    for (auto n : offsets) append(s, n);
    for (auto n : starts) append(s, n);
    return s + more;
  }
};

std::vector<std::int64_t> all_of(const token_file& f) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(f.size()));
  f.read(0, f.size(), all.data());
  return {all.begin(), all.end()};
}

token_file of(const std::string& data, token_format format = token_format::automatic) { return {bytes_of(data), {}, "x.bin", format}; }
token_file of_pair(const std::string& data, const std::string& index) { return {bytes_of(data), bytes_of(index), "x.bin"}; }

const std::vector<std::int64_t> nine{1, 2, 3, 40000, 65535, 6, 7, 8, 9};

}  // namespace

TEST_CASE("a file of tokens is known by its first number or its index") {
  const token_folder dir;
  put_bytes(dir / "c.bin", llmc_bytes(nine));
  put_bytes(dir / "raw.bin", plain_bytes<std::uint16_t>(nine));
  put_bytes(dir / "pair.bin", plain_bytes<std::uint16_t>(nine));
  put_bytes(dir / "pair.idx", index_numbers().bytes());
  for (const auto& [name, format] : std::vector<std::pair<std::string, token_format>>{
           {"c.bin", token_format::llmc}, {"raw.bin", token_format::raw16}, {"pair.bin", token_format::megatron}, {"pair.idx", token_format::megatron}, {"pair", token_format::megatron}}) {
    INFO(name);
    const token_file f(dir / name);
    CHECK(f.format() == format);
    CHECK(all_of(f) == nine);
    CHECK(f.vocabulary_needed() == 65536);
    CHECK(f.path() == dir / (name == "c.bin" || name == "raw.bin" ? name : "pair.bin"));
  }
  CHECK(token_file(dir / "pair.bin", token_format::raw16).documents() == 0);
  CHECK(token_file(dir / "c.bin", token_format::raw16).size() == 512 + 9);
  token_file moved(dir / "raw.bin");
  const token_file f(std::move(moved));
  CHECK(all_of(f) == nine);
  CHECK(token_file().size() == 0);
}

TEST_CASE("part of a file of tokens is read from any place and no other") {
  const std::string data = llmc_bytes(nine);
  const token_file f = of(data);
  std::int32_t two[3] = {-1, -1, -1};
  f.read(3, 2, two);
  CHECK((two[0] == 40000 && two[1] == 65535 && two[2] == -1));
  f.read(9, 0, two);
  CHECK_THROWS_WITH(f.read(8, 2, two), "stretto: 2 tokens from 8 on are asked for of file 'x.bin', which has 9; stay within them");
  CHECK_THROWS_AS(f.read(-1, 1, two), error);
  CHECK_THROWS_AS(f.read(1, -1, two), error);
  CHECK_THROWS_AS(f.read(INT64_MAX, INT64_MAX, two), error);
  const std::string odd = "?" + plain_bytes<std::uint16_t>(nine);  // not aligned
  CHECK(all_of(token_file({bytes_of(odd).first + 1, 18}, {}, "odd")) == nine);
}

TEST_CASE("the documents of a pair are told in tokens") {
  const std::string data = plain_bytes<std::uint16_t>(nine);
  index_numbers n;
  const std::string index = n.bytes();
  const token_file f = of_pair(data, index);
  REQUIRE(f.documents() == 3);
  CHECK((f.document(0) == 0 && f.document(1) == 3 && f.document(2) == 5 && f.document(3) == 9));
  CHECK_THROWS_WITH(f.document(4), "stretto: document 4 of file 'x.bin' is asked for, which has 3; stay within them");
  CHECK_THROWS_AS(f.document(-1), error);
  n.more = std::string(4, '\1');  // modes of the sequences
  const std::string modes = n.bytes();
  CHECK(of_pair(data, modes).documents() == 3);
  n.more.clear();
  n.starts = {0, 3};  // without an end
  const std::string open = n.bytes();
  CHECK(of_pair(data, open).documents() == 2);
  CHECK(of_pair(data, open).document(1) == 5);
  n.starts = {};
  const std::string none = n.bytes();
  CHECK(of_pair(data, none).documents() == 0);
}

TEST_CASE("every type of token is read and no token is negative or too large") {
  const std::vector<std::int64_t> few{1, 2, 100};
  const auto with = [&](int code, const std::string& data) {
    index_numbers n;
    n.code = code, n.lengths = {3}, n.offsets = {0}, n.starts = {0, 1};
    const std::string index = n.bytes();
    return all_of(of_pair(data, index));
  };
  CHECK(with(1, plain_bytes<std::uint8_t>(few)) == few);
  CHECK(with(2, plain_bytes<std::int8_t>(few)) == few);
  CHECK(with(3, plain_bytes<std::int16_t>(few)) == few);
  CHECK(with(4, plain_bytes<std::int32_t>(few)) == few);
  CHECK(with(5, plain_bytes<std::int64_t>(few)) == few);
  CHECK(with(8, plain_bytes<std::uint16_t>(few)) == few);
  CHECK_THROWS_WITH(with(3, plain_bytes<std::int16_t>({1, -2, 3})), "stretto: token 1 of file 'x.bin' is -2, and tokens are 0 to 2147483647; make the file anew");
  CHECK_THROWS_WITH(with(5, plain_bytes<std::int64_t>({1, 2, std::int64_t{1} << 31})), "stretto: token 2 of file 'x.bin' is 2147483648, and tokens are 0 to 2147483647; make the file anew");
  CHECK(all_of(of(llmc_bytes<std::uint32_t>({5, 128000}, 20240801, 7))) == std::vector<std::int64_t>{5, 128000});
  CHECK_THROWS_AS(all_of(of(llmc_bytes<std::uint32_t>({5, 0x80000000}, 20240801, 7))), error);
}

TEST_CASE("a file that can't be one of tokens is refused") {
  CHECK_THROWS_WITH(of("abc"), "stretto: file 'x.bin' has 3 bytes, which is no whole number of tokens of two; make it anew, or name its format");
  CHECK_THROWS_WITH(of("abcd", token_format::llmc), "stretto: file 'x.bin' begins with 1684234849, not with llm.c's 20240520; name its format, or make it anew");
  CHECK_THROWS_WITH(of(llmc_bytes({}).substr(0, 100)), "stretto: file 'x.bin' has 100 bytes and should begin with a header of 1024; make it anew, or name its format");
  CHECK_THROWS_WITH(of(llmc_bytes(nine, 20240520, 2)), "stretto: file 'x.bin' is of version 2 of llm.c's format, and only 1 is known; make it anew");
  CHECK_THROWS_WITH(of(llmc_bytes(nine) + "xx"), "stretto: file 'x.bin' promises 9 tokens and has 20 bytes behind its header, where each takes 2; make it anew");
  std::string minus = llmc_bytes({});
  minus[11] = '\xff';
  CHECK_THROWS_WITH(of(minus), "stretto: file 'x.bin' promises -16777216 tokens and has 0 bytes behind its header, where each takes 2; make it anew");
  CHECK(of(llmc_bytes({})).size() == 0);
  CHECK(of(llmc_bytes({})).vocabulary_needed() == 0);
  const token_folder dir;
  const std::string d = dir.path.string();
  CHECK_THROWS_WITH(token_file(dir / "none.bin"), "stretto: file '" + d + "/none.bin' can't be opened (No such file or directory); check its name and who may read it");
  put_bytes(dir / "alone.idx", index_numbers().bytes());
  CHECK_THROWS_WITH(token_file(dir / "alone.idx"), "stretto: file '" + d + "/alone.bin' can't be opened (No such file or directory); check its name and who may read it");
  CHECK_THROWS_WITH(token_file(d), "stretto: '" + d + "' is a directory; name a file in it");
}

TEST_CASE("an index whose numbers can't be is refused") {
  const std::string data = plain_bytes<std::uint16_t>(nine);
  const auto refused = [&](const index_numbers& n, const std::string& words) { CHECK_THROWS_WITH(of_pair(data, n.bytes()), "stretto: file 'x.bin' has " + words); };
  CHECK_THROWS_WITH(of_pair(data, "MMIDIDY and more"), "stretto: file 'x.bin' has an index that doesn't begin with MMIDIDX; make the pair anew, or name another format");
  CHECK_THROWS_WITH(of_pair(data, std::string("MMIDIDX\0\0 and more", 18)), "stretto: file 'x.bin' has an index of 18 bytes, and its header alone takes 34; make the pair anew");
  refused({.version = 2}, "an index of another version than 1; make the pair anew");
  refused({.code = 6}, "an index that says type 6, and tokens are of type 1, 2, 3, 4, 5 or 8; make the pair anew with one of them");
  refused({.code = 0}, "an index that says type 0, and tokens are of type 1, 2, 3, 4, 5 or 8; make the pair anew with one of them");
  refused({.more = "x"}, "an index of 115 bytes, which isn't what its numbers of sequences and documents take; make the pair anew");
  refused({.offsets = {0, 6, 8, 10}}, "an index where sequence 2 has 2 tokens from byte 8 on, and 6 of the 18 bytes stand before it; make the pair anew");
  refused({.lengths = {3, 0, 2, 5}}, "an index where sequence 3 has 5 tokens from byte 10 on, and 10 of the 18 bytes stand before it; make the pair anew");
  refused({.lengths = {-3, 0, 2, 4}}, "an index where sequence 0 has -3 tokens from byte 0 on, and 0 of the 18 bytes stand before it; make the pair anew");
  refused({.lengths = {3, 0, 2, 3}}, "18 bytes and an index of 16; make the pair anew");
  refused({.starts = {0, 3, 2, 4}}, "an index where document 2 begins with sequence 2 of 4, behind 3; make the pair anew");
  refused({.starts = {1, 2, 3, 4}}, "an index where document 0 begins with sequence 1 of 4, behind 0; make the pair anew");
  refused({.starts = {0, 2, 3, 5}}, "an index where document 3 begins with sequence 5 of 4, behind 3; make the pair anew");
  for (const std::uint64_t count : {std::uint64_t{5}, std::uint64_t{1} << 62, ~std::uint64_t{0}, ~std::uint64_t{0} / 12 + 1, ~std::uint64_t{0} / 8 + 1,
                                    (std::uint64_t{1} << 62) + 4, (std::uint64_t{1} << 61) + 4})  // times 12 or 8 the last two are 4 again
    for (const int at : {18, 26}) {
      std::string index = index_numbers().bytes();
      std::memcpy(&index[static_cast<std::size_t>(at)], &count, 8);
      CHECK_THROWS_AS(of_pair(data, index), error);
    }
  const std::string whole = index_numbers().bytes();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const std::string cut = whole.substr(0, n);
    CHECK_THROWS_AS(token_file(bytes_of(data), bytes_of(cut), "x.bin", token_format::megatron), error);
  }
}

TEST_CASE("a file of tokens that was written is read back") {
  const token_folder dir;
  for (const token_format format : {token_format::llmc, token_format::raw16}) {
    token_file_writer w(dir / "w.bin", format);
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < 100000; ++i) tokens.push_back(i * 7 % 65536);
    w.add({tokens.data(), 50000});
    w.add({tokens.data() + 50000, 50000});
    w.add(12);
    tokens.push_back(12);
    CHECK(w.size() == 100001);
    CHECK(std::filesystem::exists(dir / "w.bin.part"));
    w.finish();
    CHECK_FALSE(std::filesystem::exists(dir / "w.bin.part"));
    const token_file f(dir / "w.bin");
    CHECK(f.format() == format);
    CHECK(all_of(f) == std::vector<std::int64_t>(tokens.begin(), tokens.end()));
    CHECK_THROWS_WITH(w.finish(), "stretto: file '" + (dir / "w.bin") + "' is finished already, or couldn't be written; open it anew");
  }
}

TEST_CASE("a writer of tokens refuses what it can't write and leaves no half of a file") {
  const token_folder dir;
  const std::string d = dir.path.string();
  {
    token_file_writer w(dir / "w.bin");
    CHECK_THROWS_WITH(w.add(65536), "stretto: token 65536 is to be written to file '" + d + "/w.bin', where two bytes hold 0 to 65535; use a smaller vocabulary");
    CHECK_THROWS_AS(w.add(-1), error);
    w.add(1);
  }
  CHECK(std::filesystem::is_empty(dir.path));
  CHECK_THROWS_WITH(token_file_writer(dir / "no/w.bin"), "stretto: file '" + d + "/no/w.bin' can't be written (No such file or directory); check the folder, and the room on its disk");
  CHECK_THROWS_WITH(token_file_writer(dir / "w.bin", token_format::megatron), "stretto: a pair of Megatron's files can be read, not written; choose llm.c's format or raw uint16");
  std::filesystem::create_directory(dir / "taken.bin");
  token_file_writer taken(dir / "taken.bin");
  CHECK_THROWS_WITH(taken.finish(), "stretto: file '" + d + "/taken.bin' can't be written (Is a directory); check the folder, and the room on its disk");
  CHECK_FALSE(std::filesystem::exists(dir / "taken.bin.part"));
}

TEST_CASE("a full disk is told by the writer of tokens") {
  const token_folder dir;
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  rlimit low = old;
  low.rlim_cur = 10000;  // of bytes in a file
  std::string words;
  token_file_writer w(dir / "w.bin");
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &low) == 0);
  try {
    for (int i = 0; i < 100000; ++i) w.add(i % 100);
    w.finish();
  } catch (const error& e) {
    words = e.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, before);
  CHECK(words == "stretto: file '" + (dir / "w.bin") + "' can't be written (File too large); check the folder, and the room on its disk");
  CHECK(std::filesystem::is_empty(dir.path));
}
