// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect[g++]: fault::bad_pair, 1, 3>
// expect[clang++]: fault::bad_pair, 1, 3>
// expect[nvcc]: Kind=stretto::v0::fault::bad_pair, Rank=1, Step=3
// expect: has no second half that can run with it
//
// The last entry of rank 1 is to run together with the one behind it, and there is none.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

#ifdef STRETTO_COMPILE_FAIL_CONTROL
inline constexpr fixed_table<2, 8> mine{{0, 4, 8}, {action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1),
      action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 1)}};
#else
inline constexpr fixed_table<2, 8> mine{{0, 4, 8}, {action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1),
      action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 1).with_next()}};
#endif
static_assert(static_plan<from_fixed_table<mine>, ranks<2>, micro_batches<2>>.ranks == 2);
