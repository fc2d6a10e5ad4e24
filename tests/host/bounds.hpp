// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tests of operations share: numbers by seed, the truth in double from the same rounded inputs, and the bound
// that a result is held to: its largest error is at most twice that of plain loops in the same precision, and 2 units in
// the last place of the largest true value.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include <stretto/core/random.hpp>
#include <stretto/host/queue.hpp>
#include <stretto/tensor/tensor.hpp>

#include "catch.hpp"

namespace test {

using namespace stretto;

/// Numbers from `from` to `to`, rounded to T; equal seeds give equal numbers.
template <class T, int R>
tensor<T, R> numbers(const shape<R>& s, unsigned seed, double from = -1, double to = 1) {
  tensor<T, R> t(s);
  const random_stream r{seed, 0, 0, 0};
  for (std::int64_t i = 0; i < t.size(); ++i) {
    const double at = from + (to - from) * static_cast<double>(r.uniform(i));
    if constexpr (std::is_same_v<T, double>) t.data()[i] = at;
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

/// The distance of neighbouring numbers of type T at the size of x.
template <class T>
double unit_in_last_place(double x) {
  const int digits = std::is_same_v<T, double> ? 52 : std::is_same_v<T, float> ? 23 : std::is_same_v<T, fp16> ? 10 : 7;
  int exponent = 0;
  std::frexp(x, &exponent);
  return x == 0 ? 0x1p-126 : std::ldexp(1.0, exponent - 1 - digits);
}

struct errors {
  double largest = 0;  ///< of all differences
  double mean = 0;     ///< root of their mean square
  double size = 0;     ///< of the largest true value
};

template <class T, int R>
errors errors_of(const tensor<T, R>& got, const tensor<double, R>& truth) {
  errors e;
  for (std::int64_t i = 0; i < truth.size(); ++i) {
    const double off = std::abs(static_cast<double>(got.data()[i]) - truth.data()[i]);
    e.largest = !(off <= e.largest) ? off : e.largest;  // what is no number is the largest error
    e.mean += off * off;
    e.size = std::abs(truth.data()[i]) > e.size ? std::abs(truth.data()[i]) : e.size;
  }
  e.mean = truth.size() > 0 ? std::sqrt(e.mean / static_cast<double>(truth.size())) : 0;
  return e;
}

/// Whether `got` is as near to the truth as the bound asks, given what plain loops give in the same precision.
template <class T, int R>
bool near_truth(const tensor<T, R>& got, const tensor<T, R>& plain, const tensor<double, R>& truth) {
  const errors ours = errors_of(got, truth), theirs = errors_of(plain, truth);
  const double bound = 2 * theirs.largest + 2 * unit_in_last_place<T>(ours.size);
  if (ours.largest <= bound) return true;
  UNSCOPED_INFO("largest error " << ours.largest << " (mean " << ours.mean << "), plain loops " << theirs.largest << " (mean " << theirs.mean << "), bound "
                                 << bound << ", largest value " << ours.size);
  return false;
}

/// Bit for bit.
template <class T, int R>
bool same_bits(const tensor<T, R>& a, const tensor<T, R>& b) {
  return a.extents() == b.extents() && (a.size() == 0 || std::memcmp(a.data(), b.data(), static_cast<unsigned long>(a.size()) * sizeof(T)) == 0);
}

/// Of these instructions, those that this CPU has.
inline std::vector<host::isa> levels_of(std::initializer_list<host::isa> some) {
  std::vector<host::isa> there;
  for (const host::isa i : some)
    if (i <= host::this_cpu().best) there.push_back(i);
  return there;
}

/// Each for which there are kernels of its own; products of bf16 have two more.
inline std::vector<host::isa> levels() { return levels_of({host::isa::portable, host::isa::avx2, host::isa::avx512}); }
inline std::vector<host::isa> product_levels() {
  return levels_of({host::isa::portable, host::isa::avx2, host::isa::avx512, host::isa::avx512_bf16, host::isa::amx});
}

/// Calls f(T{}) for each type that has kernels.
template <class F>
void each_type(F&& f) {
  f(float{});
  f(bf16{});
  f(fp16{});
}

}  // namespace test
