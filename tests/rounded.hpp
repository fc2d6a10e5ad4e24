// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What tests of operations share, those of the CPU and those of a CUDA device: numbers by seed, and how far neighbours are apart.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <stretto/core/random.hpp>
#include <stretto/tensor/tensor.hpp>

namespace test {

using namespace stretto;

/// Numbers from `from` to `to`, rounded to T; equal seeds give equal numbers.
template <class T, int R>
tensor<T, R> numbers(const shape<R>& s, unsigned seed, double from = -1, double to = 1) {
  tensor<T, R> t(s);
  const random_stream r{seed, 0, 0, 0};
  for (std::int64_t i = 0; i < t.size(); ++i) {
    const double at = from + (to - from) * static_cast<double>(r.uniform(i));
    if constexpr (std::is_integral_v<T> || std::is_same_v<T, double>) t.data()[i] = static_cast<T>(at);
    else t.data()[i] = static_cast<T>(static_cast<float>(at));
  }
  return t;
}

/// The same numbers in another type.
template <class To, class From, int R>
tensor<To, R> as(const tensor<From, R>& from) {
  tensor<To, R> t(from.extents());
  for (std::int64_t i = 0; i < t.size(); ++i) {
    if constexpr (std::is_same_v<To, double>) t.data()[i] = static_cast<double>(from.data()[i]);
    else t.data()[i] = static_cast<To>(static_cast<float>(from.data()[i]));
  }
  return t;
}

/// Bit for bit.
template <class T, int R>
bool same_bits(const tensor<T, R>& a, const tensor<T, R>& b) {
  return a.extents() == b.extents() && (a.size() == 0 || std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(T)) == 0);
}

/// Calls f(T{}) for each type that has kernels.
template <class F>
void each_type(F&& f) {
  f(float{});
  f(bf16{});
  f(fp16{});
}

/// The distance of neighbouring numbers of type T at the size of x.
template <class T>
double unit_in_last_place(double x) {
  const int digits = std::is_same_v<T, double> ? 52 : std::is_same_v<T, float> ? 23 : std::is_same_v<T, fp16> ? 10 : 7;
  int exponent = 0;
  std::frexp(x, &exponent);
  const double unit = x == 0 || !std::isfinite(x) ? 0x1p-126 : std::ldexp(1.0, exponent - 1 - digits);
  return std::is_same_v<T, fp16> && unit < 0x1p-24 ? 0x1p-24 : unit;
}

}  // namespace test
