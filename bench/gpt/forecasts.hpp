// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What simulate foretells of a step, from what passes took in other steps: of the same ranks, or of one rank alone on which
// each layer was a stage.
//
//     foretold_by_itself(t, seen)                       costs: of t's own passes
//     foretold_by_layers(t, layers, seen, whole, …)     costs of a stage: the sum over its layers; of an update: the share of
//                                                       the numbers that the rank steps
#pragma once

#include <algorithm>
#include <vector>

#include <stretto/plan/simulate.hpp>
#include <stretto/run/measured.hpp>

#include "training.hpp"

namespace bench {

inline double median(std::vector<double> v) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  return v.size() % 2 == 1 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
}

/// What each entry took: its median over some steps, so that a disturbed one doesn't count.
inline recording typical(const std::vector<const recording*>& steps) {
  recording all;
  all.starts.assign(steps.at(0)->starts.size(), 0.0);
  all.ends = all.waits = all.starts;
  std::vector<double> took(steps.size());
  for (std::size_t i = 0; i < all.ends.size(); ++i) {
    for (std::size_t k = 0; k < steps.size(); ++k) took[k] = steps[k]->ends[i] - steps[k]->starts[i];
    all.ends[i] = median(took);
  }
  return all;
}

inline double foretold_by_itself(const trained& t, const std::vector<const recording*>& steps) {
  return simulate(t.passes(), mean_costs(t.passes(), typical(steps))).makespan;
}

/// `layers`: a pipeline of one rank with a stage a layer; `whole`: one of one rank and one stage, for what a rank does once a step.
inline double foretold_by_layers(const trained& t, const trained& layers, const std::vector<const recording*>& of_layers, const trained& whole, const std::vector<const recording*>& of_whole) {
  costs c(0, 0, 0);
  for (double& p : c.pass) p = 0;
  std::vector<double> sums(static_cast<std::size_t>(t.stages().stages()) * graph::max_passes, 0.0);
  for (const costs::special& s : mean_costs(layers.passes(), typical(of_layers)).specials)
    if (s.of == scope::stage) sums[static_cast<std::size_t>(t.stages().stage_of(s.index)) * graph::max_passes + static_cast<std::size_t>(s.pass)] += s.cost;
  for (int stage = 0; stage < t.stages().stages(); ++stage)
    for (int p = 0; p < graph::max_passes; ++p)
      if (const double cost = sums[static_cast<std::size_t>(stage) * graph::max_passes + static_cast<std::size_t>(p)]; cost > 0) c.specials.push_back({scope::stage, stage, static_cast<pass_id>(p), cost});
  const std::vector<double> stepped = t.stepped_of();
  const double all = whole.stepped_of()[0];
  for (const costs::special& s : mean_costs(whole.passes(), typical(of_whole)).specials)
    for (int r = 0; s.of == scope::rank && r < t.ranks(); ++r) c.specials.push_back({scope::rank, r, s.pass, s.cost * stepped[static_cast<std::size_t>(r)] / all});
  return simulate(t.passes(), c).makespan;
}

}  // namespace bench
