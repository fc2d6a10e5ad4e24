// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From here to target_end.inl functions may use AVX2, FMA and F16C. They are called only where isa says so.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
