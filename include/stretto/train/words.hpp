// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Cuts a text into the words that pairs of a pair_tokenizer stay within.
//
//     "It's 12 o'clock.\n"      "It" "'" "s" " 12" " o" "'" "clock" "." "\n"
// A word is a run of letters, of digits, of other marks or of blanks; a single blank goes with the run behind it. Bytes
// beyond ASCII count as letters, so that words of every script stay whole. No word has more than 256 bytes.
#pragma once

#include <cstdint>
#include <string_view>

namespace stretto::inline v0 {

constexpr int longest_word = 256;

namespace detail {

enum class letter_kind : std::uint8_t { blank, letter, digit, mark };

constexpr letter_kind kind_of(char c) {
  const auto u = static_cast<unsigned char>(c);
  if (u == ' ' || (u >= 9 && u <= 13)) return letter_kind::blank;
  if (u >= 128 || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z')) return letter_kind::letter;
  return u >= '0' && u <= '9' ? letter_kind::digit : letter_kind::mark;
}

}  // namespace detail

/// How long the first word of a text is; 0 where there is none.
constexpr std::int64_t first_word(std::string_view s) {
  using detail::kind_of;
  if (s.empty()) return 0;
  const std::size_t most = s.size() < longest_word ? s.size() : longest_word;
  std::size_t n = 1;
  auto kind = kind_of(s[0]);
  if (s[0] == ' ' && s.size() > 1 && kind_of(s[1]) != detail::letter_kind::blank) kind = kind_of(s[1]), n = 2;
  while (n < most && kind_of(s[n]) == kind) ++n;
  // The last of several blanks belongs to what follows them.
  if (kind == detail::letter_kind::blank && n > 1 && s[n - 1] == ' ' && n < s.size() && kind_of(s[n]) != kind) --n;
  return static_cast<std::int64_t>(n);
}

}  // namespace stretto::inline v0
