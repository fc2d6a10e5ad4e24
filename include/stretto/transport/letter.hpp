// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What goes over a wire between processes: a head that says which message this is, then numbers, then what the message holds.
//
//     ┌───── head, 24 bytes ──────┐┌ numbers ┐┌──── runs ────┐
//     step channel box credits kind   shape      as they lie      up to 4,000 bytes in all: one letter
//                                     shape, sizes of the runs    larger: each run in a letter of its own, behind this one
// Credits say how many objects of a channel came back to the sender: they ride along with whatever goes that way. With a head
// as short as this, a number or two arrive in one line of cache, as they would by MPI alone.
// Cost: what is small is copied into the letter and out of it; what is large goes from object to object.
#pragma once

#include <cstdint>
#include <cstring>

#include <stretto/core/crossing.hpp>

namespace stretto::inline v0::detail {

enum class mail_kind : std::uint8_t { message, segment, credits, failure };

struct letter_head {
  std::uint32_t step = 0;                   // its low half
  std::uint32_t channel = 0, box = 0;       // of a segment: halves of the gathering's number
  std::uint32_t credited = 0;               // a channel from here to there
  std::uint16_t credits = 0;                // how many of its objects are free again
  std::uint16_t bytes = 0;                  // of the runs in this letter
  mail_kind kind = mail_kind::message;
  std::uint8_t numbers = 0;
  std::uint8_t apart = 0;                   // runs that follow in letters of their own; their sizes are behind the numbers
  std::uint8_t empty = 0;                   // nobody is to read the object: there is a mark instead, as the one number
};
static_assert(sizeof(letter_head) == 24);

inline constexpr int letter_size = 4000;  // within what MPI sends without asking: 4 KiB for the memory that processes of Open MPI share

static_assert(sizeof(letter_head) + 8 * (crossing::most_numbers + crossing::most_runs) <= letter_size);  // so seal never writes beyond

/// The step whose low half came, next to one that is known.
inline std::int64_t whole_step(std::uint32_t low, std::int64_t known) {
  return known + static_cast<std::int32_t>(low - static_cast<std::uint32_t>(known));
}

/// What memcpy does, but for a number or two without a call.
inline void copy_run(void* to, const void* from, std::int64_t bytes) {
  if (bytes == 8) std::memcpy(to, from, 8);
  else if (bytes == 4) std::memcpy(to, from, 4);
  else std::memcpy(to, from, static_cast<std::size_t>(bytes));
}

/// Writes what a value holds behind the head, if it fits; else its runs are to follow. Gives the bytes of the letter, which
/// has room for letter_size.
inline int seal(unsigned char* letter, letter_head& head, const crossing& w) {
  unsigned char* at = letter + sizeof(letter_head);
  if (w.numbers() > 0) copy_run(at, w.noted(), w.numbers() * 8);
  at += w.numbers() * 8;
  head.numbers = static_cast<std::uint8_t>(w.numbers());
  if (at - letter + w.bytes() <= letter_size) {
    head.bytes = static_cast<std::uint16_t>(w.bytes());
    for (int i = 0; i < w.runs(); ++i) {
      copy_run(at, w[i].at, w[i].bytes);
      at += w[i].bytes;
    }
  } else {
    head.apart = static_cast<std::uint8_t>(w.runs());
    for (int i = 0; i < w.runs(); ++i, at += 8) std::memcpy(at, &w[i].bytes, 8);
  }
  std::memcpy(letter, &head, sizeof head);
  return static_cast<int>(at - letter);
}

inline const std::int64_t* numbers_of(const unsigned char* letter) { return reinterpret_cast<const std::int64_t*>(letter + sizeof(letter_head)); }

}  // namespace stretto::inline v0::detail
