// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a convolution's kernel falls on: the steps between images and the rows of a matrix product.
//
//     forward    places are outputs, taps fall on inputs:     input  = output · stride - padding + tap · dilation
//     backward   places are inputs, taps fall on outputs:     output = (input + padding - tap · dilation) / stride
// Backward, a tap falls on an output only where the division comes out even. So inputs are taken in phases: those every
// stride apart, which all see the same taps. With that both are place · factor + offset + tap · step.
#pragma once

#include <stretto/host/rows.hpp>
#include <stretto/numeric/convolution.hpp>

namespace stretto::inline v0::host {

/// Places along an axis that see the same taps, and where these fall.
struct tap_phase {
  std::int64_t first, stride, count;      ///< places: first, first + stride, …
  std::int64_t tap, tap_stride, taps;     ///< of the kernel likewise
  std::int64_t factor, offset, step;      ///< the k-th tap of the p-th place falls on p · factor + offset + k · step
};

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

/// All outputs, and all taps.
inline tap_phase forward_phase(const convolution_options& o, int axis, std::int64_t outputs, std::int64_t kernel) {
  return {0, 1, outputs, 0, 1, kernel, o.stride[axis], -o.padding[axis], o.dilation[axis]};
}

/// Inputs from `first` on, which is less than the stride.
inline tap_phase backward_phase(const convolution_options& o, int axis, std::int64_t inputs, std::int64_t kernel, std::int64_t first) {
  const std::int64_t s = o.stride[axis], d = o.dilation[axis], at = first + o.padding[axis];
  std::int64_t common = s, rest = d % s, tap = 0;  // the largest number that divides s and d
  while (rest != 0) {
    const std::int64_t left = common % rest;
    common = rest, rest = left;
  }
  const std::int64_t next = s / common, several = next < kernel ? next : kernel;
  while (tap < several && (at - tap * d) % s != 0) ++tap;  // what isn't among the first `next` never comes
  const std::int64_t taps = tap < several ? (kernel - tap + next - 1) / next : 0;
  return {first, s, first < inputs ? (inputs - first + s - 1) / s : 0, tap, next, taps, 1, taps > 0 ? (at - tap * d) / s : 0, -(next * d / s)};
}

/// Calls f(down, across) for all phases of the inputs.
template <class F>
void each_phase(const convolution_options& o, const shape<4>& x, const shape<4>& weight, F f) {
  for (std::int64_t i = 0; i < o.stride[0] && i < x[1]; ++i) {
    const tap_phase down = backward_phase(o, 0, x[1], weight[1], i);
    for (std::int64_t j = 0; j < o.stride[1] && j < x[2]; ++j) f(down, backward_phase(o, 1, x[2], weight[2], j));
  }
}

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
