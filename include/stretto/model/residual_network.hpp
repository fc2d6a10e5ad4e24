// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Residual networks for images.
//
//     images ─ stem ─ block.0 ─ block.1 ─ … ─ pool ─ head           blocks + 4 layers in all; a cut may lie between any two
//     auto model = residual_network<host::device, float>(shape);
//     pipeline p(model, even_cut(layer_costs(shape), 4), plan, adamw{…}, {.samples = shape.samples});
//     p.feed<float>("images", …), p.feed<std::int32_t>("labels", …);      samples × height × width × channels, a label a sample
// Layers and their parameters bear the names above: "block.1.first.weight". What a sample comes to doesn't hang on the
// others of its micro-batch, so it doesn't hang on how a batch is cut into micro-batches.
// Source: He et al., Identity mappings in deep residual networks, ECCV 2016.
#pragma once

#include <vector>

#include <stretto/model/feed.hpp>
#include <stretto/model/image_ends.hpp>
#include <stretto/model/residual_block.hpp>

namespace stretto::inline v0 {

/// How a model begins, what its loss is, and who looks at its scores.
template <class Device, class T>
struct residual_options {
  std::uint32_t seed = 0;                ///< of the weights that it begins with
  typename Device::options queue = {};   ///< of each rank
  cross_entropy_options loss = {};
  logits_watcher<T> watcher = {};
  bool recompute = false;                ///< blocks keep nothing but their inputs
};

template <class Device, class T>
auto residual_network(const residual_shape& s, const residual_options<Device, T>& o = {}) {
  s.validate();
  auto blocks = repeat(s.all_blocks(), layer<residual_block<Device, T>>(s, o.seed, o.queue).named("block.#"));
  if (o.recompute) blocks = recompute(blocks);
  return sequential(layer<feed_layer<Device, T, 4>>(label("images"), s.images(), o.queue).named("images"), layer<stem_layer<Device, T>>(s, o.seed, o.queue).named("stem"), blocks,
                    layer<pool_layer<Device, T>>(s, o.queue).named("pool"), layer<output_layer<Device, T>>(s.head(), o.seed, o.queue, o.loss, o.watcher).named("head"));
}

/// What each layer costs, for even_cut: floating-point operations of a micro-batch, forward and backward. Norms and
/// activations are counted as 40 a number.
inline std::vector<double> layer_costs(const residual_shape& s) {
  const auto count = [](const shape<4>& a) { return static_cast<double>(a.count()); };
  const auto channels = [](const shape<4>& a) { return static_cast<double>(a[3]); };
  const shape<4> images = s.images();
  shape<4> from = s.behind(-1);
  std::vector<double> costs{count(images), 4 * count(from) * 9 * channels(images)};
  for (int i = 0; i < s.all_blocks(); ++i) {
    const shape<4> to = s.behind(i);
    costs.push_back(6 * count(to) * ((s.halves(i) ? 10 : 9) * channels(from) + 9 * channels(to)) + 40 * (count(from) + count(to)));
    from = to;
  }
  costs.push_back(40 * count(from));
  costs.push_back(6 * static_cast<double>(s.samples * s.classes) * channels(from));
  return costs;
}

}  // namespace stretto::inline v0
