// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pooling in two dimensions, in plain loops. Images are (images, height, width, channels).
//
//     max       y = the largest number under the window;  its gradient goes to the first that is as large
//     average   y = the mean of the numbers under it;  of those in the image, or of all places, where padding counts as 0
// What is no number is larger than any other. Each window covers a part of the image, so padding is less than the window; of an
// image without rows or columns it covers nothing, and y is 0.
#pragma once

#include <cstdint>

#include <stretto/numeric/convolution.hpp>

namespace stretto::inline v0 {

/// Down and across.
struct pooling_options {
  std::int64_t window[2] = {2, 2};
  std::int64_t stride[2] = {2, 2};
  std::int64_t padding[2] = {0, 0};
  bool counts_padding = false;  ///< in averages

  /// Throws stretto::error where there is no such pooling.
  constexpr void check(const char* operation) const {
    constexpr std::int64_t most = 2147483647;
    for (int axis = 0; axis < 2; ++axis)
      if (window[axis] < 1 || stride[axis] < 1 || padding[axis] < 0 || padding[axis] >= window[axis] || window[axis] > most || stride[axis] > most)
        throw error(text("stretto: ", operation, " with a window of ", window[axis], ", stride ", stride[axis], " and padding ", padding[axis],
                         " can't be; give 1 to 2147483647, and less padding than window").str());
  }
  constexpr convolution_options places() const { return {{stride[0], stride[1]}, {padding[0], padding[1]}, {1, 1}}; }
  constexpr shape<4> kernel() const { return {{1, window[0], window[1], 1}}; }
};

/// The shape of what pooling gives. Throws stretto::error where there is none.
constexpr shape<4> pooled(const shape<4>& x, const pooling_options& o = {}) {
  o.check("pooled");
  x.count();  // throws where it can't be
  return {{x[0], o.places().places(0, x[1], o.window[0]), o.places().places(1, x[2], o.window[1]), x[3]}};
}

namespace detail {

/// Calls f(row, column) for what a window covers of an image.
template <class F>
void each_covered(std::int64_t h, std::int64_t w, const shape<4>& x, const pooling_options& o, F f) {
  each_tap(h, w, x, o.kernel(), o.places(), [&](std::int64_t, std::int64_t, std::int64_t row, std::int64_t column, bool inside) {
    if (inside) f(row, column);
  });
}

template <class C>
C share_of_mean(std::int64_t h, std::int64_t w, const shape<4>& x, const pooling_options& o) {
  std::int64_t n = 0;
  each_covered(h, w, x, o, [&](std::int64_t, std::int64_t) { ++n; });
  return 1 / static_cast<C>(o.counts_padding ? o.window[0] * o.window[1] : n > 0 ? n : 1);
}

}  // namespace detail

namespace reference {

template <class T>
void max_pooling(reads<T, 4> x, const tensor_view<T, 4>& y, const pooling_options& o = {}) {
  using C = computes_in<T>;
  stretto::detail::each_place(y.extents(), [&](std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
    bool first = true;
    C most = 0;
    stretto::detail::each_covered(h, w, x.extents(), o, [&](std::int64_t row, std::int64_t column) {
      const C v = static_cast<C>(x(n, row, column, c));
      if (first || v > most || (v != v && most == most)) most = v;
      first = false;
    });
    y(n, h, w, c) = static_cast<T>(most);
  });
}

/// x as it was.
template <class T>
void max_pooling_backward(reads<T, 4> x, reads<T, 4> dy, const tensor_view<T, 4>& dx, const pooling_options& o = {}) {
  using C = computes_in<T>;
  // Each number asks the windows that may cover it whether it is their first largest.
  stretto::detail::each_place(dx.extents(), [&](std::int64_t n, std::int64_t row, std::int64_t column, std::int64_t c) {
    C sum = 0;
    for (std::int64_t h = 0; h < dy.extent(1); ++h)
      for (std::int64_t w = 0; w < dy.extent(2); ++w) {
        const std::int64_t i = row - h * o.stride[0] + o.padding[0], j = column - w * o.stride[1] + o.padding[1];
        if (i < 0 || i >= o.window[0] || j < 0 || j >= o.window[1]) continue;
        bool first = true, mine = false;
        C most = 0;
        stretto::detail::each_covered(h, w, x.extents(), o, [&](std::int64_t r, std::int64_t k) {
          const C v = static_cast<C>(x(n, r, k, c));
          if (first || v > most || (v != v && most == most)) most = v, mine = r == row && k == column;
          first = false;
        });
        if (mine) sum += static_cast<C>(dy(n, h, w, c));
      }
    dx(n, row, column, c) = static_cast<T>(sum);
  });
}

template <class T>
void average_pooling(reads<T, 4> x, const tensor_view<T, 4>& y, const pooling_options& o = {}) {
  using C = computes_in<T>;
  stretto::detail::each_place(y.extents(), [&](std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
    C sum = 0;
    stretto::detail::each_covered(h, w, x.extents(), o, [&](std::int64_t row, std::int64_t column) { sum += static_cast<C>(x(n, row, column, c)); });
    y(n, h, w, c) = static_cast<T>(sum * stretto::detail::share_of_mean<C>(h, w, x.extents(), o));
  });
}

template <class T>
void average_pooling_backward(reads<T, 4> dy, const tensor_view<T, 4>& dx, const pooling_options& o = {}) {
  using C = computes_in<T>;
  stretto::detail::each_place(dx.extents(), [&](std::int64_t n, std::int64_t row, std::int64_t column, std::int64_t c) {
    C sum = 0;
    for (std::int64_t h = 0; h < dy.extent(1); ++h)
      for (std::int64_t w = 0; w < dy.extent(2); ++w) {
        const std::int64_t i = row - h * o.stride[0] + o.padding[0], j = column - w * o.stride[1] + o.padding[1];
        if (i < 0 || i >= o.window[0] || j < 0 || j >= o.window[1]) continue;
        sum += static_cast<C>(dy(n, h, w, c)) * stretto::detail::share_of_mean<C>(h, w, dx.extents(), o);
      }
    dx(n, row, column, c) = static_cast<T>(sum);
  });
}

}  // namespace reference
}  // namespace stretto::inline v0
