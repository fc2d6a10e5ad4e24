// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of optimizers over runs of numbers on a CUDA device, with the CPU's bits. An empty master: there is none, and the step
// is computed from the weights.
//
//     adamw_step(q, gradient, mean, square, {}, weight, s, {.rate = 3e-4});                     weight: float
//     adamw_step(q, gradient, mean, square, master, weight, s, o, {.stochastic = true});        bf16 or fp16; all else float
//     sgd_step(q, gradient, momentum, {}, weight, s, {.rate = 0.1, .momentum = 0.9});           no momentum: {}
//     lion_step(q, gradient, mean, {}, weight, s);
// s: scalars in the device's memory, where gradient_norm.cuh's next_scalars puts them without a stop. Their count must be 1 or
// more. What they tell to skip isn't touched. Every element is done by itself; rounding by chance hangs on its place in the
// parameter alone. Cost: 28 bytes an element for AdamW in float; one by one where the run isn't at lines of sixteen bytes, or
// is rounded by chance and doesn't begin at a multiple of four of its parameter.
#pragma once

#include <stretto/cuda/each.cuh>
#include <stretto/cuda/kernels/optimizer.cuh>

namespace stretto::inline v0::cuda {

namespace detail {

inline optimizer_arguments step_arguments(const sgd_options& o) {
  optimizer_arguments a;
  a.rate = o.rate, a.decay = static_cast<float>(o.decay), a.factor1 = static_cast<float>(o.momentum), a.nesterov = o.nesterov;
  return a;
}
inline optimizer_arguments step_arguments(const adamw_options& o) {
  optimizer_arguments a;
  a.rate = o.rate, a.beta1 = o.beta1, a.beta2 = o.beta2, a.corrects = true, a.coupled = o.coupled;
  a.decay = static_cast<float>(o.decay), a.guard = static_cast<float>(o.epsilon), a.factor1 = static_cast<float>(1 - o.beta1), a.factor2 = static_cast<float>(1 - o.beta2);
  return a;
}
inline optimizer_arguments step_arguments(const lion_options& o) {
  optimizer_arguments a;
  a.rate = o.rate, a.decay = static_cast<float>(o.decay), a.factor1 = static_cast<float>(1 - o.beta1), a.factor2 = static_cast<float>(1 - o.beta2);
  return a;
}

template <class Rule, class Runtime, class T, class Options>
STRETTO_OPERATION void put_step(basic_queue<Runtime>& q, const char* operation, const device_reads<Runtime, float, 1>& gradient, const device_writes<Runtime, float, 1>& state0,
                                const device_writes<Runtime, float, 1>& state1, const device_writes<Runtime, float, 1>& master, const tensor_view<T, 1, basic_memory<Runtime>>& weight,
                                const optimizer_scalars* s, const Options& o, const weight_rounding& r) {
  check_row_type<T>();
  check_size(operation, "gradient", gradient.size(), weight.size());
  if (!master.empty()) check_size(operation, "master", master.size(), weight.size());
  if (r.first_index < 0) throw error(text("stretto: ", operation, " was told that the run begins at element ", r.first_index, " of its parameter; give 0 or more").str());
  if (weight.empty()) return;
  optimizer_arguments a = step_arguments(o);
  a.gradient = gradient.data(), a.state0 = state0.data(), a.state1 = state1.data(), a.weight = weight.data(), a.count = weight.size(), a.scalars = s;
  a.master = master.empty() ? nullptr : master.data();
  a.stochastic = r.stochastic && sizeof(T) == 2, a.chance = r.stream(0), a.first_index = r.first_index;
  const auto at_line = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; };
  const bool lines = at_line(a.gradient) && at_line(a.state0) && at_line(a.state1) && at_line(a.master) && at_line(a.weight) && (!a.stochastic || a.first_index % 4 == 0);
  void (*const kernel)(optimizer_arguments) = a.master != nullptr ? (lines ? step_weights<4, 2, T, Rule, true> : step_weights<1, 4, T, Rule, true>)
                                                                  : (lines ? step_weights<4, 2, T, Rule, false> : step_weights<1, 4, T, Rule, false>);
  const std::int64_t all = row_blocks(a.count, each_threads * (lines ? 8 : 4)), most = 16 * static_cast<std::int64_t>(q.multiprocessors());
  q.launch(operation, kernel, {.blocks = all < most ? all : most, .threads = each_threads}, a, reads_of(gradient, memory_run{s, static_cast<std::int64_t>(sizeof *s)}),
           writes_of(Rule::states > 0 ? state0 : tensor_view<float, 1, basic_memory<Runtime>>{}, state1, master, weight));
}

}  // namespace detail

/// With momentum 0 there is no state, and `momentum` is empty.
template <class Runtime, class T>
STRETTO_OPERATION void sgd_step(basic_queue<Runtime>& q, device_reads<Runtime, float, 1> gradient, device_writes<Runtime, float, 1> momentum, device_writes<Runtime, float, 1> master,
                                tensor_view<T, 1, basic_memory<Runtime>> weight, const optimizer_scalars* s, const sgd_options& o = {}, const weight_rounding& r = {}) {
  detail::check_size("sgd_step", "momentum", o.momentum != 0 ? momentum.size() : weight.size(), weight.size());
  if (o.momentum != 0) detail::put_step<momentum_rule>(q, "sgd_step", gradient, momentum, {}, master, weight, s, o, r);
  else detail::put_step<sgd_rule>(q, "sgd_step", gradient, {}, {}, master, weight, s, o, r);
}

template <class Runtime, class T>
STRETTO_OPERATION void adamw_step(basic_queue<Runtime>& q, device_reads<Runtime, float, 1> gradient, device_writes<Runtime, float, 1> mean, device_writes<Runtime, float, 1> square,
                                  device_writes<Runtime, float, 1> master, tensor_view<T, 1, basic_memory<Runtime>> weight, const optimizer_scalars* s, const adamw_options& o = {},
                                  const weight_rounding& r = {}) {
  detail::check_size("adamw_step", "mean", mean.size(), weight.size());
  detail::check_size("adamw_step", "squares", square.size(), weight.size());
  detail::put_step<adamw_rule>(q, "adamw_step", gradient, mean, square, master, weight, s, o, r);
}

template <class Runtime, class T>
STRETTO_OPERATION void lion_step(basic_queue<Runtime>& q, device_reads<Runtime, float, 1> gradient, device_writes<Runtime, float, 1> mean, device_writes<Runtime, float, 1> master,
                                 tensor_view<T, 1, basic_memory<Runtime>> weight, const optimizer_scalars* s, const lion_options& o = {}, const weight_rounding& r = {}) {
  detail::check_size("lion_step", "mean", mean.size(), weight.size());
  detail::put_step<lion_rule>(q, "lion_step", gradient, mean, {}, master, weight, s, o, r);
}

}  // namespace stretto::inline v0::cuda
