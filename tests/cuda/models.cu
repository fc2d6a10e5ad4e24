// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A bundled model on a CUDA device that isn't there, trained over streams under every schedule on one to four ranks. Every
// launch, copy and event is looked at: what isn't waited for is printed, and the program ends with 1. Which model is said
// when it is compiled: -DSTRETTO_MODEL_gpt, _llama, _normed (a Llama whose heads are normed), _perceptron, _numbers, _residual or
// _translation.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <stretto/cuda.cuh>
#include <stretto/cuda/checked.hpp>
#include <stretto/model/perceptron.hpp>
#include <stretto/model/residual_network.hpp>
#include <stretto/model/transformer.hpp>
#include <stretto/model/translation.hpp>
#include <stretto/run.hpp>
#include <stretto/schedule.hpp>
#include <stretto/transport/stream_ranks.hpp>

using namespace stretto;
using cuda::checked;
using device = cuda::basic_device<checked>;

namespace {

/// A feed of so many equal numbers.
template <class T>
struct feed_of {
  const char* name;
  std::int64_t count;
  T each;
};

/// Trains for two steps; how many faults there were.
template <class Model, class... Feeds>
int faults_of(const plan& order, const Model& model, const cut& where, std::int64_t samples, std::int64_t counted, std::uint32_t seed, const Feeds&... feeds) {
  checked::begin({.seed = seed});
  {
    stream_ranks<checked> t(order.ranks, {.deadline = 60});
    const cuda::basic_optimizer<checked, adamw_options> steps{};
    pipeline p(t, model, where, order, steps, {.samples = samples, .clip = 1.0});
    const auto give = [&](const auto& feed) {
      using T = std::remove_const_t<decltype(feed.each)>;
      p.template feed<T>(feed.name, [all = std::vector<T>(static_cast<std::size_t>(feed.count), feed.each)](const data_share&) {
        return view<const T>{all.data(), static_cast<std::int64_t>(all.size())};
      });
    };
    (give(feeds), ...);
    for (int i = 0; i < 2; ++i) p.step(static_cast<double>(counted * order.micro_batches)).loss();
    p.finish();
  }
  const std::vector<std::string> all = checked::finish();
  for (const std::string& fault : all) std::printf("%s, %d ranks: %s\n", std::string(order.name.str()).c_str(), order.ranks, fault.c_str());
  return static_cast<int>(all.size());
}

/// make(): the model; counted: what a loss is a mean over.
template <class Shape, class Make, class... Feeds>
int under_all_schedules(const Shape& s, Make&& make, std::int64_t counted, const Feeds&... feeds) {
  int faults = 0, plans = 0;
  all_schedules::each([&](auto schedule) {
    for (int ranks = 1; ranks <= 4; ++ranks) {
      const sizes z{.ranks = ranks, .micro_batches = 4, .chunks = takes_chunks<decltype(schedule)>() && ranks < 4 ? 2 : 1};
      if (refuses(schedule, z)) continue;
      const plan order = make_plan(schedule, z);
      if (!order.passes.has(pass::backward_weight) || order.stages > static_cast<int>(layer_costs(s).size())) continue;
      faults += faults_of(order, make(), even_cut(layer_costs(s), order.stages), s.samples, counted, static_cast<std::uint32_t>(plans++), feeds...);
    }
  });
  std::printf("%d plans, %d faults\n", plans, faults);
  return faults > 0 || plans < 30 ? 1 : 0;
}

template <class Options>
Options on_little_memory(Options o) {
  o.queue.scratch_bytes = 1 << 20, o.queue.upload_bytes = 4096;
  return o;
}

}  // namespace

#if defined(STRETTO_MODEL_gpt) || defined(STRETTO_MODEL_llama) || defined(STRETTO_MODEL_normed)

int main() {
#ifdef STRETTO_MODEL_gpt
  using T = float;
  transformer_shape s = gpt2_shape(3, 32, 2, 64, 16);
  s.dropout = s.attention_dropout = 0.1;
#else
  using T = bf16;
  transformer_shape s = llama_shape(3, 32, 4, 2, 64, 64, 16);
#ifdef STRETTO_MODEL_normed
  s.head_norm = true;
#endif
#endif
  s.samples = 2, s.sequence = 8;
  const auto make = [&] { return transformer<device, T>(s, on_little_memory(transformer_options<device, T>{})); };
  return under_all_schedules(s, make, s.rows(), feed_of<std::int32_t>{"tokens", s.rows(), 3}, feed_of<std::int32_t>{"labels", s.rows(), 3});
}

#elif defined(STRETTO_MODEL_perceptron)

int main() {
  const perceptron_shape s{.inputs = 12, .width = 16, .layers = 6, .outputs = 3, .kind = activation::relu, .normed = true, .dropout = 0.1, .samples = 4};
  const auto make = [&] { return perceptron<device, float>(s, on_little_memory(perceptron_options<device, float>{})); };
  return under_all_schedules(s, make, s.samples, feed_of<float>{"inputs", s.samples * s.inputs, 0.5f}, feed_of<std::int32_t>{"labels", s.samples, 1});
}

#elif defined(STRETTO_MODEL_numbers)

int main() {
  const perceptron_shape s{.inputs = 12, .width = 16, .layers = 6, .outputs = 3, .loss = loss_kind::squared_error, .samples = 4};
  const auto make = [&] { return perceptron<device, bf16>(s, on_little_memory(perceptron_options<device, bf16>{})); };
  return under_all_schedules(s, make, s.samples, feed_of<float>{"inputs", s.samples * s.inputs, 0.5f}, feed_of<float>{"targets", s.samples * s.outputs, 0.25f});
}

#elif defined(STRETTO_MODEL_residual)

int main() {
  const residual_shape s{.height = 6, .width = 5, .channels = 3, .stages = {8, 16}, .blocks = 2, .classes = 3, .dropout = 0.1, .samples = 2};
  const auto make = [&] { return residual_network<device, bf16>(s, on_little_memory(residual_options<device, bf16>{})); };
  return under_all_schedules(s, make, s.samples, feed_of<float>{"images", s.images().count(), 0.5f}, feed_of<std::int32_t>{"labels", s.samples, 1});
}

#elif defined(STRETTO_MODEL_translation)

int main() {
  const translation_shape s{.source_vocabulary = 40, .target_vocabulary = 48, .source_tokens = 6, .target_tokens = 5, .width = 32, .encoder_layers = 1, .decoder_layers = 1, .heads = 2, .dropout = 0.1,
                            .samples = 2};
  const auto make = [&] { return translation<device, float>(s, on_little_memory(translation_options<device, float>{})); };
  const std::int64_t targets = s.samples * s.target_tokens;
  return under_all_schedules(s, make, targets, feed_of<std::int32_t>{"source", s.samples * s.source_tokens, 3}, feed_of<std::int32_t>{"source_lengths", s.samples, 4},
                             feed_of<std::int32_t>{"target", targets, 5}, feed_of<std::int32_t>{"labels", targets, 7});
}

#endif
