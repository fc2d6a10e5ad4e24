// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Turns: never two threads at once, whether one of them owns the lock or none does, and owners come and go.
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "catch.hpp"
#include <stretto/transport/turn_lock.hpp>

using stretto::detail::turn_lock;

namespace {

/// Counts by a plain number and two halves that must agree, so that two at once show.
struct counted {
  turn_lock lock;
  long left = 0, right = 0;
  std::atomic<int> inside = 0, faults = 0;

  void once() {
    const std::lock_guard hold(lock);
    if (inside.fetch_add(1, std::memory_order_relaxed) != 0) ++faults;
    ++left;
    if (left != right + 1) ++faults;
    ++right;
    inside.fetch_sub(1, std::memory_order_relaxed);
  }
};

}  // namespace

TEST_CASE("an owner and others are never inside at once") {
  for (const bool owned : {false, true}) {
    counted c;
    constexpr int times = 20000, others = 2;
    std::vector<std::thread> all;
    all.emplace_back([&] {
      if (owned) c.lock.own();
      for (int i = 0; i < 20 * times; ++i) c.once();
      if (owned) c.lock.disown();
    });
    for (int k = 0; k < others; ++k)
      all.emplace_back([&] {
        for (int i = 0; i < times; ++i) c.once();
      });
    for (std::thread& t : all) t.join();
    CHECK(c.faults == 0);
    CHECK(c.left == (20 + others) * times);
    CHECK(c.right == c.left);
  }
}

TEST_CASE("owners that come and go, and tries, keep turns") {
  counted c;
  std::atomic<int> tried = 0;
  std::vector<std::thread> all;
  for (int k = 0; k < 3; ++k)
    all.emplace_back([&, k] {
      for (int i = 0; i < 400; ++i) {
        if (i % 3 == k) c.lock.own();
        for (int n = 0; n < 20; ++n) c.once();
        if (c.lock.try_lock()) {
          if (c.inside.fetch_add(1) != 0) ++c.faults;
          c.inside.fetch_sub(1);
          c.lock.unlock();
          ++tried;
        }
        c.lock.disown();  // of one that doesn't own it nothing is changed
      }
    });
  for (std::thread& t : all) t.join();
  CHECK(c.faults == 0);
  CHECK(c.left == 3 * 400 * 20);
  CHECK(tried > 0);
}

TEST_CASE("who holds the lock sees that it is wanted, and a try doesn't wait") {
  turn_lock lock;
  lock.own();
  lock.lock();
  std::atomic<bool> refused = false, got = false;
  std::thread other([&] {
    refused = !lock.try_lock();
    lock.lock();
    got = true;
    lock.unlock();
  });
  while (!refused) std::this_thread::yield();
  while (!lock.is_wanted()) std::this_thread::yield();
  CHECK_FALSE(got);
  lock.unlock();
  other.join();
  CHECK(got);
  lock.disown();
}
