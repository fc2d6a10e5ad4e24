// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Convolution in two dimensions on the CPU: images (images, height, width, channels), weights (out, height, width, in).
//
//     const convolution_options o{.stride = {2, 2}, .padding = {1, 1}};
//     tensor<float, 1> room({convolution_room<float>(x.extents(), w.extents(), o)});         once for all layers of the size
//     convolution(q, x, w, bias, y, room, o);                                   y: convolved(x.extents(), w.extents(), o)
//     convolution_backward_input(q, w, dy, dx, room, o);                        writes dx
//     convolution_backward_weight(q, x, dy, dw, dbias, room, o);                adds to dw and dbias, float for bf16 and fp16
// bias and dbias may be {}. What a kernel sees of 384 places or more at a time is gathered into rows of `room`, which a matrix
// product takes from there; kernels of 1 by 1 need no gathering. The gradient of the input is a product of what places
// of the output see, with the weights in another order; with strides most of that is 0. Weights with in = 1 and as many out
// as there are channels convolve each channel by itself, without a product and without room, but scratch memory for the weights.
// Cost: of a matrix product of places × (kernel × in) × out; backward of the input stride² as much.
#pragma once

#include <stretto/host/add.hpp>
#include <stretto/host/cast.hpp>
#include <stretto/host/matrix_product.hpp>
#include <stretto/numeric/convolution.hpp>

namespace stretto::inline v0::host {

/// Which row or column of what is read belongs to a place and a tap: (place · factor + offset + tap · step) / divisor.
struct tap_axis {
  std::int64_t factor, offset, step, divisor;
};

/// Images that kernels walk over: what is read, a place at a time, and what it is read for.
template <class T>
struct tap_arguments {
  tap_axis axis[2];
  const T* x;
  std::int64_t x_image, x_row, x_column;  ///< strides
  std::int64_t height, width, channels;   ///< of x
  std::int64_t rows, columns;             ///< places of an image
  std::int64_t taps[2];
  T* to;                                  ///< rows of what is gathered, or images
  std::int64_t to_image, to_row, to_column;
  std::int64_t first_place;
  const T* weight;
  const T* bias;
};

/// What the kernel of the weights' gradient is given, where each channel is by itself.
template <class T>
struct depthwise_weight_arguments {
  tap_arguments<T> of;
  const T* dy;
  std::int64_t dy_image, dy_row, dy_column;
  std::int64_t images;
  float* dweight;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/convolution.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

namespace detail {

inline void check_convolution(const char* operation, const shape<4>& x, const shape<4>& weight, const shape<4>& y, const convolution_options& o) {
  for (int axis = 0; axis < 2; ++axis)
    if (o.stride[axis] < 1 || o.dilation[axis] < 1 || o.padding[axis] < 0)
      throw error(text("stretto: ", operation, " with stride ", o.stride[axis], ", padding ", o.padding[axis], " and dilation ", o.dilation[axis],
                       " can't be; give 1 or more, padding of 0 or more").str());
  if (!depthwise(x[3], weight) && weight[3] != x[3])
    throw error(text("stretto: ", operation, " of ", x[3], " channels can't take weights of shape ", weight.words().str(), "; give (out, height, width, ", x[3], "), or (", x[3],
                     ", height, width, 1) for each channel by itself").str());
  const shape<4> s = convolved(x, weight, o);
  if (y != s) throw error(text("stretto: ", operation, " of images of shape ", x.words().str(), " gives shape ", s.words().str(), ", not ", y.words().str(), "; correct it").str());
}

/// Places that are gathered at a time: whole steps of a product's depth, so that sums over places have one order.
template <class T>
std::int64_t places_at_once(std::int64_t gathered) {
  const std::int64_t steps = (std::int64_t{1} << 20) / (384 * gathered * static_cast<std::int64_t>(sizeof(T)) + 1);
  return 384 * (steps > 1 ? steps : 1);
}

/// Nothing is gathered.
inline bool pointwise(const shape<4>& weight, const convolution_options& o) {
  return weight[1] == 1 && weight[2] == 1 && o.stride[0] == 1 && o.stride[1] == 1 && o.padding[0] == 0 && o.padding[1] == 0;
}

/// A matrix with one row a pixel.
template <class T>
bool has_even_rows(const tensor_view<T, 4>& m) {
  return m.stride(1) == m.stride(2) * m.extent(2) && (m.extent(0) == 1 || m.stride(0) == m.stride(1) * m.extent(1));
}

/// Forward: outputs look at inputs.  Backward: inputs look at the outputs that they went into.
inline tap_axis forward_axis(const convolution_options& o, int a) { return {o.stride[a], -o.padding[a], o.dilation[a], 1}; }
inline tap_axis backward_axis(const convolution_options& o, int a) { return {1, o.padding[a], -o.dilation[a], o.stride[a]}; }

template <class T>
tap_arguments<T> taps_of(const tensor_view<const T, 4>& x, const shape<4>& places, const shape<4>& weight, const convolution_options& o, bool back) {
  tap_arguments<T> a{};
  for (int i = 0; i < 2; ++i) a.axis[i] = back ? backward_axis(o, i) : forward_axis(o, i), a.taps[i] = weight[i + 1];
  a.x = x.data(), a.x_image = x.stride(0), a.x_row = x.stride(1), a.x_column = x.stride(2);
  a.height = x.extent(1), a.width = x.extent(2), a.channels = x.extent(3);
  a.rows = places[1], a.columns = places[2];
  return a;
}

template <class T>
void write_images(tap_arguments<T>& a, const tensor_view<T, 4>& y) {
  a.to = y.data(), a.to_image = y.stride(0), a.to_row = y.stride(1), a.to_column = y.stride(2);
}

/// Calls multiply(rows that were gathered, first place, count) until all places are done.
template <class T, class Multiply>
void gather_and(queue& q, tap_arguments<T> a, std::int64_t images, T* room, Multiply multiply) {
  const std::int64_t gathered = a.taps[0] * a.taps[1] * a.channels, at_once = places_at_once<T>(gathered), all = images * a.rows * a.columns;
  a.to = room, a.to_row = gathered;
  for (std::int64_t first = 0; first < all; first += at_once) {
    const std::int64_t n = first + at_once < all ? at_once : all - first;
    a.first_place = first;
    q.split(n, 16, q.pick(&portable::gather_taps<T>, &avx2::gather_taps<T>, &avx512::gather_taps<T>), a);
    multiply(tensor_view<const T, 2>(room, {{n, gathered}}), first, n);
  }
}

inline void check_room(const char* operation, std::int64_t has, std::int64_t needs) {
  if (has < needs) throw error(text("stretto: ", operation, " needs room for ", needs, " numbers, and was given ", has, "; give it as much as convolution_room says").str());
}

template <class T>
std::int64_t forward_room(const shape<4>& x, const shape<4>& weight, const convolution_options& o) {
  if (depthwise(x[3], weight)) return 0;
  const std::int64_t gathered = weight[1] * weight[2] * weight[3], all = convolved(x, weight, o).count() / (weight[0] > 0 ? weight[0] : 1), most = places_at_once<T>(gathered);
  return gathered * (most < all ? most : all);
}
template <class T>
std::int64_t backward_room(const shape<4>& x, const shape<4>& weight) {
  if (depthwise(x[3], weight)) return 0;
  const std::int64_t gathered = weight[1] * weight[2] * weight[0], all = x[0] * x[1] * x[2], most = places_at_once<T>(gathered);
  return gathered * (most < all ? most : all) + weight.count();
}

}  // namespace detail

/// The numbers of room that a convolution and its gradients need.
template <class T>
std::int64_t convolution_room(const shape<4>& x, const shape<4>& weight, const convolution_options& o = {}) {
  const std::int64_t forward = detail::forward_room<T>(x, weight, o), backward = detail::backward_room<T>(x, weight);
  return std::is_same_v<T, double> ? 0 : forward > backward ? forward : backward;
}

template <class T>
void convolution(queue& q, reads<T, 4> x, reads<T, 4> weight, reads<T, 1> bias, const tensor_view<T, 4>& y, writes<T, 1> room, const convolution_options& o = {}) {
  const shape<4> w = weight.extents();
  detail::check_convolution("convolution", x.extents(), w, y.extents(), o);
  detail::check_run("convolution", "bias", bias, w[0], "channel", true);
  if constexpr (std::is_same_v<T, double>) {
    reference::convolution(x, weight, bias, y, o);
  } else if (depthwise(x.extent(3), w)) {
    auto a = detail::taps_of<T>(x, y.extents(), w, o, false);
    detail::write_images(a, y);
    a.weight = weight.shaped(shape<1>{{w.count()}}).data(), a.bias = bias.data();
    q.need_scratch(detail::float_bytes(w.count()), "convolution");
    q.split(y.extent(0) * y.extent(1), 1, q.pick(&portable::depthwise_rows<T>, &avx2::depthwise_rows<T>, &avx512::depthwise_rows<T>), a);
  } else {
    const auto flat = weight.shaped(shape<2>{{w[0], w[1] * w[2] * w[3]}});
    const auto rows = y.matrix();
    if (detail::pointwise(w, o) && detail::has_even_rows(x)) return matrix_product(q, x.matrix(), transposed(flat), rows, {.bias = bias});
    detail::check_room("convolution", room.size(), detail::forward_room<T>(x.extents(), w, o));
    detail::gather_and<T>(q, detail::taps_of<T>(x, y.extents(), w, o, false), y.extent(0), room.data(), [&](const auto& gathered, std::int64_t first, std::int64_t n) {
      matrix_product(q, gathered, transposed(flat), rows.rows(first, n), {.bias = bias});
    });
  }
}

template <class T>
void convolution_backward_input(queue& q, reads<T, 4> weight, reads<T, 4> dy, const tensor_view<T, 4>& dx, writes<T, 1> room, const convolution_options& o = {}) {
  const shape<4> w = weight.extents();
  detail::check_convolution("convolution_backward_input", dx.extents(), w, dy.extents(), o);
  if constexpr (std::is_same_v<T, double>) {
    reference::convolution_backward_input(weight, dy, dx, o);
  } else if (depthwise(dx.extent(3), w)) {
    auto a = detail::taps_of<T>(dy, dx.extents(), w, o, true);
    detail::write_images(a, dx);
    a.weight = weight.shaped(shape<1>{{w.count()}}).data();
    q.need_scratch(detail::float_bytes(w.count()), "convolution_backward_input");
    q.split(dx.extent(0) * dx.extent(1), 1, q.pick(&portable::depthwise_rows<T>, &avx2::depthwise_rows<T>, &avx512::depthwise_rows<T>), a);
  } else {
    const auto rows = dx.matrix();
    if (detail::pointwise(w, o) && detail::has_even_rows(dy)) return matrix_product(q, dy.matrix(), weight.shaped(shape<2>{{w[0], w[3]}}), rows);
    detail::check_room("convolution_backward_input", room.size(), detail::backward_room<T>(dx.extents(), w));
    // (tap, out, in) instead of (out, tap, in): what an output's channels meet stands in the order in which they are gathered.
    const tensor_view<T, 2> turned(room.data(), {{w[1] * w[2] * w[0], w[3]}});
    for (std::int64_t tap = 0; tap < w[1] * w[2]; ++tap)
      cast(q, weight.shaped(shape<2>{{w[0], w[1] * w[2] * w[3]}}).columns(tap * w[3], w[3]), turned.rows(tap * w[0], w[0]));
    detail::gather_and<T>(q, detail::taps_of<T>(dy, dx.extents(), w, o, true), dx.extent(0), room.data() + w.count(), [&](const auto& gathered, std::int64_t first, std::int64_t n) {
      matrix_product(q, gathered, turned, rows.rows(first, n));
    });
  }
}

template <class Dy>
void convolution_backward_weight(queue& q, reads<std::remove_const_t<Dy>, 4> x, const tensor_view<Dy, 4>& dy, writes<computes_in<Dy>, 4> dweight, writes<computes_in<Dy>, 1> dbias,
                                 writes<std::remove_const_t<Dy>, 1> room, const convolution_options& o = {}) {
  using T = std::remove_const_t<Dy>;
  const shape<4> w = dweight.extents();
  detail::check_convolution("convolution_backward_weight", x.extents(), w, dy.extents(), o);
  detail::check_run("convolution_backward_weight", "dbias", dbias, w[0], "channel", true);
  if constexpr (std::is_same_v<T, double>) {
    reference::convolution_backward_weight(x, dy, dweight, dbias, o);
  } else {
    const auto rows = dy.matrix();
    if (dbias.data() != nullptr) bias_gradient(q, rows, dbias);
    if (depthwise(x.extent(3), w)) {
      const depthwise_weight_arguments<T> a{detail::taps_of<T>(x, dy.extents(), w, o, false), dy.data(), dy.stride(0), dy.stride(1), dy.stride(2), dy.extent(0),
                                            dweight.shaped(shape<1>{{w.count()}}).data()};
      q.need_scratch(detail::float_bytes(w.count()), "convolution_backward_weight");
      return q.split(x.extent(3), 16, q.pick(&portable::depthwise_weights<T>, &avx2::depthwise_weights<T>, &avx512::depthwise_weights<T>), a);
    }
    const auto flat = dweight.shaped(shape<2>{{w[0], w[1] * w[2] * w[3]}});
    if (detail::pointwise(w, o) && detail::has_even_rows(x)) return matrix_product(q, transposed(rows), x.matrix(), flat, {.accumulate = true});
    detail::check_room("convolution_backward_weight", room.size(), detail::forward_room<T>(x.extents(), w, o));
    detail::gather_and<T>(q, detail::taps_of<T>(x, dy.extents(), w, o, false), dy.extent(0), room.data(), [&](const auto& gathered, std::int64_t first, std::int64_t n) {
      matrix_product(q, transposed(rows.rows(first, n)), gathered, flat, {.accumulate = true});
    });
  }
}

}  // namespace stretto::inline v0::host
