// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rotary embedding in plain loops: pairs of a head's numbers are turned by an angle that grows with the position, so that
// the product of a query and a key hangs on how far they are apart.
//
//     angle of pair i at position p:  p / scaling · theta^(-2 i / dims)
//     halves (NeoX, Llama)   pairs (0, h) (1, h + 1) …     h = dims / 2
//     neighbours (GPT-J)     pairs (0, 1) (2, 3) …
//     (a, b)  ->  (a cos - b sin, b cos + a sin)           backward: by minus the angle
// Of a head larger than dims the numbers beyond stay. The table is made once, in double; a model has one for all layers.
// Source: Su et al., RoFormer, Neurocomputing 2024; Chen et al., arXiv 2306.15595, 2023 (scaling).
#pragma once

#include <cmath>
#include <cstdint>

#include <stretto/tensor/tensor.hpp>

namespace stretto::inline v0 {

enum class rotary_pairs : std::uint8_t { halves, neighbours };

struct rotary_options {
  double theta = 10000;
  double scaling = 1;  ///< positions are divided by it
  rotary_pairs pairs = rotary_pairs::halves;
};

/// Cosines and sines of the positions from 0 to positions - 1, of which `dims` numbers of a head are turned.
template <class C>
class rotary_table {
 public:
  rotary_table(std::int64_t positions, std::int64_t dims, const rotary_options& o = {}) : pairs_(o.pairs) {
    if (positions < 1) throw error(text("stretto: a rotary table can't have ", positions, " positions; give 1 or more").str());
    if (dims < 2 || dims % 2 != 0) throw error(text("stretto: rotary embedding turns pairs, not ", dims, " numbers of a head; give an even number of 2 or more").str());
    if (!(o.theta > 0) || !(o.scaling > 0)) throw error("stretto: a rotary table's theta and scaling are more than 0; correct them");
    table_ = tensor<C, 2>({positions, dims});
    for (std::int64_t i = 0; i < dims / 2; ++i) {
      const double frequency = std::pow(o.theta, -2.0 * static_cast<double>(i) / static_cast<double>(dims));
      for (std::int64_t p = 0; p < positions; ++p) {
        const double angle = static_cast<double>(p) / o.scaling * frequency;
        table_(p, i) = static_cast<C>(std::cos(angle));
        table_(p, dims / 2 + i) = static_cast<C>(std::sin(angle));
      }
    }
  }

  std::int64_t positions() const { return table_.rows(); }
  std::int64_t dims() const { return table_.columns(); }
  rotary_pairs pairs() const { return pairs_; }
  std::int64_t bytes() const { return table_.size() * static_cast<std::int64_t>(sizeof(C)); }

  /// dims / 2 cosines, and as many sines behind them.
  const C* row(std::int64_t position) const { return table_.row(position); }

 private:
  rotary_pairs pairs_;
  tensor<C, 2> table_;
};

/// A matrix whose rows are heads side by side, as (rows, heads, head size).
template <class T, class Space>
tensor_view<T, 3, Space> by_heads(const tensor_view<T, 2, Space>& m, std::int64_t heads) {
  if (heads < 1 || m.columns() % heads != 0)
    throw error(text("stretto: ", m.columns(), " columns can't be shared by ", heads, " heads evenly; correct the number of heads").str());
  const std::int64_t size = m.columns() / heads, strides[3] = {m.stride(0), size, 1};
  return {m.data(), {{m.rows(), heads, size}}, strides};
}

namespace detail {

/// Angles times `sign`.
template <class T>
void turn(const tensor_view<const T, 3>& x, const tensor_view<const std::int32_t, 1>& positions, const rotary_table<computes_in<T>>& table, const tensor_view<T, 3>& y,
          computes_in<T> sign) {
  using C = computes_in<T>;
  const std::int64_t half = table.dims() / 2;
  for (std::int64_t t = 0; t < x.extent(0); ++t) {
    const C* const row = table.row(positions[t]);
    for (std::int64_t h = 0; h < x.extent(1); ++h) {
      for (std::int64_t i = 0; i < half; ++i) {
        const bool halves = table.pairs() == rotary_pairs::halves;
        const std::int64_t p = halves ? i : 2 * i, q = halves ? i + half : 2 * i + 1;
        const C a = static_cast<C>(x(t, h, p)), b = static_cast<C>(x(t, h, q)), c = row[i], s = sign * row[half + i];
        y(t, h, p) = static_cast<T>(a * c - b * s);
        y(t, h, q) = static_cast<T>(b * c + a * s);
      }
      for (std::int64_t i = 2 * half; i < x.extent(2); ++i) y(t, h, i) = x(t, h, i);
    }
  }
}

}  // namespace detail

namespace reference {

/// x and y: (tokens, heads, head size); one position a token. y may be x.
template <class T>
void rotary(reads<T, 3> x, reads<std::int32_t, 1> positions, const rotary_table<computes_in<T>>& table, const tensor_view<T, 3>& y) {
  stretto::detail::turn<T>(x, positions, table, y, 1);
}

template <class T>
void rotary_backward(reads<T, 3> dy, reads<std::int32_t, 1> positions, const rotary_table<computes_in<T>>& table, const tensor_view<T, 3>& dx) {
  stretto::detail::turn<T>(dy, positions, table, dx, -1);
}

}  // namespace reference
}  // namespace stretto::inline v0
