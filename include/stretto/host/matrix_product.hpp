// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// matrix_product(queue, a, b, c): c = a b, with what stands around a product in a model done in the same pass.
//
//     matrix_product(q, x, transposed(w), y, {.bias = b, .kind = activation::gelu, .residual = r});     y = gelu(x wᵀ + b) + r
//     matrix_product(q, dy, w, dx);                                                                      dx = dy w
//     matrix_product(q, transposed(dy), x, dw, {.accumulate = true});                                    dw += dyᵀ x
//     packed_matrix<float> p(q, 384, 1536);  pack(q, transposed(w), p);  matrix_product(q, x, p, y);     packed once, read often
// a and b are both of float, bf16, fp16 or double; c is of the same type or, of bf16 and fp16, float. Sums are float, and
// each element is summed in an order of its own depth alone: 384 steps at a time, one fma after the other. So it doesn't
// hang on threads, on the rows beside it, or on AVX2 or AVX-512. Where the CPU multiplies tiles of bf16
// (isa::amx), or pairs (isa::avx512_bf16), sums are as these do them.
// Cost: rows × columns × depth fma; 0.9 of what the CPU can do where all three are some hundreds.
// Source: Goto and van de Geijn, Anatomy of high-performance matrix multiplication, ACM TOMS 2008.
#pragma once

#include <stretto/host/packed_matrix.hpp>
#include <stretto/host/product_kernels.hpp>
#include <stretto/host/queue.hpp>
#include <stretto/host/tile_product.hpp>

namespace stretto::inline v0::host {

namespace detail {

using stretto::detail::check_product;
using stretto::detail::overlap;

/// The packed matrix that an operand is, or null.
template <class M>
auto packed_of(const M& m) {
  using T = typename decltype(operand_of(m))::element;
  if constexpr (std::is_same_v<M, packed_matrix<T>>) return &m;
  else return static_cast<const packed_matrix<T>*>(nullptr);
}

/// Plain loops.
template <class C>
void product_in_double(const product_operand<double>& a, const product_operand<double>& b, const tensor_view<C, 2>& c, const product_options<C>& o) {
  for (std::int64_t i = 0; i < c.rows(); ++i)
    for (std::int64_t j = 0; j < c.columns(); ++j) {
      double s = 0;
      for (std::int64_t k = 0; k < a.columns; ++k) s += a(i, k) * b(k, j);
      if (o.accumulate) s += c(i, j);
      if (o.bias.data() != nullptr) s += o.bias[j];
      if (o.before.data() != nullptr) o.before(i, j) = s;
      s = reference::activated(o.kind, s);
      if (o.residual.data() != nullptr) s += o.residual(i, j);
      c(i, j) = s;
    }
}

/// Behind the sums of somebody else's product, the same in plain steps.
template <class C>
void finish_plainly(queue& q, const product_arguments<C, C>& p) {
  const auto kernel = q.pick(&portable::finish_all<C>, &avx2::finish_all<C>, &avx512::finish_all<C>);
  q.split(p.rows, 8, kernel, p);
}

template <class T, class C>
void multiply(queue& q, const product_operand<T>& a, product_operand<T> b, const packed_matrix<T>* packed, const tensor_view<C, 2>& c, const product_options<C>& o) {
  check_product(a, b, c, o);
  if (packed != nullptr && (packed->data(q), packed->plain())) {
    b.data = static_cast<const T*>(packed->data(q)), b.gap = b.columns;
    packed = nullptr;
  }
  if constexpr (std::is_same_v<T, double>) {
    product_in_double(a, b, c, o);
  } else {
    product_arguments<T, C> p{c.rows(), c.columns(), a.columns, a.data, a.gap, a.transposed, b.data, b.gap, b.transposed, nullptr, c.data(), c.stride(0),
                              o.accumulate, o.bias.data() != nullptr || o.before.data() != nullptr || o.kind != activation::none || o.residual.data() != nullptr,
                              false, overlap(o.residual, c), o.bias.data(), o.before.data(), o.before.stride(0), o.kind, o.residual.data(), o.residual.stride(0)};
    if constexpr (std::is_same_v<T, float>) {
      const product_library* const library = q.library_for(p.rows * p.columns * p.depth);
      if (library != nullptr && packed == nullptr && !p.through_room) {  // what is packed for Stretto's own products no library reads
        library->multiply(a.transposed, b.transposed, p.rows, p.columns, p.depth, a.data, a.gap, b.data, b.gap, o.accumulate ? 1.0f : 0.0f, p.c, p.c_gap);
        if (p.finishes) finish_plainly(q, p);
        return;
      }
    }
    if (packed != nullptr) p.packed = packed->data(q);
    const product_layout layout = product_layout::of<T>(q.level());
    q.need_scratch(layout.scratch, "a matrix product");
    p.by_columns = p.columns / layout.panel >= p.rows / layout.rows;
    if constexpr (std::is_same_v<T, bf16>) {
      const auto kernel = q.level() == isa::amx ? &amx::multiply<true, C> : &amx::multiply<false, C>;
      if (layout.tiles) return q.split(p.by_columns ? p.columns : p.rows, p.by_columns ? layout.panel : layout.rows, kernel, p);
    }
    q.split(p.by_columns ? p.columns : p.rows, p.by_columns ? layout.panel : layout.rows, q.pick(&portable::multiply<T, C>, &avx2::multiply<T, C>, &avx512::multiply<T, C>), p);
  }
}

}  // namespace detail

/// c = a b. Throws stretto::error where the shapes don't go together.
template <class A, class B, class C>
void matrix_product(queue& q, const A& a, const B& b, const tensor_view<C, 2>& c, const product_options<std::type_identity_t<C>>& o = {}) {
  const auto l = operand_of(a);
  const auto r = operand_of(b);
  static_assert(!std::is_same_v<A, packed_matrix<typename decltype(l)::element>>, "stretto: a packed matrix is the right-hand matrix of a product; give the left-hand one as it is");
  static_assert(std::is_same_v<decltype(l), decltype(r)> || std::is_same_v<B, packed_matrix<typename decltype(l)::element>>,
                "stretto: a product takes two matrices of one type; cast one");
  static_assert(std::is_same_v<typename decltype(l)::element, C> || (std::is_same_v<C, float> && sizeof(typename decltype(l)::element) == 2),
                "stretto: a product gives the type that it takes or, of bf16 and fp16, float; correct the result's type");
  detail::multiply<typename decltype(l)::element, C>(q, l, r, detail::packed_of(b), c, o);
}

}  // namespace stretto::inline v0::host
