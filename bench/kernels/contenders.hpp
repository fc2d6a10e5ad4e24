// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Other people's matrix products, where their libraries are installed: OpenBLAS with each kind of core that it knows, each
// in a name space of its own, because a copy chooses its kernels once, and oneDNN. They are looked for when the program
// runs, so building needs neither.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace bench {

/// c = a b + beta c by rows, as CBLAS says it.
struct contender {
  std::string name;
  int (*blas)(int order, int ta, int tb, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc) = nullptr;
  int (*dnnl)(char ta, char tb, std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta,
              float* c, std::int64_t ldc) = nullptr;

  void operator()(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c,
                  std::int64_t ldc) const {
    if (dnnl != nullptr) dnnl(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
    else
      blas(101, ta ? 112 : 111, tb ? 112 : 111, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), 1, a, static_cast<int>(lda), b, static_cast<int>(ldb), beta, c,
           static_cast<int>(ldc));
  }
};

inline std::vector<contender> contenders() {
  std::vector<contender> all;
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  setenv("OMP_NUM_THREADS", "1", 1);
  for (const char* core : {"HASWELL", "ZEN", "SKYLAKEX", "COOPERLAKE", "SAPPHIRERAPIDS"}) {
    setenv("OPENBLAS_CORETYPE", core, 1);
    void* const library = dlmopen(LM_ID_NEWLM, "libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) continue;
    using name_of = char* (*)();
    const auto chosen = reinterpret_cast<name_of>(dlsym(library, "openblas_get_corename"));
    contender c;
    c.name = std::string("OpenBLAS ") + (chosen != nullptr ? chosen() : core);
    c.blas = reinterpret_cast<decltype(c.blas)>(dlsym(library, "cblas_sgemm"));
    bool known = c.blas == nullptr;
    for (const contender& other : all) known = known || other.name == c.name;
    if (!known) all.push_back(c);
  }
  for (const char* name : {"libdnnl.so.3", "libdnnl.so.2"}) {
    void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    contender c;
    c.name = "oneDNN";
    if (library != nullptr) c.dnnl = reinterpret_cast<decltype(c.dnnl)>(dlsym(library, "dnnl_sgemm"));
    if (c.dnnl == nullptr) continue;
    all.push_back(c);
    break;
  }
  return all;
}

}  // namespace bench
