// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        nvcc -std=c++20 -O2 -arch=native -Iinclude examples/26_images_on_device.cu -lcublasLt -o images
// Prints:       how a residual network on two streams of a CUDA device learns to tell discs, frames and crosses apart, as
//               14_images.cpp does on the CPU, and how many of images that it hasn't seen it gets right. Without a device it says so.
// Change next:  the stages' widths; float to stretto::bf16; the order, to zb_h1{}: the losses stay as they are, to the bit.
#include <cmath>
#include <cstdio>
#include <vector>

#include <stretto/cuda.cuh>
#include <stretto/model/residual_network.hpp>
#include <stretto/run.hpp>
#include <stretto/transport/cuda_streams.hpp>

using namespace stretto;

constexpr int side = 12, kinds = 4, samples = 8, parts = 4, batch = samples * parts, steps = 250;
constexpr int drawn = 1024, unseen = 128;  // images in all; those of them that are kept for the end

/// Image n: of kind n % 4, with a size, a place and noise of its own.
void draw(int n, float* to) {
  const random_stream r{.seed = 7, .sample = static_cast<std::uint32_t>(n)};
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
int first_of(const data_share& s) { return (s.order == 0 ? static_cast<int>(s.step) * batch % (drawn - unseen) : drawn - unseen) + s.micro_batch * samples; }

/// Looks at the scores of an evaluation, which are brought to the CPU for that.
void look(void* right, const data_share& s, const tensor_view<const float, 2>& scores) {
  for (int i = 0; i < samples; ++i) {
    int best = 0;
    for (int k = 1; k < kinds; ++k) best = scores(i, k) > scores(i, best) ? k : best;
    *static_cast<int*>(right) += best == (first_of(s) + i) % kinds;
  }
}

int main() {
  if (cuda::runtime::devices() == 0) return std::printf("there is no CUDA device here\n"), 0;
  std::vector<float> images(drawn * side * side);
  std::vector<std::int32_t> kind;
  for (int n = 0; n < drawn; ++n) draw(n, images.data() + n * side * side), kind.push_back(n % kinds);

  int right = 0;
  const residual_shape shape{.height = side, .width = side, .channels = 1, .stages = {8, 16}, .blocks = 2, .classes = kinds, .samples = samples};
  const auto model = residual_network<cuda::device, float>(shape, {.seed = 2, .watcher = {look, &right}});
  cuda_streams t(2);
  pipeline p(t, model, even_cut(layer_costs(shape), 2), make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = parts}), cuda::optimizer{adamw_options{}}, {.samples = samples});
  p.feed<float>("images", [&](const data_share& s) { return view<const float>{images.data() + first_of(s) * side * side, samples * side * side}; });
  p.feed<std::int32_t>("labels", [&](const data_share& s) { return view<const std::int32_t>{kind.data() + first_of(s), samples}; });
  const int evaluation = p.bind(make_plan(forward_only{}, {.ranks = 2, .micro_batches = unseen / samples}));
  for (int step = 0; step < steps; ++step) {
    p.optimizer().rate = 0.006 * (1 - static_cast<double>(step) / steps);
    const double loss = p.step(batch).loss();
    if (step == 0 || step + 1 == steps) std::printf("step %3d  loss %.2f\n", step, loss);
  }
  p.run(evaluation, unseen).loss();
  std::printf("unseen images: %d of %d right\n", right, unseen);
  return right > unseen * 9 / 10 ? 0 : 1;
}
