// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect[g++]: fault::duplicate, 1, 4>
// expect[clang++]: fault::duplicate, 1, 4>
// expect[nvcc]: Kind=stretto::v0::fault::duplicate, Rank=1, Step=4
// expect: stretto: the action at the rank and step in plan_fault<kind, rank, step> stands twice
//
// Rank 1 does its last backward twice.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

#ifdef STRETTO_COMPILE_FAIL_CONTROL
inline constexpr fixed_table<2, 8> mine{{0, 4, 8}, {action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1),
      action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 1)}};
#else
inline constexpr fixed_table<2, 9> mine{{0, 4, 9}, {action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1),
      action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 1), action::backward(1, 1)}};
#endif
static_assert(static_plan<from_fixed_table<mine>, ranks<2>, micro_batches<2>>.ranks == 2);
