// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Norms of heads and their turning at once (numeric/split_rotary.hpp), and the gradients of both. A team of lanes of one warp
// has a head of a token in registers from the first pass over it to the last.
//
//     team       as many lanes as a head has units, a power of 2; 8 lanes for 128 numbers of bf16 in halves
//     unit       halves: N numbers from p on, and N from p + half on;  neighbours: 2 N numbers, N pairs;  the rest: N numbers
//     block.y    queries, keys, values: the last are copied
//     gradients of weights     a lane keeps the sums of its numbers over all its heads; lanes of a warp, then the warps, then the
//                              blocks are added in their order, and how many blocks there are hangs on the shape alone
// A token at a position that the table lacks becomes no number. Cost: x read and y written once; backward dy and x read and dx
// written once, and of the weights' gradients a row of floats a block.
#pragma once

#include <stretto/cuda/kernels/rotary.cuh>

namespace stretto::inline v0::cuda {

/// Heads side by side, and where their results go.
template <class T>
struct head_norm_part {
  std::int64_t heads;
  const T* x;  ///< backward: as it was before the norm; null: there is none
  std::int64_t x_token, x_head;
  const T* dy;  ///< backward alone
  std::int64_t dy_token, dy_head;
  T* y;  ///< backward dx
  std::int64_t y_token, y_head;
  const T* weight;  ///< null: heads aren't normed
  float* inverse;   ///< a row of tokens a head, or null
};

template <class T>
struct head_norm_arguments {
  head_norm_part<T> part[3];
  std::int64_t tokens, inverse_gap;
  int size, half, turned, units, lanes;  ///< half: of what is turned; units of a head, those that are turned first; lanes of a team
  const std::int32_t* positions;
  const float* table;     ///< a row a position: cosines, then sines
  std::int64_t in_table;  ///< positions
  float epsilon;
  bool neighbours;
  float* parts;  ///< backward: (queries and keys, blocks, size)
};

inline constexpr int most_head_size = 256;
/// Units that a lane has at most; in lines nearly all heads have one a lane, which takes half the registers.
template <int N>
inline constexpr int head_turns = N > 1 ? 2 : most_head_size / 32;

/// A unit's numbers: a and b are turned as pairs; of the rest there is a alone.
template <int N>
struct head_unit {
  floats<N> a, b;
};

/// Where a unit is in its head.
struct unit_place {
  int unit, first, second;  ///< lines; second: -1 where there is none
  bool there, turned;
  template <int N, class T>
  __device__ static unit_place of(const head_norm_arguments<T>& a, int unit, std::integral_constant<int, N>) {
    const bool turned = unit < a.turned;
    if (!turned) return {unit, 2 * a.half + (unit - a.turned) * N, -1, unit < a.units, false};
    if (a.neighbours) return {unit, 2 * unit * N, 2 * unit * N + N, true, true};
    return {unit, unit * N, a.half + unit * N, true, true};
  }
  /// The numbers' places.
  template <int N>
  __device__ int of_a(int k, bool neighbours, std::integral_constant<int, N>) const { return turned && neighbours ? first + 2 * k : first + k; }
  template <int N>
  __device__ int of_b(int k, bool neighbours, std::integral_constant<int, N>) const { return neighbours ? first + 2 * k + 1 : second + k; }
};

template <int N, class T>
__device__ inline head_unit<N> load_unit(const T* head, const unit_place& p, bool neighbours) {
  head_unit<N> u{};
  if (!p.there) return u;
  u.a = load<N>(head + p.first);
  if (p.second < 0) return u;
  u.b = load<N>(head + p.second);
  if (!neighbours) return u;
  const head_unit<N> lines = u;
#pragma unroll
  for (int k = 0; k < N; ++k) {
    u.a.of[k] = 2 * k < N ? lines.a.of[2 * k < N ? 2 * k : 0] : lines.b.of[2 * k < N ? 0 : 2 * k - N];
    u.b.of[k] = 2 * k + 1 < N ? lines.a.of[2 * k + 1 < N ? 2 * k + 1 : 0] : lines.b.of[2 * k + 1 < N ? 0 : 2 * k + 1 - N];
  }
  return u;
}
template <int N, class T>
__device__ inline void store_unit(T* head, const unit_place& p, const head_unit<N>& u, bool neighbours) {
  if (!p.there) return;
  head_unit<N> lines = u;
  if (neighbours && p.second >= 0) {
#pragma unroll
    for (int j = 0; j < N; ++j) {
      lines.a.of[j] = j % 2 == 0 ? u.a.of[j / 2] : u.b.of[j / 2];
      lines.b.of[j] = (N + j) % 2 == 0 ? u.a.of[(N + j) / 2] : u.b.of[(N + j) / 2];
    }
  }
  store(head + p.first, lines.a);
  if (p.second >= 0) store(head + p.second, lines.b);
}
template <int N, class T>
__device__ inline void turn_unit(const head_norm_arguments<T>& a, const unit_place& p, std::int64_t token, head_unit<N>& u, float sign) {
  if (!p.turned) return;
  const std::int32_t position = a.positions[token];
  const bool there = position >= 0 && position < a.in_table;
  const float* const cosines = a.table + (there ? position : 0) * std::int64_t{2} * a.half + p.unit * N;
  const floats<N> c = load<N>(cosines), s = load<N>(cosines + a.half);
  const float lost = there ? 0.0f : __uint_as_float(0x7fc00000u);
#pragma unroll
  for (int k = 0; k < N; ++k) turn_pair(u.a.of[k], u.b.of[k], c.of[k] + lost, sign * s.of[k]);
}
/// Weights of a unit; ones where there are none.
template <int N, class T>
__device__ inline head_unit<N> weights_of_unit(const T* weight, const unit_place& p, bool neighbours) {
  head_unit<N> w{};
  constexpr std::integral_constant<int, N> n{};
#pragma unroll
  for (int k = 0; k < N; ++k) {
    w.a.of[k] = p.there && weight != nullptr ? widen(weight[p.of_a(k, neighbours, n)]) : 1.0f;
    w.b.of[k] = p.second >= 0 && weight != nullptr ? widen(weight[p.of_b(k, neighbours, n)]) : 1.0f;
  }
  return w;
}
__device__ inline float team_sum(float x, int lanes) {
  for (int apart = lanes / 2; apart > 0; apart /= 2) x += __shfl_xor_sync(0xffffffffu, x, apart);
  return x;
}

/// N: numbers of a line; 1 where numbers go one by one. Turns: units of a lane.
template <int N, int Turns, class T>
STRETTO_KERNEL __launch_bounds__(each_threads) void norm_turn_heads(head_norm_arguments<T> a) {
  const int me = static_cast<int>(threadIdx.x) & (a.lanes - 1), team = static_cast<int>(threadIdx.x) / a.lanes, teams = each_threads / a.lanes;
  const head_norm_part<T>& part = a.part[blockIdx.y];
  const std::int64_t all = a.tokens * part.heads;
  unit_place places[Turns];
  head_unit<N> weights[Turns];
#pragma unroll
  for (int t = 0; t < Turns; ++t) places[t] = unit_place::of(a, me + t * a.lanes, std::integral_constant<int, N>{}), weights[t] = weights_of_unit<N>(part.weight, places[t], a.neighbours);
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * teams; first < all; first += static_cast<std::int64_t>(gridDim.x) * teams) {
    const std::int64_t i = first + team < all ? first + team : all - 1, token = row_of_unit(i, part.heads), head = i - token * part.heads;
    head_unit<N> u[Turns];
    float squares = 0;
#pragma unroll
    for (int t = 0; t < Turns; ++t) {
      u[t] = load_unit<N>(part.x + token * part.x_token + head * part.x_head, places[t], a.neighbours);
#pragma unroll
      for (int k = 0; k < N; ++k) squares = fmaf(u[t].a.of[k], u[t].a.of[k], fmaf(u[t].b.of[k], u[t].b.of[k], squares));
    }
    squares = team_sum(squares, a.lanes);  // every lane has read its numbers: results may stand where they did
    if (first + team >= all) continue;
    const float r = 1.0f / sqrtf(squares / static_cast<float>(a.size) + a.epsilon);
    if (part.weight != nullptr && part.inverse != nullptr && me == 0) part.inverse[head * a.inverse_gap + token] = r;
#pragma unroll
    for (int t = 0; t < Turns; ++t) {
      if (part.weight != nullptr) {
#pragma unroll
        for (int k = 0; k < N; ++k) u[t].a.of[k] = u[t].a.of[k] * r * weights[t].a.of[k], u[t].b.of[k] = u[t].b.of[k] * r * weights[t].b.of[k];
      }
      if (blockIdx.y < 2) turn_unit<N>(a, places[t], token, u[t], 1.0f);
      store_unit<N>(part.y + token * part.y_token + head * part.y_head, places[t], u[t], a.neighbours);
    }
  }
}

template <int N, int Turns, class T>
STRETTO_KERNEL __launch_bounds__(each_threads) void norm_turn_heads_backward(head_norm_arguments<T> a) {
  constexpr int warps = each_threads / 32;
  constexpr std::integral_constant<int, N> n{};
  __shared__ float room[warps][most_head_size];
  const int me = static_cast<int>(threadIdx.x) & (a.lanes - 1), team = static_cast<int>(threadIdx.x) / a.lanes, teams = each_threads / a.lanes;
  const head_norm_part<T>& part = a.part[blockIdx.y];
  const std::int64_t all = a.tokens * part.heads;
  const bool norms = part.weight != nullptr;
  unit_place places[Turns];
  head_unit<N> weights[Turns], sums[Turns];
#pragma unroll
  for (int t = 0; t < Turns; ++t) places[t] = unit_place::of(a, me + t * a.lanes, n), weights[t] = weights_of_unit<N>(part.weight, places[t], a.neighbours), sums[t] = {};
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * teams; first < all; first += static_cast<std::int64_t>(gridDim.x) * teams) {
    const bool there = first + team < all;
    const std::int64_t i = there ? first + team : all - 1, token = row_of_unit(i, part.heads), head = i - token * part.heads;
    const float r = norms ? part.inverse[head * a.inverse_gap + token] : 1;
    head_unit<N> g[Turns], x[Turns];
    float along = 0;
#pragma unroll
    for (int t = 0; t < Turns; ++t) {
      g[t] = load_unit<N>(part.dy + token * part.dy_token + head * part.dy_head, places[t], a.neighbours);
      if (blockIdx.y < 2) turn_unit<N>(a, places[t], token, g[t], -1.0f);
      if (!norms) continue;
      x[t] = load_unit<N>(part.x + token * part.x_token + head * part.x_head, places[t], a.neighbours);
#pragma unroll
      for (int k = 0; k < N; ++k) {
        x[t].a.of[k] *= r, x[t].b.of[k] *= r;
        if (there) sums[t].a.of[k] = fmaf(g[t].a.of[k], x[t].a.of[k], sums[t].a.of[k]), sums[t].b.of[k] = fmaf(g[t].b.of[k], x[t].b.of[k], sums[t].b.of[k]);
        g[t].a.of[k] *= weights[t].a.of[k], g[t].b.of[k] *= weights[t].b.of[k];
        along = fmaf(g[t].a.of[k], x[t].a.of[k], fmaf(g[t].b.of[k], x[t].b.of[k], along));
      }
    }
    along = team_sum(along, a.lanes) / static_cast<float>(a.size);
    if (!there) continue;
#pragma unroll
    for (int t = 0; t < Turns; ++t) {
      if (norms) {
#pragma unroll
        for (int k = 0; k < N; ++k) g[t].a.of[k] = r * fmaf(-x[t].a.of[k], along, g[t].a.of[k]), g[t].b.of[k] = r * fmaf(-x[t].b.of[k], along, g[t].b.of[k]);
      }
      store_unit<N>(part.y + token * part.y_token + head * part.y_head, places[t], g[t], a.neighbours);
    }
  }
  if (!norms) return;  // all threads of the block alike
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
#pragma unroll
  for (int t = 0; t < Turns; ++t)
#pragma unroll
    for (int k = 0; k < N; ++k) {
      float s = sums[t].a.of[k], v = sums[t].b.of[k];
      for (int apart = a.lanes; apart < 32; apart *= 2) s += __shfl_xor_sync(0xffffffffu, s, apart), v += __shfl_xor_sync(0xffffffffu, v, apart);
      if (lane >= a.lanes || !places[t].there) continue;
      room[warp][places[t].of_a(k, a.neighbours, n)] = s;
      if (places[t].second >= 0) room[warp][places[t].of_b(k, a.neighbours, n)] = v;
    }
  __syncthreads();
  for (int j = static_cast<int>(threadIdx.x); j < a.size; j += each_threads) {
    float s = room[0][j];
#pragma unroll
    for (int w = 1; w < warps; ++w) s += room[w][j];
    a.parts[(static_cast<std::int64_t>(blockIdx.y) * gridDim.x + blockIdx.x) * a.size + j] = s;
  }
}

}  // namespace stretto::inline v0::cuda
