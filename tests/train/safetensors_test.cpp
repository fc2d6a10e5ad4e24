// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// safetensors files: what is written comes back, a file made by hand is read, and whatever isn't one is refused.
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <unistd.h>

#include <stretto/core/random.hpp>
#include <stretto/train/safetensors.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

struct tensors_folder {
  std::string path = (std::filesystem::temp_directory_path() / ("stretto_safetensors_" + std::to_string(::getpid()))).string();
  tensors_folder() { std::filesystem::remove_all(path), std::filesystem::create_directory(path); }
  ~tensors_folder() { std::filesystem::remove_all(path); }
};

/// A file with this header, length and all, and so many bytes of data.
std::string with_header(const std::string& header, std::size_t data) {
  std::string s;
  for (int i = 0; i < 8; ++i) s += static_cast<char>(header.size() >> (8 * i) & 255);
  s += header;
  for (std::size_t i = 0; i < data; ++i) s += static_cast<char>(i);
  return s;
}

std::string header_refusal(const std::string& header, std::int64_t data) {
  try {
    read_safetensors_header(header, data, "x");
  } catch (const error& e) {
    return e.what();
  }
  return "";
}

const std::string correct = "; correct the file, or what wrote it";

}  // namespace

TEST_CASE("a safetensors file made by hand is read") {
  const tensors_folder f;
  const std::string path = f.path + "/a.safetensors";
  write_file(path, with_header(R"({"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]},"__metadata__":{"by":"hand"},"a":{"shape":[2,1],"dtype":"I32","data_offsets":[0,8]},"e":{"dtype":"F64","shape":[0,7],"data_offsets":[8,8]},"s":{"dtype":"BOOL","shape":[],"data_offsets":[11,12]}} )", 12));
  const safetensors_file t(path);
  REQUIRE(t.tensors().size() == 4);
  CHECK(t.tensors()[0].name == "a");
  CHECK(t.tensors()[0].shape == std::vector<std::int64_t>{2, 1});
  CHECK(t.at("a").count() == 2);
  CHECK(t.at("e").count() == 0);
  CHECK(t.at("s").count() == 1);
  CHECK(t.at("s").shape.empty());
  CHECK(t.header().metadata == std::vector<std::pair<std::string, std::string>>{{"by", "hand"}});
  std::int32_t a[2];
  t.read(t.at("a"), a);
  CHECK(a[0] == 0x03020100);
  CHECK(a[1] == 0x07060504);
  unsigned char b[2];
  t.read(t.at("b"), 1, b, 2);
  CHECK((b[0] == 9 && b[1] == 10));
  CHECK(t.find("c") == nullptr);
  CHECK_THROWS_WITH(t.at("c"), "stretto: '" + path + "' has no tensor 'c'; ask for one of its 4");
  CHECK_THROWS_WITH(t.read(t.at("b"), 2, b, 2), "stretto: tensor 'b' of '" + path + "' has 3 bytes, and 2 from byte 2 on are read; read what it has");
  CHECK_THROWS_AS(t.read(t.at("b"), -1, b, 1), error);
  CHECK_THROWS_AS(t.read(t.at("b"), INT64_MAX, b, 1), error);
  CHECK_THROWS_AS(t.read(t.at("b"), 0, b, -1), error);
}

TEST_CASE("what is written as safetensors comes back, with all types, and lies where its size wants it") {
  const tensors_folder f;
  const std::string path = f.path + "/a.safetensors";
  std::vector<stored_tensor> all;
  for (int k = 0; k <= static_cast<int>(stored_type::boolean); ++k) {
    const auto type = static_cast<stored_type>(k);
    all.insert(all.begin() + k / 2, {std::string("t\"\n") + std::string(stored_name(type)), type, {k, 3}});
    all.push_back({"one of " + std::string(stored_name(type)), type});
  }
  sha256 digest;
  safetensors_writer w(path, all, {.metadata = {{"format", "pt"}, {"ä", "\n"}}, .digest = &digest});
  std::vector<std::string> data;
  std::int64_t at = 0;
  for (const stored_tensor& t : w.tensors()) {
    std::string s;
    for (std::int64_t i = 0; i < t.bytes(); ++i) s += static_cast<char>(random_stream{.seed = 3}.bits(at++) & 255);
    data.push_back(s);
    for (std::int64_t i = 0; i < t.bytes(); i += 5) w.write(t.name, s.data() + i, t.bytes() - i < 5 ? t.bytes() - i : 5);
  }
  w.finish();
  const safetensors_file r(path);
  REQUIRE(r.tensors().size() == all.size());
  CHECK(r.header().data % 8 == 0);
  CHECK(r.header().metadata.size() == 2);
  for (std::size_t i = 0; i < data.size(); ++i) {
    const stored_tensor& t = r.at(w.tensors()[i].name);
    REQUIRE(t.type == w.tensors()[i].type);
    REQUIRE(t.shape == w.tensors()[i].shape);
    REQUIRE((r.header().data + t.begin) % stored_bytes(t.type) == 0);
    std::string s(static_cast<std::size_t>(t.bytes()), '\0');
    r.read(t, s.data());
    REQUIRE(s == data[i]);
  }
  const std::string whole = read_file(path, 1 << 20);
  sha256 again;
  again.add(whole.data(), static_cast<std::int64_t>(whole.size()));
  CHECK(digest.hex() == again.hex());
  CHECK(w.bytes() == static_cast<std::int64_t>(whole.size()));
  // Whatever is missing at the end, it is noticed.
  for (std::size_t n = 0; n < whole.size(); n += 61) {
    write_file(path, whole.substr(0, n));
    REQUIRE_THROWS_AS(safetensors_file(path), error);
  }
}

TEST_CASE("a writer of safetensors notices what is missing, too much or out of turn") {
  const tensors_folder f;
  const std::string path = f.path + "/a.safetensors";
  safetensors_writer w(path, {{"empty", stored_type::int8, {0}}, {"bytes", stored_type::int8, {3}}, {"a", stored_type::float64, {1}}, {"b", stored_type::float64, {2}}});
  const double x[2] = {1, 2};
  CHECK_THROWS_WITH(w.write("b", x, 16), "stretto: tensor 'b' is written to '" + path + "' where 'a' comes next; write the tensors in the order of tensors()");
  w.write("a", x, 8);
  CHECK_THROWS_WITH(w.write("b", x, 17), "stretto: 17 bytes of tensor 'b' are written to '" + path + "', and it lacks 16; write as many as it has");
  w.write("b", x, 8);
  CHECK_THROWS_AS(w.write("bytes", x, 3), error);
  CHECK_THROWS_WITH(w.finish(), "stretto: '" + path + "' lacks 11 bytes, from tensor 'b' on; write all before finish()");
  w.write("b", x, 8);
  CHECK_THROWS_WITH(w.finish(), "stretto: '" + path + "' lacks 3 bytes, from tensor 'bytes' on; write all before finish()");
  w.write("bytes", x, 3);
  w.finish();
  CHECK(safetensors_file(path).at("bytes").begin == 24);
  const std::string where = " of '" + path + "' ";
  CHECK_THROWS_WITH(safetensors_writer(path, {{"a", stored_type::int8, {2}}, {"b"}, {"a"}}), "stretto: tensor 'a'" + where + "is there twice" + correct);
  CHECK_THROWS_WITH(safetensors_writer(path, {{"__metadata__"}}), "stretto: tensor '__metadata__'" + where + "has a name that is kept for metadata" + correct);
  CHECK_THROWS_WITH(safetensors_writer(path, {{"a", stored_type::int8, {INT64_MAX, 2}}}), "stretto: tensor 'a'" + where + "has shape (9223372036854775807, 2), which no file holds" + correct);
  CHECK_THROWS_AS(safetensors_writer(path, {{"a", stored_type::int8, {-1}}}), error);
  CHECK_THROWS_AS(safetensors_writer(path, {{"a", stored_type::int8, {INT64_MAX / 2}}, {"b", stored_type::int8, {INT64_MAX / 2}}}), error);
  safetensors_header h{{{"a"}}};
  place_tensors(h, "x");
  CHECK_THROWS_WITH(write_safetensors_header(h, "x", 40), "stretto: the header of x would have 56 bytes, and may have 40; write several files");
}

TEST_CASE("what is no safetensors file is refused in a sentence") {
  const std::string t = "stretto: tensor 'a' of x ";
  CHECK(header_refusal(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", 3) == "");
  CHECK(header_refusal(R"({})", 0) == "");
  CHECK(header_refusal(R"([])", 0) == "stretto: the header of x is no JSON object; it is no safetensors file");
  CHECK(header_refusal(R"({"a":)", 0) == "stretto: the header of x has its end at byte 5 where a value is expected; correct it there");
  CHECK(header_refusal(R"({"a":3})", 0) == t + "is no object in the header" + correct);
  CHECK(header_refusal(R"({"a":{"shape":[3],"data_offsets":[0,3]}})", 3) == t + "has no dtype" + correct);
  CHECK(header_refusal(R"({"a":{"dtype":"U8","data_offsets":[0,3]}})", 3) == t + "has no shape of whole numbers" + correct);
  CHECK(header_refusal(R"({"a":{"dtype":"U8","shape":[3.0],"data_offsets":[0,3]}})", 3) == t + "has no shape of whole numbers" + correct);
  CHECK(header_refusal(R"({"a":{"dtype":"U8","shape":[-3],"data_offsets":[0,3]}})", 3) == t + "has no shape of whole numbers" + correct);
  CHECK(header_refusal(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0]}})", 3) == t + "has no data_offsets of two whole numbers" + correct);
  CHECK(header_refusal(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,18446744073709551615]}})", 3) == t + "has no data_offsets of two whole numbers" + correct);
  CHECK(header_refusal(R"({"a":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]}})", 3) == t + "has dtype 'F8_E4M3', which isn't read" + correct);
  CHECK(header_refusal(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,3]}})", 3) == t + "of U8 (4) has its data in bytes 0 to 3, which is another size" + correct);
  CHECK(header_refusal(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[3,0]}})", 3) == t + "of U8 (3) has its data in bytes 3 to 0, which is another size" + correct);
  // 2^32 * 2^32 and 2^61 * 8 are 0 in 64 bits.
  CHECK(header_refusal(R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0).find("which is another size") != std::string::npos);
  CHECK(header_refusal(R"({"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", 0).find("which is another size") != std::string::npos);
  CHECK(header_refusal(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}})", 4) == t + "has data from byte 1 on, and what is before ends at 0" + correct);
  CHECK(header_refusal(R"({"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"a":{"dtype":"U8","shape":[3],"data_offsets":[2,5]}})", 5) == t + "has data from byte 2 on, and what is before ends at 3" + correct);
  CHECK(header_refusal(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", 4) == "stretto: the tensors of x have 3 bytes of data, and the file has 4; it was cut off, or isn't what its header says");
  CHECK(header_refusal(R"({"__metadata__":{"a":1}})", 0) == "stretto: the __metadata__ of x is no object of strings; correct the file");
  CHECK(header_refusal(R"({"__metadata__":[]})", 0) == "stretto: the __metadata__ of x is no object of strings; correct the file");
  CHECK(header_refusal(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0).find("has the name 'a' twice") != std::string::npos);
  CHECK_THROWS_WITH(safetensors_header_bytes("abc", 3, "x"), "stretto: x has 3 bytes, and a safetensors file begins with 8 that hold the length of its header; give another file");
  const std::string long_one = "stretto: x has 20 bytes, and its first 8 don't hold the length of a header in it; it is no safetensors file, or was cut off";
  CHECK_THROWS_WITH(safetensors_header_bytes(std::string("\x0d\0\0\0\0\0\0\0", 8), 20, "x"), long_one);
  CHECK_THROWS_WITH(safetensors_header_bytes("\xff\xff\xff\xff\xff\xff\xff\xff", 20, "x"), long_one);
  CHECK(safetensors_header_bytes(std::string("\x0c\0\0\0\0\0\0\0", 8), 20, "x") == 12);
  const std::string most("\x01\xe1\xf5\x05\0\0\0\0", 8);  // 100,000,001
  CHECK_THROWS_AS(safetensors_header_bytes(most, INT64_MAX, "x"), error);
  const tensors_folder f;
  CHECK_THROWS_WITH(safetensors_file(f.path + "/none"), "stretto: '" + f.path + "/none' can't be opened (No such file or directory); correct the path, or mend what the system names");
  write_file(f.path + "/empty", "");
  CHECK_THROWS_WITH(safetensors_file(f.path + "/empty"), "stretto: '" + f.path + "/empty' has 0 bytes, and a safetensors file begins with 8 that hold the length of its header; give another file");
}
