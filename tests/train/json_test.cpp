// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// JSON: what is read, what is refused and where, and that what is written comes back.
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <stretto/core/random.hpp>
#include <stretto/train/json.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

std::string refusal(std::string_view source, const json_limits& limits = {}) {
  try {
    read_json(source, "a.json", limits);
  } catch (const error& e) {
    return e.what();
  }
  return "";
}

/// A value by chance.
json any(random_stream r, std::int64_t& at, int depth) {
  const auto roll = [&](std::uint32_t n) { return r.bits(at++) % n; };
  const auto long_word = [&] {
    const std::uint64_t high = r.bits(at++);
    return high << 32 | r.bits(at++);
  };
  const auto name = [&] {
    std::string s;
    for (std::uint32_t n = roll(6); n > 0; --n) s += std::vector<std::string>{"a", "\"", "\\", "\n", "\x01", "\xc3\xa4", "\xf0\x9f\x8e\xb5", std::string(1, '\0')}[roll(8)];
    return s;
  };
  switch (roll(depth > 0 ? 7 : 5)) {
    case 0: return json();
    case 1: return json(roll(2) == 0);
    case 2: return json(static_cast<std::int64_t>(long_word()));
    case 3: {
      const auto d = std::bit_cast<double>(long_word());
      return json(std::isfinite(d) ? d : 0.0);
    }
    case 4: return json(name());
    case 5: {
      json a = json::array();
      for (std::uint32_t n = roll(5); n > 0; --n) a.push_back(any(r, at, depth - 1));
      return a;
    }
    default: {
      json o = json::object();
      for (std::uint32_t n = roll(5); n > 0; --n) o.set(name() + std::to_string(n), any(r, at, depth - 1));
      return o;
    }
  }
}

}  // namespace

TEST_CASE("JSON values are read as what they are") {
  const json j = read_json(" {\"a\": [1, -2, 0.5, 1e3, true, false, null], \"b\": {\"c\": \"d\"}, \"\": \"\"}\r\n\t ");
  REQUIRE(j.is(json_kind::object));
  CHECK(j.names() == std::vector<std::string>{"a", "b", ""});
  const std::vector<json>& a = j.at("a").values();
  REQUIRE(a.size() == 7);
  CHECK(a[0].integer() == 1);
  CHECK(a[1].integer() == -2);
  CHECK(a[2].number() == 0.5);
  CHECK((a[3].is(json_kind::real) && a[3].number() == 1000));
  CHECK((a[4].boolean() && !a[5].boolean() && a[6].is(json_kind::null)));
  CHECK(j.at("b").at("c").string() == "d");
  CHECK(j.find("e") == nullptr);
  CHECK(read_json("[]").values().empty());
  CHECK(read_json("{}").names().empty());
  CHECK(read_json("7").number() == 7);
}

TEST_CASE("numbers of JSON are integers where they fit and survive") {
  CHECK(read_json("9223372036854775807").integer() == INT64_MAX);
  CHECK(read_json("-9223372036854775808").integer() == INT64_MIN);
  CHECK(read_json("9223372036854775808").number() == 9223372036854775808.0);
  CHECK(std::signbit(read_json("-0").number()));
  CHECK(to_json(json(-0.0)) == "-0.0");
  for (const double d : {0.1, 1.0, 1e300, 5e-324, 1.7976931348623157e308, 3.14159265358979, 1e22, -2.5e-9}) {
    const json back = read_json(to_json(json(d)));
    CHECK(back.is(json_kind::real));
    CHECK(back.number() == d);
  }
  CHECK(to_json(json(1.0)) == "1.0");
  CHECK(to_json(json(INT64_MIN)) == "-9223372036854775808");
  for (const char* wrong : {"01", "-", "1.", ".5", "+1", "1e", "1e+", "0x1", "1.e3", "--1", "NaN", "Infinity", "-Infinity"}) {
    INFO(wrong);
    CHECK(refusal(wrong) != "");
  }
  CHECK_THROWS_WITH(read_json("[1e999]", "a.json"), "stretto: a.json has '1' at byte 1 where a number that fits a double is expected; correct it there");
}

TEST_CASE("strings of JSON have all escapes") {
  CHECK(read_json(R"("\"\\\/\b\f\n\r\t")").string() == "\"\\/\b\f\n\r\t");
  CHECK(read_json(R"("\u0041\u00e4\u20AC\ud834\udd1e")").string() == "A\xc3\xa4\xe2\x82\xac\xf0\x9d\x84\x9e");
  CHECK(read_json(R"("\u0000")").string() == std::string(1, '\0'));
  CHECK(read_json("\"\xf4\x8f\xbf\xbf\"").string() == "\xf4\x8f\xbf\xbf");
  CHECK(to_json(json(std::string("\x1f\n\"\\\0\x10", 6))) == R"("\u001f\n\"\\\u0000\u0010")");
  CHECK(refusal(R"("\ud834")") == "stretto: a.json has 'd' at byte 3 where a pair of surrogates is expected; correct it there");
  CHECK(refusal(R"("\udd1e\ud834")") == "stretto: a.json has 'd' at byte 3 where a pair of surrogates is expected; correct it there");
  CHECK(refusal(R"("\ud834\u0041")") == "stretto: a.json has 'd' at byte 3 where a pair of surrogates is expected; correct it there");
  CHECK(refusal(R"("\u12g4")") == "stretto: a.json has 'g' at byte 5 where one of four hexadecimal digits is expected; correct it there");
  CHECK(refusal(R"("\x41")") == "stretto: a.json has 'x' at byte 2 where one of \"\\/bfnrtu behind \\ is expected; correct it there");
  for (const char* wrong : {"\"\x80\"", "\"\xc0\xaf\"", "\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xc3\"", "\"\xff\"", "\"\xf0\x9f\x8e\""}) {
    INFO(wrong);
    CHECK(refusal(wrong).find(" at byte 1 where a character of UTF-8 is expected; correct it there") != std::string::npos);
  }
}

TEST_CASE("what isn't JSON is refused with its byte") {
  CHECK(refusal("") == "stretto: a.json has its end at byte 0 where a value is expected; correct it there");
  CHECK(refusal("[1, 2,]") == "stretto: a.json has ']' at byte 6 where a value is expected; correct it there");
  CHECK(refusal("[1 2]") == "stretto: a.json has '2' at byte 3 where ',' or ']' is expected; correct it there");
  CHECK(refusal("{\"a\" 1}") == "stretto: a.json has '1' at byte 5 where ':' is expected; correct it there");
  CHECK(refusal("{\"a\": 1 \"b\"}") == "stretto: a.json has '\"' at byte 8 where ',' or '}' is expected; correct it there");
  CHECK(refusal("{a: 1}") == "stretto: a.json has 'a' at byte 1 where a name in quotes is expected; correct it there");
  CHECK(refusal("1 x") == "stretto: a.json has 'x' at byte 2 where the end is expected; correct it there");
  CHECK(refusal("[-x]") == "stretto: a.json has 'x' at byte 2 where a digit is expected; correct it there");
  CHECK(refusal("\"a\nb\"") == "stretto: a.json has byte value 10 at byte 2 where the end of a string is expected; correct it there");
  CHECK(refusal("\"a") == "stretto: a.json has its end at byte 2 where the end of a string is expected; correct it there");
  CHECK(refusal("{\"a\": 1, \"b\": 2, \"a\": 3}") == "stretto: a.json has the name 'a' twice in the object that ends at byte 24; leave one out");
  CHECK(refusal("tru") == "stretto: a.json has 't' at byte 0 where a value is expected; correct it there");
  CHECK(refusal(std::string_view("\0", 1)) == "stretto: a.json has byte value 0 at byte 0 where a value is expected; correct it there");
  // Every beginning of a text is refused, and none upsets anything.
  const std::string_view all = R"({"a": ["\u0041\ud834\udd1e", -1.5e-3, true, {"b": null}]})";
  for (std::size_t n = 0; n < all.size(); ++n) REQUIRE(refusal(all.substr(0, n)) != "");
  CHECK(refusal(all) == "");
}

TEST_CASE("JSON is limited in depth and size before memory is asked for") {
  const std::string deep(100000, '[');
  CHECK(refusal(deep) == "stretto: a.json has arrays and objects more than 64 deep at byte 64; make it flatter");
  CHECK(refusal("[[1]]", {.depth = 2}) == "");
  CHECK(refusal("[[[1]]]", {.depth = 2}) == "stretto: a.json has arrays and objects more than 2 deep at byte 2; make it flatter");
  CHECK(refusal("[1, 2, 3]", {.values = 3}) == "stretto: a.json has more than 3 JSON values; make it shorter");
  CHECK(refusal("[1, 2, 3]", {.bytes = 8}) == "stretto: a.json has 9 bytes of JSON, and at most 8 are read; make it shorter");
}

TEST_CASE("JSON values say what they aren't") {
  const json j = json::object().set("a", 1);
  CHECK_THROWS_WITH(j.at("b"), "stretto: a JSON object has no member 'b', which is asked for; add it");
  CHECK_THROWS_WITH(j.at("a").string(), "stretto: a JSON value is of kind integer where one of kind string is asked for; correct the value");
  CHECK_THROWS_WITH(json("x").number(), "stretto: a JSON value is of kind string where one of kind fraction is asked for; correct the value");
  CHECK_THROWS_AS(json(1).values(), error);
  CHECK_THROWS_AS(json(1).find("a"), error);
  CHECK_THROWS_AS(json(1.5).integer(), error);
  CHECK_THROWS_AS(json::array().set("a", 1), error);
  CHECK_THROWS_WITH(to_json(json("a\xff")), "stretto: the string 'a?' can't be written as JSON, because byte 1 of it is not UTF-8; correct it");
  CHECK_THROWS_WITH(to_json(json(std::numeric_limits<double>::infinity())), "stretto: JSON has no numbers that are infinite or none; write a string or null in their place");
}

TEST_CASE("what is written as JSON comes back, on one row or on several") {
  std::int64_t at = 0;
  for (int round = 0; round < 300; ++round) {
    const json j = any({.seed = 5}, at, 4);
    const std::string one = to_json(j), several = to_json(j, 2);
    REQUIRE(one.find('\n') == std::string::npos);
    REQUIRE(read_json(one) == j);
    REQUIRE(read_json(several) == j);
  }
  CHECK(to_json(json::object().set("a", json::array().push_back(1).push_back(2)).set("b", json::object()), 2) == "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
  json j;
  j.set("a", 1).set("b", 2).set("a", "x");
  CHECK(to_json(j) == R"({"a":"x","b":2})");
  CHECK(!(json(1) == json(1.0)));
}
