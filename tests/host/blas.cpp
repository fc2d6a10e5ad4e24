// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A linked BLAS does products for a queue. Built where one is found; exits with 0 if they are near Stretto's own.
#include <cmath>
#include <cstdio>

#include <stretto/host/blas.hpp>
#include <stretto/host/matrix_product.hpp>
#include <stretto/tensor/tensor.hpp>

int main() {
  using namespace stretto;
  host::queue own({.library = &host::cblas(), .use = host::library_use::never}), theirs({.library = &host::cblas(), .use = host::library_use::always});
  tensor<float, 2> x({33, 70}), w({41, 70}), y({33, 41}), z({33, 41}), packed({33, 41});
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(i % 13) / 13;
  for (std::int64_t i = 0; i < w.size(); ++i) w.data()[i] = static_cast<float>(i % 7) / 7;
  matrix_product(own, x, transposed(w), y, {.kind = activation::silu});
  matrix_product(theirs, x, transposed(w), z, {.kind = activation::silu});
  host::packed_matrix<float> p(theirs, 70, 41);
  pack(theirs, transposed(w), p);
  matrix_product(theirs, x, p, packed, {.kind = activation::silu});
  float off = 0;
  for (std::int64_t i = 0; i < y.size(); ++i) off = std::fmax(off, std::fmax(std::fabs(y.data()[i] - z.data()[i]), std::fabs(y.data()[i] - packed.data()[i])));
  std::printf("largest difference %g\n", static_cast<double>(off));
  return off < 1e-4f ? 0 : 1;
}
