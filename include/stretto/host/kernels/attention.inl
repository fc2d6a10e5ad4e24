// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention forward. For each head and 96 queries, goes over the tiles of keys that they see: scores, weights in their
// place, outputs; each query's largest score and sum of weights go with it (see lse_merge.hpp). Scale and log2(e) are one
// factor that scores are multiplied by on the way to their exponents, so that weights are powers of two.

/// What is known of 48 queries on the way, in lanes: outputs and sums of weights for a largest score so far.
struct attention_queries_state {
  std::int64_t first, count;
  float *query, *out;  ///< [head size][attention_group]
  float *top, *sum, *factor;
  attention_sight sight;
};

template <class T>
void attention_begin(const attention_arguments<T>& a, std::int64_t head, attention_queries_state& g) {
  const std::int64_t d = a.queries.extent(2);
  const bool merges = a.rule.accumulate && a.state.data() != nullptr;
  g.sight.look(a.at_queries, a.rule, g.first, g.count);
  attention_pack_across(a.queries.data() + g.first * a.queries.stride(0) + head * a.queries.stride(1), a.queries.stride(0), g.count, d, a.rule.scale < 0 ? -1.0f : 1.0f, g.query);
  if (merges) {
    attention_pack_across(a.state.data() + g.first * a.state.stride(0) + head * a.state.stride(1), a.state.stride(0), g.count, d, 1, g.out);
  } else {
    for (std::int64_t i = 0; i < d * attention_group; i += width) store(g.out + i, zero());
  }
  for (std::int64_t i = 0; i < attention_group; ++i) {
    const float lse = merges && i < g.count ? a.lse(g.first + i, head) : -INFINITY;
    g.top[i] = lse * attention_log2e;
    g.sum[i] = lse == -INFINITY ? 0.0f : 1.0f;
  }
}

/// Scores become weights, powers of two of score · scale; what the queries had is brought to the new largest by g.factor.
inline void attention_weigh(attention_queries_state& g, std::int64_t keys, float scale, float* weights) {
  const lanes f = set(scale);
  for (std::int64_t i = 0; i < g.count; i += width) {
    float* const w = weights + i;
    const lanes before = load(g.top + i);
    lanes t[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) t[k] = set(-INFINITY);
    std::int64_t j = 0;
    for (; j + 4 <= keys; j += 4) {
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) t[k] = larger(t[k], load(w + (j + k) * attention_group));
    }
    for (; j < keys; ++j) t[0] = larger(t[0], load(w + j * attention_group));
    const lanes top = larger(before, mul(f, larger(larger(t[0], t[1]), larger(t[2], t[3]))));
    const lanes minus = negate(select(less(top, set(-3e38f)), zero(), top));  // where nothing was seen, weights are 2^-inf
    const lanes factor = attention_exp2(add(before, minus));
    lanes total = mul(load(g.sum + i), factor);
    for (j = 0; j + attention_chains <= keys; j += attention_chains) {
      lanes p[attention_chains];
#pragma GCC unroll 4
      for (int k = 0; k < attention_chains; ++k) p[k] = fma(load(w + (j + k) * attention_group), f, minus);
      attention_exp2(p);
#pragma GCC unroll 4
      for (int k = 0; k < attention_chains; ++k) {
        total = add(total, p[k]);
        store(w + (j + k) * attention_group, p[k]);
      }
    }
    for (; j < keys; ++j) {
      const lanes p = attention_exp2(fma(load(w + j * attention_group), f, minus));
      total = add(total, p);
      store(w + j * attention_group, p);
    }
    store(g.top + i, top);
    store(g.factor + i, factor);
    store(g.sum + i, total);
  }
}

template <class T>
void attention_end(const attention_arguments<T>& a, std::int64_t head, const attention_queries_state& g) {
  const std::int64_t d = a.queries.extent(2);
  for (std::int64_t i = 0; i < g.count; ++i) {
    float& lse = a.lse(g.first + i, head);
    const bool merges = a.rule.accumulate && a.state.data() != nullptr;
    const float sum = g.sum[i];
    if (sum == 0) lse = -INFINITY;
    else if (!merges || sum != 1 || g.top[i] != lse * attention_log2e) lse = static_cast<float>(static_cast<double>(g.top[i]) * 0.693147180559945309 + static_cast<double>(std::log(sum)));
    g.factor[i] = sum == 0 ? 0.0f : 1 / sum;
  }
  attention_unpack_across(g.out, g.count, d, [&](std::int64_t i, std::int64_t e, lanes v, std::int64_t n) {
    const lanes o = mul(v, set(g.factor[i]));
    if (a.state.data() != nullptr) {
      float* const to = a.state.data() + (g.first + i) * a.state.stride(0) + head * a.state.stride(1) + e;
      n == width ? store(to, o) : store_some(to, o, n);
    }
    if (a.output.data() != nullptr) {
      T* const to = a.output.data() + (g.first + i) * a.output.stride(0) + head * a.output.stride(1) + e;
      n == width ? store(to, o) : store_some(to, o, n);
    }
  });
}

/// Of heads × tiles of queries those from `first` on. Of a head, tiles from both ends take turns, so that causal work is
/// shared evenly between threads.
template <class T>
void attention_forward(const attention_arguments<T>& a, std::int64_t first, std::int64_t end, const worker& w) {
  const std::int64_t d = a.queries.extent(2), padded = attention_padded(d), across = padded * attention_group;
  const std::int64_t heads_per_key = a.queries.extent(1) / a.keys.extent(1);
  const float scale = a.rule.cap == 0 ? std::abs(a.rule.scale) * attention_log2e : attention_log2e;
  float* room = reinterpret_cast<float*>(w.scratch);
  attention_queries_state groups[attention_groups];
  for (attention_queries_state& g : groups) {
    g.query = room, g.out = room + across, room += 2 * across;
    g.top = room, g.sum = room + attention_group, g.factor = room + 2 * attention_group;
    g.sight.minus_first = reinterpret_cast<std::uint32_t*>(room + 3 * attention_group), g.sight.span = g.sight.minus_first + attention_group;
    room += 8 * attention_group;
  }
  float* const keys = room;
  float* const values = keys + attention_keys * padded;
  float* const weights = values + attention_keys * padded;
  float* const factors = weights + attention_keys * attention_group;
  for (std::int64_t u = first; u < end; ++u) {
    const std::int64_t head = u / a.tiles, turn = u % a.tiles, kv = head / heads_per_key;
    const attention_tile queries = a.at_queries.nth_tile(turn % 2 == 0 ? turn / 2 : a.tiles - 1 - turn / 2, attention_queries);
    const std::int64_t used = (queries.count + attention_group - 1) / attention_group;
    const random_block random = attention_key(a.rule.stream, a.rule.first_head + head, queries.document);
    for (std::int64_t g = 0; g < used; ++g) {
      const std::int64_t left = queries.count - g * attention_group;
      groups[g].first = queries.first + g * attention_group, groups[g].count = left < attention_group ? left : attention_group;
      attention_begin(a, head, groups[g]);
    }
    for (std::int64_t k = 0; k < a.at_keys.count;) {
      const attention_tile tile = a.at_keys.tile(k, attention_keys);
      k += tile.count;
      if (tile.document != queries.document) continue;
      bool packed = false, finite = false;
      for (std::int64_t i = 0; i < used; ++i) {
        attention_queries_state& g = groups[i];
        if (g.sight.none(tile)) continue;
        const bool masked = !g.sight.all(tile);
        const attention_tile seen = masked ? attention_seen(tile, a.at_keys, g.sight) : tile;
        if (seen.count == 0) continue;
        if (!packed) {
          packed = true;
          attention_pack<false>(a.keys.data() + tile.first * a.keys.stride(0) + kv * a.keys.stride(1), a.keys.stride(0), tile.count, d, 1, keys, padded);
          finite = attention_pack<true>(a.values.data() + tile.first * a.values.stride(0) + kv * a.values.stride(1), a.values.stride(0), tile.count, d, 1, values, padded);
        }
        const float* const seen_values = values + (seen.first - tile.first) * padded;
        attention_product<false, attention_out::fresh>(seen.count, g.count, d, keys + (seen.first - tile.first) * padded, padded, g.query, attention_group, weights, attention_group);
        if (a.rule.cap != 0) attention_cap(a.rule.cap, std::abs(a.rule.scale) / a.rule.cap, g.count, seen.count, weights);
        if (masked) attention_hide(g.sight, g.count, a.at_keys, seen, -INFINITY, weights);
        attention_weigh(g, seen.count, scale, weights);
        if (a.rule.dropped_below != 0) {
          attention_dropout(a.rule, random, a.at_queries, g.first, g.count, a.at_keys, seen, factors);
          for (std::int64_t j = 0; j < seen.count * attention_group; j += width) store(weights + j, mul(load(weights + j), load(factors + j)));
        }
        if (masked && !finite) attention_product_seen(g.sight, a.at_keys, seen, g.count, d, seen_values, padded, weights, g.out, g.factor);
        else attention_product<true, attention_out::scaled>(d, g.count, seen.count, seen_values, padded, weights, attention_group, g.out, attention_group, g.factor);
      }
    }
    for (std::int64_t g = 0; g < used; ++g) attention_end(a, head, groups[g]);
  }
}
