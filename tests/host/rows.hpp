// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tests of operations on rows share: matrices whose rows begin anywhere, and what is compared of them.
#pragma once

#include <cmath>

#include "bounds.hpp"

namespace test {

/// A matrix as a block of columns of a wider one: its rows begin anywhere but at a line.
template <class T>
struct framed {
  tensor<T, 2> all;
  tensor_view<T, 2> inner;

  explicit framed(const shape<2>& s) : all(shape<2>{{s[0], s[1] + 10}}), inner(all.columns(3, s[1])) {}
  explicit framed(const tensor<T, 2>& numbers) : framed(numbers.extents()) {
    for (std::int64_t t = 0; t < inner.rows(); ++t) copy_row(inner.row(t), numbers.row(t));
  }

  tensor<T, 2> copy() const {
    tensor<T, 2> c(inner.extents());
    for (std::int64_t t = 0; t < inner.rows(); ++t) copy_row(c.row(t), inner.row(t));
    return c;
  }
  /// What stands beside the block is untouched.
  bool kept() const {
    for (std::int64_t t = 0; t < inner.rows(); ++t)
      for (int i = 0; i < 10; ++i)
        if (static_cast<double>(all(t, i < 3 ? i : inner.columns() + i)) != 0) return false;
    return true;
  }

 private:
  void copy_row(T* to, const T* from) const { std::memcpy(static_cast<void*>(to), from, static_cast<unsigned long>(inner.columns()) * sizeof(T)); }
};

/// Numbers, infinities and what is no number in the same places.
template <class T, int R>
bool alike(const tensor<T, R>& a, const tensor<T, R>& b) {
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a.data()[i]), y = static_cast<double>(b.data()[i]);
    if (std::isnan(x) != std::isnan(y) || std::isinf(x) != std::isinf(y) || (std::isinf(x) && x != y)) return false;
  }
  return true;
}

/// Numbers of which 67 rows are drawn, and the others repeat them: drawing takes its time without optimization.
template <class T>
tensor<T, 2> row_numbers(const shape<2>& s, unsigned seed, double from = -1, double to = 1) {
  if (s[0] <= 67) return numbers<T, 2>(s, seed, from, to);
  const tensor<T, 2> some = numbers<T, 2>({{67, s[1]}}, seed, from, to);
  tensor<T, 2> all(s);
  for (std::int64_t t = 0; t < s[0]; ++t) std::memcpy(static_cast<void*>(all.row(t)), some.row(t % 67), static_cast<unsigned long>(s[1]) * sizeof(T));
  return all;
}

/// The instructions whose results can go past the cache.
inline std::vector<host::isa> streaming_levels() {
  std::vector<host::isa> some;
  for (host::isa i : levels())
    if (i != host::isa::portable) some.push_back(i);
  return some;
}

inline constexpr shape<2> row_shapes[] = {{{0, 8}}, {{3, 0}}, {{1, 1}}, {{5, 3}}, {{6, 16}}, {{3, 61}}, {{9, 128}}, {{4, 1031}}, {{2, 5003}}};

}  // namespace test
