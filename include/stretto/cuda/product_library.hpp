// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// product_library: matrix products by cuBLASLt. The one header that includes cublasLt.h; link -lcublasLt.
//
//     product_library lt(device, table, workspace_bytes);
//     const product_plan* p = lt.plan(key);          null where the library can't; made once, then kept
//     if (p != nullptr) lt.multiply(*p, {a, b, source, c, bias, before}, workspace, stream);
// An algorithm comes from the table of choices, else it is the first of the library's own that needs no atomics and fits the
// workspace: the same on all ranks and in every run, because nothing is timed. Matrices by rows are matrices by columns
// turned, so cᵀ = bᵀ aᵀ is what the library is asked for.
// Cost: a lookup in a hash table a product; a plan costs some 100 µs once.
// Source: cuBLAS 13 documentation, chapter on cuBLASLt.
#pragma once

#include <cublasLt.h>

#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

#include <stretto/cuda/product_key.hpp>
#include <stretto/cuda/runtime.hpp>

namespace stretto::inline v0::cuda {

inline void product_check(cublasStatus_t code, const char* call) {
  if (code != CUBLAS_STATUS_SUCCESS) [[unlikely]]
    throw error(text("stretto: ", call, " failed: ", cublasLtGetStatusString(code), "; see what was put on the device before it").str());
}

namespace detail {

inline void drop_handle(cublasLtHandle_t h) { cublasLtDestroy(h); }
inline void drop_handle(cublasLtMatmulDesc_t h) { cublasLtMatmulDescDestroy(h); }
inline void drop_handle(cublasLtMatrixLayout_t h) { cublasLtMatrixLayoutDestroy(h); }
inline void drop_handle(cublasLtMatmulPreference_t h) { cublasLtMatmulPreferenceDestroy(h); }

}  // namespace detail

/// A handle of the library's, which goes with its holder.
template <class Handle>
class product_handle {
 public:
  product_handle() = default;
  product_handle(product_handle&& other) noexcept : h_(other.h_) { other.h_ = nullptr; }
  product_handle& operator=(product_handle&& other) noexcept {
    const Handle h = h_;
    h_ = other.h_, other.h_ = h;
    return *this;
  }
  ~product_handle() {
    if (h_ != nullptr) detail::drop_handle(h_);
  }
  Handle* place() { return &h_; }
  Handle get() const { return h_; }

 private:
  Handle h_ = nullptr;
};

struct product_plan {
  product_handle<cublasLtMatmulDesc_t> how;
  product_handle<cublasLtMatrixLayout_t> left, right, source, result;  ///< as the library sees them: b, a, source, c
  cublasLtMatmulAlgo_t algorithm{};
  bool adds = false, found = false;
};

struct product_algorithm {
  cublasLtMatmulAlgo_t is;
};

struct product_pointers {
  const void *a, *b, *source;
  void* c;
  const void* bias;
  void* before;
};

class product_library {
 public:
  product_library(int device, std::string_view table, std::int64_t workspace) : table_(table), workspace_(workspace) {
    product_check(cublasLtCreate(handle_.place()), "cublasLtCreate");
    cudaDeviceProp facts{};
    cuda_check(cudaGetDeviceProperties(&facts, device), "cudaGetDeviceProperties");
    device_ = facts.name;
  }

  const std::string& device() const { return device_; }
  static std::int64_t version() { return static_cast<std::int64_t>(cublasLtGetVersion()); }

  /// Null where the library has no algorithm.
  const product_plan* plan(const product_key& key) {
    auto at = plans_.find(key);
    if (at == plans_.end()) at = plans_.emplace(key, make(key)).first;
    return at->second.found ? &at->second : nullptr;
  }

  void multiply(const product_plan& p, const product_pointers& m, void* workspace, cudaStream_t where) { multiply(p, p.algorithm, m, workspace, where); }
  void multiply(const product_plan& p, const cublasLtMatmulAlgo_t& algorithm, const product_pointers& m, void* workspace, cudaStream_t where) {
    if (m.bias != nullptr) set(p.how.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, m.bias);
    if (m.before != nullptr) set(p.how.get(), CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, m.before);
    const float one = 1, beta = p.adds ? 1 : 0;
    product_check(cublasLtMatmul(handle_.get(), p.how.get(), &one, m.b, p.left.get(), m.a, p.right.get(), &beta, p.adds ? m.source : m.c, p.source.get(), m.c, p.result.get(), &algorithm, workspace,
                                 static_cast<std::size_t>(workspace_), where),
                  "cublasLtMatmul");
  }

  /// A plan without an algorithm.
  product_plan describe(const product_key& k) const {
    product_plan p;
    p.adds = k.adds;
    const cudaDataType_t in = type_of(k.input), out = type_of(k.output);
    product_check(cublasLtMatmulDescCreate(p.how.place(), k.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
    set(p.how.get(), CUBLASLT_MATMUL_DESC_TRANSA, k.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(p.how.get(), CUBLASLT_MATMUL_DESC_TRANSB, k.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (k.epilogue != 0) {
      const int gelu = (k.epilogue & product_gelu) != 0 ? CUBLASLT_EPILOGUE_GELU : 0;
      const int bias = (k.epilogue & product_bias) != 0 ? CUBLASLT_EPILOGUE_BIAS : 0, before = (k.epilogue & product_before) != 0 ? CUBLASLT_EPILOGUE_GELU_AUX - CUBLASLT_EPILOGUE_GELU : 0;
      set(p.how.get(), CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<cublasLtEpilogue_t>(gelu | bias | before));
      if (bias != 0) {
        set(p.how.get(), CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<std::int32_t>(out));
        set(p.how.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, somewhere());
      }
      if (before != 0) {
        set(p.how.get(), CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, somewhere());
        set(p.how.get(), CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, k.before_gap);
      }
    }
    lay_out(p.left, in, k.b_transposed ? k.depth : k.columns, k.b_transposed ? k.columns : k.depth, k.b_gap);
    lay_out(p.right, in, k.a_transposed ? k.rows : k.depth, k.a_transposed ? k.depth : k.rows, k.a_gap);
    lay_out(p.source, out, k.columns, k.rows, k.adds ? k.source_gap : k.c_gap);
    lay_out(p.result, out, k.columns, k.rows, k.c_gap);
    return p;
  }

  /// The library's own algorithms for it, the one that it expects most of first, without those that need atomics.
  std::vector<product_algorithm> candidates(const product_plan& p, const product_key& k) const {
    product_handle<cublasLtMatmulPreference_t> wish;
    product_check(cublasLtMatmulPreferenceCreate(wish.place()), "cublasLtMatmulPreferenceCreate");
    prefer(wish.get(), CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(workspace_));
    prefer(wish.get(), CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    prefer(wish.get(), CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(k.b_align));
    prefer(wish.get(), CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(k.a_align));
    prefer(wish.get(), CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(k.source_align));
    prefer(wish.get(), CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(k.c_align));
    cublasLtMatmulHeuristicResult_t some[16];  // no vector of a struct without a name: nvcc 13 fails on it
    int count = 0;
    const cublasStatus_t code = cublasLtMatmulAlgoGetHeuristic(handle_.get(), p.how.get(), p.left.get(), p.right.get(), p.source.get(), p.result.get(), wish.get(), 16, some, &count);
    // It has none for this; what else goes wrong is told, but at odd addresses, which it needn't take.
    const bool lined = k.a_align >= 16 && k.b_align >= 16 && k.c_align >= 16 && k.source_align >= 16;
    if (code != CUBLAS_STATUS_SUCCESS && code != CUBLAS_STATUS_NOT_SUPPORTED && lined) product_check(code, "cublasLtMatmulAlgoGetHeuristic");
    if (code != CUBLAS_STATUS_SUCCESS) count = 0;
    std::vector<product_algorithm> all;
    for (int i = 0; i < count; ++i)
      if (fits(some[i])) all.push_back({some[i].algo});
    return all;
  }

  static void numbers_of(const cublasLtMatmulAlgo_t& algorithm, std::uint64_t (&to)[8]) {
    static_assert(sizeof algorithm == sizeof to);
    std::memcpy(to, &algorithm, sizeof to);
  }

 private:
  product_plan make(const product_key& k) const {
    product_plan p = describe(k);
    std::uint64_t choice[8];
    if (find_product_choice(table_, device_, version(), k, choice)) {
      std::memcpy(&p.algorithm, choice, sizeof choice);
      cublasLtMatmulHeuristicResult_t r{};
      if (cublasLtMatmulAlgoCheck(handle_.get(), p.how.get(), p.left.get(), p.right.get(), p.source.get(), p.result.get(), &p.algorithm, &r) == CUBLAS_STATUS_SUCCESS) {
        r.algo = p.algorithm;
        p.found = fits(r);
      }
    }
    if (p.found) return p;
    const auto all = candidates(p, k);
    if (!all.empty()) p.algorithm = all[0].is, p.found = true;
    return p;
  }

  bool fits(const cublasLtMatmulHeuristicResult_t& r) const {
    std::uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_NONE;
    std::size_t written = 0;
    if (r.state != CUBLAS_STATUS_SUCCESS || r.workspaceSize > static_cast<std::size_t>(workspace_)) return false;
    if (cublasLtMatmulAlgoConfigGetAttribute(&r.algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme, sizeof scheme, &written) != CUBLAS_STATUS_SUCCESS) return false;
    return (scheme & CUBLASLT_REDUCTION_SCHEME_INPLACE) == 0;
  }

  static cudaDataType_t type_of(element_type t) { return t == element_type::bfloat16 ? CUDA_R_16BF : t == element_type::float16 ? CUDA_R_16F : CUDA_R_32F; }
  static const void* somewhere() { return reinterpret_cast<const void*>(std::uintptr_t{256}); }  // an address to ask with; each product sets its own
  template <class T>
  static void set(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t which, const T& value) {
    product_check(cublasLtMatmulDescSetAttribute(d, which, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
  }
  template <class T>
  static void prefer(cublasLtMatmulPreference_t w, cublasLtMatmulPreferenceAttributes_t which, const T& value) {
    product_check(cublasLtMatmulPreferenceSetAttribute(w, which, &value, sizeof value), "cublasLtMatmulPreferenceSetAttribute");
  }
  template <class Layout>
  static void lay_out(Layout& l, cudaDataType_t type, std::int64_t rows, std::int64_t columns, std::int64_t gap) {
    product_check(cublasLtMatrixLayoutCreate(l.place(), type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), gap), "cublasLtMatrixLayoutCreate");
  }

  product_handle<cublasLtHandle_t> handle_;
  std::string device_, table_;
  std::int64_t workspace_;
  std::unordered_map<product_key, product_plan, product_key_hash> plans_;
};

}  // namespace stretto::inline v0::cuda
