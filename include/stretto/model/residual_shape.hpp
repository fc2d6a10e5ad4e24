// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The sizes and choices of a residual network for images, which its layers are made of.
//
//     residual_shape{.height = 32, .width = 32, .channels = 3, .stages = {16, 32, 64}, .blocks = 2, .classes = 10, .samples = 8}
//     stem (32 × 32 × 16) ─ block.0, block.1 (32 × 32 × 16) ─ block.2, block.3 (16 × 16 × 32) ─ block.4, block.5 (8 × 8 × 64)
// A stage's first block halves the image, rounding up, but for the first stage's.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/model/norm.hpp>
#include <stretto/model/output.hpp>
#include <stretto/numeric/activation.hpp>

namespace stretto::inline v0 {

struct residual_shape {
  std::int64_t height = 32, width = 32, channels = 3;   ///< of an image
  std::array<std::int64_t, 8> stages = {16, 32, 64};    ///< channels of each stage's blocks; the first 0 ends them
  int blocks = 2;                                       ///< of each stage
  std::int64_t classes = 10;
  activation kind = activation::relu;
  norm_kind norm = norm_kind::layer;                    ///< of each pixel's channels
  double epsilon = 1e-5;
  double dropout = 0;                                   ///< before the head
  double deviation = 0;  ///< of weights in the beginning; 0: √(2 / numbers that a kernel sums)

  std::int64_t samples = 1;  ///< of a micro-batch

  int stage_count() const {
    int n = 0;
    while (n < 8 && stages[static_cast<std::size_t>(n)] != 0) ++n;
    return n;
  }
  int all_blocks() const { return stage_count() * blocks; }
  std::int64_t channels_of(int block) const { return stages[static_cast<std::size_t>(block / blocks)]; }
  /// Whether a block halves the image.
  bool halves(int block) const { return block > 0 && block % blocks == 0; }

  shape<4> images() const { return {{samples, height, width, channels}}; }
  /// What a block gives; of -1, the stem.
  shape<4> behind(int block) const {
    shape<4> s{{samples, height, width, channels_of(block < 0 ? 0 : block)}};
    for (int i = 1; i <= (block < 0 ? 0 : block / blocks); ++i) s.extent[1] = (s[1] + 1) / 2, s.extent[2] = (s[2] + 1) / 2;
    return s;
  }
  double begins(std::int64_t summed) const { return deviation > 0 ? deviation : std::sqrt(2 / static_cast<double>(summed)); }
  output_shape head() const { return {samples, channels_of(all_blocks() - 1), classes, loss_kind::cross_entropy, deviation}; }

  /// Throws stretto::error for what no such network can be.
  void validate() const {
    const auto refuse = [](auto... parts) { throw error(text(parts...).str()); };
    const auto out_of_reach = [](std::int64_t n, std::int64_t most) { return n < 1 || n > most; };
    if (out_of_reach(height, 1 << 15) || out_of_reach(width, 1 << 15) || out_of_reach(channels, 1 << 12))
      refuse("stretto: a residual network can't take images of ", height, " by ", width, " with ", channels, " channels; give 1 to 32768 pixels each way, and 1 to 4096 channels");
    if (stage_count() == 0 || out_of_reach(blocks, 1 << 16)) refuse("stretto: a residual network of ", stage_count(), " stages with ", blocks, " blocks each can't be; give at least one stage, and 1 to 65536 blocks");
    for (int i = 0; i < stage_count(); ++i)
      if (out_of_reach(stages[static_cast<std::size_t>(i)], 1 << 16)) refuse("stretto: stage ", i, " of a residual network has ", stages[static_cast<std::size_t>(i)], " channels; give 1 to 65536");
    if (out_of_reach(classes, 1 << 26)) refuse("stretto: a residual network can't tell ", classes, " classes apart; give 1 to 67108864");
    if (out_of_reach(samples, 1 << 15)) refuse("stretto: a residual network can't take micro-batches of ", samples, " samples; give 1 to 32768");
    if (!(dropout >= 0 && dropout < 1)) refuse("stretto: a residual network drops a share of 0 or more and below 1; correct dropout");
    if (!(epsilon > 0) || !(deviation >= 0)) refuse("stretto: a residual network has an epsilon above 0 and a deviation of at least 0; correct them");
  }
};

inline std::int64_t parameter_count(const residual_shape& s) {
  const auto norm = [&](std::int64_t channels) { return channels * (s.norm == norm_kind::layer ? 2 : 1); };
  std::int64_t sum = 9 * s.channels * s.channels_of(0), from = s.channels_of(0);
  for (int i = 0; i < s.all_blocks(); ++i) {
    const std::int64_t to = s.channels_of(i);
    sum += norm(from) + 9 * from * to + norm(to) + 9 * to * to + (s.halves(i) ? from * to : 0);
    from = to;
  }
  return sum + norm(from) + s.classes * (from + 1);
}

}  // namespace stretto::inline v0
