// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How threads wait for each other: no bell is missed, deadlines are kept and say what was waited for, a failure ends
// every wait.
#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <stretto/transport/threads.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"
#include "transport/crowd.hpp"

using namespace stretto;
using crowd::on_all;
using crowd::since;
using crowd::together;
using sweep::thrown;
using clock_type = std::chrono::steady_clock;

namespace {

void rest(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

/// More ranks than a machine has cores, so nobody spins.
constexpr int crowded = 1025;

/// Ranks 0 and 1 pass a number to and fro; `waits` is wait, attend or doze.
template <class Waits>
void ping_pong(int ranks, int times, Waits&& waits) {
  threads t(ranks, {.deadline = 30});
  std::atomic<int> turn = 0;
  const auto words = on_all(t, 2, [&](int r) {
    for (int i = r; i < times; i += 2) {
      waits(t, r, [&] { return turn.load(std::memory_order_acquire) == i; });
      turn.store(i + 1, std::memory_order_release);
      t.ring(1 - r);
    }
  });
  CHECK(together(words) == "");
  CHECK(turn == times);
}

}  // namespace

TEST_CASE("no bell is missed where nobody spins") {
  constexpr int times = 100000 / sweep::scarce;
  const auto begun = clock_type::now();
  ping_pong(crowded, times, [](threads& t, int r, auto&& ready) { t.wait(r, ready, crowd::nothing); });
  ping_pong(crowded, times / 10, [](threads& t, int r, auto&& ready) { t.doze(r, ready); });
  ping_pong(crowded, times / 10, [](threads& t, int r, auto&& ready) { t.attend(r, ready, [] { return std::int64_t{0}; }, crowd::nothing); });
  CHECK(since(begun) < 25);  // a bell that is missed costs the deadline
}

TEST_CASE("no bell is missed where ranks spin before they sleep") {
  ping_pong(2, 20000 / sweep::scarce, [](threads& t, int r, auto&& ready) { t.wait(r, ready, crowd::nothing); });
  ping_pong(1, 2, [](threads& t, int r, auto&& ready) {
    if (r == 0) t.wait(t.host(), ready, crowd::nothing);  // the host sleeps at once
    else rest(5), t.doze(0, ready), t.ring(t.host());
  });
}

TEST_CASE("many ranks that go round are all woken") {
  constexpr int ranks = 9, times = 9 * (2000 / sweep::scarce);
  threads t(ranks, {.deadline = 30});
  std::atomic<int> turn = 0;
  CHECK(together(on_all(t, ranks, [&](int r) {
    for (int i = r; i < times; i += ranks) {
      t.wait(r, [&] { return turn.load(std::memory_order_acquire) == i; }, crowd::nothing);
      turn.store(i + 1, std::memory_order_release);
      t.ring((r + 1) % ranks);
    }
  })) == "");
  CHECK(turn == times);
}

TEST_CASE("what already holds is not waited for") {
  threads t(2, {.deadline = 0.001});
  const auto yes = [] { return true; };
  t.wait(0, yes, crowd::nothing);
  t.attend(1, yes, [] { return std::int64_t{0}; }, crowd::nothing);
  t.doze(0, yes);
  t.wait(t.host(), yes, crowd::nothing);
  CHECK(!t.failed());
  t.fail(error("stretto: the trap"));
  t.wait(0, yes, crowd::nothing);  // what is there is there
  t.doze(1, yes);
  CHECK(thrown([&] { t.wait(1, [] { return false; }, crowd::nothing); }) == "stretto: the trap");
}

TEST_CASE("who meets the deadline says for how long and for what it waited") {
  const auto begun = clock_type::now();
  const auto never = [] { return false; };
  threads t(3, {.deadline = 0.05});
  CHECK(thrown([&] { t.wait(2, never, [](text& s) { s.add("the post"); }); }) ==
        "stretto: rank 2 waited 50 ms for the post; see what the others do, as stretto-explain reads it off their logs, or raise the deadline");
  CHECK(t.failed());
  CHECK(thrown([&] { t.wait(0, never, [](text& s) { s.add("something else"); }); }).find("rank 2 waited 50 ms for the post") != std::string::npos);
  CHECK(thrown([&] { t.rethrow(); }).find("the post") != std::string::npos);
  CHECK(since(begun) < 5);
  CHECK(since(begun) > 0.049);

  threads other(1, {.deadline = 0.05});  // the host has half a second more, because ranks know better what is missing
  CHECK(thrown([&] { other.wait(other.host(), never, crowd::nothing); }) ==
        "stretto: the thread that asks for steps waited 550 ms for a test; see what the others do, as stretto-explain reads it off their logs, or raise the deadline");

  threads third(2, {.deadline = 0.05});
  try {
    third.wait(1, never, crowd::nothing);
    CHECK(false);
  } catch (const error& e) {
    CHECK(e.place().rank == 1);
  }
}

TEST_CASE("the deadline begins anew while there is progress") {
  threads t(2, {.deadline = 0.1});
  std::atomic<std::int64_t> progress = 0;
  std::atomic<bool> done = false;
  const auto begun = clock_type::now();
  std::string words;
  std::thread watcher([&] { words = thrown([&] { t.attend(1, [&] { return done.load(); }, [&] { return progress.load(); }, crowd::nothing); }); });
  for (int i = 0; i < 20; ++i) rest(20), ++progress;
  done = true;
  t.ring(1);
  watcher.join();
  CHECK(words == "");
  CHECK(since(begun) >= 0.4);

  done = false;
  const auto again = clock_type::now();
  std::thread impatient([&] { words = thrown([&] { t.attend(1, [&] { return done.load(); }, [&] { return progress.load(); }, crowd::nothing); }); });
  for (int i = 0; i < 5; ++i) rest(20), ++progress;
  impatient.join();  // nothing moves any more
  CHECK(words == "stretto: rank 1 waited 100 ms for a test; see what the others do, as stretto-explain reads it off their logs, or raise the deadline");
  CHECK(since(again) >= 0.1);
  CHECK(since(again) < 5);
}

TEST_CASE("who dozes has no deadline and is not ended by a failure but by its bell") {
  threads t(2, {.deadline = 0.02});
  std::atomic<bool> done = false, back = false;
  std::thread dozer([&] { t.doze(0, [&] { return done.load(); }), back = true; });
  rest(100);
  CHECK(!back);
  t.fail(error("stretto: the trap"));
  rest(20);
  CHECK(!back);
  done = true;
  t.ring(0);
  dozer.join();
  CHECK(back);
}

TEST_CASE("a failure ends all waits at once in the error that came first") {
  for (int ranks : {1, 2, 8}) {
    threads t(ranks, {.deadline = 30});
    std::vector<std::string> words(static_cast<std::size_t>(ranks) + 1);
    std::vector<std::thread> all;
    const auto begun = clock_type::now();
    for (int r = 0; r <= ranks; ++r)  // the host, too
      all.emplace_back([&, r] { words[static_cast<std::size_t>(r)] = thrown([&] { t.wait(r, [] { return false; }, crowd::nothing); }); });
    rest(ranks);  // some sleep by now, some don't
    std::thread first([&] { t.fail(error("stretto: the first")); });
    first.join();
    t.fail(error("stretto: the second"));
    for (std::thread& one : all) one.join();
    for (const std::string& w : words) CHECK(w == "stretto: the first");
    CHECK(since(begun) < 5);
  }
}

TEST_CASE("a transport that can't be is refused") {
  CHECK(thrown([] { threads t(0); }) == "stretto: a transport of 0 ranks can't be; give at least one");
  CHECK(thrown([] { threads t(-3); }).rfind("stretto: a transport of -3 ranks", 0) == 0);
  const std::string no_number = "stretto: the deadline of a transport is not a number of seconds above 0; give one";
  CHECK(thrown([] { threads t(1, {.deadline = 0}); }) == no_number);
  CHECK(thrown([] { threads t(1, {.deadline = -1}); }) == no_number);
  CHECK(thrown([] { threads t(1, {.deadline = std::numeric_limits<double>::quiet_NaN()}); }) == no_number);
  threads t(1, {.deadline = std::numeric_limits<double>::infinity()});
  std::atomic<bool> done = false;
  std::thread waiter([&] { t.wait(0, [&] { return done.load(); }, crowd::nothing); });
  rest(10);
  done = true;
  t.ring(0);
  waiter.join();
}

TEST_CASE("ranks that are pinned keep to a core each and others keep what they had") {
  cpu_set_t before;
  CPU_ZERO(&before);
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  for (bool pin : {false, true}) {
    threads t(3, {.deadline = 20, .pin = pin});
    std::vector<int> cores(3), first(3, -1);
    CHECK(together(on_all(t, 3, [&](int r) {
      cpu_set_t mine;
      CPU_ZERO(&mine);
      sched_getaffinity(0, sizeof mine, &mine);
      cores[static_cast<std::size_t>(r)] = CPU_COUNT(&mine);
      for (int c = 0; c < CPU_SETSIZE && first[static_cast<std::size_t>(r)] < 0; ++c)
        if (CPU_ISSET(c, &mine)) first[static_cast<std::size_t>(r)] = c;
    })) == "");
    CHECK(cores == std::vector<int>(3, pin ? 1 : CPU_COUNT(&before)));
    if (pin && CPU_COUNT(&before) >= 2) CHECK(first[0] != first[1]);
    if (pin && CPU_COUNT(&before) == 2) CHECK(first[0] == first[2]);  // round they go
  }
}
