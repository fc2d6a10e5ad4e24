// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/17_resume.cpp -o resume
// Prints:       losses of eight steps in one go, on one rank; then of three steps on two ranks, and of five more that go on from
//               their checkpoint on four ranks, by another schedule; and whether all weights have the same bits.
// Change next:  the schedules, or the ranks: the weights stay the same. Or forget .first_step, and see what dropout does.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include <stretto/model.hpp>
#include <stretto/run.hpp>
#include <stretto/train/checkpoint.hpp>

using namespace stretto;

constexpr int batches = 8, last = 8;

const perceptron_shape net{.inputs = 6, .width = 24, .layers = 6, .outputs = 3, .dropout = 0.1, .samples = 4};
// What AVX-512 and others give differs in the last bits; this one is printed alike everywhere.
const auto network = perceptron<host::device, float>(net, {.seed = 1, .queue = {.most = host::isa::portable}});

/// Points, and which of three sorts each is.
struct points {
  std::vector<float> inputs;
  std::vector<std::int32_t> labels;
  points() {
    for (int i = 0; i < batches * net.samples; ++i) {
      float sum = 0;
      for (int k = 0; k < net.inputs; ++k) inputs.push_back(2 * random_stream{.seed = 3}.uniform(i * net.inputs + k) - 1), sum += inputs.back();
      labels.push_back(sum < -0.7f ? 0 : sum < 0.7f ? 1 : 2);
    }
  }
};
const points data;

/// Trains from the last checkpoint, or from the beginning, up to a step; saves there; gives the weights.
std::vector<float> train(const plan& order, checkpoints& saves, int until) {
  const std::vector<std::int64_t> saved = saves.steps();
  const std::int64_t first = saved.empty() ? 0 : saved.front();
  pipeline p(network, even_cut(layer_costs(net), order.stages), order, adamw{.rate = 0.01}, {.seed = 7, .samples = net.samples, .first_step = first, .clip = 1});
  p.feed<float>("inputs", [](const data_share& d) { return view<const float>{&data.inputs[static_cast<std::size_t>(d.first_sample * net.inputs)], net.samples * net.inputs}; });
  p.feed<std::int32_t>("labels", [](const data_share& d) { return view<const std::int32_t>{&data.labels[static_cast<std::size_t>(d.first_sample)], net.samples}; });
  const checkpoint_contents all{.weights = entries_of(p.parameters()), .optimizer = state_entries_of(p.parameters())};
  if (first > 0) saves.open_latest().load(all), p.weights_changed();
  for (std::int64_t step = first; step < until; ++step) std::printf(" %.6f", p.step(static_cast<double>(batches * net.samples)).loss());
  std::printf("\n");
  p.finish();
  saves.save(until, all);
  std::vector<float> weights;
  for (const parameter& one : p.parameters()) weights.insert(weights.end(), static_cast<const float*>(one.value), static_cast<const float*>(one.value) + one.count);
  return weights;
}

int main() {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "stretto_resume";
  std::filesystem::remove_all(folder);
  checkpoints whole((folder / "whole").string()), parts((folder / "parts").string());

  std::printf("gpipe on 1 rank\n");
  const auto expected = train(make_plan(gpipe{}, {.ranks = 1, .micro_batches = batches}), whole, last);
  std::printf("1f1b on 2 ranks\n");
  train(make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = batches}), parts, 3);
  std::printf("zb_v on 4 ranks\n                           ");
  const auto weights = train(make_plan(zb_v{}, {.ranks = 4, .micro_batches = batches}), parts, last);

  const bool same = weights.size() == expected.size() && std::memcmp(weights.data(), expected.data(), weights.size() * sizeof(float)) == 0;
  std::printf("%d weights have the same bits: %s\n", static_cast<int>(weights.size()), same ? "yes" : "no");
  std::filesystem::remove_all(folder);
  return same ? 0 : 1;
}
