// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Exponentials of kernels, as exact as the type that a result is rounded to.
//
//     exp_of<T>(x)                    e^x: within a unit in the last place for float, for two bytes within 2^-22 and |x| 2^-24
//     exp2_of(x)                      2^x, within 2^-22
// Cost: exp2_of one instruction of the special function unit, exp_of<bf16> a product besides, exp_of<float> ten instructions.
// Source: CUDA C++ Programming Guide 13, mathematical functions.
#pragma once

#include <stretto/cuda/kernels/numbers.cuh>

namespace stretto::inline v0::cuda {

inline constexpr float log2_of_e = 1.44269504f;

__device__ inline float exp2_of(float x) {
  float y;
  asm("ex2.approx.f32\t%0,%1;" : "=f"(y) : "f"(x));
  return y;
}
template <class T>
__device__ inline float exp_of(float x) {
  if constexpr (sizeof(T) == 4) return expf(x);
  else return exp2_of(x * log2_of_e);
}

inline constexpr unsigned minus_infinity_bits = 0xff800000u;
inline constexpr unsigned no_number_bits = 0x7fc00000u;
__device__ inline float minus_infinity() { return __uint_as_float(minus_infinity_bits); }
__device__ inline float no_number() { return __uint_as_float(no_number_bits); }

}  // namespace stretto::inline v0::cuda
