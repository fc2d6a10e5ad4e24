// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// team: the threads that share one rank's operations. With one thread, the default, there is none besides the caller.
//
//     team t(2);
//     t.run([](void* with, int thread) { … }, &what);         on the caller as thread 0 and on one more as thread 1
// Members spin for a moment and then sleep until there is work. Cost of a run: one store and one wake-up a thread, no
// allocation, no lock.
#pragma once

#include <atomic>
#include <exception>
#include <thread>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0::host {

class team {
 public:
  explicit team(int threads = 1) : threads_(threads) {
    if (threads < 1 || threads > 1024) throw error(text("stretto: ", threads, " threads can't share a rank's operations; give 1 to 1024").str());
    members_ = heap_array<std::thread>(threads - 1);
    int i = 1;
    try {
      for (; i < threads; ++i) members_[i - 1] = std::thread([this, i] { serve(i); });
    } catch (const std::exception& e) {
      end();
      throw error(text("stretto: the system starts ", i - 1, " threads beside the caller, and a team of ", threads, " needs ", threads - 1, " (", e.what(), "); give fewer threads").str());
    }
  }
  team(const team&) = delete;
  team& operator=(const team&) = delete;
  ~team() { end(); }

  int size() const { return threads_; }

  /// Returns when all have returned. The job must not throw.
  void run(void (*job)(void*, int), void* with) {
    if (threads_ > 1) {
      job_ = job, with_ = with;
      open_.store(threads_ - 1, std::memory_order_relaxed);
      call_.fetch_add(1, std::memory_order_release);
      call_.notify_all();
    }
    job(with, 0);
    if (threads_ > 1) until(open_, [](int open) { return open == 0; });
  }

 private:
  template <class Done>
  static int until(std::atomic<int>& value, Done done) {
    for (int spin = 0;; ++spin) {
      const int now = value.load(std::memory_order_acquire);
      if (done(now)) return now;
      if (spin > 2000) value.wait(now, std::memory_order_acquire);
    }
  }
  /// Joins those that were started.
  void end() {
    job_ = nullptr;
    call_.fetch_add(1, std::memory_order_release);
    call_.notify_all();
    for (std::thread& t : members_)
      if (t.joinable()) t.join();
  }
  void serve(int thread) {
    for (int seen = 0;;) {
      seen = until(call_, [seen](int call) { return call != seen; });
      if (job_ == nullptr) return;
      job_(with_, thread);
      if (open_.fetch_sub(1, std::memory_order_acq_rel) == 1) open_.notify_all();
    }
  }

  int threads_;
  heap_array<std::thread> members_;
  void (*job_)(void*, int) = nullptr;
  void* with_ = nullptr;
  std::atomic<int> call_{0}, open_{0};
};

}  // namespace stretto::inline v0::host
