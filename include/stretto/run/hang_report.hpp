// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What explain_hang gives: the kind of the hang, where it began, and what each rank waits for.
//
//     if (const hang_report why = explain_hang(logs); why.hangs()) std::puts(why.words.c_str());
// Cost: a sentence a rank.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <stretto/plan/action.hpp>

namespace stretto::inline v0 {

enum class hang_kind : std::uint8_t {
  none,             ///< nothing hangs
  threw,            ///< a rank threw, which ended the run
  asked_otherwise,  ///< two ranks were asked for different steps, or with different normalizers or rules
  died,             ///< a rank left no log
  stalled,          ///< a rank is at work on one pass, and doesn't end it
  lost,             ///< a message was put and never taken, though its receiver waits
  skipped,          ///< its sender has passed the place where it sends, and nothing was put
  held,             ///< a rank hands a message over, and the transport doesn't let it go on
  no_object,        ///< a rank waits for an object to fill, and none comes back
  not_asked,        ///< a rank wasn't asked for the step
  sums,             ///< all ranks have told their sums, and one doesn't get them
  deadlock,         ///< ranks wait for each other
};

/// What a rank waits for.
struct hang_wait {
  int rank = -1, entry = -1;
  action what{};          ///< at which it is
  int on_rank = -1;       ///< who must go on first; -1: nobody
  action on{};            ///< the send, or the pass, that it waits for
  double seconds = 0;     ///< for how long
  std::string words;
};

struct hang_report {
  hang_kind kind = hang_kind::none;
  int rank = -1;                  ///< that stopped first: the sender, where a message is lost
  int order = -1;
  std::int64_t number = 0;        ///< of the step, over all orders, from 1
  int entry = -1;                 ///< of that rank's list
  action what{};                  ///< what stands there
  int to = -1;                    ///< of a message: who should get it
  int layer = -1;                 ///< in which it is
  double seconds = 0;             ///< for how long
  std::vector<int> cycle;         ///< of a deadlock: ranks, each waits for the next
  std::vector<hang_wait> waits;   ///< of all ranks
  std::string words;              ///< the cause in the first line, then a line a rank

  bool hangs() const { return kind != hang_kind::none; }
};

struct hang_options {
  double patience = 2;  ///< seconds that nothing is made of; where an error has ended the run, 0
};

namespace detail {

/// A time in words: 340 ms, 12.3 s.
inline std::string lasting(double seconds) {
  char buffer[40];
  const double size = seconds < 0 ? -seconds : seconds;
  if (size < 0.9995e-3) std::snprintf(buffer, sizeof buffer, "%.3g us", seconds * 1e6);
  else if (size < 0.9995) std::snprintf(buffer, sizeof buffer, "%.3g ms", seconds * 1e3);
  else if (size < 999.5) std::snprintf(buffer, sizeof buffer, "%.3g s", seconds);
  else std::snprintf(buffer, sizeof buffer, "%.0f s", seconds);
  return buffer;
}

}  // namespace detail

}  // namespace stretto::inline v0
