// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The parts of bench_kernels.
#pragma once

#include "race.hpp"

namespace bench {

/// Matrix products, as shares of the fma peak.
void products(const effort&, bool quick);
/// Row operations, as shares of the bandwidth of memcpy.
void rows(const effort&, bool quick);
/// Attention, as shares of the matrix product's rate.
void attention(const effort&, bool quick);
/// Rows of the table that says which CPUs' products are a library's.
void choose(const effort&);

}  // namespace bench
