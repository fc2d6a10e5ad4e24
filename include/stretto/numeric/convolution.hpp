// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Convolution in two dimensions, in plain loops. Images are (images, height, width, channels), weights (out, height, width,
// in): with in = 1 and as many out as channels each channel is convolved by itself.
//
//     y[n, h, w, o] = bias[o] + sum over i, j, c of weight[o, i, j, c] x[n, h s - p + i d, w s - p + j d, c]
//     s: stride, p: padding, d: dilation; beyond the image x is 0;  out = (in + 2 p - d (kernel - 1) - 1) / s + 1
// Sums are in the order of i, j, c. Gradients of weights and biases are added to what is there. The zeros beyond an image, of
// the input's gradient those beyond dy, are multiplied like other numbers: with an infinite weight they give what is no
// number. Where each channel is by itself they are passed over.
#pragma once

#include <cstdint>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

/// Down and across.
struct convolution_options {
  std::int64_t stride[2] = {1, 1};
  std::int64_t padding[2] = {0, 0};  ///< zeros on each side
  std::int64_t dilation[2] = {1, 1};

  /// How many places a kernel has in an image; none where it doesn't fit. For options that check() lets pass.
  constexpr std::int64_t places(int axis, std::int64_t image, std::int64_t kernel) const {
    const std::int64_t whole = image + 2 * padding[axis] - 1, apart = dilation[axis];
    if (whole < 0 || (kernel > 1 && apart > whole / (kernel - 1))) return 0;
    return (whole - apart * (kernel - 1)) / stride[axis] + 1;
  }

  /// Throws stretto::error where there is no such convolution.
  constexpr void check(const char* operation) const {
    constexpr std::int64_t most = 2147483647;
    for (int axis = 0; axis < 2; ++axis)
      if (stride[axis] < 1 || dilation[axis] < 1 || padding[axis] < 0 || stride[axis] > most || dilation[axis] > most || padding[axis] > most)
        throw error(text("stretto: ", operation, " with stride ", stride[axis], ", padding ", padding[axis], " and dilation ", dilation[axis],
                         " can't be; give 1 or more, padding of 0 or more, and at most 2147483647").str());
  }
};

/// The shape of what a convolution gives. Throws stretto::error where there is none.
constexpr shape<4> convolved(const shape<4>& x, const shape<4>& weight, const convolution_options& o = {}) {
  o.check("convolved");
  x.count(), weight.count();  // throw where they can't be
  return {{x[0], o.places(0, x[1], weight[1]), o.places(1, x[2], weight[2]), weight[0]}};
}

/// Each channel by itself.
constexpr bool depthwise(std::int64_t channels, const shape<4>& weight) { return weight[3] == 1 && channels > 1 && weight[0] == channels; }

namespace detail {

/// Calls f(i, j, row, column, inside) for the places of a kernel when it is put down for the output at h, w; inside: on the image.
template <class F>
void each_tap(std::int64_t h, std::int64_t w, const shape<4>& x, const shape<4>& weight, const convolution_options& o, F f) {
  for (std::int64_t i = 0; i < weight[1]; ++i)
    for (std::int64_t j = 0; j < weight[2]; ++j) {
      const std::int64_t row = h * o.stride[0] - o.padding[0] + i * o.dilation[0], column = w * o.stride[1] - o.padding[1] + j * o.dilation[1];
      f(i, j, row, column, row >= 0 && row < x[1] && column >= 0 && column < x[2]);
    }
}

/// Calls f(n, h, w, channel) for all of a shape.
template <class F>
void each_place(const shape<4>& s, F f) {
  for (std::int64_t n = 0; n < s[0]; ++n)
    for (std::int64_t h = 0; h < s[1]; ++h)
      for (std::int64_t w = 0; w < s[2]; ++w)
        for (std::int64_t c = 0; c < s[3]; ++c) f(n, h, w, c);
}

}  // namespace detail

namespace reference {

/// bias may be {}.
template <class T>
void convolution(reads<T, 4> x, reads<T, 4> weight, reads<T, 1> bias, const tensor_view<T, 4>& y, const convolution_options& o = {}) {
  using C = computes_in<T>;
  const bool alone = depthwise(x.extent(3), weight.extents());
  stretto::detail::each_place(y.extents(), [&](std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t out) {
    C sum = 0;
    stretto::detail::each_tap(h, w, x.extents(), weight.extents(), o, [&](std::int64_t i, std::int64_t j, std::int64_t row, std::int64_t column, bool inside) {
      if (alone && !inside) return;
      for (std::int64_t c = 0; c < weight.extent(3); ++c) sum += (inside ? static_cast<C>(x(n, row, column, alone ? out : c)) : 0) * static_cast<C>(weight(out, i, j, c));
    });
    y(n, h, w, out) = static_cast<T>(bias.data() != nullptr ? sum + static_cast<C>(bias[out]) : sum);
  });
}

template <class T>
void convolution_backward_input(reads<T, 4> weight, reads<T, 4> dy, const tensor_view<T, 4>& dx, const convolution_options& o = {}) {
  using C = computes_in<T>;
  const bool alone = depthwise(dx.extent(3), weight.extents());
  const auto from = [&](int axis, std::int64_t at, std::int64_t tap) { return at + o.padding[axis] - tap * o.dilation[axis]; };  // the output's place times the stride
  stretto::detail::each_place(dx.extents(), [&](std::int64_t n, std::int64_t row, std::int64_t column, std::int64_t c) {
    C sum = 0;
    for (std::int64_t i = 0; i < weight.extent(1); ++i)
      for (std::int64_t j = 0; j < weight.extent(2); ++j) {
        const std::int64_t down = from(0, row, i), across = from(1, column, j);
        if (down % o.stride[0] != 0 || across % o.stride[1] != 0) continue;  // between outputs
        const std::int64_t h = down / o.stride[0], w = across / o.stride[1];
        const bool inside = h >= 0 && h < dy.extent(1) && w >= 0 && w < dy.extent(2);
        if (alone) sum += inside ? static_cast<C>(dy(n, h, w, c)) * static_cast<C>(weight(c, i, j, 0)) : 0;
        else
          for (std::int64_t out = 0; out < weight.extent(0); ++out) sum += (inside ? static_cast<C>(dy(n, h, w, out)) : 0) * static_cast<C>(weight(out, i, j, c));
      }
    dx(n, row, column, c) = static_cast<T>(sum);
  });
}

/// dbias may be {}.
template <class T>
void convolution_backward_weight(reads<std::remove_const_t<T>, 4> x, const tensor_view<T, 4>& dy, writes<computes_in<T>, 4> dweight, writes<computes_in<T>, 1> dbias,
                                 const convolution_options& o = {}) {
  using C = computes_in<T>;
  const bool alone = depthwise(x.extent(3), dweight.extents());
  stretto::detail::each_place(dy.extents(), [&](std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t out) {
    const C d = static_cast<C>(dy(n, h, w, out));
    if (dbias.data() != nullptr) dbias[out] += d;
    stretto::detail::each_tap(h, w, x.extents(), dweight.extents(), o, [&](std::int64_t i, std::int64_t j, std::int64_t row, std::int64_t column, bool inside) {
      if (alone && !inside) return;
      for (std::int64_t c = 0; c < dweight.extent(3); ++c) dweight(out, i, j, c) += d * (inside ? static_cast<C>(x(n, row, column, alone ? out : c)) : 0);
    });
  });
}

}  // namespace reference
}  // namespace stretto::inline v0
