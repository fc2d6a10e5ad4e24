// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the executor costs: steps of a pipeline whose layers do nothing. items_per_second is actions of one rank a second,
// so its inverse is the time of an action; with two ranks a hand-over between threads is part of nearly every one. The
// contender beside it is two threads that pass one atomic number to and fro: items are one-way trips.
#include <benchmark/benchmark.h>

#include <atomic>
#include <thread>

#include <stretto/run/pipeline.hpp>
#include <stretto/schedule.hpp>

namespace {

using namespace stretto;

struct start {
  using input = nothing;
  using output = float;
  void forward(context&, const nothing&, float& out) { out = 1; }
  void backward_input(context&, const nothing&, const float&, nothing&) {}
};

struct middle {
  using input = float;
  using output = float;
  void forward(context&, const float& in, float& out) { out = in; }
  void backward_input(context&, const float&, const float& dy, float& dx) { dx = dy; }
};

struct finish {
  using input = float;
  using output = double;
  void forward(context&, const float& in, double& out) { out = static_cast<double>(in); }
  void backward_input(context&, const float&, const double& dy, float& dx) { dx = static_cast<float>(dy); }
};

void empty_layers(benchmark::State& state) {
  const int ranks = static_cast<int>(state.range(0)), micro_batches = 256;
  const std::vector<int> sizes = ranks == 1 ? std::vector<int>{4} : std::vector<int>{2, 2};
  pipeline p(sequential(layer<start>(), repeat<middle>(2), layer<finish>()), cut::of(sizes),
             make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = micro_batches}));
  for (auto _ : state) benchmark::DoNotOptimize(p.step(micro_batches).loss());
  state.SetItemsProcessed(state.iterations() * 2 * micro_batches);
}
BENCHMARK(empty_layers)->ArgName("ranks")->Arg(1)->Arg(2)->UseRealTime();

void to_and_fro(benchmark::State& state) {
  std::atomic<long> ball = 0;
  std::atomic<bool> stop = false;
  std::thread other([&] {
    for (long turn = 1; !stop.load(std::memory_order_relaxed);)
      if (ball.load(std::memory_order_acquire) == turn) {
        ball.store(turn + 1, std::memory_order_release);
        turn += 2;
      }
  });
  long turn = 0;
  for (auto _ : state) {
    ball.store(++turn, std::memory_order_release);
    while (ball.load(std::memory_order_acquire) != turn + 1) continue;
    ++turn;
  }
  stop = true;
  other.join();
  state.SetItemsProcessed(2 * state.iterations());
}
BENCHMARK(to_and_fro)->UseRealTime();

}  // namespace
