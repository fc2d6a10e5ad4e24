// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranks as streams of CUDA devices: stream_ranks.hpp over the real runtime.
//
//     cuda_streams t(4);                                               four streams of one device, or of all there are
//     cuda_streams t(4, {.deadline = 60}, {.devices = {0, 0, 1, 1}});
//     pipeline p(t, transformer<cuda::device, bf16>(shape), cut, plan, cuda::optimizer{adamw_options{}});
#pragma once

#include <stretto/cuda/runtime.hpp>
#include <stretto/transport/stream_ranks.hpp>

namespace stretto::inline v0 {

using cuda_streams = stream_ranks<cuda::runtime>;

}  // namespace stretto::inline v0
