// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From here to kernels_end.inl compilers keep quiet about two things that aren't mistakes: the undefined vectors within g++
// 12's own intrinsics (gcc.gnu.org/PR105593), and g++'s pragmas, which nvcc passes on to it.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#if defined(__NVCC_DIAG_PRAGMA_SUPPORT__)
#pragma nv_diagnostic push
#pragma nv_diag_suppress 1675
#endif
