// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An action: one pass of one micro-batch (or slice of it) on one stage. A rank's order is a list of actions; a lowered
// list also holds the sends and receives that carry edges between ranks.
//
//     2F5        forward of micro-batch 5 on stage 2          action::forward(2, 5)
//     2B5s1      backward of its slice 1                      action::backward(2, 5, 1)
//     2SEND_F5   stage 2 hands the result to the next hop     role::send, pass is a row of the graph's edge table
// Cost: 16 bytes, trivial.
#pragma once

#include <cstdint>

namespace stretto::inline v0 {

/// The index of a pass in a graph's table (or, in a message, of the edge row that the message carries).
using pass_id = std::uint8_t;
inline constexpr pass_id no_pass = 255;

/// The passes that every graph of this library knows, by index.
namespace pass {
inline constexpr pass_id forward = 0;          ///< F
inline constexpr pass_id backward_input = 1;   ///< I, gradients of inputs: on the critical path
inline constexpr pass_id backward_weight = 2;  ///< W, gradients of weights: may run much later
inline constexpr pass_id backward = 3;         ///< B, both at once
inline constexpr pass_id unshard = 4;          ///< gather a stage's sharded weights
inline constexpr pass_id reshard = 5;          ///< let them go
inline constexpr pass_id reduce_grad = 6;      ///< reduce a stage's gradients over data-parallel replicas
inline constexpr pass_id first_user = 7;       ///< graph::add gives indices from here
}  // namespace pass

/// What a list entry does.
enum class role : std::uint8_t {
  run,            ///< run a pass
  run_with_next,  ///< run a pass together with the entry behind it: an overlapped pair
  send,           ///< hand a message to the transport
  receive,        ///< ask the transport for a message
};

struct action {
  pass_id pass;              ///< which pass; for a message, which row of the edge table it carries
  role kind;
  std::uint16_t slice;       ///< 0 unless micro-batches are sliced
  std::int32_t stage;        ///< the stage (or the rank, for a pass that lives on ranks)
  std::int32_t micro_batch;  ///< 0 for a pass that happens once a step
  std::int32_t peer;         ///< for a message: the stage (or rank) at its other end; otherwise 0

  static constexpr action of(pass_id p, int stage, int micro_batch, int slice = 0) {
    return {p, role::run, static_cast<std::uint16_t>(slice), stage, micro_batch, 0};
  }
  static constexpr action forward(int stage, int micro_batch, int slice = 0) { return of(pass::forward, stage, micro_batch, slice); }
  static constexpr action backward(int stage, int micro_batch, int slice = 0) { return of(pass::backward, stage, micro_batch, slice); }
  static constexpr action backward_input(int stage, int micro_batch, int slice = 0) {
    return of(pass::backward_input, stage, micro_batch, slice);
  }
  static constexpr action backward_weight(int stage, int micro_batch, int slice = 0) {
    return of(pass::backward_weight, stage, micro_batch, slice);
  }

  /// The same action, run together with the one that follows it in the list.
  constexpr action with_next() const {
    action a = *this;
    a.kind = role::run_with_next;
    return a;
  }

  constexpr bool is_message() const { return kind == role::send || kind == role::receive; }

  friend constexpr bool operator==(const action&, const action&) = default;
};

static_assert(sizeof(action) == 16);

}  // namespace stretto::inline v0
