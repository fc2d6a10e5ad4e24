// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What plans cost: making, checking, lowering and simulating the large ones.
//
//     build/bench/bench_plan            one row a step; "everything" is making + check + lowering + check of the program
// interleaved_1f1b with 16 ranks, 4 chunks and 128 micro-batches has 16,384 passes and 48,896 entries once lowered.
#include <benchmark/benchmark.h>

#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

namespace {

using namespace stretto;

constexpr sizes large{.ranks = 16, .micro_batches = 128, .chunks = 4};
constexpr interleaved_one_f_one_b schedule{};

void actions(benchmark::State& state, std::int64_t count) { state.SetItemsProcessed(state.iterations() * count); }

void make(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(make_plan(schedule, large).actions.data());
  actions(state, make_plan(schedule, large).actions.size());
}

void check_order(benchmark::State& state) {
  const plan p = make_plan(schedule, large);
  for (auto _ : state) benchmark::DoNotOptimize(check(p).ok());
  actions(state, p.actions.size());
}

void lower_plan(benchmark::State& state) {
  const plan p = make_plan(schedule, large);
  for (auto _ : state) benchmark::DoNotOptimize(lower(p).actions.data());
  actions(state, p.actions.size());
}

void check_program(benchmark::State& state) {
  const program p = lower(make_plan(schedule, large));
  for (auto _ : state) benchmark::DoNotOptimize(check(p).ok());
  actions(state, p.actions.size());
}

void simulate_plan(benchmark::State& state) {
  const plan p = make_plan(schedule, large);
  for (auto _ : state) benchmark::DoNotOptimize(simulate(p).makespan);
  actions(state, p.actions.size());
}

void everything(benchmark::State& state) {
  std::int64_t entries = 0;
  for (auto _ : state) {
    const plan p = make_plan(schedule, large);
    const program q = lower(p);
    entries = q.actions.size();
    benchmark::DoNotOptimize(check(p).ok() && check(q).ok());
  }
  actions(state, entries);
}

BENCHMARK(make)->Unit(benchmark::kMillisecond);
BENCHMARK(check_order)->Unit(benchmark::kMillisecond);
BENCHMARK(lower_plan)->Unit(benchmark::kMillisecond);
BENCHMARK(check_program)->Unit(benchmark::kMillisecond);
BENCHMARK(simulate_plan)->Unit(benchmark::kMillisecond);
BENCHMARK(everything)->Unit(benchmark::kMillisecond);

}  // namespace
