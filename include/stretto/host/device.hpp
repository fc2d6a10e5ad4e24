// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// host::device: the CPU as a template argument. A layer that takes its queue, tensors and packed weights from Device and
// calls operations by their plain names is written once for every device: the queue's type finds the operations.
//
//     template <class Device>
//     struct dense {
//       typename Device::queue q;
//       typename Device::template tensor<float, 2> weight, gradient;
//       …  matrix_product(q, x, transposed(weight), y);  …
//     };
#pragma once

#include <stretto/host/packed_matrix.hpp>
#include <stretto/host/queue.hpp>
#include <stretto/host/tools.hpp>
#include <stretto/numeric/rotary.hpp>
#include <stretto/tensor/tensor.hpp>

namespace stretto::inline v0::host {

struct device {
  using memory = host_memory;
  using queue = host::queue;
  using tools = host::tools;
  using options = queue_options;
  template <class C>
  using product_options = host::product_options<C>;
  template <class T, int Rank>
  using tensor = stretto::tensor<T, Rank, memory>;
  template <class T, int Rank>
  using view = tensor_view<T, Rank, memory>;
  template <class T>
  using packed = packed_matrix<T>;
  template <class T>
  using rotary_table = stretto::rotary_table<T>;
  using sum = double;  ///< what the last layer of a model gives
};

}  // namespace stretto::inline v0::host
