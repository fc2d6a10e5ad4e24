// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Streams: three modules of 1, 2 and 3 ms, which wait and don't compute, so that a core for each isn't needed. Prints the rate
// beside the slowest module's and beside one thread that calls them in turn; how long items take under a load below and above
// that rate, by policy; how soon an idle stream begins; and what an item costs where modules do nothing.
//
//     bench_stream [seconds of each row]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <stretto/stream.hpp>

using namespace stretto;
using steady = std::chrono::steady_clock;

namespace {

struct item {
  std::int64_t number = 0;
};

/// Sleeps until shortly before, so that it is exact and leaves the core to others.
void wait_until(steady::time_point end) {
  constexpr std::chrono::microseconds late(200);
  if (end - steady::now() > 2 * late) std::this_thread::sleep_until(end - late);
  while (steady::now() < end) {}
}
void busy_for(double ms) {
  if (ms > 0) wait_until(steady::now() + std::chrono::nanoseconds(static_cast<std::int64_t>(ms * 1e6)));
}

struct module {
  using input = item;
  using output = item;
  double ms = 0;
  void forward(context&, const item& in, item& out) {
    busy_for(ms);
    out = in;
  }
  void backward_input(context&, const item&, const nothing&, nothing&) {}
};

auto model(double a, double b, double c) {
  return sequential(layer<stream_entry<item>>(), layer<module>(module{a}), layer<module>(module{b}), layer<module>(module{c}), layer<stream_exit<item>>());
}
plan walk(int queue) { return service_of(make_plan(forward_only{}, {.ranks = 3, .micro_batches = 1}), queue); }

double ms(const histogram& h, double share) { return static_cast<double>(h.quantile(share)) * 1e-6; }

/// Items at so many a second, 0 for as fast as they are taken, for some seconds.
template <class Model>
stream_report serve(const Model& m, int queue, const stream_options<item>& how, double rate, double seconds) {
  pipeline p(m, cut::of({2, 1, 2}), walk(queue));
  stream s(p, how);
  std::thread pusher([&] {
    const auto begin = steady::now();
    for (std::int64_t i = 0;; ++i) {
      const auto due = rate > 0 ? begin + std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(i) * 1e9 / rate)) : steady::now();
      if (due - begin > std::chrono::duration<double>(seconds)) break;
      if (rate > 0) std::this_thread::sleep_until(due);
      item x{i};
      s.push(x);
    }
    s.close();
  });
  while (s.next().what != outcome::closed) {}
  pusher.join();
  return s.report();
}

void row(const char* name, const stream_report& r) {
  std::printf("  %-34s %8.1f %8.2f %8.2f %8.2f %8.2f %7lld %7lld\n", name, r.rate(), ms(r.whole, 0.5), ms(r.whole, 0.9), ms(r.whole, 0.99), static_cast<double>(r.whole.most()) * 1e-6,
              static_cast<long long>(r.pushed), static_cast<long long>(r.superseded + r.late + r.refused));
}

}  // namespace

int main(int count, char** words) {
  const double seconds = count > 1 ? std::atof(words[1]) : 3;
  const auto m = model(1, 2, 3);
  std::printf("three modules of 1, 2 and 3 ms on 3 ranks, %g s a row\n", seconds);

  const auto begin = steady::now();
  std::int64_t alone = 0;
  while (steady::now() - begin < std::chrono::duration<double>(seconds)) busy_for(1), busy_for(2), busy_for(3), ++alone;
  const double one = static_cast<double>(alone) / std::chrono::duration<double>(steady::now() - begin).count();
  const service_forecast told = [] {
    costs c(1);
    for (int s = 0; s < 3; ++s) c.specials.push_back({scope::stage, s, pass::forward, 0.001 * (s + 1)});
    return foretell(walk(1), c);
  }();
  std::printf("  one thread, module by module: %.1f a second; foretold of the stream: %.1f, and %.2f ms\n\n", one, told.rate, told.latency * 1e3);

  std::printf("  %-34s %8s %8s %8s %8s %8s %7s %7s\n", "offered, policy, queue", "a second", "p50 ms", "p90", "p99", "max", "pushed", "dropped");
  const stream_report full = serve(m, 1, {.entry = 2}, 0, seconds);
  row("all it takes, block, 1", full);
  row("all it takes, block, 4", serve(m, 4, {.entry = 2}, 0, seconds));
  row("200 a second, block, 1", serve(m, 1, {.entry = 64}, 200, seconds));
  row("400 a second, block, 1, entry 64", serve(m, 1, {.entry = 64}, 400, seconds));
  row("400 a second, deadline 15 ms", serve(m, 1, {.entry = 64, .deadline = 0.015}, 400, seconds));
  row("400 a second, drop_newest, entry 1", serve(m, 1, {.entry = 1, .full = when_full::drop_newest}, 400, seconds));
  row("400 a second, drop_oldest, entry 1", serve(m, 1, {.entry = 1, .full = when_full::drop_oldest}, 400, seconds));
  row("400 a second, drop_oldest, fresh 0", serve(m, 1, {.entry = 1, .full = when_full::drop_oldest, .fresh = 0}, 400, seconds));
  const histogram& slowest = full.stages[2].work;
  std::printf("  all it takes: %.4f of 1 / 3 ms; %.4f of the rate at which the slowest module worked (%.3f ms on average); %.2f times one thread\n\n", full.rate() / told.rate,
              full.rate() * slowest.mean() * 1e-9, slowest.mean() * 1e-6, full.rate() / one);

  const auto nothing_to_do = model(0, 0, 0);
  const stream_report idle = serve(nothing_to_do, 1, {}, 500, std::min(seconds, 2.0));
  std::printf("  idle, modules that do nothing, 500 a second: begun after %.1f us (p50), %.1f us (p99); through three ranks in %.1f us, %.1f us\n", 1e3 * ms(idle.entry, 0.5),
              1e3 * ms(idle.entry, 0.99), 1e3 * ms(idle.whole, 0.5), 1e3 * ms(idle.whole, 0.99));
  for (int queue : {1, 15}) {
    const stream_report most = serve(nothing_to_do, queue, {.entry = 64}, 0, std::min(seconds, 2.0));
    std::printf("  all it takes, modules that do nothing, queue %2d: %.2f us an item\n", queue, 1e6 / most.rate());
  }
}
