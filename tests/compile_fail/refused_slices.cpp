// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect[g++]: size_name::slices, 2, 1, -1>
// expect[clang++]: size_name::slices, 2, 1, -1>
// expect[nvcc]: Which=stretto::v0::size_name::slices, Given=2LL, Below=1LL, Above=-1LL
// expect: stretto: the schedule has no plan for this number of slices
//
// 1F1B doesn't slice.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

#ifdef STRETTO_COMPILE_FAIL_CONTROL
static_assert(static_plan<one_f_one_b, ranks<2>, micro_batches<2>>.ranks > 0);
#else
static_assert(static_plan<one_f_one_b, ranks<2>, micro_batches<2>, slices<2>>.ranks > 0);
#endif
