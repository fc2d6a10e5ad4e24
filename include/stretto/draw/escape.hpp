// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names and numbers on their way into a picture: a name may hold anything, and must not end a string, a tag or a script.
//
//     put_json(out, "a</script>")      "a\u003c/script\u003e", with its quotes: safe inside a page too
//     put_xml(out, "F & B")            F &amp; B
//     put_number(out, 0.1)             0.1, with a point in every locale
// What is no UTF-8, and what no page may hold, becomes U+FFFD.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace stretto::inline v0::detail {

/// The length of the UTF-8 character at the front of `s`, from 1 to 4; 0 where it is none that a page may hold.
inline int utf8_length(std::string_view s) {
  const auto byte = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const unsigned a = byte(0);
  if (a < 0x80) return a >= 0x20 && a != 0x7f ? 1 : a == '\t' || a == '\n' || a == '\r' ? 1 : 0;
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  if (a >= 0xc2 && a < 0xe0) return follows(1) ? 2 : 0;
  if (a >= 0xe0 && a < 0xf0) {
    const bool fits = (a != 0xe0 || byte(1) >= 0xa0) && (a != 0xed || byte(1) < 0xa0) && !(a == 0xef && byte(1) == 0xbf && byte(2) > 0xbd);
    return fits && follows(1) && follows(2) ? 3 : 0;
  }
  if (a >= 0xf0 && a < 0xf5) return (a != 0xf0 || byte(1) >= 0x90) && (a != 0xf4 || byte(1) < 0x90) && follows(1) && follows(2) && follows(3) ? 4 : 0;
  return 0;
}

/// Calls put(piece) for each character.
template <class Put>
inline void each_character(std::string_view s, Put&& put) {
  while (!s.empty()) {
    const int n = utf8_length(s);
    put(n > 0 ? s.substr(0, static_cast<std::size_t>(n)) : std::string_view("\xEF\xBF\xBD"));
    s.remove_prefix(n > 0 ? static_cast<std::size_t>(n) : 1);
  }
}

/// As a JSON string with its quotes. @post no <, > or & in it
inline void put_json(std::string& out, std::string_view s) {
  out += '"';
  each_character(s, [&](std::string_view c) {
    const bool named = c.size() == 1 && (static_cast<unsigned char>(c[0]) < 0x20 || std::string_view("\"\\<>&").find(c[0]) != std::string_view::npos);
    if (named) {
      constexpr char digits[] = "0123456789abcdef";
      out += "\\u00";
      out += digits[static_cast<unsigned char>(c[0]) >> 4];
      out += digits[c[0] & 15];
    } else if (c == "\u2028" || c == "\u2029") {  // end a line in scripts
      out += c == "\u2028" ? "\\u2028" : "\\u2029";
    } else {
      out += c;
    }
  });
  out += '"';
}

/// As text or attribute of XML and HTML.
inline void put_xml(std::string& out, std::string_view s) {
  each_character(s, [&](std::string_view c) {
    switch (c.size() == 1 ? c[0] : ' ') {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  });
}

/// Up to `digits` digits that count; 0 for what is no finite number.
inline void put_number(std::string& out, double value, int digits = 9) {
  char text[48];
  if (!std::isfinite(value) || value == 0) value = 0;  // no minus before a 0
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::general, digits).ptr;
  out.append(text, end);
}

/// A place in pixels, to a hundredth.
inline void put_pixels(std::string& out, double value) { put_number(out, std::round(value * 100) / 100, 8); }

inline void put_number(std::string& out, int value) { out += std::to_string(value); }
inline void put_number(std::string& out, std::int64_t value) { out += std::to_string(value); }

}  // namespace stretto::inline v0::detail
