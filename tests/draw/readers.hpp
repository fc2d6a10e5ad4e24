// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Strict readers of JSON and XML, just large enough to hold pictures to their grammars.
#pragma once

#include <cctype>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace readers {

struct json {
  enum kind { nothing, truth, number, words, list, record } is = nothing;
  double value = 0;  // of a number, or 0 and 1
  std::string text;
  std::vector<json> items;         // of a list; of a record what its keys name
  std::vector<std::string> keys;

  bool has(std::string_view key) const {
    for (const std::string& k : keys)
      if (k == key) return true;
    return false;
  }
  const json& operator[](std::string_view key) const {
    for (std::size_t i = 0; i < keys.size(); ++i)
      if (keys[i] == key) return items[i];
    throw std::runtime_error("no member " + std::string(key));
  }
};

/// RFC 8259, nothing beyond: no NaN, no comma at the end, no bare control character, no member twice.
class json_reader {
 public:
  explicit json_reader(std::string_view whole) : s(whole) {}
  json read() {
    json v = value();
    blanks();
    if (at != s.size()) fail("text behind the end");
    return v;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const { throw std::runtime_error(why + " at byte " + std::to_string(at) + ": " + std::string(s.substr(at, 30))); }
  char peek() const { return at < s.size() ? s[at] : '\0'; }
  void blanks() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') ++at;
  }
  void expect(char c) {
    if (peek() != c) fail(std::string("no ") + c);
    ++at;
  }
  bool word(std::string_view w) {
    if (s.substr(at, w.size()) != w) return false;
    at += w.size();
    return true;
  }
  json value() {
    blanks();
    json v;
    if (peek() == '{') {
      v.is = json::record;
      ++at, blanks();
      for (bool more = peek() != '}'; more;) {
        blanks();
        std::string key = string();
        if (v.has(key)) fail("a member twice");
        blanks(), expect(':');
        v.keys.push_back(std::move(key));
        v.items.push_back(value());
        blanks();
        more = peek() == ',';
        if (more) ++at;
      }
      expect('}');
    } else if (peek() == '[') {
      v.is = json::list;
      ++at, blanks();
      for (bool more = peek() != ']'; more;) {
        v.items.push_back(value());
        blanks();
        more = peek() == ',';
        if (more) ++at;
      }
      expect(']');
    } else if (peek() == '"') {
      v.is = json::words;
      v.text = string();
    } else if (word("true")) {
      v.is = json::truth, v.value = 1;
    } else if (word("false")) {
      v.is = json::truth;
    } else if (!word("null")) {
      v.is = json::number;
      v.value = digits();
    }
    return v;
  }
  double digits() {
    const std::size_t from = at;
    const auto some = [&] {
      if (!std::isdigit(static_cast<unsigned char>(peek()))) fail("no digit");
      while (std::isdigit(static_cast<unsigned char>(peek()))) ++at;
    };
    if (peek() == '-') ++at;
    if (peek() == '0') ++at;
    else some();
    if (peek() == '.') ++at, some();
    if (peek() == 'e' || peek() == 'E') {
      ++at;
      if (peek() == '+' || peek() == '-') ++at;
      some();
    }
    return std::strtod(std::string(s.substr(from, at - from)).c_str(), nullptr);
  }
  std::string string() {
    expect('"');
    std::string out;
    for (; peek() != '"'; ++at) {
      if (at >= s.size() || static_cast<unsigned char>(peek()) < 0x20) fail("a string without an end");
      if (peek() != '\\') {
        out += peek();
        continue;
      }
      ++at;
      const std::size_t known = std::string_view("\"\\/bfnrt").find(peek());
      if (known != std::string_view::npos) {
        out += "\"\\/\b\f\n\r\t"[known];
      } else {
        if (peek() != 'u') fail("no escape");
        unsigned code = 0;
        for (int i = 0; i < 4; ++i) {
          ++at;
          if (!std::isxdigit(static_cast<unsigned char>(peek()))) fail("no hexadecimal digit");
          code = code * 16 + static_cast<unsigned>(std::isdigit(static_cast<unsigned char>(peek())) ? peek() - '0' : (peek() | 32) - 'a' + 10);
        }
        out += code < 0x80 ? std::string(1, static_cast<char>(code)) : "?";
      }
    }
    ++at;
    return out;
  }

  std::string_view s;
  std::size_t at = 0;
};

inline json read_json(std::string_view s) { return json_reader(s).read(); }

struct xml_count {
  std::map<std::string, int> elements;
  std::string text;  // all of it, unescaped
};

/// Throws where tags don't nest, an attribute lacks its quotes or stands twice, or a character should have been escaped.
inline xml_count read_xml(std::string_view s) {
  xml_count out;
  std::vector<std::string> open;
  std::size_t i = 0;
  const auto fail = [&](const std::string& why) { throw std::runtime_error(why + " at byte " + std::to_string(i) + ": " + std::string(s.substr(i, 40))); };
  const auto entity = [&]() -> std::string {
    const std::pair<std::string_view, const char*> known[] = {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}};
    for (const auto& [name, is] : known)
      if (s.substr(i, name.size()) == name) return i += name.size(), is;
    fail("no entity");
    return "";
  };
  const auto name = [&] {
    std::string n;
    while (i < s.size() && (std::isalnum(static_cast<unsigned char>(s[i])) || s[i] == '-' || s[i] == ':')) n += s[i++];
    if (n.empty()) fail("no name");
    return n;
  };
  while (i < s.size()) {
    if (s[i] == '&') {
      out.text += entity();
    } else if (s[i] != '<') {
      if (open.empty() && !std::isspace(static_cast<unsigned char>(s[i]))) fail("text outside");
      if (static_cast<unsigned char>(s[i]) < 0x20 && !std::isspace(static_cast<unsigned char>(s[i]))) fail("a control character");
      out.text += s[i++];
    } else if (s.substr(i, 2) == "</") {
      i += 2;
      if (open.empty() || name() != open.back() || s[i] != '>') fail("a tag ends that was not open");
      open.pop_back(), ++i;
    } else {
      ++i;
      const std::string element = name();
      if (open.empty() && !out.elements.empty()) fail("two roots");
      ++out.elements[element];
      std::map<std::string, int> attributes;
      while (i < s.size() && s[i] == ' ') {
        ++i;
        if (++attributes[name()] > 1) fail("an attribute twice");
        if (s.substr(i, 2) != "=\"") fail("no quote");
        for (i += 2; i < s.size() && s[i] != '"';) {
          if (s[i] == '<') fail("a < in an attribute");
          if (s[i] == '&') entity();
          else ++i;
        }
        ++i;
      }
      if (s.substr(i, 2) == "/>") i += 2;
      else if (s.substr(i, 1) == ">") ++i, open.push_back(element);
      else fail("a tag without an end");
    }
  }
  if (!open.empty()) fail("an element without an end: " + open.back());
  return out;
}

}  // namespace readers
