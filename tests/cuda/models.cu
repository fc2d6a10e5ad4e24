// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A Transformer on a CUDA device that isn't there, trained over streams under every schedule on one to four
// ranks. Every launch, copy and event is looked at: what isn't waited for is printed, and the program ends with 1.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <stretto/cuda.cuh>
#include <stretto/cuda/checked.hpp>
#include <stretto/model/transformer.hpp>
#include <stretto/run.hpp>
#include <stretto/schedule.hpp>
#include <stretto/transport/stream_ranks.hpp>

using namespace stretto;
using cuda::checked;
using device = cuda::basic_device<checked>;

namespace {

/// Trains for two steps; how many faults there were.
template <class T>
int faults_of(const plan& order, const transformer_shape& s, std::uint32_t seed) {
  checked::begin({.seed = seed});
  {
    stream_ranks<checked> t(order.ranks, {.deadline = 60});
    transformer_options<device, T> o;
    o.queue.scratch_bytes = 1 << 20, o.queue.upload_bytes = 4096;
    const cuda::basic_optimizer<checked, adamw_options> steps{};
    pipeline p(t, transformer<device, T>(s, o), even_cut(layer_costs(s), order.stages), order, steps, {.samples = s.samples, .clip = 1.0});
    const std::vector<std::int32_t> tokens(static_cast<std::size_t>(s.rows()), 3);
    const auto given = [&](const data_share&) { return view<const std::int32_t>{tokens.data(), s.rows()}; };
    p.template feed<std::int32_t>("tokens", given);
    p.template feed<std::int32_t>("labels", given);
    for (int i = 0; i < 2; ++i) p.step(static_cast<double>(s.rows() * order.micro_batches)).loss();
    p.finish();
  }
  const std::vector<std::string> all = checked::finish();
  for (const std::string& fault : all) std::printf("%s, %d ranks: %s\n", std::string(order.name.str()).c_str(), order.ranks, fault.c_str());
  return static_cast<int>(all.size());
}

template <class T>
int under_all_schedules(const transformer_shape& s) {
  int faults = 0, plans = 0;
  all_schedules::each([&](auto schedule) {
    for (int ranks = 1; ranks <= 4; ++ranks) {
      const sizes z{.ranks = ranks, .micro_batches = 4, .chunks = takes_chunks<decltype(schedule)>() && ranks < 4 ? 2 : 1};
      if (refuses(schedule, z)) continue;
      const plan order = make_plan(schedule, z);
      if (!order.passes.has(pass::backward_weight) || order.stages > static_cast<int>(layer_costs(s).size())) continue;
      faults += faults_of<T>(order, s, static_cast<std::uint32_t>(plans++));
    }
  });
  std::printf("%d plans, %d faults\n", plans, faults);
  return faults > 0 || plans < 30 ? 1 : 0;
}

}  // namespace

int main() {
  transformer_shape s = STRETTO_LLAMA ? llama_shape(3, 32, 4, 2, 64, 64, 16) : gpt2_shape(3, 32, 2, 64, 16);
  s.samples = 2, s.sequence = 8;
  if (!STRETTO_LLAMA) s.dropout = s.attention_dropout = 0.1;
  return under_all_schedules<std::conditional_t<STRETTO_LLAMA, bf16, float>>(s);
}
