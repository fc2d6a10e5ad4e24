// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums and extremes over the threads of a warp and of a block, in a fixed order, so that equal numbers give equal bits.
//
//     const float all = block_sum<256>(mine, room);       every thread gets it; room: shared float[block_room]
//
//     lane 0 … 31      a butterfly: 16, 8, 4, 2, 1 apart         5 shuffles
//     warps 0 … 7      each warp's sum through shared memory, added by every warp in the same way
// Cost: 5 shuffles, a store, a barrier, a load and up to 5 shuffles more. Rooms may be used again behind a barrier.
#pragma once

#include <stretto/cuda/runtime.hpp>

namespace stretto::inline v0::cuda {

struct adds {
  __device__ static float of(float a, float b) { return a + b; }
};
struct takes_larger {
  __device__ static float of(float a, float b) { return fmaxf(a, b); }
};

template <class How, int Lanes = 32>
__device__ inline float warp_all(float x) {
#pragma unroll
  for (int apart = Lanes / 2; apart > 0; apart /= 2) x = How::of(x, __shfl_xor_sync(0xffffffffu, x, apart));
  return x;
}

/// Of shared memory.
inline constexpr int block_room = 32;

template <class How, int Threads>
__device__ inline float block_all(float x, float* room) {
  static_assert(Threads % 32 == 0 && Threads <= 1024);
  constexpr int warps = Threads / 32;
  x = warp_all<How>(x);
  if constexpr (warps == 1) {
    return x;
  } else {
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = x;
    __syncthreads();
    float y = room[threadIdx.x % warps];
    if constexpr ((warps & (warps - 1)) == 0) {
      y = warp_all<How, warps>(y);
    } else {
      y = room[0];
#pragma unroll
      for (int w = 1; w < warps; ++w) y = How::of(y, room[w]);
    }
    __syncthreads();
    return y;
  }
}
template <int Threads>
__device__ inline float block_sum(float x, float* room) {
  return block_all<adds, Threads>(x, room);
}
template <int Threads>
__device__ inline float block_max(float x, float* room) {
  return block_all<takes_larger, Threads>(x, room);
}

}  // namespace stretto::inline v0::cuda
