// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranks as threads of one process. A message is an object that changes hands: the sender puts a pointer into a box, the
// receiver takes it out, and gives the object back when it has no more use for it. Nothing is copied.
//
//     sender    fresh ──► fills it ──► put ─┐                    ┌─► fresh …
//     receiver                              └─► take ──► uses it ──► give_back
// There is a box for each message of a step, so ends meet by identity: link model `buffered`. A channel has as many objects
// as the plan can have under way at once, made when it is bound, so a send holds nobody and nothing is allocated later.
// Who waits spins for a while, where the ranks have a core each, and then sleeps until the other end rings its bell.
// Every wait has a deadline, and ends at once when some rank fails. Cost: an exchange of an atomic pointer a message.
#pragma once

#include <sched.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/links.hpp>

namespace stretto::inline v0 {

/// What is to be known of a channel before it is opened: messages of one kind from one place to another.
struct channel_shape {
  int from = 0, to = 0;                      ///< ranks
  std::int64_t boxes = 0;                    ///< messages of a step
  int objects = 0;                           ///< under way, or in use, at once
  void* (*make)(const void* maker) = nullptr;
  void (*drop)(void*) = nullptr;
  const void* maker = nullptr;
};

struct threads_options {
  double deadline = 600;  ///< seconds that a rank waits before it gives up and says for what
};

class threads {
 public:
  static constexpr link_model links = stretto::links::buffered;

  explicit threads(int ranks, threads_options how = {}) : how_(how), bells_(static_cast<std::size_t>(ranks) + 1) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= ranks) spins_ = 20000;
  }

  int ranks() const { return static_cast<int>(bells_.size()) - 1; }
  int host() const { return ranks(); }  ///< the thread that asks for steps waits under this number

  /// Opens a channel and makes its objects; gives its number.
  int open(const channel_shape& shape) {
    channels_.push_back(std::make_unique<channel>(shape));
    return static_cast<int>(channels_.size()) - 1;
  }

  /// An object of the channel that nobody uses. Waits where the receiver still has them all: only from step to step.
  template <class Say>
  void* fresh(int number, Say&& say) {
    channel& c = *channels_[static_cast<std::size_t>(number)];
    void* object = nullptr;
    wait(c.shape.from, [&] { return c.free.pop(object); }, say);
    return object;
  }

  /// Hands an object to the receiver, in the box of its message.
  template <class Say>
  void put(int number, std::int64_t box, void* object, Say&& say) {
    channel& c = *channels_[static_cast<std::size_t>(number)];
    std::atomic<void*>& slot = c.boxes[static_cast<std::size_t>(box)];
    wait(c.shape.from, [&] { return slot.load(std::memory_order_acquire) == nullptr; }, say);  // still full of the step before?
    slot.store(object, std::memory_order_release);
    ring(c.shape.to);
  }

  /// Waits for the message of a box and takes its object.
  template <class Say>
  void* take(int number, std::int64_t box, Say&& say) {
    channel& c = *channels_[static_cast<std::size_t>(number)];
    std::atomic<void*>& slot = c.boxes[static_cast<std::size_t>(box)];
    wait(c.shape.to, [&] { return slot.load(std::memory_order_acquire) != nullptr; }, say);
    void* object = slot.load(std::memory_order_relaxed);
    slot.store(nullptr, std::memory_order_release);
    if (c.shape.from != c.shape.to) ring(c.shape.from);
    return object;
  }

  /// Gives an object back to the channel that it came through.
  void give_back(int number, void* object) {
    channel& c = *channels_[static_cast<std::size_t>(number)];
    c.free.push(object);
    if (c.shape.from != c.shape.to) ring(c.shape.from);
  }

  /// Waits on rank's behalf until ready() holds. Throws the error of the rank that failed, or that the deadline has passed;
  /// say(text&) tells for what it waited.
  template <class Ready, class Say>
  void wait(int rank, Ready&& ready, Say&& say) {
    for (int i = 0; i < spins_ && rank != host(); ++i) {  // the host would take a core from a rank
      if (ready()) return;
      if (failed_.load(std::memory_order_relaxed)) break;
      pause();
    }
    if (ready()) return;
    bell& b = bells_[static_cast<std::size_t>(rank)];
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(how_.deadline));
    std::unique_lock lock(b.mutex);
    b.sleeping.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    bool there = ready();
    while (!there && !failed_.load(std::memory_order_acquire)) {
      const bool late = b.rung.wait_until(lock, end) == std::cv_status::timeout;
      there = ready();
      if (late && !there) break;
    }
    b.sleeping.store(false, std::memory_order_relaxed);
    if (there) return;
    lock.unlock();
    if (!failed_.load(std::memory_order_acquire)) {
      text t("stretto: rank ", rank, " waited ", static_cast<std::int64_t>(how_.deadline * 1000), " ms for ");
      say(t);
      fail(error(t.str(), {.rank = rank}));
    }
    rethrow();
  }

  /// Sleeps until something rings that makes ready() hold, however long that takes.
  template <class Ready>
  void doze(int rank, Ready&& ready) {
    for (int i = 0; i < spins_; ++i) {
      if (ready()) return;
      pause();
    }
    bell& b = bells_[static_cast<std::size_t>(rank)];
    std::unique_lock lock(b.mutex);
    b.sleeping.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    while (!ready()) b.rung.wait(lock);
    b.sleeping.store(false, std::memory_order_relaxed);
  }

  /// Ends the run: every rank that waits, or is about to, throws this error. The first one counts.
  void fail(const error& e) {
    {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::make_unique<error>(e);
    }
    failed_.store(true, std::memory_order_release);
    for (int r = 0; r <= host(); ++r) {
      bell& b = bells_[static_cast<std::size_t>(r)];
      const std::lock_guard lock(b.mutex);
      b.rung.notify_all();
    }
  }
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  [[noreturn]] void rethrow() {
    const std::lock_guard lock(failure_mutex_);
    throw error(*failure_);
  }

  /// Wakes a rank that sleeps, after something that it may wait for has been written.
  void ring(int rank) {
    bell& b = bells_[static_cast<std::size_t>(rank)];
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!b.sleeping.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(b.mutex);
    b.rung.notify_all();
  }

 private:
  struct alignas(64) bell {
    std::mutex mutex;
    std::condition_variable rung;
    std::atomic<bool> sleeping = false;
  };

  /// Objects on their way back, from one thread to one other.
  class return_path {
   public:
    explicit return_path(int most) : ring_(static_cast<std::size_t>(most) + 1) {}
    void push(void* object) {
      const std::size_t at = tail_.load(std::memory_order_relaxed);
      ring_[at] = object;
      tail_.store(at + 1 == ring_.size() ? 0 : at + 1, std::memory_order_release);
    }
    bool pop(void*& object) {
      const std::size_t at = head_.load(std::memory_order_relaxed);
      if (at == tail_.load(std::memory_order_acquire)) return false;
      object = ring_[at];
      head_.store(at + 1 == ring_.size() ? 0 : at + 1, std::memory_order_release);
      return true;
    }

   private:
    std::vector<void*> ring_;
    alignas(64) std::atomic<std::size_t> head_ = 0;
    alignas(64) std::atomic<std::size_t> tail_ = 0;
  };

  struct channel {
    explicit channel(const channel_shape& s) : shape(s), boxes(static_cast<std::size_t>(s.boxes)), free(s.objects) {
      for (int i = 0; i < s.objects; ++i) {
        all.push_back(s.make(s.maker));
        free.push(all.back());
      }
    }
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    ~channel() {
      for (void* object : all) shape.drop(object);
    }

    channel_shape shape;
    std::vector<std::atomic<void*>> boxes;
    return_path free;
    std::vector<void*> all;
  };

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  threads_options how_;
  std::vector<bell> bells_;
  std::vector<std::unique_ptr<channel>> channels_;
  int spins_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex failure_mutex_;
  std::unique_ptr<error> failure_;
};

}  // namespace stretto::inline v0
