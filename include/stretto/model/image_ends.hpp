// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What stands before and behind the blocks of a residual network.
//
//     stem_layer   images ─ convolution of 3 × 3 ─► as many channels as the first stage has
//     pool_layer   x ─ norm ─ activation ─ mean over the image ─ (dropout) ─► (samples, channels)
// The stem, layer 1 of the model, makes no gradient of images, which nobody reads. Cost: that of a convolution; pooling reads
// its input.
#pragma once

#include <stretto/model/filter.hpp>
#include <stretto/model/layer_dropout.hpp>
#include <stretto/model/residual_shape.hpp>
#include <stretto/numeric/pooling.hpp>
#include <stretto/stage/model.hpp>

namespace stretto::inline v0 {

template <class Device, class T>
class stem_layer {
 public:
  using input = typename Device::template tensor<T, 4>;
  using output = input;
  using tools = typename Device::tools;

  stem_layer(layer_index at, const residual_shape& s, std::uint32_t seed, const typename Device::options& q)
      : queue_(q), from_(s.images()), to_(s.behind(-1)), weight_(to_[3], 3, from_[3], 1, {seed, static_cast<std::uint32_t>(at.value), 0}, s.begins(9 * from_[3])) {}

  tools make_tools() const { return tools(queue_); }
  output make_output() const { return output(to_); }
  void reserve(tools& t) { t.template reserve<T>(weight_.room(t.queue, from_)); }
  void weights_changed(context& c) { weight_.weights_changed(c.tools<tools>().queue); }
  std::int64_t bytes() const { return weight_.bytes(); }

  void forward(context& c, const input& x, output& y) {
    tools& t = c.tools<tools>();
    auto room = t.room();
    weight_.forward(t.queue, x, y, room.template take<T, 1>({weight_.room(t.queue, from_)}));
  }
  void backward_input(context& c, const input&, const output&, input& dx) { c.tools<tools>().queue.zero(dx); }
  void backward_weight(context& c, const input& x, const output& dy) {
    tools& t = c.tools<tools>();
    auto room = t.room();
    weight_.backward_weight(t.queue, x, dy, room.template take<T, 1>({weight_.room(t.queue, from_)}));
  }

  void parameters(auto&& visit) { visit("weight", weight_.value, weight_.gradient); }

 private:
  typename Device::options queue_;
  shape<4> from_, to_;
  filter<Device, T> weight_;
};

template <class Device, class T>
class pool_layer {
 public:
  using input = typename Device::template tensor<T, 4>;
  using output = typename Device::template tensor<T, 2>;
  using tools = typename Device::tools;

  struct saved {
    typename norm<Device, T>::saved norm;
    input normed;

    std::int64_t bytes() const { return norm.bytes() + normed.size() * static_cast<std::int64_t>(sizeof(T)); }
  };

  pool_layer(const residual_shape& s, const typename Device::options& q)
      : queue_(q), kind_(s.kind), drop_(s.dropout, 1), from_(s.behind(s.all_blocks() - 1)), norm_(s.norm, from_[3], s.epsilon) {}

  tools make_tools() const { return tools(queue_); }
  output make_output() const { return output({from_[0], from_[3]}); }
  saved make_saved() const { return {norm_.make_saved(from_[0] * from_[1] * from_[2]), input(from_)}; }
  void reserve(tools& t) { t.template reserve<T>(from_.count(), drop_.room_of(from_[0] * from_[3])); }
  void weights_changed(context& c) { norm_.weights_changed(c.tools<tools>().queue); }
  std::int64_t bytes() const { return norm_.bytes(); }

  void forward(context& c, const input& x, output& y, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    const auto active = room.template take<T, 4>(from_);
    norm_.forward(q, x.matrix(), s.normed.matrix(), s.norm);
    activate(q, s.normed.matrix(), active.matrix(), kind_);
    average_pooling(q, active, y.template shaped<4>(pixel()), whole());
    if (drop_.drops(c)) dropout(q, y, y, drop_.mask(c));
  }
  void backward_input(context& c, const input& x, const output& dy, input& dx, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    const auto dactive = room.template take<T, 4>(from_);
    const auto d = drop_.left(c, q, room, tensor_view<T, 2, typename Device::memory>(dy));
    average_pooling_backward(q, d.template shaped<4>(pixel()), dactive, whole());
    activate_backward(q, s.normed.matrix(), dactive.matrix(), dactive.matrix(), kind_);
    norm_.backward_input(q, x.matrix(), dactive.matrix(), dx.matrix(), {}, s.norm);
  }
  void backward_weight(context& c, const input&, const output&, saved& s) { norm_.backward_weight(c.tools<tools>().queue, s.norm); }

  void parameters(auto&& visit) { norm_.parameters(visit, "norm.weight", "norm.bias"); }

 private:
  shape<4> pixel() const { return {{from_[0], 1, 1, from_[3]}}; }
  pooling_options whole() const { return {.window = {from_[1], from_[2]}, .stride = {from_[1], from_[2]}}; }

  typename Device::options queue_;
  activation kind_;
  layer_dropout drop_;
  shape<4> from_;
  norm<Device, T> norm_;
};

}  // namespace stretto::inline v0
