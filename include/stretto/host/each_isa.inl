// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiles the kernels in the file that STRETTO_KERNELS names once for each set of instructions, in the namespaces
// host::portable, host::avx2 and host::avx512. The header of an operation includes it:
//
//     #define STRETTO_KERNELS <stretto/host/kernels/rms_norm.inl>
//     #include <stretto/host/each_isa.inl>
// A file of kernels is plain code on the lanes of simd.hpp: no includes, no macros, no friends (g++ gives these no target).
// Where there are no other instructions, avx2 and avx512 are names for portable.
#include <stretto/host/kernels_begin.inl>
namespace stretto::inline v0::host::portable {
#include STRETTO_KERNELS
}
#if STRETTO_X86
#include <stretto/host/target_avx2.inl>
namespace stretto::inline v0::host::avx2 {
#include STRETTO_KERNELS
}
#include <stretto/host/target_end.inl>
#include <stretto/host/target_avx512.inl>
namespace stretto::inline v0::host::avx512 {
#include STRETTO_KERNELS
}
#include <stretto/host/target_end.inl>
#endif
#include <stretto/host/kernels_end.inl>
#undef STRETTO_KERNELS
