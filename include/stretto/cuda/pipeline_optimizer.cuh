// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The optimizer of a pipeline whose layers are on a CUDA device: optimizer.cuh, as run/rank_update.hpp asks for it.
//
//     pipeline p(t, model, cut, plan, cuda::optimizer{adamw_options{.rate = 3e-4}});
//     cuda::optimizer{adamw_options{}, false}                      biases and scales of norms don't decay
// Cost: a launch for each parameter and step, two where the norm is wanted, two for each tied parameter.
#pragma once

#include <cstddef>

#include <stretto/cuda/gradient_norm.cuh>
#include <stretto/cuda/optimizer.cuh>
#include <stretto/cuda/runtime.hpp>
#include <stretto/cuda/tied_gradients.cuh>

namespace stretto::inline v0::cuda {

template <class Runtime, class Options>
struct basic_optimizer : Options {
  using queue = basic_queue<Runtime>;
  static constexpr int states = Options::states;

  bool decays_all = true;  ///< false: what has one dimension, biases and scales of norms, doesn't decay

  template <class Parameter>
  static void clear(queue& q, const Parameter& p) {
    q.zero(run<float>(p.gradient, p.count));
  }
  template <class Parameter>
  STRETTO_OPERATION static void squares(queue& q, const Parameter& p, double* to) {
    static_assert(sizeof(square_sum) <= 16 && offsetof(square_sum, sum) == 0);
    sum_of_squares(q, run<const float>(p.gradient, p.count), reinterpret_cast<square_sum*>(to));
  }
  static void sum_tied(queue& q, const float* const* shares, int uses, std::int64_t count, float* to, double* squares) {
    sum_tied_gradients(q, shares, uses, count, to, reinterpret_cast<square_sum*>(squares));
  }
  template <class Parameter>
  STRETTO_OPERATION void step(queue& q, const Parameter& p, const optimizer_scalars* scalars) const {
    Options o = *this;
    if (!decays_all && p.one_dimensional) o.decay = 0;
    const auto g = run<const float>(p.gradient, p.count);
    const auto w = run<float>(p.value, p.count), first = run<float>(p.states[0], p.count);
    if constexpr (std::is_same_v<Options, sgd_options>) sgd_step(q, g, first, {}, w, scalars, o);
    else if constexpr (std::is_same_v<Options, adamw_options>) adamw_step(q, g, first, run<float>(p.states[1], p.count), {}, w, scalars, o);
    else lion_step(q, g, first, {}, w, scalars, o);
  }

 private:
  template <class T>
  static tensor_view<T, 1, basic_memory<Runtime>> run(void* first, std::int64_t count) {
    return {static_cast<T*>(first), {{count}}};
  }
};

template <class Options>
struct optimizer : basic_optimizer<runtime, Options> {};
template <class Options>
optimizer(const Options&) -> optimizer<Options>;
template <class Options>
optimizer(const Options&, bool) -> optimizer<Options>;

}  // namespace stretto::inline v0::cuda
