// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of optimizers: numeric/optimizer.hpp for twice four neighbours a thread. A rule turns a weight, its gradient and its states
// into new ones, in the operations of the CPU's lanes, so that the bits are the CPU's.
//
//     scalars     read from device memory by one thread of a block, which makes the corrections of the means from the count
//     lines       gradient, states, master or weight are read before anything is computed, then all are written
//     skip        nothing is written
// Cost: each run is read and written once, 28 bytes an element for AdamW in float. Powers cost a block some 100 multiplications
// of doubles, so blocks go over a run in turns.
#pragma once

#include <stretto/cuda/kernels/each.cuh>
#include <stretto/cuda/kernels/philox.cuh>
#include <stretto/numeric/optimizer.hpp>

namespace stretto::inline v0::cuda {

/// What isn't there is null.
struct optimizer_arguments {
  const float* gradient = nullptr;
  float* state0 = nullptr;
  float* state1 = nullptr;
  float* master = nullptr;
  void* weight = nullptr;
  std::int64_t count = 0;  ///< of weights
  const optimizer_scalars* scalars = nullptr;
  float scale = 0;  ///< other than 0: what gradients are multiplied with, whatever the scalars say
  double rate = 0, beta1 = 0, beta2 = 0;
  float decay = 0, guard = 0, factor1 = 0, factor2 = 0;
  bool coupled = false, nesterov = false, stochastic = false, corrects = false;
  random_stream chance = {};  ///< but for its step
  std::int64_t first_index = 0;
};

/// What differs from step to step, for the threads of a block.
struct step_factors {
  float scale, rate, correct1, correct2;
  std::uint32_t step;
  int skip;
};

__device__ inline double whole_power(double x, std::int64_t n) {
  double y = 1;
  for (; n > 0; n >>= 1, x *= x)
    if (n & 1) y *= x;
  return y;
}
__device__ inline void find_numbers(const optimizer_arguments& a, step_factors& to) {
  const optimizer_scalars* const s = a.scalars;
  to.scale = a.scale != 0 ? a.scale : static_cast<float>(s->scale), to.rate = static_cast<float>(a.rate * s->rate);
  to.step = static_cast<std::uint32_t>(s->count), to.skip = s->skip;
  if (a.corrects) {
    to.correct1 = static_cast<float>(1 / (1 - whole_power(a.beta1, s->count)));
    to.correct2 = static_cast<float>(1 / (1 - whole_power(a.beta2, s->count)));
  }
}

struct sgd_rule {
  static constexpr int states = 0;
  __device__ static float step(const optimizer_arguments& a, const step_factors& s, float w, float g, float&, float&) {
    return fmaf(-s.rate, a.decay != 0 ? fmaf(a.decay, w, g) : g, w);
  }
};

struct momentum_rule {
  static constexpr int states = 1;
  __device__ static float step(const optimizer_arguments& a, const step_factors& s, float w, float g, float& m, float&) {
    if (a.decay != 0) g = fmaf(a.decay, w, g);
    m = fmaf(a.factor1, m, g);
    return fmaf(-s.rate, a.nesterov ? fmaf(a.factor1, m, g) : m, w);
  }
};

struct adamw_rule {
  static constexpr int states = 2;
  __device__ static float step(const optimizer_arguments& a, const step_factors& s, float w, float g, float& m, float& v) {
    if (a.coupled) g = fmaf(a.decay, w, g);
    m = fmaf(a.factor1, __fsub_rn(g, m), m);
    v = fmaf(a.factor2, fmaf(g, g, -v), v);
    float by = __fdiv_rn(__fmul_rn(m, s.correct1), __fadd_rn(__fsqrt_rn(__fmul_rn(v, s.correct2)), a.guard));
    if (!a.coupled) by = fmaf(a.decay, w, by);
    return fmaf(-s.rate, by, w);
  }
};

struct lion_rule {
  static constexpr int states = 1;
  __device__ static float step(const optimizer_arguments& a, const step_factors& s, float w, float g, float& m, float&) {
    const float off = __fsub_rn(g, m), c = fmaf(a.factor1, off, m);
    m = fmaf(a.factor2, off, m);
    const float sign = fabsf(c) > 0 ? copysignf(1.0f, c) : c;
    return fmaf(-s.rate, fmaf(a.decay, w, sign), w);
  }
};

/// N neighbours of each run, on their way through a thread.
template <int N, class T, class Rule, bool Mastered>
struct stepped_line {
  floats<N> g, m, v, w;

  __device__ void read(const optimizer_arguments& a, std::int64_t i) {
    g = load<N>(a.gradient + i), m = {}, v = {};
    if constexpr (Rule::states > 0) m = load<N>(a.state0 + i);
    if constexpr (Rule::states > 1) v = load<N>(a.state1 + i);
    if constexpr (Mastered) w = load<N>(a.master + i);
    else w = load<N>(static_cast<const T*>(a.weight) + i);
  }
  __device__ void step(const optimizer_arguments& a, const step_factors& s, std::int64_t i) {
#pragma unroll
    for (int k = 0; k < N; ++k) w.of[k] = Rule::step(a, s, w.of[k], __fmul_rn(g.of[k], s.scale), m.of[k], v.of[k]);
    if constexpr (Rule::states > 0) store(a.state0 + i, m);
    if constexpr (Rule::states > 1) store(a.state1 + i, v);
    if constexpr (Mastered) store(a.master + i, w);
    if constexpr (sizeof(T) == 2) {
      if (a.stochastic) {
        random_stream r = a.chance;
        r.step = s.step;
        std::uint32_t chance[N];
        random_chances(r, r.sample, static_cast<std::uint64_t>(a.first_index) + static_cast<std::uint64_t>(i), chance);
#pragma unroll
        for (int k = 0; k < N; ++k) w.of[k] = rounded_by_chance<T>(w.of[k], chance[k]);
      }
    }
    store(static_cast<T*>(a.weight) + i, w);
  }
};

/// Lines of N numbers, `Lines` of them at a time. N: 4, so that the lines of neighbouring threads fill whole sectors of memory
/// in one store, or 1 where numbers go one by one.
template <int N, int Lines, class T, class Rule, bool Mastered>
STRETTO_KERNEL __launch_bounds__(each_threads) void step_weights(optimizer_arguments a) {
  __shared__ step_factors s;
  if (threadIdx.x == 0) find_numbers(a, s);
  __syncthreads();
  if (s.skip != 0) return;
  const std::int64_t lines = a.count / N, all = static_cast<std::int64_t>(gridDim.x) * (each_threads * Lines);
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * (each_threads * Lines) + threadIdx.x; first < lines; first += all) {
    stepped_line<N, T, Rule, Mastered> line[Lines];
#pragma unroll
    for (int l = 0; l < Lines; ++l)
      if (first + l * each_threads < lines) line[l].read(a, (first + l * each_threads) * N);
#pragma unroll
    for (int l = 0; l < Lines; ++l)
      if (first + l * each_threads < lines) line[l].step(a, s, (first + l * each_threads) * N);
  }
  if (N > 1 && blockIdx.x == 0 && threadIdx.x < a.count % N) {
    stepped_line<1, T, Rule, Mastered> one;
    one.read(a, lines * N + threadIdx.x);
    one.step(a, s, lines * N + threadIdx.x);
  }
}

}  // namespace stretto::inline v0::cuda
