// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the executor costs. empty_layers: steps of a pipeline whose layers do nothing; items_per_second is actions of one rank
// a second, so its inverse is the time of an action; with two ranks a hand-over between threads is part of nearly every one.
// hand_over: messages of a channel to and fro between two threads, beside to_and_fro, two threads that pass one atomic
// number: items are one-way trips. recorder: steps of two such pipelines in turn, one recorded and one not, and what a moment that
// is noted costs, beside a reading of the clock. over_simulated: ranks whose layers sleep, measured step time over the simulated one.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <stretto/plan/simulate.hpp>
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

void recorder(benchmark::State& state) {
  const int ranks = static_cast<int>(state.range(0)), micro_batches = 256;
  const std::vector<int> sizes = ranks == 1 ? std::vector<int>{4} : std::vector<int>{2, 2};
  const auto model = sequential(layer<start>(), repeat<middle>(2), layer<finish>());
  const plan order = make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = micro_batches});
  pipeline on(model, cut::of(sizes), order, sgd{}, {.record = true}), off(model, cut::of(sizes), order, sgd{}, {.record = false});
  using clock = std::chrono::steady_clock;
  double with = 1e18, without = 1e18, reading = 1e18;  // the quickest of each, since others may be at work on the machine
  constexpr int readings = 1000;
  const auto timed = [](double& quickest, auto&& work) {
    const auto begun = clock::now();
    work();
    quickest = std::min(quickest, std::chrono::duration<double, std::nano>(clock::now() - begun).count());
  };
  on.step(micro_batches).loss(), off.step(micro_batches).loss();
  for (auto _ : state) {
    timed(with, [&] { on.step(micro_batches).loss(); });
    timed(without, [&] { off.step(micro_batches).loss(); });
    timed(reading, [&] {
      for (int i = 0; i < readings; ++i) benchmark::DoNotOptimize(clock::now());
    });
  }
  // An entry's end is noted, a message's arrival, and when there was an object to fill.
  const plan_view p = on.steps();
  std::int64_t moments = 2;
  for (const action& a : p.order(0)) moments += a.kind == role::send ? 2 : 1;
  state.counters["ns/step on"] = with, state.counters["ns/step off"] = without;
  state.counters["ns/moment"] = (with - without) / static_cast<double>(moments);
  state.counters["ns/clock"] = reading / readings;
}
BENCHMARK(recorder)->ArgName("ranks")->Arg(1)->Arg(2)->UseRealTime();

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

void hand_over(benchmark::State& state) {
  threads t(2);
  channel_shape there;
  there.from = 0, there.to = 1, there.boxes = 1, there.objects = 2;
  there.make = [](const void*) -> void* { return new long(0); };
  there.drop = [](void* p) { delete static_cast<long*>(p); };
  there.maker = &there;
  channel_shape back = there;
  back.from = 1, back.to = 0;
  auto *out = t.open(there), *in = t.open(back);
  const auto say = [](text& words) { words.add("the other thread"); };
  std::thread other([&] {
    for (std::int64_t step = 0;; ++step) {
      const parcel p = t.take(*out, {step, 0, 0}, say);
      const bool last = *static_cast<long*>(p.object) < 0;
      t.give_back(*out, p.object);
      void* o = t.fresh(*in, say);
      t.put(*in, {step, 1, 0}, o, say);
      if (last) return;
    }
  });
  std::int64_t step = 0;
  const auto trip = [&](long value) {
    void* o = t.fresh(*out, say);
    *static_cast<long*>(o) = value;
    t.put(*out, {step, 0, 0}, o, say);
    t.give_back(*in, t.take(*in, {step, 1, 0}, say).object);
    ++step;
  };
  for (auto _ : state) trip(1);
  trip(-1);
  other.join();
  state.SetItemsProcessed(2 * state.iterations());
}
BENCHMARK(hand_over)->UseRealTime();

constexpr double pass_time = 5e-3;
void sleep_a_pass() { std::this_thread::sleep_until(std::chrono::steady_clock::now() + std::chrono::microseconds(static_cast<int>(pass_time * 1e6))); }

template <class In, class Out>
struct sleeper {
  using input = In;
  using output = Out;
  std::vector<float> w{1}, g{0};
  void forward(context&, const In&, Out& out) { sleep_a_pass(), out = 1; }
  void backward_input(context&, const In&, const Out&, gradient_of<In>&) { sleep_a_pass(); }
  void backward_weight(context&, const In&, const Out&) { sleep_a_pass(); }
  void parameters(auto&& visit) { visit("w", w, g); }
};

void over_simulated(benchmark::State& state) {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8});
  pipeline p(sequential(layer<sleeper<nothing, float>>(), repeat<sleeper<float, float>>(2), layer<sleeper<float, double>>()), cut::of({1, 1, 1, 1}), order);
  double took = 0;
  for (auto _ : state) {
    const auto begun = std::chrono::steady_clock::now();
    p.step().loss();
    took += std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  }
  state.counters["measured/simulated"] = took / static_cast<double>(state.iterations()) / simulate(order, costs(pass_time, pass_time, pass_time)).makespan;
}
BENCHMARK(over_simulated)->UseRealTime()->Iterations(5)->Unit(benchmark::kMillisecond);

}  // namespace
