// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pooling in two dimensions on a CUDA device: images (images, height, width, channels).
//
//     const pooling_options o{.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1}};
//     max_pooling(q, x, y, o);                     y: pooled(x.extents(), o)
//     max_pooling_backward(q, x, dy, dx, o);       dy goes to the first of a window's largest, which are found again in x
//     average_pooling(q, x, y, o);                 average_pooling_backward(q, dy, dx, o);
// Gradients of windows that overlap are summed in float, in the order of the windows. dx mustn't be x or dy. Cost: a launch; see
// kernels/pooling.cuh.
#pragma once

#include <stretto/cuda/kernels/pooling.cuh>
#include <stretto/cuda/queue.hpp>
#include <stretto/cuda/row_shapes.hpp>

namespace stretto::inline v0::cuda {

namespace detail {

template <class T>
pooling_arguments<T> pooling_of(const char* operation, const shape<4>& x, const shape<4>& y, const pooling_options& o) {
  check_row_type<T>();
  o.check(operation);
  const shape<4> s = pooled(x, o);
  if (y != s) throw error(text("stretto: ", operation, " of images of shape ", x.words().str(), " gives shape ", s.words().str(), ", not ", y.words().str(), "; correct it").str());
  pooling_arguments<T> a{};
  a.images = x[0], a.height = x[1], a.width = x[2], a.channels = x[3], a.rows = y[1], a.columns = y[2], a.options = o;
  return a;
}

template <class T, class Space>
pooled_images<T> images_of(const tensor_view<T, 4, Space>& v) {
  return {v.data(), v.stride(0), v.stride(1), v.stride(2)};
}
/// All pixels begin and end at sixteen bytes; or there are none.
template <class T, class Space>
bool images_in_lines(const tensor_view<T, 4, Space>& v) {
  using U = std::remove_const_t<T>;
  return in_lines<U>(static_cast<const U*>(v.data()), v.stride(0), v.stride(1)) && v.stride(2) % in_line<U> == 0 && v.extent(3) % in_line<U> == 0;
}

template <bool Max, class Runtime, class T>
STRETTO_OPERATION void pool(basic_queue<Runtime>& q, const char* operation, const device_reads<Runtime, T, 4>& x, const tensor_view<T, 4, basic_memory<Runtime>>& y, const pooling_options& o) {
  auto a = pooling_of<T>(operation, x.extents(), y.extents(), o);
  a.x = images_of(x), a.y = images_of(y);
  const bool lines = images_in_lines(x) && images_in_lines(y);
  q.launch(operation, lines ? pool_images<Max, in_line<T>, T> : pool_images<Max, 1, T>, {.blocks = row_blocks(y.size() / (lines ? in_line<T> : 1), each_threads), .threads = each_threads}, a,
           reads_of(x), writes_of(y));
}

/// x: of max alone.
template <bool Max, class Runtime, class T>
STRETTO_OPERATION void pool_back(basic_queue<Runtime>& q, const char* operation, const device_reads<Runtime, T, 4>& x, const device_reads<Runtime, T, 4>& dy,
                                 const tensor_view<T, 4, basic_memory<Runtime>>& dx, const pooling_options& o) {
  auto a = pooling_of<T>(operation, dx.extents(), dy.extents(), o);
  a.x = images_of(x), a.dy = images_of(dy), a.dx = images_of(dx);
  const bool lines = images_in_lines(x) && images_in_lines(dy) && images_in_lines(dx);
  q.launch(operation, lines ? pool_gradients<Max, in_line<T>, T> : pool_gradients<Max, 1, T>, {.blocks = row_blocks(dx.size() / (lines ? in_line<T> : 1), each_threads), .threads = each_threads}, a,
           reads_of(x, dy), writes_of(dx));
}

}  // namespace detail

template <class Runtime, class T>
STRETTO_OPERATION void max_pooling(basic_queue<Runtime>& q, device_reads<Runtime, T, 4> x, const tensor_view<T, 4, basic_memory<Runtime>>& y, const pooling_options& o = {}) {
  detail::pool<true, Runtime, T>(q, "max_pooling", x, y, o);
}

template <class Runtime, class T>
STRETTO_OPERATION void average_pooling(basic_queue<Runtime>& q, device_reads<Runtime, T, 4> x, const tensor_view<T, 4, basic_memory<Runtime>>& y, const pooling_options& o = {}) {
  detail::pool<false, Runtime, T>(q, "average_pooling", x, y, o);
}

template <class Runtime, class T>
STRETTO_OPERATION void max_pooling_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 4> x, device_reads<Runtime, T, 4> dy, const tensor_view<T, 4, basic_memory<Runtime>>& dx,
                                            const pooling_options& o = {}) {
  if (x.extents() != dx.extents())
    throw error(text("stretto: max_pooling_backward of images of shape ", x.extents().words().str(), " can't give a gradient of shape ", dx.extents().words().str(), "; give it the same shape").str());
  detail::pool_back<true, Runtime, T>(q, "max_pooling_backward", x, dy, dx, o);
}

template <class Runtime, class T>
STRETTO_OPERATION void average_pooling_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 4> dy, const tensor_view<T, 4, basic_memory<Runtime>>& dx, const pooling_options& o = {}) {
  detail::pool_back<false, Runtime, T>(q, "average_pooling_backward", {}, dy, dx, o);
}

}  // namespace stretto::inline v0::cuda
