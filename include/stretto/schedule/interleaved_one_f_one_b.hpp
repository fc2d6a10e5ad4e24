// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Interleaved 1F1B: a rank owns several chunks, stages rank, rank + ranks, …, and works through groups of micro-batches
// depth first, so the pipeline fills and drains in steps of a chunk.
//
//     rank 0 | 0F0 0F1 2F0 2F1 0F2     2B0---- 0F3 2B1---- 2F2 0B0---- 2F3 0B1----     2B2----     2B3---- 0B2---- 0B3----
//     rank 1 |     1F0 1F1 3F0 3B0---- 3F1 3B1---- 1F2 1B0---- 1F3 1B1---- 3F2 3B2---- 3F3 3B3---- 1B2---- 1B3----
// Bubble: (ranks - 1) * (t_forward + t_backward) / chunks, from as many micro-batches as ranks on.
// Peak activations: min(micro_batches * chunks, (chunks - 1) * group + 2 * (ranks - 1) + 1) / chunks on rank 0. With one
// chunk a rank that is eager 1F1B: it holds about twice as much as one_f_one_b and hides the latency of messages.
// Groups: with `group` = N, Megatron's: N at a time and a smaller last group; a rest smaller than the ranks is refused, as
// there, since some of those deadlock. Without, rounds: as many groups of at least `ranks` as there can be; where torch
// needs them to divide the micro-batches, ours differ by one in size, larger first, so every number of them has a plan.
// Source: Narayanan et al., SC 2021; group size as in Megatron-LM; rounds as in torch.distributed.pipelining.
#pragma once

#include <stretto/plan/action.hpp>
#include <stretto/plan/sizes.hpp>
#include <stretto/schedule/groups.hpp>

namespace stretto::inline v0 {

struct interleaved_one_f_one_b {
  static constexpr const char* name = "interleaved_1f1b";
  static constexpr const char* summary = "1F1B over several chunks a rank, depth first";
  static constexpr const char* needs = "any ranks, micro-batches and chunks; a group N: ranks <= N <= micro-batches, no rest of 1 to ranks - 1";
  static constexpr bool takes_chunks = true;
  static constexpr sizes picture{2, 4, 2};

  int group = 0;  ///< micro-batches a group; 0 for rounds

  constexpr void options(auto&& visit) { visit("group", group, "micro-batches that go through a chunk together (0: rounds)"); }

  constexpr refusal refuses(const sizes& z) const {
    if (z.slices != 1) return {"it doesn't slice micro-batches", size_name::slices, z.slices, 1, -1};
    if (group == 0) return {};
    int fits = group;  // the next group size that would do
    while (fits < z.ranks || (fits < z.micro_batches && z.micro_batches % fits != 0 && z.micro_batches % fits < z.ranks)) ++fits;
    if (group < z.ranks)
      return {"a group smaller than the number of ranks can deadlock", size_name::option, group, -1, fits <= z.micro_batches ? fits : 0,
              "group"};
    if (group > z.micro_batches)
      return {"a group holds at most all micro-batches", size_name::option, group, z.ranks <= z.micro_batches ? z.micro_batches : 0, -1,
              "group"};
    const int rest = z.micro_batches % group;
    if (rest != 0 && rest < z.ranks)
      return {"the last group would be smaller than the number of ranks, which can deadlock", size_name::micro_batches, z.micro_batches,
              z.micro_batches - rest, z.micro_batches - rest + z.ranks};
    return {};
  }

  constexpr batch_groups groups_for(const sizes& z) const {
    return group > 0 ? batch_groups::of_size(z.micro_batches, group) : batch_groups::rounds(z.micro_batches, z.ranks);
  }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    const batch_groups table = groups_for(z);
    const int all = z.micro_batches * z.chunks;
    const int ahead = (z.chunks - 1) * table.size + 2 * (z.ranks - 1 - rank);
    const int warmup = ahead < all ? ahead : all;
    const auto forward = [&](int k) {
      const auto e = table.forward(k, z.chunks);
      put(action::forward(e.chunk * z.ranks + rank, e.micro_batch));
    };
    const auto backward = [&](int k) {
      const auto e = table.backward(k, z.chunks);
      put(action::backward(e.chunk * z.ranks + rank, e.micro_batch));
    };
    for (int k = 0; k < warmup; ++k) forward(k);
    for (int k = warmup; k < all; ++k) {
      forward(k);
      backward(k - warmup);
    }
    for (int k = all - warmup; k < all; ++k) backward(k);
  }
};

}  // namespace stretto::inline v0
