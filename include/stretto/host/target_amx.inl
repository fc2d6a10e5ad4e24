// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From here to target_end.inl functions may use AMX tiles for bf16 beside AVX-512. They are called only where isa says so.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16")
#endif
