// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "unit.hpp"

int main() {
  const unit_report one = report_of_one();
  const unit_report two = report_of_two();
  if (!one.ok || !two.ok || *one.plan_type != *two.plan_type || !one.row->output.is(two.row->input)) return 1;
  // Rows from two units, joined by a third.
  stretto::pipeline p(stretto::sequential(stretto::layer<first_layer>(), stretto::layer<second_layer>()), stretto::cut::of({1, 1}),
                      stretto::make_plan(stretto::one_f_one_b{}, {.ranks = 2, .micro_batches = 3}));
  const float x = 2;
  p.feed<float>("x", [&](const stretto::data_share&) { return stretto::view<const float>{&x, 1}; });
  return p.step().loss() == 6 ? 0 : 1;
}
