// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The command line of stretto-explore: words and flags, each read strictly. What is left unread at the end is an error.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stretto/core/error.hpp>

namespace explore {

/// An error of use, told in one sentence: exit status 2.
struct usage_error : stretto::error {
  using stretto::error::error;
};

[[noreturn]] inline void refuse(const std::string& sentence) { throw usage_error("stretto: " + sentence); }

/// The distance of two words in insertions, removals, replacements and swaps of neighbours, for "did you mean".
inline int distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1, 0));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = static_cast<int>(i + j);
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

/// The candidates nearest to a word, or all of them where none is near.
inline std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string near, all;
  for (const auto& c : candidates) {
    const bool holds = word.size() > 2 && (c.find(word) != std::string::npos || word.find(c) != std::string_view::npos);
    if (holds || distance(word, c) <= std::max<int>(2, static_cast<int>(word.size()) / 3)) near += (near.empty() ? "" : ", ") + c;
    all += (all.empty() ? "" : ", ") + c;
  }
  return near.empty() ? "there are " + all : "did you mean " + near + "?";
}

inline std::int64_t integer(std::string_view flag, std::string_view word, std::int64_t least, std::int64_t most) {
  std::int64_t n = 0;
  const auto r = std::from_chars(word.data(), word.data() + word.size(), n);
  if ((r.ec != std::errc{} && r.ec != std::errc::result_out_of_range) || r.ptr != word.data() + word.size())
    refuse(std::string(flag) + " takes a whole number, not '" + std::string(word) + "'");
  if (r.ec != std::errc{} || n < least || n > most)
    refuse(std::string(flag) + " takes a whole number from " + std::to_string(least) + " to " + std::to_string(most) + ", not " + std::string(word));
  return n;
}

inline double number(std::string_view flag, std::string_view word) {
  double x = 0;
  const auto r = std::from_chars(word.data(), word.data() + word.size(), x);
  if (r.ec != std::errc{} || r.ptr != word.data() + word.size() || !std::isfinite(x) || x < 0)
    refuse(std::string(flag) + " takes a number of at least 0, not '" + std::string(word) + "'");
  return x;
}

inline std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts(1);
  for (char c : list)
    if (c == ',')
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

/// A decimal as an integer and a number of digits behind the point: 34.25 is {3425, 2}.
struct decimal {
  std::int64_t digits = 0;
  int behind = 0;

  static decimal read(std::string_view flag, std::string_view word) {
    decimal d;
    bool point = false, any = false;
    for (char c : word) {
      if (c == '.' && !point) {
        point = true;
      } else if (c >= '0' && c <= '9' && d.digits < 100'000'000'000) {
        d.digits = 10 * d.digits + (c - '0');
        d.behind += point;
        any = true;
      } else {
        refuse(std::string(flag) + " takes decimals of at most twelve digits, not '" + std::string(word) + "'");
      }
    }
    for (; d.behind > 0 && d.digits % 10 == 0; --d.behind) d.digits /= 10;  // 1.50 is 1.5
    if (!any) refuse(std::string(flag) + " takes decimals, not '" + std::string(word) + "'");
    return d;
  }

  std::int64_t scaled(int places) const {
    std::int64_t n = digits;
    for (int i = behind; i < places; ++i) n *= 10;
    return n;
  }
};

/// Words and flags of one command.
class arguments {
 public:
  arguments(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) words_.emplace_back(argv[i]);
  }
  explicit arguments(std::vector<std::string> words) : words_(std::move(words)) {}

  bool empty() const { return words_.empty(); }

  bool help() const {
    for (const auto& w : words_)
      if (w == "--help" || w == "-h") return true;
    return false;
  }

  /// The next word that is no flag, or "".
  std::string word() {
    if (words_.empty() || (words_.front().size() > 1 && words_.front()[0] == '-')) return "";
    std::string w = words_.front();
    words_.erase(words_.begin());
    return w;
  }

  /// Whether a flag without a value is given.
  bool flag(std::string_view name) { return find(name, false, nullptr); }

  /// Whether a flag is given, and its value.
  bool value(std::string_view name, std::string& out) { return find(name, true, &out); }

  void integer(std::string_view name, int& out, std::int64_t least, std::int64_t most) {
    std::string v;
    if (value(name, v)) out = static_cast<int>(explore::integer(name, v, least, most));
  }

  /// Every word must have been taken.
  void finish(const std::string& who, const std::string& takes) const {
    if (words_.empty()) return;
    const std::string flag = words_.front().substr(0, words_.front().find('='));
    std::string meant;
    for (std::string f : split(takes)) {
      f = f.substr(0, f.find(' ', 1));
      f.erase(0, f.find_first_not_of(' '));
      if (f.rfind("--", 0) == 0 && flag.rfind("--", 0) == 0 && distance(flag, f) <= std::max<int>(2, static_cast<int>(flag.size() - 2) / 4) && (meant.empty() || distance(flag, f) < distance(flag, meant))) meant = f;
    }
    refuse(who + " doesn't take '" + words_.front() + "'; " + (meant.empty() ? "" : "did you mean " + meant + "? ") + "it takes " + takes);
  }

 private:
  bool find(std::string_view name, bool takes_value, std::string* out) {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      std::string inline_value;
      if (takes_value && words_[i].rfind(std::string(name) + "=", 0) == 0) {
        *out = words_[i].substr(name.size() + 1);
        words_.erase(words_.begin() + static_cast<std::ptrdiff_t>(i));
      } else if (words_[i] == name) {
        if (takes_value) {
          if (i + 1 == words_.size()) refuse(std::string(name) + " needs a value");
          *out = words_[i + 1];
          words_.erase(words_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
        words_.erase(words_.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        continue;
      }
      for (const auto& w : words_)
        if (w == name || w.rfind(std::string(name) + "=", 0) == 0) refuse(std::string(name) + " is given twice; give it once");
      return true;
    }
    return false;
  }

  std::vector<std::string> words_;
};

}  // namespace explore
