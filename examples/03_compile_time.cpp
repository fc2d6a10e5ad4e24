// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -Iinclude examples/03_compile_time.cpp -o compile_time
// Prints:       what the compiler has worked out: a plan that is a constant, and what was asserted of it.
// Change next:  micro_batches<8> to micro_batches<0>, or two actions in the table: then it doesn't compile, and says
//               why.
#include <cstdio>
#include <string>

#include <stretto/stretto.hpp>

// A plan as a constant. It is generated and checked while it compiles; one with a fault doesn't.
constexpr const auto& plan = stretto::static_plan<stretto::one_f_one_b, stretto::ranks<4>, stretto::micro_batches<8>>;
static_assert(plan.ranks == 4 && plan.stages == 4);
static_assert(plan.actions.size() == 2 * 4 * 8);
static_assert(plan.order(3)[0] == stretto::action::forward(3, 0));
static_assert(plan.order(3)[1] == stretto::action::backward(3, 0));

// check, lower and simulate are the same functions at compile time and at run time.
static_assert(stretto::simulate(plan).makespan == 33);
static_assert(stretto::simulate(plan).peak == 4);
static_assert(stretto::check(stretto::lower(plan), stretto::links::single_fifo).ok());

// A schedule with options is a type, too.
using drained_backwards = stretto::configured<stretto::gpipe{.drain = stretto::drain_order::descending}>;
constexpr const auto& drained = stretto::static_plan<drained_backwards, stretto::ranks<2>, stretto::micro_batches<3>>;
static_assert(drained.order(0)[3] == stretto::action::backward(0, 2));

// So is an order that is written down: where each rank's list begins, then the lists behind each other.
constexpr auto f = [](int stage, int micro_batch) { return stretto::action::forward(stage, micro_batch); };
constexpr auto b = [](int stage, int micro_batch) { return stretto::action::backward(stage, micro_batch); };
inline constexpr stretto::fixed_table<2, 8> table{
    {0, 4, 8}, {f(0, 0), f(0, 1), b(0, 0), b(0, 1), f(1, 0), b(1, 0), f(1, 1), b(1, 1)}};
constexpr const auto& written =
    stretto::static_plan<stretto::from_fixed_table<table>, stretto::ranks<2>, stretto::micro_batches<2>>;
static_assert(stretto::check(written).ok());

int main() {
  std::printf("%s\n%s\n%s", stretto::to_grid(plan).c_str(), stretto::to_grid(drained).c_str(),
              stretto::to_grid(written).c_str());
}
