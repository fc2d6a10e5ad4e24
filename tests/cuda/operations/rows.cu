// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations on the rows of a matrix: norms, softmax, losses.
#include <stretto/cuda.cuh>

#include "operations.hpp"

void operations::rows(room& r) {
  auto& q = r.q;
  const auto x = r.matrix<element>(12, 64), residual = r.matrix<element>(12, 64), s = r.matrix<element>(12, 64), y = r.matrix<element>(12, 64);
  const auto weight = r.run<element>(64), bias = r.run<element>(64);
  const auto dweight = r.run<float>(64), dbias = r.run<float>(64), mean = r.run<float>(12), inverse = r.run<float>(12), loss = r.run<float>(12), lse = r.run<float>(12);
  cuda::rms_norm(q, x, weight, y, inverse);
  cuda::add_rms_norm(q, x, residual, weight, s, y, inverse);
  cuda::rms_norm_backward_input(q, s, weight, inverse, y, x);
  cuda::rms_norm_backward_weight(q, s, inverse, y, dweight);
  cuda::rms_norm_backward(q, s, weight, inverse, y, x, dweight);
  cuda::layer_norm(q, x, weight, bias, y, mean, inverse);
  cuda::add_layer_norm(q, x, residual, weight, bias, s, y, mean, inverse);
  cuda::layer_norm_backward_input(q, s, weight, mean, inverse, y, x);
  cuda::layer_norm_backward_weight(q, s, mean, inverse, y, dweight, dbias);
  cuda::layer_norm_backward(q, s, weight, mean, inverse, y, x, dweight, dbias);
  cuda::softmax(q, x, y, lse);
  cuda::softmax_backward(q, y, residual, x);
  const auto labels = r.run<std::int32_t>(12);
  const auto sums = r.run<double>(4), factor = r.run<double>(1);
  cuda::cross_entropy(q, x, labels, loss, lse, sums);
  cuda::cross_entropy_backward(q, x, labels, lse, 1.0f, y);
  cuda::cross_entropy_backward(q, x, labels, lse, factor, x);
  cuda::cross_entropy_shard(q, x, labels, lse, mean, inverse);
  cuda::chunked_cross_entropy(q, x, r.matrix<element>(40, 64), labels, 1.0f, r.matrix<element>(5, 40), loss, lse, sums, y, r.matrix<float>(40, 64));
  const cuda::basic_sum<checked> sum;
  const auto targets = r.matrix<float>(12, 64);
  cuda::squared_error(q, x, targets, sum);
  cuda::squared_error_backward(q, x, targets, 0.5, y);
}
