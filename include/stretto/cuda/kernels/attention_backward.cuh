// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention backward in two kernels, without atomics: one keeps queries and goes over keys, for their gradient; the other
// keeps keys and goes over queries, head by head of their group. Both compute scores anew.
//
//     d_queries:   s = q kᵀ   dp = do vᵀ   p = 2^(s - lse)   ds = p (dp - delta)     dq += ds k
//     d_keys, d_values:   the same turned, keys in rows                              dv += pᵀ do     dk += dsᵀ q
// Head sizes above 128 do d_keys and d_values in two passes, because a lane hasn't registers for both.
// Cost: 7 products of tiles, 8 for the largest heads; forward has 2.
// Source: Dao et al., FlashAttention, NeurIPS 2022.
#pragma once

#include <stretto/cuda/kernels/attention.cuh>

namespace stretto::inline v0::cuda {

/// A gradient, in T or float.
template <class T>
struct attention_gradient {
  void* data;
  std::int64_t token, head;
  bool is_float, adds;

  __device__ void put(std::int64_t i, std::int64_t h, int column, float x) const {
    const std::int64_t at = i * token + h * head + column;
    if (is_float) {
      float* const to = static_cast<float*>(data) + at;
      *to = adds ? *to + x : x;
    } else {
      static_cast<T*>(data)[at] = narrow<T>(x);
    }
  }
};

template <class T>
struct attention_backward_arguments {
  attention_rows<const T> queries, keys, values, d_output;
  const float *lse, *delta;
  std::int64_t lse_gap, delta_gap;
  attention_places at_queries, at_keys;
  attention_rule rule;
  attention_gradient<T> d_queries, d_keys, d_values;
  std::int64_t heads, heads_of_keys;
  int head_size;
};

/// A block keeps `kept` rows, 16 a warp, and goes over others, `passing` at a time.
template <class T, int Wide>
struct attention_backward_shape {
  static constexpr int threads = Wide > 128 ? 64 : 128, kept = threads / 2, passing = sizeof(T) == 4 || Wide > 64 ? 32 : 64;
  static constexpr int stride = Wide + in_line<T>;
  static constexpr int bytes = 2 * (kept + passing) * stride * static_cast<int>(sizeof(T)) + threads / 32 * stage_room * 4 + (kept + 6 * passing) * 4 + (kept + passing) * 16;
};

/// The exponent's subtrahend; where a query saw nothing, weights are 2^-inf.
__device__ inline float power_of_lse(float lse) { return lse == -INFINITY ? INFINITY : lse * attention_log2e; }

/// Of a score's product s: the weight p and what dp - delta is multiplied by.
__device__ inline void weigh_again(const attention_rule& r, float s, float power, float& p, float& slope) {
  slope = 1;
  if (r.cap == 0) {
    p = exp2f(s * (r.scale * attention_log2e) - power);
  } else {
    const float score = capped(s * r.scale, r.cap);
    p = exp2f(score * attention_log2e - power), slope = cap_slope(score, r.cap);
  }
}

template <class T, int Wide>
STRETTO_KERNEL void __launch_bounds__(128) attention_backward_queries(attention_backward_arguments<T> a) {
  using shape = attention_backward_shape<T, Wide>;
  constexpr int queries = shape::kept, keys = shape::passing, stride = shape::stride, threads = shape::threads, N = keys / 8, D = Wide / 8;
  extern __shared__ uint4 attention_room[];
  uint4* const dropout_keys = attention_room;
  T* const q = reinterpret_cast<T*>(dropout_keys + queries);
  T* const d_o = q + queries * stride;
  T* const k = d_o + queries * stride;
  T* const v = k + keys * stride;
  float* const stage = reinterpret_cast<float*>(v + keys * stride);
  int* const query_places = reinterpret_cast<int*>(stage + threads / 32 * stage_room);
  int* const key_places = query_places + queries;
  int* const key_documents = key_places + keys;

  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32), pair = lane % 4 * 2, wide = (a.head_size + 15) / 16 * 16;
  const auto [head, kv, first, rows] = query_tile_of<queries>(a);
  const int4 own = extremes_of(a.at_queries, first, rows);

  load_tile<queries, Wide, stride, threads>(a.queries.at(first, head), a.queries.token, rows, a.head_size, a.queries.lines, false, q);
  load_tile<queries, Wide, stride, threads>(a.d_output.at(first, head), a.d_output.token, rows, a.head_size, a.d_output.lines, false, d_o);
  put_query_places<queries, threads>(a.rule, a.at_queries, head, first, rows, query_places, dropout_keys);
  attention_mask mask[2];
  float power[2], delta[2], dq[D][4];
#pragma unroll
  for (int j = 0; j < D; ++j)
#pragma unroll
    for (int e = 0; e < 4; ++e) dq[j][e] = 0;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = warp * 16 + lane / 4 + 8 * r;
    const std::int64_t token = first + (row < rows ? row : 0);
    mask[r] = mask_at(a.rule, a.at_queries, token);
    power[r] = power_of_lse(a.lse[token * a.lse_gap + head]);
    delta[r] = a.delta[token * a.delta_gap + head];
  }

  for (std::int64_t begin = 0; begin < a.at_keys.count; begin += keys) {
    const int there = static_cast<int>(a.at_keys.count - begin < keys ? a.at_keys.count - begin : keys);
    const attention_sees sight = sight_of(a.rule, own, extremes_of(a.at_keys, begin, there));
    if (sight == attention_sees::none) continue;
    const bool masked = sight == attention_sees::some || there < keys;
    __syncthreads();
    bool odd = load_tile<keys, Wide, stride, threads>(a.keys.at(begin, kv), a.keys.token, there, a.head_size, a.keys.lines, masked, k);
    load_tile<keys, Wide, stride, threads>(a.values.at(begin, kv), a.values.token, there, a.head_size, a.values.lines, false, v);
    put_key_places<keys, threads>(a.at_keys, begin, there, key_places, key_documents);
    odd = __syncthreads_or(odd) != 0;

    float s[N][4] = {}, dp[N][4] = {};
    add_rows_by_rows<N, stride>(s, q + warp * 16 * stride, k, wide);
    add_rows_by_rows<N, stride>(dp, d_o + warp * 16 * stride, v, wide);
    unsigned seen = 0, dropped = 0;
    if (a.rule.dropped_below != 0) dropped = dropped_by_row<N>(a.rule.dropped_below, dropout_keys + warp * 16, query_places + warp * 16, key_places);
#pragma unroll
    for (int n = 0; n < N; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int column = 8 * n + pair + e % 2;
        const bool sees = !masked || (column < there && sees_key(mask[e / 2], key_places[column], key_documents[column]));
        float p, slope;
        weigh_again(a.rule, s[n][e], power[e / 2], p, slope);
        const float kept = a.rule.dropped_below == 0 ? 1.0f : (dropped >> (4 * n + e) & 1u) != 0 ? 0.0f : a.rule.kept;
        s[n][e] = sees ? p * (dp[n][e] * kept - delta[e / 2]) * slope : 0.0f;
        if (sees) seen |= 1u << (4 * n + e);
      }
    if (odd) add_seen_by_rows<stride>(dq, s, seen, k, wide, stage + warp * stage_room);
    else add_tile_by_rows<stride>(dq, s, k, wide, stage + warp * stage_room);
  }

#pragma unroll
  for (int j = 0; j < D; ++j)
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int row = warp * 16 + lane / 4 + e / 2 * 8, column = 8 * j + pair + e % 2;
      if (row < rows && column < a.head_size) a.d_queries.put(first + row, head, column, a.rule.scale * dq[j][e]);
    }
}

/// Keys, Values: which gradients.
template <class T, int Wide, bool Keys, bool Values>
STRETTO_KERNEL void __launch_bounds__(128) attention_backward_keys(attention_backward_arguments<T> a) {
  using shape = attention_backward_shape<T, Wide>;
  constexpr int keys = shape::kept, queries = shape::passing, stride = shape::stride, threads = shape::threads, N = queries / 8, D = Wide / 8;
  extern __shared__ uint4 attention_room[];
  uint4* const dropout_keys = attention_room;
  T* const k = reinterpret_cast<T*>(dropout_keys + queries);
  T* const v = k + keys * stride;
  T* const q = v + keys * stride;
  T* const d_o = q + queries * stride;
  float* const stage = reinterpret_cast<float*>(d_o + queries * stride);
  float* const powers = stage + threads / 32 * stage_room;
  float* const deltas = powers + queries;
  attention_mask* const masks = reinterpret_cast<attention_mask*>(deltas + queries);
  int* const query_places = reinterpret_cast<int*>(masks + queries);
  int* const key_places = query_places + queries;

  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32), pair = lane % 4 * 2;
  const std::int64_t block = blockIdx.x, kv = block % a.heads_of_keys, first = block / a.heads_of_keys * keys, group = a.heads / a.heads_of_keys;
  const int rows = static_cast<int>(a.at_keys.count - first < keys ? a.at_keys.count - first : keys), wide = (a.head_size + 15) / 16 * 16;
  const int4 own = extremes_of(a.at_keys, first, rows);

  load_tile<keys, Wide, stride, threads>(a.keys.at(first, kv), a.keys.token, rows, a.head_size, a.keys.lines, false, k);
  if constexpr (Keys) load_tile<keys, Wide, stride, threads>(a.values.at(first, kv), a.values.token, rows, a.head_size, a.values.lines, false, v);
  int places[2], documents[2];
  float dk[Keys ? D : 1][4], dv[Values ? D : 1][4];
#pragma unroll
  for (int j = 0; j < D; ++j)
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      if constexpr (Keys) dk[j][e] = 0;
      if constexpr (Values) dv[j][e] = 0;
    }
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = warp * 16 + lane / 4 + 8 * r;
    const std::int64_t token = first + (row < rows ? row : 0);
    places[r] = position_at(a.at_keys, token), documents[r] = document_at(a.at_keys, token);
    if (lane % 4 == 0) key_places[row] = places[r];
  }

  for (std::int64_t head = kv * group; head < (kv + 1) * group; ++head)
    for (std::int64_t begin = 0; begin < a.at_queries.count; begin += queries) {
      const int there = static_cast<int>(a.at_queries.count - begin < queries ? a.at_queries.count - begin : queries);
      const attention_sees sight = sight_of(a.rule, extremes_of(a.at_queries, begin, there), own);
      if (sight == attention_sees::none) continue;
      const bool masked = sight == attention_sees::some || there < queries;
      __syncthreads();
      bool odd = load_tile<queries, Wide, stride, threads>(a.queries.at(begin, head), a.queries.token, there, a.head_size, a.queries.lines, masked, q);
      odd |= load_tile<queries, Wide, stride, threads>(a.d_output.at(begin, head), a.d_output.token, there, a.head_size, a.d_output.lines, masked, d_o);
      for (int i = static_cast<int>(threadIdx.x); i < queries; i += threads) {
        const std::int64_t token = begin + (i < there ? i : 0);
        masks[i] = mask_at(a.rule, a.at_queries, token);
        powers[i] = power_of_lse(a.lse[token * a.lse_gap + head]), deltas[i] = a.delta[token * a.delta_gap + head];
        query_places[i] = position_at(a.at_queries, token);
        if (a.rule.dropped_below != 0) dropout_keys[i] = dropout_key(a.rule, head, document_at(a.at_queries, token));
      }
      odd = __syncthreads_or(odd) != 0;

      float s[N][4] = {}, dp[N][4] = {};
      add_rows_by_rows<N, stride>(s, k + warp * 16 * stride, q, wide);
      if constexpr (Keys) add_rows_by_rows<N, stride>(dp, v + warp * 16 * stride, d_o, wide);
      unsigned seen = 0, dropped = 0;
      if (a.rule.dropped_below != 0) dropped = dropped_by_column<N>(a.rule.dropped_below, dropout_keys, query_places, key_places + warp * 16);
#pragma unroll
      for (int n = 0; n < N; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int column = 8 * n + pair + e % 2;
          const bool sees = !masked || (column < there && sees_key(masks[column], places[e / 2], documents[e / 2]));
          float p, slope;
          weigh_again(a.rule, s[n][e], powers[column], p, slope);
          const float kept = a.rule.dropped_below == 0 ? 1.0f : (dropped >> (4 * n + e) & 1u) != 0 ? 0.0f : a.rule.kept;
          if constexpr (Keys) dp[n][e] = sees ? p * (dp[n][e] * kept - deltas[column]) * slope : 0.0f;
          s[n][e] = sees ? p * kept : 0.0f;
          if (sees) seen |= 1u << (4 * n + e);
        }
      if constexpr (Values) {
        if (odd) add_seen_by_rows<stride>(dv, s, seen, d_o, wide, stage + warp * stage_room);
        else add_tile_by_rows<stride>(dv, s, d_o, wide, stage + warp * stage_room);
      }
      if constexpr (Keys) {
        if (odd) add_seen_by_rows<stride>(dk, dp, seen, q, wide, stage + warp * stage_room);
        else add_tile_by_rows<stride>(dk, dp, q, wide, stage + warp * stage_room);
      }
    }

#pragma unroll
  for (int j = 0; j < D; ++j)
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int row = warp * 16 + lane / 4 + e / 2 * 8, column = 8 * j + pair + e % 2;
      if (row >= rows || column >= a.head_size) continue;
      if constexpr (Keys) a.d_keys.put(first + row, kv, column, a.rule.scale * dk[j][e]);
      if constexpr (Values) a.d_values.put(first + row, kv, column, dv[j][e]);
    }
}

template <class T>
struct attention_delta_arguments {
  attention_rows<const T> output, d_output;
  float* delta;
  std::int64_t delta_gap, tokens, heads;
  int head_size, lanes;  ///< of a warp that share a row: a power of two
};
/// A row's lanes take lines of it in turn.
template <class T>
STRETTO_KERNEL void attention_delta_rows(attention_delta_arguments<T> a) {
  constexpr int line = in_line<T>;
  const int lane = static_cast<int>(threadIdx.x) % a.lanes, together = static_cast<int>(blockDim.x) / a.lanes;
  const bool lines = a.output.lines && a.d_output.lines;
  const std::int64_t rows = a.tokens * a.heads;
  for (std::int64_t block = blockIdx.x; block * together < rows; block += gridDim.x) {
    const std::int64_t row = block * together + static_cast<int>(threadIdx.x) / a.lanes, token = row < rows ? row / a.heads : 0, head = row < rows ? row % a.heads : 0;
    const T* const x = a.output.at(token, head);
    const T* const y = a.d_output.at(token, head);
    float sum = 0;
    for (int column = lane * line; column < a.head_size; column += a.lanes * line) {
      if (lines) {
        const floats<line> u = load<line>(x + column), w = load<line>(y + column);
#pragma unroll
        for (int e = 0; e < line; ++e) sum = fmaf(u.of[e], w.of[e], sum);
      } else {
        for (int e = column; e < column + line && e < a.head_size; ++e) sum = fmaf(widen(x[e]), widen(y[e]), sum);
      }
    }
    for (int apart = a.lanes / 2; apart > 0; apart /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, apart);
    if (lane == 0 && row < rows) a.delta[token * a.delta_gap + head] = sum;
  }
}

}  // namespace stretto::inline v0::cuda
