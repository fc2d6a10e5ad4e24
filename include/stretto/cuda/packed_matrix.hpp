// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights that products of a CUDA device read often.
//
//     basic_packed_matrix<runtime, bf16> p(q, 384, 1536);  pack(q, transposed(w), p);  matrix_product(q, x, p, y);
// On the CPU packing orders the numbers anew. A device reads matrices as they stand, so here it is a view: pack once, and what
// the matrix holds when a product is done is what counts. The matrix must outlive it. Cost: none.
#pragma once

#include <stretto/cuda/queue.hpp>
#include <stretto/numeric/matrix_product.hpp>

namespace stretto::inline v0::cuda {

template <class Runtime, class T>
class basic_packed_matrix {
 public:
  using operand = product_operand<T, basic_memory<Runtime>>;

  basic_packed_matrix() = default;
  /// For a matrix of that many rows and columns, as the product reads it.
  basic_packed_matrix(const basic_queue<Runtime>&, std::int64_t rows, std::int64_t columns) : rows_(rows), columns_(columns) {
    if (rows < 0 || columns < 0) throw error(text("stretto: a packed matrix can't be ", rows, " by ", columns, "; give extents of 0 or more").str());
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  std::int64_t bytes() const { return 0; }

  /// What a product reads.
  const operand& read() const {
    if (!filled_) throw error(text("stretto: a packed matrix of ", rows_, " by ", columns_, " was never packed; call pack first").str());
    return of_;
  }
  void see(const operand& of) { of_ = of, filled_ = true; }

 private:
  operand of_;
  std::int64_t rows_ = 0, columns_ = 0;
  bool filled_ = false;
};

template <class Runtime, class T>
product_operand<T, basic_memory<Runtime>> operand_of(const basic_packed_matrix<Runtime, T>& m) {
  return m.read();
}

/// Lets `to` see `from`, a view or transposed(view). Throws stretto::error where it isn't of the size that `to` was made for.
template <class Runtime, class M, class T>
void pack(basic_queue<Runtime>&, const M& from, basic_packed_matrix<Runtime, T>& to) {
  const product_operand<T, basic_memory<Runtime>> b = operand_of(from);
  if (b.rows != to.rows() || b.columns != to.columns())
    throw error(text("stretto: a matrix of ", b.rows, " by ", b.columns, " is packed into one of ", to.rows(), " by ", to.columns(), "; make the packed matrix in that shape, or transpose").str());
  to.see(b);
}

}  // namespace stretto::inline v0::cuda
