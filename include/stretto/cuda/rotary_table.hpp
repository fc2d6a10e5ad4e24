// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A table of rotary embedding on a CUDA device; see rotary.cuh.
//
//     const cuda::basic_rotary_table<Runtime> table(rotary_table<float>(8192, 128, {.theta = 500000}));   once for a model
// Cost: positions × dims numbers of float.
#pragma once

#include <cstdint>

#include <stretto/cuda/memory.hpp>
#include <stretto/numeric/rotary.hpp>

namespace stretto::inline v0::cuda {

/// A copy on the device of a table of the CPU.
template <class Runtime>
class basic_rotary_table {
 public:
  explicit basic_rotary_table(const rotary_table<float>& from) : pairs_(from.pairs()), table_({from.positions(), from.dims()}) {
    to_device(tensor_view<float, 2, basic_memory<Runtime>>(table_), from.row(0));
  }
  basic_rotary_table(std::int64_t positions, std::int64_t dims, const rotary_options& o = {}) : basic_rotary_table(rotary_table<float>(positions, dims, o)) {}

  std::int64_t positions() const { return table_.rows(); }
  std::int64_t dims() const { return table_.columns(); }
  rotary_pairs pairs() const { return pairs_; }
  std::int64_t bytes() const { return table_.size() * static_cast<std::int64_t>(sizeof(float)); }
  tensor_view<const float, 2, basic_memory<Runtime>> numbers() const { return table_; }

 private:
  rotary_pairs pairs_;
  tensor<float, 2, basic_memory<Runtime>> table_;
};

}  // namespace stretto::inline v0::cuda
