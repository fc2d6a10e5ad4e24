// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect: stretto: a schedule needs void order(const sizes&, int rank, auto&& put) const, which puts the rank's actions; add it
//
// The type has a name and no order.
#include <stretto/plan.hpp>

using namespace stretto;

struct mine {
  static constexpr const char* name = "mine";
#ifdef STRETTO_COMPILE_FAIL_CONTROL
  constexpr void order(const sizes&, int rank, auto&& put) const { put(action::forward(rank, 0)), put(action::backward(rank, 0)); }
#endif
};
static_assert(static_plan<mine, ranks<2>, micro_batches<1>>.ranks == 2);
