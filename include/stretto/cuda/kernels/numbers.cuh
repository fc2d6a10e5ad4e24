// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What kernels are written with: numbers of a tensor's type widened to float and rounded back, sixteen bytes at a time, and
// the attribute that keeps kernels to their own library.
//
//     template <class T> STRETTO_KERNEL void scale(scale_arguments<T> a) {…}       hidden, as what launches it (launch_shape.hpp)
//     const auto x = load<8>(a.x + i);                              eight floats, from 16 bytes of bf16
//     store(a.y + i, y);                                            rounded to the nearest, to even
// Arrays here are in registers: loops over them must be unrolled. Cost: a load or store of 16 bytes where the address allows.
// Source: CUDA C++ Programming Guide 13, memory transactions.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include <stretto/cuda/launch_shape.hpp>
#include <stretto/tensor/element.hpp>

#define STRETTO_KERNEL __attribute__((visibility("hidden"))) __global__

namespace stretto::inline v0::cuda {

// What a tensor's numbers are in registers. The functions of bf16 and fp16 themselves are the CPU's.
__device__ inline float widen(float x) { return x; }
__device__ inline float widen(bf16 x) { return __uint_as_float(static_cast<unsigned>(x.bits) << 16); }
__device__ inline float widen(fp16 x) { return __half2float(__ushort_as_half(x.bits)); }

template <class T>
__device__ inline T narrow(float x);
template <>
__device__ inline float narrow<float>(float x) { return x; }
template <>
__device__ inline bf16 narrow<bf16>(float x) {
  bf16 b;
  b.bits = __bfloat16_as_ushort(__float2bfloat16_rn(x));
  return b;
}
template <>
__device__ inline fp16 narrow<fp16>(float x) {
  fp16 h;
  h.bits = __half_as_ushort(__float2half_rn(x));
  return h;
}

/// How many T are sixteen bytes.
template <class T>
inline constexpr int in_line = 16 / static_cast<int>(sizeof(T));

/// N numbers in registers.
template <int N>
struct floats {
  float of[N];
};

/// N neighbours. Where they are whole lines, or half a line of 16-bit numbers, the address is a multiple of that.
template <int N, class T>
__device__ inline floats<N> load(const T* from) {
  floats<N> out;
  constexpr int bytes = N * static_cast<int>(sizeof(T));
  if constexpr (bytes % 16 == 0) {
    union {
      uint4 line[bytes / 16];
      T each[N];
    } u;
#pragma unroll
    for (int i = 0; i < bytes / 16; ++i) u.line[i] = reinterpret_cast<const uint4*>(from)[i];
#pragma unroll
    for (int i = 0; i < N; ++i) out.of[i] = widen(u.each[i]);
  } else if constexpr (bytes == 8 && sizeof(T) == 2) {
    union {
      uint2 half;
      T each[N];
    } u;
    u.half = *reinterpret_cast<const uint2*>(from);
#pragma unroll
    for (int i = 0; i < N; ++i) out.of[i] = widen(u.each[i]);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) out.of[i] = widen(from[i]);
  }
  return out;
}
/// Numbers of four bytes in a word: one, or two neighbours, rounded in one instruction.
__device__ inline unsigned word_of(float x) { return __float_as_uint(x); }
template <class T>
__device__ inline unsigned word_of(float x, float y) {
  static_assert(sizeof(T) == 2);
  if constexpr (std::is_same_v<T, bf16>) {
    const __nv_bfloat162 both = __floats2bfloat162_rn(x, y);
    return __bfloat16_as_ushort(both.x) | static_cast<unsigned>(__bfloat16_as_ushort(both.y)) << 16;
  } else {
    const __half2 both = __floats2half2_rn(x, y);
    return __half_as_ushort(both.x) | static_cast<unsigned>(__half_as_ushort(both.y)) << 16;
  }
}
/// To memory of the device. Of an assignment the compiler makes stores of four bytes in some kernels.
template <int N, class T>
__device__ inline void store(T* to, const floats<N>& x) {
  constexpr int bytes = N * static_cast<int>(sizeof(T)), words = bytes / 4;
  if constexpr (bytes % 16 == 0 || (bytes == 8 && sizeof(T) == 2)) {
    unsigned w[words];
#pragma unroll
    for (int k = 0; k < words; ++k) {
      if constexpr (sizeof(T) == 2) w[k] = word_of<T>(x.of[2 * k], x.of[2 * k + 1]);
      else w[k] = word_of(x.of[k]);
    }
    if constexpr (bytes == 8) __stwb(reinterpret_cast<uint2*>(to), make_uint2(w[0], w[1]));
#pragma unroll
    for (int i = 0; i + 4 <= words; i += 4) __stwb(reinterpret_cast<uint4*>(to) + i / 4, make_uint4(w[i], w[i + 1], w[i + 2], w[i + 3]));
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = narrow<T>(x.of[i]);
  }
}

/// Of rows that begin `gap` apart: whether each begins at sixteen bytes, so that lines of them can be loaded.
template <class T>
bool in_lines(const T* first, std::int64_t gap, std::int64_t columns) {
  return reinterpret_cast<std::uintptr_t>(first) % 16 == 0 && gap % in_line<T> == 0 && columns % in_line<T> == 0;
}

}  // namespace stretto::inline v0::cuda
