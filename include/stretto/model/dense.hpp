// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A hidden layer of a perceptron:
//
//     x ─ product, bias ─ activation ─ (norm) ─ (dropout) ─► y
// Bias and activation are done where the product puts its sums away. Saved: what stands before the activation, which its
// gradient replaces when that is known, and what stands before the norm. The first of them, layer 1 of the model, makes no
// gradient of its input, which nobody reads. Cost: 3 products of samples × width × width a micro-batch, the first one's 2.
#pragma once

#include <stretto/model/layer_dropout.hpp>
#include <stretto/model/perceptron_shape.hpp>
#include <stretto/stage/model.hpp>

namespace stretto::inline v0 {

template <class Device, class T>
class dense_layer {
 public:
  using input = typename Device::template tensor<T, 2>;
  using output = input;
  using tools = typename Device::tools;

  struct saved {
    typename norm<Device, T>::saved norm;
    input before, after;  // the activation; once its gradient is known, before holds that

    std::int64_t bytes() const { return norm.bytes() + (before.size() + after.size()) * static_cast<std::int64_t>(sizeof(T)); }
  };

  dense_layer(layer_index at, const perceptron_shape& s, std::uint32_t seed, const typename Device::options& q)
      : s_(s), queue_(q), drop_(s.dropout, 1), first_(at.value == 1), norm_(s.norm, s.normed ? s.width : 0, s.epsilon),
        weight_(s.width, in(), true, {seed, static_cast<std::uint32_t>(at.value), 0}, s.deviation > 0 ? s.deviation : std::sqrt(2 / static_cast<double>(in()))) {}

  tools make_tools() const { return tools(queue_); }
  output make_output() const { return output({s_.samples, s_.width}); }
  saved make_saved() const {
    const std::int64_t normed = s_.normed ? s_.samples : 0;
    return {norm_.make_saved(normed), input({s_.samples, s_.width}), input({normed, s_.width})};
  }
  void reserve(tools& t) {
    weight_.reserve(t.queue);
    t.template reserve<T>(s_.samples * s_.width);
  }
  void weights_changed(context& c) {
    auto& q = c.tools<tools>().queue;
    weight_.weights_changed(q), norm_.weights_changed(q);
  }
  std::int64_t bytes() const { return weight_.bytes() + norm_.bytes(); }

  void forward(context& c, const input& x, output& y, saved& s) {
    auto& q = c.tools<tools>().queue;
    weight_.forward(q, x, s_.normed ? s.after : y, {.before = s.before, .kind = s_.kind});
    if (s_.normed) norm_.forward(q, s.after, y, s.norm);
    if (drop_.drops(c)) dropout(q, y, y, drop_.mask(c));
  }

  void backward_input(context& c, const input&, const output& dy, input& dx, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    const auto dz = room.template take<T, 2>(dy.extents());
    tensor_view<T, 2, typename Device::memory> d = dy;
    if (drop_.drops(c)) dropout(q, dy, dz, drop_.mask(c)), d = dz;
    if (s_.normed) norm_.backward_input(q, s.after, d, dz, {}, s.norm), d = dz;
    activate_backward(q, s.before, d, s.before, s_.kind);
    if (first_) q.zero(dx);
    else weight_.backward_input(q, s.before, dx);
  }

  void backward_weight(context& c, const input& x, const output&, saved& s) {
    auto& q = c.tools<tools>().queue;
    weight_.backward_weight(q, s.before, x);
    if (s_.normed) norm_.backward_weight(q, s.norm);
  }

  void parameters(auto&& visit) {
    weight_.parameters(visit, "weight", "bias");
    if (s_.normed) norm_.parameters(visit, "norm.weight", "norm.bias");
  }

 private:
  std::int64_t in() const { return first_ ? s_.inputs : s_.width; }

  perceptron_shape s_;
  typename Device::options queue_;
  layer_dropout drop_;
  bool first_;
  norm<Device, T> norm_;
  weight_matrix<Device, T> weight_;
};

}  // namespace stretto::inline v0
