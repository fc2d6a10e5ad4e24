// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From here to target_end.inl functions may use AVX-512 F, BW, DQ and VL. They are called only where isa says so.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")
#endif
