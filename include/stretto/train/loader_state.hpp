// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where a token_loader stands, and in what: enough to go on after a restart, and to refuse other files.
//
//     stretto loader 1 samples 640 seed 7 shuffle 1 sequence 1024 windows 9765 tokens 10000000 digest 1234567890
// That line is to_text(); from_text() reads nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

struct loader_state {
  std::int64_t samples = 0;   ///< that were read, since the first epoch began
  std::int64_t seed = 0;
  std::int64_t shuffle = 1;
  std::int64_t sequence = 0;
  std::int64_t windows = 0;   ///< of the loader's part
  std::int64_t tokens = 0;    ///< of all files
  std::int64_t digest = 0;    ///< of their sizes, heads and tails

  std::string to_text() const {
    text t("stretto loader 1");
    for (const field& f : fields) t.add(' ', f.name, ' ', this->*f.number);
    return std::string(t.str());
  }

  static loader_state from_text(std::string_view s) {
    const std::string_view whole = s;
    const auto refuse = [&](std::string_view what) {
      throw error(text("stretto: the state of a loader lacks ", what, " at letter ", static_cast<std::int64_t>(whole.size() - s.size()), "; give the text that to_text() wrote").str());
    };
    const auto expect = [&](std::string_view word, std::string_view what) {
      if (!s.starts_with(word)) refuse(what);
      s.remove_prefix(word.size());
    };
    expect("stretto loader 1", "its beginning");
    loader_state state;
    for (const field& f : fields) {
      expect(" ", f.name);
      expect(f.name, f.name);
      expect(" ", f.name);
      std::int64_t n = 0;
      std::size_t digits = 0;
      for (; digits < s.size() && s[digits] >= '0' && s[digits] <= '9'; ++digits)
        if (__builtin_mul_overflow(n, std::int64_t{10}, &n) || __builtin_add_overflow(n, std::int64_t{s[digits] - '0'}, &n)) refuse("a smaller number");
      if (digits == 0) refuse("a number");
      state.*f.number = n;
      s.remove_prefix(digits);
    }
    if (!s.empty()) refuse("its end");
    return state;
  }

  friend bool operator==(const loader_state&, const loader_state&) = default;

 private:
  using place = std::int64_t loader_state::*;
  struct field {
    std::string_view name;
    place number;
  };
  static const field fields[7];
};

inline constexpr loader_state::field loader_state::fields[7] = {
    {"samples", &loader_state::samples}, {"seed", &loader_state::seed},       {"shuffle", &loader_state::shuffle}, {"sequence", &loader_state::sequence},
    {"windows", &loader_state::windows}, {"tokens", &loader_state::tokens},   {"digest", &loader_state::digest}};

}  // namespace stretto::inline v0
