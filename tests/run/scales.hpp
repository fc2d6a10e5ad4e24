// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The smallest layers of a model whose loss and gradients one can write down: micro-batch + 1, times 3 and times 3, added up.
#pragma once

#include <vector>

#include <stretto/run.hpp>

namespace scales {

using namespace stretto;

inline plan plan_of(int ranks, int micro_batches) { return make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = micro_batches}); }

template <class P>
float gradient_of_parameter(P& p, std::size_t i) { return *static_cast<const float*>(p.parameters()[i].gradient); }

/// Gives micro-batch + 1.
struct counter {
  using input = nothing;
  using output = float;
  void forward(context& c, const nothing&, float& out) { out = static_cast<float>(c.share.micro_batch + 1); }
  void backward_input(context&, const nothing&, const float&, nothing&) {}
};
struct scale {
  using input = float;
  using output = float;
  std::vector<float> w{3}, g{0};
  void forward(context&, const float& in, float& out) { out = w[0] * in; }
  void backward_input(context&, const float&, const float& dy, float& dx) { dx = w[0] * dy; }
  void backward_weight(context&, const float& in, const float& dy) { g[0] += in * dy; }
  void parameters(auto&& visit) { visit("w", w, g); }
};
struct total {
  using input = float;
  using output = double;
  void forward(context&, const float& in, double& out) { out = static_cast<double>(in); }
  void backward_input(context&, const float&, const double& dy, float& dx) { dx = static_cast<float>(dy); }
};
/// The same with one backward for both.
struct merged_scale {
  using input = float;
  using output = float;
  std::vector<float> w{3}, g{0};
  void forward(context&, const float& in, float& out) { out = w[0] * in; }
  void backward(context&, const float& in, const float& dy, float& dx) { dx = w[0] * dy, g[0] += in * dy; }
  void parameters(auto&& visit) { visit("w", w, g); }
};

}  // namespace scales
