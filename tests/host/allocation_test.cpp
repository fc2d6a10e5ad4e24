// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// No operation asks for memory: everything that it needs it is given, or it is in the queue.
#include <stretto/host.hpp>

#include <cstdlib>
#include <new>

#include "bounds.hpp"

namespace {

bool counts = false;
int asked = 0;

}  // namespace

// A sanitizer's own operators are left alone: there nothing is counted.
#if !defined(STRETTO_SANITIZED)
namespace {

void* take(std::size_t bytes, std::size_t alignment) {
  if (counts) ++asked;
  void* const block = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment + (bytes == 0 ? alignment : 0));
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t bytes) { return take(bytes, 16); }
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) { return take(bytes, static_cast<std::size_t>(alignment)); }
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
#endif

using namespace stretto;
using namespace test;

namespace {

/// Every operation once, on sizes that leave remainders.
template <class T>
void everything(host::queue& q) {
  constexpr std::int64_t rows = 37, columns = 51, out = 43;
  const shape<2> s{{rows, columns}};
  const auto x = numbers<T>(s, 1), r = numbers<T>(s, 2), dy = numbers<T>(s, 3), w = numbers<T>(shape<2>{{out, columns}}, 4);
  const auto weight = numbers<T>(shape<1>{{columns}}, 5), bias = numbers<T>(shape<1>{{columns}}, 6), bias_out = numbers<T>(shape<1>{{out}}, 7);
  tensor<T, 2> y(s), dx(s), z({rows, out});
  tensor<float, 2> dw({out, columns}), wide(s);
  tensor<float, 1> mean({rows}), inverse({rows}), dweight({columns}), dbias({columns});
  tensor<std::int32_t, 1> ids({rows}), positions({rows});
  for (std::int64_t i = 0; i < rows; ++i) ids[i] = static_cast<std::int32_t>(i % out), positions[i] = static_cast<std::int32_t>(i);
  host::packed_matrix<T> packed(q, columns, out);
  const tensor<T, 3> heads = numbers<T>(shape<3>{{rows, 3, 16}}, 8);
  tensor<T, 3> turned(heads.extents()), d_queries(heads.extents()), d_keys(heads.extents()), d_values(heads.extents());
  tensor<float, 2> lse({rows, 3}), delta({rows, 3});
  const rotary_table<float> table(64, 16);
  tensor<float, 1> flat({rows * columns}), state0(flat.extents()), state1(flat.extents()), master(flat.extents()), gradient = numbers<float>(shape<1>{{rows * columns}}, 9);
  tensor<T, 1> weights(flat.extents());
  const tensor_view<float, 1> runs[] = {gradient, dweight};
  const auto images = numbers<T>(shape<4>{{2, 7, 5, 3}}, 10), kernel = numbers<T>(shape<4>{{4, 3, 3, 3}}, 11), convolved_gradient = numbers<T>(shape<4>{{2, 5, 3, 4}}, 12);
  tensor<T, 4> features(convolved_gradient.extents()), d_images(images.extents()), pooled({2, 3, 2, 3});
  tensor<float, 4> d_kernel(kernel.extents());
  const pooling_options halves{};
  tensor<T, 1> room({host::convolution_room<T>(images.extents(), kernel.extents(), {})});
  tensor<float, 1> work({muon_workspace(rows, columns)});
  tensor<T, 2> logits({8, out});
  const auto qkv = numbers<T>(shape<2>{{rows, 5 * 16}}, 13);
  const auto head_weight = numbers<T>(shape<1>{{16}}, 14);
  tensor<T, 2> d_qkv(qkv.extents());
  tensor<T, 3> one_head({rows, 1, 16}), another_head({rows, 1, 16});
  tensor<float, 2> head_inverse({4, rows});
  tensor<float, 1> d_head_weight({16});
  double squares = 0;
  tensor<float, 2> momentum(s);

  counts = true;
  pack(q, transposed(w), packed);
  matrix_product(q, x, packed, z, {.bias = bias_out, .kind = activation::gelu});
  matrix_product(q, x, transposed(w), z);
  matrix_product(q, z, w, dx);
  matrix_product(q, transposed(z), x, dw, {.accumulate = true});
  rms_norm(q, x, weight, y, inverse);
  add_rms_norm(q, x, r, weight, dx, y, inverse);
  rms_norm_backward_input(q, x, weight, inverse, dy, dx);
  rms_norm_backward_weight(q, x, inverse, dy, dweight);
  layer_norm(q, x, weight, bias, y, mean, inverse);
  add_layer_norm(q, x, r, weight, bias, dx, y, mean, inverse);
  layer_norm_backward_input(q, x, weight, mean, inverse, dy, dx);
  layer_norm_backward_weight(q, x, mean, inverse, dy, dweight, dbias);
  softmax(q, x, y);
  softmax_backward(q, y, dy, dx);
  cross_entropy(q, x, ids, mean, inverse);
  cross_entropy_backward(q, x, ids, inverse, 1.0f, dx);
  activate(q, x, y, activation::silu);
  activate_backward(q, x, dy, dx, activation::silu);
  gated_unit(q, x, r, y);
  gated_unit_backward(q, x, r, dy, y, dx);
  add(q, x, r, y);
  add_bias(q, x, bias, y);
  bias_gradient(q, dy, dbias);
  dropout(q, x, y, {.rate = 0.2});
  cast(q, x, wide);
  embedding(q, ids, w, y);
  embedding_backward(q, ids, dy, dw);
  rotary(q, heads, positions, table, turned);
  rotary_backward(q, heads, positions, table, turned);
  split_rotary(q, qkv, positions, table, turned, one_head, another_head, {head_weight, head_weight}, head_inverse);
  split_rotary_backward(q, turned, one_head, another_head, positions, table, d_qkv,
                        {.norms = {head_weight, head_weight}, .qkv = qkv, .inverse = head_inverse, .dqueries = d_head_weight, .dkeys = d_head_weight});
  squared_error(q, x, wide, squares);
  squared_error_backward(q, x, wide, 1.0, dx);
  attention(q, heads, heads, heads, {}, {}, turned, lse);
  attention_delta(q, turned, heads, delta);
  attention_backward(q, heads, heads, heads, heads, lse, delta, {}, {}, d_queries, d_keys, d_values);
  gradient_norm(q, view<const tensor_view<float, 1>>{runs, 2});
  const optimizer_scalars scalars{};
  adamw_step(q, gradient, state0, state1, master, weights, &scalars);
  sgd_step(q, gradient, state0, master, weights, &scalars, {.momentum = 0.9});
  lion_step(q, gradient, state0, master, weights, &scalars);
  muon_step(q, gradient.template shaped<2>(s), momentum, master.template shaped<2>(s), weights.template shaped<2>(s), work, &scalars);
  chunked_cross_entropy(q, x, w, ids, 1.0f, logits, mean, inverse, dx, dw);
  convolution(q, images, kernel, {}, features, room);
  convolution_backward_input(q, kernel, convolved_gradient, d_images, room);
  convolution_backward_weight(q, images, convolved_gradient, d_kernel, {}, room);
  max_pooling(q, images, pooled, halves);
  max_pooling_backward(q, images, pooled, d_images, halves);
  average_pooling(q, images, pooled, halves);
  average_pooling_backward(q, pooled, d_images, halves);
  counts = false;
}

}  // namespace

TEST_CASE("no operation asks for memory") {
  for (const host::isa level : product_levels())
    for (const int threads : {1, 2}) {
      host::queue q({.threads = threads, .most = level});
      asked = 0;
      everything<float>(q);
      everything<bf16>(q);
      CHECK(asked == 0);
    }
#if !defined(STRETTO_SANITIZED)
  counts = true;
  const tensor<float, 1> one({1});
  counts = false;
  CHECK(asked == 1);  // it does count
#endif
}
