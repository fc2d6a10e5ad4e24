// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect[g++]: fault::deadlock, 0, 1>
// expect[clang++]: fault::deadlock, 0, 1>
// expect[nvcc]: Kind=stretto::v0::fault::deadlock, Rank=0, Step=1
// expect: stretto: the plan deadlocks: the rank in plan_fault<kind, rank, step> waits at that step in a cycle
//
// Rank 0 backs up micro-batch 0 before it sends micro-batch 1, which rank 1 wants first.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

#ifdef STRETTO_COMPILE_FAIL_CONTROL
inline constexpr fixed_table<2, 8> mine{{0, 4, 8}, {action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1),
      action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 1)}};
#else
inline constexpr fixed_table<2, 8> mine{{0, 4, 8}, {action::forward(0, 0), action::backward(0, 0), action::forward(0, 1), action::backward(0, 1),
      action::forward(1, 1), action::backward(1, 1), action::forward(1, 0), action::backward(1, 0)}};
#endif
static_assert(static_plan<from_fixed_table<mine>, ranks<2>, micro_batches<2>>.ranks == 2);
