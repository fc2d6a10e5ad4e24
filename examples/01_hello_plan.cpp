// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -Iinclude examples/01_hello_plan.cpp -o hello_plan
// Prints:       a plan of 3 ranks and 4 micro-batches: its verdict, its picture, its times, rank 1's list; then the
//               verdict on the same plan with two actions of rank 1 exchanged.
// Change next:  one_f_one_b{} to gpipe{}; the sizes; the costs of a forward, an input and a weight pass.
#include <cstdio>
#include <string>
#include <utility>

#include <stretto/stretto.hpp>

int main() {
  // A plan is a schedule's result for given sizes: what each rank does, in which order.
  stretto::plan plan = stretto::make_plan(stretto::one_f_one_b{}, {.ranks = 3, .micro_batches = 4});

  // A verdict is a value. It says whether the plan is complete, ordered and free of deadlock.
  const stretto::verdict fine = stretto::check(plan);
  std::printf("fine: %s\n\n", fine.ok() ? "yes" : fine.words.c_str());

  // Costs are of one rank's whole share of one micro-batch: F, I and W; a fused B costs I + W.
  const stretto::costs costs(1, 1, 1);
  std::printf("%s\n", stretto::to_grid(plan, costs).c_str());

  const stretto::forecast f = stretto::simulate(plan, costs);
  std::printf("makespan %g, bubble %g, peak %g micro-batches on a rank\n\n", f.makespan, f.bubble(), f.peak);

  std::printf("rank 1:");
  for (const stretto::action& a : plan.order(1)) std::printf(" %s", stretto::name_of(plan.passes, a).c_str());
  std::printf("\n");

  // Lists lie behind each other in plan.actions; rows says where each begins. Now rank 1 wants B1 before F1.
  const auto first = plan.rows[1];
  std::swap(plan.actions[first + 1], plan.actions[first + 4]);
  std::printf("%s\n", stretto::check(plan).words.c_str());
}
