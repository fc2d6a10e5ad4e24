// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect[g++]: size_name::micro_batches, 6, 4, 8>
// expect[clang++]: size_name::micro_batches, 6, 4, 8>
// expect[nvcc]: Which=stretto::v0::size_name::micro_batches, Given=6LL, Below=4LL, Above=8LL
// expect: stretto: the schedule has no plan for this number of micro-batches; the nearest that would do stand in size_fault
//
// A rest of 2 micro-batches behind a group of 4 would deadlock on 4 ranks.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

#ifdef STRETTO_COMPILE_FAIL_CONTROL
static_assert(static_plan<configured<interleaved_one_f_one_b{.group = 4}>, ranks<4>, micro_batches<8>, chunks<2>>.ranks > 0);
#else
static_assert(static_plan<configured<interleaved_one_f_one_b{.group = 4}>, ranks<4>, micro_batches<6>, chunks<2>>.ranks > 0);
#endif
