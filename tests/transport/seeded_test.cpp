// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs that a seed draws: the same seed gives the same order, other seeds other ones, messages overtake each other, and
// a deadlock is said at once.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <stretto/transport/recorded.hpp>
#include <stretto/transport/seeded.hpp>

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

constexpr int seeds = sweep::thin > 1 ? 10 : 40;

void rest(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

auto words_for(const char* what) {
  return [what](text& t) { t.add(what); };
}

/// Three ranks send to each other; gives the order in which messages were taken. Threads begin in an order that `late` says.
std::string order_of_takes(unsigned seed, int late = -1) {
  seeded t(3, {.seed = seed, .deadline = 20});
  std::vector<seeded::channel*> channels;
  for (int c = 0; c < 9; ++c) channels.push_back(t.open(crowd::numbers(c / 3, c % 3, 4, 2)));
  std::string order;  // one rank at a time, so no lock
  const auto words = on_all(t, 3, [&](int r) {
    if (r == late) rest(2);
    for (std::int64_t step = 0; step < 3; ++step) {
      for (std::int64_t box = 0; box < 2; ++box)
        for (int to = 0; to < 3; ++to) crowd::send(t, *channels[static_cast<std::size_t>(3 * r + to)], {step, 3 * r + to, box}, step);
      for (std::int64_t box = 0; box < 2; ++box)
        for (int from = 0; from < 3; ++from) {
          if (crowd::receive(t, *channels[static_cast<std::size_t>(3 * from + r)], {step, 3 * from + r, box}) != step) throw error("stretto: another number");
          order += std::to_string(r) + "<" + std::to_string(from) + " ";
        }
    }
  });
  CHECK(together(words) == "");
  return order;
}

/// A host that asks two ranks for work, as a pipeline does; gives who was at work when.
std::string order_with_host(unsigned seed, int late) {
  seeded t(2, {.seed = seed, .deadline = 20});
  std::string order;
  std::atomic<int> asked = 0, done = 0;
  t.enter(t.host());
  std::vector<std::thread> ranks;
  for (int r = 0; r < 2; ++r)
    ranks.emplace_back([&, r] {
      if (r == late) rest(3);
      t.enter(r);
      for (int step = 0; step < 6; ++step) {
        t.doze(r, [&] { return asked.load() > step; });
        order += static_cast<char>('0' + r);
        t.wait(r, [] { return true; }, crowd::nothing);
        order += static_cast<char>('0' + r);
        ++done;
        t.ring(t.host());
      }
      t.leave(r);
    });
  if (late == 2) rest(3);  // all ranks are there before the host first waits
  for (int step = 0; step < 6; ++step) {
    ++asked;
    for (int r = 0; r < 2; ++r) t.ring(r);
    t.attend(t.host(), [] { return true; }, [] { return std::int64_t{0}; }, crowd::nothing);
    order += 'h';
    if (step % 3 == 2) t.attend(t.host(), [&] { return done.load() == 2 * step + 2; }, [&] { return std::int64_t{done.load()}; }, crowd::nothing);
  }
  t.leave(t.host());
  for (std::thread& one : ranks) one.join();
  return order;
}

/// What passes objects on, without the mailroom around it.
struct postman : detail::baton {
  using detail::baton::baton;
  using detail::baton::deliver;
};

}  // namespace

TEST_CASE("a seed repeats its order exactly and other seeds give other ones") {
  std::set<std::string> orders;
  for (unsigned seed = 0; seed < seeds; ++seed) {
    const std::string order = order_of_takes(seed);
    INFO("seed " << seed);
    for (int late : {0, 1, 2}) CHECK(order_of_takes(seed, late) == order);
    orders.insert(order);
  }
  CHECK(orders.size() == seeds);
}

TEST_CASE("a seed repeats its order where a host asks for steps whoever is there first") {
  std::set<std::string> orders;
  for (unsigned seed = 0; seed < seeds; ++seed) {
    const std::string order = order_with_host(seed, -1);
    INFO("seed " << seed);
    for (int late : {0, 1, 2}) CHECK(order_with_host(seed, late) == order);
    orders.insert(order);
  }
  CHECK(orders.size() > seeds / 2);
}

TEST_CASE("messages overtake each other") {
  int first_alone = 0, second_alone = 0, both = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    postman t(2, {.seed = seed, .deadline = 20});
    std::atomic<void*> first = nullptr, second = nullptr;
    int object = 0;
    CHECK(together(on_all(t, 2, [&](int r) {
      if (r == 0) {
        t.deliver(first, &object, 0, 1);
        t.deliver(second, &object, 0, 1);
        return;
      }
      t.wait(1, [&] { return first.load() != nullptr || second.load() != nullptr; }, crowd::nothing);
      ++(first.load() == nullptr ? second_alone : second.load() == nullptr ? first_alone : both);
    })) == "");
  }
  CHECK(first_alone > 5);
  CHECK(second_alone > 5);
  CHECK(both > 5);
}

TEST_CASE("a sender that is a step ahead waits for its box under any seed") {
  for (unsigned seed = 0; seed < 5 * seeds; ++seed) {
    recorded<seeded> t(2, seeded_options{.seed = seed, .deadline = 20});
    auto* c = t.open(crowd::numbers(0, 1, 1, 3));
    INFO("seed " << seed);
    CHECK(together(on_all(t, 2, [&](int r) {
      for (std::int64_t step = 0; step < 20; ++step) {
        if (r == 0) crowd::send(t, *c, {step, 0, 0}, step);
        else if (crowd::receive(t, *c, {step, 0, 0}) != step) throw error(text("stretto: step ", step, " got another message").str());
      }
    })) == "");
    CHECK(t.messages(0, 1) == 20);
  }
}

TEST_CASE("a deadlock is said at once with what each rank waits for") {
  const auto begun = clock_type::now();
  for (unsigned seed = 0; seed < 10; ++seed) {
    seeded t(3, {.seed = seed});
    auto* there = t.open(crowd::numbers(0, 1, 1, 1));
    auto* back = t.open(crowd::numbers(1, 0, 1, 1));
    const auto words = on_all(t, 3, [&](int r) {
      if (r == 0) t.take(*back, {0, 1, 0}, words_for("the gradient"));
      if (r == 1) t.take(*there, {0, 0, 0}, words_for("the value"));
    });
    CHECK(words[0] == "stretto: no rank can go on: rank 0 waits for the gradient, rank 1 waits for the value; see who should have sent it");
    CHECK(words[1] == words[0]);
    CHECK(words[2] == "");
  }
  // The host counts, and who dozes has nothing to wait for.
  seeded t(2);
  std::atomic<bool> stop = false;
  t.enter(t.host());
  std::vector<std::thread> ranks;
  std::string words;
  ranks.emplace_back([&] { t.enter(0), t.doze(0, [&] { return stop.load(); }), t.leave(0); });
  ranks.emplace_back([&] { t.enter(1), words = thrown([&] { t.wait(1, [] { return false; }, words_for("a letter")); }), t.leave(1); });
  const std::string of_host = thrown([&] { t.wait(t.host(), [] { return false; }, words_for("the end")); });
  stop = true;
  t.leave(t.host());
  for (std::thread& one : ranks) one.join();
  CHECK(of_host == "stretto: no rank can go on: rank 1 waits for a letter, the thread that asks for steps waits for the end; see who should have sent it");
  CHECK(words == of_host);
  CHECK(since(begun) < 10);
}

TEST_CASE("a message under way is no deadlock") {
  for (unsigned seed = 0; seed < seeds; ++seed) {
    seeded t(2, {.seed = seed});
    auto* c = t.open(crowd::numbers(0, 1, 1, 1));
    CHECK(together(on_all(t, 2, [&](int r) {
      if (r == 0) crowd::send(t, *c, {0, 0, 0}, 1);  // and leaves
      else crowd::receive(t, *c, {0, 0, 0});
    })) == "");
  }
}

TEST_CASE("a rank that keeps the turn lets the others give up at the deadline") {
  int for_turn = 0, for_message = 0, in_time = 0;
  for (unsigned seed = 0; seed < 8; ++seed) {
    seeded t(2, {.seed = seed, .deadline = 0.05});
    auto* c = t.open(crowd::numbers(0, 1, 1, 1));
    const auto words = on_all(t, 2, [&](int r) {
      if (r == 1) t.take(*c, {0, 0, 0}, words_for("the value"));
      else rest(100), crowd::send(t, *c, {0, 0, 0}, 1);
    });
    const std::string end = "; see what the others do, as stretto-explain reads it off their logs, or raise the deadline";
    CHECK(words[0] == words[1]);
    in_time += words[1].empty();  // it came later than that, and a rank that begins has no deadline
    for_turn += words[1] == "stretto: rank 1 waited 50 ms for its turn" + end;
    for_message += words[1] == "stretto: rank 1 waited 50 ms for the value" + end;
  }
  CHECK(for_turn > 0);
  CHECK(for_message > 0);
  CHECK(for_turn + for_message + in_time == 8);
}

TEST_CASE("a failure from outside ends all waits at once") {
  const auto begun = clock_type::now();
  for (unsigned seed = 0; seed < seeds; ++seed) {
    seeded t(4, {.seed = seed});
    std::atomic<int> n = 0;
    std::thread outside([&] {
      while (n.load() < static_cast<int>(seed)) std::this_thread::yield();
      t.fail(error("stretto: the trap"));
    });
    const auto words = on_all(t, 4, [&](int r) {
      while (true) ++n, t.wait(r, [] { return true; }, crowd::nothing);
    });
    outside.join();
    for (const std::string& w : words) CHECK(w == "stretto: the trap");
  }
  CHECK(since(begun) < 10);
}

TEST_CASE("a seeded transport that can't be is refused") {
  CHECK(thrown([] { seeded t(0); }) == "stretto: a transport of 0 ranks can't be; give at least one");
  CHECK(thrown([] { seeded t(-2); }) == "stretto: a transport of -2 ranks can't be; give at least one");
  CHECK(thrown([] { seeded t(1, {.deadline = 0}); }) == "stretto: the deadline of a transport is not a number of seconds above 0; give one");
}
