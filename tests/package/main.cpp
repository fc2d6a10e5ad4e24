// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What every stranger's project here runs.
#include <stretto/stretto.hpp>

int main() {
  auto p = stretto::make_plan(stretto::one_f_one_b{}, {.ranks = 4, .micro_batches = 8});
  return stretto::check(p).ok() ? 0 : 1;
}
