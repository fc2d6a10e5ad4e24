// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What simulate foretells of a step, from what passes took in other steps: of the same ranks, or of one rank alone on which
// each layer was a stage.
//
//     foretold_by_itself(t, seen)                       costs: the means of t's own passes
//     foretold_by_layers(t, layers, seen, whole, …)     costs of a stage: the sum over its layers; of an update: the share of
//                                                       the numbers that the rank steps
#pragma once

#include <vector>

#include <stretto/plan/simulate.hpp>
#include <stretto/run/measured.hpp>

#include "training.hpp"

namespace bench {

/// What each entry took on average over some steps.
inline recording mean_of(const std::vector<const recording*>& steps) {
  recording mean;
  mean.starts.assign(steps.at(0)->starts.size(), 0.0);
  mean.ends = mean.waits = mean.starts;
  for (const recording* r : steps)
    for (std::size_t i = 0; i < r->ends.size(); ++i) mean.ends[i] += (r->ends[i] - r->starts[i]) / static_cast<double>(steps.size());
  return mean;
}

inline double foretold_by_itself(const trained& t, const std::vector<const recording*>& steps) {
  return simulate(t.passes(), mean_costs(t.passes(), mean_of(steps))).makespan;
}

/// `layers`: a pipeline of one rank with a stage a layer; `whole`: one of one rank and one stage, for what a rank does once a step.
inline double foretold_by_layers(const trained& t, const trained& layers, const std::vector<const recording*>& of_layers, const trained& whole, const std::vector<const recording*>& of_whole) {
  costs c(0, 0, 0);
  for (double& p : c.pass) p = 0;
  std::vector<double> sums(static_cast<std::size_t>(t.stages().stages()) * graph::max_passes, 0.0);
  for (const costs::special& s : mean_costs(layers.passes(), mean_of(of_layers)).specials)
    if (s.of == scope::stage) sums[static_cast<std::size_t>(t.stages().stage_of(s.index)) * graph::max_passes + static_cast<std::size_t>(s.pass)] += s.cost;
  for (int stage = 0; stage < t.stages().stages(); ++stage)
    for (int p = 0; p < graph::max_passes; ++p)
      if (const double cost = sums[static_cast<std::size_t>(stage) * graph::max_passes + static_cast<std::size_t>(p)]; cost > 0) c.specials.push_back({scope::stage, stage, static_cast<pass_id>(p), cost});
  const std::vector<double> stepped = t.stepped_of();
  const double all = whole.stepped_of()[0];
  for (const costs::special& s : mean_costs(whole.passes(), mean_of(of_whole)).specials)
    for (int r = 0; s.of == scope::rank && r < t.ranks(); ++r) c.specials.push_back({scope::rank, r, s.pass, s.cost * stepped[static_cast<std::size_t>(r)] / all});
  return simulate(t.passes(), c).makespan;
}

}  // namespace bench
