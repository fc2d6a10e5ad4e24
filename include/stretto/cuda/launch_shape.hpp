// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// launch_shape: how many blocks of how many threads a kernel runs on.
//
//     q.launch("rms_norm", kernel<T>, {.blocks = rows, .threads = 256}, arguments, reads_of(x), writes_of(y));
//     template <class T> STRETTO_OPERATION void rms_norm(queue& q, …) {…}
// Kernels take one argument, a struct. A shared library's copy of the CUDA runtime knows this library's kernels alone, so all
// that leads to a launch is hidden: another library may have the same operations. Cost: none.
#pragma once

#include <cstdint>

#define STRETTO_OPERATION __attribute__((visibility("hidden")))

namespace stretto::inline v0::cuda {

struct launch_shape {
  std::int64_t blocks = 1;
  int threads = 256;
  int shared_bytes = 0;   ///< of dynamic shared memory
  std::int64_t rows = 1;  ///< blocks in the second dimension
};

}  // namespace stretto::inline v0::cuda
