// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tile registers (AMX) for bf16: eight of 16 rows of 64 bytes, and one instruction that multiplies two of them into a third,
// 16 x 16 sums over 32 steps of the depth. Packed for them, a matrix stands in panels of 32 columns, in each of which pairs
// of neighbours along the depth stand together:
//
//     step 0-31: [16 pairs][16 columns][2]  [16 pairs][16 columns][2]      two tiles of 1 KiB;  step 32-63: …
// Here is what packs; tile_product.hpp multiplies. A CPU without tiles never comes here.
#pragma once

#include <stretto/host/product_arguments.hpp>
#include <stretto/host/simd.hpp>

#include <stretto/host/kernels_begin.inl>
#if STRETTO_X86
#include <stretto/host/target_amx.inl>
#endif
namespace stretto::inline v0::host::amx {
#include <stretto/host/kernels/tile_packing.inl>
}
#if STRETTO_X86
#include <stretto/host/target_end.inl>
#endif
#include <stretto/host/kernels_end.inl>
