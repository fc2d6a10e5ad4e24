// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cuda::device: a CUDA device as a template argument of layers, as host::device is the CPU.
//
//     transformer<cuda::device, bf16>(gpt2_shape(12, 768, 12))      the bundled models, on the device
// Its operations are in the headers beside this one, or all of them in <stretto/cuda.cuh>; the queue's type finds them.
#pragma once

#include <stretto/cuda/memory.hpp>
#include <stretto/cuda/packed_matrix.hpp>
#include <stretto/cuda/product_options.hpp>
#include <stretto/cuda/queue.hpp>
#include <stretto/cuda/rotary_table.hpp>
#include <stretto/cuda/runtime.hpp>
#include <stretto/cuda/sum.hpp>
#include <stretto/cuda/tools.hpp>

namespace stretto::inline v0::cuda {

template <class Runtime>
struct basic_device {
  using memory = basic_memory<Runtime>;
  using queue = basic_queue<Runtime>;
  using tools = basic_tools<Runtime>;
  using options = queue_options;
  using sum = basic_sum<Runtime>;
  template <class C>
  using product_options = basic_product_options<Runtime, C>;
  template <class T, int Rank>
  using tensor = stretto::tensor<T, Rank, memory>;
  template <class T, int Rank>
  using view = tensor_view<T, Rank, memory>;
  template <class T>
  using packed = basic_packed_matrix<Runtime, T>;
  template <class T>
  using rotary_table = basic_rotary_table<Runtime>;  ///< in float, whatever T is
};

using memory = basic_memory<runtime>;
using queue = basic_queue<runtime>;
using sum = basic_sum<runtime>;
using tools = basic_tools<runtime>;
using device = basic_device<runtime>;

}  // namespace stretto::inline v0::cuda
