// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernels of matrix_product for AVX-512, AVX2 and any other CPU, and what stands behind the sums of all products.
#pragma once

#include <stretto/host/activation_math.hpp>
#include <stretto/host/packed_matrix.hpp>

#define STRETTO_KERNELS <stretto/host/kernels/matrix_product.inl>
#include <stretto/host/each_isa.inl>
