// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a value is to a wire between processes: a few numbers, which say its shape, and runs of memory. A type says it once,
// for both ends.
//
//     static void cross(crossing& w, my_matrix& m) {       sender: notes the numbers        receiver: gets them,
//       std::int64_t rows = m.rows();                              and where the runs are             and where to put the runs
//       w.number(rows);
//       m.set_rows(rows);                                  // changes nothing on the sender
//       w.run(m.data(), rows * columns * 4);
//     }
// Cost: no memory is asked for, and runs are read and written where they lie.
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

class crossing {
 public:
  static constexpr int most_numbers = 24, most_runs = 16;

  struct run_of_memory {
    void* at;
    std::int64_t bytes;
  };

  /// For the sender.
  crossing() {}
  /// For the receiver: what the sender noted.
  crossing(const std::int64_t* given, int count) : given_(given), count_(count) {}

  void number(std::int64_t& n) {
    if (given_ != nullptr) {
      if (numbers_ == count_) refuse_more();
      n = given_[numbers_++];
      return;
    }
    if (numbers_ == most_numbers) refuse_numbers();
    noted_[numbers_++] = n;
  }

  void run(void* at, std::int64_t bytes) {
    if (bytes == 0) return;
    if (bytes < 0 || runs_ == most_runs) refuse_run(bytes);
    all_[runs_++] = {at, bytes};
    total_ += bytes;
  }
  void run(const void* at, std::int64_t bytes) = delete;

  bool receives() const { return given_ != nullptr; }
  int numbers() const { return numbers_; }
  const std::int64_t* noted() const { return noted_; }
  int runs() const { return runs_; }
  const run_of_memory& operator[](int i) const { return all_[i]; }
  std::int64_t bytes() const { return total_; }

 private:
  [[noreturn, gnu::cold, gnu::noinline]] void refuse_more() const { throw error(text("stretto: a value crosses with ", count_, " numbers and is read with more; let cross() do the same on both ends").str()); }
  [[noreturn, gnu::cold, gnu::noinline]] static void refuse_numbers() { throw error(text("stretto: a value crosses with more than ", most_numbers, " numbers; put the others into a run of memory").str()); }
  [[noreturn, gnu::cold, gnu::noinline]] static void refuse_run(std::int64_t bytes) {
    if (bytes < 0) throw error(text("stretto: a value crosses with a run of ", bytes, " bytes; correct its cross()").str());
    throw error(text("stretto: a value crosses as more than ", most_runs, " runs of memory; lay them side by side").str());
  }

  const std::int64_t* given_ = nullptr;
  int count_ = 0, numbers_ = 0, runs_ = 0;
  std::int64_t total_ = 0;
  std::int64_t noted_[most_numbers];
  run_of_memory all_[most_runs];
};

}  // namespace stretto::inline v0
