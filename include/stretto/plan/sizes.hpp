// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The sizes that a plan is made for, and the answer of a schedule that has no plan for them: a refusal that names the
// size, why it won't do, and the nearest ones that would.
//
//     stretto: interleaved_1f1b has no plan for micro-batches = 6: the last group would be smaller than …; use 4 or 8
#pragma once

#include <cstdint>

#include <stretto/core/text.hpp>
#include <stretto/plan/fault.hpp>

namespace stretto::inline v0 {

struct sizes {
  int ranks = 1;
  int micro_batches = 1;
  int chunks = 1;  ///< stages a rank owns
  int slices = 1;  ///< shares of a micro-batch along the sequence
  friend constexpr bool operator==(const sizes&, const sizes&) = default;
};

/// Whether a schedule has plans of several chunks a rank, as its member takes_chunks says; without one it hasn't.
template <class Schedule>
constexpr bool takes_chunks() {
  if constexpr (requires { Schedule::takes_chunks; }) return Schedule::takes_chunks;
  return false;
}

/// Likewise of several slices a micro-batch.
template <class Schedule>
constexpr bool takes_slices() {
  if constexpr (requires { Schedule::takes_slices; }) return Schedule::takes_slices;
  return false;
}

/// Why a schedule has no plan. False when it has one.
struct refusal {
  const char* why = nullptr;               ///< half a sentence, a literal
  size_name which = size_name::ranks;
  long long given = -1;
  long long below = -1, above = -1;        ///< the nearest values that would do; -1 where there is none
  const char* what = nullptr;              ///< the option's name, where `which` is size_name::option

  constexpr explicit operator bool() const { return why != nullptr; }
};

/// For schedules of one chunk a rank that don't slice.
constexpr refusal one_chunk_whole(const sizes& z) {
  if (z.chunks != 1) return {"it has one chunk a rank", size_name::chunks, z.chunks, 1, -1};
  if (z.slices != 1) return {"it doesn't slice micro-batches", size_name::slices, z.slices, 1, -1};
  return {};
}

/// The refusal as a sentence.
constexpr text sentence(std::string_view schedule, const refusal& r) {
  constexpr const char* names[] = {"ranks", "micro-batches", "chunks", "slices", "an option"};
  const std::string_view name = r.what != nullptr ? r.what : names[static_cast<int>(r.which)];
  text t("stretto: ", schedule, " has no plan for ", name, " = ", static_cast<std::int64_t>(r.given), ": ", r.why);
  if (r.below >= 0 && r.above >= 0) t.add("; use ", static_cast<std::int64_t>(r.below), " or ", static_cast<std::int64_t>(r.above));
  else if (r.below >= 0 || r.above >= 0) t.add("; use ", static_cast<std::int64_t>(r.below >= 0 ? r.below : r.above));
  return t;
}

}  // namespace stretto::inline v0
