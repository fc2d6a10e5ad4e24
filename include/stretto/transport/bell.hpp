// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where threads of a process sleep until another one rings.
//
//     sleeper                                       ringer
//     lock, goes_to_sleep(), looks, waits on rung   writes what is waited for, then ring()
// Who sleeps has said so before it looks a last time, and who rings looks after it has written, with a full fence on both
// sides, so no bell is missed. Cost: a fence and a load where nobody sleeps.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include <stretto/core/race_detector.hpp>

namespace stretto::inline v0::detail {

struct alignas(64) bell {
  std::mutex mutex;
  std::condition_variable rung;
  std::atomic<int> sleeping = 0;  // how many: a rank's thread, and perhaps one that uses a group beside it

  // Under ThreadSanitizer both sides change the flag instead: whose change comes second sees what the other wrote before. Fences
  // are kept elsewhere, since a change takes the cache line from the other core at every message.
  void goes_to_sleep() {
    sleeping.fetch_add(1, watched_for_races ? std::memory_order_seq_cst : std::memory_order_relaxed);
    if constexpr (!watched_for_races) std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  bool has_sleeper() {
    if constexpr (watched_for_races) {
      return sleeping.fetch_add(0, std::memory_order_seq_cst) != 0;
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);
      return sleeping.load(std::memory_order_relaxed) != 0;
    }
  }
  void has_woken() { sleeping.fetch_sub(1, std::memory_order_relaxed); }

  void ring() {
    if (has_sleeper()) ring_all();
  }
  void ring_all() {
    const std::lock_guard lock(mutex);
    rung.notify_all();
  }
};

/// What a thread does between two looks at something.
inline void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace stretto::inline v0::detail
