// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect[g++]: fault::out_of_range, 1, 3>
// expect[clang++]: fault::out_of_range, 1, 3>
// expect[nvcc]: Kind=stretto::v0::fault::out_of_range, Rank=1, Step=3
// expect: names a stage, micro-batch or slice that the plan doesn't have
//
// There is no micro-batch 2.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

#ifdef STRETTO_COMPILE_FAIL_CONTROL
inline constexpr fixed_table<2, 8> mine{{0, 4, 8}, {action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1),
      action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 1)}};
#else
inline constexpr fixed_table<2, 8> mine{{0, 4, 8}, {action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1),
      action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 2)}};
#endif
static_assert(static_plan<from_fixed_table<mine>, ranks<2>, micro_batches<2>>.ranks == 2);
