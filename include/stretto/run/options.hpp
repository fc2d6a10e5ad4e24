// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a pipeline is told beside model, cut, plan and optimizer. All ranks are told the same, but for `record`, `dump`, `ranges` and `threads`.
//
//     pipeline p(model, cut, plan, adamw{}, {.seed = 7, .samples = 4, .clip = 1});
#pragma once

#include <cstdint>
#include <string>

#include <stretto/run/ranges.hpp>
#include <stretto/transport/threads.hpp>

namespace stretto::inline v0 {

/// Of an order that is bound beside the one to train by.
struct bind_options {
  bool keeps_carry = false;  ///< each micro-batch keeps what its slices share from run to run, for go_on()
};

struct pipeline_options {
  std::uint32_t seed = 0;          ///< of the layers' random numbers
  std::int64_t samples = 1;        ///< of a micro-batch, so that random numbers are keyed by the sample
  std::int64_t first_step = 0;     ///< the number of the first step: of a run that goes on from a checkpoint
  double clip = 0;                 ///< the largest norm of all gradients together; 0: not clipped
  bool skips = false;              ///< a step whose norm isn't finite, or above step_rule's limits, is skipped on all ranks
  std::int64_t skipped = 0;        ///< how many steps before first_step were
  bool recompute_all = false;      ///< every layer keeps nothing but a stage's input, and does its forward again
  bool merged_backward = false;    ///< layers that can't split their backward may do all of it in an I pass
  bool record = true;              ///< measures every action and message; false: only to see what that costs
  std::string dump = {};           ///< where logs go when an error ends the run: dump.rank0.log, …; empty: as STRETTO_DUMP says
  const range_hooks* ranges = nullptr;  ///< what profilers are told of passes and sends: nvtx_ranges, or yours
  threads_options threads = {};    ///< of the transport that the pipeline makes where it isn't given one
};

}  // namespace stretto::inline v0
