// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The colour of an action in every picture: a hue by pass, a shade by chunk.
//
//     F blue   I orange   W green   B vermilion   others in turn         chunk 0 full, the last one pale
//     colour_of(pass::forward, 1, 2)                                     the second of two chunks
// The hues are those of Okabe and Ito, which people who don't see red or green tell apart too. Text on a colour is white
// or black, whichever stands out, so a picture reads alike on dark and on light.
#pragma once

#include <cstdint>

#include <stretto/plan/action.hpp>

namespace stretto::inline v0 {

struct colour {
  int red, green, blue;

  /// From 0, black, to 1, white, as eyes see it.
  constexpr double lightness() const { return (0.299 * red + 0.587 * green + 0.114 * blue) / 255; }
  constexpr bool takes_white_text() const { return lightness() < 0.5; }

  /// The nearest of the 6 × 6 × 6 colours of a terminal that has 256.
  constexpr int of_256() const {
    const auto step = [](int v) { return v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40; };
    return 16 + 36 * step(red) + 6 * step(green) + step(blue);
  }

  friend constexpr bool operator==(const colour&, const colour&) = default;
};

/// The colour of a pass on one of a rank's chunks, counted from 0.
constexpr colour colour_of(pass_id pass, int chunk = 0, int chunks = 1) {
  constexpr colour hues[] = {{0, 114, 178},  {224, 146, 0},   {0, 145, 107},  {201, 84, 0},    {150, 150, 150}, {180, 180, 180}, {110, 110, 125},
                             {170, 90, 150}, {60, 160, 215},  {150, 125, 0},  {120, 90, 200},  {140, 80, 40},   {90, 140, 60}};
  constexpr int known = pass::first_user, users = static_cast<int>(sizeof hues / sizeof hues[0]) - known;
  const colour full = hues[pass < known ? pass : known + (pass - known) % users];
  if (chunks < 2 || chunk < 1) return full;
  const int percent = 55 * (chunk < chunks ? chunk : chunks - 1) / (chunks - 1);  // of the way to white
  const auto pale = [&](int v) { return v + (255 - v) * percent / 100; };
  return {pale(full.red), pale(full.green), pale(full.blue)};
}

}  // namespace stretto::inline v0
