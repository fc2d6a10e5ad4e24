// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// launch_shape: how many blocks of how many threads a kernel runs on.
//
//     q.launch("rms_norm", kernel<T>, {.blocks = rows, .threads = 256}, arguments, reads_of(x), writes_of(y));
// Kernels take one argument, a struct. Cost: none.
#pragma once

#include <cstdint>

namespace stretto::inline v0::cuda {

struct launch_shape {
  std::int64_t blocks = 1;
  int threads = 256;
  int shared_bytes = 0;   ///< of dynamic shared memory
  std::int64_t rows = 1;  ///< blocks in the second dimension
};

}  // namespace stretto::inline v0::cuda
