// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What plans cost: making, checking, lowering and simulating the large ones.
//
//     build/bench/bench_plan            one row a step; "everything" is making + check + lowering + check of the program
// With 16 ranks, 4 chunks and 128 micro-batches interleaved_1f1b has 16,384 passes and 48,896 entries once lowered,
// interleaved_zb 24,576 and 56,832.
#include <benchmark/benchmark.h>

#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

namespace {

using namespace stretto;

constexpr sizes large{.ranks = 16, .micro_batches = 128, .chunks = 4};

void actions(benchmark::State& state, std::int64_t count) { state.SetItemsProcessed(state.iterations() * count); }

template <class S>
void make(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(make_plan(S{}, large).actions.data());
  actions(state, make_plan(S{}, large).actions.size());
}

template <class S>
void check_order(benchmark::State& state) {
  const plan p = make_plan(S{}, large);
  for (auto _ : state) benchmark::DoNotOptimize(check(p).ok());
  actions(state, p.actions.size());
}

template <class S>
void lower_plan(benchmark::State& state) {
  const plan p = make_plan(S{}, large);
  for (auto _ : state) benchmark::DoNotOptimize(lower(p).actions.data());
  actions(state, p.actions.size());
}

template <class S>
void check_program(benchmark::State& state) {
  const program p = lower(make_plan(S{}, large));
  for (auto _ : state) benchmark::DoNotOptimize(check(p).ok());
  actions(state, p.actions.size());
}

template <class S>
void simulate_plan(benchmark::State& state) {
  const plan p = make_plan(S{}, large);
  for (auto _ : state) benchmark::DoNotOptimize(simulate(p).makespan);
  actions(state, p.actions.size());
}

template <class S>
void simulate_recorded(benchmark::State& state) {
  const plan p = make_plan(S{}, large);
  for (auto _ : state) benchmark::DoNotOptimize(simulate(p, costs(), holding(), {.record = true}).slack.data());
  actions(state, p.actions.size());
}

template <class S>
void simulate_turns(benchmark::State& state) {
  const plan p = make_plan(S{}, large);
  costs c;
  c.bandwidth = 4, c.sharing = turns::by_pair;
  for (auto _ : state) benchmark::DoNotOptimize(simulate(p, c).makespan);
  actions(state, p.actions.size());
}

template <class S>
void everything(benchmark::State& state) {
  std::int64_t entries = 0;
  for (auto _ : state) {
    const plan p = make_plan(S{}, large);
    const program q = lower(p);
    entries = q.actions.size();
    benchmark::DoNotOptimize(check(p).ok() && check(q).ok());
  }
  actions(state, entries);
}

#define STRETTO_BENCH(step)                                                              \
  BENCHMARK_TEMPLATE(step, interleaved_one_f_one_b)->Unit(benchmark::kMillisecond);      \
  BENCHMARK_TEMPLATE(step, interleaved_zb)->Unit(benchmark::kMillisecond)
STRETTO_BENCH(make);
STRETTO_BENCH(check_order);
STRETTO_BENCH(lower_plan);
STRETTO_BENCH(check_program);
STRETTO_BENCH(simulate_plan);
STRETTO_BENCH(simulate_recorded);
STRETTO_BENCH(simulate_turns);
STRETTO_BENCH(everything);
#undef STRETTO_BENCH

}  // namespace
