// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention forward and backward, of each head size that has kernels of its own.
#include <stretto/cuda.cuh>

#include "operations.hpp"

// What docs/kernels.md says of dynamic shared memory.
namespace stretto::inline v0::cuda {
static_assert(attention_shape<bf16, 64>::bytes == 38656 && attention_shape<bf16, 128>::bytes == 63232 && attention_shape<bf16, 256>::bytes == 78336);
static_assert(attention_shape<float, 64>::bytes == 45568 && attention_shape<float, 128>::bytes == 78336 && attention_shape<float, 256>::bytes == 143872);
static_assert(attention_backward_shape<bf16, 64>::bytes == 49920 && attention_backward_shape<bf16, 128>::bytes == 64000 && attention_backward_shape<bf16, 256>::bytes == 74112);
static_assert(attention_backward_shape<float, 64>::bytes == 64000 && attention_backward_shape<float, 128>::bytes == 113152 && attention_backward_shape<float, 256>::bytes == 139648);
}  // namespace stretto::inline v0::cuda

#ifndef STRETTO_ALL_HEAD_SIZES
// Kernels of head sizes above 128 take more than half of the time to compile, so by day the front end alone sees them.
template <>
STRETTO_KERNEL void stretto::cuda::attention_forward<operations::element, 256>(attention_arguments<operations::element>) {}
template <>
STRETTO_KERNEL void stretto::cuda::attention_backward_queries<operations::element, 256>(attention_backward_arguments<operations::element>) {}
template <>
STRETTO_KERNEL void stretto::cuda::attention_backward_keys<operations::element, 256, true, false>(attention_backward_arguments<operations::element>) {}
template <>
STRETTO_KERNEL void stretto::cuda::attention_backward_keys<operations::element, 256, false, true>(attention_backward_arguments<operations::element>) {}
#endif

void operations::attention(room& r) {
  auto& q = r.q;
  for (const std::int64_t size : {64, 128, 256}) {
    const auto queries = r.heads<element>(70, 4, size), output = r.heads<element>(70, 4, size), d_output = r.heads<element>(70, 4, size);
    const auto keys = r.heads<element>(70, 2, size), values = r.heads<element>(70, 2, size);
    const auto state = r.heads<float>(70, 4, size), d_queries = r.heads<float>(70, 4, size), d_keys = r.heads<float>(70, 2, size), d_values = r.heads<float>(70, 2, size);
    const auto lse = r.matrix<float>(70, 4), delta = r.matrix<float>(70, 4);
    const auto documents = r.run<std::int32_t>(70);
    cuda::attention(q, queries, keys, values, {}, {}, output, lse);
    cuda::attention_block(q, queries, keys, values, {.documents = documents}, {.documents = documents}, state, lse, output, {.dropout = 0.1});
    cuda::attention_delta(q, output, d_output, delta);
    cuda::attention_backward(q, queries, keys, values, d_output, lse, delta, {}, {}, d_queries, d_keys, d_values);
    cuda::attention_backward(q, queries, keys, values, d_output, lse, delta, {}, {}, output, keys, values);
  }
}
