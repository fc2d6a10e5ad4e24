// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// product_library: somebody else's product of float matrices, as a function in a value that a queue is made with. blas.hpp
// makes one of a BLAS; with none, the default, all products are Stretto's own.
//
//     host::queue q({.library = &host::cblas()});
// Which of the two does a product is read off a table, by the kind of CPU and the instructions that are used, so it is the
// same in every run; `library_use` overrides it. bench/kernels measures the table anew (`bench_kernels --choose`).
#pragma once

#include <cstdint>

#include <stretto/host/isa.hpp>

namespace stretto::inline v0::host {

struct product_library {
  const char* name = "none";
  /// c = a b + beta c for matrices by rows, each perhaps read transposed; the gaps are from row to row as they stand.
  void (*multiply)(bool a_transposed, bool b_transposed, std::int64_t rows, std::int64_t columns, std::int64_t depth, const float* a, std::int64_t a_gap, const float* b,
                   std::int64_t b_gap, float beta, float* c, std::int64_t c_gap) = nullptr;
};

enum class library_use : std::uint8_t { by_table, never, always };

/// For one kind of CPU, or all with an empty name: whether products of at least so many multiplications go to the library.
struct product_choice {
  std::string_view cpu_kind;
  isa level;
  std::int64_t from;  ///< rows × columns × depth; -1: never
};

/// Measured with bench/kernels. The first row that fits counts.
inline constexpr product_choice product_choices[] = {
    {"GenuineIntel 6 207", isa::avx512, -1},  // own 1.0 to 1.9 times OpenBLAS 0.3.21 with any core type
    {"", isa::avx512, -1},
    {"", isa::avx2, -1},
    {"", isa::portable, 64 * 64 * 64},        // nothing is known of these CPUs here, a library may know more
};

/// Whether the table gives a product of that many multiplications to a library.
inline bool library_is_better(isa level, std::int64_t multiplications) {
  for (const product_choice& c : product_choices)
    if ((c.cpu_kind.empty() || c.cpu_kind == this_cpu().kind.str()) && level >= c.level) return c.from >= 0 && multiplications >= c.from;
  return false;
}

}  // namespace stretto::inline v0::host
