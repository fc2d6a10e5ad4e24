// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrix products as layers of a model ask for them, as shares of a large product of the same type in the same rounds; cuBLAS
// beside them, which chooses among more kernels, atomics included.
#include <stretto/cuda/matrix_product.cuh>

#include "parts.cuh"

namespace bench {

namespace {

struct extents {
  std::int64_t tokens, outputs, inputs;
};

template <class T>
constexpr cudaDataType type_of = CUDA_R_32F;
template <>
constexpr cudaDataType type_of<bf16> = CUDA_R_16BF;
template <>
constexpr cudaDataType type_of<fp16> = CUDA_R_16F;

/// q: with or without tf32.
template <class T>
void linear(machine& m, cuda::queue& q, cublas_products& others, const char* type, std::int64_t large, const extents& e) {
  const auto x = m.drawn<T>(shape<2>{{e.tokens, e.inputs}}, 1), w = m.drawn<T>(shape<2>{{e.outputs, e.inputs}}, 2), dy = m.drawn<T>(shape<2>{{e.tokens, e.outputs}}, 3);
  const auto a = m.drawn<T>(shape<2>{{large, large}}, 4), b = m.drawn<T>(shape<2>{{large, large}}, 5);
  const auto bias = m.drawn<T>(shape<1>{{e.outputs}}, 6);
  on_device<T, 2> y(dy.extents()), before(dy.extents()), dx(x.extents()), c(a.extents());
  on_device<float, 2> dw(w.extents());
  m.q.synchronize();  // what was drawn is there
  const bool tf32 = q.options().tf32;
  const double operations = 2.0 * static_cast<double>(e.tokens) * static_cast<double>(e.outputs) * static_cast<double>(e.inputs), most = 2.0 * static_cast<double>(large * large) * static_cast<double>(large);
  const std::string size = by(e.tokens, e.outputs) + "x" + std::to_string(e.inputs);
  constexpr cudaDataType in = type_of<T>;
  q.use(m.q.where());
  turns t(m, "large product", true);
  t.roof("Stretto", most, [&] { matrix_product(q, a, transposed(b), c); }, type);
  t.roof("cuBLAS", most, [&] { others({a.data(), false, large}, {b.data(), true, large}, c.data(), large, large, large, large, in, in, tf32, false); }, type);
  t.add({"y = x w'", type, size, operations}, [&] { matrix_product(q, x, transposed(w), y); });
  t.beside("cuBLAS", [&] { others({x.data(), false, e.inputs}, {w.data(), true, e.inputs}, y.data(), e.outputs, e.tokens, e.outputs, e.inputs, in, in, tf32, false); });
  t.add({"y = gelu_tanh(x w' + b)", type, size, operations}, [&] { matrix_product(q, x, transposed(w), y, {.bias = bias, .before = before, .kind = activation::gelu_tanh}); });
  t.add({"dx = dy w", type, size, operations}, [&] { matrix_product(q, dy, w, dx); });
  t.beside("cuBLAS", [&] { others({dy.data(), false, e.outputs}, {w.data(), false, e.inputs}, dx.data(), e.inputs, e.tokens, e.inputs, e.outputs, in, in, tf32, false); });
  t.add({"dw += dy' x", type, size, operations}, [&] { matrix_product(q, transposed(dy), x, dw, {.accumulate = true}); });
  t.beside("cuBLAS", [&] { others({dy.data(), true, e.outputs}, {x.data(), false, e.inputs}, dw.data(), e.inputs, e.outputs, e.inputs, e.tokens, in, CUDA_R_32F, tf32, true); });
  t.run();
}

}  // namespace

void products(machine& m) {
  cublas_products others(m.q.where());
  cuda::queue q({.scratch_bytes = 256 << 20}), q_tf32({.scratch_bytes = 256 << 20, .tf32 = true});
  const std::int64_t large = m.how.quick ? 256 : 8192, some = m.how.quick ? 64 : 4096;
  if (m.how.quick) {
    linear<bf16>(m, q, others, "bf16", large, {64, 96, 128});
    return linear<float>(m, q_tf32, others, "tf32", large, {64, 96, 128});
  }
  for (const extents& e : {extents{8192, 4096, 4096}, extents{8192, 16384, 4096}, extents{8192, 4096, 16384}, extents{16384, 3072, 768}, extents{16384, 768, 3072}})
    linear<bf16>(m, q, others, "bf16", large, e);
  linear<fp16>(m, q, others, "fp16", large, {8192, 4096, 4096});
  linear<float>(m, q_tf32, others, "tf32", some, {8192, 4096, 4096});
  linear<float>(m, q, others, "fp32", some, {4096, 4096, 1024});
}

}  // namespace bench
