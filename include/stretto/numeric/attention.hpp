// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention in plain loops: the truth in double, and what faster ones are measured against.
//
//     s_ij = scale q_i · k_j     p_ij = softmax over the keys j that query i sees     o_i = sum of p_ij v_j
//     backward:  dp_ij = do_i · v_j     ds_ij = p_ij (dp_ij - do_i · o_i)
//                dq_i = scale sum of ds_ij k_j     dk_j = scale sum of ds_ij q_i     dv_j = sum of p_ij do_i
// A head of keys serves heads / kv_heads heads of queries that stand side by side. A query that sees no key has output 0
// and lse -inf. Scores are computed anew wherever they are needed, so nothing is allocated.
// Cost: 2 (tokens of queries)(tokens of keys)(heads)(head size) fma forward, 6 backward.
// Source: Vaswani et al., NeurIPS 2017; the backward pass from lse: Dao et al., FlashAttention, NeurIPS 2022.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <stretto/numeric/attention_mask.hpp>
#include <stretto/numeric/lse_merge.hpp>

namespace stretto::inline v0::reference {

namespace detail {

inline constexpr int largest_head_size = 256;

/// One head of one query.
template <class T>
struct attention_row {
  using C = computes_in<T>;
  reads<T, 3> keys;
  const token_places& at_queries;
  const token_places& at_keys;
  const attention_options& options;
  C scale;
  const T* query;
  std::int64_t i, h, kv, d;
  random_block key;

  attention_row(reads<T, 3> queries, reads<T, 3> k, const token_places& at_q, const token_places& at_k, const attention_options& o, std::int64_t token, std::int64_t head)
      : keys(k), at_queries(at_q), at_keys(at_k), options(o), scale(static_cast<C>(o.scale != 0 ? o.scale : 1 / std::sqrt(static_cast<double>(k.extent(2))))),
        query(queries.data() + token * queries.stride(0) + head * queries.stride(1)), i(token), h(head), kv(head / (queries.extent(1) / k.extent(1))), d(k.extent(2)),
        key(attention_key(o.stream, o.first_head + head, at_q.document(token))) {}

  bool sees(std::int64_t j) const {
    return at_queries.document(i) == at_keys.document(j) && attends(options, at_queries.position(i), at_keys.position(j));
  }

  /// Of the query with what stands at token j of `others`.
  C dot(const T* a, reads<T, 3> others, std::int64_t j) const {
    C s = 0;
    for (std::int64_t e = 0; e < d; ++e) s += static_cast<C>(a[e]) * static_cast<C>(others(j, kv, e));
    return s;
  }

  C score(std::int64_t j) const {
    const C s = dot(query, keys, j) * scale, cap = static_cast<C>(options.soft_cap);
    return cap == 0 ? s : cap * std::tanh(s / cap);
  }
  /// How much the score changes with what the soft cap is put on.
  C slope(C score) const {
    const C cap = static_cast<C>(options.soft_cap);
    return cap == 0 ? C(1) : 1 - (score / cap) * (score / cap);
  }
  /// What a weight is multiplied by: 1, or with dropout 0 or more.
  C kept(std::int64_t j) const {
    if (options.dropout == 0) return 1;
    return attention_bits(key, at_queries.position(i), at_keys.position(j)) < dropped_below(options.dropout) ? C(0) : static_cast<C>(1 / (1 - options.dropout));
  }
};

}  // namespace detail

/// Merges what the keys of this call give into state and lse, or with accumulate = false begins with it; output, where
/// there is one, becomes the state, rounded.
template <class T>
void attention_block(reads<T, 3> queries, reads<T, 3> keys, reads<T, 3> values, const token_places& at_queries, const token_places& at_keys,
                     writes<computes_in<T>, 3> state, writes<computes_in<T>, 2> lse, const tensor_view<T, 3>& output, const attention_options& o = {}) {
  using C = computes_in<T>;
  constexpr C none = -std::numeric_limits<C>::infinity();
  const std::int64_t d = keys.extent(2), tokens = keys.extent(0);
  for (std::int64_t i = 0; i < queries.extent(0); ++i)
    for (std::int64_t h = 0; h < queries.extent(1); ++h) {
      const detail::attention_row<T> row(queries, keys, at_queries, at_keys, o, i, h);
      C largest = none, sum = 0, out[detail::largest_head_size] = {};
      for (std::int64_t j = 0; j < tokens; ++j)
        if (row.sees(j)) {
          const C s = row.score(j);
          if (s > largest || s != s) largest = s;
        }
      for (std::int64_t j = 0; j < tokens && largest != none; ++j)
        if (row.sees(j)) {
          const C p = std::exp(row.score(j) - largest), kept = row.kept(j);
          sum += p;
          for (std::int64_t e = 0; e < d; ++e) out[e] += p * kept * static_cast<C>(values(j, row.kv, e));
        }
      if (largest != none)
        for (std::int64_t e = 0; e < d; ++e) out[e] /= sum;
      const C l = largest == none ? none : largest + std::log(sum);
      if (state.data() != nullptr) {
        C* const to = state.data() + i * state.stride(0) + h * state.stride(1);
        if (!o.accumulate) {
          lse(i, h) = none;
          for (std::int64_t e = 0; e < d; ++e) to[e] = 0;
        }
        merge_row(to, lse(i, h), out, l, d);
        for (std::int64_t e = 0; e < d; ++e) out[e] = to[e];
      } else {
        lse(i, h) = l;
      }
      if (output.data() != nullptr)
        for (std::int64_t e = 0; e < d; ++e) output(i, h, e) = static_cast<T>(out[e]);
    }
}

template <class T>
void attention(reads<T, 3> queries, reads<T, 3> keys, reads<T, 3> values, const token_places& at_queries, const token_places& at_keys, const tensor_view<T, 3>& output,
               writes<computes_in<T>, 2> lse, const attention_options& o = {}) {
  attention_block<T>(queries, keys, values, at_queries, at_keys, {}, lse, output, o);
}

/// delta = sum over a head of d_output output, which the backward pass takes.
template <class T>
void attention_delta(reads<T, 3> output, const tensor_view<T, 3>& d_output, writes<computes_in<T>, 2> delta) {
  using C = computes_in<T>;
  for (std::int64_t i = 0; i < d_output.extent(0); ++i)
    for (std::int64_t h = 0; h < d_output.extent(1); ++h) {
      C s = 0;
      for (std::int64_t e = 0; e < d_output.extent(2); ++e) s += static_cast<C>(d_output(i, h, e)) * static_cast<C>(output(i, h, e));
      delta(i, h) = s;
    }
}

/// G: T or what it computes in. lse and delta are those of whole rows, whichever keys this call has.
template <class T, class G>
void attention_backward(reads<T, 3> queries, reads<T, 3> keys, reads<T, 3> values, const tensor_view<T, 3>& d_output, reads<computes_in<T>, 2> lse, reads<computes_in<T>, 2> delta,
                        const token_places& at_queries, const token_places& at_keys, const tensor_view<G, 3>& d_queries, writes<G, 3> d_keys, writes<G, 3> d_values,
                        const attention_options& o = {}) {
  using C = computes_in<T>;
  constexpr C none = -std::numeric_limits<C>::infinity();
  const std::int64_t d = keys.extent(2), group = keys.extent(1) > 0 ? queries.extent(1) / keys.extent(1) : 0;
  const auto put = [&](G& to, C value) { to = static_cast<G>(o.accumulate ? static_cast<C>(to) + value : value); };
  struct weights {
    C p, dp, ds;
  };
  const auto weigh = [&](const detail::attention_row<T>& row, std::int64_t j) {
    const C s = row.score(j), l = lse(row.i, row.h), p = l == none ? C(0) : std::exp(s - l), kept = row.kept(j);
    const C dp = kept * row.dot(&d_output(row.i, row.h, std::int64_t{0}), values, j);
    return weights{p * kept, dp, p * (dp - delta(row.i, row.h)) * row.slope(s)};
  };
  for (std::int64_t i = 0; i < queries.extent(0); ++i)
    for (std::int64_t h = 0; h < queries.extent(1); ++h) {
      const detail::attention_row<T> row(queries, keys, at_queries, at_keys, o, i, h);
      C sum[detail::largest_head_size] = {};
      for (std::int64_t j = 0; j < keys.extent(0); ++j)
        if (row.sees(j)) {
          const C ds = weigh(row, j).ds;
          for (std::int64_t e = 0; e < d; ++e) sum[e] += ds * static_cast<C>(keys(j, row.kv, e));
        }
      for (std::int64_t e = 0; e < d; ++e) put(d_queries(i, h, e), row.scale * sum[e]);
    }
  for (std::int64_t j = 0; j < keys.extent(0); ++j)
    for (std::int64_t kv = 0; kv < keys.extent(1); ++kv) {
      C dk[detail::largest_head_size] = {}, dv[detail::largest_head_size] = {}, scale = 0;
      for (std::int64_t h = kv * group; h < (kv + 1) * group; ++h)
        for (std::int64_t i = 0; i < queries.extent(0); ++i) {
          const detail::attention_row<T> row(queries, keys, at_queries, at_keys, o, i, h);
          scale = row.scale;
          if (!row.sees(j)) continue;
          const weights w = weigh(row, j);
          for (std::int64_t e = 0; e < d; ++e) {
            dk[e] += w.ds * static_cast<C>(queries(i, h, e));
            dv[e] += w.p * static_cast<C>(d_output(i, h, e));
          }
        }
      for (std::int64_t e = 0; e < d; ++e) put(d_keys(j, kv, e), scale * dk[e]), put(d_values(j, kv, e), dv[e]);
    }
}

}  // namespace stretto::inline v0::reference
