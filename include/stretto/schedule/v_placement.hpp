// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// V placement: the stages go down the ranks and up again, so a rank owns two, and the last rank two in a row.
//
//     4 ranks    stages 0 1 2 3      rank r owns stage r (the way down) and
//                       7 6 5 4      stage 2 * ranks - 1 - r (the way up)
// Schedules with this placement always have two chunks a rank, whether sizes say so or not.
#pragma once

#include <stretto/plan/sizes.hpp>

namespace stretto::inline v0 {

struct v_placement {
  static constexpr bool takes_chunks = true;

  constexpr int stages(const sizes& z) const { return 2 * z.ranks; }
  constexpr int rank_of(const sizes& z, int stage) const { return stage < z.ranks ? stage : 2 * z.ranks - 1 - stage; }

  /// Two chunks a rank (1, the default of sizes, says nothing), not sliced.
  static constexpr refusal refuses_placement(const sizes& z) {
    if (z.chunks > 2) return {"a V has two chunks a rank", size_name::chunks, z.chunks, 2, -1};
    if (z.slices != 1) return {"it doesn't slice micro-batches", size_name::slices, z.slices, 1, -1};
    return {};
  }
};

}  // namespace stretto::inline v0
