// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Forward only: evaluation and serving. With several chunks a rank, micro-batches go through in groups, depth first, as
// in interleaved 1F1B.
//
//     rank 0 | F0 F1 F2 F3
//     rank 1 |    F0 F1 F2 F3
// Bubble: (ranks - 1) * t_forward / (chunks * slices), from as many slices as ranks on.
// Peak: one chunk; nothing is held for a backward pass.
#pragma once

#include <stretto/plan/action.hpp>
#include <stretto/plan/graph.hpp>
#include <stretto/plan/sizes.hpp>
#include <stretto/schedule/groups.hpp>

namespace stretto::inline v0 {

struct forward_only {
  static constexpr const char* name = "forward_only";
  static constexpr const char* summary = "forward passes alone: evaluation and serving";
  static constexpr const char* needs = "any ranks, micro-batches, chunks and slices";
  static constexpr bool takes_chunks = true;
  static constexpr bool takes_slices = true;
  static constexpr sizes picture{2, 4};

  constexpr graph passes(const sizes&) const { return inference(); }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    const batch_groups table = batch_groups::rounds(z.micro_batches, z.ranks);
    for (int k = 0; k < z.micro_batches * z.chunks; ++k) {
      const auto e = table.forward(k, z.chunks);
      for (int q = 0; q < z.slices; ++q) put(action::forward(e.chunk * z.ranks + rank, e.micro_batch, q));
    }
  }
};

}  // namespace stretto::inline v0
