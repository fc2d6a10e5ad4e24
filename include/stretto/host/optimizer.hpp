// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of optimizers over runs of numbers: numeric/optimizer.hpp, many elements at a time. An empty master: there is none,
// and the step is computed from the weights.
//
//     adamw_step(q, gradient, mean, square, {}, weight, &s, {.rate = 3e-4});                     weight: float
//     adamw_step(q, gradient, mean, square, master, weight, &s, o, {.stochastic = true});        bf16 or fp16; all else float
//     sgd_step(q, gradient, momentum, {}, weight, &s, {.rate = 0.1, .momentum = 0.9});           no momentum: {}
//     lion_step(q, gradient, mean, {}, weight, &s);
//     pipeline p(model, cut, plan, host::optimizer{adamw_options{.rate = 3e-4}});                the same in a pipeline
// Every element is done by itself, in the same operations wherever it stands: its bits don't hang on threads, on how a run
// is cut, or on its neighbours. What the scalars tell to skip isn't touched.
// Cost: each run is read and written once, 28 bytes an element for AdamW in float.
#pragma once

#include <stretto/host/cast.hpp>   // rounding by chance
#include <stretto/numeric/optimizer.hpp>

namespace stretto::inline v0::host {

/// What the kernels are given. What isn't there is null.
struct optimizer_arguments {
  const float* gradient = nullptr;
  float* state0 = nullptr;
  float* state1 = nullptr;
  float* master = nullptr;
  void* weight = nullptr;
  float scale = 1, rate = 0, decay = 0, guard = 0;
  float factor1 = 0, factor2 = 0, correct1 = 1, correct2 = 1;
  bool coupled = false, nesterov = false, stochastic = false;
  random_stream chance = {};
  std::int64_t first_index = 0;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/optimizer.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

namespace detail {

inline optimizer_arguments numbers_of(const sgd_options& o, const optimizer_scalars& s) {
  return {.scale = static_cast<float>(s.scale), .rate = static_cast<float>(o.rate * s.rate), .decay = static_cast<float>(o.decay),
          .factor1 = static_cast<float>(o.momentum), .nesterov = o.nesterov};
}
inline optimizer_arguments numbers_of(const adamw_options& o, const optimizer_scalars& s) {
  const double count = static_cast<double>(s.count);
  return {.scale = static_cast<float>(s.scale), .rate = static_cast<float>(o.rate * s.rate), .decay = static_cast<float>(o.decay), .guard = static_cast<float>(o.epsilon),
          .factor1 = static_cast<float>(1 - o.beta1), .factor2 = static_cast<float>(1 - o.beta2),
          .correct1 = static_cast<float>(1 / (1 - std::pow(o.beta1, count))), .correct2 = static_cast<float>(1 / (1 - std::pow(o.beta2, count))), .coupled = o.coupled};
}
inline optimizer_arguments numbers_of(const lion_options& o, const optimizer_scalars& s) {
  return {.scale = static_cast<float>(s.scale), .rate = static_cast<float>(o.rate * s.rate), .decay = static_cast<float>(o.decay),
          .factor1 = static_cast<float>(1 - o.beta1), .factor2 = static_cast<float>(1 - o.beta2)};
}

/// The run that a kernel steps: what the options say, and where the numbers are.
template <class T, class Options>
optimizer_arguments run_of(const tensor_view<const float, 1>& gradient, float* state0, float* state1, const tensor_view<float, 1>& master,
                           const tensor_view<T, 1>& weight, const optimizer_scalars& s, const Options& o, const weight_rounding& r = {}) {
  optimizer_arguments a = numbers_of(o, s);
  a.gradient = gradient.data(), a.state0 = state0, a.state1 = state1, a.weight = weight.data();
  a.master = master.empty() ? nullptr : master.data();
  a.stochastic = r.stochastic && sizeof(T) == 2;
  a.chance = r.stream(s.count);
  a.first_index = r.first_index;
  return a;
}

using step_kernel = void (*)(const optimizer_arguments&, std::int64_t, std::int64_t, const worker&);

inline step_kernel of_level(isa level, step_kernel portable, step_kernel avx2, step_kernel avx512) {
  return level >= isa::avx512 ? avx512 : level == isa::avx2 ? avx2 : portable;
}
template <class T>
step_kernel kernel_of(isa level, const sgd_options&) {
  return of_level(level, &portable::step_sgd<T>, &avx2::step_sgd<T>, &avx512::step_sgd<T>);
}
template <class T>
step_kernel kernel_of(isa level, const adamw_options&) {
  return of_level(level, &portable::step_adamw<T>, &avx2::step_adamw<T>, &avx512::step_adamw<T>);
}
template <class T>
step_kernel kernel_of(isa level, const lion_options&) {
  return of_level(level, &portable::step_lion<T>, &avx2::step_lion<T>, &avx512::step_lion<T>);
}

inline void check_size(const char* operation, const char* what, std::int64_t has, std::int64_t weights) {
  if (has != weights) throw error(text("stretto: ", operation, " of ", weights, " weights was given ", has, " numbers as ", what, "; give one for each weight").str());
}

template <class T>
void check_step(const char* operation, std::int64_t gradient, std::int64_t master, std::int64_t weights, const optimizer_scalars& s, const weight_rounding& r) {
  static_assert(real_element<T>, "stretto: weights are double, float, bf16 or fp16; give one of them");
  check_size(operation, "gradient", gradient, weights);
  if (master != 0) check_size(operation, "master", master, weights);
  if (s.count < 1) throw error(text("stretto: ", operation, " was told that it is step ", s.count, "; count steps from 1").str());
  if (r.first_index < 0) throw error(text("stretto: ", operation, " was told that the run begins at element ", r.first_index, " of its parameter; give 0 or more").str());
}

}  // namespace detail

/// With momentum 0 there is no state, and `momentum` is empty.
template <class T>
void sgd_step(queue& q, reads<computes_in<T>, 1> gradient, writes<computes_in<T>, 1> momentum, writes<computes_in<T>, 1> master, tensor_view<T, 1> weight,
              const optimizer_scalars* s, const sgd_options& o = {}, const weight_rounding& r = {}) {
  detail::check_step<T>("sgd_step", gradient.size(), master.size(), weight.size(), *s, r);
  detail::check_size("sgd_step", "momentum", o.momentum != 0 ? momentum.size() : weight.size(), weight.size());
  if (s->skip != 0) return;
  if constexpr (std::is_same_v<T, double>) {
    reference::sgd_step(gradient, momentum, master, weight, s, o, r);
  } else {
    q.split(weight.size(), 1024, detail::kernel_of<T>(q.level(), o), detail::run_of(gradient, o.momentum != 0 ? momentum.data() : nullptr, nullptr, master, weight, *s, o, r));
  }
}

template <class T>
void adamw_step(queue& q, reads<computes_in<T>, 1> gradient, writes<computes_in<T>, 1> mean, writes<computes_in<T>, 1> square, writes<computes_in<T>, 1> master,
                tensor_view<T, 1> weight, const optimizer_scalars* s, const adamw_options& o = {}, const weight_rounding& r = {}) {
  detail::check_step<T>("adamw_step", gradient.size(), master.size(), weight.size(), *s, r);
  detail::check_size("adamw_step", "mean", mean.size(), weight.size());
  detail::check_size("adamw_step", "squares", square.size(), weight.size());
  if (s->skip != 0) return;
  if constexpr (std::is_same_v<T, double>) {
    reference::adamw_step(gradient, mean, square, master, weight, s, o, r);
  } else {
    q.split(weight.size(), 1024, detail::kernel_of<T>(q.level(), o), detail::run_of(gradient, mean.data(), square.data(), master, weight, *s, o, r));
  }
}

template <class T>
void lion_step(queue& q, reads<computes_in<T>, 1> gradient, writes<computes_in<T>, 1> mean, writes<computes_in<T>, 1> master, tensor_view<T, 1> weight,
               const optimizer_scalars* s, const lion_options& o = {}, const weight_rounding& r = {}) {
  detail::check_step<T>("lion_step", gradient.size(), master.size(), weight.size(), *s, r);
  detail::check_size("lion_step", "mean", mean.size(), weight.size());
  if (s->skip != 0) return;
  if constexpr (std::is_same_v<T, double>) {
    reference::lion_step(gradient, mean, master, weight, s, o, r);
  } else {
    q.split(weight.size(), 1024, detail::kernel_of<T>(q.level(), o), detail::run_of(gradient, mean.data(), nullptr, master, weight, *s, o, r));
  }
}

/// The optimizer of a pipeline that has the options: weights of float are stepped in lanes, weights of double in plain loops.
template <class Options>
struct optimizer : Options {
  bool decays_all = true;  ///< false: what has one dimension, biases and scales of norms, doesn't decay

  static constexpr int states = Options::states;

  /// Parameter: of a pipeline; says whether it has one dimension.
  template <class T, class Parameter>
  void operator()(T* value, const T* gradient, T* const* state, std::int64_t n, double scale, std::int64_t count, const Parameter& what) const {
    optimizer o = *this;
    if (!decays_all && what.one_dimensional) o.decay = 0;
    o(value, gradient, state, n, scale, count);
  }
  template <class T>
  void operator()(T* value, const T* gradient, T* const* state, std::int64_t n, double scale, std::int64_t count) const {
    const Options& o = *this;
    const optimizer_scalars s{.scale = scale, .count = count};
    const tensor_view<const T, 1> g(gradient, {{n}});
    const tensor_view<T, 1> w(value, {{n}}), first(state[0], {{n}}), second(state[states - 1], {{n}});
    if constexpr (std::is_same_v<T, float>) {
      const bool none = std::is_same_v<Options, sgd_options> && detail::numbers_of(o, s).factor1 == 0;
      detail::kernel_of<float>(this_cpu().best, o)(detail::run_of(g, none ? nullptr : state[0], states > 1 ? state[1] : nullptr, {}, w, s, o), 0, n, {});
    } else if constexpr (std::is_same_v<Options, sgd_options>) {
      reference::sgd_step(g, first, {}, w, &s, o);
    } else if constexpr (std::is_same_v<Options, adamw_options>) {
      reference::adamw_step(g, first, second, {}, w, &s, o);
    } else {
      reference::lion_step(g, first, {}, w, &s, o);
    }
  }
};
template <class Options>
optimizer(const Options&) -> optimizer<Options>;
template <class Options>
optimizer(const Options&, bool) -> optimizer<Options>;

}  // namespace stretto::inline v0::host
