// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tests of the CPU's operations share besides rounded.hpp: the truth in double from the same rounded inputs, and
// the bound that a result is held to: its largest error is at most twice that of plain loops in the same precision, and 2 units in
// the last place of the largest true value.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include <stretto/host/queue.hpp>

#include "catch.hpp"
#include "rounded.hpp"

namespace test {

using namespace stretto;

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

}  // namespace test
