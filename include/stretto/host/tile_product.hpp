// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The product of bf16 matrices on tile registers, for matrix_product: 32 x 32 sums stand in four tiles while they go over
// the depth, 32 steps at a time. Where there are no tiles but dot products of pairs (isa::avx512_bf16), the same blocks are
// summed by those. Sums are float, in the order in which the CPU's instructions add.
#pragma once

#include <cstring>

#include <stretto/host/product_kernels.hpp>
#include <stretto/host/tiles.hpp>

#include <stretto/host/kernels_begin.inl>
#if STRETTO_X86
#include <stretto/host/target_amx.inl>
#endif
namespace stretto::inline v0::host::amx {
#include <stretto/host/kernels/tile_product.inl>
}
#if STRETTO_X86
#include <stretto/host/target_end.inl>
#endif
#include <stretto/host/kernels_end.inl>
