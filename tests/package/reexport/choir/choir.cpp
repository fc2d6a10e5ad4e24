// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <choir/choir.hpp>

bool choir::sings(int ranks, int micro_batches) {
  const auto plan = stretto::make_plan(stretto::one_f_one_b{}, {.ranks = ranks, .micro_batches = micro_batches});
  return stretto::check(plan).ok();
}
