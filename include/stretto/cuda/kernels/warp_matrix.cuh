// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The instructions of a warp that load and multiply small matrices of bf16 and fp16, from compute capability 8.0 on.
//
//     const four_words a = load_matrices(row);                four matrices of 8 by 8; lane 8 m + i gives row i of matrix m
//     multiply_matrices<bf16>(c, a, b0, b1);                  c += a bᵀ: a 16 by 16, b 8 by 16, c 16 by 8, in float
//
//     lane 4 g + t holds   of a matrix of 8 by 8      row g, columns 2t and 2t + 1; of one that was turned, rows 2t and 2t + 1 of column g
//                          of c                       rows g (0, 1) and g + 8 (2, 3), columns 2t and 2t + 1
// Cost: a multiplication takes a scheduler 16 to 32 cycles; a load a line of shared memory for each matrix.
// Source: PTX ISA 9.0, ldmatrix and mma.m16n8k16.
#pragma once

#include <stretto/cuda/kernels/numbers.cuh>

namespace stretto::inline v0::cuda {

struct four_words {
  unsigned of[4];
};

__device__ inline four_words load_matrices(const void* row) {
  four_words w;
  const auto at = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile(R"(ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];)" : "=r"(w.of[0]), "=r"(w.of[1]), "=r"(w.of[2]), "=r"(w.of[3]) : "r"(at) : "memory");
  return w;
}
/// Each matrix turned.
__device__ inline four_words load_matrices_turned(const void* row) {
  four_words w;
  const auto at = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile(R"(ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];)" : "=r"(w.of[0]), "=r"(w.of[1]), "=r"(w.of[2]), "=r"(w.of[3]) : "r"(at) : "memory");
  return w;
}

template <class T>
__device__ inline void multiply_matrices(float (&c)[4], const four_words& a, unsigned b0, unsigned b1) {
  if constexpr (std::is_same_v<T, bf16>)
    asm(R"(mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};)"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a.of[0]), "r"(a.of[1]), "r"(a.of[2]), "r"(a.of[3]), "r"(b0), "r"(b1));
  else
    asm(R"(mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};)"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a.of[0]), "r"(a.of[1]), "r"(a.of[2]), "r"(a.of[3]), "r"(b0), "r"(b1));
}

/// Two numbers rounded into a word, the first in the lower half.
template <class T>
__device__ inline unsigned pair_of(float first, float second) {
  return static_cast<unsigned>(narrow<T>(first).bits) | static_cast<unsigned>(narrow<T>(second).bits) << 16;
}

}  // namespace stretto::inline v0::cuda
