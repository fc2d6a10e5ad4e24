// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// make_pipeline: a pipeline of a plan that is a constant. What the model can't do for it is refused when this compiles.
//
//     constexpr const auto& order = static_plan<one_f_one_b, ranks<4>, micro_batches<8>>;
//     auto p = make_pipeline<order>(model, cut::of({3, 3, 3, 3}), adamw{});
//     auto q = make_pipeline<order>(transport, model, cut::of({3, 3, 3, 3}));
#pragma once

#include <stretto/run/pipeline.hpp>

namespace stretto::inline v0 {

namespace detail {

template <const auto& Plan, class Model>
constexpr bool fits_constant() {
  constexpr bool fits = (used_passes(Plan) >> pass::backward_weight & 1) == 0 || Model::splits;
  static_assert(fits,
                "stretto: the plan has weight passes of their own, and a layer does its backward in one piece; give it backward_input and backward_weight, or bind the plan at run time with pipeline_options::merged_backward");
  return fits;
}

}  // namespace detail

template <const auto& Plan, class Model, class Optimizer = sgd>
auto make_pipeline(const Model& m, const cut& layers_of, const Optimizer& optimizer = {}, const pipeline_options& how = {}) {
  static_assert(detail::fits_constant<Plan, Model>());
  return pipeline<Model, Optimizer>(m, layers_of, Plan, optimizer, how);
}

/// Over a transport of yours.
template <const auto& Plan, transport Transport, class Model, class Optimizer = sgd>
auto make_pipeline(Transport& over, const Model& m, const cut& layers_of, const Optimizer& optimizer = {}, const pipeline_options& how = {}) {
  static_assert(detail::fits_constant<Plan, Model>());
  return pipeline<Model, Optimizer, Transport>(over, m, layers_of, Plan, optimizer, how);
}

}  // namespace stretto::inline v0
