// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of cross_entropy.cuh.
//
//     cross_entropy_rows        each thread keeps the largest c so far and the sum of 2^(c log2 e - that); teams join them. Whole
//                               lines come through shared memory, four while the four before them are worked on
//     cross_entropy_sums        sums over rows that count, in double, by one block in a fixed order
//     cross_entropy_backward_rows    each number by itself: (p f (1 + 2 z l) - f e / vocabulary - f (1 - e) [label]) slope
// Labels that aren't in the vocabulary can't be refused without waiting for them: they give what is no number. Cost: logits
// read once, an exponential each; backward read and written once, an exponential each; a hyperbolic tangent more with a cap.
// Source: numeric/cross_entropy.hpp; the running sum: Milakov and Gimelshein, arXiv 1805.02867, 2018.
#pragma once

#include <stretto/cuda/kernels/exponentials.cuh>
#include <stretto/cuda/kernels/rows.cuh>

namespace stretto::inline v0::cuda {

template <class T>
struct cross_entropy_arguments {
  std::int64_t rows, columns, valid, first, vocabulary;  ///< valid: columns in the vocabulary; first: the label of column 0
  int threads;                                           ///< a row
  const T* x;
  T* dx;
  std::int64_t x_gap, dx_gap;  ///< from row to row
  const std::int32_t* labels;
  const float* weights;
  float *loss, *lse, *target, *sum;
  unsigned char* right;  ///< one a row, where it is asked for
  const float* lse_read;
  const double* factor_at;  ///< the factor, or null: then it is `factor`
  std::int32_t ignore;
  float smoothing, z, cap, factor;
};

/// More rows at once, rather than more threads a row.
inline constexpr int most_logit_threads = 256;

/// Logits within the cap, if there is one: c = cap s, s = tanh(x / cap).
template <bool Capped, int N>
__device__ inline void cap_all(floats<N>& x, float cap) {
  if constexpr (Capped) {
    const float inverse = 1.0f / cap;
#pragma unroll
    for (int j = 0; j < N; ++j) x.of[j] = cap * tanhf(x.of[j] * inverse);
  }
}

template <class T, bool Lined, bool Capped>
STRETTO_KERNEL void __launch_bounds__(most_logit_threads, 3) cross_entropy_rows(cross_entropy_arguments<T> a) {
  constexpr int numbers = in_line<T>;
  __shared__ float room[row_team::room];
  __shared__ uint4 ring[Lined ? 2 : 1][Lined ? row_lines : 1][Lined ? most_logit_threads : 1];  // a thread sees its own alone
  row_team team(a.threads, room);
  const std::int64_t step = std::int64_t{team.threads} * numbers;
  const bool wants_sum = a.smoothing != 0 || a.sum != nullptr;
  for (row_turn row(team, a.rows); row.more(); row.next()) {
    const std::int64_t t = row.at();
    const std::int32_t label = row.there() ? a.labels[t] : a.ignore;
    const bool counts = label != a.ignore, right = label >= 0 && label < a.vocabulary;
    const std::int64_t n = counts ? a.valid : 0, at = label - a.first;
    const bool has_label = counts && at >= 0 && at < n;
    const T* const x = a.x + t * a.x_gap;
    floats<1> target;
    target.of[0] = has_label ? widen(x[at]) : 0;
    const float wanted = target.of[0];
    cap_all<Capped>(target, a.cap);
    float most = minus_infinity(), sums[2] = {}, beaten = 0;  // sums: of exponentials, of c
    const auto ask = [&](std::int64_t from, int stage) {
      if constexpr (Lined) {
#pragma unroll
        for (int u = 0; u < row_lines; ++u)
          if (from + u * step < n) copy_past_registers(&ring[stage][u][threadIdx.x], x + from + u * step);
        end_copies();
      }
    };
    int stage = 0;
    ask(std::int64_t{team.me} * numbers, stage);
    for (std::int64_t from = std::int64_t{team.me} * numbers; from < n; from += row_lines * step, stage ^= 1) {
      row_line<T> lines[row_lines];
      ask(from + row_lines * step, stage ^ 1);
      if constexpr (Lined) await_all_but_last_copies();
#pragma unroll
      for (int u = 0; u < row_lines; ++u) {
        if (from + u * step >= n) continue;
        if constexpr (Lined) lines[u].word = ring[stage][u][threadIdx.x];
        else lines[u] = read_line<Lined>(x, from + u * step, a.columns);
      }
#pragma unroll
      for (int u = 0; u < row_lines; ++u) {
        const std::int64_t i = from + u * step;
        if (i >= n) continue;
        floats<numbers> c = widen(lines[u]);
        if (a.right != nullptr)
#pragma unroll
          for (int j = 0; j < numbers; ++j)
            if (i + j < n && (i + j < at ? c.of[j] >= wanted : c.of[j] > wanted)) beaten = 1;
        cap_all<Capped>(c, a.cap);
        if (wants_sum)
#pragma unroll
          for (int j = 0; j < numbers; ++j)
            if (i + j < n) sums[1] += c.of[j];
        if (i + numbers > n)
#pragma unroll
          for (int j = 0; j < numbers; ++j)
            if (i + j >= n) c.of[j] = minus_infinity();
        float here = most;
#pragma unroll
        for (int j = 0; j < numbers; ++j) here = fmaxf(here, c.of[j]);
        if (here > most) {
          sums[0] *= exp2_of((most - here) * log2_of_e);
          most = here;
        }
        const float taken = most == minus_infinity() ? 0 : most;
#pragma unroll
        for (int j = 0; j < numbers; ++j) sums[0] += exp2_of((c.of[j] - taken) * log2_of_e);  // of the largest exactly 1
      }
    }
    const float all_most = team.template all<takes_larger>(most);
    if (most != all_most) sums[0] *= exp2_of((most - all_most) * log2_of_e);
    team.template all<adds>(sums);
    if (a.right != nullptr) beaten = team.template all<takes_larger>(beaten);
    if (team.me != 0 || !row.there()) continue;
    float l = counts ? (all_most == minus_infinity() ? 0 : all_most) + logf(sums[0]) : 0;
    if (counts && !right) l = target.of[0] = no_number();
    if (a.lse != nullptr) a.lse[t] = l;
    if (a.target != nullptr) a.target[t] = target.of[0];
    if (a.sum != nullptr) a.sum[t] = sums[1];
    if (a.right != nullptr) a.right[t] = has_label && beaten == 0 && wanted == wanted ? 1 : 0;
    if (a.loss != nullptr) {
      const float smooth = a.smoothing != 0 ? a.smoothing * (l - sums[1] / static_cast<float>(a.vocabulary)) : 0;
      a.loss[t] = counts ? (a.weights != nullptr ? a.weights[t] : 1) * ((1 - a.smoothing) * (l - target.of[0]) + smooth + a.z * l * l) : 0;
    }
  }
}

struct cross_entropy_sums_arguments {
  std::int64_t rows;
  const std::int32_t* labels;
  const float *loss, *weights;
  const unsigned char* right;
  std::int32_t ignore;
  double* to;  ///< loss, weight, tokens, right
  int first = 0, end = 4;  ///< which of them are written
  bool adds = false;       ///< to what is there
};

inline constexpr int loss_threads = 1024;

template <class Number>
STRETTO_KERNEL void __launch_bounds__(loss_threads) cross_entropy_sums(cross_entropy_sums_arguments a) {
  constexpr int kinds = 4, warps = loss_threads / 32;
  __shared__ Number room[kinds][warps];
  Number sums[kinds] = {};
  for (std::int64_t t = threadIdx.x; t < a.rows; t += loss_threads) {
    if (a.labels[t] == a.ignore) continue;
    sums[0] += static_cast<Number>(a.loss[t]);
    sums[1] += a.weights != nullptr ? static_cast<Number>(a.weights[t]) : 1;
    sums[2] += 1;
    if (a.right != nullptr) sums[3] += a.right[t];
  }
#pragma unroll
  for (int k = 0; k < kinds; ++k) {
    for (int apart = 16; apart > 0; apart /= 2) sums[k] += __shfl_xor_sync(0xffffffffu, sums[k], apart);
    if (threadIdx.x % 32 == 0) room[k][threadIdx.x / 32] = sums[k];
  }
  __syncthreads();
  const int kind = static_cast<int>(threadIdx.x);
  if (kind < a.first || kind >= a.end) return;
  Number all = 0;
  for (int w = 0; w < warps; ++w) all += room[kind][w];
  a.to[kind] = a.adds ? a.to[kind] + all : all;
}

/// Lines begin at sixteen bytes of dx, the first before its row where that doesn't begin there.
template <class T, bool Lined, bool Capped>
STRETTO_KERNEL void __launch_bounds__(most_logit_threads, 3) cross_entropy_backward_rows(cross_entropy_arguments<T> a) {
  constexpr int numbers = in_line<T>;
  const int me = static_cast<int>(threadIdx.x) & (a.threads - 1), of_block = static_cast<int>(blockDim.x) / a.threads;
  const std::int64_t chunk = std::int64_t{a.threads} * row_lines * numbers, chunks = (a.columns + (Lined ? 0 : numbers - 1) + chunk - 1) / chunk, units = a.rows * chunks;
  const float factor = a.factor_at != nullptr ? static_cast<float>(*a.factor_at) : a.factor;
  for (std::int64_t unit = static_cast<std::int64_t>(blockIdx.x) * of_block + threadIdx.x / a.threads; unit < units; unit += static_cast<std::int64_t>(gridDim.x) * of_block) {
    const std::int64_t t = unit / chunks;
    const T* const x = a.x + t * a.x_gap;
    T* const dx = a.dx + t * a.dx_gap;
    const int before = Lined ? 0 : static_cast<int>(reinterpret_cast<std::uintptr_t>(dx) % 16 / sizeof(T));
    const std::int64_t from = (unit - t * chunks) * chunk + me * numbers - before, step = std::int64_t{a.threads} * numbers;
    const std::int32_t label = a.labels[t];
    const std::int64_t n = label != a.ignore ? a.valid : 0, at = label - a.first;
    row_line<T> lines[row_lines];
#pragma unroll
    for (int u = 0; u < row_lines; ++u)
      if (from + u * step < n) lines[u] = read_line<Lined>(x, from + u * step, a.columns);
    const float l = a.lse_read[t], f = factor * (a.weights != nullptr ? a.weights[t] : 1), times = f * (1 + 2 * a.z * l);
    const float others = -f * (a.smoothing / static_cast<float>(a.vocabulary)), wanted = others - f * (1 - a.smoothing), inverse = Capped ? 1.0f / a.cap : 0;
    static_cast<void>(inverse);
#pragma unroll
    for (int u = 0; u < row_lines; ++u) {
      const std::int64_t i = from + u * step;
      if (i >= a.columns) continue;
      floats<numbers> d;
      if (i < n) {
        floats<numbers> c = widen(lines[u]);
        cap_all<Capped>(c, a.cap);
#pragma unroll
        for (int j = 0; j < numbers; ++j) {
          d.of[j] = fmaf(exp_of<T>(c.of[j] - l), times, i + j == at ? wanted : others);
          if constexpr (Capped) d.of[j] *= 1 - (c.of[j] * inverse) * (c.of[j] * inverse);
        }
        if (i + numbers > n)
#pragma unroll
          for (int j = 0; j < numbers; ++j)
            if (i + j >= n) d.of[j] = 0;
      } else {
#pragma unroll
        for (int j = 0; j < numbers; ++j) d.of[j] = 0;
      }
      write_line<Lined>(dx, i, a.columns, d);
    }
  }
}

}  // namespace stretto::inline v0::cuda
