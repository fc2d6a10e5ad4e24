// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations that give each number by itself, rows by their ids, products as far as they are Stretto's, and the optimizer.
#include <cstdio>

#include <stretto/cuda.cuh>
#include <stretto/cuda/tied_gradients.cuh>

#include "operations.hpp"

namespace operations {
namespace {

void each_number(room& r) {
  auto& q = r.q;
  const auto x = r.matrix<element>(12, 64), y = r.matrix<element>(12, 64), z = r.matrix<element>(12, 64), dx = r.matrix<element>(12, 64);
  const auto wide = r.matrix<float>(12, 64);
  const auto bias = r.run<element>(64);
  const auto dbias = r.run<float>(64);
  cuda::add(q, x, y, z);
  cuda::add_bias(q, x, bias, z);
  cuda::bias_gradient(q, z, dbias);
  cuda::bias_gradient(q, r.matrix<element>(300, 64), dbias);
  cuda::activate(q, x, y, activation::gelu);
  cuda::activate_backward(q, x, y, dx, activation::gelu);
  cuda::gated_unit(q, x, y, z);
  cuda::gated_unit_backward(q, x, y, z, dx, z);
  cuda::dropout(q, x, y, {.rate = 0.1});
  cuda::dropout(q, x, y, {.rate = 0});
  cuda::cast(q, x, wide);
  cuda::cast(q, wide, x);
  cuda::cast(q, wide, x, {.mode = rounding::stochastic});
  cuda::copy_rows(q, x.columns(0, 32), y.columns(32, 32));
  cuda::copy_rows(q, x.columns(1, 7), y.columns(3, 7));
  cuda::zero_rows(q, y.columns(0, 32));
}

void rows_by_ids(room& r) {
  auto& q = r.q;
  const auto ids = r.run<std::int32_t>(12);
  const auto weight = r.matrix<element>(50, 64), y = r.matrix<element>(12, 64);
  cuda::embedding(q, ids, weight, y);
  cuda::embedding_backward(q, ids, y, r.matrix<float>(50, 64));
  const cuda::basic_rotary_table<checked> table(40, 16);
  const auto queries = r.heads<element>(12, 2, 16), keys = r.heads<element>(12, 1, 16), values = r.heads<element>(12, 1, 16);
  cuda::rotary(q, queries, ids, table, queries);
  cuda::rotary_backward(q, queries, ids, table, queries);
  cuda::split_rotary(q, y, ids, table, queries, keys, values);
  cuda::split_rotary_backward(q, queries, keys, values, ids, table, y);
  // Heads that are normed besides, in lines and, where they are of odd sizes, one by one.
  for (const std::int64_t size : {16, 18}) {
    const cuda::basic_rotary_table<checked> turning(40, 16);
    const auto qkv = r.matrix<element>(12, 4 * size), dqkv = r.matrix<element>(12, 4 * size);
    const auto h = r.heads<element>(12, 2, size), k = r.heads<element>(12, 1, size), v = r.heads<element>(12, 1, size);
    const auto inverse = r.matrix<float>(3, 12);
    const auto dqueries = r.run<float>(size), dkeys = r.run<float>(size);
    const head_norms<element, memory> norms{r.run<element>(size), r.run<element>(size), 1e-5};
    cuda::split_rotary(q, qkv, ids, turning, h, k, v, norms, inverse);
    cuda::split_rotary_backward(q, h, k, v, ids, turning, dqkv, {.norms = norms, .qkv = qkv, .inverse = inverse, .dqueries = dqueries, .dkeys = dkeys});
  }
}

void products(room& r) {
  auto& q = r.q;
  const auto x = r.matrix<element>(12, 64), y = r.matrix<element>(12, 32), before = r.matrix<element>(12, 32);
  const auto w = r.matrix<element>(32, 64);
  const auto dw = r.matrix<float>(32, 64), wide = r.matrix<float>(12, 32);
  cuda::matrix_product(q, x, transposed(w), y, {.before = before, .kind = activation::silu});
  cuda::matrix_product(q, x, transposed(w), wide, {.kind = activation::gelu});
  cuda::matrix_product(q, transposed(y), x, dw, {.accumulate = true});
  cuda::matrix_product(q, x.columns(0, 0), transposed(w.columns(0, 0)), y);
}

template <class T>
void steps(room& r) {
  auto& q = r.q;
  const auto g = r.run<float>(100), first = r.run<float>(100), second = r.run<float>(100), master = r.run<float>(100);
  const auto w = r.run<T>(100);
  optimizer_scalars* const s = r.one<optimizer_scalars>();
  const tensor_view<float, 1, memory> runs[] = {g, first};
  cuda::sum_of_squares(q, w, r.one<square_sum>());
  cuda::block_sums_of_squares(q, w, r.run<double>(1));
  gradient_size* const size = r.one<gradient_size>();
  cuda::gradient_norm(q, view<const tensor_view<float, 1, memory>>{runs, 2}, size);
  cuda::next_scalars(q, size, s, {.most = 1});
  const float* const shares[] = {g.data(), first.data()};
  cuda::sum_tied_gradients(q, shares, 2, 100, second.data(), r.one<square_sum>());
  cuda::sgd_step(q, g, {}, master, w, s);
  cuda::sgd_step(q, g, first, master, w, s, {.momentum = 0.9});
  cuda::adamw_step(q, g, first, second, {}, w, s);
  cuda::lion_step(q, g, first, {}, w, s);
  const auto whole = r.matrix<float>(8, 12), momentum = r.matrix<float>(8, 12);
  cuda::muon_step(q, whole, momentum, {}, r.matrix<T>(8, 12), r.run<float>(muon_workspace(8, 12)), s);
}

}  // namespace

void numbers(room& r) {
  each_number(r);
  rows_by_ids(r);
  products(r);
  steps<float>(r);
  if constexpr (sizeof(element) < 4) steps<element>(r);
}

}  // namespace operations

int main() {
  operations::checked::begin();
  int wrong = 0;
  {
    operations::room r;
    operations::rows(r), operations::attention(r), operations::numbers(r), operations::images(r);
    wrong = r.untouched() + operations::checked::writes_nothing();
  }
  const auto faults = operations::checked::finish();
  for (const auto& fault : faults) std::printf("%s\n", fault.c_str());
  std::printf("%lld works, %d faults\n", static_cast<long long>(operations::checked::works()), static_cast<int>(faults.size()));
  return faults.empty() && wrong == 0 ? 0 : 1;
}
