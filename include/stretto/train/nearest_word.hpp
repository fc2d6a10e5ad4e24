// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which of some words was meant: the one that takes fewest letters added, left out, changed or swapped with their neighbour.
//
//     detail::nearest_word("stpes", {"seed", "steps"})      "steps";  "" where none takes fewer than half of the letters
// Cost: the product of two lengths a word; words above 64 letters have no neighbour.
// Source: Damerau, CACM 1964.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace stretto::inline v0::detail {

/// How many letters differ. Both have at most 64.
inline int letters_apart(std::string_view a, std::string_view b) {
  constexpr unsigned most = 65;
  int rows[3][most] = {};  // of a's first i - 2, i - 1 and i letters
  for (unsigned j = 0; j <= b.size(); ++j) rows[0][j] = static_cast<int>(j);
  for (unsigned i = 1; i <= a.size(); ++i) {
    int* const row = rows[i % 3];
    const int* const before = rows[(i + 2) % 3];
    const int* const earlier = rows[(i + 1) % 3];
    row[0] = static_cast<int>(i);
    for (unsigned j = 1; j <= b.size(); ++j) {
      row[j] = (std::min)((std::min)(before[j], row[j - 1]) + 1, before[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = (std::min)(row[j], earlier[j - 2] + 1);
    }
  }
  return rows[a.size() % 3][b.size()];
}

inline std::string nearest_word(std::string_view word, const std::vector<std::string>& words) {
  constexpr std::size_t most = 64;
  std::string best;
  int least = static_cast<int>((word.size() + 1) / 2);
  for (const std::string& w : words)
    if (w.size() <= most && word.size() <= most)
      if (const int apart = letters_apart(word, w); apart < least) least = apart, best = w;
  return best;
}

}  // namespace stretto::inline v0::detail
