// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// GPipe (fill and drain): all forward passes, then all backward passes.
//
//     rank 0 | F0 F1 F2                   B0--- B1--- B2---
//     rank 1 |    F0 F1 F2          B0--- B1--- B2---
//     rank 2 |       F0 F1 F2 B0--- B1--- B2---
// Bubble: (ranks - 1) * (t_forward + t_backward).  Peak activations: micro_batches on every rank.
// Drains ascending, so that gradients add in the order of every other schedule; descending, as torchgpipe does, on request.
// Source: Huang et al., GPipe, NeurIPS 2019.
#pragma once

#include <stretto/plan/action.hpp>
#include <stretto/plan/sizes.hpp>

namespace stretto::inline v0 {

/// In which order the backward passes drain.
enum class drain_order { ascending, descending };

struct gpipe {
  static constexpr const char* name = "gpipe";
  static constexpr const char* summary = "all forward passes, then all backward passes";
  static constexpr const char* needs = "any ranks and micro-batches";
  static constexpr sizes picture{3, 3};

  drain_order drain = drain_order::ascending;

  constexpr void options(auto&& visit) { visit("drain", drain, "order of the backward passes: ascending or descending"); }

  constexpr refusal refuses(const sizes& z) const { return one_chunk_whole(z); }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    for (int m = 0; m < z.micro_batches; ++m) put(action::forward(rank, m));
    for (int m = 0; m < z.micro_batches; ++m)
      put(action::backward(rank, drain == drain_order::ascending ? m : z.micro_batches - 1 - m));
  }
};

}  // namespace stretto::inline v0
