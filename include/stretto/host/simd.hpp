// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Lanes: a vector of floats, once for each set of instructions, with the same functions: host::portable (4 floats),
// host::avx2 (8) and host::avx512 (16). Kernels are written on them and compiled in each of these namespaces by
// each_isa.inl.
//
//     lanes s = zero();
//     for (; i + width <= n; i += width) s = fma(load(x + i), load(w + i), s);       x and w: float, bf16 or fp16
//     if (i < n) s = fma(load_some(x + i, n - i), load_some(w + i, n - i), s);       the lanes beyond are 0
//     float dot = sum(s);                                                            in one order, whatever came before
// Functions by name, no operators: a vector type has its own on some compilers only. Of larger(a, b) and smaller(a, b) the second
// is the result where one is no number.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include <stretto/host/isa.hpp>
#include <stretto/tensor/element.hpp>

#if STRETTO_X86
#include <immintrin.h>
#endif

#include <stretto/host/kernels_begin.inl>
namespace stretto::inline v0::host::portable {
#include <stretto/host/kernels/lanes_portable.inl>
}
#if STRETTO_X86
#include <stretto/host/target_avx2.inl>
namespace stretto::inline v0::host::avx2 {
#include <stretto/host/kernels/lanes_avx2.inl>
}
#include <stretto/host/target_end.inl>
#include <stretto/host/target_avx512.inl>
namespace stretto::inline v0::host::avx512 {
#include <stretto/host/kernels/lanes_avx512.inl>
}
#include <stretto/host/target_end.inl>
#else
namespace stretto::inline v0::host {
namespace avx2 = portable;
namespace avx512 = portable;
}  // namespace stretto::inline v0::host
#endif
#include <stretto/host/kernels_end.inl>

#define STRETTO_KERNELS <stretto/host/kernels/math.inl>
#include <stretto/host/each_isa.inl>
