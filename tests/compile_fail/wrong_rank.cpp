// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect[g++]: fault::wrong_rank, 0, 4>
// expect[clang++]: fault::wrong_rank, 0, 4>
// expect[nvcc]: Kind=stretto::v0::fault::wrong_rank, Rank=0, Step=4
// expect: stretto: the action at the rank and step in plan_fault<kind, rank, step> stands on a rank that doesn't own its stage
//
// Rank 0 does a backward of stage 1, which rank 1 owns.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

#ifdef STRETTO_COMPILE_FAIL_CONTROL
inline constexpr fixed_table<2, 8> mine{{0, 4, 8}, {action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1),
      action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 1)}};
#else
inline constexpr fixed_table<2, 8> mine{{0, 5, 8}, {action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1), action::backward(1, 1),
      action::forward(1, 0), action::backward(1, 0), action::forward(1, 1)}};
#endif
static_assert(static_plan<from_fixed_table<mine>, ranks<2>, micro_batches<2>>.ranks == 2);
