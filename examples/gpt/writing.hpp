// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Text from a model that is spread over ranks: the last rank shows the logits of the last token, the next token is drawn
// from them by counting, and goes in at the first rank.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <stretto/core/random.hpp>
#include <stretto/model/head.hpp>

namespace gpt {

struct writer {
  std::int64_t sequence = 0, order = -1;  ///< of the plan that writes
  double temperature = 1;
  std::uint32_t seed = 0;
  std::vector<std::int32_t> window;       ///< what the model reads: samples × sequence, the first sample counts
  std::int64_t length = 0;                ///< of the text in the window
  std::int64_t drawn = 0;
  std::int32_t next = 0;

  template <class T>
  static void look(void* with, const stretto::data_share& share, const stretto::tensor_view<const T, 2>& logits) {
    writer& w = *static_cast<writer*>(with);
    if (share.order != w.order || share.micro_batch != 0) return;
    w.next = w.draw([&](std::int64_t i) { return static_cast<double>(static_cast<float>(logits(w.length - 1, i))); }, logits.columns());
  }

  /// Appends a token; where the window is full, its first half is forgotten.
  void push(std::int32_t token) {
    if (length == sequence) {
      const std::int64_t half = sequence / 2;
      std::copy(window.begin() + half, window.begin() + sequence, window.begin());
      length = sequence - half;
    }
    window[static_cast<std::size_t>(length++)] = token;
  }

 private:
  template <class Logit>
  std::int32_t draw(Logit&& logit, std::int64_t count) {
    double best = logit(0);
    std::int64_t at = 0;
    for (std::int64_t i = 1; i < count; ++i)
      if (logit(i) > best) best = logit(i), at = i;
    if (temperature <= 0) return static_cast<std::int32_t>(at);
    double all = 0;
    for (std::int64_t i = 0; i < count; ++i) all += std::exp((logit(i) - best) / temperature);
    double wanted = static_cast<double>(stretto::random_stream{.seed = seed, .layer = 0xffffffffu}.uniform(drawn++)) * all;
    for (std::int64_t i = 0; i < count; ++i) {
      wanted -= std::exp((logit(i) - best) / temperature);
      if (wanted < 0) return static_cast<std::int32_t>(i);
    }
    return static_cast<std::int32_t>(at);
  }
};

}  // namespace gpt
