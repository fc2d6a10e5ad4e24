// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of the gradients of rms_norm and layer_norm: of the input, of the weights, and of both in one pass over x and dy.
//
//     g = dy w, z = (x - m) r     dx = r (g - mean(g) - z mean(g z)) + residual_gradient        RMS: without mean(g) and m
//     dw = sum over rows of dy z,  db = sum of dy                          in parts, which add_weight_parts adds in their order
//
//     norm_backward        a team a row                                                     6 bytes a number of bf16
//     norm_backward_both   block p has rows p, p + parts, …; each thread keeps its columns' sums in registers     6 bytes
//     norm_weight_parts    block (tile of columns, part): 8 warps, each every eighth row                          4 bytes
// The number of parts hangs on the shape alone, so that bits don't hang on the device.
#pragma once

#include <stretto/cuda/kernels/rows.cuh>

namespace stretto::inline v0::cuda {

template <class T>
struct norm_backward_arguments {
  std::int64_t rows, columns;
  int threads;  ///< a row
  const T *x, *dy, *weight, *residual;
  const float *mean, *inverse;
  T* dx;
  float* parts;  ///< (1 or 2, parts, columns): of the weights' gradient, and of the bias'
  std::int64_t x_gap, dy_gap, residual_gap, dx_gap;
  std::int64_t part_count;
  float offset;
};

namespace detail {

/// dx of a row, which is held. The products are rounded as in the sum, or else a row of one column has a gradient.
template <bool Lined, bool Centred, class T, class X, class Dy, class Residual>
__device__ inline void norm_backward_row(const norm_backward_arguments<T>& a, row_team& team, std::int64_t t, std::int64_t n, float mean, float r, const X& x, const Dy& dy,
                                         const Residual& residual) {
  constexpr int numbers = in_line<T>;
  float sums[Centred ? 2 : 1] = {};
  x.each(team, [&](int k, std::int64_t i) {
    const floats<numbers> v = x.at(k, i), d = dy.at(k, i), w = weights_at<Lined>(a.weight, i, a.columns, a.offset, 1);
#pragma unroll
    for (int j = 0; j < numbers; ++j) {
      const float g = __fmul_rn(d.of[j], w.of[j]);  // 0 behind the last column
      sums[0] += g * ((v.of[j] - mean) * r);
      if constexpr (Centred) sums[1] += g;
    }
  });
  team.template all<adds>(sums);
  const float count = static_cast<float>(a.columns), along = sums[0] / count;
  float even = 0;
  if constexpr (Centred) even = sums[1] / count;
  T* const dx = a.dx + t * a.dx_gap;
  x.each(team, [&](int k, std::int64_t i) {
    floats<numbers> v = x.at(k, i);
    const floats<numbers> d = dy.at(k, i), w = weights_at<Lined>(a.weight, i, a.columns, a.offset, 1);
#pragma unroll
    for (int j = 0; j < numbers; ++j) v.of[j] = __fmul_rn(r, fmaf(-((v.of[j] - mean) * r), along, __fmul_rn(d.of[j], w.of[j]) - even));
    if (a.residual != nullptr) {
      const floats<numbers> other = residual.at(k, i);
#pragma unroll
      for (int j = 0; j < numbers; ++j) v.of[j] = __fadd_rn(v.of[j], other.of[j]);
    }
    write_line<Lined>(dx, i, n, v);
  });
}

}  // namespace detail

template <class T, row_hold Hold, bool Lined, bool Centred>
STRETTO_KERNEL void __launch_bounds__(most_row_threads) norm_backward(norm_backward_arguments<T> a) {
  __shared__ float room[row_team::room];
  row_team team(a.threads, room);
  for (row_turn row(team, a.rows); row.more(); row.next()) {
    const std::int64_t t = row.at(), n = row.columns(a.columns);
    const held_row<T, Hold, Lined> x(a.x + t * a.x_gap, n, team, shared_lines<T>(0, a.columns)), dy(a.dy + t * a.dy_gap, n, team, shared_lines<T>(1, a.columns));
    const held_row<T, Hold == row_hold::shared ? row_hold::again : Hold, Lined> residual(a.residual + t * a.residual_gap, a.residual != nullptr ? n : 0, team);
    if constexpr (Hold == row_hold::shared) fetch_row_ahead(team, a.residual + t * a.residual_gap, a.residual != nullptr ? n : 0);
    const float r = row.there() ? a.inverse[t] : 0, mean = Centred && row.there() ? a.mean[t] : 0;
    detail::norm_backward_row<Lined, Centred>(a, team, t, n, mean, r, x, dy, residual);
  }
}

inline constexpr int most_both_threads = 256;

/// dx, and this block's part of the weights' gradients.
template <class T, bool Lined, bool Centred>
STRETTO_KERNEL void __launch_bounds__(most_both_threads) norm_backward_both(norm_backward_arguments<T> a) {
  constexpr int numbers = in_line<T>, kinds = Centred ? 2 : 1;
  using row_held = held_row<T, row_hold::registers, Lined>;
  __shared__ float room[row_team::room];
  row_team team(a.threads, room);
  float sums[kinds][row_lines][numbers] = {};
  for (row_turn row(team, a.rows); row.more(); row.next()) {
    const std::int64_t t = row.at(), n = row.columns(a.columns);
    const row_held x(a.x + t * a.x_gap, n, team), dy(a.dy + t * a.dy_gap, n, team), residual(a.residual + t * a.residual_gap, a.residual != nullptr ? n : 0, team);
    const float r = row.there() ? a.inverse[t] : 0, mean = Centred && row.there() ? a.mean[t] : 0;
    if (const std::int64_t ahead = row.ahead(); ahead >= 0)
      each_line<row_hold::registers, T>(team, a.columns, [&](int, std::int64_t i) {
        if (team.me % 4 != 0) return;  // one in 64 bytes, which is what may be fetched at once
        fetch_ahead(a.x + ahead * a.x_gap + i), fetch_ahead(a.dy + ahead * a.dy_gap + i);
        if (a.residual != nullptr) fetch_ahead(a.residual + ahead * a.residual_gap + i);
      });
    x.each(team, [&](int k, std::int64_t i) {
      const floats<numbers> v = x.at(k, i), d = dy.at(k, i);
#pragma unroll
      for (int j = 0; j < numbers; ++j) {
        sums[0][k][j] += d.of[j] * ((v.of[j] - mean) * r);
        if constexpr (Centred) sums[1][k][j] += d.of[j];
      }
    });
    detail::norm_backward_row<Lined, Centred>(a, team, t, n, mean, r, x, dy, residual);
  }
  // The teams of a block add up in their order; the last writes.
  auto* const so_far = reinterpret_cast<float*>(shared_lines<float>(0, 0));
  for (int team_now = 0; team_now < team.of_block; ++team_now) {
    if (team.which == team_now)
      each_line<row_hold::registers, T>(team, a.columns, [&](int k, std::int64_t i) {
#pragma unroll
        for (int kind = 0; kind < kinds; ++kind) {
          float* const before = so_far + kind * a.columns;
          float* const part = a.parts + (kind * a.part_count + blockIdx.x) * a.columns;
#pragma unroll
          for (int j = 0; j < numbers; ++j) {
            if (!Lined && i + j >= a.columns) continue;
            const float sum = (team_now > 0 ? before[i + j] : 0) + sums[kind][k][j];
            (team_now + 1 < team.of_block ? before : part)[i + j] = sum;
          }
        }
      });
    if (team_now + 1 < team.of_block) __syncthreads();
  }
}

inline constexpr int weight_warps = 8;

/// A tile of 32 lines of columns, and one part of the rows.
template <class T, bool Lined, bool Centred>
STRETTO_KERNEL void __launch_bounds__(32 * weight_warps) norm_weight_parts(norm_backward_arguments<T> a) {
  constexpr int numbers = in_line<T>, kinds = Centred ? 2 : 1, ahead = 4, tile = 32 * numbers;
  __shared__ float room[kinds][weight_warps][tile];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const std::int64_t tiles = (a.columns + tile - 1) / tile, part = blockIdx.x / tiles, i = (blockIdx.x % tiles) * tile + lane * numbers;
  const std::int64_t per_part = (a.rows + a.part_count - 1) / a.part_count, end = (part + 1) * per_part < a.rows ? (part + 1) * per_part : a.rows;
  float sums[kinds][numbers] = {};
  if (i < a.columns)
    for (std::int64_t first = part * per_part + warp; first < end; first += weight_warps * ahead) {
      row_line<T> x[ahead], dy[ahead];
      float r[ahead], mean[ahead];
#pragma unroll
      for (int u = 0; u < ahead; ++u) {
        const std::int64_t t = first + u * weight_warps;
        if (t >= end) continue;
        x[u] = read_line<Lined>(a.x + t * a.x_gap, i, a.columns), dy[u] = read_line<Lined>(a.dy + t * a.dy_gap, i, a.columns);
        r[u] = a.inverse[t], mean[u] = Centred ? a.mean[t] : 0;
      }
#pragma unroll
      for (int u = 0; u < ahead; ++u) {
        if (first + u * weight_warps >= end) continue;
        const floats<numbers> v = widen(x[u]), d = widen(dy[u]);
#pragma unroll
        for (int j = 0; j < numbers; ++j) {
          sums[0][j] += d.of[j] * ((v.of[j] - mean[u]) * r[u]);
          if constexpr (Centred) sums[1][j] += d.of[j];
        }
      }
    }
#pragma unroll
  for (int kind = 0; kind < kinds; ++kind)
#pragma unroll
    for (int j = 0; j < numbers; ++j) room[kind][warp][j * 32 + lane] = sums[kind][j];
  __syncthreads();
  for (int at = static_cast<int>(threadIdx.x); at < kinds * tile; at += 32 * weight_warps) {
    const int kind = at / tile, place = at % tile;
    const std::int64_t column = (blockIdx.x % tiles) * tile + (place % 32) * numbers + place / 32;
    float all = 0;
#pragma unroll
    for (int w = 0; w < weight_warps; ++w) all += room[kind][w][place];
    if (column < a.columns) a.parts[(kind * a.part_count + part) * a.columns + column] = all;
  }
}

struct add_parts_arguments {
  std::int64_t parts, columns;
  const float* from;  ///< (1 or 2, parts, columns)
  float* to[2];
};

inline constexpr int part_groups = 32;

/// to += all parts: 32 columns a block, whose 32 warps each add every thirty-second part.
template <class Number>
STRETTO_KERNEL void __launch_bounds__(32 * part_groups) add_weight_parts(add_parts_arguments a) {
  __shared__ Number room[part_groups][32];
  const int lane = static_cast<int>(threadIdx.x) % 32, group = static_cast<int>(threadIdx.x) / 32, kind = static_cast<int>(blockIdx.y);
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * 32 + lane;
  Number sum = 0;
  if (column < a.columns) {
    const Number* const from = a.from + kind * a.parts * a.columns + column;
#pragma unroll 4
    for (std::int64_t p = group; p < a.parts; p += part_groups) sum += from[p * a.columns];
  }
  room[group][lane] = sum;
  __syncthreads();
  if (group > 0 || column >= a.columns) return;
  Number all = 0;
#pragma unroll
  for (int g = 0; g < part_groups; ++g) all += room[g][lane];
  float* const to = kind == 0 ? a.to[0] : a.to[1];  // a.to[kind] would copy the arguments to the stack
  to[column] += all;
}

}  // namespace stretto::inline v0::cuda
