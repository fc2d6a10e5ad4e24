// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect[g++]: size_name::option, 3, -1, 4>
// expect[clang++]: size_name::option, 3, -1, 4>
// expect[nvcc]: Which=stretto::v0::size_name::option, Given=3LL, Below=-1LL, Above=4LL
// expect: stretto: an option of the schedule doesn't fit these sizes
//
// Groups of 3 would deadlock on 4 ranks.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

#ifdef STRETTO_COMPILE_FAIL_CONTROL
static_assert(static_plan<configured<interleaved_one_f_one_b{.group = 4}>, ranks<4>, micro_batches<8>, chunks<2>>.ranks > 0);
#else
static_assert(static_plan<configured<interleaved_one_f_one_b{.group = 3}>, ranks<4>, micro_batches<8>, chunks<2>>.ranks > 0);
#endif
