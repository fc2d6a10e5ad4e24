// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations and their slopes in lanes, for kernels that end in one: a matrix product, a gated unit, an activation alone.
//
//     lanes h = activated<activation::gelu>(x);                         in portable, avx2 and avx512
//     lanes dx = mul(dy, activation_slope<activation::gelu>(x));
//     activation_parts f = activated_with_slope<activation::gelu>(x);   both, f.value and f.slope
// The kind is a template argument: a loop over rows is made for each. Cost in instructions a vector of AVX-512: relu 1,
// silu 21, tanh 23, gelu_tanh 24, gelu 36. Errors are within 4 units in the last place of the larger of 1 and the result.
#pragma once

#include <stretto/host/simd.hpp>
#include <stretto/numeric/activation.hpp>

#define STRETTO_KERNELS <stretto/host/kernels/activation_math.inl>
#include <stretto/host/each_isa.inl>
