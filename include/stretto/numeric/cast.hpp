// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Casts between double, float, bf16 and fp16 in plain loops: to the nearest, to even where two are as near, or by chance.
//
//     nearest     the nearest number of the other type
//     stochastic  of its two neighbours one, with the chance of how near it is: the mean is the number
// By chance is for two bytes. What is a number of the other type stays, infinity and what is no number, too. The chance hangs
// on the stream and on where row and column stand in the whole, as dropout's does: no cut of the matrix changes it.
// Source: Gupta et al., Deep learning with limited numerical precision, ICML 2015.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include <stretto/core/random.hpp>
#include <stretto/numeric/optimizer.hpp>  // round_by_chance
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

enum class rounding : std::uint8_t { nearest, stochastic };

struct cast_options {
  rounding mode = rounding::nearest;
  random_stream stream = {};  ///< seed, step and layer; each row is a sample of its own
  std::int64_t first_row = 0;
  std::int64_t first_column = 0;

  /// The chance of an element, in the upper 16 bits: two neighbours share a word. Places beyond 64 bits begin anew.
  constexpr std::uint32_t chance(std::int64_t row, std::int64_t column) const {
    const random_stream r{stream.seed, stream.step, static_cast<std::uint32_t>(first_row) + static_cast<std::uint32_t>(row), stream.layer};
    const std::uint64_t at = static_cast<std::uint64_t>(first_column) + static_cast<std::uint64_t>(column);
    return r.bits(static_cast<std::int64_t>(at / 2)) >> (at % 2 * 16) << 16;
  }
};

namespace detail {

/// To float, but with a last bit of 1 where it isn't exact: what is rounded again then comes out right.
inline float to_odd(double d) {
  const float f = static_cast<float>(d);
  const double back = static_cast<double>(f);
  if (back == d || d != d) return f;
  const auto bits = std::bit_cast<std::uint32_t>(f);
  return std::bit_cast<float>((std::abs(back) > std::abs(d) ? bits - 1 : bits) | 1u);
}

template <class To, class From>
To nearest(From x) {
  if constexpr (std::is_same_v<To, From>) return x;
  else if constexpr (std::is_same_v<To, double>) return static_cast<double>(static_cast<float>(x));
  else if constexpr (std::is_same_v<From, double> && sizeof(To) == 2) return static_cast<To>(to_odd(x));
  else return static_cast<To>(static_cast<float>(x));
}

}  // namespace detail

namespace reference {

template <class From, class To>
void cast(const tensor_view<From, 2>& x, const tensor_view<To, 2>& y, const cast_options& o = {}) {
  using T = std::remove_const_t<From>;
  for (std::int64_t i = 0; i < y.rows(); ++i)
    for (std::int64_t j = 0; j < y.columns(); ++j) {
      const T v = x(i, j);
      if constexpr (sizeof(To) == 2)
        y(i, j) = o.mode == rounding::nearest ? stretto::detail::nearest<To>(v) : round_by_chance<To>(stretto::detail::nearest<float>(v), o.chance(i, j));
      else y(i, j) = stretto::detail::nearest<To>(v);
    }
}

}  // namespace reference
}  // namespace stretto::inline v0
