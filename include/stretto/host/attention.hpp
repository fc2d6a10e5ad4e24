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

#define STRETTO_KERNELS <stretto/host/kernels/attention_products.inl>
#include <stretto/host/each_isa.inl>

#define STRETTO_KERNELS <stretto/host/kernels/attention_rows.inl>
#include <stretto/host/each_isa.inl>

#define STRETTO_KERNELS <stretto/host/kernels/attention.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

namespace detail {

inline attention_tokens attention_tokens_at(const token_places& at, std::int64_t count, const char* side) {
  if ((at.positions.data() != nullptr && at.positions.size() != count) || (at.documents.data() != nullptr && at.documents.size() != count))
    throw error(text("stretto: attention to ", count, " tokens of ", side, " is given ", at.positions.data() != nullptr ? at.positions.size() : count, " positions and ",
                     at.documents.data() != nullptr ? at.documents.size() : count, " documents; give one a token, or none").str());
  const std::int64_t most = 2147483647, last = count > 0 ? count - 1 : 0;
  const bool fits = at.offset >= -most && at.offset <= most && at.step >= -most && at.step <= most && last <= most;
  if (at.positions.data() == nullptr && (!fits || at.offset + at.step * last > most || at.offset + at.step * last < -most))
    throw error(text("stretto: ", count, " tokens of ", side, " from position ", at.offset, " on with step ", at.step, " leave the range of 32 bits; number them from 0").str());
  return {at.positions.data(), at.offset, at.step, at.documents.data(), count};
}

/// Throws where shapes or options don't go together.
inline void check_attention(const shape<3>& queries, const shape<3>& keys, const shape<3>& values, const shape<3>& output, const shape<2>& lse, const token_places& at_queries,
                            const token_places& at_keys, const attention_options& o) {
  if (keys != values || keys[2] != queries[2])
    throw error(text("stretto: attention of queries of shape ", queries.words().str(), " is given keys of ", keys.words().str(), " and values of ", values.words().str(),
                     "; give (tokens, heads, head size) with one head size, and as many values as keys").str());
  if (keys[2] < 1 || keys[2] > attention_largest) throw error(text("stretto: attention has head size ", keys[2], "; give 1 to 256").str());
  if (queries[1] < 1 || keys[1] < 1 || queries[1] % keys[1] != 0)
    throw error(text("stretto: ", queries[1], " heads of queries can't share ", keys[1], " of keys and values evenly; make the first a multiple of the second").str());
  if (output != queries)
    throw error(text("stretto: attention of queries of shape ", queries.words().str(), " doesn't give outputs of ", output.words().str(), "; make them alike").str());
  if (lse[0] != queries[0] || lse[1] != queries[1])
    throw error(text("stretto: attention of queries of shape ", queries.words().str(), " has one lse and one delta a token and head, not ", lse.words().str(), "; give (tokens, heads)").str());
  if ((at_queries.documents.data() == nullptr) != (at_keys.documents.data() == nullptr))
    throw error("stretto: attention is given the documents of its queries or of its keys alone; give both, or none");
  const auto fits = [](double x) { return x == 0 || (std::abs(x) >= 1e-30 && std::abs(x) <= 1e30); };
  if (o.window < 0 || !(o.soft_cap >= 0) || !fits(o.soft_cap) || !fits(o.scale) || !(o.dropout >= 0 && o.dropout < 1))
    throw error("stretto: attention takes a window and a soft cap of 0 or more, a scale and a soft cap from 1e-30 to 1e30, and a dropout of 0 or more and below 1; correct its options");
}

inline attention_rule attention_rule_of(const attention_options& o, std::int64_t head_size) {
  const double scale = o.scale != 0 ? o.scale : 1 / std::sqrt(static_cast<double>(head_size));
  const std::int64_t window = o.window < std::int64_t{1} << 33 ? o.window : 0;  // no two positions are further apart
  return {o.causal,   window,     static_cast<float>(scale), static_cast<float>(o.soft_cap), dropped_below(o.dropout), static_cast<float>(1 / (1 - o.dropout)),
          o.stream, o.first_head, o.accumulate};
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
