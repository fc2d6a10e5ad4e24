// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ends what kernels_begin.inl began.
#if defined(__NVCC_DIAG_PRAGMA_SUPPORT__)
#pragma nv_diagnostic pop
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
