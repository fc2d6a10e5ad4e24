// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect[g++]: size_name::ranks, 0, -1, 1>
// expect[clang++]: size_name::ranks, 0, -1, 1>
// expect[nvcc]: Which=stretto::v0::size_name::ranks, Given=0LL, Below=-1LL, Above=1LL
// expect: stretto: the schedule has no plan for this number of ranks
//
// A plan needs a rank.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

#ifdef STRETTO_COMPILE_FAIL_CONTROL
static_assert(static_plan<gpipe, ranks<1>, micro_batches<2>>.ranks > 0);
#else
static_assert(static_plan<gpipe, ranks<0>, micro_batches<2>>.ranks > 0);
#endif
