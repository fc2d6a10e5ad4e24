// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranks that have an end each of one transport, as if they were processes.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <stretto/run/pipeline.hpp>
#include <stretto/transport/endpoint.hpp>
#include <stretto/transport/group.hpp>
#include <stretto/transport/recorded.hpp>
#include <stretto/transport/threads.hpp>

#include "catch.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"
#include "transport/crowd.hpp"

using namespace stretto;
using crowd::together;

namespace {

/// Runs work(endpoint, rank) on a thread for each rank.
template <class T, class Work>
std::string on_ends(T& all, Work&& work) {
  std::vector<std::string> thrown(static_cast<std::size_t>(all.ranks()));
  std::vector<std::thread> ranks;
  for (int r = 0; r < all.ranks(); ++r)
    ranks.emplace_back([&, r] {
      try {
        endpoint<T> mine(all, r);
        work(mine, r);
      } catch (const std::exception& e) {
        thrown[static_cast<std::size_t>(r)] = e.what();
      }
    });
  for (std::thread& one : ranks) one.join();
  return together(thrown);
}

std::atomic<int> made = 0, dropped = 0;

/// Only the sender knows how objects are made.
channel_shape counted(int from, int to, bool sends) {
  channel_shape s = crowd::numbers(from, to, 3, 2);
  if (!sends) {
    s.make = nullptr, s.drop = nullptr, s.bytes = nullptr, s.maker = nullptr;
    return s;
  }
  s.make = [](const void*) -> void* { return ++made, new std::int64_t(0); };
  s.drop = [](void* o) { ++dropped, delete static_cast<std::int64_t*>(o); };
  return s;
}

}  // namespace

TEST_CASE("two threads with an endpoint each exchange messages") {
  constexpr std::int64_t steps = sweep::thin > 1 ? 200 : 2000;
  threads t(2, {.deadline = 20});
  made = dropped = 0;
  CHECK(on_ends(t, [&](endpoint<threads>& mine, int r) {
    if (mine.ranks() != 2 || !mine.local(r) || mine.local(1 - r) || mine.host() != 3 + r) throw error("stretto: an end that doesn't know itself");
    auto* there = mine.open(counted(0, 1, r == 0));
    auto* back = mine.open(counted(1, 0, r == 1));
    if (mine.opened() != 2) throw error("stretto: another number of channels");
    group g(mine, r, "both");
    g.barrier();
    for (std::int64_t step = 0; step < steps; ++step)
      for (std::int64_t box = 0; box < 3; ++box) {
        if (r == 0) {
          crowd::send(mine, *there, {step, 0, box}, step * 3 + box);
          if (crowd::receive(mine, *back, {step, 1, box}) != step * 3 + box + 1) throw error("stretto: another number came back");
        } else {
          crowd::send(mine, *back, {step, 1, box}, crowd::receive(mine, *there, {step, 0, box}) + 1);
        }
      }
    g.barrier();
    mine.close(there);
    mine.close(back);
  }) == "");
  CHECK(made == 4);  // two for each channel, made by its sender alone
  CHECK(dropped == 4);
}

TEST_CASE("a host that waits for segments is woken when the last is published") {
  threads t(3, {.deadline = 20});
  const auto begun = std::chrono::steady_clock::now();
  CHECK(on_ends(t, [&](endpoint<threads>& mine, int r) {
    auto* g = mine.open_gathering("cards", {8, 1, {}});
    std::this_thread::sleep_for(std::chrono::milliseconds(10 * r));
    *static_cast<std::int64_t*>(mine.segment(*g, r, 0)) = 10 + r;
    mine.publish(*g, r, 0);
    mine.gathered(*g, mine.host(), 0, crowd::nothing);
    for (int k = 0; k < 3; ++k)
      if (*static_cast<const std::int64_t*>(mine.from(*g, k, 0)) != 10 + k) throw error("stretto: another number");
    mine.close(g);
  }) == "");
  CHECK(crowd::since(begun) < 5);
}

TEST_CASE("ranks with a pipeline each train as one pipeline for all does") {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = 4});
  const toy::data data(4);
  const auto losses = [&](auto& p) {
    toy::feed(p, data);
    std::vector<double> all;
    for (int i = 0; i < 5; ++i) all.push_back(p.step(12).loss());
    return all;
  };
  pipeline one(toy::model_of(6), toy::cut_of(9, 3), order, adamw{.rate = 0.01}, {.samples = toy::rows});
  const std::vector<double> expected = losses(one);
  const auto begun = std::chrono::steady_clock::now();
  recorded<threads> t(3, threads_options{.deadline = 60});
  std::vector<std::vector<double>> seen(3);
  CHECK(on_ends(t, [&](endpoint<recorded<threads>>& mine, int r) {
    pipeline p(mine, toy::model_of(6), toy::cut_of(9, 3), order, adamw{.rate = 0.01}, {.samples = toy::rows});
    seen[static_cast<std::size_t>(r)] = losses(p);
  }) == "");
  for (const auto& s : seen) CHECK(s == expected);
  CHECK(t.messages(0, 1) == 5 * 4 * 2);  // a value and a skip connection each
  CHECK(crowd::since(begun) < 20);  // no bell is missed, or a host would sleep until the deadline
}

TEST_CASE("an end that fails ends all of them and a rank that isn't there has none") {
  threads t(2, {.deadline = 20});
  CHECK(on_ends(t, [&](endpoint<threads>& mine, int r) {
    if (r == 0) mine.fail(error("stretto: the trap"));
    mine.wait(r, [] { return false; }, crowd::nothing);
  }) == "stretto: the trapstretto: the trap");
  CHECK(t.failed());
  CHECK(sweep::thrown([&] { endpoint<threads>(t, 2); }) == "stretto: rank 2 has no endpoint in a transport of 2 ranks; use 0 to 1");
  CHECK(sweep::thrown([&] { endpoint<threads>(t, -1); }) == "stretto: rank -1 has no endpoint in a transport of 2 ranks; use 0 to 1");
}
