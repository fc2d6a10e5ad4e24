// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect[g++]: fault::missing_receive, 1, 4>
// expect[clang++]: fault::missing_receive, 1, 4>
// expect[nvcc]: Kind=stretto::v0::fault::missing_receive, Rank=1, Step=4
// expect: stretto: an edge between ranks lacks its receive on the rank in plan_fault<kind, rank, step>
//
// Rank 1 doesn't receive what rank 0 sends.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

#ifdef STRETTO_COMPILE_FAIL_CONTROL
inline constexpr fixed_table<2, 16> mine{{0, 8, 16}, {action::forward(0, 0), action{0, role::send, 0, 0, 0, 1}, action::forward(0, 1), action{0, role::send, 0, 0, 1, 1}, action{3, role::receive, 0, 0, 0, 1}, action::backward(0, 0), action{3, role::receive, 0, 0, 1, 1}, action::backward(0, 1),
      action{0, role::receive, 0, 1, 0, 0}, action::forward(1, 0), action{0, role::receive, 0, 1, 1, 0}, action::backward(1, 0), action{3, role::send, 0, 1, 0, 0}, action::forward(1, 1), action::backward(1, 1), action{3, role::send, 0, 1, 1, 0}}};
#else
inline constexpr fixed_table<2, 15> mine{{0, 8, 15}, {action::forward(0, 0), action{0, role::send, 0, 0, 0, 1}, action::forward(0, 1), action{0, role::send, 0, 0, 1, 1}, action{3, role::receive, 0, 0, 0, 1}, action::backward(0, 0), action{3, role::receive, 0, 0, 1, 1}, action::backward(0, 1),
      action{0, role::receive, 0, 1, 0, 0}, action::forward(1, 0), action::backward(1, 0), action{3, role::send, 0, 1, 0, 0}, action::forward(1, 1), action::backward(1, 1), action{3, role::send, 0, 1, 1, 0}}};
#endif
static_assert(static_plan<from_fixed_table<mine>, ranks<2>, micro_batches<2>>.ranks == 2);
