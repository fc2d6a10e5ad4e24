// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which stages of a plan something is done for.
//
//     stage_choice::none()                 stage_choice::range(0, 4)          stages 0 to 3
//     stage_choice::all()                  stage_choice::of({0, 2, 5})
//     stage_choice::where([](int stage) { return stage % 2 == 0; })           a lambda without captures
// Cost: a look-up is a comparison or a call; O(stages listed) for of().
#pragma once

#include <cstdint>
#include <initializer_list>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

struct stage_choice {
  int first = 0, behind = 0;          ///< stages first to behind - 1
  bool (*chosen)(int stage) = nullptr;  ///< further ones; null: none
  grow_array<int> listed = {};        ///< further ones

  static constexpr int no_end = 2147483647;

  static constexpr stage_choice none() { return {}; }
  static constexpr stage_choice all() { return range(0, no_end); }
  static constexpr stage_choice range(int first, int behind) {
    stage_choice c;
    c.first = first;
    c.behind = behind;
    return c;
  }
  static constexpr stage_choice where(bool (*chosen)(int stage)) {
    stage_choice c;
    c.chosen = chosen;
    return c;
  }
  static constexpr stage_choice of(std::initializer_list<int> stages) {
    stage_choice c;
    for (int s : stages) c.listed.push_back(s);
    return c;
  }

  /// Whether nothing can be chosen.
  constexpr bool empty() const { return first >= behind && chosen == nullptr && listed.empty(); }

  constexpr bool has(int stage) const {
    if (stage >= first && stage < behind) return true;
    for (int s : listed)
      if (s == stage) return true;
    return chosen != nullptr && chosen(stage);
  }
};

namespace detail {

/// Flags by stage. Throws stretto::error where a stage is named that isn't there.
constexpr heap_array<std::uint8_t> chosen_stages(const stage_choice& c, int stages, const char* what) {
  const auto inside = [&](int s) {
    if (s < 0 || s >= stages) throw error(text("stretto: stage ", s, " is chosen for ", what, ", and the plan has stages 0 to ", stages - 1, "; choose from those").str());
  };
  for (int s : c.listed) inside(s);
  if (c.first < c.behind) inside(c.first);
  if (c.first < c.behind && c.behind != stage_choice::no_end) inside(c.behind - 1);
  heap_array<std::uint8_t> flags(stages, std::uint8_t{0});
  for (int s = 0; s < stages; ++s) flags[s] = c.has(s) ? 1 : 0;
  return flags;
}

}  // namespace detail

}  // namespace stretto::inline v0
