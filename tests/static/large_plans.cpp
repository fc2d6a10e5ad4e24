// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plans of 4,096 actions are generated and checked while this compiles, within the compilers' default limits.
#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

namespace {

using namespace stretto;

static_assert(static_plan<gpipe, ranks<16>, micro_batches<128>>.actions.size() == 4096);
static_assert(static_plan<one_f_one_b, ranks<16>, micro_batches<128>>.actions.size() == 4096);
static_assert(static_plan<interleaved_one_f_one_b, ranks<8>, micro_batches<64>, chunks<4>>.actions.size() == 4096);
static_assert(static_plan<configured<interleaved_one_f_one_b{.group = 16}>, ranks<16>, micro_batches<64>, chunks<2>>.actions.size() == 4096);
static_assert(static_plan<forward_only, ranks<8>, micro_batches<64>, chunks<2>, slices<4>>.actions.size() == 4096);

}  // namespace
