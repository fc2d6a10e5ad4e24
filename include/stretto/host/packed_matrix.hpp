// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// packed_matrix<T>: the right-hand matrix of a product in the order in which products read it. Weights don't change within
// a step: packed once, they serve every micro-batch.
//
//     packed_matrix<float> forward(q, 384, 1536), backward(q, 1536, 384);        room, asked for once
//     pack(q, transposed(w), forward);  pack(q, w, backward);                    after every step of the optimizer
//     matrix_product(q, x, forward, y);  matrix_product(q, dy, backward, dx);
//
//     b  | 0 1 2 | 3 4 5 |        panels of as many columns as a tile has; in each, one step of the depth after the other
//        | a b c | d e f |   ->   0 1 2 a b c | 3 4 5 d e f
// The panel's width is that of the instructions, so a matrix is read by queues of the level it was packed with; others are
// refused. What is packed stays as it was, whatever becomes of the matrix. Cost of packing: reading and writing it once.
#pragma once

#include <type_traits>

#include <stretto/host/product_arguments.hpp>
#include <stretto/host/simd.hpp>
#include <stretto/host/tiles.hpp>
#include <stretto/numeric/matrix_product.hpp>

namespace stretto::inline v0::host {

/// How products lay out what they read.
struct product_layout {
  int panel;             ///< columns of b that stand together
  int rows;              ///< of a tile
  int deep;              ///< depths are filled up to a multiple of it
  std::int64_t scratch;  ///< bytes for each thread
  bool tiles;            ///< bf16 as it is, in pairs along the depth; else widened to float
  int width;             ///< bytes of a number; double stays as it is

  template <class T>
  static product_layout of(isa level) {
    if (std::is_same_v<T, bf16> && level >= isa::avx512_bf16) return {32, 32, 32, 1 << 20, true, 2};
    return {level >= isa::avx512 ? 48 : level == isa::avx2 ? 16 : 8, level >= isa::avx512 ? 8 : 6, 1, (256 + 960 + 192) * 384 * 4, false, std::is_same_v<T, double> ? 8 : 4};
  }
  std::int64_t panels(std::int64_t columns) const { return (columns + panel - 1) / panel; }
  std::int64_t depth(std::int64_t steps) const { return (steps + deep - 1) / deep * deep; }
  std::int64_t bytes(std::int64_t steps, std::int64_t columns) const {
    if (steps < 0 || columns < 0) throw error(text("stretto: a packed matrix can't be ", steps, " by ", columns, "; give extents of 0 or more").str());
    shape<2>{{steps, columns}}.count();  // throws where there can't be as many, filled up or not
    return shape<2>{{depth(steps), panels(columns) * panel}}.count() * width;
  }
};

template <class T>
class packed_matrix {
 public:
  packed_matrix() = default;
  /// Room for a matrix of that many rows and columns, as the product reads it.
  packed_matrix(const queue& q, std::int64_t rows, std::int64_t columns)
      : level_(q.level()), rows_(rows), columns_(columns), bytes_(product_layout::of<T>(q.level()).bytes(rows, columns)) {
    data_ = host_memory::take(bytes_);
    host_memory::zero(data_, bytes_);
  }
  packed_matrix(packed_matrix&& other) noexcept { *this = static_cast<packed_matrix&&>(other); }
  packed_matrix& operator=(packed_matrix&& other) noexcept {
    const auto swap = [](auto& a, auto& b) {
      const auto c = a;
      a = b, b = c;
    };
    swap(level_, other.level_), swap(rows_, other.rows_), swap(columns_, other.columns_), swap(bytes_, other.bytes_), swap(data_, other.data_), swap(plain_, other.plain_), swap(filled_, other.filled_);
    return *this;
  }
  ~packed_matrix() { host_memory::give(data_, bytes_); }

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  std::int64_t bytes() const { return bytes_; }

  /// Whether it holds the matrix row by row, for a library.
  bool plain() const { return plain_; }

  /// What a product of that queue reads. Throws where it was packed for other instructions.
  void* data(const queue& q) const {
    if (!filled_) throw error(text("stretto: a packed matrix of ", rows_, " by ", columns_, " was never packed; call pack first").str());
    return room(q);
  }

 private:
  void* room(const queue& q) const {
    const product_layout mine = product_layout::of<T>(level_), asked = product_layout::of<T>(q.level());
    if (mine.panel != asked.panel || mine.tiles != asked.tiles)
      throw error(text("stretto: a matrix that was packed for ", isa_name(level_), " is read by a queue of ", isa_name(q.level()), "; make it with that queue, or one of the same level").str());
    return data_;
  }

  isa level_ = isa::portable;
  std::int64_t rows_ = 0, columns_ = 0, bytes_ = 0;
  void* data_ = nullptr;
  bool plain_ = false, filled_ = false;

  template <class M, class U>
  friend void pack(queue&, const M&, packed_matrix<U>&);
};

template <class T>
product_operand<T> operand_of(const packed_matrix<T>& m) {
  return {nullptr, 0, m.rows(), m.columns(), false};
}

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/packing.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

/// Packs `from`, a view or transposed(view). Throws stretto::error where it isn't of the size that `to` was made for.
template <class M, class T>
void pack(queue& q, const M& from, packed_matrix<T>& to) {
  const product_operand<T> b = operand_of(from);
  if (b.rows != to.rows() || b.columns != to.columns())
    throw error(text("stretto: a matrix of ", b.rows, " by ", b.columns, " is packed into one of ", to.rows(), " by ", to.columns(), "; make the packed matrix in that shape, or transpose").str());
  const product_layout layout = product_layout::of<T>(q.level());
  const pack_arguments<T> p{b.data, b.gap, b.transposed, b.rows, b.columns, to.room(q)};
  to.filled_ = true;
  to.plain_ = std::is_same_v<T, double> || (std::is_same_v<T, float> && q.library_for(std::int64_t{1} << 62) != nullptr);
  if (to.plain_) {
    for (std::int64_t i = 0; i < b.rows; ++i)
      for (std::int64_t j = 0; j < b.columns; ++j) static_cast<T*>(p.to)[i * b.columns + j] = b(i, j);
    return;
  }
  if constexpr (std::is_same_v<T, bf16>) {
    if (layout.tiles) return q.split(b.columns, layout.panel, &amx::pack_matrix, p);
  }
  if constexpr (!std::is_same_v<T, double>) q.split(b.columns, layout.panel, q.pick(&portable::pack_matrix<T>, &avx2::pack_matrix<T>, &avx512::pack_matrix<T>), p);
}

}  // namespace stretto::inline v0::host
