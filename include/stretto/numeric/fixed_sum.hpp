// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums in a fixed order: in blocks of 4096 numbers, each summed by itself; then the blocks' sums, one after the other.
//
//     numbers      | 4096 | 4096 | 4096 | 1000 |
//     block sums      s0     s1     s2     s3         in double, each by whoever has the block
//     sum          ((s0 + s1) + s2) + s3
// So the bits don't hang on who sums what, as long as a run is split at multiples of fixed_block and the sums are added in
// the order of the blocks: with any number of threads, or on ranks that each have a part of a parameter.
//
//     clip_factor(norm, 1.0)      what gradients of that norm are multiplied with, so that it is at most 1
// These are plain loops in double; the fast ones are in host/gradient_norm.hpp.
#pragma once

#include <cmath>
#include <cstdint>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

inline constexpr std::int64_t fixed_block = 4096;

/// How many blocks a run of n numbers has.
constexpr std::int64_t fixed_blocks(std::int64_t n) { return (n + fixed_block - 1) / fixed_block; }

/// Adds block sums to what those of the blocks before come to.
inline double add_in_order(tensor_view<const double, 1> block_sums, double before = 0) {
  for (std::int64_t i = 0; i < block_sums.size(); ++i) before += block_sums[i];
  return before;
}

/// What a pass over numbers finds.
struct square_sum {
  double sum = 0;
  bool found_not_finite = false;  ///< an infinity, or what is no number, in the numbers or as their sum
};

/// What a pass over all gradients finds.
struct gradient_size {
  double norm = 0;
  bool found_not_finite = false;  ///< the step is to be skipped, and the loss scaled down
};

/// The factor of clipping: 1 where the norm is small enough. What is no number stays so.
inline double clip_factor(double norm, double most) {
  const double f = most / (norm + 1e-6);
  return f >= 1 ? 1 : f;
}

namespace detail {

inline error wrong_room(std::int64_t n, std::int64_t room) {
  return error(text("stretto: ", n, " numbers have ", fixed_blocks(n), " block sums, and there is room for ", room, "; give room for fixed_blocks(", n, ")").str());
}

template <class Of>
void sum_blocks(std::int64_t n, const tensor_view<double, 1>& block_sums, Of&& of) {
  if (block_sums.size() != fixed_blocks(n)) throw wrong_room(n, block_sums.size());
  for (std::int64_t b = 0; b < block_sums.size(); ++b) {
    const std::int64_t end = (b + 1) * fixed_block < n ? (b + 1) * fixed_block : n;
    double s = 0;
    for (std::int64_t i = b * fixed_block; i < end; ++i) s += of(i);
    block_sums[b] = s;
  }
}

}  // namespace detail

namespace reference {

template <class T>
void block_sums(const tensor_view<T, 1>& x, writes<double, 1> sums) {
  stretto::detail::sum_blocks(x.size(), sums, [&](std::int64_t i) { return static_cast<double>(x[i]); });
}

template <class T>
void block_sums_of_squares(const tensor_view<T, 1>& x, writes<double, 1> sums) {
  stretto::detail::sum_blocks(x.size(), sums, [&](std::int64_t i) { return static_cast<double>(x[i]) * static_cast<double>(x[i]); });
}

template <class T>
double fixed_sum(const tensor_view<T, 1>& x) {
  double all = 0;
  for (std::int64_t first = 0; first < x.size(); first += fixed_block) {
    double one = 0;
    const tensor_view<T, 1> block = x.part(0, first, first + fixed_block < x.size() ? fixed_block : x.size() - first);
    block_sums(block, {&one, {{1}}});
    all += one;
  }
  return all;
}

template <class T>
square_sum sum_of_squares(const tensor_view<T, 1>& x) {
  square_sum all;
  for (std::int64_t first = 0; first < x.size(); first += fixed_block) {
    double one = 0;
    const tensor_view<T, 1> block = x.part(0, first, first + fixed_block < x.size() ? fixed_block : x.size() - first);
    block_sums_of_squares(block, {&one, {{1}}});
    all.sum += one;
  }
  all.found_not_finite = !std::isfinite(all.sum);  // what isn't finite leaves no finite sum of squares
  return all;
}

/// The norm of several runs as one: the sums of the runs are added in their order.
template <class T>
gradient_size gradient_norm(const view<const tensor_view<T, 1>>& runs) {
  double sum = 0;
  bool found = false;
  for (const tensor_view<T, 1>& run : runs) {
    const square_sum s = sum_of_squares(run);
    sum += s.sum;
    found |= s.found_not_finite;
  }
  return {std::sqrt(sum), found || !std::isfinite(sum)};
}

}  // namespace reference
}  // namespace stretto::inline v0
