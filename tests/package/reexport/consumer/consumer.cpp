// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <choir/choir.hpp>

static_assert(__cplusplus >= 202002L);

int main() {
  const auto plan = stretto::make_plan(stretto::one_f_one_b{}, {.ranks = 2, .micro_batches = 3});
  return stretto::check(plan).ok() && choir::sings(4, 8) ? 0 : 1;
}
