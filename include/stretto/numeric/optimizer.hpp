// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of optimizers over runs of numbers, as plain loops: SGD, AdamW and Lion, for weights of any type, with or without
// a master, a copy of the weights in float that the step is computed in. Every element is done by itself.
//
//     sgd     g += decay w;  m = momentum m + g;  w -= rate m                  (nesterov: rate (g + momentum m))
//     adamw   m += (1 - beta1) (g - m);  v += (1 - beta2) (g^2 - v);  w -= rate (m^ / (sqrt(v^) + epsilon) + decay w)
//     lion    c = m + (1 - beta1) (g - m);  m += (1 - beta2) (g - m);  w -= rate (sign(c) + decay w)
// m^ = m / (1 - beta1^count), v^ likewise. g is the gradient times `scale`. The means move by a share of what they are off:
// 0.999 isn't a float, and with beta2 v + (1 - beta2) g^2 the two factors wouldn't come to 1.
// A weight of bf16 or fp16 is rounded to the nearest, or up or down by chance, so that small steps aren't lost: the chance
// is keyed by where the element stands in all of the parameter, so the bits don't hang on how that is cut.
// Source: Loshchilov and Hutter, ICLR 2019 (AdamW); Chen et al., NeurIPS 2023 (Lion); Sutskever et al., ICML 2013 (Nesterov).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include <stretto/core/random.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

/// What differs from step to step. It is handed over by address, so that a device can have it in its own memory and the
/// norm needn't come back from there.
struct optimizer_scalars {
  double scale = 1;        ///< what gradients are multiplied with: the factor of clipping, one over the loss's scale
  double rate = 1;         ///< what the options' rate is multiplied with: warming up, cooling down
  std::int64_t count = 1;  ///< the number of this step, from 1; what is skipped isn't counted
  std::int32_t skip = 0;   ///< other than 0: nothing is changed, because a gradient wasn't finite
};

struct sgd_options {
  double rate = 0.01;
  double momentum = 0;  ///< 0: there is no state
  double decay = 0;
  bool nesterov = false;

  static constexpr int states = 1;
};

struct adamw_options {
  double rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double decay = 0.01;
  bool coupled = false;  ///< decay is added to the gradient (Adam with L2), not to the step

  static constexpr int states = 2;
};

struct lion_options {
  double rate = 1e-4;
  double beta1 = 0.9, beta2 = 0.99;
  double decay = 0.01;

  static constexpr int states = 1;
};

/// How weights of bf16 and fp16 are rounded.
struct weight_rounding {
  bool stochastic = false;
  std::uint32_t seed = 0;
  std::uint32_t parameter = 0;   ///< which one, where each has its own numbers from 0
  std::int64_t first_index = 0;  ///< where the run begins in it

  /// The bits for one step. No sample has that number, so no mask of dropout has these.
  constexpr random_stream stream(std::int64_t count) const { return {seed, static_cast<std::uint32_t>(count), 0xffffffffu, parameter}; }

  /// The chance of an element of the run, in the upper 16 bits: two neighbours share a word. Places beyond 64 bits begin anew.
  constexpr std::uint32_t chance(std::int64_t count, std::int64_t element) const {
    const std::uint64_t at = static_cast<std::uint64_t>(first_index) + static_cast<std::uint64_t>(element);
    return stream(count).bits(static_cast<std::int64_t>(at / 2)) >> (at % 2 * 16) << 16;
  }
};

/// Of the two neighbours in T the one away from 0 with the chance of how far x is on the way there.
template <class T>
constexpr T round_by_chance(float x, std::uint32_t chance) {
  if constexpr (std::is_same_v<T, bf16>) {
    const auto b = std::bit_cast<std::uint32_t>(x);
    if (x != x) return T(x);
    return T(std::bit_cast<float>((b + (chance >> 16)) & 0xffff0000u));
  } else if constexpr (std::is_same_v<T, fp16>) {
    const auto b = std::bit_cast<std::uint32_t>(x);
    const float size = std::bit_cast<float>(b & 0x7fffffffu);
    if (x != x) return T(x);
    // Below the smallest normal: with 2^-14 added the steps of T end where they do above it.
    const float shift = size < 0x1p-14f ? 0x1p-14f : 0.0f;
    const float cut = std::bit_cast<float>((std::bit_cast<std::uint32_t>(size + shift) + (chance >> 19)) & 0xffffe000u) - shift;
    return T(std::bit_cast<float>(std::bit_cast<std::uint32_t>(cut) | (b & 0x80000000u)));
  } else {
    return x;
  }
}

namespace detail {

/// Calls step(gradient, weight, i) for the weights, or for their masters, and puts the weights away.
template <class T, class C, class Step>
void each_weight(const tensor_view<const C, 1>& gradient, const tensor_view<C, 1>& master, const tensor_view<T, 1>& weight, const optimizer_scalars& s,
                 const weight_rounding& r, Step&& step) {
  if (s.skip != 0) return;
  const C scale = static_cast<C>(s.scale);
  for (std::int64_t i = 0; i < weight.size(); ++i) {
    C w = !master.empty() ? master[i] : static_cast<C>(weight[i]);
    step(gradient[i] * scale, w, i);
    if (!master.empty()) master[i] = w;
    if constexpr (std::is_same_v<T, C>) weight[i] = w;
    else weight[i] = r.stochastic ? round_by_chance<T>(w, r.chance(s.count, i)) : static_cast<T>(w);
  }
}

}  // namespace detail

namespace reference {

/// An empty master: there is none.
template <class T>
void sgd_step(reads<computes_in<T>, 1> gradient, writes<computes_in<T>, 1> momentum, writes<computes_in<T>, 1> master, tensor_view<T, 1> weight,
              const optimizer_scalars* s, const sgd_options& o = {}, const weight_rounding& r = {}) {
  using C = computes_in<T>;
  const C rate = static_cast<C>(o.rate * s->rate), keep = static_cast<C>(o.momentum), decay = static_cast<C>(o.decay);
  stretto::detail::each_weight(gradient, master, weight, *s, r, [&](C g, C& w, std::int64_t i) {
    if (o.decay != 0) g += decay * w;
    if (o.momentum != 0) {
      momentum[i] = keep * momentum[i] + g;
      g = o.nesterov ? g + keep * momentum[i] : momentum[i];
    }
    w -= rate * g;
  });
}

template <class T>
void adamw_step(reads<computes_in<T>, 1> gradient, writes<computes_in<T>, 1> mean, writes<computes_in<T>, 1> square, writes<computes_in<T>, 1> master,
                tensor_view<T, 1> weight, const optimizer_scalars* s, const adamw_options& o = {}, const weight_rounding& r = {}) {
  using C = computes_in<T>;
  const double count = static_cast<double>(s->count);
  const C move1 = static_cast<C>(1 - o.beta1), move2 = static_cast<C>(1 - o.beta2);
  const C correct1 = static_cast<C>(1 / (1 - std::pow(o.beta1, count))), correct2 = static_cast<C>(1 / (1 - std::pow(o.beta2, count)));
  const C rate = static_cast<C>(o.rate * s->rate), guard = static_cast<C>(o.epsilon), decay = static_cast<C>(o.decay);
  stretto::detail::each_weight(gradient, master, weight, *s, r, [&](C g, C& w, std::int64_t i) {
    if (o.coupled) g += decay * w;
    C& m = mean[i];
    C& v = square[i];
    m += move1 * (g - m);
    v += move2 * (g * g - v);
    const C step = m * correct1 / (std::sqrt(v * correct2) + guard);
    w -= rate * (o.coupled ? step : step + decay * w);
  });
}

template <class T>
void lion_step(reads<computes_in<T>, 1> gradient, writes<computes_in<T>, 1> mean, writes<computes_in<T>, 1> master, tensor_view<T, 1> weight,
               const optimizer_scalars* s, const lion_options& o = {}, const weight_rounding& r = {}) {
  using C = computes_in<T>;
  const C move1 = static_cast<C>(1 - o.beta1), move2 = static_cast<C>(1 - o.beta2);
  const C rate = static_cast<C>(o.rate * s->rate), decay = static_cast<C>(o.decay);
  stretto::detail::each_weight(gradient, master, weight, *s, r, [&](C g, C& w, std::int64_t i) {
    C& m = mean[i];
    const C c = m + move1 * (g - m);
    m += move2 * (g - m);
    const C sign = c > 0 ? C(1) : c < 0 ? C(-1) : c;  // what is no number stays so
    w -= rate * (sign + decay * w);
  });
}

}  // namespace reference
}  // namespace stretto::inline v0
