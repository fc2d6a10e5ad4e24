// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect: stretto: a schedule's order changes the schedule, and is asked for twice; make order const
//
// A counter of its own would count twice.
#include <stretto/plan.hpp>

using namespace stretto;

struct mine {
  static constexpr const char* name = "mine";
  int puts = 0;
#ifdef STRETTO_COMPILE_FAIL_CONTROL
  constexpr void order(const sizes&, int rank, auto&& put) const { put(action::forward(rank, 0)), put(action::backward(rank, 0)); }
#else
  constexpr void order(const sizes&, int rank, auto&& put) { ++puts, put(action::forward(rank, 0)), put(action::backward(rank, 0)); }
#endif
};
static_assert(static_plan<mine, ranks<2>, micro_batches<1>>.ranks == 2);
