// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of Muon: numeric/muon.hpp, with the products of matrix_product.hpp.
//
//     tensor<float, 1> work({muon_workspace(1024, 4096)});            for the largest matrix; nothing is allocated in a step
//     muon_step(q, gradient, momentum, {}, weight, work, &s, {.rate = 0.02});
//     muon_step(q, gradient, momentum, master, weight, work, &s, o, {.stochastic = true});       weight: bf16 or fp16
// All matrices are without gaps. The same bits with any number of threads. A matrix is done as a whole: ranks that share one
// gather its gradient first.
// Cost: nearly all of it is products, 10 rows columns shorter + 10 shorter³ multiplications, shorter the smaller of the two.
#pragma once

#include <stretto/host/gradient_norm.hpp>
#include <stretto/host/matrix_product.hpp>
#include <stretto/host/optimizer.hpp>
#include <stretto/numeric/muon.hpp>

namespace stretto::inline v0::host {

/// What the kernels are given.
struct muon_arguments {
  const float* gradient;
  float* momentum;
  float* update;
  float scale, keep;
  bool nesterov;
};
struct multiple_arguments {
  const float* from;
  float* to;
  float by;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/muon.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

namespace detail {

inline void multiple(queue& q, const tensor_view<float, 2>& from, const tensor_view<float, 2>& to, double by) {
  q.split(to.size(), 1024, q.pick(&portable::multiples, &avx2::multiples, &avx512::multiples), multiple_arguments{from.data(), to.data(), static_cast<float>(by)});
}

template <class T>
void check_muon(const tensor_view<const computes_in<T>, 2>& gradient, const tensor_view<computes_in<T>, 2>& momentum, const tensor_view<computes_in<T>, 2>& master,
                const tensor_view<T, 2>& weight, std::int64_t workspace, const optimizer_scalars& s, const weight_rounding& r) {
  check_step<T>("muon_step", weight.size(), master.size(), weight.size(), s, r);
  stretto::detail::check_muon(gradient, momentum, master, weight, workspace);
}

/// The iteration. The result is in `x` or in `y`, and told.
inline tensor_view<float, 2> orthogonalize(queue& q, tensor_view<float, 2> x, tensor_view<float, 2> y, float* room, int iterations) {
  const bool tall = x.rows() > x.columns();
  const std::int64_t k = tall ? x.columns() : x.rows();
  const tensor_view<float, 2> a(room, {{k, k}}), b(room + k * k, {{k, k}}), c(room + 2 * k * k, {{k, k}});
  for (int step = 0; step < iterations; ++step) {
    if (tall) matrix_product(q, transposed(x), x, a);
    else matrix_product(q, x, transposed(x), a);
    multiple(q, a, b, muon_options::fifth);
    multiple(q, a, c, muon_options::third);
    matrix_product(q, b, a, c, {.accumulate = true});
    multiple(q, x, y, muon_options::first);
    if (tall) matrix_product(q, x, c, y, {.accumulate = true});
    else matrix_product(q, c, x, y, {.accumulate = true});
    const tensor_view<float, 2> other = x;
    x = y, y = other;
  }
  return x;
}

}  // namespace detail

template <class T>
void muon_step(queue& q, reads<computes_in<T>, 2> gradient, writes<computes_in<T>, 2> momentum, writes<computes_in<T>, 2> master, tensor_view<T, 2> weight,
               writes<computes_in<T>, 1> workspace, const optimizer_scalars* s, const muon_options& o = {}, const weight_rounding& r = {}) {
  detail::check_muon<T>(gradient, momentum, master, weight, workspace.size(), *s, r);
  if (s->skip != 0 || weight.empty()) return;
  if constexpr (std::is_same_v<T, double>) {
    reference::muon_step(gradient, momentum, master, weight, s, o, r);
  } else {
    const std::int64_t n = weight.size();
    const tensor_view<float, 2> x(workspace.data(), weight.extents()), y(workspace.data() + n, weight.extents());
    q.split(n, 1024, q.pick(&portable::muon_update, &avx2::muon_update, &avx512::muon_update),
            muon_arguments{gradient.data(), momentum.data(), x.data(), static_cast<float>(s->scale), static_cast<float>(o.momentum), o.nesterov});
    detail::multiple(q, x, x, 1 / (std::sqrt(sum_of_squares(q, tensor_view<float, 1>(x.data(), {{n}})).sum) + 1e-7));
    const tensor_view<float, 2> update = detail::orthogonalize(q, x, y, workspace.data() + 2 * n, o.iterations);
    const tensor_view<float, 1> masters = master.empty() ? tensor_view<float, 1>() : master.template shaped<1>({{n}});
    const optimizer_scalars last{.scale = o.size(weight.rows(), weight.columns()), .rate = s->rate, .count = s->count};
    sgd_step<T>(q, update.shaped<1>({{n}}), {}, masters, weight.template shaped<1>({{n}}), &last, {.rate = o.rate, .decay = o.decay}, r);
  }
}

}  // namespace stretto::inline v0::host
