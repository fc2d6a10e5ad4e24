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
// product takes from there; kernels of 1 by 1 need no gathering. For the gradient of the input that is what inputs went into,
// with the weights in another order. Weights with in = 1 and as many out as there are channels convolve each channel by
// itself, without a product and without room, but with scratch memory for the weights.
// The zeros beyond an image are gathered, too, and multiplied: an infinite weight makes them no number, as in the plain loops.
// Cost: each of a matrix product of places × (kernel × in) × out, and the gathering.
#pragma once

#include <stretto/host/add.hpp>
#include <stretto/host/convolution_taps.hpp>
#include <stretto/host/matrix_product.hpp>

namespace stretto::inline v0::host {

namespace detail {

using stretto::detail::check_convolution, stretto::detail::check_room, stretto::detail::pointwise, stretto::detail::has_even_rows, stretto::detail::forward_phase, stretto::detail::each_phase;

/// A row of weights for each tap, and what taps fall on.
inline std::int64_t depthwise_scratch(const shape<4>& weight) { return float_bytes(weight.count()) + weight[1] * weight[2] * 16; }

template <class T>
std::int64_t forward_room(const shape<4>& x, const shape<4>& weight, const convolution_options& o) {
  const shape<4> y = convolved(x, weight, o);
  const std::int64_t gathered = weight[1] * weight[2] * weight[3];
  return depthwise(x[3], weight) ? 0 : shape<2>{{gathered, places_at_once<T>(gathered, shape<3>{{y[0], y[1], y[2]}}.count())}}.count();
}

/// For the weights in another order, what is gathered, and products that become pixels that are apart.
template <class T>
std::int64_t backward_room(const shape<4>& x, const shape<4>& weight, const convolution_options& o) {
  std::int64_t most = 0;
  each_phase(o, x, weight, [&](const tap_phase& down, const tap_phase& across) {
    const std::int64_t gathered = down.taps * across.taps * weight[0], places = places_at_once<T>(gathered, x[0] * down.count * across.count);
    const std::int64_t needs = shape<2>{{gathered, weight[3]}}.count() + shape<2>{{places, gathered}}.count() + (o.stride[0] * o.stride[1] > 1 ? shape<2>{{places, weight[3]}}.count() : 0);
    most = needs > most ? needs : most;
  });
  return depthwise(x[3], weight) ? 0 : most;
}

}  // namespace detail

/// The numbers of room that a convolution and its gradients need.
template <class T>
std::int64_t convolution_room(const shape<4>& x, const shape<4>& weight, const convolution_options& o = {}) {
  o.check("convolution_room");
  const std::int64_t forward = detail::forward_room<T>(x, weight, o), backward = detail::backward_room<T>(x, weight, o);
  return std::is_same_v<T, double> ? 0 : forward > backward ? forward : backward;
}

/// Of a layer whose queue finds its device's.
template <class T>
std::int64_t convolution_room(const queue&, const shape<4>& x, const shape<4>& weight, const convolution_options& o = {}) {
  return convolution_room<T>(x, weight, o);
}

template <class T>
void convolution(queue& q, reads<T, 4> x, reads<T, 4> weight, reads<T, 1> bias, const tensor_view<T, 4>& y, writes<T, 1> room, const convolution_options& o = {}) {
  const shape<4> w = weight.extents();
  detail::check_convolution("convolution", x.extents(), w, y.extents(), o);
  detail::check_run("convolution", "bias", bias, w[0], "channel", true);
  if constexpr (std::is_same_v<T, double>) {
    reference::convolution(x, weight, bias, y, o);
  } else {
    auto a = detail::taps_of<T>(x, w, detail::forward_phase(o, 0, y.extent(1), w[1]), detail::forward_phase(o, 1, y.extent(2), w[2]));
    if (depthwise(x.extent(3), w)) {
      detail::put_into(a, y);
      a.weight = weight.shaped(shape<1>{{w.count()}}).data(), a.bias = bias.data();
      q.need_scratch(detail::depthwise_scratch(w), "convolution");
      return q.split(y.extent(0) * y.extent(1), 1, q.pick(&portable::depthwise_rows<T>, &avx2::depthwise_rows<T>, &avx512::depthwise_rows<T>), a);
    }
    const auto flat = weight.shaped(shape<2>{{w[0], w[1] * w[2] * w[3]}});
    const auto rows = y.matrix();
    if (detail::pointwise(w, o) && detail::has_even_rows(x)) return matrix_product(q, x.matrix(), transposed(flat), rows, {.bias = bias});
    detail::check_room("convolution", room.size(), detail::forward_room<T>(x.extents(), w, o));
    detail::gather_and<T>(q, a, y.extent(0), room.data(), [&](const auto& gathered, std::int64_t first, std::int64_t n) {
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
  } else {
    const bool alone = depthwise(dx.extent(3), w), apart = o.stride[0] * o.stride[1] > 1;
    if (!alone && detail::pointwise(w, o) && detail::has_even_rows(dy)) return matrix_product(q, dy.matrix(), weight.shaped(shape<2>{{w[0], w[3]}}), dx.matrix());
    if (alone) q.need_scratch(detail::depthwise_scratch(w), "convolution_backward_input");
    else detail::check_room("convolution_backward_input", room.size(), detail::backward_room<T>(dx.extents(), w, o));
    const T* const weights = weight.shaped(shape<1>{{w.count()}}).data();
    detail::each_phase(o, dx.extents(), w, [&](const tap_phase& down, const tap_phase& across) {
      auto a = detail::taps_of<T>(dy, w, down, across);
      detail::put_into(a, dx);
      if (alone) {
        a.weight = weights;
        return q.split(dx.extent(0) * down.count, 1, q.pick(&portable::depthwise_rows<T>, &avx2::depthwise_rows<T>, &avx512::depthwise_rows<T>), a);
      }
      const std::int64_t taps = down.taps * across.taps, places = dx.extent(0) * down.count * across.count;
      if (taps == 0) return detail::put_away<T>(q, a, nullptr, 0, places);
      // (tap, out, in) instead of (out, tap, in), in the order in which outputs are gathered.
      const tensor_view<T, 2> turned(room.data(), {{taps * w[0], w[3]}});
      for (std::int64_t row = 0; row < taps * w[0]; ++row) {
        const std::int64_t tap = row / w[0], i = down.tap + tap / across.taps * down.tap_stride, j = across.tap + tap % across.taps * across.tap_stride;
        host_memory::copy(turned.row(row), weights + ((row % w[0] * w[1] + i) * w[2] + j) * w[3], w[3] * static_cast<std::int64_t>(sizeof(T)));
      }
      T* const products = room.data() + turned.size();
      T* const gathers = products + (apart ? detail::places_at_once<T>(taps * w[0], places) * w[3] : 0);
      detail::gather_and<T>(q, a, dx.extent(0), gathers, [&](const auto& gathered, std::int64_t first, std::int64_t n) {
        if (!apart) return matrix_product(q, gathered, turned, dx.matrix().rows(first, n));
        matrix_product(q, gathered, turned, tensor_view<T, 2>(products, {{n, w[3]}}));
        detail::put_away<T>(q, a, products, first, n);
      });
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
    const auto flat = dweight.shaped(shape<2>{{w[0], w[1] * w[2] * w[3]}});
    auto taps = detail::taps_of<T>(x, w, detail::forward_phase(o, 0, dy.extent(1), w[1]), detail::forward_phase(o, 1, dy.extent(2), w[2]));
    if (depthwise(x.extent(3), w)) {
      const depthwise_weight_arguments<T> a{taps, dy.data(), dy.stride(0), dy.stride(1), dy.stride(2), dy.extent(0), flat.data()};
      q.need_scratch(detail::float_bytes(w.count()), "convolution_backward_weight");
      q.split(x.extent(3), 16, q.pick(&portable::depthwise_weights<T>, &avx2::depthwise_weights<T>, &avx512::depthwise_weights<T>), a);
    } else if (detail::pointwise(w, o) && detail::has_even_rows(x)) {
      matrix_product(q, transposed(rows), x.matrix(), flat, {.accumulate = true});
    } else {
      detail::check_room("convolution_backward_weight", room.size(), detail::forward_room<T>(x.extents(), w, o));
      detail::gather_and<T>(q, taps, dy.extent(0), room.data(), [&](const auto& gathered, std::int64_t first, std::int64_t n) {
        matrix_product(q, transposed(rows.rows(first, n)), gathered, flat, {.accumulate = true});
      });
    }
    if (dbias.data() != nullptr) bias_gradient(q, rows, dbias);  // at the end: what was refused has added nothing
  }
}

}  // namespace stretto::inline v0::host
