// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Measures the algorithms that cuBLASLt offers for matrix products on this device, and writes the table of the fastest, which
// queue_options::product_table takes.
//
//     nvcc -std=c++20 -arch=sm_90 -Iinclude bench/cuda/choose_products.cu -lcublasLt -o choose_products
//     ./choose_products bf16 8192x3072x768 8192x768x3072 > h200.products         tokens x outputs x inputs of a layer, any number
// Of each layer: y = x wᵀ, alone, with a bias, with gelu_tanh and what stands before it, and onto a residual; dx = dy w; and
// dw += dyᵀ x in float. To standard error: microseconds of the library's first choice and of the fastest, and their ratio.
// A choice holds for a version of cuBLASLt and a name of a device; what isn't in a table is chosen as without one.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <stretto/cuda/matrix_product.cuh>

namespace {

using namespace stretto;
using namespace stretto::cuda;

constexpr std::int64_t workspace_bytes = 32 << 20;  // as a queue's

struct room {
  explicit room(std::int64_t bytes) : first(runtime::take(bytes)) { runtime::zero_now(first, bytes); }
  room(const room&) = delete;
  ~room() { runtime::give(first); }
  void* first;
};

class stopwatch {
 public:
  stopwatch() {
    cuda_check(cudaEventCreate(&begin_), "cudaEventCreate");
    cuda_check(cudaEventCreate(&end_), "cudaEventCreate");
  }
  ~stopwatch() { cudaEventDestroy(begin_), cudaEventDestroy(end_); }
  /// Microseconds of f: the median of several, each with the second cache emptied before it.
  template <class F>
  double time(cudaStream_t s, const room& flush, std::int64_t flush_bytes, F f) {
    std::vector<float> all;
    for (int i = 0; i < 12; ++i) {
      cuda_check(cudaMemsetAsync(flush.first, 0, static_cast<std::size_t>(flush_bytes), s), "cudaMemsetAsync");
      cuda_check(cudaEventRecord(begin_, s), "cudaEventRecord");
      f();
      cuda_check(cudaEventRecord(end_, s), "cudaEventRecord");
      cuda_check(cudaEventSynchronize(end_), "cudaEventSynchronize");
      float ms = 0;
      cuda_check(cudaEventElapsedTime(&ms, begin_, end_), "cudaEventElapsedTime");
      if (i >= 2) all.push_back(ms);
    }
    std::sort(all.begin(), all.end());
    return static_cast<double>(all[all.size() / 2]) * 1000;
  }

 private:
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

void choose(product_library& lt, const product_key& key, stopwatch& watch, cudaStream_t s, const room& workspace, const room& flush, std::int64_t flush_bytes) {
  const std::int64_t most = 4 * std::max({key.rows * key.depth, key.depth * key.columns, key.rows * key.columns});
  const room a(most), b(most), c(most), source(most), before(most), bias(4 * key.columns);
  const product_pointers m{a.first, b.first, source.first, c.first, (key.epilogue & product_bias) != 0 ? bias.first : nullptr, (key.epilogue & product_before) != 0 ? before.first : nullptr};
  const product_plan plan = lt.describe(key);
  double first = 0, best = 0;
  const product_algorithm* chosen = nullptr;
  const auto all = lt.candidates(plan, key);
  for (const product_algorithm& algorithm : all) {
    const double us = watch.time(s, flush, flush_bytes, [&] { lt.multiply(plan, algorithm.is, m, workspace.first, s); });
    if (chosen == nullptr) first = us;
    if (chosen == nullptr || us < best) best = us, chosen = &algorithm;
  }
  if (chosen == nullptr) return static_cast<void>(std::fprintf(stderr, "%s: no algorithm\n", key.words().c_str()));
  std::uint64_t numbers[8];
  product_library::numbers_of(chosen->is, numbers);
  std::fputs(product_choice_line(lt.device(), product_library::version(), key, numbers).c_str(), stdout);
  const double flops = 2.0 * static_cast<double>(key.rows) * static_cast<double>(key.columns) * static_cast<double>(key.depth);
  std::fprintf(stderr, "%s: first %.1f us, best of %d %.1f us, %.2f times, %.0f Tflop/s\n", key.words().c_str(), first, static_cast<int>(all.size()), best, first / best, flops / best * 1e-6);
}

int choose_all(int count, char** layers, element_type type, bool tf32) {
  runtime::use(0);
  const cudaStream_t s = runtime::make_stream();
  product_library lt(0, "", workspace_bytes);
  const std::int64_t flush_bytes = 2 * std::int64_t{runtime::fact(0, cudaDevAttrL2CacheSize)};
  const room workspace(workspace_bytes), flush(flush_bytes);
  stopwatch watch;
  for (int i = 0; i < count; ++i) {
    long long tokens = 0, outputs = 0, inputs = 0;
    if (std::sscanf(layers[i], "%lldx%lldx%lld", &tokens, &outputs, &inputs) != 3 || tokens < 1 || outputs < 1 || inputs < 1)
      return std::fprintf(stderr, "choose_products: '%s' is no layer; give tokens x outputs x inputs, such as 8192x3072x768\n", layers[i]), 2;
    const product_key forward{.input = type, .output = type, .tf32 = tf32, .b_transposed = true, .rows = tokens, .columns = outputs, .depth = inputs, .a_gap = inputs, .b_gap = inputs, .c_gap = outputs};
    product_key bias = forward, gelu = forward, onto = forward, backward = forward, weight = forward;
    bias.epilogue = product_bias;
    gelu.epilogue = product_bias | product_gelu | product_before, gelu.before_gap = outputs;
    onto.epilogue = product_bias, onto.adds = true, onto.source_gap = outputs;
    backward.b_transposed = false, backward.columns = inputs, backward.depth = outputs, backward.a_gap = outputs, backward.c_gap = inputs;
    weight = {.input = type, .output = element_type::float32, .tf32 = tf32, .a_transposed = true, .adds = true, .rows = outputs, .columns = inputs, .depth = tokens, .a_gap = outputs, .b_gap = inputs,
              .c_gap = inputs, .source_gap = inputs};
    for (const product_key& key : {forward, bias, gelu, onto, backward, weight})
      if (type != element_type::float32 || (key.epilogue & product_gelu) == 0) choose(lt, key, watch, s, workspace, flush, flush_bytes);
  }
  runtime::drop_stream(s);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string type = argc > 2 ? argv[1] : "";
  if (type != "bf16" && type != "fp16" && type != "fp32" && type != "tf32")
    return std::fprintf(stderr, "choose_products bf16|fp16|fp32|tf32 TOKENSxOUTPUTSxINPUTS ...\n"), 2;
  if (runtime::devices() == 0) return std::printf("no device\n"), 77;
  try {
    return choose_all(argc - 2, argv + 2, type == "bf16" ? element_type::bfloat16 : type == "fp16" ? element_type::float16 : element_type::float32, type == "tf32");
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "%s\n", e.what()), 1;
  }
}
