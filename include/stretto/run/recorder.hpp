// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a run measures: when each entry of the lists began to wait, began to work and ended, and when each message was put
// and taken. It is always on: eight steps are kept, each thing has its place, and any thread may look while ranks write.
//
//     const recording r = p.step(n).measured();
//     r.ends[entry_of(p.steps(), action::forward(1, 2))]        when F2 of stage 1 ended, in seconds
//     entry   wait ── take ── start ────── end = the next one's wait        a moment that ends one thing begins the next
// Indices are those of the program's actions, so measured and foretold times lie side by side. A row of the eight is used
// again without being cleared: what is older than its step's beginning is of the step before. Cost: a reading of the clock
// and a store each time; bench/run_bench.cpp measures it. All memory is asked for when it is bound; run/dump.hpp writes it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <stretto/plan/plan.hpp>
#include <stretto/run/flow.hpp>

namespace stretto::inline v0 {

/// A message as it went. Times in seconds since the pipeline was bound.
struct message_times {
  int from = 0, to = 0;              ///< ranks
  int from_stage = 0, to_stage = 0;
  int micro_batch = 0, slice = 0;
  bool forward = true;               ///< a value, or a gradient on its way back
  double put = 0, taken = 0;
  std::int64_t bytes = 0;            ///< what it carried
};

/// One step as it was measured.
struct recording {
  std::vector<double> waits, starts, ends;  ///< by entry of the program's lists; an entry that only receives has none: all 0
  std::vector<message_times> messages;
  std::vector<double> asked, begun, ended;  ///< the step itself, by rank: 0 for ranks of other processes
};

/// The place of an action in a program's lists, for the times of a recording; -1 where it isn't there.
inline std::int64_t entry_of(const plan_view& program, const action& what) {
  for (std::int64_t i = 0; i < program.actions.count; ++i)
    if (program.actions[i] == what) return i;
  return -1;
}

namespace detail {

inline constexpr std::int64_t kept_steps = 8;  ///< steps that may be under way, or not yet asked for their loss

/// A number that one thread writes and any may read, a signal handler too. Times are nanoseconds of the steady clock; 0: none.
struct noted {
  std::atomic<std::int64_t> value = 0;
  noted& operator=(std::int64_t n) {
    value.store(n, std::memory_order_relaxed);
    return *this;
  }
  std::int64_t get() const { return value.load(std::memory_order_acquire); }  // what is asked for next was written no earlier
};
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

struct entry_times {
  noted wait, start, end;
};
struct put_note {
  noted when, bytes;
};

/// What a step was asked for, and when. `number` counts the steps of all orders, from 1; it is written last, and first made 0.
struct step_note {
  noted number, index, step, asked, normalizer, kind, scale, most_norm, most_loss;  // real numbers by their bits
};
struct rank_notes {
  std::vector<entry_times> times;  // by kept step and entry; none for ranks of other processes
  noted begun[kept_steps], ended[kept_steps];
};

/// What is recorded of a bound order.
struct order_record {
  int order = 0;
  bool trains = true;
  const program* work = nullptr;
  const flow* tables = nullptr;
  std::vector<int> cut;
  std::int64_t boxes = 0;
  step_note steps[kept_steps];
  std::vector<rank_notes> ranks;
  std::vector<std::vector<put_note>> puts;  // by channel, kept step and box; none where the sender isn't of this process
  std::vector<std::vector<noted>> takes;    // likewise, of the receiver
  std::atomic<order_record*> next = nullptr;

  std::size_t mark(std::int64_t kept, std::int64_t box) const { return static_cast<std::size_t>(kept * boxes + box); }
};

/// Where a rank is now.
struct rank_record {
  int rank = 0;
  std::string path, beside;                      // of its log; where it is written first
  std::atomic<const order_record*> order = nullptr;  // null between steps
  noted index, entry, layer, done;               // layer: of the model, from 1; 0 outside of layers. done: steps that have ended
  noted threw;                                   // 1: what ended the run was thrown here
  std::atomic<bool> writing = false, logged = false, written = false;
};

/// What is recorded of a process's ranks. Who looks from elsewhere is counted, and an order goes when nobody does.
class run_record {
 public:
  int ranks = 0;
  std::string host;
  std::int64_t process = 0;
  std::vector<std::unique_ptr<rank_record>> of_rank;  // null for ranks of other processes
  noted asked, bound, run;             // steps; when the first order was bound; what tells the run from others
  noted offset, uncertainty;           // nanoseconds to add to be at rank 0's clock, and how far off that may be; -1: not measured
  char error[2048] = {};
  std::atomic<int> error_length = 0;

  run_record() { uncertainty = -1; }

  /// The first error counts.
  void fail(const char* words) {
    if (failing_.exchange(true)) return;
    int n = 0;
    for (; words[n] != 0 && n < 2047; ++n) error[n] = words[n];
    error_length.store(n);
  }

  void add(order_record& r, int order) {
    r.order = order;
    r.next.store(first_.load());
    first_.store(&r);
  }
  void remove(const order_record& r) {
    std::atomic<order_record*>* at = &first_;
    while (at->load() != nullptr && at->load() != &r) at = &at->load()->next;
    if (at->load() == nullptr) return;
    at->store(r.next.load());
    while (readers_.load() > 0) std::this_thread::yield();
  }
  void remove_all() {
    while (const order_record* const r = first_.load()) remove(*r);
  }

  /// While one of these lives, orders stay.
  class reading {
   public:
    explicit reading(const run_record& r) : r_(r) { r_.readers_.fetch_add(1); }
    reading(const reading&) = delete;
    ~reading() { r_.readers_.fetch_sub(1); }
    const order_record* first() const { return r_.first_.load(); }

   private:
    const run_record& r_;
  };

 private:
  std::atomic<order_record*> first_ = nullptr;
  mutable std::atomic<int> readers_ = 0;
  std::atomic<bool> failing_ = false;
};

inline std::int64_t clock_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace detail

}  // namespace stretto::inline v0
