// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ends what target_avx2.inl or another of that kind began.
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
