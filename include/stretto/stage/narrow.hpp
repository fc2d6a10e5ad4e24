// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A lossy wire: two layers, one that narrows what goes through and one that widens it again. Cut between them, and the
// narrow form travels; cut elsewhere, and nothing changes in any bit, because the two do their work all the same.
//
//     sequential(…, layer<narrow<bfloat16>>(64).named("wire"), layer<widen<bfloat16>>(64), …)       room for 64 values
//     cut_before(m.size(), {m.find("wire") + 1})                        the messages there are half as long, both ways
// A codec names the types value and wire and has encode and decode; gradients are narrowed, too, on their way back.
// Cost: one encode and one decode a micro-batch and direction.
#pragma once

#include <bit>
#include <cstdint>

#include <stretto/stage/layer.hpp>
#include <stretto/tensor/element.hpp>

namespace stretto::inline v0 {

/// What travels: the narrow form of a value or of a gradient.
template <class Codec>
struct narrowed {
  typename Codec::wire data;
};

template <class Codec>
struct wire_traits<narrowed<Codec>> {
  using whole = narrowed<Codec>;
  using gradient = whole;
  static gradient gradient_like(const whole& value) { return value; }
  static std::int64_t bytes(const whole& value) { return wire_traits<typename Codec::wire>::bytes(value.data); }
};

template <class Codec>
struct narrow {
  using input = typename Codec::value;
  using output = narrowed<Codec>;
  static constexpr bool keeps_input = false;

  explicit narrow(std::int64_t most) : room(most) {}
  std::int64_t room;

  output make_output() const { return {Codec::make_wire(room)}; }
  void forward(context&, const input& in, output& out) { Codec::encode(in, out.data); }
  void backward_input(context&, const narrowed<Codec>& g, gradient_of<input>& d) { Codec::decode(g.data, d); }
};

template <class Codec>
struct widen {
  using input = narrowed<Codec>;
  using output = typename Codec::value;
  static constexpr bool keeps_input = false;

  explicit widen(std::int64_t most) : room(most) {}
  std::int64_t room;

  output make_output() const { return Codec::make_value(room); }
  void forward(context&, const input& in, output& out) { Codec::decode(in.data, out); }
  void backward_input(context&, const gradient_of<output>& g, narrowed<Codec>& d) { Codec::encode(g, d.data); }
};

/// Floats as their upper sixteen bits, rounded to the nearest, to even where two are as near; what is no number stays so.
struct bfloat16 {
  using value = values<float>;
  using wire = values<std::uint16_t>;

  static wire make_wire(std::int64_t room) { return wire(room); }
  static value make_value(std::int64_t room) { return value(room); }
  static std::uint16_t round(float f) { return bf16::round(f); }
  static void encode(const value& from, wire& to) {
    to.resize(from.size());
    for (std::int64_t i = 0; i < from.size(); ++i) to[i] = round(from[i]);
  }
  static void decode(const wire& from, value& to) {
    to.resize(from.size());
    for (std::int64_t i = 0; i < from.size(); ++i) to[i] = std::bit_cast<float>(static_cast<std::uint32_t>(from[i]) << 16);
  }
};

}  // namespace stretto::inline v0
