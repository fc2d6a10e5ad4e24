// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How many floating-point operations a decoder needs to train on one token, by each of the conventions in use. They differ by
// some per cent, so a share of the peak (MFU) is told with the name of its convention. A product and its addition count as two.
//
//     palm          6 N + 12 L h s      every query sees every key: s²
//     half_square   6 N +  6 L h s      a query sees the keys before it: half of s²
//     exact         3 x (matrices, scores of (s + 1) / 2 keys, the head's vocabulary)       what the products really do
// N parameters, L layers, s tokens of a sequence; h is heads x head_width, which is the model's width in most models. A model
// does its forward once and twice as much backward; what is done again (recomputed) isn't counted: MFU is of useful work.
//     GPT-2 124M, s = 1024: 8.60e8, 8.03e8, 7.98e8
// Source: Chowdhery et al., PaLM, 2022, appendix B; Narayanan et al., SC 2021, section 5.1.
#pragma once

#include <cmath>
#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

enum class flops_convention { palm, half_square, exact };

constexpr const char* name_of(flops_convention c) {
  return c == flops_convention::palm ? "palm" : c == flops_convention::half_square ? "half_square" : "exact";
}

/// The sizes of a decoder.
struct decoder_shape {
  std::int64_t parameters = 0;  ///< all of them, a tied one once; `exact` doesn't ask
  std::int64_t layers = 0;
  std::int64_t width = 0;       ///< h
  std::int64_t heads = 1;
  std::int64_t groups = 0;      ///< heads of keys and values; 0: as many as heads
  std::int64_t head_width = 0;  ///< 0: width / heads
  std::int64_t hidden = 0;      ///< of the feed-forward part; 0: 4 * width
  bool gated = false;           ///< it has three matrices, not two
  std::int64_t vocabulary = 0;  ///< rows of the head
  std::int64_t sequence = 0;    ///< s
};

/// Operations to train on one token. Throws stretto::error for a size that no model has.
inline double flops_per_token(const decoder_shape& m, flops_convention how) {
  const auto hold = [](const char* name, std::int64_t v, std::int64_t least) {
    if (v < least) throw error(text("stretto: a decoder's ", name, " is ", v, "; give at least ", least).str());
    return static_cast<double>(v);
  };
  const double layers = hold("layers", m.layers, 1), width = hold("width", m.width, 1), heads = hold("heads", m.heads, 1);
  const double s = hold("sequence", m.sequence, 1);
  const double head = hold("head_width", m.head_width, 0) > 0 ? static_cast<double>(m.head_width) : width / heads;
  const double across = heads * head;
  if (how != flops_convention::exact) return 6 * hold("parameters", m.parameters, 1) + (how == flops_convention::palm ? 12 : 6) * layers * across * s;
  const double groups = hold("groups", m.groups, 0) > 0 ? static_cast<double>(m.groups) : heads;
  const double hidden = hold("hidden", m.hidden, 0) > 0 ? static_cast<double>(m.hidden) : 4 * width;
  const double projections = 2 * width * (2 * across + 2 * groups * head);  // queries and output; keys and values
  const double scores = 4 * across * (s + 1) / 2;                          // with keys, then with values
  const double feed_forward = 2 * (m.gated ? 3 : 2) * width * hidden;
  return 3 * (layers * (projections + scores + feed_forward) + 2 * width * hold("vocabulary", m.vocabulary, 1));
}

/// Operations a second of one rank as a share of its peak, or of its roof. Throws stretto::error for a peak that is none.
inline double share_of_peak(double flops_of_rank, double peak) {
  if (!(peak > 0) || std::isinf(peak)) throw error("stretto: a peak is not a number of operations a second above 0; give one in FLOP/s, 989e12 for instance");
  return flops_of_rank / peak;
}

}  // namespace stretto::inline v0
