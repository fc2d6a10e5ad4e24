// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// sum: a number on a device, as the last layer of a model gives it: the loss's sum, which nobody waits for within a step.
//
//     using output = cuda::sum;                                          the last layer's; its gradient is a double
//     void forward(context&, const input& x, output& total) { … total.view() is written by a kernel … }
// When the rank's stream is settled at the end of a step, what was copied of each micro-batch is there. Cost: 32 bytes.
#pragma once

#include <cstdint>

#include <stretto/cuda/memory.hpp>

namespace stretto::inline v0::cuda {

template <class Runtime>
class basic_sum {
 public:
  basic_sum() : there_({4}) {}

  /// The sum, and room for what goes with it: weights, rows, and rows that are right.
  tensor_view<double, 1, basic_memory<Runtime>> view() const { return there_; }
  /// To pinned memory, in the order of a stream.
  void copy_to(double* to, const void* stream) const { Runtime::copy(to, there_.data(), 8, *static_cast<const typename Runtime::stream*>(stream)); }

  /// What stage/wire.hpp asks of a type at a boundary.
  struct wire {
    using gradient = double;
    static double gradient_like(const basic_sum&) { return 0; }
    static std::int64_t bytes(const basic_sum&) { return 8; }
  };

 private:
  tensor<double, 1, basic_memory<Runtime>> there_;
};

}  // namespace stretto::inline v0::cuda
