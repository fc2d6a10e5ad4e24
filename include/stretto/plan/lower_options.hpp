// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What lower() is to do besides placing messages, and where it is to place them.
//
//     lower(p, {.merge_backward = true, .unshard = 3, .reduce_grad = true})
//     lower(p, {.receives = receives::lookahead(2), .links = links::rendezvous})
//     lower(p, {.recompute = stage_choice::all(), .offload = {.stages = stage_choice::range(0, 2), .ahead = 2}})
// Each is a function of its own, in a header of its own; lower() calls them in the order of the members here.
#pragma once

#include <stretto/plan/links.hpp>
#include <stretto/plan/offload.hpp>
#include <stretto/plan/receives.hpp>
#include <stretto/plan/stage_choice.hpp>
#include <stretto/plan/update.hpp>

namespace stretto::inline v0 {

struct lower_options {
  bool merge_backward = false;          ///< I with its W directly behind becomes B
  stage_choice recompute = {};          ///< R before the backward of these stages
  int unshard = 0;                      ///< stages whose weights are gathered at a time; 0: no UNSHARD and RESHARD
  bool reduce_grad = false;             ///< REDUCE_GRAD behind a stage's last weight pass
  update_rule update = update_rule::none;  ///< NORM and UPDATE at the end of each rank's list
  offload_rule offload = {};            ///< OFFLOAD behind the forward of some stages, RELOAD before their backward
  receive_rule receives = {};           ///< eager unless said otherwise
  link_model links = {};                ///< the program must run under this model; by_plan asks for nothing more

  /// Whether anything is to be done besides placing messages.
  constexpr bool rewrites() const {
    return merge_backward || unshard != 0 || reduce_grad || update != update_rule::none || !recompute.empty() || !offload.stages.empty();
  }
};

}  // namespace stretto::inline v0
