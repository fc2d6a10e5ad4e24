// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How threads wait for each other: spin for a while where the ranks have a core each, then sleep until a bell rings.
//
//     wait(rank, ready, say)      until ready() holds; throws when some rank fails, and when the deadline has passed
//     ring(rank)                  wakes it, after what it may wait for has been written
// Every wait has a deadline. Who sleeps hears a bell (bell.hpp). Cost: a fence and a load where nobody sleeps.
#pragma once

#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/transport/bell.hpp>

namespace stretto::inline v0 {

struct threads_options {
  double deadline = 600;  ///< seconds that a rank waits before it gives up and says for what
  bool pin = false;       ///< rank r keeps to the r-th core that the process may use
};

namespace detail {

/// The error of a wait that has met its deadline.
template <class Say>
error late(int who, int ranks, double seconds, Say&& say) {
  text t("stretto: ");
  if (who < ranks) t.add("rank ", who);
  else t.add("the thread that asks for steps");
  t.add(" waited ", static_cast<std::int64_t>(seconds * 1000), " ms for ");
  error_place where{.rank = who < ranks ? who : -1};
  if constexpr (requires { where = say.place(); }) where = say.place();
  say(t);
  t.add("; see what the others do, as stretto-explain reads it off their logs, or raise the deadline");
  return error(t.str(), where);
}

inline error in_use() { return error("stretto: a pipeline runs over this transport already; let that one end first, or make another transport"); }

class parking {
 public:
  using options = threads_options;

  parking(int ranks, const threads_options& how) : how_(how), ranks_(ranks), seats_(ranks < 1 ? 0 : 2 * static_cast<std::size_t>(ranks) + 1) {
    if (ranks < 1) throw error(text("stretto: a transport of ", ranks, " ranks can't be; give at least one").str());
    if (!(how.deadline > 0)) throw error("stretto: the deadline of a transport is not a number of seconds above 0; give one");
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= ranks) spins_ = true;
  }

  int ranks() const { return ranks_; }
  int host() const { return ranks_; }
  bool local(int) const { return true; }

  void enter(int who) {
    if (who >= ranks_ && seats_[static_cast<std::size_t>(who)].in_use.exchange(true)) throw in_use();
    if (!how_.pin || who >= ranks_) return;
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) != 0) return;
    int skip = who % CPU_COUNT(&all), cpu = 0;
    for (;; ++cpu)
      if (CPU_ISSET(cpu, &all) && skip-- == 0) break;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  void leave(int who) {
    if (who >= ranks_) seats_[static_cast<std::size_t>(who)].in_use.store(false);
  }

  template <class Ready, class Say>
  void wait(int who, Ready&& ready, Say&& say) {
    attend(who, ready, [] { return std::int64_t{0}; }, say);
  }

  /// The same, but the deadline begins anew while progress() gives other numbers.
  template <class Ready, class Progress, class Say>
  void attend(int who, Ready&& ready, Progress&& progress, Say&& say) {
    seat& b = seats_[static_cast<std::size_t>(who)];
    if (who < ranks_ && spin(b, [&] { return ready() || failed_.load(std::memory_order_relaxed); }) && ready()) return;  // a host would take a core from a rank
    if (ready()) return;
    std::int64_t seen = progress();
    const double patience = how_.deadline + (who < ranks_ ? 0 : 0.5);  // ranks know better what is missing
    auto end = until(patience);
    std::unique_lock lock(b.mutex);
    b.goes_to_sleep();
    bool there = ready();
    while (!there && !failed()) {
      const auto look = until(patience / 8);  // at progress
      const bool late = b.rung.wait_until(lock, look < end ? look : end) == std::cv_status::timeout;
      there = ready();
      if (!late || there) continue;
      if (const std::int64_t now = progress(); now != seen) seen = now, end = until(patience);
      else if (std::chrono::steady_clock::now() >= end) break;
    }
    b.has_woken();
    if (there) return;
    lock.unlock();
    if (!failed()) fail(detail::late(who, ranks_, patience, say));
    rethrow();
  }

  template <class Ready>
  void doze(int who, Ready&& ready) {
    seat& b = seats_[static_cast<std::size_t>(who)];
    if (spin(b, ready)) return;
    std::unique_lock lock(b.mutex);
    b.goes_to_sleep();
    while (!ready()) b.rung.wait(lock);
    b.has_woken();
  }

  void ring(int who) { seats_[static_cast<std::size_t>(who)].ring(); }
  void ring_hosts() {
    for (int who = ranks_; who < static_cast<int>(seats_.size()); ++who) ring(who);
  }

  /// The first error counts.
  void fail(const error& e) {
    {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::make_unique<error>(e);
    }
    failed_.store(true, std::memory_order_release);
    for (seat& b : seats_) b.ring_all();
  }
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  [[noreturn]] void rethrow() {
    const std::lock_guard lock(failure_mutex_);
    throw error(*failure_);
  }

 protected:
  /// Where a pace that plays with the order of things lets others go first.
  void turn(int) {}

  /// Puts an object where the receiver finds it.
  void deliver(std::atomic<void*>& where, void* object, int from, int to) {
    where.store(object, std::memory_order_release);
    if (from != to) ring(to);
  }
  bool vacant(const std::atomic<void*>& where) const { return where.load(std::memory_order_acquire) == nullptr; }

 private:
  struct seat : bell {
    std::atomic<int> spins = 2000;     // of the thread that waits here
    std::atomic<bool> in_use = false;  // of a host: by a pipeline
  };

  /// Looks again and again for a while, which grows where that was enough and shrinks where it wasn't: a thread that spins
  /// on a core that its partner needs keeps away what it waits for.
  template <class Ready>
  bool spin(seat& b, Ready&& ready) {
    const int spins = b.spins.load(std::memory_order_relaxed);
    for (int i = 0; i < spins && spins_; ++i) {
      if (ready()) {
        b.spins.store(spins < 10000 ? 2 * spins : 20000, std::memory_order_relaxed);
        return true;
      }
      pause_briefly();
    }
    b.spins.store(spins > 128 ? spins / 2 : 64, std::memory_order_relaxed);
    return false;
  }

  static std::chrono::steady_clock::time_point until(double seconds) {
    return std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds < 1e9 ? seconds : 1e9));
  }

  threads_options how_;
  int ranks_;
  std::vector<seat> seats_;  // of ranks, of the one host, or of a host for each rank
  bool spins_ = false;
  std::atomic<bool> failed_ = false;
  std::mutex failure_mutex_;
  std::unique_ptr<error> failure_;
};

}  // namespace detail

}  // namespace stretto::inline v0
