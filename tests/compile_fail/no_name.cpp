// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect: stretto: a schedule needs static constexpr const char* name; add it
//
// The type has an order and no name, and is used at run time.
#include <stretto/plan.hpp>

using namespace stretto;

struct mine {
#ifdef STRETTO_COMPILE_FAIL_CONTROL
  static constexpr const char* name = "mine";
#endif
  constexpr void order(const sizes&, int rank, auto&& put) const { put(action::forward(rank, 0)), put(action::backward(rank, 0)); }
};
plan made() { return make_plan(mine{}, {.ranks = 2, .micro_batches = 1}); }
