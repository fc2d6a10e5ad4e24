// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/14_images.cpp -o images
// Prints:       how a residual network on four ranks learns to tell shapes apart that the program draws: discs, frames,
//               upright and slanted crosses, anywhere in an image and with noise; which layers each rank has; and how many
//               of images that it hasn't seen it gets right.
// Change next:  the noise, until it fails; the schedule, zb_h1{} say: the losses stay as they are, to the bit.
#include <cmath>
#include <cstdio>
#include <vector>

#include <stretto/host.hpp>
#include <stretto/model/residual_network.hpp>
#include <stretto/run.hpp>

using stretto::data_share, stretto::random_stream, stretto::view;
using device = stretto::host::device;

constexpr int side = 12, kinds = 4, samples = 8, micro_batches = 4, batch = samples * micro_batches, steps = 250;
constexpr int drawn = 1024, unseen = 128;  // images in all; those of them that are kept for the end

/// Image n: of kind n % 4, with a size, a place and noise of its own.
struct drawings {
  std::vector<float> images;
  std::vector<std::int32_t> kind;

  drawings() : images(drawn * side * side) {
    for (int n = 0; n < drawn; ++n) draw(n, images.data() + n * side * side);
  }
  void draw(int n, float* to) {
    const random_stream r{.seed = 7, .sample = static_cast<std::uint32_t>(n)};
    kind.push_back(n % kinds);
    const int reach = 2 + static_cast<int>(r.bits(0) % 2), room = side - 2 * reach;
    const int row = reach + static_cast<int>(r.bits(1) % static_cast<unsigned>(room)), column = reach + static_cast<int>(r.bits(2) % static_cast<unsigned>(room));
    for (int i = 0; i < side; ++i)
      for (int j = 0; j < side; ++j) {
        const int down = std::abs(i - row), across = std::abs(j - column);
        const bool inside = down <= reach && across <= reach;
        const bool black[kinds] = {down * down + across * across <= reach * reach, inside && (down == reach || across == reach), inside && (down == 0 || across == 0), inside && down == across};
        to[i * side + j] = (black[n % kinds] ? 1.0f : 0.0f) + 0.3f * (r.uniform(8 + i * side + j) - 0.5f);
      }
  }
  /// Of a training step, images in turn; of an evaluation, those that are left for it.
  static std::int64_t first_of(const data_share& s) { return (s.order == 0 ? s.step * batch % (drawn - unseen) : drawn - unseen) + s.micro_batch * samples; }
};

/// Looks at the scores of an evaluation.
struct judge {
  const drawings& all;
  int right = 0;

  static void look(void* with, const data_share& s, const stretto::tensor_view<const float, 2>& scores) {
    judge& j = *static_cast<judge*>(with);
    for (int i = 0; i < samples; ++i) {
      int best = 0;
      for (int k = 1; k < kinds; ++k) best = scores(i, k) > scores(i, best) ? k : best;
      j.right += best == j.all.kind[static_cast<std::size_t>(drawings::first_of(s) + i)];
    }
  }
};

int main() {
  const drawings all;
  judge j{all};
  const stretto::residual_shape shape{.height = side, .width = side, .channels = 1, .stages = {8, 16}, .blocks = 2, .classes = kinds, .samples = samples};
  // Every CPU of the architecture gives the same numbers without AVX.
  const auto model = stretto::residual_network<device, float>(shape, {.seed = 2, .queue = {.most = stretto::host::isa::portable}, .watcher = {judge::look, &j}});
  const stretto::cut cut = stretto::even_cut(stretto::layer_costs(shape), 4);
  std::printf("%d layers, %d parameters\n", model.size(), static_cast<int>(stretto::parameter_count(shape)));
  for (int rank = 0; rank < 4; ++rank) {
    std::printf("rank %d ", rank);
    for (int l = cut.first(rank); l < cut.last(rank); ++l) std::printf(" %s", model.note(l).name.letters);
    std::printf("\n");
  }

  stretto::pipeline p(model, cut, stretto::make_plan(stretto::one_f_one_b{}, {.ranks = 4, .micro_batches = micro_batches}), stretto::adamw{}, {.samples = samples});
  p.feed<float>("images", [&](const data_share& s) { return view<const float>{all.images.data() + drawings::first_of(s) * side * side, samples * side * side}; });
  p.feed<std::int32_t>("labels", [&](const data_share& s) { return view<const std::int32_t>{all.kind.data() + drawings::first_of(s), samples}; });
  const int evaluation = p.bind(stretto::make_plan(stretto::forward_only{}, {.ranks = 4, .micro_batches = unseen / samples}));
  for (int step = 0; step < steps; ++step) {
    p.optimizer().rate = 0.006 * (1 - static_cast<double>(step) / steps);  // slower and slower
    const double loss = p.step(batch).loss();
    if (step == 0 || step + 1 == steps) std::printf("step %3d  loss %.1f\n", step, loss);
  }
  p.run(evaluation, unseen).loss();
  std::printf("unseen images: %d of %d right\n", j.right, unseen);
}
