// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention backward. For each head of keys, the heads of queries that it serves in order, 96 queries at a time, goes over
// the tiles of keys that they see: scores and d_weights anew, then from both what they add to the three gradients. Five
// products a pair of tiles; the gradients of queries stay in scratch memory meanwhile, those of keys and values are summed
// where they stand, or in scratch memory where they are to be rounded. Where these don't fit, products are done anew:
// first for some keys at a time their gradients (four products), then the queries' (three).

struct attention_gradient_state {
  std::int64_t first, count;
  float *query, *d_output, *d_query;       ///< across the lanes
  float *query_rows, *d_output_rows;       ///< as rows
  float *minus_lse, *delta;
  bool finite;
  attention_sight sight;
};

/// Pieces of a worker's scratch memory.
struct attention_gradient_room {
  attention_gradient_state groups[attention_groups];
  float *keys, *values, *weights, *d_weights, *slopes, *factors, *sums;

  attention_gradient_room(const worker& w, std::int64_t padded) {
    float* room = reinterpret_cast<float*>(w.scratch);
    const std::int64_t across = padded * attention_group, tile = attention_keys * attention_group;
    for (attention_gradient_state& g : groups) {
      g.query = room, g.d_output = room + across, g.d_query = room + 2 * across, g.query_rows = room + 3 * across, g.d_output_rows = room + 4 * across;
      room += 5 * across;
      g.minus_lse = room, g.delta = room + attention_group;
      g.sight.minus_first = reinterpret_cast<std::uint32_t*>(room + 2 * attention_group), g.sight.span = g.sight.minus_first + attention_group;
      room += 8 * attention_group;
    }
    keys = room, values = room + attention_keys * padded, room += 2 * attention_keys * padded;
    weights = room, d_weights = room + tile, slopes = room + 2 * tile, factors = room + 3 * tile, sums = room + 4 * tile;
  }
};

/// Where the gradients of keys and values are summed, from key `first` on.
struct attention_key_sums {
  float *d_keys, *d_values;
  std::int64_t keys_gap, values_gap, first;
};

template <class T, class G>
void attention_begin_backward(const attention_backward_arguments<T, G>& a, std::int64_t head, attention_gradient_state& g) {
  const std::int64_t d = a.queries.extent(2), padded = attention_padded(d);
  g.sight.look(a.at_queries, a.rule, g.first, g.count);
  const T* const query = a.queries.data() + g.first * a.queries.stride(0) + head * a.queries.stride(1);
  const T* const d_output = a.d_output.data() + g.first * a.d_output.stride(0) + head * a.d_output.stride(1);
  attention_pack_across(query, a.queries.stride(0), g.count, d, 1, g.query);
  attention_pack_across(d_output, a.d_output.stride(0), g.count, d, 1, g.d_output);
  const bool queries_finite = attention_pack<true>(query, a.queries.stride(0), g.count, d, 1, g.query_rows, padded);
  g.finite = attention_pack<true>(d_output, a.d_output.stride(0), g.count, d, 1, g.d_output_rows, padded) && queries_finite;
  for (std::int64_t i = 0; i < d * attention_group; i += width) store(g.d_query + i, zero());
  for (std::int64_t i = 0; i < attention_group; ++i) {
    const float lse = i < g.count ? a.lse(g.first + i, head) : 0.0f;
    g.minus_lse[i] = lse == -INFINITY ? -INFINITY : -lse;
    g.delta[i] = i < g.count ? a.delta(g.first + i, head) : 0.0f;
  }
}

/// Scores and d_weights become weights and d_scores times `scale`; scores are yet to be multiplied by `factor`.
inline void attention_slope(const attention_gradient_state& g, std::int64_t keys, float factor, float scale, float* weights, float* d_weights, const float* slopes, const float* factors) {
  const lanes f = set(factor);
  for (std::int64_t i = 0; i < g.count; i += width) {
    const lanes minus_lse = load(g.minus_lse + i), delta = load(g.delta + i);
    const auto exponent = [&](std::int64_t at) { return smaller(set(128.0f), mul(fma(load(weights + at), f, minus_lse), set(attention_log2e))); };
    const auto put = [&](std::int64_t at, lanes p) {
      lanes dp = load(d_weights + at);
      if (factors != nullptr) dp = mul(dp, load(factors + at));
      lanes ds = mul(mul(p, sub(dp, delta)), set(scale));
      if (slopes != nullptr) ds = mul(ds, load(slopes + at));
      if (factors != nullptr) p = mul(p, load(factors + at));
      store(weights + at, p);
      store(d_weights + at, ds);
    };
    std::int64_t j = 0;
    for (; j + attention_chains <= keys; j += attention_chains) {
      lanes p[attention_chains];
#pragma GCC unroll 4
      for (int k = 0; k < attention_chains; ++k) p[k] = exponent((j + k) * attention_group + i);
      attention_exp2(p);
#pragma GCC unroll 4
      for (int k = 0; k < attention_chains; ++k) put((j + k) * attention_group + i, p[k]);
    }
    for (; j < keys; ++j) put(j * attention_group + i, attention_exp2(exponent(j * attention_group + i)));
  }
}

/// What a tile of keys and a group of queries that see some of it add to the gradients that are asked for.
template <class T, class G>
void attention_pair(const attention_backward_arguments<T, G>& a, attention_gradient_room& room, const attention_gradient_state& g, const attention_tile& seen, std::int64_t skipped, bool masked,
                    bool keys_finite, const random_block& random, bool of_queries, bool of_keys, const attention_key_sums& sums) {
  const std::int64_t d = a.queries.extent(2), padded = attention_padded(d), n = seen.count;
  const float* const keys = room.keys + skipped * padded;
  const bool caps = a.rule.cap != 0, drops = a.rule.dropped_below != 0;
  attention_product<false, attention_out::fresh>(n, g.count, d, keys, padded, g.query, attention_group, room.weights, attention_group);
  attention_product<false, attention_out::fresh>(n, g.count, d, room.values + skipped * padded, padded, g.d_output, attention_group, room.d_weights, attention_group);
  if (caps) attention_cap(a.rule.cap, a.rule.scale / a.rule.cap, g.count, n, room.weights, room.slopes);
  if (drops) attention_dropout(a.rule, random, a.at_queries, g.first, g.count, a.at_keys, seen, room.factors);
  attention_slope(g, n, caps ? 1.0f : a.rule.scale, a.rule.scale, room.weights, room.d_weights, caps ? room.slopes : nullptr, drops ? room.factors : nullptr);
  if (masked) {
    attention_hide(g.sight, g.count, a.at_keys, seen, 0, room.weights);
    attention_hide(g.sight, g.count, a.at_keys, seen, 0, room.d_weights);
  }
  if (of_keys) {
    float* const d_values = sums.d_values + (seen.first - sums.first) * sums.values_gap;
    float* const d_keys = sums.d_keys + (seen.first - sums.first) * sums.keys_gap;
    if (masked && !g.finite) {
      attention_product_seen(g.sight, a.at_keys, seen, g.count, d, room.weights, g.d_output_rows, padded, d_values, sums.values_gap);
      attention_product_seen(g.sight, a.at_keys, seen, g.count, d, room.d_weights, g.query_rows, padded, d_keys, sums.keys_gap);
    } else {
      attention_product<false, attention_out::summed>(n, d, g.count, room.weights, attention_group, g.d_output_rows, padded, d_values, sums.values_gap);
      attention_product<false, attention_out::summed>(n, d, g.count, room.d_weights, attention_group, g.query_rows, padded, d_keys, sums.keys_gap);
    }
  }
  if (of_queries) {
    if (masked && !keys_finite) attention_product_seen(g.sight, a.at_keys, seen, g.count, d, keys, padded, room.d_weights, g.d_query, nullptr);
    else attention_product<true, attention_out::summed>(d, g.count, n, keys, padded, room.d_weights, attention_group, g.d_query, attention_group);
  }
}

/// The gradients that are asked for of one head of keys, from keys `first` to `end`.
template <class T, class G>
void attention_backward_pass(const attention_backward_arguments<T, G>& a, attention_gradient_room& room, std::int64_t kv, std::int64_t first, std::int64_t end, bool of_queries, bool of_keys,
                             const attention_key_sums& sums) {
  const std::int64_t d = a.queries.extent(2), padded = attention_padded(d), heads = a.queries.extent(1) / a.keys.extent(1);
  for (std::int64_t head = kv * heads; head < (kv + 1) * heads; ++head)
    for (std::int64_t t = 0; t < a.at_queries.count;) {
      const attention_tile queries = a.at_queries.tile(t, attention_queries);
      t += queries.count;
      const std::int64_t used = (queries.count + attention_group - 1) / attention_group;
      const random_block random = attention_key(a.rule.stream, a.rule.first_head + head, queries.document);
      for (std::int64_t g = 0; g < used; ++g) {
        const std::int64_t left = queries.count - g * attention_group;
        room.groups[g].first = queries.first + g * attention_group, room.groups[g].count = left < attention_group ? left : attention_group;
        attention_begin_backward(a, head, room.groups[g]);
      }
      for (std::int64_t k = first; k < end;) {
        const attention_tile tile = a.at_keys.tile(k, attention_keys);
        k += tile.count;
        if (tile.document != queries.document) continue;
        bool packed = false, finite = false;
        for (std::int64_t i = 0; i < used; ++i) {
          const attention_gradient_state& g = room.groups[i];
          if (g.sight.none(tile)) continue;
          const bool masked = !g.sight.all(tile);
          const attention_tile seen = masked ? attention_seen(tile, a.at_keys, g.sight) : tile;
          if (seen.count == 0) continue;
          if (!packed) {
            packed = true;
            finite = attention_pack<true>(a.keys.data() + tile.first * a.keys.stride(0) + kv * a.keys.stride(1), a.keys.stride(0), tile.count, d, 1, room.keys, padded);
            attention_pack<false>(a.values.data() + tile.first * a.values.stride(0) + kv * a.values.stride(1), a.values.stride(0), tile.count, d, 1, room.values, padded);
          }
          attention_pair(a, room, g, seen, seen.first - tile.first, masked, finite, random, of_queries, of_keys, sums);
        }
      }
      for (std::int64_t i = 0; i < used && of_queries; ++i) {
        const attention_gradient_state& g = room.groups[i];
        attention_unpack_across(g.d_query, g.count, d, [&](std::int64_t row, std::int64_t e, lanes v, std::int64_t n) {
          G* const to = a.d_queries.data() + (g.first + row) * a.d_queries.stride(0) + head * a.d_queries.stride(1) + e;
          const lanes x = a.rule.accumulate ? add(v, load_some(to, n)) : v;
          n == width ? store(to, x) : store_some(to, x, n);
        });
      }
    }
}

/// Rows become 0.
template <class G>
void attention_clear(G* to, std::int64_t gap, std::int64_t rows, std::int64_t n) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t e = 0; e < n; e += width) store_some(to + i * gap + e, zero(), n - e < width ? n - e : width);
}
/// Sums, rounded.
template <class G>
void attention_round(const float* from, std::int64_t from_gap, G* to, std::int64_t gap, std::int64_t rows, std::int64_t n) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t e = 0; e < n; e += width) {
      const std::int64_t some = n - e < width ? n - e : width;
      store_some(to + i * gap + e, load_some(from + i * from_gap + e, some), some);
    }
}

/// Heads of keys from `first_head` on.
template <class T, class G>
void attention_backward_of(const attention_backward_arguments<T, G>& a, std::int64_t first_head, std::int64_t end_head, const worker& w) {
  const std::int64_t d = a.queries.extent(2), padded = attention_padded(d), all = a.at_keys.count;
  attention_gradient_room room(w, padded);
  const std::int64_t keys_gap = a.d_keys.stride(0), values_gap = a.d_values.stride(0);
  for (std::int64_t kv = first_head; kv < end_head; ++kv) {
    G* const d_keys = all > 0 ? a.d_keys.data() + kv * a.d_keys.stride(1) : nullptr;
    G* const d_values = all > 0 ? a.d_values.data() + kv * a.d_values.stride(1) : nullptr;
    if constexpr (std::is_same_v<G, float>) {
      if (!a.rule.accumulate) attention_clear(d_keys, keys_gap, all, d), attention_clear(d_values, values_gap, all, d);
      attention_backward_pass(a, room, kv, 0, all, true, true, {d_keys, d_values, keys_gap, values_gap, 0});
    } else {
      const bool once = all <= a.keys_at_once;
      if (all == 0) attention_backward_pass(a, room, kv, 0, all, true, false, {});
      for (std::int64_t first = 0; first < all;) {
        std::int64_t end = first;
        while (end < all) {
          const std::int64_t n = a.at_keys.tile_size(end, attention_keys);
          if (end + n - first > a.keys_at_once) break;
          end += n;
        }
        const std::int64_t n = end - first;
        float* const values = room.sums + n * padded;
        attention_clear(room.sums, padded, 2 * n, padded);
        attention_backward_pass(a, room, kv, first, end, once, true, {room.sums, values, padded, padded, first});
        attention_round(room.sums, padded, d_keys + first * keys_gap, keys_gap, n, d);
        attention_round(values, padded, d_values + first * values_gap, values_gap, n, d);
        first = end;
      }
      if (!once) attention_backward_pass(a, room, kv, 0, all, true, false, {});
    }
  }
}

/// delta of tokens from `first` on.
template <class T>
void attention_delta_of(const attention_delta_arguments<T>& a, std::int64_t first, std::int64_t end, const worker&) {
  const std::int64_t d = a.output.extent(2);
  for (std::int64_t i = first; i < end; ++i)
    for (std::int64_t h = 0; h < a.output.extent(1); ++h) {
      const T* const o = a.output.data() + i * a.output.stride(0) + h * a.output.stride(1);
      const T* const g = a.d_output.data() + i * a.d_output.stride(0) + h * a.d_output.stride(1);
      lanes s = zero(), t = zero();
      std::int64_t e = 0;
      for (; e + 2 * width <= d; e += 2 * width) s = fma(load(o + e), load(g + e), s), t = fma(load(o + e + width), load(g + e + width), t);
      if (e + width <= d) s = fma(load(o + e), load(g + e), s), e += width;
      if (e < d) t = fma(load_some(o + e, d - e), load_some(g + e, d - e), t);
      a.delta(i, h) = sum(add(s, t));
    }
}
