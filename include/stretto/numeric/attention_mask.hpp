// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which keys a query sees, by where both stand in the whole sequence. However tokens are laid out over ranks, slices and
// calls, is data: a list of positions. So is a batch of sequences in one call: a list of documents.
//
//     token_places{}                            positions 0, 1, 2, …
//     token_places{.offset = 3, .step = 8}      3, 11, 19, …: a share of a striped layout
//     token_places{.positions = p}              as listed: both chunks of a zigzag layout, say
//     token_places{.documents = d}              positions as above; what isn't in the same document isn't seen
//
//     query 5, causal, window 3:   key 0 1 2 3 4 5 6 7
//                                            # # #          k <= q,  q - k < window,  same document
// A mask of dropped weights is a function of the stream, the head, the document and both positions alone, so it is the same
// for any layout, and made again in the backward pass.
#pragma once

#include <cstdint>

#include <stretto/core/random.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

/// Positions and documents of tokens, in 32 bits each, in a device's memory.
template <class Space = host_memory>
struct token_places_in {
  tensor_view<const std::int32_t, 1, Space> positions = {};  ///< of each token; none: offset, offset + step, …
  std::int64_t offset = 0;
  std::int64_t step = 1;
  tensor_view<const std::int32_t, 1, Space> documents = {};  ///< of each token; none: all are in document 0

  constexpr std::int64_t position(std::int64_t i) const { return positions.data() != nullptr ? positions[i] : offset + i * step; }
  constexpr std::int32_t document(std::int64_t i) const { return documents.data() != nullptr ? documents[i] : 0; }
};
/// The CPU's.
using token_places = token_places_in<>;

struct attention_options {
  bool causal = true;
  std::int64_t window = 0;   ///< how many keys back from its own position a query sees; 0: all
  double scale = 0;          ///< of the products of queries and keys; 0: 1 / sqrt(head size)
  double soft_cap = 0;       ///< scores become soft_cap tanh(score / soft_cap); 0: they don't
  double dropout = 0;        ///< the share of weights that is dropped; the others grow by 1 / (1 - dropout)
  random_stream stream = {}; ///< of this layer
  int first_head = 0;        ///< the number of this call's first head among all of the layer, where ranks share heads
  bool accumulate = false;   ///< attention_block merges with the state that is there; the backward pass adds to gradients
};

/// Whether a query at position q sees a key at position k of its document.
constexpr bool attends(const attention_options& o, std::int64_t q, std::int64_t k) {
  return (!o.causal || k <= q) && (o.window == 0 || q - k < o.window);
}

/// The key of the random numbers of one head and document. Flipping a bit keeps them apart from those of other operations.
constexpr random_block attention_key(const random_stream& s, std::int64_t head, std::int32_t document) {
  return philox({{static_cast<std::uint32_t>(head), static_cast<std::uint32_t>(document) ^ 0x80000000u, s.sample, s.step}}, s.seed, s.layer);
}

/// 32 random bits for a query and a key. Four keys that stand side by side share a block.
constexpr std::uint32_t attention_bits(const random_block& key, std::int64_t q, std::int64_t k) {
  const auto column = static_cast<std::uint32_t>(k);
  return philox({{column >> 2, static_cast<std::uint32_t>(q), key.word[2], key.word[3]}}, key.word[0], key.word[1]).word[column & 3];
}

/// A weight whose bits are below is dropped.
constexpr std::uint32_t dropped_below(double rate) {
  const double t = rate * 4294967296.0;
  return t >= 4294967295.0 ? 0xffffffffu : static_cast<std::uint32_t>(t) + (static_cast<double>(static_cast<std::uint32_t>(t)) < t ? 1u : 0u);
}

}  // namespace stretto::inline v0
