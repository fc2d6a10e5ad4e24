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
  struct alignas(64) line_of_cache {
    std::atomic<int> n = 0;
  } far_away[8];
  static inline thread_local int left_over = 0;

  void once() {
    for (auto& line : far_away) line.n.store(left_over++, std::memory_order_relaxed);  // so that stores queue up in front of the lock's
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
    std::atomic<long> others = 0;
    std::atomic<bool> ended = false;
    std::thread owner([&] {
      if (owned) c.lock.own();
      for (long i = 0; i < 100000 || others < 20000; ++i) c.once();
      if (owned) c.lock.disown();
      ended = true;
    });
    std::vector<std::thread> all;
    for (int k = 0; k < 2; ++k)
      all.emplace_back([&] {
        for (; !ended; ++others) {
          c.once();
          for (int i = 0; i < others % 64; ++i) stretto::detail::pause_briefly();  // or the owner would hardly ever find it free
        }
      });
    owner.join();
    for (std::thread& t : all) t.join();
    CHECK(c.faults == 0);
    CHECK(c.left >= 120000);
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
