// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/13_gpt.cpp -o small_gpt
// Prints:       how a small GPT learns to count in words of its own on four ranks, under a zero-bubble schedule on a V, what
//               memory each rank needs for it, and whether one rank gets the same losses.
// Change next:  gpt2_shape to llama_shape, the schedule, float to stretto::bf16; or take the program gpt, which reads text.
#include <cmath>
#include <cstdio>
#include <vector>

#include <stretto/model.hpp>
#include <stretto/run.hpp>

using namespace stretto;

constexpr int batches = 8;

/// Ten layers of width 32 on sequences of 16 tokens.
transformer_shape sizes_of_it() {
  transformer_shape s = gpt2_shape(4, 32, 4, 24, 16);
  s.samples = 2;
  return s;
}

/// Sequences that go on by a step of their own: 3 5 7 9 …, 20 23 2 5 ….
std::vector<std::int32_t> sequences(const transformer_shape& s, int step) {
  std::vector<std::int32_t> all;
  for (int n = 0; n < batches * static_cast<int>(s.samples); ++n) {
    const random_stream drawn{.seed = 7, .step = static_cast<std::uint32_t>(step), .sample = static_cast<std::uint32_t>(n)};
    const auto begin = static_cast<std::int32_t>(drawn.bits(0) % 24), by = static_cast<std::int32_t>(1 + drawn.bits(1) % 3);
    for (std::int32_t i = 0; i <= s.sequence; ++i) all.push_back((begin + i * by) % 24);
  }
  return all;
}

std::vector<double> train(const plan& order, bool print) {
  const transformer_shape s = sizes_of_it();
  // What AVX-512 and others give differs in the last bits; this one is printed alike everywhere.
  const auto model = transformer<host::device, float>(s, {.seed = 1, .queue = {.most = host::isa::portable}});
  const cut stages = even_cut(layer_costs(s), order.stages);
  if (print) {
    const dry_report memory = dry_run(model, stages, order, {.states = adamw::states});
    for (std::size_t r = 0; r < memory.ranks.size(); ++r)
      std::printf("rank %d  weights and gradients %3.0f KiB  optimizer %3.0f KiB  micro-batches %3.0f KiB\n", static_cast<int>(r), static_cast<double>(memory.ranks[r].parameters) / 1024,
                  static_cast<double>(memory.ranks[r].optimizer) / 1024, static_cast<double>(memory.ranks[r].kept) / 1024);
  }
  pipeline p(model, stages, order, adamw{.rate = 0.003}, {.samples = s.samples, .clip = 1});
  std::vector<std::int32_t> inputs, labels;
  p.feed<std::int32_t>("tokens", [&](const data_share& d) { return view<const std::int32_t>{inputs.data() + d.first_sample * s.sequence, s.rows()}; });
  p.feed<std::int32_t>("labels", [&](const data_share& d) { return view<const std::int32_t>{labels.data() + d.first_sample * s.sequence, s.rows()}; });
  std::vector<double> losses;
  for (int step = 0; step < 60; ++step) {
    inputs.clear(), labels.clear();
    const std::vector<std::int32_t> all = sequences(s, step);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto place = static_cast<std::int64_t>(i) % (s.sequence + 1);
      if (place < s.sequence) inputs.push_back(all[i]);
      if (place > 0) labels.push_back(all[i]);
    }
    losses.push_back(p.step(static_cast<double>(batches * s.rows())).loss());
    if (print && step % 20 == 0) std::printf("step %2d  loss %.2f\n", step, losses.back());
  }
  return losses;
}

int main() {
  const auto four = train(make_plan(zb_v{}, {.ranks = 4, .micro_batches = batches}), true);
  const auto one = train(make_plan(gpipe{}, {.ranks = 1, .micro_batches = batches}), false);
  std::printf("step 59  loss %.2f\none rank, the same losses to the bit: %s\n", four.back(), four == one ? "yes" : "no");
}
