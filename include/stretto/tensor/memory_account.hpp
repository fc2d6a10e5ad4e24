// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Counts the memory that tensors, arenas, packed matrices and rooms ask for, where a thread says for whom.
//
//     memory_account mine;
//     {
//       const counted_for scope(mine);        this thread, until the scope ends
//       tensor<float, 2> x({1024, 384});
//     }
//     mine.most()                             1.5 MiB, the most that there were at once
// What is given back is taken off again in a scope of the same account. Cost: a look at a thread's pointer for each block;
// operations ask for none.
#pragma once

#include <atomic>
#include <cstdint>

namespace stretto::inline v0 {

class memory_account {
 public:
  void add(std::int64_t bytes) {
    const std::int64_t now = now_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    std::int64_t most = most_.load(std::memory_order_relaxed);
    while (now > most && !most_.compare_exchange_weak(most, now, std::memory_order_relaxed)) {}
  }
  std::int64_t now() const { return now_.load(std::memory_order_relaxed); }
  std::int64_t most() const { return most_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> now_ = 0, most_ = 0;
};

namespace detail {

inline thread_local memory_account* counting = nullptr;

}  // namespace detail

/// This thread's memory counts for an account. Scopes may lie within each other; the innermost counts.
class counted_for {
 public:
  explicit counted_for(memory_account& account) : before_(detail::counting) { detail::counting = &account; }
  counted_for(const counted_for&) = delete;
  counted_for& operator=(const counted_for&) = delete;
  ~counted_for() { detail::counting = before_; }

 private:
  memory_account* before_;
};

}  // namespace stretto::inline v0
