// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The threads of a process's ranks, and the steps they are asked for: a ring of eight, which each thread takes in order, at
// its own pace.
//
//     host      ask(step 5)                          wait_for(6)
//     rank 0    ── step 3 ──┬── step 4 ──┬── step 5 ──┤
//     rank 1    ─ step 3 ─┬── step 4 ──┬── step 5 ──┤
// An idle rank dozes without a deadline. Whatever a rank throws ends the run on all of them, in one error.
#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include <stretto/run/executor.hpp>

namespace stretto::inline v0::detail {

template <class Transport, class Optimizer>
class crew {
 public:
  struct rank_state {
    memory_account memory;
    std::vector<bound_stage> stages;
    std::unique_ptr<executor<Transport, Optimizer>> work;
    alignas(64) std::atomic<std::int64_t> done = 0;  // steps that have ended
    std::thread thread;
  };
  struct asked_step {
    binding<Transport>* order = nullptr;
    step_request what;
    Optimizer optimizer{};
  };

  explicit crew(Transport& t) : t_(t), ranks_(static_cast<std::size_t>(t.ranks())) {}
  crew(const crew&) = delete;

  rank_state& rank(int r) { return ranks_[static_cast<std::size_t>(r)]; }
  const rank_state& rank(int r) const { return ranks_[static_cast<std::size_t>(r)]; }
  template <class Do>
  void each_local(Do&& work) {
    for (int r = 0; r < t_.ranks(); ++r)
      if (t_.local(r)) work(r, rank(r));
  }

  void start() {
    each_local([this](int r, rank_state& state) { state.thread = std::thread([this, r] { work_on(r); }); });
  }
  /// Steps that were asked for are run to their end first.
  void stop() {
    if (stop_.exchange(true)) return;
    ring();
    t_.leave(t_.host());
    for (rank_state& r : ranks_)
      if (r.thread.joinable()) r.thread.join();
  }

  std::int64_t asked() const { return asked_.load(std::memory_order_relaxed); }
  /// Waits until no more steps are under way than there is room for.
  void make_way() { wait_for(asked() - kept_steps + 1); }
  void ask(const asked_step& step) {
    const std::int64_t number = asked();
    queue_[static_cast<std::size_t>(number % kept_steps)] = step;
    asked_.store(number + 1, std::memory_order_release);
    ring();
  }

  void wait_for(std::int64_t steps) {
    t_.attend(
        t_.host(),
        [&] {
          for (int r = 0; r < t_.ranks(); ++r)
            if (t_.local(r) && rank(r).done.load(std::memory_order_acquire) < steps) return false;
          return true;
        },
        [&] {
          std::int64_t ended = 0;
          for (const rank_state& r : ranks_) ended += r.work ? r.work->ended() : 0;
          return ended;
        },
        [&](text& t) {
          t.add("some rank to end an action, and ");
          const char* comma = "";
          each_local([&](int r, rank_state& state) {
            t.add(comma, "rank ", r, " is at");
            state.work->name_entry(t);
            comma = ", ";
          });
        });
  }

  run_settings settings;

 private:
  void ring() {
    each_local([this](int r, rank_state&) { t_.ring(r); });
  }

  void work_on(int r) {
    rank_state& self = rank(r);
    const counted_for scope(self.memory);
    t_.enter(r);
    try {
      for (std::int64_t step = 0;; ++step) {
        t_.doze(r, [&] { return asked_.load(std::memory_order_acquire) > step || stop_.load(); });  // idle: no deadline here
        if (asked_.load(std::memory_order_acquire) <= step) break;
        const asked_step& q = queue_[static_cast<std::size_t>(step % kept_steps)];
        self.work->run(*q.order, q.what, q.optimizer, settings);
        self.done.store(step + 1, std::memory_order_release);
        t_.ring(t_.host());
      }
    } catch (const std::exception& e) {
      if (!t_.failed()) t_.fail(self.work->failure(e.what()));
    } catch (...) {
      if (!t_.failed()) t_.fail(self.work->failure("something that is no std::exception"));
    }
    t_.leave(r);
  }

  Transport& t_;
  std::vector<rank_state> ranks_;
  asked_step queue_[kept_steps] = {};
  std::atomic<std::int64_t> asked_ = 0;
  std::atomic<bool> stop_ = false;
};

}  // namespace stretto::inline v0::detail
