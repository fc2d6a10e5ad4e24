// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// expect: stretto: the plan has weight passes of their own, and a layer does its backward in one piece; give it backward_input and backward_weight, or bind the plan at run time with pipeline_options::merged_backward
//
// A constant plan with separate weight passes, and a layer that can't split its backward.
#include <stretto/run.hpp>

using namespace stretto;

struct split {
  static constexpr const char* name = "split";
  constexpr void order(const sizes& z, int rank, auto&& put) const {
    for (int m = 0; m < z.micro_batches; ++m) put(action::forward(rank, m)), put(action::backward_input(rank, m)), put(action::backward_weight(rank, m));
  }
};
struct only {
  using input = nothing;
  using output = double;
  std::vector<float> w{1}, g{0};
  void forward(context&, const nothing&, double& out) { out = 1; }
#ifdef STRETTO_COMPILE_FAIL_CONTROL
  void backward_input(context&, const nothing&, const double&, nothing&) {}
  void backward_weight(context&, const nothing&, const double&) {}
#else
  void backward(context&, const nothing&, const double&, nothing&) {}
#endif
  void parameters(parameter_list& visit) { visit("w", w, g); }
};

constexpr const auto& order = static_plan<split, ranks<1>, micro_batches<2>>;
double run() {
  auto p = make_pipeline<order>(sequential(layer<only>()), cut::of({1}));
  return p.step().loss();
}
