// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Interleaved zero bubble: the rounds of interleaved_one_f_one_b with split backward passes. A rank runs ahead half as far, and
// its weight passes (W) lag behind those for inputs (I), so that they fill the drain.
//
//     rank 0 | 0F0 0F1 2F0 2F1     2I0 2W0 0F2 2I1 2W1 0F3 0I0 0W0 2F2 0I1 0W1 2F3 2I2 2W2 2I3 2W3 0I2 0W2 0I3 0W3
//     rank 1 |     1F0 1F1 3F0 3I0 3F1 3I1 3W0 1F2 1I0 3W1 1F3 1I1 1W0 3F2 3I2 1W1 3F3 3I3 3W2 1I2 3W3 1I3 1W2 1W3
// Bubble: (ranks - 1) / chunks * max(t_F, t_I, t_F + t_I - t_W), from as many micro-batches as ranks on.  Peak activations, with
// G micro-batches in the first group: min(micro_batches * chunks, (chunks - 1) * G + ranks) / chunks, which is the ranks where
// they divide the micro-batches in rounds. With one chunk a rank it is zb_h1.  A latency costs more the more chunks there are,
// since each hop pays it.
// Groups: with `group` = N, N micro-batches at a time and a smaller last group; one smaller than the ranks has a plan, too,
// but may have a longer bubble. Larger groups hide more of a latency and hold more. Without, rounds, as in interleaved_one_f_one_b.
// Source: torch.distributed.pipelining, ScheduleInterleavedZeroBubble; rounds as in interleaved_one_f_one_b.
#pragma once

#include <stretto/plan/action.hpp>
#include <stretto/plan/sizes.hpp>
#include <stretto/schedule/groups.hpp>

namespace stretto::inline v0 {

struct interleaved_zb {
  static constexpr const char* name = "interleaved_zb";
  static constexpr const char* summary = "zero bubble over several chunks a rank, depth first";
  static constexpr const char* needs = "any ranks, micro-batches and chunks; a group N: ranks <= N <= micro-batches";
  static constexpr bool takes_chunks = true;
  static constexpr sizes picture{2, 4, 2};

  int group = 0;  ///< micro-batches a group; 0 for rounds

  constexpr void options(auto&& visit) { visit("group", group, "micro-batches that go through a chunk together (0: rounds)"); }

  constexpr refusal refuses(const sizes& z) const {
    if (z.slices != 1) return {"it doesn't slice micro-batches", size_name::slices, z.slices, 1, -1};
    if (group == 0) return {};
    const bool some = z.ranks <= z.micro_batches;  // else no group fits, and 0 does
    if (group < z.ranks)
      return {"a group smaller than the number of ranks can deadlock", size_name::option, group, -1, some ? z.ranks : 0, "group"};
    if (group > z.micro_batches)
      return {"a group holds at most all micro-batches", size_name::option, group, some ? z.micro_batches : 0, -1, "group"};
    return {};
  }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    const batch_groups table = group > 0 ? batch_groups::of_size(z.micro_batches, group) : batch_groups::rounds(z.micro_batches, z.ranks);
    const int all = z.micro_batches * z.chunks;
    const int ahead = (z.chunks - 1) * table.size + z.ranks - 1 - rank;
    const int warmup = ahead < all ? ahead : all;
    const auto forward = [&](int k) {
      const auto e = table.forward(k, z.chunks);
      put(action::forward(e.chunk * z.ranks + rank, e.micro_batch));
    };
    const auto weight = [&](int k) {
      const auto e = table.backward(k, z.chunks);
      put(action::backward_weight(e.chunk * z.ranks + rank, e.micro_batch));
    };
    for (int k = 0; k < warmup; ++k) forward(k);
    for (int k = 0; k < all; ++k) {
      if (warmup + k < all) forward(warmup + k);
      const auto e = table.backward(k, z.chunks);
      put(action::backward_input(e.chunk * z.ranks + rank, e.micro_batch));
      if (k >= rank) weight(k - rank);
    }
    for (int k = rank < all ? all - rank : 0; k < all; ++k) weight(k);
  }
};

}  // namespace stretto::inline v0
