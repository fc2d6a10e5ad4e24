// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The second half of a Transformer's block:
//
//     x ─┬─ norm ─ product ─ activation ─ product ─ (dropout) ─ + ─► y           gated: activation(gate) · up, both of one
//        └──────────────────────────────────────────────────────┘               product of twice the inner width
// Saved: the norm's result, what stands before the activation, which its gradient replaces when that is known, and the
// activation's result. Cost: products of rows × width × inner width, two, or three where it is gated.
// Source: Shazeer, GLU variants improve Transformer, 2020.
#pragma once

#include <cmath>

#include <stretto/model/layer_dropout.hpp>
#include <stretto/model/shape.hpp>
#include <stretto/stage/model.hpp>

namespace stretto::inline v0 {

template <class Device, class T>
class mlp_layer {
 public:
  using input = typename Device::template tensor<T, 2>;
  using output = input;
  using tools = typename Device::tools;

  struct saved {
    typename norm<Device, T>::saved norm;
    input normed, before, after;  // once its gradient is known, before holds that

    void reshape(std::int64_t rows) {
      for (input* m : {&normed, &before, &after}) m->reshape({rows, m->columns()});
    }

    std::int64_t bytes() const { return norm.bytes() + (normed.size() + before.size() + after.size()) * static_cast<std::int64_t>(sizeof(T)); }
  };

  mlp_layer(layer_index at, const transformer_shape& s, std::uint32_t seed, const typename Device::options& q)
      : s_(s), queue_(q), drop_(s.dropout, s.sequence), norm_(s.norm, s.width, s.epsilon),
        up_(s.inner() * (s.gated ? 2 : 1), s.width, s.biases, {seed, static_cast<std::uint32_t>(at.value), 0}, s.deviation),
        down_(s.width, s.inner(), s.biases, {seed, static_cast<std::uint32_t>(at.value), 1}, s.deviation / std::sqrt(2.0 * s.layers)) {}

  tools make_tools() const { return tools(queue_); }
  output make_output() const { return output({s_.rows(), s_.width}); }
  saved make_saved() const { return {norm_.make_saved(s_.rows()), input({s_.rows(), s_.width}), input({s_.rows(), up_.out()}), input({s_.rows(), s_.inner()})}; }
  void reserve(tools& t) {
    up_.reserve(t.queue), down_.reserve(t.queue);
    t.template reserve<T>(drop_.room_of(s_.rows() * s_.width), s_.rows() * s_.inner(), s_.rows() * s_.width);
  }
  void weights_changed(context& c) {
    auto& q = c.tools<tools>().queue;
    norm_.weights_changed(q), up_.weights_changed(q), down_.weights_changed(q);
  }
  std::int64_t bytes() const { return norm_.bytes() + up_.bytes() + down_.bytes(); }

  void forward(context& c, const input& x, output& y, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    y.reshape(x.extents()), s.reshape(x.rows());
    norm_.forward(q, x, s.normed, s.norm);
    if (s_.gated) {
      up_.forward(q, s.normed, s.before);
      gated_unit(q, gate(s.before), ungated(s.before), s.after, s_.kind);
    } else {
      up_.forward(q, s.normed, s.after, {.before = s.before, .kind = s_.kind});
    }
    drop_.into_stream(c, t, down_, s.after, x, y);
  }

  void backward_input(context& c, const input& x, const output& dy, input& dx, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    const auto dz = drop_.left(c, q, room, matrix(dy));
    const auto dafter = room.template take<T, 2>({s_.rows(), s_.inner()});
    const auto dnormed = room.template take<T, 2>({s_.rows(), s_.width});
    down_.backward_input(q, dz, dafter);
    if (s_.gated) gated_unit_backward(q, gate(s.before), ungated(s.before), dafter, gate(s.before), ungated(s.before), s_.kind);
    else activate_backward(q, s.before, dafter, s.before, s_.kind);
    up_.backward_input(q, s.before, dnormed);
    norm_.backward_input(q, x, dnormed, dx, dy, s.norm);
  }

  void backward_weight(context& c, const input&, const output& dy, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    down_.backward_weight(q, drop_.left(c, q, room, matrix(dy)), s.after);
    up_.backward_weight(q, s.before, s.normed);
    norm_.backward_weight(q, s.norm);
  }

  void parameters(auto&& visit) {
    norm_.parameters(visit, "norm.weight", "norm.bias");
    up_.parameters(visit, "up.weight", "up.bias");
    down_.parameters(visit, "down.weight", "down.bias");
  }

 private:
  using matrix = tensor_view<T, 2, typename Device::memory>;
  matrix gate(const matrix& both) const { return both.columns(0, s_.inner()); }
  matrix ungated(const matrix& both) const { return both.columns(s_.inner(), s_.inner()); }

  transformer_shape s_;
  typename Device::options queue_;
  layer_dropout drop_;
  norm<Device, T> norm_;
  weight_matrix<Device, T> up_, down_;
};

}  // namespace stretto::inline v0
