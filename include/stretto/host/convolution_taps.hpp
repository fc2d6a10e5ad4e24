// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the CPU's convolutions gather: places of an image whose taps (numeric/tap_phase.hpp) become the rows of a matrix
// product, some at a time, and rows that become pixels again.
//
//     gather_and<T>(q, a, images, room, [&](rows, first, n) { … });      a product takes them, 384 places or more at a time
//     put_away<T>(q, a, rows, first, n);                                 n pixels from place `first` on
// Cost: each number is read once for each tap that falls on it.
#pragma once

#include <stretto/host/rows.hpp>
#include <stretto/numeric/tap_phase.hpp>

namespace stretto::inline v0::host {

template <class T>
struct tap_arguments {
  tap_phase down, across;
  const T* x;  ///< the images that taps fall on
  std::int64_t x_image, x_row, x_column;
  std::int64_t height, width, channels;
  T* y;  ///< the images of places
  std::int64_t y_image, y_row, y_column;
  std::int64_t y_channels;
  std::int64_t first_place;  ///< of those that are gathered or put away
  T* gathered;               ///< a row for each of them; null: zeros
  std::int64_t gap;
  const T* weight;  ///< where each channel is by itself
  std::int64_t kernel[2];
  const T* bias;
};

/// What the kernel of the weights' gradient is given, where each channel is by itself.
template <class T>
struct depthwise_weight_arguments {
  tap_arguments<T> of;  ///< without y
  const T* dy;
  std::int64_t dy_image, dy_row, dy_column;
  std::int64_t images;
  float* dweight;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/convolution.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host::detail {

template <class T>
tap_arguments<T> taps_of(const tensor_view<const T, 4>& x, const shape<4>& weight, const tap_phase& down, const tap_phase& across) {
  tap_arguments<T> a{};
  a.down = down, a.across = across;
  a.x = x.data(), a.x_image = x.stride(0), a.x_row = x.stride(1), a.x_column = x.stride(2);
  a.height = x.extent(1), a.width = x.extent(2), a.channels = x.extent(3);
  a.kernel[0] = weight[1], a.kernel[1] = weight[2];
  return a;
}

template <class T>
void put_into(tap_arguments<T>& a, const tensor_view<T, 4>& y) {
  a.y = y.data(), a.y_image = y.stride(0), a.y_row = y.stride(1), a.y_column = y.stride(2), a.y_channels = y.extent(3);
}

/// Places that are gathered at a time: whole steps of a product's depth, so that sums over places have one order.
template <class T>
std::int64_t places_at_once(std::int64_t gathered, std::int64_t all) {
  constexpr std::int64_t room = 1 << 20;
  const std::int64_t steps = gathered < room ? room / (384 * gathered * static_cast<std::int64_t>(sizeof(T)) + 1) : 0, most = 384 * (steps > 1 ? steps : 1);
  return most < all ? most : all;
}

/// Calls multiply(rows that were gathered, first place, count) until all places are done.
template <class T, class Multiply>
void gather_and(queue& q, tap_arguments<T>& a, std::int64_t images, T* room, Multiply multiply) {
  const std::int64_t gathered = a.down.taps * a.across.taps * a.channels, all = images * a.down.count * a.across.count, at_once = places_at_once<T>(gathered, all);
  for (std::int64_t first = 0; first < all; first += at_once) {
    const std::int64_t n = first + at_once < all ? at_once : all - first;
    a.first_place = first, a.gathered = room, a.gap = gathered;
    q.split(n, 16, q.pick(&portable::gather_taps<T>, &avx2::gather_taps<T>, &avx512::gather_taps<T>), a);
    multiply(tensor_view<const T, 2>(room, {{n, gathered}}), first, n);
  }
}

/// Rows become pixels, n of them from `first` on; without rows they become 0.
template <class T>
void put_away(queue& q, tap_arguments<T>& a, T* rows, std::int64_t first, std::int64_t n) {
  a.first_place = first, a.gathered = rows, a.gap = a.y_channels;
  q.split(n, 64, q.pick(&portable::put_places<T>, &avx2::put_places<T>, &avx512::put_places<T>), a);
}

}  // namespace stretto::inline v0::host::detail
