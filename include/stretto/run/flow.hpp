// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a program to tables that ranks walk: each rank's work as a row of small numbers, the channels between stages, and
// how many objects each needs. All of it is known before the first step.
//
//     F1 of stage 2    take from channel "F 1→2"    put into channel "F 2→3"    slot 0 of stage 2, workspace 0
// A slot holds what a stage keeps of a micro-batch from its forward to its weight pass; slots are given out by the rank's
// order, so there are as many as the plan holds at its peak. A workspace is held during a forward, and from a backward pass
// for inputs to the one for weights. What the slices of a micro-batch share is held from the first to the last.
// flow_maker.hpp says how many objects a channel needs.
#pragma once

#include <cstdint>
#include <vector>

#include <stretto/plan/plan.hpp>

namespace stretto::inline v0 {

/// Messages of one kind between two stages. Where both are on one rank, the object changes hands all the same.
struct channel_plan {
  bool forward = true;  ///< values, or gradients on their way back
  int link = -1;        ///< of the model's skip links; -1 for what goes from a stage to the next
  int from_stage = 0, to_stage = 0;
  int from = 0, to = 0;  ///< ranks
  int objects = 0;
  std::int64_t sent = 0;  ///< messages of a step; 0 where both ends are on one rank
};

/// One end of a channel, as an entry uses it.
struct flow_port {
  int channel = 0;
  int place = 0;  ///< 0: what goes from stage to stage; i: the stage's i-th skip link of this kind
};

struct port_range {
  int begin = 0, end = 0;
};

enum class work : std::uint8_t { forward, backward_input, backward_weight, backward, send, norm, update };

/// One entry of a rank's list, ready to run.
struct work_item {
  work kind = work::forward;
  bool goes_back = true;             ///< false: a backward pass with nothing to do
  int entry = 0;                     ///< of the rank's list
  int stage = 0;                     ///< index into the rank's stages
  int slot = 0, workspace = 0, carry = 0;
  std::int64_t box = 0;              ///< micro-batch and slice as one number
  port_range takes, puts;            ///< into the rank's ports
  port_range values_back, gradients_back;  ///< objects that are let go when it is done
  action what{};
};

/// What a rank has of a stage.
struct stage_room {
  int stage = 0;
  int slots = 0, workspaces = 0, carries = 0;
};

struct rank_flow {
  std::vector<work_item> items;
  std::vector<flow_port> ports;
  std::vector<stage_room> stages;
  int peak = 0;  ///< slots in use at once, over all its stages
};

struct flow {
  std::vector<channel_plan> channels;
  std::vector<rank_flow> ranks;
};

}  // namespace stretto::inline v0
