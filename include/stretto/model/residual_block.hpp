// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A block of a residual network: two convolutions of 3 × 3, each behind a norm of every pixel's channels and an activation.
//
//     x ─┬─ norm ─ activation ─ convolution ─ norm ─ activation ─ convolution ─ + ─► y
//        └──────────────────────────────────────────────────────────────────────┘
// One that halves the image has stride 2 in its first convolution, and one of 1 × 1 with stride 2 on the way around, which
// reads what the first activation gives. The norm sees one pixel of one sample, so no sample hangs on its neighbours.
// Saved: results of norms, activations and the first convolution; the second norm's becomes its input's gradient.
// Cost: 3 products of pixels × 9 channels × channels a convolution.
// Source: He et al., Identity mappings in deep residual networks, ECCV 2016.
#pragma once

#include <stretto/model/filter.hpp>
#include <stretto/model/residual_shape.hpp>
#include <stretto/stage/model.hpp>

namespace stretto::inline v0 {

template <class Device, class T>
class residual_block {
 public:
  using input = typename Device::template tensor<T, 4>;
  using output = input;
  using tools = typename Device::tools;

  struct saved {
    typename norm<Device, T>::saved norm1, norm2;
    input normed1, active1, middle, normed2, active2;

    std::int64_t bytes() const {
      return norm1.bytes() + norm2.bytes() + (normed1.size() + active1.size() + middle.size() + normed2.size() + active2.size()) * static_cast<std::int64_t>(sizeof(T));
    }
  };

  /// Blocks begin with layer 2 of the model.
  residual_block(layer_index at, const residual_shape& s, std::uint32_t seed, const typename Device::options& q)
      : residual_block(at.value - 2, static_cast<std::uint32_t>(at.value), s, seed, q) {}

  tools make_tools() const { return tools(queue_); }
  output make_output() const { return output(to_); }
  saved make_saved() const { return {norm1_.make_saved(pixels(from_)), norm2_.make_saved(pixels(to_)), input(from_), input(from_), input(to_), input(to_), input(to_)}; }
  void reserve(tools& t) { t.template reserve<T>(gathers(t.queue), from_.count(), to_.count(), from_.count()); }
  void weights_changed(context& c) {
    auto& q = c.tools<tools>().queue;
    norm1_.weights_changed(q), norm2_.weights_changed(q);
    first_.weights_changed(q), second_.weights_changed(q), around_.weights_changed(q);
  }
  std::int64_t bytes() const { return norm1_.bytes() + norm2_.bytes() + first_.bytes() + second_.bytes() + around_.bytes(); }

  void forward(context& c, const input& x, output& y, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    const auto gather = room.template take<T, 1>({gathers(q)});
    norm1_.forward(q, x.matrix(), s.normed1.matrix(), s.norm1);
    activate(q, s.normed1.matrix(), s.active1.matrix(), kind_);
    first_.forward(q, s.active1, s.middle, gather);
    norm2_.forward(q, s.middle.matrix(), s.normed2.matrix(), s.norm2);
    activate(q, s.normed2.matrix(), s.active2.matrix(), kind_);
    second_.forward(q, s.active2, y, gather);
    if (halves_) {
      const auto side = room.template take<T, 4>(to_);
      around_.forward(q, s.active1, side, gather);
      add(q, y.matrix(), side.matrix(), y.matrix());
    } else {
      add(q, y.matrix(), x.matrix(), y.matrix());
    }
  }

  void backward_input(context& c, const input& x, const output& dy, input& dx, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    const auto gather = room.template take<T, 1>({gathers(q)});
    const auto d1 = room.template take<T, 4>(from_), d2 = room.template take<T, 4>(to_);
    const auto dmiddle = s.normed2.matrix();
    second_.backward_input(q, dy, d2, gather);
    activate_backward(q, dmiddle, d2.matrix(), dmiddle, kind_);
    norm2_.backward_input(q, s.middle.matrix(), dmiddle, dmiddle, {}, s.norm2);
    first_.backward_input(q, s.normed2, d1, gather);
    if (halves_) {
      const auto side = room.template take<T, 4>(from_);
      around_.backward_input(q, dy, side, gather);
      add(q, d1.matrix(), side.matrix(), d1.matrix());
    }
    activate_backward(q, s.normed1.matrix(), d1.matrix(), d1.matrix(), kind_);
    norm1_.backward_input(q, x.matrix(), d1.matrix(), dx.matrix(), halves_ ? tensor_view<T, 2, typename Device::memory>{} : dy.matrix(), s.norm1);
  }

  void backward_weight(context& c, const input&, const output& dy, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    const auto gather = room.template take<T, 1>({gathers(q)});
    second_.backward_weight(q, s.active2, dy, gather);
    norm2_.backward_weight(q, s.norm2);
    first_.backward_weight(q, s.active1, s.normed2, gather);
    if (halves_) around_.backward_weight(q, s.active1, dy, gather);
    norm1_.backward_weight(q, s.norm1);
  }

  void parameters(auto&& visit) {
    norm1_.parameters(visit, "norm1.weight", "norm1.bias");
    visit("first.weight", first_.value, first_.gradient);
    norm2_.parameters(visit, "norm2.weight", "norm2.bias");
    visit("second.weight", second_.value, second_.gradient);
    if (halves_) visit("around.weight", around_.value, around_.gradient);
  }

 private:
  residual_block(int block, std::uint32_t layer, const residual_shape& s, std::uint32_t seed, const typename Device::options& q)
      : queue_(q), kind_(s.kind), halves_(s.halves(block)), from_(s.behind(block - 1)), to_(s.behind(block)), norm1_(s.norm, from_[3], s.epsilon), norm2_(s.norm, to_[3], s.epsilon),
        first_(to_[3], 3, from_[3], halves_ ? 2 : 1, {seed, layer, 0}, s.begins(9 * from_[3])),
        second_(to_[3], 3, to_[3], 1, {seed, layer, 1}, s.begins(9 * to_[3])),
        around_(halves_ ? to_[3] : 0, 1, from_[3], 2, {seed, layer, 2}, s.begins(from_[3])) {}

  static std::int64_t pixels(const shape<4>& s) { return s[0] * s[1] * s[2]; }
  std::int64_t gathers(const typename Device::queue& q) const {
    const std::int64_t first = first_.room(q, from_), second = second_.room(q, to_), around = around_.room(q, from_), most = first > second ? first : second;
    return most > around ? most : around;
  }

  typename Device::options queue_;
  activation kind_;
  bool halves_;
  shape<4> from_, to_;
  norm<Device, T> norm1_, norm2_;
  filter<Device, T> first_, second_, around_;
};

}  // namespace stretto::inline v0
