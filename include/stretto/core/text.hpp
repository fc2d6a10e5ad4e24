// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two small strings that work in constant expressions on every supported compiler: label, a name of up to 31
// characters held in place, and text, a sentence that grows.
//
//     text t;  t.add("rank ", 3, " waits for ", some_label);  t.str()  ->  "rank 3 waits for F"
#pragma once

#include <cstdint>
#include <string_view>

#include <stretto/core/array.hpp>   // <string> and <vector> would double what plan.hpp costs to include

namespace stretto::inline v0 {

/// A short name stored by value. Longer names are cut at 31 characters.
struct label {
  char letters[32];

  constexpr label() : letters{} {}
  constexpr label(std::string_view s) : letters{} {
    for (int i = 0; i < 31 && i < static_cast<int>(s.size()); ++i) letters[i] = s[static_cast<unsigned>(i)];
  }
  constexpr label(const char* s) : label(std::string_view(s)) {}

  constexpr std::string_view str() const {
    unsigned n = 0;
    while (n < 31 && letters[n] != 0) ++n;
    return {letters, n};
  }
  constexpr operator std::string_view() const { return str(); }
  constexpr bool empty() const { return letters[0] == 0; }
  friend constexpr bool operator==(const label& a, const label& b) { return a.str() == b.str(); }
};

/// A growing sentence. str() views it, std::string(t.str()) copies it, c_str() is for printf.
class text {
 public:
  constexpr text() = default;

  template <class... Parts>
  constexpr explicit text(const Parts&... parts) {
    add(parts...);
  }

  template <class... Parts>
  constexpr text& add(const Parts&... parts) {
    (put(parts), ...);
    return *this;
  }

  constexpr std::string_view str() const { return {c_str(), static_cast<unsigned long>(empty() ? 0 : letters_.size() - 1)}; }
  constexpr operator std::string_view() const { return str(); }
  constexpr const char* c_str() const { return empty() ? "" : letters_.data(); }
  constexpr bool empty() const { return letters_.empty(); }

 private:
  constexpr void put(std::string_view s) {
    for (char c : s) put(c);
  }
  constexpr void put(const char* s) { put(std::string_view(s)); }
  constexpr void put(const label& l) { put(l.str()); }
  constexpr void put(char c) {
    if (letters_.empty())
      letters_.push_back(c);
    else
      letters_[letters_.size() - 1] = c;
    letters_.push_back(0);
  }
  constexpr void put(int n) { put(static_cast<std::int64_t>(n)); }
  constexpr void put(std::int64_t n) {
    if (n < 0) put('-');
    char digits[20] = {};
    int count = 0;
    do {
      const int digit = static_cast<int>(n % 10);
      digits[count++] = static_cast<char>('0' + (digit < 0 ? -digit : digit));
      n /= 10;
    } while (n != 0);
    while (count > 0) put(digits[--count]);
  }

  grow_array<char> letters_;  // with a 0 at the end, once there are any
};

}  // namespace stretto::inline v0
