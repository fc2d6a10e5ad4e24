// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What attention's kernels share: where tokens stand and which tiles see each other, rows on their way into shared memory,
// and the bits of dropout.
//
//     tokens    0 … 31 | 32 … 63 | …      for lists of positions or documents, a pass before notes each 32 tokens' extremes
//     tile of queries x tile of keys      none seen: left out; all: no mask; some: a bit for each pair
// A mask asks, for a query, whether a key's position is at most `span` behind the first that it sees, and for the document.
// Cost: of lists 16 bytes of scratch memory for 32 tokens.
#pragma once

#include <climits>

#include <stretto/cuda/kernels/philox.cuh>
#include <stretto/cuda/kernels/sums.cuh>
#include <stretto/numeric/attention_check.hpp>

namespace stretto::inline v0::cuda {

inline constexpr int attention_granule = 32;  ///< tokens whose extremes are noted
inline constexpr float attention_log2e = 1.44269504088896340736f;

/// Positions and documents of tokens; {low, high} of both.
struct attention_places {
  const std::int32_t* positions;
  std::int64_t offset, step;
  const std::int32_t* documents;
  std::int64_t count;
  const int4* noted;  ///< of each granule, where there are lists
};
__device__ inline int position_at(const attention_places& p, std::int64_t i) { return p.positions != nullptr ? p.positions[i] : static_cast<int>(p.offset + i * p.step); }
__device__ inline int document_at(const attention_places& p, std::int64_t i) { return p.documents != nullptr ? p.documents[i] : 0; }

struct attention_note_arguments {
  attention_places queries, keys;
  int4 *of_queries, *of_keys;
  std::int64_t granules_of_queries, granules;
};
/// A warp for each granule. A template as all kernels are: another would be defined anew by each file that includes it.
template <int Granule>
STRETTO_KERNEL void note_attention_places(attention_note_arguments a) {
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * (blockDim.x / 32);
  for (std::int64_t g = static_cast<std::int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32; g < a.granules; g += warps) {
    const bool of_keys = g >= a.granules_of_queries;
    attention_places p = a.queries;
    if (of_keys) p = a.keys;
    const std::int64_t granule = of_keys ? g - a.granules_of_queries : g, i = granule * Granule + threadIdx.x % 32, at = i < p.count ? i : p.count - 1;
    const int position = position_at(p, at), document = document_at(p, at);
    int4 n = make_int4(position, position, document, document);
#pragma unroll
    for (int apart = 16; apart > 0; apart /= 2) {
      n.x = min(n.x, __shfl_xor_sync(0xffffffffu, n.x, apart)), n.y = max(n.y, __shfl_xor_sync(0xffffffffu, n.y, apart));
      n.z = min(n.z, __shfl_xor_sync(0xffffffffu, n.z, apart)), n.w = max(n.w, __shfl_xor_sync(0xffffffffu, n.w, apart));
    }
    if (threadIdx.x % 32 == 0) (of_keys ? a.of_keys : a.of_queries)[granule] = n;
  }
}

/// The least and the largest position, and document, of some tokens from a granule's first on.
__device__ inline int4 extremes_of(const attention_places& p, std::int64_t first, int count) {
  if (p.noted == nullptr) {
    const int a = position_at(p, first), b = position_at(p, first + count - 1);
    return make_int4(min(a, b), max(a, b), 0, 0);
  }
  int4 all = p.noted[first / attention_granule];
  for (std::int64_t g = first / attention_granule + 1; g * attention_granule < first + count; ++g) {
    const int4 n = p.noted[g];
    all = make_int4(min(all.x, n.x), max(all.y, n.y), min(all.z, n.z), max(all.w, n.w));
  }
  return all;
}

/// The first and the last position that a query sees.
__device__ inline int first_seen(const attention_rule& r, int query) {
  const std::int64_t first = static_cast<std::int64_t>(query) - r.window + 1;
  return r.window == 0 || first < INT_MIN ? INT_MIN : static_cast<int>(first);
}
__device__ inline int last_seen(const attention_rule& r, int query) { return r.causal ? query : INT_MAX; }

enum class attention_sees { none, some, all };
__device__ inline attention_sees sight_of(const attention_rule& r, const int4& queries, const int4& keys) {
  if (keys.y < first_seen(r, queries.x) || keys.x > last_seen(r, queries.y) || keys.w < queries.z || keys.z > queries.w) return attention_sees::none;
  const bool one = queries.z == queries.w && keys.z == keys.w;
  return one && keys.x >= first_seen(r, queries.y) && keys.y <= last_seen(r, queries.x) ? attention_sees::all : attention_sees::some;
}

/// What a query sees, for its mask.
struct attention_mask {
  int first;
  unsigned span;
  int document;
};
__device__ inline attention_mask mask_at(const attention_rule& r, const attention_places& p, std::int64_t i) {
  const int query = position_at(p, i), first = first_seen(r, query);
  return {first, static_cast<unsigned>(last_seen(r, query)) - static_cast<unsigned>(first), document_at(p, i)};
}
__device__ inline bool sees_key(const attention_mask& query, int key, int document) {
  return static_cast<unsigned>(key) - static_cast<unsigned>(query.first) <= query.span && document == query.document;
}

/// Rows of `head_size` numbers from memory into shared memory, Stride apart, with zeros behind the last column up to Wide and
/// behind the last row. Whether something was infinite or no number, where that is asked for.
template <int Rows, int Wide, int Stride, int Threads, class T>
__device__ inline bool load_tile(const T* from, std::int64_t gap, int rows, int head_size, bool lines, bool asks, T* to) {
  constexpr int line = in_line<T>, across = Wide / line, all = Rows * across, at_once = 4;
  const int wide = (head_size + 15) / 16 * 16;
  bool odd = false;
  for (int begin = static_cast<int>(threadIdx.x); begin < all; begin += at_once * Threads) {
    union {
      uint4 line16[at_once];
      T each[at_once * line];
    } u;
#pragma unroll
    for (int k = 0; k < at_once; ++k) {
      const int i = begin + k * Threads, row = i / across, column = i % across * line;
      u.line16[k] = make_uint4(0, 0, 0, 0);
      if (i >= all || row >= rows || column >= head_size) continue;
      const T* const at = from + row * gap + column;
      if (lines) {
        u.line16[k] = *reinterpret_cast<const uint4*>(at);
      } else {
#pragma unroll
        for (int e = 0; e < line; ++e)
          if (column + e < head_size) u.each[k * line + e] = at[e];
      }
    }
#pragma unroll
    for (int k = 0; k < at_once; ++k) {
      const int i = begin + k * Threads, row = i / across, column = i % across * line;
      if (i >= all || column >= wide) continue;
      if (asks) {
#pragma unroll
        for (int e = 0; e < line; ++e) odd = odd || !(fabsf(widen(u.each[k * line + e])) <= 3.4028235e38f);
      }
      *reinterpret_cast<uint4*>(to + row * Stride + column) = u.line16[k];
    }
  }
  return odd;
}

/// Of one head and document: what the random numbers of its weights count under (numeric/attention_mask.hpp).
__device__ inline uint4 dropout_key(const attention_rule& r, std::int64_t head, int document) {
  const std::uint64_t at = static_cast<std::uint32_t>(r.first_head + head) | static_cast<std::uint64_t>(static_cast<std::uint32_t>(document) ^ 0x80000000u) << 32;
  const random_words w = random_block_at(stream_of_step(r.stream, r.step_at), r.stream.sample, at);
  return make_uint4(w.word[0], w.word[1], w.word[2], w.word[3]);
}
/// A tile's places into shared memory: of queries, with what dropout counts under, and of keys. Those behind the last are the first's.
template <int Queries, int Threads>
__device__ inline void put_query_places(const attention_rule& r, const attention_places& p, std::int64_t head, std::int64_t first, int rows, int* places, uint4* dropout_keys) {
  for (int i = static_cast<int>(threadIdx.x); i < Queries; i += Threads) {
    const std::int64_t token = first + (i < rows ? i : 0);
    places[i] = position_at(p, token);
    if (r.dropped_below != 0) dropout_keys[i] = dropout_key(r, head, document_at(p, token));
  }
}
template <int Keys, int Threads>
__device__ inline void put_key_places(const attention_places& p, std::int64_t first, int rows, int* places, int* documents) {
  for (int i = static_cast<int>(threadIdx.x); i < Keys; i += Threads) {
    const std::int64_t token = first + (i < rows ? i : 0);
    places[i] = position_at(p, token), documents[i] = document_at(p, token);
  }
}

/// Of a query and the four keys that the key's position is among.
__device__ inline random_words dropout_words(const uint4& key, int query, int key_position) {
  return random_block_at({key.x, key.w, key.z, key.y}, key.z, static_cast<std::uint32_t>(key_position) >> 2 | static_cast<std::uint64_t>(static_cast<std::uint32_t>(query)) << 32);
}
__device__ inline bool drops(const random_words& words, int key_position, unsigned below) {
  const unsigned low = (key_position & 1) != 0 ? words.word[1] : words.word[0], high = (key_position & 1) != 0 ? words.word[3] : words.word[2];
  return ((key_position & 2) != 0 ? high : low) < below;
}
/// Of a warp's rows of queries and 8 N keys: bit 4 n + e, where the weight is dropped.
template <int N>
__device__ inline unsigned dropped_by_row(unsigned below, const uint4* keys_of_rows, const int* queries, const int* keys) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  unsigned bits = 0;
#pragma unroll 1
  for (int n = 0; n < N; ++n)
#pragma unroll 1
    for (int r = 0; r < 2; ++r) {
      const int row = lane / 4 + 8 * r, column = 8 * n + lane % 4 * 2, first = keys[column], second = keys[column + 1], query = queries[row];
      const uint4 key = keys_of_rows[row];
      random_words words = dropout_words(key, query, first);
      if (drops(words, first, below)) bits |= 1u << (4 * n + 2 * r);
      if (first >> 2 != second >> 2) words = dropout_words(key, query, second);
      if (drops(words, second, below)) bits |= 2u << (4 * n + 2 * r);
    }
  return bits;
}
/// The same with keys in rows and queries in columns.
template <int N>
__device__ inline unsigned dropped_by_column(unsigned below, const uint4* keys_of_columns, const int* queries, const int* keys) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  unsigned bits = 0;
#pragma unroll 1
  for (int n = 0; n < N; ++n)
#pragma unroll 1
    for (int e = 0; e < 4; ++e) {
      const int column = 8 * n + lane % 4 * 2 + e % 2, key = keys[lane / 4 + e / 2 * 8];
      if (drops(dropout_words(keys_of_columns[column], queries[column], key), key, below)) bits |= 1u << (4 * n + e);
    }
  return bits;
}

/// cap tanh(s / cap), and how much it changes with s.
__device__ inline float capped(float s, float cap) { return cap * tanhf(s / cap); }
__device__ inline float cap_slope(float score, float cap) {
  const float t = score / cap;
  return 1 - t * t;
}

}  // namespace stretto::inline v0::cuda
