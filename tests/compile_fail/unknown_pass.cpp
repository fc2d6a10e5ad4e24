// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect[g++]: fault::unknown_pass, 1, 0>
// expect[clang++]: fault::unknown_pass, 1, 0>
// expect[nvcc]: Kind=stretto::v0::fault::unknown_pass, Rank=1, Step=0
// expect: is of a pass that the graph doesn't have
//
// The training graph has no pass number 20.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

#ifdef STRETTO_COMPILE_FAIL_CONTROL
inline constexpr fixed_table<2, 8> mine{{0, 4, 8}, {action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1),
      action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 1)}};
#else
inline constexpr fixed_table<2, 9> mine{{0, 4, 9}, {action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1),
      action::of(20, 1, 0), action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 1)}};
#endif
static_assert(static_plan<from_fixed_table<mine>, ranks<2>, micro_batches<2>>.ranks == 2);
