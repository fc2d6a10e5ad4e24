// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention forward: a block has 64 queries of a head, a warp 16 of them, and goes over the tiles of keys that they see.
//
//     tile of keys:   s = q kᵀ  |  mask, largest so far  |  p = 2^(s - largest), o and its sum brought to the new largest  |  o += p v
// Scores, weights and outputs stay in registers. Sums of weights are kept by lanes apart and added at the end. Scale and log2(e)
// are one factor.
// Cost: a read of the keys and values for each 64 queries, mostly from the second cache; 2 products a tile.
// Source: Dao, FlashAttention-2, ICLR 2024; Milakov and Gimelshein, arXiv 1805.02867, 2018.
#pragma once

#include <stretto/cuda/kernels/attention_tiles.cuh>
#include <stretto/cuda/kernels/tile_products.cuh>

namespace stretto::inline v0::cuda {

/// A view of (tokens, heads, head size).
template <class T>
struct attention_rows {
  T* data;
  std::int64_t token, head;  ///< how far they are apart
  bool lines;                ///< rows are whole lines of 16 bytes

  __device__ T* at(std::int64_t i, std::int64_t h) const { return data + i * token + h * head; }
};

template <class T>
struct attention_arguments {
  attention_rows<const T> queries, keys, values;
  attention_places at_queries, at_keys;
  attention_rule rule;
  attention_rows<float> state;  ///< or null
  float* lse;
  std::int64_t lse_gap;
  attention_rows<T> output;     ///< or null
  std::int64_t heads, heads_of_keys;
  int head_size;
};

/// Tiles of a kernel for head sizes up to Wide.
template <class T, int Wide>
struct attention_shape {
  static constexpr int threads = 128, queries = 64, keys = sizeof(T) == 4 || Wide > 128 ? 32 : 64;
  static constexpr int stride = Wide + in_line<T>;  // a line more, so that rows begin at different banks
  static constexpr int bytes = (queries + 2 * keys) * stride * static_cast<int>(sizeof(T)) + threads / 32 * stage_room * 4 + (2 * keys + queries) * 4 + queries * 16;
};

/// A block's tile of queries, of one head. Late tiles, which see the most where causal, come first.
struct query_tile {
  std::int64_t head, kv, first;
  int rows;
};
template <int Queries, class Arguments>
__device__ inline query_tile query_tile_of(const Arguments& a) {
  const std::int64_t tiles = (a.at_queries.count + Queries - 1) / Queries, block = blockIdx.x, head = block % a.heads, first = (tiles - 1 - block / a.heads) * Queries;
  const std::int64_t left = a.at_queries.count - first;
  return {head, head / (a.heads / a.heads_of_keys), first, static_cast<int>(left < Queries ? left : Queries)};
}

template <class T, int Wide>
STRETTO_KERNEL void __launch_bounds__(128) attention_forward(attention_arguments<T> a) {
  using shape = attention_shape<T, Wide>;
  constexpr int queries = shape::queries, keys = shape::keys, stride = shape::stride, threads = shape::threads, N = keys / 8, D = Wide / 8;
  extern __shared__ uint4 attention_room[];
  uint4* const dropout_keys = attention_room;  // of each query
  T* const q = reinterpret_cast<T*>(dropout_keys + queries);
  T* const k = q + queries * stride;
  T* const v = k + keys * stride;
  float* const stage = reinterpret_cast<float*>(v + keys * stride);
  int* const query_places = reinterpret_cast<int*>(stage + threads / 32 * stage_room);
  int* const key_places = query_places + queries;
  int* const key_documents = key_places + keys;

  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32), pair = lane % 4 * 2, wide = (a.head_size + 15) / 16 * 16;
  const auto [head, kv, first, rows] = query_tile_of<queries>(a);
  const int4 own = extremes_of(a.at_queries, first, rows);
  const float to_power = a.rule.cap == 0 ? a.rule.scale * attention_log2e : attention_log2e;
  const bool merges = a.rule.accumulate && a.state.data != nullptr;

  load_tile<queries, Wide, stride, threads>(a.queries.at(first, head), a.queries.token, rows, a.head_size, a.queries.lines, false, q);
  put_query_places<queries, threads>(a.rule, a.at_queries, head, first, rows, query_places, dropout_keys);
  attention_mask mask[2];
  float top[2], sum[2], o[D][4];
#pragma unroll
  for (int j = 0; j < D; ++j)
#pragma unroll
    for (int e = 0; e < 4; ++e) o[j][e] = 0;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = warp * 16 + lane / 4 + 8 * r;
    const std::int64_t token = first + (row < rows ? row : 0);
    mask[r] = mask_at(a.rule, a.at_queries, token);
    const float lse = merges && row < rows ? a.lse[token * a.lse_gap + head] : -INFINITY;
    top[r] = lse * attention_log2e;
    sum[r] = lse == -INFINITY || lane % 4 != 0 ? 0.0f : 1.0f;
    if (merges && row < rows) {
      const float* const from = a.state.at(token, head);
#pragma unroll
      for (int j = 0; j < D; ++j)
#pragma unroll
        for (int e = 0; e < 2; ++e)
          if (8 * j + pair + e < a.head_size) o[j][2 * r + e] = from[8 * j + pair + e];
    }
  }

  for (std::int64_t begin = 0; begin < a.at_keys.count; begin += keys) {
    const int there = static_cast<int>(a.at_keys.count - begin < keys ? a.at_keys.count - begin : keys);
    const attention_sees sight = sight_of(a.rule, own, extremes_of(a.at_keys, begin, there));
    if (sight == attention_sees::none) continue;
    const bool masked = sight == attention_sees::some || there < keys;
    __syncthreads();  // the tile before has been read
    load_tile<keys, Wide, stride, threads>(a.keys.at(begin, kv), a.keys.token, there, a.head_size, a.keys.lines, false, k);
    bool odd = load_tile<keys, Wide, stride, threads>(a.values.at(begin, kv), a.values.token, there, a.head_size, a.values.lines, masked, v);
    put_key_places<keys, threads>(a.at_keys, begin, there, key_places, key_documents);
    odd = __syncthreads_or(odd) != 0;

    float s[N][4] = {};
    add_rows_by_rows<N, stride>(s, q + warp * 16 * stride, k, wide);
    unsigned seen = 0xffffffffu;
#pragma unroll
    for (int n = 0; n < N; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) s[n][e] = to_power * (a.rule.cap == 0 ? s[n][e] : capped(s[n][e] * a.rule.scale, a.rule.cap));
    if (masked) {
      seen = 0;
#pragma unroll
      for (int n = 0; n < N; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int column = 8 * n + pair + e % 2;
          const bool sees = column < there && sees_key(mask[e / 2], key_places[column], key_documents[column]);
          if (sees) seen |= 1u << (4 * n + e);
          else s[n][e] = -INFINITY;
        }
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float most = top[r];
#pragma unroll
      for (int n = 0; n < N; ++n) most = fmaxf(most, fmaxf(s[n][2 * r], s[n][2 * r + 1]));
      most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
      most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
      const float from = most < -3e38f ? 0.0f : most, factor = exp2f(top[r] - from);  // where nothing was seen, weights are 2^-inf
      float more = 0;
#pragma unroll
      for (int n = 0; n < N; ++n)
#pragma unroll
        for (int e = 2 * r; e < 2 * r + 2; ++e) s[n][e] = exp2f(s[n][e] - from), more += s[n][e];
      sum[r] = sum[r] * factor + more;
      top[r] = most;
#pragma unroll
      for (int j = 0; j < D; ++j) o[j][2 * r] *= factor, o[j][2 * r + 1] *= factor;
    }
    if (a.rule.dropped_below != 0) {
      const unsigned dropped = dropped_by_row<N>(a.rule.dropped_below, dropout_keys + warp * 16, query_places + warp * 16, key_places);
#pragma unroll
      for (int n = 0; n < N; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e) s[n][e] *= (dropped >> (4 * n + e) & 1u) != 0 ? 0.0f : a.rule.kept;
    }
    if (odd) add_seen_by_rows<stride>(o, s, seen, v, wide, stage + warp * stage_room);
    else add_tile_by_rows<stride>(o, s, v, wide, stage + warp * stage_room);
  }

#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = warp * 16 + lane / 4 + 8 * r;
    float all = sum[r] + __shfl_xor_sync(0xffffffffu, sum[r], 1);
    all += __shfl_xor_sync(0xffffffffu, all, 2);
    if (row >= rows) continue;
    const float factor = all == 0 ? 0.0f : 1 / all;
    if (lane % 4 == 0) {
      float& lse = a.lse[(first + row) * a.lse_gap + head];
      const bool stays = merges && all == 1 && top[r] == lse * attention_log2e;
      if (!stays) lse = all == 0 ? -INFINITY : static_cast<float>(static_cast<double>(top[r]) * 0.693147180559945309 + static_cast<double>(logf(all)));
    }
    float* const state = a.state.data != nullptr ? a.state.at(first + row, head) : nullptr;
    T* const output = a.output.data != nullptr ? a.output.at(first + row, head) : nullptr;
#pragma unroll
    for (int j = 0; j < D; ++j)
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int column = 8 * j + pair + e;
        if (column >= a.head_size) continue;
        const float x = all == 0 ? 0.0f : o[j][2 * r + e] * factor;
        if (state != nullptr) state[column] = x;
        if (output != nullptr) output[column] = narrow<T>(x);
      }
  }
}

}  // namespace stretto::inline v0::cuda
