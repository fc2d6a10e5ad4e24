// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Numbers as people read them, the same in every locale.
//
//     grouped(12345)              12,345
//     duration_words(3725)        1 h 02 min
//     detail::fit(12.3456, 6)     "12.346": as many digits as six characters hold, so that columns stay where they are
// Cost: a string each.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

namespace stretto::inline v0 {

/// A whole number with a comma before every three digits.
inline std::string grouped(std::int64_t n) {
  std::string s = std::to_string(n);
  for (int at = static_cast<int>(s.size()) - 3; at > (n < 0 ? 1 : 0); at -= 3) s.insert(static_cast<std::size_t>(at), 1, ',');
  return s;
}

namespace detail {

/// With so many digits behind the point; without a point where there are none.
inline std::string fixed_words(double v, int decimals) {
  char letters[400];  // the largest double has 309 digits
  return {letters, std::to_chars(letters, letters + sizeof letters, v, std::chars_format::fixed, decimals).ptr};
}

inline std::string scientific_words(double v, int decimals) {
  char letters[48];
  return {letters, std::to_chars(letters, letters + sizeof letters, v, std::chars_format::scientific, decimals).ptr};
}

/// All digits that are needed to read the same number again.
inline void put_exact(std::string& out, double v) {
  char letters[48];
  out.append(letters, std::to_chars(letters, letters + sizeof letters, v).ptr);
}

inline std::string at_right(std::string s, int width) {
  if (static_cast<int>(s.size()) < width) s.insert(0, static_cast<std::size_t>(width) - s.size(), ' ');
  return s;
}

/// A number in `width` characters, at least 5: fixed where a digit of it shows, else as 1e-09.
inline std::string fit(double v, int width) {
  if (std::isnan(v)) return at_right("nan", width);
  if (std::isinf(v)) return at_right(v < 0 ? "-inf" : "inf", width);
  const int room = v < 0 ? width - 1 : width;
  const double size = std::abs(v);
  if (size == 0 || (size < 1e15 && size >= std::pow(10.0, 2 - room)))
    for (int decimals = room - 2; decimals >= 0; --decimals)
      if (std::string s = fixed_words(v, decimals); static_cast<int>(s.size()) <= width) return at_right(std::move(s), width);
  return at_right(scientific_words(v, room > 7 ? room - 7 : 0), width);
}

}  // namespace detail

/// Seconds in the units that suit them: "123 ms", "1.2 s", "12 s", "4 min 05 s", "1 h 02 min", "3 d 04 h". Below 0: "?".
inline std::string duration_words(double seconds) {
  if (!(seconds >= 0) || seconds > 1e15) return "?";
  if (seconds < 0.9995) return detail::fixed_words(seconds * 1000, 0) + " ms";
  if (seconds < 9.95) return detail::fixed_words(seconds, 1) + " s";
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  const auto pair = [](std::int64_t large, const char* of_large, std::int64_t rest, const char* of_rest) {
    return grouped(large) + of_large + (rest < 10 ? "0" : "") + std::to_string(rest) + of_rest;
  };
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return pair(whole / 60, " min ", whole % 60, " s");
  const std::int64_t minutes = (whole + 30) / 60, hours = (minutes + 30) / 60;
  if (minutes < 24 * 60) return pair(minutes / 60, " h ", minutes % 60, " min");
  return pair(hours / 24, " d ", hours % 24, " h");
}

}  // namespace stretto::inline v0
