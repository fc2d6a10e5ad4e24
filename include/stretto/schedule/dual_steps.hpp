// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The eight steps of DualPipe, for the rank that is the r-th from its end of P ranks and does stage x of M micro-batches on
// the way to the turn and stage y behind it (for DualPipe, of M micro-batches from the other end):
//
//     1  2(P-r-1) times  Fx                  5  P-r-1 times  By, [Fy|Bx]
//     2  r+1      times  Fx Fy               6  r+1   times  By Bx; from half way on I alone, its W waits
//     3  P-r-1    times  Iy Wy Fy            7  P-r-1 times  the W that waits longest, Ix
//     4  M-2P+r+1 times  [Fx|By] [Fy|Bx]     8  r+1   times  the W that waits longest
// [|] is an overlapped pair; the rank next to the turn (r = P-1) has the input of its first By only from the Fx before, so
// it doesn't overlap those.
// The steps are for 2P - 1 micro-batches at least. Fewer take those for 2P - 1 without the actions of the others, for which no
// micro-batch waits, and what is left of a pair stands alone. The last ones are left out; but up to P the first ones, since
// the last P have the split backward passes of steps 6 and 7, and the way back takes I alone.
// Cost: O(1) an action, of M or 2P - 1 micro-batches.
#pragma once

#include <stretto/plan/action.hpp>

namespace stretto::inline v0 {

/// A stage that a rank does, and the first and the number of the micro-batches that it does it for.
struct dual_stage {
  int stage;
  int first;
  int count;

  constexpr bool has(int micro_batch) const { return first <= micro_batch && micro_batch < first + count; }
  constexpr action forward(int m) const { return action::forward(stage, first + m); }
  constexpr action backward(int m) const { return action::backward(stage, first + m); }
  constexpr action backward_input(int m) const { return action::backward_input(stage, first + m); }
  constexpr action backward_weight(int m) const { return action::backward_weight(stage, first + m); }
};

constexpr void dual_steps(int ranks, int r, const dual_stage& x, const dual_stage& y, auto&& all) {
  const int most = x.count > y.count ? x.count : y.count, micro_batches = most < 2 * ranks - 1 ? 2 * ranks - 1 : most;
  const int to_turn = ranks - r - 1, half = (r + 1) / 2;
  int fx = 0, fy = 0, bx = 0, by = 0, waiting = 0;  // the next of each
  const auto renumbered = [&](action a) {
    a.micro_batch -= most <= ranks ? micro_batches - (a.stage == x.stage ? x : y).count : 0;
    return a;
  };
  const auto there = [&](const action& a) { return (a.stage == x.stage ? x : y).has(renumbered(a).micro_batch); };
  const auto put = [&](const action& a) {
    if (there(a)) all(renumbered(a));
  };
  const auto together = [&](const action& a, const action& b) {
    put(there(b) ? a.with_next() : a);
    put(b);
  };
  const auto weight = [&] {  // I alone ran: r + 1 in step 6, from y on where r is odd, then those of step 7
    const int n = waiting++;
    const bool of_x = n > r || n % 2 == r % 2;
    if (of_x) put(x.backward_weight(micro_batches - ranks + (n > r ? n : half + n / 2)));
    else put(y.backward_weight(micro_batches - r - 1 + half + (n + (r + 1) % 2) / 2));
  };
  for (int i = 0; i < 2 * to_turn; ++i) put(x.forward(fx++));
  for (int i = 0; i <= r; ++i) {
    put(x.forward(fx++));
    put(y.forward(fy++));
  }
  for (int i = 0; i < to_turn; ++i) {
    put(y.backward_input(by));
    put(y.backward_weight(by++));
    put(y.forward(fy++));
  }
  for (int i = 0; i < micro_batches - 2 * ranks + r + 1; ++i) {
    if (i == 0 && to_turn == 0) {
      put(x.forward(fx++));
      put(y.backward(by++));
    } else {
      together(x.forward(fx), y.backward(by));
      ++fx, ++by;
    }
    together(y.forward(fy++), x.backward(bx++));
  }
  for (int i = 0; i < to_turn; ++i) {
    put(y.backward(by++));
    together(y.forward(fy++), x.backward(bx++));
  }
  for (int i = 0; i <= r; ++i) {
    const bool split_y = i > half || (i == half && r % 2 == 1);
    put(split_y ? y.backward_input(by++) : y.backward(by++));
    put(i >= half ? x.backward_input(bx++) : x.backward(bx++));
  }
  for (int i = 0; i < to_turn; ++i) {
    weight();
    put(x.backward_input(bx++));
  }
  for (int i = 0; i <= r; ++i) weight();
}

}  // namespace stretto::inline v0
