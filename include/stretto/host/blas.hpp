// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A BLAS as a product_library: the one place that includes cblas.h. Include it and link a BLAS where products of float are
// to be that library's on CPUs for which the table says so.
//
//     host::queue q({.library = &host::cblas()});          g++ … -lopenblas
//     host::queue q({.library = &host::cblas(), .use = host::library_use::always});
// OpenBLAS is told to use one thread, since ranks are threads already; cblas(n) tells it n. What a product's bits hang on is
// the library's business then: its kernels may sum a row otherwise where it stands elsewhere in a batch.
#pragma once

#include <cblas.h>

#include <stretto/host/product_library.hpp>

extern "C" __attribute__((weak)) void openblas_set_num_threads(int);

namespace stretto::inline v0::host {

/// The linked BLAS, with that many threads for each product where it is OpenBLAS.
inline const product_library& cblas(int threads = 1) {
  static const product_library library{
      "BLAS", [](bool a_transposed, bool b_transposed, std::int64_t rows, std::int64_t columns, std::int64_t depth, const float* a, std::int64_t a_gap, const float* b,
                 std::int64_t b_gap, float beta, float* c, std::int64_t c_gap) {
        if (rows == 0 || columns == 0) return;
        const auto gap = [](std::int64_t g) { return static_cast<int>(g > 0 ? g : 1); };
        cblas_sgemm(CblasRowMajor, a_transposed ? CblasTrans : CblasNoTrans, b_transposed ? CblasTrans : CblasNoTrans, static_cast<int>(rows), static_cast<int>(columns),
                    static_cast<int>(depth), 1.0f, a, gap(a_gap), b, gap(b_gap), beta, c, gap(c_gap));
      }};
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(threads);
  return library;
}

}  // namespace stretto::inline v0::host
