// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Muon: SGD with momentum for matrices, whose update is made nearly orthogonal, so that all directions move alike. What
// isn't a matrix of a hidden layer (embeddings, biases, norms) is left to another optimizer.
//
//     m = momentum m + g;  u = g + momentum m  (without nesterov: m);  x = u / |u|
//     five times:  a = x xᵀ;  x = 3.4445 x + (-4.7750 a + 2.0315 a a) x        singular values go to 0.7 .. 1.2
//     w -= rate (size x + decay w)                                              size: sqrt(max(1, rows / columns))
// With more rows than columns a is xᵀ x, and stands behind. Cost: ten products of the size of the matrix and five of the
// square of its shorter side, 2 rows columns + 3 shorter² numbers of workspace.
// Source: Jordan et al., Muon: an optimizer for hidden layers, 2024; Liu et al., arXiv 2502.16982, 2025 (size_of_adamw).
#pragma once

#include <cmath>

#include <stretto/numeric/matrix_product.hpp>
#include <stretto/numeric/optimizer.hpp>
#include <stretto/tensor/tensor.hpp>

namespace stretto::inline v0 {

struct muon_options {
  double rate = 0.02;
  double momentum = 0.95;
  double decay = 0;
  bool nesterov = true;
  bool size_of_adamw = false;  ///< size: 0.2 sqrt(max(rows, columns)), so that rates of AdamW do
  int iterations = 5;

  static constexpr double first = 3.4445, third = -4.7750, fifth = 2.0315;

  double size(std::int64_t rows, std::int64_t columns) const {
    const double r = static_cast<double>(rows), c = static_cast<double>(columns);
    if (size_of_adamw) return 0.2 * std::sqrt(r > c ? r : c);
    return r > c ? std::sqrt(r / c) : 1;
  }
};

/// How many numbers of workspace a step has for a matrix.
constexpr std::int64_t muon_workspace(std::int64_t rows, std::int64_t columns) {
  const std::int64_t shorter = rows < columns ? rows : columns;
  return 2 * rows * columns + 3 * shorter * shorter;
}

namespace detail {

/// Throws where matrices of a step aren't alike or have gaps, or where the workspace is too little.
template <class C, class T, class Space>
void check_muon(const tensor_view<const C, 2, Space>& gradient, const tensor_view<C, 2, Space>& momentum, const tensor_view<C, 2, Space>& master, const tensor_view<T, 2, Space>& weight,
                std::int64_t workspace) {
  if (gradient.extents() != weight.extents() || momentum.extents() != weight.extents() || !(master.empty() || master.extents() == weight.extents()))
    throw error(text("stretto: muon_step of a matrix of ", weight.rows(), " by ", weight.columns(), " was given a gradient, momentum or master of another shape; give one for each weight").str());
  if (!gradient.packed() || !momentum.packed() || !weight.packed() || !(master.empty() || master.packed()))
    throw error("stretto: muon_step was given a matrix with gaps between its rows; copy it first");
  if (workspace < muon_workspace(weight.rows(), weight.columns()))
    throw error(text("stretto: muon_step of a matrix of ", weight.rows(), " by ", weight.columns(), " has a workspace of ", muon_workspace(weight.rows(), weight.columns()), " numbers, and was given ",
                     workspace, "; give muon_workspace(rows, columns)").str());
}

}  // namespace detail

namespace reference {

/// The iteration, in place. x: of norm 1 at most.
template <class C>
void orthogonalize(const tensor_view<C, 2>& x, int iterations) {
  const bool tall = x.rows() > x.columns();
  const std::int64_t k = tall ? x.columns() : x.rows();
  tensor<C, 2> a({k, k}), b({k, k}), y(x.extents());
  for (int step = 0; step < iterations; ++step) {
    if (tall) matrix_product(transposed(x), x, a);
    else matrix_product(x, transposed(x), a);
    matrix_product(a, a, b);
    for (std::int64_t i = 0; i < b.size(); ++i) b.data()[i] = static_cast<C>(muon_options::third) * a.data()[i] + static_cast<C>(muon_options::fifth) * b.data()[i];
    if (tall) matrix_product(x, b, y);
    else matrix_product(b, x, y);
    for (std::int64_t i = 0; i < x.rows(); ++i)
      for (std::int64_t j = 0; j < x.columns(); ++j) x(i, j) = static_cast<C>(muon_options::first) * x(i, j) + y(i, j);
  }
}

/// An empty master: there is none.
template <class T>
void muon_step(reads<computes_in<T>, 2> gradient, writes<computes_in<T>, 2> momentum, writes<computes_in<T>, 2> master, tensor_view<T, 2> weight,
               const optimizer_scalars* s, const muon_options& o = {}, const weight_rounding& r = {}) {
  using C = computes_in<T>;
  if (s->skip != 0) return;
  tensor<C, 2> x(weight.extents());
  const C scale = static_cast<C>(s->scale), keep = static_cast<C>(o.momentum);
  C squares = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const C g = gradient.data()[i] * scale;
    C& m = momentum.data()[i];
    m = keep * m + g;
    x.data()[i] = o.nesterov ? g + keep * m : m;
    squares += x.data()[i] * x.data()[i];
  }
  const C down = 1 / (std::sqrt(squares) + static_cast<C>(1e-7));
  for (C& v : x) v *= down;
  orthogonalize<C>(x, o.iterations);
  const tensor_view<C, 1> masters = master.empty() ? tensor_view<C, 1>() : master.template shaped<1>({master.size()});
  const optimizer_scalars last{.scale = o.size(x.rows(), x.columns()), .rate = s->rate, .count = s->count};
  sgd_step<T>(x.template shaped<1>({x.size()}), {}, masters, weight.template shaped<1>({weight.size()}), &last, {.rate = o.rate, .decay = o.decay}, r);
}

}  // namespace reference
}  // namespace stretto::inline v0
