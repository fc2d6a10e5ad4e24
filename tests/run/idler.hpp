// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layers with one weight that do nothing: for tests of what is recorded of a run.
#pragma once

#include <vector>

#include <stretto/stage/model.hpp>

namespace idle {

using namespace stretto;

template <class In, class Out>
struct idler {
  using input = In;
  using output = Out;
  std::vector<float> w{1}, g{0};
  void forward(context&, const In&, Out& out) { out = 1; }
  void backward_input(context&, const In&, const Out&, gradient_of<In>&) {}
  void backward_weight(context&, const In&, const Out&) {}
  void parameters(auto&& visit) { visit("w", w, g); }
};

/// Four of them, from nothing to a loss.
inline auto layers() { return sequential(layer<idler<nothing, float>>(), repeat<idler<float, float>>(2), layer<idler<float, double>>()); }

}  // namespace idle
