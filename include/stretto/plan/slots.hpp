// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Slots: which buffers each rank needs for a step, found before the first step; what assign_slots() gives.
//
//     slot_table t = assign_slots(lower(p), {.activation = 1 << 20, .boundary = 4096});
//     t.count(0, slot_kind::activation)      how many activations rank 0 holds at most
//     t.arena[0]                             bytes of one piece of memory that holds them all
//     for (const slot_use& u : t.of(0)) …    u.stage, u.micro_batch, u.slice: u.slot, at u.offset, from entry u.first to u.last
// A slot is for values of one kind and one size; values of other sizes have slots of their own.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>

namespace stretto::inline v0 {

/// What a buffer is for.
enum class slot_kind : std::uint8_t {
  activation,  ///< from F until B or W; in two pieces where it is offloaded between
  recomputed,  ///< what R makes again, until B or W
  pending,     ///< from I until W: what a weight pass of its own still needs
  receive,     ///< from a receive until the pass that needs it
  send,        ///< from a pass until the send of what it made
  until_input, ///< from F (or R) until I or B: what of an activation I lets go
};
inline constexpr int slot_kinds = 6;

/// What one micro-batch (or slice) takes on a stage, in bytes.
struct stage_bytes {
  std::int64_t activation = 1;
  std::int64_t kept = 0;      ///< of the activation, what a forward keeps that is recomputed
  std::int64_t boundary = 0;  ///< what comes in from the stage before, and its gradient back; of a skip connection, likewise
  std::int64_t pending = 0;   ///< what I makes and W needs, beside the activation
  std::int64_t released_by_input = 0;  ///< of the activation, what I lets go; the rest lives until W. Of what R makes first
};

/// What one slot is for: an activation of a stage, or those of all stages of a rank, which stay until the last W.
enum class slot_share : std::uint8_t { stage, micro_batch };

/// What has one place in memory: a slot, so that a slot has one address, or each value by itself, which takes less.
enum class slot_packing : std::uint8_t { by_slot, by_value };

struct slot_options {
  std::int64_t align = 256;  ///< offsets are multiples of it
  slot_share share = slot_share::stage;
  slot_packing packing = slot_packing::by_slot;
};

/// A value in its slot.
struct slot_use {
  slot_kind kind = slot_kind::activation;
  int stage = 0;            ///< -1 where a slot is for all stages of the rank; of a message, the stage at this end
  int micro_batch = 0, slice = 0;
  int row = -1;             ///< of a message: of the edge table
  int first = 0, last = 0;  ///< entries of the rank's list, both included; a pair is one
  int slot = 0;             ///< number among the rank's slots of this kind
  std::int64_t bytes = 0, offset = 0;
};

struct slot_table {
  int ranks = 0;
  grow_array<slot_use> uses;
  heap_array<std::int64_t> rows;        ///< ranks + 1 offsets into uses
  heap_array<std::int32_t> counts;      ///< by rank and kind
  heap_array<std::int64_t> arena;       ///< by rank: bytes
  heap_array<std::int64_t> live;        ///< by rank: the most bytes that are in use at once, without alignment
  heap_array<std::int64_t> separately;  ///< by rank: what the slots would take side by side

  constexpr view<const slot_use> of(int rank) const { return {uses.data() + rows[rank], rows[rank + 1] - rows[rank]}; }
  constexpr int count(int rank, slot_kind k) const { return counts[static_cast<std::int64_t>(rank) * slot_kinds + static_cast<int>(k)]; }

  /// The first use of that kind; null where there is none. O(uses of the rank).
  constexpr const slot_use* find(int rank, slot_kind k, int stage, int micro_batch, int slice = 0) const {
    for (const slot_use& u : of(rank))
      if (u.kind == k && u.stage == stage && u.micro_batch == micro_batch && u.slice == slice) return &u;
    return nullptr;
  }
};

}  // namespace stretto::inline v0
