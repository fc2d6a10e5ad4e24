// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernel of rms_norm and layer_norm: Centred is the second, which takes the mean off first. See rms_norm.cuh, layer_norm.cuh.
//
//     s = x + residual, rounded      m = mean(s), or 0      r = 1 / sqrt(mean((s - m)²) + epsilon)      y = (s - m) r w + b
// The variance is summed in a second pass over the row, which is on the chip: mean(s²) - m² would lose all digits where m is
// large. Cost: a row read and written once, weights from the cache; a sum a row, or two.
#pragma once

#include <stretto/cuda/kernels/rows.cuh>

namespace stretto::inline v0::cuda {

template <class T>
struct norm_arguments {
  std::int64_t rows, columns;
  int threads;  ///< a row
  const T *x, *residual, *weight, *bias;
  T *s, *y;
  float *mean, *inverse;
  std::int64_t x_gap, residual_gap, s_gap, y_gap;  ///< from row to row
  float epsilon, offset;                           ///< offset: of weights
};

template <class T, row_hold Hold, bool Lined, bool Centred>
STRETTO_KERNEL void __launch_bounds__(most_row_threads) norm_rows(norm_arguments<T> a) {
  constexpr int numbers = in_line<T>;
  __shared__ float room[row_team::room];
  row_team team(a.threads, room);
  for (row_turn row(team, a.rows); row.more(); row.next()) {
    const std::int64_t t = row.at(), n = row.columns(a.columns);
    held_row<T, Hold, Lined> x(a.x + t * a.x_gap, n, team, shared_lines<T>(0, a.columns));
    if (a.residual != nullptr) {
      T* const s = a.s + t * a.s_gap;
      const held_row<T, Hold == row_hold::shared ? row_hold::again : Hold, Lined> residual(a.residual + t * a.residual_gap, n, team);
      if constexpr (Hold == row_hold::shared) fetch_row_ahead(team, a.residual + t * a.residual_gap, n);
      x.each(team, [&](int k, std::int64_t i) {
        floats<numbers> sum = x.at(k, i);
        const floats<numbers> other = residual.at(k, i);
#pragma unroll
        for (int j = 0; j < numbers; ++j) sum.of[j] += other.of[j];
        const row_line<T> rounded = narrow_line<T>(sum);
        x.put(k, i, rounded);
        write_line<Lined>(s, i, n, rounded);
      });
      x.now(s);
    }
    float mean = 0;
    if constexpr (Centred) {
      float all = 0;
      x.each(team, [&](int k, std::int64_t i) {
        const floats<numbers> v = x.at(k, i);
#pragma unroll
        for (int j = 0; j < numbers; ++j) all += v.of[j];  // zeros behind the last column
      });
      all = team.template all<adds>(all);
      mean = a.columns > 0 ? all / static_cast<float>(a.columns) : 0;
    }
    float squares = 0;
    x.each(team, [&](int k, std::int64_t i) {
      const floats<numbers> v = x.at(k, i);
#pragma unroll
      for (int j = 0; j < numbers; ++j) {
        const float d = Centred && !x.has(i, j) ? 0 : v.of[j] - mean;
        squares += d * d;
      }
    });
    squares = team.template all<adds>(squares);
    const float r = 1.0f / sqrtf((a.columns > 0 ? squares / static_cast<float>(a.columns) : 0) + a.epsilon);
    if (team.me == 0 && row.there()) {
      if (Centred && a.mean != nullptr) a.mean[t] = mean;
      if (a.inverse != nullptr) a.inverse[t] = r;
    }
    T* const y = a.y + t * a.y_gap;
    x.each(team, [&](int k, std::int64_t i) {
      floats<numbers> v = x.at(k, i);
      const floats<numbers> w = weights_at<Lined>(a.weight, i, a.columns, a.offset, 1);
#pragma unroll
      for (int j = 0; j < numbers; ++j) v.of[j] = __fmul_rn((v.of[j] - mean) * r, w.of[j]);
      if constexpr (Centred) {
        const floats<numbers> b = weights_at<Lined>(a.bias, i, a.columns, 0, 0);
#pragma unroll
        for (int j = 0; j < numbers; ++j) v.of[j] = __fadd_rn(v.of[j], b.of[j]);  // fused here and not there, bits would hang on the address
      }
      write_line<Lined>(y, i, n, v);
    });
  }
}

}  // namespace stretto::inline v0::cuda
