// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads and writes JSON, strictly: no comments, no commas too many, no name twice, no bytes behind the value, and only UTF-8.
//
//     read_json(R"({"step": 12, "rate": 1e-3})").at("step").integer()  ->  12
//     read_json("[1, 2,]", "my.json")  ->  stretto: my.json has ']' at byte 6 where a value is expected; correct it there
//     to_json(j)  ->  {"step":12,"rate":0.001}            to_json(j, 2): on several rows, indented by 2
// Numbers survive: a double is written in the fewest digits that give it back, with a point or an exponent, and -0 is one.
// Cost: time linear in the text, but for the names of an object, which are sorted to find one that is there twice. What a
// text may hold is limited before anything is asked for, so that no text asks for much more memory than it has bytes.
// Source: RFC 8259, 2017; RFC 3629 for UTF-8, 2003.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <stretto/train/json_value.hpp>

namespace stretto::inline v0 {

/// What a text may hold.
struct json_limits {
  std::int64_t bytes = 100 << 20;
  std::int64_t values = 4 << 20;
  int depth = 64;                 ///< arrays and objects in one another
};

namespace detail {

class json_reader {
 public:
  json_reader(std::string_view source, std::string_view name, const json_limits& limits) : source_(source), name_(name), limits_(limits) {}

  json all() {
    if (static_cast<std::int64_t>(source_.size()) > limits_.bytes)
      throw error(text("stretto: ", name_, " has ", static_cast<std::int64_t>(source_.size()), " bytes of JSON, and at most ", limits_.bytes, " are read; make it shorter").str());
    json j = value(0);
    skip();
    if (at_ < source_.size()) refuse("the end");
    return j;
  }

 private:
  [[noreturn]] void refuse(std::string_view expected) const {
    text t("stretto: ", name_, " has ");
    if (at_ >= source_.size())
      t.add("its end");
    else if (source_[at_] >= ' ' && source_[at_] <= '~')
      t.add("'", source_[at_], "'");
    else
      t.add("byte value ", static_cast<int>(static_cast<unsigned char>(source_[at_])));
    throw error(t.add(" at byte ", static_cast<std::int64_t>(at_), " where ", expected, " is expected; correct it there").str());
  }
  char now() const { return at_ < source_.size() ? source_[at_] : '\0'; }
  bool digit() const { return now() >= '0' && now() <= '9'; }
  void skip() {
    while (at_ < source_.size() && (now() == ' ' || now() == '\n' || now() == '\t' || now() == '\r')) ++at_;
  }
  bool take(char c) {
    if (at_ >= source_.size() || source_[at_] != c) return false;
    ++at_;
    return true;
  }

  json value(int depth) {
    skip();
    if (++values_ > limits_.values)
      throw error(text("stretto: ", name_, " has more than ", limits_.values, " JSON values; make it shorter").str());
    if (now() == '{' || now() == '[') {
      if (depth >= limits_.depth)
        throw error(text("stretto: ", name_, " has arrays and objects more than ", limits_.depth, " deep at byte ", static_cast<std::int64_t>(at_), "; make it flatter").str());
      return take('{') ? members(depth + 1) : (++at_, items(depth + 1));
    }
    if (now() == '"') return json(string());
    if (now() == '-' || digit()) return number();
    if (word("true")) return json(true);
    if (word("false")) return json(false);
    if (word("null")) return json();
    refuse("a value");
  }
  bool word(std::string_view w) {
    if (source_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return true;
  }

  json items(int depth) {
    json a = json::array();
    skip();
    if (take(']')) return a;
    while (true) {
      a.push_back(value(depth));
      skip();
      if (take(']')) return a;
      if (!take(',')) refuse("',' or ']'");
    }
  }

  json members(int depth) {
    json o = json::object();
    skip();
    if (take('}')) return o;
    while (true) {
      skip();
      if (now() != '"')
        refuse("a name in quotes");
      std::string name = string();
      skip();
      if (!take(':')) refuse("':'");
      o.append(std::move(name), value(depth));
      skip();
      if (take('}')) break;
      if (!take(',')) refuse("',' or '}'");
    }
    std::vector<std::string_view> names(o.names().begin(), o.names().end());
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end())
      throw error(text("stretto: ", name_, " has the name '", fit_to_print(*twice), "' twice in the object that ends at byte ", static_cast<std::int64_t>(at_), "; leave one out").str());
    return o;
  }

  json number() {
    const std::size_t begin = at_;
    bool whole = true;
    const auto digits = [&] {
      if (!digit()) refuse("a digit");
      while (digit()) ++at_;
    };
    const bool negative = take('-');
    if (!take('0')) digits();
    if (take('.')) whole = false, digits();
    if (now() == 'e' || now() == 'E') {
      ++at_;
      if (!take('+')) take('-');
      whole = false, digits();
    }
    const char* const first = source_.data() + begin;
    const char* const last = source_.data() + at_;
    std::int64_t n = 0;
    if (whole && std::from_chars(first, last, n).ec == std::errc() && !(negative && n == 0)) return json(n);
    double d = 0;
    if (std::from_chars(first, last, d).ec != std::errc()) {
      at_ = begin;
      refuse("a number that fits a double");
    }
    return json(d);
  }

  unsigned four_digits() {
    unsigned code = 0;
    for (int k = 0; k < 4; ++k, ++at_) {
      const char c = now();
      if (!digit() && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F')) refuse("one of four hexadecimal digits");
      code = code * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return code;
  }
  void escape(std::string& s) {
    static constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    const std::size_t k = at_ < source_.size() ? letters.find(now()) : letters.npos;
    if (k != letters.npos) {
      ++at_;
      s += meant[k];
      return;
    }
    if (!take('u')) refuse("one of \"\\/bfnrtu behind \\");
    const std::size_t begin = at_;
    unsigned code = four_digits();
    if (code >= 0xd800u && code <= 0xdfffu) {
      const bool high = code < 0xdc00u && word("\\u");
      const unsigned low = high ? four_digits() : 0;
      if (low < 0xdc00u || low > 0xdfffu) {
        at_ = begin;
        refuse("a pair of surrogates");
      }
      code = 0x10000u + ((code - 0xd800u) << 10) + (low - 0xdc00u);
    }
    const auto put = [&](unsigned byte) { s += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (code < 0x80u)
      put(code);
    else if (code < 0x800u)
      put(0xc0u | code >> 6), put(0x80u | (code & 63u));
    else if (code < 0x10000u)
      put(0xe0u | code >> 12), put(0x80u | (code >> 6 & 63u)), put(0x80u | (code & 63u));
    else
      put(0xf0u | code >> 18), put(0x80u | (code >> 12 & 63u)), put(0x80u | (code >> 6 & 63u)), put(0x80u | (code & 63u));
  }
  std::string string() {
    ++at_;
    std::string s;
    while (true) {
      if (take('"')) return s;
      if (take('\\')) {
        escape(s);
        continue;
      }
      if (at_ >= source_.size() || static_cast<unsigned char>(now()) < 0x20u) refuse("the end of a string");
      const unsigned n = utf8_bytes(source_, at_);
      if (n == 0) refuse("a character of UTF-8");
      s.append(source_.substr(at_, n));
      at_ += n;
    }
  }

  std::string_view source_, name_;
  json_limits limits_;
  std::size_t at_ = 0;
  std::int64_t values_ = 0;
};

inline void write_json_string(std::string& out, std::string_view s) {
  out += '"';
  for (std::size_t i = 0; i < s.size();) {
    const unsigned n = utf8_bytes(s, i);
    if (n == 0) throw error(text("stretto: the string '", fit_to_print(s), "' can't be written as JSON, because byte ", static_cast<std::int64_t>(i), " of it is not UTF-8; correct it").str());
    const auto c = static_cast<unsigned char>(s[i]);
    if (c == '"' || c == '\\')
      (out += '\\') += s[i];
    else if (c == '\n')
      out += "\\n";
    else if (c < 0x20u)
      ((out += "\\u00") += c < 16 ? '0' : '1') += "0123456789abcdef"[c & 15u];
    else
      out.append(s.substr(i, n));
    i += n;
  }
  out += '"';
}

inline void write_json(std::string& out, const json& j, int indent, int depth) {
  const auto row = [&](int d) {
    if (indent > 0) (out += '\n').append(static_cast<std::size_t>(indent * d), ' ');
  };
  char digits[40];
  switch (j.kind()) {
    case json_kind::null: out += "null"; return;
    case json_kind::boolean: out += j.boolean() ? "true" : "false"; return;
    case json_kind::integer: out.append(digits, std::to_chars(digits, digits + 40, j.integer()).ptr); return;
    case json_kind::string: write_json_string(out, j.string()); return;
    case json_kind::real: {
      if (!std::isfinite(j.number())) throw error("stretto: JSON has no numbers that are infinite or none; write a string or null in their place");
      const std::string_view s(digits, static_cast<std::size_t>(std::to_chars(digits, digits + 40, j.number()).ptr - digits));
      out += s;
      if (s.find_first_of(".e") == s.npos) out += ".0";
      return;
    }
    default: break;
  }
  const bool named = j.is(json_kind::object);
  const std::vector<json>& values = j.values();
  out += named ? '{' : '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    row(depth + 1);
    if (named) {
      write_json_string(out, j.names()[i]);
      out += indent > 0 ? ": " : ":";
    }
    write_json(out, values[i], indent, depth + 1);
  }
  if (!values.empty()) row(depth);
  out += named ? '}' : ']';
}

}  // namespace detail

/// The value of a text. Throws stretto::error with the byte where it isn't JSON; `name` is what the text is called there.
inline json read_json(std::string_view source, std::string_view name = "the text", const json_limits& limits = {}) {
  return detail::json_reader(source, name, limits).all();
}

/// The text of a value: on one row, or indented.
inline std::string to_json(const json& j, int indent = 0) {
  std::string out;
  detail::write_json(out, j, indent, 0);
  return out;
}

}  // namespace stretto::inline v0
