// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// 1F1B on a V: backward passes stay whole, for layers that can't split them, and the V keeps less alive than 1F1B does: about
// two thirds.
//
//     rank 0 | 0F0 0F1 0F2 3F0 3B0---- 3F1 3B1----     0B0---- 3F2 3B2---- 0F3 0B1---- 3F3 3B3----     0B2----         0B3----
//     rank 1 |     1F0 2F0 1F1 2F1     2B0---- 1B0---- 1F2 2F2 2B1---- 1B1---- 1F3 2F3 2B2---- 1B2---- 2B3---- 1B3----
// Bubble at t_backward = 2 t_forward, from as many micro-batches as ranks on: 5 * ranks forward passes of a chunk, less 5, 6 or
// 7 where the ranks are 1, 0 or 2 more than a multiple of 3 (4 at 2 ranks): 15, 33 and 75 at 4, 8 and 16. For fewer micro-batches,
// too, never more than the 6 * (ranks - 1) of 1F1B. With shorter backward passes it is more than 1F1B's.
// Peak activations: min(2 * micro_batches, (4 * ranks + 4) / 3) chunks, rounded down, of the 2 * ranks that 1F1B holds.
// The cell. In the steady state a rank repeats six slots, F and F of one and B and B of two, so its times are four numbers:
// micro-batch m starts at them + 6 m. They are found by walking a micro-batch's way: down and up with F as early as can be, down
// and up with B at the first free slots of each rank's cell. Two B and the F between them leave every third rank to wait 3
// slots, down and up alike. Where 3 divides the ranks nothing would fit behind the turn, and where it divides ranks - 2 there is
// memory left over: there F come later on the way up, by 2 slots from the turn on, or by 2 on the ranks below 4 and 2 more below 2.
// The start. A rank fills its memory first: rank + 1 F of the way up, at most half of what it may hold, and F of the way down. Then
// B and F of the way up in turn, up to that half: each B makes room for the F up that allows a later B on the rank before. A
// B is two slots from rank to rank, an F one, so B every 3 slots need one F up more in stock on each rank than on the one
// before. With half the memory gone up, the next F up waits for a B that has come back, and all goes on in the cell's order.
// Source: the cell is that of Qi et al., Pipeline Parallelism with Controllable Memory, NeurIPS 2024.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/action.hpp>
#include <stretto/plan/sizes.hpp>
#include <stretto/schedule/v_placement.hpp>

namespace stretto::inline v0 {

struct one_f_one_b_v : v_placement {
  static constexpr const char* name = "1f1b_v";
  static constexpr const char* summary = "1F1B on a V: whole backward passes in two thirds of the memory of 1F1B";
  static constexpr const char* needs = "any ranks and micro-batches; 2 chunks a rank";
  static constexpr sizes picture{2, 4};

  constexpr refusal refuses(const sizes& z) const { return refuses_placement(z); }

  /// When a rank starts its four passes of micro-batch 0, in slots.
  struct cell {
    int forward_down, forward_up, backward_up, backward_down;
  };

  static constexpr cell cell_of(int ranks, int rank) {
    const auto up = [&](int r) {
      int later = 0;
      if (ranks % 3 == 0 && r < ranks - 1) later = 2;
      if (ranks % 3 == 2 && ranks > 2 && r < 4) later = r < 2 ? 4 : 2;
      return 2 * ranks - 1 - r + later;
    };
    const auto fits = [&](int t, int r) {  // a B leaves the other B two slots in a row between the F
      const int behind = (t - r) % 6, between = (up(r) - r) % 6;
      return behind == (between == 1 ? 2 : 1) || behind == (between == 5 ? 3 : 4);
    };
    heap_array<int> down(ranks);  // of backward passes, at each rank
    int t = up(0) + 1;
    for (int r = 0; r < ranks; ++r, t += 2) {
      while (!fits(t, r)) ++t;
      down[r] = t;
    }
    for (int r = ranks - 1;; --r, t += 2) {
      while (!fits(t, r) || (t - down[r]) % 6 == 0) ++t;
      if (r == rank) return {r, up(r), down[r], t};
    }
  }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    const cell c = cell_of(z.ranks, rank);
    const std::int64_t starts[4] = {c.forward_down, c.forward_up, c.backward_up, c.backward_down};
    const int stages[4] = {rank, 2 * z.ranks - 1 - rank, 2 * z.ranks - 1 - rank, rank};
    int next[4] = {};  // a micro-batch of each; those behind the last one are walked through and left out
    const auto run = [&](int k) {
      if (next[k] < z.micro_batches) put(action::of(k < 2 ? pass::forward : pass::backward, stages[k], next[k]));
      ++next[k];
    };
    const auto least = [](int a, int b) { return a < b ? a : b; };
    const auto before_return = [&](int start) { return start < c.backward_down ? (c.backward_down - start + 5) / 6 : 0; };

    const int room = (4 * z.ranks + 4) / 3, half = least(room / 2, before_return(c.forward_up));
    int first_up = least(rank + 1, half);
    const int first_down = least(room - first_up, before_return(c.forward_down));
    first_up = least(first_up, first_down);
    while (next[0] < least(2 * (z.ranks - rank) - 1, first_down)) run(0);
    for (bool up = true; next[0] < first_down || next[1] < first_up; up = !up) {  // up and down in turn, as long as there are both
      up = next[1] < first_up && next[1] < next[0] && (up || next[0] == first_down);
      run(up ? 1 : 0);
    }
    while (next[1] < half && next[2] < before_return(c.backward_up)) {
      run(2);
      run(1);
    }
    for (int soonest = 0; soonest >= 0;) {
      soonest = -1;
      for (int k = 0; k < 4; ++k)
        if (next[k] < z.micro_batches && (soonest < 0 || starts[k] + 6LL * next[k] < starts[soonest] + 6LL * next[soonest])) soonest = k;
      if (soonest >= 0) run(soonest);
    }
  }
};

}  // namespace stretto::inline v0
