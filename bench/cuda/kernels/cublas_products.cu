// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products by cublasGemmEx, which chooses among its kernels by itself. Link -lcublas.
#include <cublas_v2.h>

#include <stretto/cuda/product_library.hpp>

#include "parts.cuh"

namespace bench {

namespace {

constexpr std::size_t room_bytes = 32 << 20;  // as a queue's products have

}  // namespace

cublas_products::cublas_products(cudaStream_t s) {
  cublasHandle_t h = nullptr;
  cuda::product_check(cublasCreate(&h), "cublasCreate");
  handle_ = h;
  room_ = cuda::runtime::take(room_bytes);
  cuda::product_check(cublasSetStream(h, s), "cublasSetStream");
  cuda::product_check(cublasSetWorkspace(h, room_, room_bytes), "cublasSetWorkspace");
}

cublas_products::~cublas_products() {
  cublasDestroy(static_cast<cublasHandle_t>(handle_));
  cuda::runtime::give(room_);
}

void cublas_products::operator()(const matrix& a, const matrix& b, void* c, std::int64_t c_gap, std::int64_t rows, std::int64_t columns, std::int64_t depth, cudaDataType in,
                                 cudaDataType out, bool tf32, bool adds) {
  const float alpha = 1, beta = adds ? 1.0f : 0.0f;
  const auto turned = [](const matrix& m) { return m.transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  // Matrices by rows are matrices by columns turned: the second comes first.
  cuda::product_check(cublasGemmEx(static_cast<cublasHandle_t>(handle_), turned(b), turned(a), static_cast<int>(columns), static_cast<int>(rows), static_cast<int>(depth), &alpha, b.data, in,
                                   static_cast<int>(b.gap), a.data, in, static_cast<int>(a.gap), &beta, c, out, static_cast<int>(c_gap),
                                   tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
                      "cublasGemmEx");
}

}  // namespace bench
