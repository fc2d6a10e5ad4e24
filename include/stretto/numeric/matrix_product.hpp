// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The matrix product as plain loops: c[i][j] = sum over k of a[i][k] b[k][j], summed in the order of k. In double it is what
// faster products are held to. transposed(m) is m with rows and columns exchanged; no number moves.
//
//     reference::matrix_product(x, transposed(w), y);              y = x wᵀ
//     reference::matrix_product(transposed(dy), x, dw, true);      dw += dyᵀ x
// Cost: rows × columns × depth multiplications, one after the other.
#pragma once

#include <cstdint>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

/// A matrix with rows and columns exchanged.
template <class T, class Space = host_memory>
struct transposed_matrix {
  tensor_view<const T, 2, Space> of;
};

template <class T, class Space>
transposed_matrix<std::remove_const_t<T>, Space> transposed(const tensor_view<T, 2, Space>& m) {
  return {m};
}

/// How a product reads a matrix: as it stands, or transposed.
template <class T, class Space = host_memory>
struct product_operand {
  using element = T;
  const T* data = nullptr;
  std::int64_t gap = 0;  ///< from row to row, as it stands
  std::int64_t rows = 0, columns = 0;  ///< as it is read
  bool transposed = false;

  T operator()(std::int64_t i, std::int64_t j) const {
    static_assert(Space::reachable, "stretto: these numbers aren't in the CPU's memory; copy them there first");
    return transposed ? data[j * gap + i] : data[i * gap + j];
  }
};

template <class T, class Space>
product_operand<std::remove_const_t<T>, Space> operand_of(const tensor_view<T, 2, Space>& m) {
  return {m.data(), m.stride(0), m.rows(), m.columns(), false};
}
template <class T, class Space>
product_operand<T, Space> operand_of(const transposed_matrix<T, Space>& m) {
  return {m.of.data(), m.of.stride(0), m.of.columns(), m.of.rows(), true};
}

namespace detail {

/// Throws where shapes don't go together. Options: a device's product_options.
template <class T, class Space, class C, class Options>
void check_product(const product_operand<T, Space>& a, const product_operand<T, Space>& b, const tensor_view<C, 2, Space>& c, const Options& o) {
  if (a.columns != b.rows || c.rows() != a.rows || c.columns() != b.columns)
    throw error(text("stretto: a matrix of ", a.rows, " by ", a.columns, " times one of ", b.rows, " by ", b.columns, " doesn't give one of ", c.rows(), " by ", c.columns(),
                     "; correct the shapes, or transpose one").str());
  if (o.bias.data() != nullptr && o.bias.size() != c.columns())
    throw error(text("stretto: a product of ", c.columns(), " columns can't have a bias of ", o.bias.size(), "; give one number a column").str());
  const auto fits = [&](const auto& m) { return m.data() == nullptr || m.extents() == c.extents(); };
  if (!fits(o.residual) || !fits(o.before))
    throw error(text("stretto: a product of ", c.rows(), " by ", c.columns(), " takes a residual, and gives what stands before the activation, of the same shape; correct them").str());
}

/// Whether two views may share numbers.
template <class T, class C, class Space>
bool overlap(const tensor_view<T, 2, Space>& a, const tensor_view<C, 2, Space>& b) {
  if (a.data() == nullptr || a.empty() || b.empty()) return false;
  const C* const a_end = a.row(a.rows() - 1) + a.columns();
  const C* const b_end = b.row(b.rows() - 1) + b.columns();
  return a.data() < b_end && b.data() < a_end;
}

}  // namespace detail

namespace reference {

template <class A, class B, class C>
void matrix_product(const A& a, const B& b, const tensor_view<C, 2>& c, bool accumulate = false) {
  const auto l = operand_of(a);
  const auto r = operand_of(b);
  if (l.columns != r.rows || c.rows() != l.rows || c.columns() != r.columns)
    throw error(text("stretto: a matrix of ", l.rows, " by ", l.columns, " times one of ", r.rows, " by ", r.columns, " doesn't give one of ", c.rows(), " by ", c.columns(),
                     "; correct the shapes, or transpose one").str());
  using real = computes_in<C>;
  for (std::int64_t i = 0; i < c.rows(); ++i)
    for (std::int64_t j = 0; j < c.columns(); ++j) {
      real s = 0;
      for (std::int64_t k = 0; k < l.columns; ++k) s += static_cast<real>(l(i, k)) * static_cast<real>(r(k, j));
      c(i, j) = static_cast<C>(accumulate ? static_cast<real>(c(i, j)) + s : s);
    }
}

}  // namespace reference

}  // namespace stretto::inline v0
