// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A sink: a score of each head that every query sees besides its keys, and that has no value. Weights then needn't sum to
// one. It is a state to begin with, so attention itself knows nothing of it:
//
//     attention_sink(sinks, state, lse);                        output 0, lse the sink
//     attention_block(q, …, state, lse, output, {.accumulate = true});
//     attention_sink_backward(sinks, lse, delta, d_sinks);      adds - sum over queries of exp(sink - lse) delta
// Cost: writes the state once; an exponential a token and head.
// Source: Xiao et al., Efficient streaming language models with attention sinks, ICLR 2024; learned: OpenAI, gpt-oss, 2025.
#pragma once

#include <cmath>
#include <cstdint>

#include <stretto/core/text.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

namespace detail {

inline void check_sinks(std::int64_t sinks, std::int64_t others, const shape<2>& rows) {
  if (sinks != rows[1] || others != rows[1])
    throw error(text("stretto: attention with one lse a token and head, ", rows.words().str(), ", can't have ", sinks, " sinks; give one a head").str());
}

}  // namespace detail

/// The state of queries that have seen their head's sink alone. C: float or double.
template <class C>
void attention_sink(reads<C, 1> sinks, const tensor_view<C, 3>& state, writes<C, 2> lse) {
  detail::check_sinks(sinks.size(), state.extent(1), lse.extents());
  for (std::int64_t i = 0; i < lse.extent(0); ++i)
    for (std::int64_t h = 0; h < lse.extent(1); ++h) {
      lse(i, h) = sinks[h];
      for (std::int64_t e = 0; e < state.extent(2); ++e) state(i, h, e) = 0;
    }
}

/// Adds to the gradients of sinks. lse and delta are those of whole rows.
template <class C>
void attention_sink_backward(reads<C, 1> sinks, reads<C, 2> lse, reads<C, 2> delta, const tensor_view<C, 1>& d_sinks) {
  detail::check_sinks(sinks.size(), d_sinks.size(), lse.extents());
  for (std::int64_t h = 0; h < lse.extent(1); ++h) {
    double sum = 0;
    for (std::int64_t i = 0; i < lse.extent(0); ++i)
      sum += std::exp(static_cast<double>(sinks[h]) - static_cast<double>(lse(i, h))) * static_cast<double>(delta(i, h));
    d_sinks[h] = static_cast<C>(static_cast<double>(d_sinks[h]) - sum);
  }
}

}  // namespace stretto::inline v0
