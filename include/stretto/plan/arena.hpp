// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// place_in_arena(lives): gives each buffer a place in one piece of memory, so that no two that live at one time overlap.
//
//     bytes  ^   | b |                     taken in the order of their first entry, each at the lowest gap that fits it
//            | a | b | d
//            | a | c   c c                 a dies before d comes, c before e
//            +------------> entries
// First fit by time: never more than the sum of all, never less than what lives at once. Cost: O(lives × alive at once).
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>

namespace stretto::inline v0 {

/// A buffer that is in use from one entry of a list to another, both included.
struct buffer_life {
  std::int64_t first = 0, last = 0;
  std::int64_t bytes = 0;
  std::int64_t offset = 0;  ///< found by place_in_arena
};

/// Gives every life its offset, and says how many bytes that takes. The lives must be sorted by `first`.
constexpr std::int64_t place_in_arena(view<buffer_life> lives) {
  heap_array<std::int64_t> above(lives.count);  // of those alive, the next one by offset
  std::int64_t lowest = -1, arena = 0;
  for (std::int64_t i = 0; i < lives.count; ++i) {
    buffer_life& one = lives[i];
    std::int64_t below = -1, free_from = 0;
    for (std::int64_t k = lowest; k >= 0; k = above[k]) {
      if (lives[k].last < one.first) {  // dead: out of the list
        (below < 0 ? lowest : above[below]) = above[k];
        continue;
      }
      if (lives[k].offset - free_from >= one.bytes) break;
      free_from = lives[k].offset + lives[k].bytes;
      below = k;
    }
    one.offset = free_from;
    above[i] = below < 0 ? lowest : above[below];
    (below < 0 ? lowest : above[below]) = i;
    arena = free_from + one.bytes > arena ? free_from + one.bytes : arena;
  }
  return arena;
}

}  // namespace stretto::inline v0
