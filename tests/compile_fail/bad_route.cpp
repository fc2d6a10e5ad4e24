// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect[g++]: fault::bad_route, 2, -1>
// expect[clang++]: fault::bad_route, 2, -1>
// expect[nvcc]: Kind=stretto::v0::fault::bad_route, Rank=2, Step=-1
// expect: stretto: a route leaves the plan's ranks, or passes a stage twice; mend the routes
//
// The second stage is given to rank 2, and there are ranks 0 and 1.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

struct mine : gpipe {
#ifdef STRETTO_COMPILE_FAIL_CONTROL
  constexpr int rank_of(const sizes&, int stage) const { return stage; }
#else
  constexpr int rank_of(const sizes&, int stage) const { return 2 * stage; }
#endif
};
static_assert(static_plan<mine, ranks<2>, micro_batches<2>>.ranks == 2);
