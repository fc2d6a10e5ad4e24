// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Named ranges of a rank's work, for profilers that show them: two functions that are called around each pass and each send, on
// the rank's thread. Names are made when an order is bound, so a call gets a pointer and a number.
//
//     const range_hooks mine{my_begin, my_end, nullptr};
//     pipeline p(model, cut, plan, adamw{}, {.ranges = &mine});        begin(self, "2F5", 5) … end(self)
// run/nvtx.hpp has those of NVTX. Cost: one comparison a pass where there are none.
#pragma once

namespace stretto::inline v0 {

struct range_hooks {
  void (*begin)(void* self, const char* name, int micro_batch) = nullptr;
  void (*end)(void* self) = nullptr;
  void* self = nullptr;
};

namespace detail {

/// A range that ends with it, whatever is thrown.
class range {
 public:
  range(const range_hooks* hooks, const char* name, int micro_batch) : hooks_(hooks) {
    if (hooks_ != nullptr) hooks_->begin(hooks_->self, name, micro_batch);
  }
  range(const range&) = delete;
  range& operator=(const range&) = delete;
  ~range() {
    if (hooks_ != nullptr) hooks_->end(hooks_->self);
  }

 private:
  const range_hooks* hooks_;
};

}  // namespace detail

}  // namespace stretto::inline v0
