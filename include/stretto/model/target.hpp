// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where an encoder ends and a decoder begins. A layer's input is what the layer before gives, so this one takes the encoder's
// result, gives its norm to a skip connection, which each layer of the decoder takes, and begins anew with the target's tokens:
//
//     the encoder's x ─ norm ─► memory
//     feed "target" ─ embedding ─► y, (samples × target tokens, width)
// Cost: a norm, and reading a row of the table a token.
#pragma once

#include <stretto/model/embedding.hpp>

namespace stretto::inline v0 {

template <class Device, class T>
class target_layer {
 public:
  using input = typename Device::template tensor<T, 2>;
  using output = input;
  using given = input;
  using saved = typename norm<Device, T>::saved;
  using tools = typename Device::tools;

  target_layer(const transformer_shape& source, const transformer_shape& target, std::uint32_t seed, const typename Device::options& q)
      : rows_(source.rows()), norm_(source.norm, source.width, source.epsilon), embedding_(target, seed, q, "target") {}

  tools make_tools() const { return embedding_.make_tools(); }
  output make_output() const { return embedding_.make_output(); }
  given make_given() const { return given({rows_, norm_.weight.size()}); }
  saved make_saved() const { return norm_.make_saved(rows_); }
  void reserve(tools& t) { embedding_.reserve(t); }
  void weights_changed(context& c) { norm_.weights_changed(c.tools<tools>().queue), embedding_.weights_changed(c); }
  std::int64_t bytes() const { return norm_.bytes() + embedding_.bytes(); }

  void forward(context& c, const input& x, output& y, given& memory, saved& s) {
    memory.reshape(x.extents());
    norm_.forward(c.tools<tools>().queue, x, memory, s);
    typename embedding_layer<Device, T>::carry alone;  // an encoder's attention refuses to go on
    embedding_.forward(c, nothing{}, y, alone);
  }
  void backward_input(context& c, const input& x, const output&, const given& dmemory, input& dx, saved& s) {
    norm_.backward_input(c.tools<tools>().queue, x, dmemory, dx, {}, s);
  }
  void backward_weight(context& c, const input&, const output& dy, const given&, saved& s) {
    norm_.backward_weight(c.tools<tools>().queue, s);
    typename embedding_layer<Device, T>::carry alone;
    embedding_.backward_weight(c, nothing{}, dy, alone);
  }

  void parameters(auto&& visit) {
    norm_.parameters(visit, "norm.weight", "norm.bias");
    embedding_.parameters(visit);
  }

 private:
  std::int64_t rows_;  // of the memory
  norm<Device, T> norm_;
  embedding_layer<Device, T> embedding_;
};

}  // namespace stretto::inline v0
