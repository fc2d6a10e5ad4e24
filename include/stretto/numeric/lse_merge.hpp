// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// lse_state: what is known of a softmax over the part of its numbers that was seen so far, the output and the logarithm
// of the sum of exponentials; and merge, which makes of two parts the whole. Ring attention, attention split over keys and
// losses over shards of a vocabulary are all made of it.
//
//     output = sum of softmax(s)_j v_j      lse = log(sum of exp(s_j))      nothing seen: (0, -inf)
//     merge((o, l), (p, m)) = (o + w (p - o), l + log1p(e))        m <= l, e = exp(m - l), w = e / (1 + e)
// With nothing on one side the result is the other side, to the bit. The exponent is never above 0, so nothing overflows.
// Merging is commutative and, up to rounding, associative: parts may come in any order.
// Cost: an exponential and a logarithm; of rows one each a row, and two reads and a write an element.
// Source: Milakov and Gimelshein, Online normalizer calculation for softmax, arXiv 1805.02867, 2018.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <stretto/core/text.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

/// T: float or double.
template <class T>
struct lse_state {
  T output = 0;
  T lse = -std::numeric_limits<T>::infinity();
  friend constexpr bool operator==(const lse_state&, const lse_state&) = default;
};

namespace detail {

/// exp(x), x <= 0. In constant expressions: x = n log 2 + r, a Taylor series in r.
template <class T>
constexpr T exp_below(T x) {
  if (!std::is_constant_evaluated()) return std::exp(x);
  if (!(x >= -745)) return x != x ? x : T(0);
  const double d = static_cast<double>(x);
  const auto n = static_cast<std::int64_t>(d * 1.4426950408889634 - 0.5);
  const double r = (d - static_cast<double>(n) * 0.693147180369123816490) - static_cast<double>(n) * 1.90821492927058770002e-10;
  double term = 1, sum = 1;
  for (int i = 1; i < 18; ++i) sum += term *= r / i;
  const std::int64_t half = n / 2;
  const auto power = [](std::int64_t k) { return std::bit_cast<double>(static_cast<std::uint64_t>(k + 1023) << 52); };
  return static_cast<T>(sum * power(half) * power(n - half));
}

/// log(1 + x), 0 <= x <= 1. In constant expressions: 2 artanh(x / (2 + x)).
template <class T>
constexpr T log1p_of(T x) {
  if (!std::is_constant_evaluated()) return std::log1p(x);
  const double d = static_cast<double>(x), z = d / (2 + d);
  double power = 2 * z, sum = 0;
  for (int i = 1; i < 44; i += 2, power *= z * z) sum += power / i;
  return static_cast<T>(sum);
}

}  // namespace detail

/// How a second part joins a first: output += weight (other - output), and the new lse.
template <class T>
struct lse_weight {
  T weight;
  T lse;
  bool swapped;  ///< weight is that of the first part, which joins the second
};

template <class T>
constexpr lse_weight<T> weigh(T first, T second) {
  constexpr T none = -std::numeric_limits<T>::infinity();
  if (second == none) return {0, first, false};
  if (first == none) return {0, second, true};
  const bool swapped = first < second;
  const T e = detail::exp_below(swapped ? first - second : second - first);
  return {e / (1 + e), (swapped ? second : first) + detail::log1p_of(e), swapped};
}

/// Both parts.
template <class T>
constexpr lse_state<T> merge(const lse_state<T>& first, const lse_state<T>& second) {
  const lse_weight<T> w = weigh(first.lse, second.lse);
  const T from = w.swapped ? second.output : first.output, to = w.swapped ? first.output : second.output;
  return {w.weight == 0 ? from : from + w.weight * (to - from), w.lse};
}

/// One row of n outputs and its lse, which the other row joins.
template <class T>
constexpr void merge_row(T* output, T& lse, const T* other, T other_lse, std::int64_t n) {
  const lse_weight<T> w = weigh(lse, other_lse);
  lse = w.lse;
  if (w.weight == 0 && !w.swapped) return;
  for (std::int64_t i = 0; i < n; ++i) {
    const T from = w.swapped ? other[i] : output[i], to = w.swapped ? output[i] : other[i];
    output[i] = w.weight == 0 ? from : from + w.weight * (to - from);
  }
}

/// Outputs (tokens, heads, head size) with their lse (tokens, heads), which others join.
template <class T>
constexpr void merge_into(const tensor_view<T, 3>& output, writes<T, 2> lse, reads<T, 3> other, reads<T, 2> other_lse) {
  const shape<2> rows{{output.extent(0), output.extent(1)}};
  if (other.extents() != output.extents() || lse.extents() != rows || other_lse.extents() != rows)
    throw error(text("stretto: outputs of shape ", output.extents().words().str(), " with lse of ", lse.extents().words().str(), " don't merge with ",
                     other.extents().words().str(), " with lse of ", other_lse.extents().words().str(), "; give outputs of one shape, and one lse a token and head").str());
  for (std::int64_t i = 0; i < rows[0]; ++i)
    for (std::int64_t h = 0; h < rows[1]; ++h)
      if (output.extent(2) > 0) merge_row(&output(i, h, std::int64_t{0}), lse(i, h), &other(i, h, std::int64_t{0}), other_lse(i, h), output.extent(2));
}

}  // namespace stretto::inline v0
