// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// queue: where operations of the CPU are put, the first argument of each. It does them at once, on the threads and with
// the instructions that it was made for, and has the scratch memory that they need, so that none of them allocates.
//
//     host::queue q;                                       one thread, the best instructions that the CPU has
//     host::queue q({.threads = 2, .most = isa::avx2});
//     rms_norm(q, x, weight, y, inverse, {.epsilon = 1e-5});
// An operation gives the same bits with any number of threads: what is split between them is never a sum. A queue is used
// by one thread at a time; each rank has its own.
#pragma once

#include <cstdint>

#include <stretto/host/isa.hpp>
#include <stretto/host/product_library.hpp>
#include <stretto/host/team.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::host {

struct queue_options {
  int threads = 1;
  isa most = isa::amx;                    ///< of what the CPU has, the most that is used
  std::int64_t scratch_bytes = 4 << 20;   ///< for each thread
  const product_library* library = nullptr;  ///< for products of float matrices, where the table prefers it
  library_use use = library_use::by_table;
};

/// Who does a share of an operation.
struct worker {
  int thread = 0;
  char* scratch = nullptr;  ///< its own; begins at a cache line
};

class queue {
 public:
  using memory = host_memory;

  explicit queue(const queue_options& o = {})
      : level_(o.most < this_cpu().best ? o.most : this_cpu().best), room_(room_of(o)), library_(o.library), use_(o.use), team_(o.threads) {
    scratch_ = static_cast<char*>(host_memory::take(room_ * o.threads));
    host_memory::zero(scratch_, room_ * o.threads);
  }
  queue(const queue&) = delete;
  queue& operator=(const queue&) = delete;
  ~queue() { host_memory::give(scratch_, room_ * team_.size()); }

  // What a device must be asked for, and the CPU has at once.

  /// The CPU's numbers where operations read them.
  template <class T>
  tensor_view<const T, 1> upload(const stretto::view<const T>& from) const { return from; }
  /// And back, for whoever looks at them on the CPU.
  template <class T, int Rank>
  tensor_view<T, Rank> download(const tensor_view<T, Rank>& from) const { return from; }
  /// The gradient that a last layer is given, as operations on T take it.
  template <class T>
  computes_in<T> loss_gradient(double g) const { return static_cast<computes_in<T>>(g); }
  /// What was put here is done already.
  void synchronize() const {}
  /// Of tensors without gaps, of one size.
  template <class T, int Rank, int Other>
  void copy(const tensor_view<const T, Rank>& from, const tensor_view<T, Other>& to) const { host_memory::copy(to.data(), from.data(), to.size() * static_cast<std::int64_t>(sizeof(T))); }
  template <class T, int Rank>
  void zero(const tensor_view<T, Rank>& what) const { host_memory::zero(what.data(), what.size() * static_cast<std::int64_t>(sizeof(T))); }

  isa level() const { return level_; }
  int threads() const { return team_.size(); }
  std::int64_t scratch_bytes() const { return room_; }  ///< for each thread

  /// The library that does a product of so many multiplications; null where it is Stretto's own.
  const product_library* library_for(std::int64_t multiplications) const {
    if (library_ == nullptr || use_ == library_use::never) return nullptr;
    return use_ == library_use::always || library_is_better(level_, multiplications) ? library_ : nullptr;
  }

  /// That much scratch memory for each thread is there. Throws stretto::error with both numbers where it isn't.
  void need_scratch(std::int64_t bytes, const char* operation) const {
    if (bytes > room_)
      throw error(text("stretto: ", operation, " needs ", bytes, " bytes of scratch memory for each thread, and the queue has ", room_, "; make it with scratch_bytes = ", bytes).str());
  }

  /// Of a kernel's three forms the one for this queue.
  template <class F>
  F pick(F portable, F avx2, F avx512) const {
    return level_ >= isa::avx512 ? avx512 : level_ == isa::avx2 ? avx2 : portable;
  }

  /// Calls kernel(arguments, first, last, worker) for shares of 0 to n - 1 that begin at multiples of `grain`, one share a
  /// thread. Where each of the n is done by itself, the result doesn't hang on the number of threads.
  template <class Arguments>
  void split(std::int64_t n, std::int64_t grain, void (*kernel)(const Arguments&, std::int64_t, std::int64_t, const worker&), const Arguments& arguments) {
    if (n <= 0) return;
    const std::int64_t grains = (n + grain - 1) / grain;
    const std::int64_t parts = grains < team_.size() ? grains : team_.size();
    if (parts == 1) return kernel(arguments, 0, n, {0, scratch_});
    struct shares {
      const Arguments& arguments;
      void (*kernel)(const Arguments&, std::int64_t, std::int64_t, const worker&);
      std::int64_t n, grain, grains, parts, room;
      char* scratch;
    } all{arguments, kernel, n, grain, grains, parts, room_, scratch_};
    team_.run(
        [](void* with, int thread) {
          const shares& s = *static_cast<shares*>(with);
          if (thread >= s.parts) return;
          const std::int64_t first = s.grains * thread / s.parts * s.grain, end = s.grains * (thread + 1) / s.parts * s.grain;
          s.kernel(s.arguments, first, end < s.n ? end : s.n, {thread, s.scratch + thread * s.room});
        },
        &all);
  }

 private:
  /// What each thread has, in whole pages.
  static std::int64_t room_of(const queue_options& o) {
    if (o.scratch_bytes < 0) throw error("stretto: a queue can't have less than no scratch memory; give scratch_bytes of 0 or more");
    const std::int64_t most = INT64_MAX / (o.threads > 1 ? o.threads : 1) / 4096 * 4096;
    if (o.scratch_bytes > most)
      throw error(text("stretto: a queue can't have ", o.scratch_bytes, " bytes of scratch memory for each thread where threads is ", o.threads,
                       "; give scratch_bytes of at most ", most).str());
    return (o.scratch_bytes + 4095) / 4096 * 4096;
  }

  isa level_;
  std::int64_t room_;
  const product_library* library_;
  library_use use_;
  char* scratch_ = nullptr;
  team team_;
};

}  // namespace stretto::inline v0::host
