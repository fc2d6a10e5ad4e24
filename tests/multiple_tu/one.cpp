// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "unit.hpp"

unit_report report_of_one() {
  const auto plan = stretto::make_plan(stretto::one_f_one_b{}, {.ranks = 4, .micro_batches = 8});
  return {stretto::check(plan).ok(), &typeid(plan), &stretto::row_of<first_layer>};
}
