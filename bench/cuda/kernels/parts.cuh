// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The parts of bench_kernels_cuda, each a source of its own, so that they are compiled side by side, and what other libraries
// do of the same.
#pragma once

#include "turns.cuh"

namespace bench {

void roofs(machine&);
void norms(machine&);
void losses(machine&);      ///< softmax and cross-entropy
void each(machine&);        ///< what works number by number
void gathers(machine&);     ///< rotary embedding, embedding, and the sort behind its gradient
void steps(machine&);       ///< optimizers and the norm of gradients
void attentions(machine&);
void products(machine&);

// Other people's ----------------------------------------------------------------------------------------------------------

/// c = a b by rows, as plain as cuBLAS has it (cublasGemmEx). Types: CUDA's numbers for them.
class cublas_products {
 public:
  explicit cublas_products(cudaStream_t);
  cublas_products(const cublas_products&) = delete;
  ~cublas_products();
  struct matrix {
    const void* data;
    bool transposed;      ///< read as its transpose
    std::int64_t gap;     ///< of rows as they are stored
  };
  void operator()(const matrix& a, const matrix& b, void* c, std::int64_t c_gap, std::int64_t rows, std::int64_t columns, std::int64_t depth, cudaDataType in, cudaDataType out, bool tf32,
                  bool adds);

 private:
  void* handle_ = nullptr;
  void* room_ = nullptr;
};

/// CUB's sort of pairs by the lowest bits of their keys.
std::int64_t cub_sort_bytes(std::int64_t count, int bits);
void cub_sort(void* room, std::int64_t bytes, const std::uint32_t* keys, std::uint32_t* sorted_keys, const std::uint32_t* places, std::uint32_t* sorted_places, std::int64_t count, int bits,
              cudaStream_t);

}  // namespace bench
