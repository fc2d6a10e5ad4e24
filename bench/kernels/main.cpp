// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//     bench_kernels                   everything: products, row operations, attention
//     bench_kernels products          a part
//     bench_kernels --quick           small sizes, an instant: shows that it works, measures nothing
//     bench_kernels --choose          rows for the table in host/product_library.hpp
// Each part prints its contenders beside it and shares of what the machine can do, measured in the same rounds.
#include <cstring>

#include "programs.hpp"

int main(int count, char** words) {
  bench::effort how;
  bool quick = false, all = true, part[3] = {};
  const char* const names[] = {"products", "rows", "attention"};
  void (*const parts[])(const bench::effort&, bool) = {bench::products, bench::rows, bench::attention};
  for (int i = 1; i < count; ++i) {
    bool known = false;
    if (std::strcmp(words[i], "--quick") == 0) how = {2, 0}, known = quick = true;
    if (std::strcmp(words[i], "--choose") == 0) return bench::choose(how), 0;
    for (int p = 0; p < 3; ++p)
      if (std::strcmp(words[i], names[p]) == 0) known = part[p] = true, all = false;
    if (!known) {
      std::fprintf(stderr, "stretto: bench_kernels doesn't know '%s'; give products, rows, attention, --quick or --choose\n", words[i]);
      return 2;
    }
  }
  for (int p = 0; p < 3; ++p)
    if (all || part[p]) parts[p](how, quick);
}
