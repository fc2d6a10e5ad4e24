// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of Muon on a CUDA device: numeric/muon.hpp, with the products of matrix_product.cuh.
//
//     tensor<float, 1, cuda::memory> work({muon_workspace(1024, 4096)});         for the largest matrix
//     muon_step(q, gradient, momentum, {}, weight, work, s, {.rate = 0.02});
//     muon_step(q, gradient, momentum, master, weight, work, s, o, {.stochastic = true});       weight: bf16 or fp16
// s: scalars in the device's memory, as of adamw_step; where they tell to skip, neither momentum nor weights are touched. All
// matrices are without gaps, and one is done as a whole. Nobody waits, and no memory is asked for.
// Cost: nearly all of it is products, 10 rows columns shorter + 5 shorter³ multiplications, shorter the smaller of the two;
// of float, so a queue with tf32 does them several times as fast, with 11 bits of each number.
#pragma once

#include <stretto/cuda/gradient_norm.cuh>
#include <stretto/cuda/kernels/muon.cuh>
#include <stretto/cuda/matrix_product.cuh>
#include <stretto/cuda/optimizer.cuh>
#include <stretto/numeric/muon.hpp>

namespace stretto::inline v0::cuda {

namespace detail {

/// How the update is taken from the weights: times the size of the matrix, whatever gradients are multiplied with.
struct muon_end {
  double rate, decay, size;
};
inline optimizer_arguments step_arguments(const muon_end& o) {
  optimizer_arguments a;
  a.rate = o.rate, a.decay = static_cast<float>(o.decay), a.scale = static_cast<float>(o.size);
  return a;
}

template <int Out, class Runtime>
STRETTO_OPERATION void put_multiples(basic_queue<Runtime>& q, const device_reads<Runtime, float, 2>& x, const tensor_view<float, 2, basic_memory<Runtime>> (&y)[Out], const multiples_rule<Out>& by) {
  launch_each<1, Out>(q, "muon_step", by, {x}, y);
}

/// The iteration. The result is in `x` or in `y`, and told.
template <class Runtime>
STRETTO_OPERATION tensor_view<float, 2, basic_memory<Runtime>> orthogonalize(basic_queue<Runtime>& q, tensor_view<float, 2, basic_memory<Runtime>> x, tensor_view<float, 2, basic_memory<Runtime>> y,
                                                                             float* room, int iterations) {
  using matrix = tensor_view<float, 2, basic_memory<Runtime>>;
  const bool tall = x.rows() > x.columns();
  const std::int64_t k = tall ? x.columns() : x.rows();
  const matrix a(room, {{k, k}}), b(room + k * k, {{k, k}}), c(room + 2 * k * k, {{k, k}});
  for (int step = 0; step < iterations; ++step) {
    if (tall) matrix_product(q, transposed(x), x, a);
    else matrix_product(q, x, transposed(x), a);
    put_multiples<2, Runtime>(q, a, {b, c}, {{static_cast<float>(muon_options::fifth), static_cast<float>(muon_options::third)}});
    matrix_product(q, b, a, c, {.accumulate = true});
    put_multiples<1, Runtime>(q, x, {y}, {{static_cast<float>(muon_options::first)}});
    if (tall) matrix_product(q, x, c, y, {.accumulate = true});
    else matrix_product(q, c, x, y, {.accumulate = true});
    const matrix other = x;
    x = y, y = other;
  }
  return x;
}

}  // namespace detail

template <class Runtime, class T>
STRETTO_OPERATION void muon_step(basic_queue<Runtime>& q, device_reads<Runtime, float, 2> gradient, device_writes<Runtime, float, 2> momentum, device_writes<Runtime, float, 2> master,
                                 tensor_view<T, 2, basic_memory<Runtime>> weight, device_writes<Runtime, float, 1> workspace, const optimizer_scalars* s, const muon_options& o = {},
                                 const weight_rounding& r = {}) {
  detail::check_row_type<T>();
  stretto::detail::check_muon(gradient, momentum, master, weight, workspace.size());
  if (weight.empty()) return;
  using matrix = tensor_view<float, 2, basic_memory<Runtime>>;
  const std::int64_t n = weight.size(), blocks = detail::row_blocks(n, each_threads), most = 16 * static_cast<std::int64_t>(q.multiprocessors());
  const launch_shape shape{.blocks = blocks < most ? blocks : most, .threads = each_threads};
  const memory_run scalars{s, static_cast<std::int64_t>(sizeof *s)};
  const matrix x(workspace.data(), weight.extents()), y(workspace.data() + n, weight.extents());
  q.launch("muon_step", muon_momentum<0>, shape, muon_momentum_arguments{n, gradient.data(), momentum.data(), x.data(), s, static_cast<float>(o.momentum), o.nesterov},
           reads_of(gradient, scalars), writes_of(momentum, x));
  // The norm, a double, and whether it is one stand where y will: of all matrices there are 12 bytes from a multiple of 8 on.
  double* const norm = reinterpret_cast<double*>((reinterpret_cast<std::uintptr_t>(y.data()) + 7) / 8 * 8);
  const tensor_view<const float, 1, basic_memory<Runtime>> run(x.data(), {{n}});
  detail::put_norm<Runtime, const float>(q, "muon_step", &run, 1, norm, reinterpret_cast<bool*>(norm + 1), true);
  q.launch("muon_step", muon_divide<0>, shape, muon_divide_arguments{n, x.data(), norm}, reads_of(memory_run{norm, 8}), writes_of(x));
  const matrix update = detail::orthogonalize<Runtime>(q, x, y, workspace.data() + 2 * n, o.iterations);
  const auto masters = master.empty() ? tensor_view<float, 1, basic_memory<Runtime>>() : master.template shaped<1>({{n}});
  detail::put_step<sgd_rule>(q, "muon_step", update.template shaped<1>({{n}}), {}, {}, masters, weight.template shaped<1>({{n}}), s,
                             detail::muon_end{o.rate, o.decay, o.size(weight.rows(), weight.columns())}, r);
}

}  // namespace stretto::inline v0::cuda
