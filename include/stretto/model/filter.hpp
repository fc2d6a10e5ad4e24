// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights of a convolution: (out, kernel, kernel, in), of odd kernels, with as much padding that stride 1 keeps an image's
// size; stride 2 halves it, rounding up. No bias: a norm with one follows.
//
//     filter<Device, T> f(out, 3, in, 2, key, deviation);
//     f.forward(q, x, y, room)      room: a view of f.room(q, x.extents()) numbers, for one call
// For activations of 16 bits, values and gradients are float, and convolutions read a copy of 16 bits.
#pragma once

#include <stretto/model/weights.hpp>
#include <stretto/numeric/convolution.hpp>

namespace stretto::inline v0 {

template <class Device, class T>
class filter {
 public:
  using real = computes_in<T>;
  using queue = typename Device::queue;
  using images = tensor_view<T, 4, typename Device::memory>;
  using reads_images = tensor_view<const std::type_identity_t<T>, 4, typename Device::memory>;
  using room_view = tensor_view<T, 1, typename Device::memory>;

  filter(std::int64_t out, std::int64_t kernel, std::int64_t in, std::int64_t stride, const begin_key& key, double deviation)
      : value({out, kernel, kernel, in}), gradient(value.extents()), how_{.stride = {stride, stride}, .padding = {kernel / 2, kernel / 2}} {
    begin_normal(value, key, deviation);
    if constexpr (copies) copy_ = numbers<T>(value.extents());
  }

  std::int64_t room(const queue& q, const shape<4>& x) const { return value.empty() ? 0 : convolution_room<T>(q, x, value.extents(), how_); }

  void weights_changed(queue& q) {
    if constexpr (copies)
      if (!value.empty()) cast(q, value.matrix(), copy_.matrix());
  }
  void forward(queue& q, reads_images x, const images& y, const room_view& room) const { convolution(q, x, read(), {}, y, room, how_); }
  void backward_input(queue& q, reads_images dy, const images& dx, const room_view& room) const { convolution_backward_input(q, read(), dy, dx, room, how_); }
  void backward_weight(queue& q, reads_images x, reads_images dy, const room_view& room) { convolution_backward_weight(q, x, dy, gradient, {}, room, how_); }

  std::int64_t bytes() const { return copy_.size() * static_cast<std::int64_t>(sizeof(T)); }

 private:
  static constexpr bool copies = !std::is_same_v<T, real>;
  template <class U>
  using numbers = typename Device::template tensor<U, 4>;

  reads_images read() const {
    if constexpr (copies) return copy_;
    else return value;
  }

 public:
  numbers<real> value, gradient;

 private:
  numbers<T> copy_;
  convolution_options how_;
};

}  // namespace stretto::inline v0
