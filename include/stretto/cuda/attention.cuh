// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention of a CUDA device, forward: in tiles, so that the matrix of scores never stands in memory.
//
//     attention(q, queries, keys, values, {}, {}, output, lse);                              one causal sequence
//     attention(q, queries, keys, values, {.documents = d}, {.documents = d}, output, lse);  several, one behind the other
//     attention_block(q, queries, keys[s], values[s], at, at_keys[s], state, lse, output, {.accumulate = s > 0});
// Shapes, places and what they mean are those of host/attention.hpp; positions and documents are lists in the device's
// memory. Scores, their softmax and sums are float; of bf16 and fp16, weights are rounded to that type before they multiply
// values, as tensor cores want. A row's bits follow from the tokens of the call and their order, whatever the device has of
// multiprocessors. What a query doesn't see never touches its result, even where it is no number.
// Cost: 2 products of tiles of 64 queries and 64 keys (32 of float, or of head sizes above 128); of lists of places, a pass
// over them, and 16 bytes of scratch memory for 32 tokens. Head sizes up to 64, 128 and 256 have kernels of their own.
// Source: kernels/attention.cuh.
#pragma once

#include <stretto/cuda/kernels/attention.cuh>
#include <stretto/cuda/queue.hpp>
#include <stretto/cuda/row_shapes.hpp>

namespace stretto::inline v0::cuda {

namespace detail {

using stretto::detail::attention_rule_of;
using stretto::detail::check_attention;
using stretto::detail::check_attention_places;

/// How a kernel sees a view of (tokens, heads, head size).
template <class T, class Space>
attention_rows<T> attention_rows_of(const tensor_view<T, 3, Space>& v) {
  using number = std::remove_const_t<T>;
  return {v.data(), v.stride(0), v.stride(1), in_lines(v.data(), v.stride(0), v.extent(2)) && v.stride(1) % in_line<number> == 0};
}

/// Both sides' places. Lists are gone over first, so that tiles which don't see each other are found without reading them.
struct attention_sides {
  attention_places queries, keys;
  memory_run noted;
};
template <class Runtime>
STRETTO_OPERATION attention_sides attention_sides_of(basic_queue<Runtime>& q, const token_places_in<basic_memory<Runtime>>& at_queries, std::int64_t queries,
                                   const token_places_in<basic_memory<Runtime>>& at_keys, std::int64_t keys) {
  check_attention_places(at_queries, queries, "queries");
  check_attention_places(at_keys, keys, "keys");
  attention_sides s{{at_queries.positions.data(), at_queries.offset, at_queries.step, at_queries.documents.data(), queries, nullptr},
                    {at_keys.positions.data(), at_keys.offset, at_keys.step, at_keys.documents.data(), keys, nullptr},
                    {}};
  if (at_queries.positions.data() == nullptr && at_keys.positions.data() == nullptr && at_queries.documents.data() == nullptr) return s;
  const std::int64_t of_queries = (queries + attention_granule - 1) / attention_granule, all = of_queries + (keys + attention_granule - 1) / attention_granule;
  int4* const noted = q.template scratch<int4>(all, "attention");
  s.noted = {noted, all * static_cast<std::int64_t>(sizeof(int4))};
  const attention_note_arguments a{s.queries, s.keys, noted, noted + of_queries, of_queries, all};
  q.launch("attention_places", note_attention_places<attention_granule>, {.blocks = (all + 7) / 8 < 1024 ? (all + 7) / 8 : 1024}, a,
           reads_of(at_queries.positions, at_queries.documents, at_keys.positions, at_keys.documents), writes_of(s.noted));
  s.queries.noted = noted, s.keys.noted = noted + of_queries;
  return s;
}

/// The step is read where the queue has it.
template <class Runtime>
attention_rule attention_rule_for(const basic_queue<Runtime>& q, const attention_options& o, std::int64_t head_size) {
  attention_rule r = attention_rule_of(o, head_size);
  r.step_at = o.dropout > 0 ? q.step_at(o.stream.step) : nullptr;
  return r;
}
inline memory_run step_read(const attention_rule& r) { return {r.step_at, r.step_at != nullptr ? 4 : 0}; }

template <int Wide, class Runtime, class T, class Reads, class Writes>
STRETTO_OPERATION void launch_attention(basic_queue<Runtime>& q, const attention_arguments<T>& a, const Reads& read, const Writes& written) {
  using shape = attention_shape<T, Wide>;
  const std::int64_t tiles = (a.at_queries.count + shape::queries - 1) / shape::queries;
  q.launch("attention", attention_forward<T, Wide>, {.blocks = tiles * a.heads, .threads = shape::threads, .shared_bytes = shape::bytes}, a, read, written);
}

}  // namespace detail

/// Attention to some of the keys. With accumulate, merges it into state and lse, else begins with it. output may be none:
/// else it becomes the state, rounded.
template <class Runtime, class T>
STRETTO_OPERATION void attention_block(basic_queue<Runtime>& q, device_reads<Runtime, T, 3> queries, device_reads<Runtime, T, 3> keys, device_reads<Runtime, T, 3> values,
                                       const token_places_in<basic_memory<Runtime>>& at_queries, const token_places_in<basic_memory<Runtime>>& at_keys,
                                       device_writes<Runtime, computes_in<T>, 3> state, device_writes<Runtime, computes_in<T>, 2> lse,
                                       const tensor_view<T, 3, basic_memory<Runtime>>& output, const attention_options& o = {}) {
  detail::check_row_type<T>();
  const shape<3> s = queries.extents();
  detail::check_attention(s, keys.extents(), values.extents(), output.data() != nullptr ? output.extents() : s, lse.extents(), at_queries, at_keys, o);
  if (state.data() != nullptr && state.extents() != s)
    throw error(text("stretto: attention of queries of shape ", s.words().str(), " can't keep a state of ", state.extents().words().str(), "; make them alike").str());
  if (state.data() == nullptr && o.accumulate) throw error("stretto: attention without a state has nothing to merge with; give attention_block one, or leave accumulate out");
  const detail::attention_sides at = detail::attention_sides_of(q, at_queries, queries.extent(0), at_keys, keys.extent(0));
  const attention_arguments<T> a{detail::attention_rows_of(queries), detail::attention_rows_of(keys), detail::attention_rows_of(values), at.queries, at.keys,
                                 detail::attention_rule_for(q, o, s[2]), detail::attention_rows_of(state), lse.data(), lse.stride(0), detail::attention_rows_of(output),
                                 s[1], keys.extent(1), static_cast<int>(s[2])};
  const auto read = reads_of(queries, keys, values, at_queries.positions, at_queries.documents, at_keys.positions, at_keys.documents, at.noted, detail::step_read(a.rule));
  const auto written = writes_of(state, lse, output);
  if (s[2] <= 64) detail::launch_attention<64>(q, a, read, written);
  else if (s[2] <= 128) detail::launch_attention<128>(q, a, read, written);
  else detail::launch_attention<256>(q, a, read, written);
}

/// Attention to all keys.
template <class Runtime, class T>
STRETTO_OPERATION void attention(basic_queue<Runtime>& q, device_reads<Runtime, T, 3> queries, device_reads<Runtime, T, 3> keys, device_reads<Runtime, T, 3> values,
                                 const token_places_in<basic_memory<Runtime>>& at_queries, const token_places_in<basic_memory<Runtime>>& at_keys,
                                 const tensor_view<T, 3, basic_memory<Runtime>>& output, device_writes<Runtime, computes_in<T>, 2> lse, const attention_options& o = {}) {
  attention_block<Runtime, T>(q, queries, keys, values, at_queries, at_keys, {}, lse, output, o);
}

}  // namespace stretto::inline v0::cuda
