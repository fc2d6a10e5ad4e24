// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A lock for threads of which one nearly always has it: its owner takes it without an exchange, by a store and a load.
//
//     owner    inside = 1; is it wanted? no ─► works ─► inside = 0
//     others   wanted = 1; membarrier;  waits while inside                 one of them at a time
// What an exchange costs isn't itself but the stores before it, which it waits for: those of a message that goes to another
// core take 30 ns and more. The owner's store and load may pass each other in the processor; who wants the lock makes all
// threads' processors catch up by the system call membarrier, so one of the two sees the other. Without that call, and under
// ThreadSanitizer, which doesn't know it, there is no owner and all take turns by exchanges.
// Cost: the owner's two accesses, some microseconds for others. Source: Linux membarrier(2), private expedited.
#pragma once

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include <stretto/core/race_detector.hpp>
#include <stretto/transport/bell.hpp>   // pause_briefly

namespace stretto::inline v0::detail {

class turn_lock {
 public:
  /// The calling thread is to be the owner, until it says otherwise. There is one at most: others stay as they are.
  void own() {
    if (!catches_up() || owner_.load(std::memory_order_relaxed) == self()) return;
    lock();
    if (owner_.load(std::memory_order_relaxed) == nullptr) owner_.store(self(), std::memory_order_relaxed);
    unlock_other();  // as one of the others, which it was
  }
  void disown() {
    if (owner_.load(std::memory_order_relaxed) != self()) return;
    take_turn();
    owner_.store(nullptr, std::memory_order_relaxed);
    unlock_other();
  }

  void lock() {
    if (owner_.load(std::memory_order_relaxed) == self()) {
      for (int i = 0;; ++i) {
        inside_.store(true, std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        if (!wanted_.load(std::memory_order_acquire)) return;
        inside_.store(false, std::memory_order_release);
        rest(i);
      }
    }
    take_turn();
    for (int i = 0; keeps_out(); ++i) rest(i);
  }
  bool try_lock() {
    if (owner_.load(std::memory_order_relaxed) == self()) return lock(), true;
    if (held_.load(std::memory_order_relaxed) || held_.exchange(true, std::memory_order_acquire)) return false;
    if (!keeps_out()) return true;
    unlock_other();
    return false;
  }
  void unlock() {
    if (owner_.load(std::memory_order_relaxed) == self()) inside_.store(false, std::memory_order_release);
    else unlock_other();
  }
  /// Whether somebody waits for it, as far as its holder can see.
  bool is_wanted() const { return waiting_.load(std::memory_order_relaxed) != 0 || wanted_.load(std::memory_order_relaxed); }

 private:
  static const void* self() {
    static thread_local const char here = 0;
    return &here;
  }
  static void rest(int tries) {
    if (tries < 100) pause_briefly();
    else sched_yield();
  }
  /// Among the others.
  void take_turn() {
    if (!held_.load(std::memory_order_relaxed) && !held_.exchange(true, std::memory_order_acquire)) return;
    waiting_.fetch_add(1, std::memory_order_relaxed);
    for (int i = 0; held_.load(std::memory_order_relaxed) || held_.exchange(true, std::memory_order_acquire); ++i) rest(i);
    waiting_.fetch_sub(1, std::memory_order_relaxed);
  }
  /// Tells the owner, if there is one; whether it is inside.
  bool keeps_out() {
    if (owner_.load(std::memory_order_relaxed) == nullptr) return false;
    if (!wanted_.load(std::memory_order_relaxed)) {
      wanted_.store(true, std::memory_order_relaxed);
      syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    }
    return inside_.load(std::memory_order_acquire);
  }
  void unlock_other() {
    wanted_.store(false, std::memory_order_release);
    held_.store(false, std::memory_order_release);
  }
  static bool catches_up() {
    static const bool can = !watched_for_races && syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    return can;
  }

  std::atomic<const void*> owner_ = nullptr;
  std::atomic<bool> inside_ = false;             // the owner is
  alignas(64) std::atomic<bool> wanted_ = false;  // by one of the others
  std::atomic<int> waiting_ = 0;                 // how many wait for their turn
  alignas(64) std::atomic<bool> held_ = false;   // whose turn it is among the others
};

}  // namespace stretto::inline v0::detail
