// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tests of bundled models share: numbers to feed, plans of many kinds, and what training by one comes to.
#pragma once

#include <string>
#include <vector>

#include <stretto/run.hpp>

namespace outcomes {

inline constexpr int micro_batches = 4;

/// Numbers between -1 and 1.
inline std::vector<float> numbers(std::int64_t count, std::uint32_t seed) {
  std::vector<float> all;
  for (std::int64_t i = 0; i < count; ++i) all.push_back(2 * stretto::random_stream{.seed = seed}.uniform(i) - 1);
  return all;
}
/// From `first` on, fewer than `below`.
inline std::vector<std::int32_t> choices(std::int64_t count, std::uint32_t seed, std::int32_t first, std::int32_t below) {
  std::vector<std::int32_t> all;
  for (std::int64_t i = 0; i < count; ++i)
    all.push_back(first + static_cast<std::int32_t>(stretto::random_stream{.seed = seed}.bits(i) % static_cast<std::uint32_t>(below - first)));
  return all;
}

/// A feed of the samples of a micro-batch, `each` numbers a sample. `all` outlives it.
template <class T>
auto share_of(const std::vector<T>& all, std::int64_t each, std::int64_t samples) {
  return [&all, each, samples](const stretto::data_share& d) {
    return stretto::view<const T>{all.data() + d.first_sample % (micro_batches * samples) * each, samples * each};
  };
}

/// Losses and norms of steps, and all parameters behind them.
template <class Pipeline>
std::vector<double> after(Pipeline& p, double normalizer, int steps = 3) {
  std::vector<double> all;
  for (int step = 0; step < steps; ++step) {
    auto h = p.step(normalizer);
    all.push_back(h.loss()), all.push_back(h.norm());
  }
  p.finish();
  for (const stretto::parameter& q : p.parameters())
    for (std::int64_t i = 0; i < q.count; ++i)
      all.push_back(q.type == stretto::number_type::float64 ? static_cast<const double*>(q.value)[i] : static_cast<double>(static_cast<const float*>(q.value)[i]));
  return all;
}

/// Calls visit(plan, its name and ranks) for plans of 1, 2 and 4 ranks, with and without weight passes of their own.
template <class Visit>
void each_plan(int layers, Visit&& visit) {
  using namespace stretto;
  const auto one = [&](auto schedule, int ranks, int chunks) {
    const sizes z{.ranks = ranks, .micro_batches = micro_batches, .chunks = chunks};
    if (ranks * chunks <= layers) visit(make_plan(schedule, z), std::string(schedule.name) + " of " + std::to_string(ranks));
  };
  for (const int ranks : {1, 2, 4}) {
    one(gpipe{}, ranks, 1), one(one_f_one_b{}, ranks, 1), one(zb_h1{}, ranks, 1);
    one(interleaved_one_f_one_b{}, ranks, 2), one(zb_v{}, ranks, 2);
  }
}

/// The numbers of parameters that a pipeline has, one for each tied one.
template <class Pipeline>
std::int64_t parameters_of(const Pipeline& p) {
  std::int64_t sum = 0;
  std::vector<stretto::label> ties;
  for (const stretto::parameter& q : p.parameters()) {
    bool known = false;
    for (const stretto::label& t : ties) known = known || t == q.tie;
    if (!q.tie.empty() && !known) ties.push_back(q.tie);
    sum += known ? 0 : q.count;
  }
  return sum;
}

}  // namespace outcomes
