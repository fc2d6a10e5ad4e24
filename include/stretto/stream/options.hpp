// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a stream is told, and what it tells of each item.
//
//     stream s(p, {.entry = 8, .full = when_full::drop_oldest, .deadline = 0.2});
//     what comes                        push: the entry is full
//     block                             waits until there is room: the sender goes at the pipeline's pace
//     drop_oldest                       the item that has waited longest makes way
//     drop_newest                       the item isn't taken
//     coalesce                          .merge(waiting, item) puts it into the one that came last
#pragma once

#include <cstdint>
#include <string_view>

#include <stretto/run/recorder.hpp>   // detail::clock_now

namespace stretto::inline v0 {

enum class when_full : std::uint8_t { block, drop_oldest, drop_newest, coalesce };

/// What to do where a layer throws: end the run in that error, or let this item go on empty.
enum class when_thrown : std::uint8_t { fail, drop_item };

/// What became of an item. `closed` is of none: the stream was closed, and all items have been told of.
enum class outcome : std::uint8_t { done, superseded, late, cancelled, failed, closed };

constexpr std::string_view to_string(outcome o) {
  switch (o) {
    case outcome::done: return "done";
    case outcome::superseded: return "superseded";
    case outcome::late: return "late";
    case outcome::cancelled: return "cancelled";
    case outcome::failed: return "failed";
    case outcome::closed: return "closed";
  }
  return "";
}

inline constexpr int any_number = 1 << 30;

template <class In>
struct stream_options {
  int entry = 8;                        ///< items that may wait to be begun
  when_full full = when_full::block;
  double deadline = 0;                  ///< seconds from push on after which no stage begins with an item; 0: none
  int fresh = -1;                       ///< a stage leaves out an item behind which more than so many wait for it; any_number: none is left out; -1: for drop_oldest and coalesce, one behind which the queue is full
  int in_flight = 0;                    ///< items begun and not yet fetched; 0: what the queues hold
  when_thrown on_error = when_thrown::fail;
  void (*merge)(In& waiting, In& item) = nullptr;  ///< of coalesce
  std::int64_t (*clock)() = detail::clock_now;     ///< nanoseconds, never back
};

/// The number of an item; none where it wasn't taken.
struct ticket {
  std::int64_t number = -1;
  explicit operator bool() const { return number >= 0; }
  friend bool operator==(const ticket&, const ticket&) = default;
};

/// What an item came to. All items are told of, in the order of their tickets.
template <class Out>
struct delivery {
  ticket item{};
  outcome what = outcome::closed;
  int stage = -1;             ///< that would have been next, where the item isn't done; -1: it waited at the entry
  Out* value = nullptr;       ///< where it is done; yours to change or swap until you ask for the next
  std::string_view why{};     ///< where a layer failed: what it threw
  double pushed = 0, started = 0, ended = 0;  ///< seconds on the stream's clock
};

}  // namespace stretto::inline v0
