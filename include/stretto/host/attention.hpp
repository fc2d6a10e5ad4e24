// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention of the CPU, forward: in tiles, so that the matrix of scores never stands in memory; one call for a batch of
// sequences of any lengths.
//
//     attention(q, queries, keys, values, {}, {}, output, lse);                             one causal sequence
//     attention(q, queries, keys, values, {.documents = d}, {.documents = d}, output, lse); several, one behind the other
//     attention_block(q, queries, keys[s], values[s], at, at_keys[s], state, lse, s == last ? output : none, {.accumulate = s > 0});
// queries and output: (tokens, heads, head size); keys and values: (tokens, kv_heads, head size), where kv_heads divides
// heads; lse: (tokens, heads). Head sizes from 1 to 256. Views may have gaps: blocks of columns of one product will do.
// token_places say which keys a query sees (attention_mask.hpp). attention_block merges what some of the keys give into a
// state in float, so that a ring, slices or shares of the keys come out as one softmax does. A query that sees no key has
// output 0 and lse -inf, and what a query doesn't see never touches its result, even where it is no number.
// A row's bits follow from its document's tokens and their order alone; not from threads, nor from other documents.
// Cost: 2 tokens × keys seen × heads × head size fma, half of that where causal, and an exponential a score; 0.7 to 0.8 of
// what the CPU's fma do at head size 64. Scratch memory: 180 KB a thread at head size 128.
// Source: Dao et al., FlashAttention, NeurIPS 2022; the state: Liu et al., Ring Attention, arXiv 2310.01889.
#pragma once

#include <cmath>

#include <stretto/host/attention_tiles.hpp>
#include <stretto/host/queue.hpp>
#include <stretto/host/simd.hpp>
#include <stretto/numeric/attention.hpp>
#include <stretto/numeric/attention_check.hpp>

#define STRETTO_KERNELS <stretto/host/kernels/attention_products.inl>
#include <stretto/host/each_isa.inl>

#define STRETTO_KERNELS <stretto/host/kernels/attention_rows.inl>
#include <stretto/host/each_isa.inl>

#define STRETTO_KERNELS <stretto/host/kernels/attention.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

namespace detail {

using stretto::detail::attention_rule_of;
using stretto::detail::check_attention;

inline attention_tokens attention_tokens_at(const token_places& at, std::int64_t count, const char* side) {
  stretto::detail::check_attention_places(at, count, side);
  return {at.positions.data(), at.offset, at.step, at.documents.data(), count};
}

}  // namespace detail

/// Attention to some of the keys. With accumulate, merges it into state and lse, else begins with it. output may be none:
/// else it becomes the state, rounded.
template <class T>
void attention_block(queue& q, reads<T, 3> queries, reads<T, 3> keys, reads<T, 3> values, const token_places& at_queries, const token_places& at_keys,
                     writes<computes_in<T>, 3> state, writes<computes_in<T>, 2> lse, const tensor_view<T, 3>& output, const attention_options& o = {}) {
  const shape<3> s = queries.extents();
  detail::check_attention(s, keys.extents(), values.extents(), output.data() != nullptr ? output.extents() : s, lse.extents(), at_queries, at_keys, o);
  if (state.data() != nullptr && state.extents() != s)
    throw error(text("stretto: attention of queries of shape ", s.words().str(), " can't keep a state of ", state.extents().words().str(), "; make them alike").str());
  if (state.data() == nullptr && o.accumulate) throw error("stretto: attention without a state has nothing to merge with; give attention_block one, or leave accumulate out");
  const attention_tokens of_queries = detail::attention_tokens_at(at_queries, queries.extent(0), "queries"), of_keys = detail::attention_tokens_at(at_keys, keys.extent(0), "keys");
  if constexpr (std::is_same_v<T, double>) {
    reference::attention_block<T>(queries, keys, values, at_queries, at_keys, state, lse, output, o);
  } else {
    const std::int64_t d = queries.extent(2);
    q.need_scratch(attention_scratch(d) * static_cast<std::int64_t>(sizeof(float)), "attention");
    const attention_arguments<T> a{queries, keys, values, of_queries, of_keys, detail::attention_rule_of(o, d), state, lse, output, of_queries.tiles(attention_queries)};
    q.split(a.tiles * queries.extent(1), 1, q.pick(&portable::attention_forward<T>, &avx2::attention_forward<T>, &avx512::attention_forward<T>), a);
  }
}

/// Attention to all keys.
template <class T>
void attention(queue& q, reads<T, 3> queries, reads<T, 3> keys, reads<T, 3> values, const token_places& at_queries, const token_places& at_keys, const tensor_view<T, 3>& output,
               writes<computes_in<T>, 2> lse, const attention_options& o = {}) {
  attention_block<T>(q, queries, keys, values, at_queries, at_keys, {}, lse, output, o);
}

}  // namespace stretto::inline v0::host
