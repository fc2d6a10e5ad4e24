// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pooling in two dimensions on the CPU: images (images, height, width, channels).
//
//     const pooling_options o{.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1}};
//     max_pooling(q, x, y, o);                     y: pooled(x.extents(), o)
//     max_pooling_backward(q, x, dy, dx, o);       dy goes to the first of a window's largest, which are found again in x
//     average_pooling(q, x, y, o);                 average_pooling_backward(q, dy, dx, o);
// Gradients of windows that overlap are summed in float, in the order of the windows. dx mustn't be x or dy. Cost: a read
// for each place of a window; the gradient of max as many for each row that windows share. Scratch memory: a row in float.
#pragma once

#include <stretto/host/rows.hpp>
#include <stretto/numeric/pooling.hpp>

namespace stretto::inline v0::host {

/// Images before pooling (x, dx) and behind it (y, dy); in each direction some of them aren't there.
template <class T>
struct pooling_arguments {
  std::int64_t height, width, channels;  ///< before
  std::int64_t rows, columns;            ///< behind
  const T* x;
  std::int64_t x_image, x_row, x_column;
  T* dx;
  std::int64_t dx_image, dx_row, dx_column;
  T* y;
  std::int64_t y_image, y_row, y_column;
  const T* dy;
  std::int64_t dy_image, dy_row, dy_column;
  pooling_options options;
  bool streams;  ///< past the cache
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/pooling.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

namespace detail {

/// Room for what a pixel is made of: at most a window, and all of the image.
inline std::int64_t pixels_scratch(const pooling_options& o, const shape<4>& image) {
  const auto least = [](std::int64_t a, std::int64_t b) { return a < b ? a : b; };
  return least(o.window[0], image[1]) * least(o.window[1], image[2]) * 16;
}

/// Of images without rows or columns windows cover nothing.
template <class T>
void put_no_pixels(const tensor_view<T, 4>& y) {
  stretto::detail::each_place(y.extents(), [&](std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) { y(n, h, w, c) = static_cast<T>(0.0f); });
}

template <class T>
pooling_arguments<T> pooling_of(const char* operation, const shape<4>& x, const shape<4>& y, const pooling_options& o, const shape<4>& written) {
  o.check(operation);
  const shape<4> s = pooled(x, o);
  if (y != s) throw error(text("stretto: ", operation, " of images of shape ", x.words().str(), " gives shape ", s.words().str(), ", not ", y.words().str(), "; correct it").str());
  pooling_arguments<T> a{};
  a.height = x[1], a.width = x[2], a.channels = x[3], a.rows = y[1], a.columns = y[2], a.options = o, a.streams = past_cache<T>(written.count());
  return a;
}

template <class T, class U>
void set_images(const tensor_view<T, 4>& v, U*& first, std::int64_t& image, std::int64_t& row, std::int64_t& column) {
  first = v.data(), image = v.stride(0), row = v.stride(1), column = v.stride(2);
}

}  // namespace detail

template <class T>
void max_pooling(queue& q, reads<T, 4> x, const tensor_view<T, 4>& y, const pooling_options& o = {}) {
  auto a = detail::pooling_of<T>("max_pooling", x.extents(), y.extents(), o, y.extents());
  detail::set_images(x, a.x, a.x_image, a.x_row, a.x_column), detail::set_images(y, a.y, a.y_image, a.y_row, a.y_column);
  if constexpr (std::is_same_v<T, double>) {
    reference::max_pooling(x, y, o);
  } else {
    if (x.empty()) return detail::put_no_pixels(y);
    q.need_scratch(detail::pixels_scratch(o, x.extents()), "max_pooling");
    q.split(y.extent(0) * y.extent(1), 1, q.pick(&portable::pool_rows<true, T>, &avx2::pool_rows<true, T>, &avx512::pool_rows<true, T>), a);
  }
}

template <class T>
void average_pooling(queue& q, reads<T, 4> x, const tensor_view<T, 4>& y, const pooling_options& o = {}) {
  auto a = detail::pooling_of<T>("average_pooling", x.extents(), y.extents(), o, y.extents());
  detail::set_images(x, a.x, a.x_image, a.x_row, a.x_column), detail::set_images(y, a.y, a.y_image, a.y_row, a.y_column);
  if constexpr (std::is_same_v<T, double>) {
    reference::average_pooling(x, y, o);
  } else {
    if (x.empty()) return detail::put_no_pixels(y);
    q.need_scratch(detail::pixels_scratch(o, x.extents()), "average_pooling");
    q.split(y.extent(0) * y.extent(1), 1, q.pick(&portable::pool_rows<false, T>, &avx2::pool_rows<false, T>, &avx512::pool_rows<false, T>), a);
  }
}

template <class T>
void max_pooling_backward(queue& q, reads<T, 4> x, reads<T, 4> dy, const tensor_view<T, 4>& dx, const pooling_options& o = {}) {
  auto a = detail::pooling_of<T>("max_pooling_backward", dx.extents(), dy.extents(), o, dx.extents());
  if (x.extents() != dx.extents())
    throw error(text("stretto: max_pooling_backward of images of shape ", x.extents().words().str(), " can't give a gradient of shape ", dx.extents().words().str(), "; give it the same shape").str());
  detail::set_images(x, a.x, a.x_image, a.x_row, a.x_column), detail::set_images(dy, a.dy, a.dy_image, a.dy_row, a.dy_column);
  detail::set_images(dx, a.dx, a.dx_image, a.dx_row, a.dx_column);
  if constexpr (std::is_same_v<T, double>) {
    reference::max_pooling_backward(x, dy, dx, o);
  } else {
    if (dx.empty()) return;
    q.need_scratch(detail::float_bytes(dx.extent(2) * dx.extent(3)), "max_pooling_backward");
    q.split(dx.extent(0) * dx.extent(1), 1, q.pick(&portable::max_gradient_rows<T>, &avx2::max_gradient_rows<T>, &avx512::max_gradient_rows<T>), a);
  }
}

template <class T>
void average_pooling_backward(queue& q, reads<T, 4> dy, const tensor_view<T, 4>& dx, const pooling_options& o = {}) {
  auto a = detail::pooling_of<T>("average_pooling_backward", dx.extents(), dy.extents(), o, dx.extents());
  detail::set_images(dy, a.dy, a.dy_image, a.dy_row, a.dy_column), detail::set_images(dx, a.dx, a.dx_image, a.dx_row, a.dx_column);
  if constexpr (std::is_same_v<T, double>) {
    reference::average_pooling_backward(dy, dx, o);
  } else {
    if (dx.empty()) return;
    q.need_scratch(detail::pixels_scratch(o, dy.extents()), "average_pooling_backward");
    q.split(dx.extent(0) * dx.extent(1), 1, q.pick(&portable::average_gradient_rows<T>, &avx2::average_gradient_rows<T>, &avx512::average_gradient_rows<T>), a);
  }
}

}  // namespace stretto::inline v0::host
