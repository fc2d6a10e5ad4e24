// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        nvcc -std=c++20 -O2 -arch=native -Iinclude examples/24_device.cu -lcublasLt -o device
// Prints:       how a small GPT learns to count in words of its own, as 13_gpt.cpp does, on four streams of a CUDA device, and
//               whether one rank gets the same losses; device.html shows when the device did what. Without a device it says so.
// Change next:  the model, to llama_shape; bf16 to float; the ranks' devices: cuda_streams t(4, {}, {.devices = {0, 0, 1, 1}}).
#include <cmath>
#include <cstdio>
#include <vector>

#include <stretto/cuda.cuh>
#include <stretto/draw/html.hpp>
#include <stretto/model/transformer.hpp>
#include <stretto/run.hpp>
#include <stretto/run/measured.hpp>
#include <stretto/train/file.hpp>
#include <stretto/transport/cuda_streams.hpp>

using namespace stretto;

constexpr int batches = 8;

transformer_shape sizes_of_it() {
  transformer_shape s = gpt2_shape(4, 64, 4, 24, 16);
  s.samples = 8;
  return s;
}

/// Sequences that go on by a step of their own: 3 5 7 9 …, 20 23 2 5 ….
std::vector<std::int32_t> sequences(const transformer_shape& s, std::int64_t step, std::int64_t from) {
  std::vector<std::int32_t> all;
  for (std::int64_t n = 0; n < batches * s.samples; ++n) {
    const random_stream drawn{.seed = 7, .step = static_cast<std::uint32_t>(step), .sample = static_cast<std::uint32_t>(n)};
    const auto begin = static_cast<std::int32_t>(drawn.bits(0) % 24), by = static_cast<std::int32_t>(1 + drawn.bits(1) % 3);
    for (std::int64_t i = from; i < from + s.sequence; ++i) all.push_back((begin + static_cast<std::int32_t>(i) * by) % 24);
  }
  return all;
}

std::vector<double> train(const plan& order, bool print) {
  const transformer_shape s = sizes_of_it();
  // 1. The device is the model's first template argument; layers, weights and what is kept of a micro-batch lie in its memory.
  const auto model = transformer<cuda::device, bf16>(s, {.seed = 1});
  // 2. A rank is a stream. The optimizer works where the weights are.
  cuda_streams t(order.ranks);
  pipeline p(t, model, even_cut(layer_costs(s), order.stages), order, cuda::optimizer{adamw_options{.rate = 0.003}}, {.samples = s.samples, .clip = 1});
  // 3. Feeds give numbers of the CPU; layers upload them.
  std::vector<std::int32_t> inputs, labels;
  p.feed<std::int32_t>("tokens", [&](const data_share& d) { return view<const std::int32_t>{inputs.data() + d.first_sample * s.sequence, s.rows()}; });
  p.feed<std::int32_t>("labels", [&](const data_share& d) { return view<const std::int32_t>{labels.data() + d.first_sample * s.sequence, s.rows()}; });
  std::vector<double> losses;
  for (int step = 0; step < 60; ++step) {
    inputs = sequences(s, step, 0), labels = sequences(s, step, 1);
    auto h = p.step(static_cast<double>(batches * s.rows()));  // a rank's thread puts all passes on its stream, and waits once
    losses.push_back(h.loss());
    if (print && step % 20 == 0) std::printf("step %2d  loss %.2f\n", step, losses.back());
    if (print && step == 59) {  // foretold from the mean cost of each pass, and as the device did it
      const recording r = h.measured();
      const timeline foretold = make_timeline(p.steps(), mean_costs(p.steps(), r), holding(), {.unit = "s"}), measured = make_timeline(p.steps(), r);
      replace_file("device.html", to_html(foretold, &measured));
    }
  }
  return losses;
}

int main() {
  if (cuda::runtime::devices() == 0) return std::printf("there is no CUDA device here\n"), 0;
  const auto four = train(make_plan(zb_v{}, {.ranks = 4, .micro_batches = batches}), true);
  const auto one = train(make_plan(gpipe{}, {.ranks = 1, .micro_batches = batches}), false);
  std::printf("step 59  loss %.2f\none rank, the same losses to the bit: %s\n", four.back(), four == one ? "yes" : "no");
  return four == one && four.back() < four.front() ? 0 : 1;
}
