// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// In which order a plan adds gradients: that of the weight passes of each stage, on each rank that owns it.
//
//     order_of_weights(p) == weight_order::ascending        gives the bits of one rank, where each stage has one owner
//     owners(p)                                             the most ranks that own a stage: 2 for dualpipe
// Cost: O(entries).
#pragma once

#include <stretto/core/array.hpp>
#include <stretto/plan/plan.hpp>

namespace stretto::inline v0 {

enum class weight_order { none, ascending, descending, mixed };

/// The order of the micro-batches in the weight passes of every stage; ascending where there is one micro-batch.
constexpr weight_order order_of_weights(const plan_view& p) {
  bool any = false, ascends = true, descends = true;
  heap_array<std::int32_t> last(p.stages);
  for (int r = 0; r < p.ranks; ++r) {
    for (std::int32_t& l : last) l = -1;
    for (const action& a : p.order(r)) {
      if (a.is_message() || !p.passes->has(a.pass) || (p.passes->cover(a.pass) >> pass::backward_weight & 1) == 0) continue;
      std::int32_t& before = last[a.stage];
      ascends = ascends && a.micro_batch >= before;
      descends = descends && (before < 0 || a.micro_batch <= before);
      before = a.micro_batch;
      any = true;
    }
  }
  return !any ? weight_order::none : ascends ? weight_order::ascending : descends ? weight_order::descending : weight_order::mixed;
}

/// The most ranks that own one stage: 1 unless routes differ. Each owner adds up what it has, then owners are added.
constexpr int owners(const plan_view& p) {
  int most = 1;
  for (int s = 0; s < p.stages; ++s) {
    int here = 0;
    for (int r = 0; r < p.ranks; ++r) {
      bool owns = false;
      for (int i = 0; i < p.routes; ++i) owns = owns || p.route(i).rank_of(s) == r;
      here += owns;
    }
    most = here > most ? here : most;
  }
  return most;
}

}  // namespace stretto::inline v0
