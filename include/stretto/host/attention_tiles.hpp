// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What attention's kernels are given, and how they cut tokens into tiles.
//
//     documents   7 7 7 7 7 7 7 7 9 9 9 2 2 2 2 2 2        tiles of at most 4 tokens:  7777 7777 999 2222 22
// A tile holds tokens of one document that stand side by side, and tiles begin anew where a run of a document does. So a
// document's results don't hang on what stands beside it. A tile of keys is skipped, or taken without a mask, by the
// least and the largest of its positions.
#pragma once

#include <cstdint>

#include <stretto/numeric/attention_check.hpp>

namespace stretto::inline v0::host {

inline constexpr std::int64_t attention_group = 48;   ///< queries whose scores are computed together
inline constexpr std::int64_t attention_groups = 2;   ///< groups for which keys are packed once
inline constexpr std::int64_t attention_queries = attention_group * attention_groups;
inline constexpr std::int64_t attention_keys = 64;    ///< keys of a tile

struct attention_tile {
  std::int64_t first = 0, count = 0;
  std::int64_t low = 0, high = 0;  ///< positions
  std::int32_t document = 0;
};

/// Where the tokens on one side stand.
struct attention_tokens {
  const std::int32_t* positions;
  std::int64_t offset, step;
  const std::int32_t* documents;
  std::int64_t count;

  std::int64_t position(std::int64_t i) const { return positions != nullptr ? positions[i] : offset + i * step; }
  std::int32_t document(std::int64_t i) const { return documents != nullptr ? documents[i] : 0; }

  /// How many there are in the tile that begins with `first`.
  std::int64_t tile_size(std::int64_t first, std::int64_t most) const {
    const std::int64_t end = count - first < most ? count : first + most;
    if (documents == nullptr) return end - first;
    std::int64_t i = first;
    while (i < end && documents[i] == documents[first]) ++i;
    return i - first;
  }
  attention_tile tile(std::int64_t first, std::int64_t most) const {
    attention_tile t{first, tile_size(first, most)};
    if (t.count == 0) return t;
    t.document = document(first);
    t.low = t.high = position(first);
    if (positions == nullptr) {
      const std::int64_t last = position(first + t.count - 1);
      (last < t.low ? t.low : t.high) = last;
    } else {
      std::int32_t low = positions[first], high = low;
      for (std::int64_t i = first + 1; i < first + t.count; ++i) {
        const std::int32_t p = positions[i];
        low = p < low ? p : low;
        high = p > high ? p : high;
      }
      t.low = low, t.high = high;
    }
    return t;
  }

  std::int64_t tiles(std::int64_t most) const {
    if (documents == nullptr) return (count + most - 1) / most;
    std::int64_t n = 0;
    for (std::int64_t i = 0; i < count; ++n) i += tile_size(i, most);
    return n;
  }
  attention_tile nth_tile(std::int64_t n, std::int64_t most) const {
    if (documents == nullptr) return tile(n * most, most);
    std::int64_t i = 0;
    for (; n > 0; --n) i += tile_size(i, most);
    return tile(i, most);
  }
};

template <class T>
struct attention_arguments {
  tensor_view<const T, 3> queries, keys, values;
  attention_tokens at_queries, at_keys;
  attention_rule rule;
  tensor_view<float, 3> state;  ///< or none
  tensor_view<float, 2> lse;
  tensor_view<T, 3> output;     ///< or none
  std::int64_t tiles;           ///< of queries
};

/// G: T, or float.
template <class T, class G>
struct attention_backward_arguments {
  tensor_view<const T, 3> queries, keys, values, d_output;
  tensor_view<const float, 2> lse, delta;
  attention_tokens at_queries, at_keys;
  attention_rule rule;
  tensor_view<G, 3> d_queries, d_keys, d_values;
  std::int64_t keys_at_once;  ///< for how many keys sums fit the scratch memory; 0: they are in d_keys and d_values
};

/// What a worker's scratch memory holds, in floats: for each group queries, outputs and numbers a query; keys and values;
/// weights.
constexpr std::int64_t attention_padded(std::int64_t head_size) { return (head_size + 15) / 16 * 16; }
constexpr std::int64_t attention_scratch(std::int64_t head_size) {
  return attention_groups * attention_group * (2 * attention_padded(head_size) + 8) + 2 * attention_keys * attention_padded(head_size) + 2 * attention_keys * attention_group;
}
constexpr std::int64_t attention_backward_scratch(std::int64_t head_size) {
  return attention_groups * attention_group * (5 * attention_padded(head_size) + 8) + 2 * attention_keys * attention_padded(head_size) + 4 * attention_keys * attention_group;
}

}  // namespace stretto::inline v0::host
