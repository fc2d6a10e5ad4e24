// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How attention reads and writes tokens: rows as they are, or turned so that tokens lie across the lanes; and which keys a
// lane's query sees.

/// Rows of n numbers, widened and multiplied, as rows `to_gap` apart; the last vector is filled up with 0. With Checks:
/// whether all are finite.
template <bool Checks, class T>
bool attention_pack(const T* from, std::int64_t gap, std::int64_t rows, std::int64_t n, float factor, float* to, std::int64_t to_gap) {
  const lanes f = set(factor);
  lanes odd[4] = {zero(), zero(), zero(), zero()};  // no number, once something isn't finite
  for (std::int64_t i = 0; i < rows; ++i, from += gap, to += to_gap) {
    std::int64_t e = 0;
    for (; e + 4 * width <= n; e += 4 * width) {
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        const lanes x = load(from + e + k * width);
        if constexpr (Checks) odd[k] = fma(x, zero(), odd[k]);
        store(to + e + k * width, mul(x, f));
      }
    }
    for (; e < n; e += width) {
      const lanes x = n - e < width ? load_some(from + e, n - e) : load(from + e);
      if constexpr (Checks) odd[0] = fma(x, zero(), odd[0]);
      store(to + e, mul(x, f));
    }
  }
  return sum(add(add(odd[0], odd[1]), add(odd[2], odd[3]))) == 0;
}

/// The same turned: number e of row i goes to to[e * attention_group + i]. Behind the last row come zeros, to a whole vector.
template <class T>
void attention_pack_across(const T* from, std::int64_t gap, std::int64_t rows, std::int64_t n, float factor, float* to) {
  const lanes f = set(factor);
  for (std::int64_t i = 0; i < rows; i += width)
    for (std::int64_t e = 0; e < n; e += width) {
      const std::int64_t high = rows - i < width ? rows - i : width, wide = n - e < width ? n - e : width;
      const T* const at = from + i * gap + e;
      float* const put = to + e * attention_group + i;
      lanes a[width];
      if (high == width && wide == width) {
#pragma GCC unroll 16
        for (int r = 0; r < width; ++r) a[r] = load(at + r * gap);
        transpose(a);
#pragma GCC unroll 16
        for (int r = 0; r < width; ++r) store(put + r * attention_group, mul(a[r], f));
      } else {
        for (int r = 0; r < width; ++r) a[r] = r < high ? load_some(at + r * gap, wide) : zero();
        transpose(a);
        for (int r = 0; r < wide; ++r) store(put + r * attention_group, mul(a[r], f));
      }
    }
}

/// What lies across the lanes, as rows again: calls put(i, e, v, count) for the lanes of row i from number e on.
template <class Put>
void attention_unpack_across(const float* from, std::int64_t rows, std::int64_t n, Put put) {
  for (std::int64_t i = 0; i < rows; i += width)
    for (std::int64_t e = 0; e < n; e += width) {
      const std::int64_t high = rows - i < width ? rows - i : width, wide = n - e < width ? n - e : width;
      const float* const at = from + e * attention_group + i;
      lanes a[width];
      if (high == width && wide == width) {
#pragma GCC unroll 16
        for (int r = 0; r < width; ++r) a[r] = load(at + r * attention_group);
        transpose(a);
#pragma GCC unroll 16
        for (int r = 0; r < width; ++r) put(i + r, e, a[r], std::int64_t{width});
      } else {
        for (int r = 0; r < width; ++r) a[r] = r < wide ? load(at + r * attention_group) : zero();
        transpose(a);
        for (int r = 0; r < high; ++r) put(i + r, e, a[r], wide);
      }
    }
}

/// The positions that the queries of a group see: a query sees what isn't further than `span` from its first, without sign.
struct attention_sight {
  std::uint32_t* minus_first;
  std::uint32_t* span;
  std::int64_t any_low, all_low, all_high, any_high;

  void look(const attention_tokens& at, const attention_rule& rule, std::int64_t first, std::int64_t count) {
    any_low = all_high = INT64_MAX, all_low = any_high = INT64_MIN;
    for (std::int64_t i = 0; i < attention_group; ++i) {
      const std::int64_t q = at.position(first + (i < count ? i : 0)), low = rule.low(q), high = rule.high(q);
      minus_first[i] = 0u - static_cast<std::uint32_t>(low);
      span[i] = static_cast<std::uint32_t>(high - low);
      any_low = low < any_low ? low : any_low, all_low = low > all_low ? low : all_low;
      all_high = high < all_high ? high : all_high, any_high = high > any_high ? high : any_high;
    }
  }
  bool none(const attention_tile& keys) const { return keys.high < any_low || keys.low > any_high; }
  bool all(const attention_tile& keys) const { return keys.low >= all_low && keys.high <= all_high; }
  bool any(std::int64_t key) const { return key >= any_low && key <= any_high; }

  mask hides(std::int64_t key, std::int64_t i) const {
    return less_ints(load_ints(span + i), add_ints(set_ints(static_cast<std::uint32_t>(key)), load_ints(minus_first + i)));
  }
  bool sees(std::int64_t key, std::int64_t i) const { return static_cast<std::uint32_t>(key) + minus_first[i] <= span[i]; }
};

/// Of a tile's keys those from the first to the last that some query sees.
inline attention_tile attention_seen(attention_tile keys, const attention_tokens& at, const attention_sight& sight) {
  std::int64_t end = keys.first + keys.count;
  while (keys.first < end && !sight.any(at.position(keys.first))) ++keys.first;
  while (keys.first < end && !sight.any(at.position(end - 1))) --end;
  keys.count = end - keys.first;
  return keys;
}

/// Where a query doesn't see a key, `value`.
inline void attention_hide(const attention_sight& sight, std::int64_t queries, const attention_tokens& at, const attention_tile& keys, float value, float* weights) {
  for (std::int64_t j = 0; j < keys.count; ++j, weights += attention_group) {
    const std::int64_t key = at.position(keys.first + j);
    if (key >= sight.all_low && key <= sight.all_high) continue;
    for (std::int64_t i = 0; i < queries; i += width) store(weights + i, select(sight.hides(key, i), set(value), load(weights + i)));
  }
}

/// Scores become cap tanh(score factor); `slopes`, where they are wanted, 1 - tanh^2.
inline void attention_cap(float cap, float factor, std::int64_t queries, std::int64_t keys, float* scores, float* slopes = nullptr) {
  for (std::int64_t j = 0; j < keys * attention_group; j += attention_group)
    for (std::int64_t i = j; i < j + queries; i += width) {
      const lanes t = tanh(mul(load(scores + i), set(factor)));
      store(scores + i, mul(set(cap), t));
      if (slopes != nullptr) store(slopes + i, fnma(t, t, set(1.0f)));
    }
}

inline constexpr float attention_log2e = 1.44269504088896340736f;

inline constexpr int attention_chains = registers == 32 ? 4 : 2;  ///< exponentials at a time

/// 2^x for some x up to 128; 0 below the smallest normal, because numbers between cost a hundred cycles each. Error 1.5
/// units in the last place.
template <int N>
[[gnu::always_inline]] inline void attention_exp2(lanes (&x)[N]) {
  constexpr float c[] = {0.00015345812f, 0.00133999309f, 0.00961848907f, 0.05550328642f, 0.24022646248f, 0.69314718246f, 1.0f};
  lanes n[N], r[N], p[N];
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) n[k] = round(larger(set(-126.0f), x[k]));
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) r[k] = sub(larger(set(-126.0f), x[k]), n[k]), p[k] = set(c[0]);
#pragma GCC unroll 8
  for (int i = 1; i < 7; ++i) {
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) p[k] = fma(p[k], r[k], set(c[i]));
  }
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) x[k] = select(less(x[k], set(-126.0f)), zero(), scale(p[k], n[k]));
}
inline lanes attention_exp2(lanes x) {
  lanes one[1] = {x};
  attention_exp2(one);
  return one[0];
}

/// What dropout multiplies the weights of some keys by: 0 or `kept`.
inline void attention_dropout(const attention_rule& rule, const random_block& key, const attention_tokens& at_queries, std::int64_t query, std::int64_t queries, const attention_tokens& at_keys,
                              const attention_tile& keys, float* factors) {
  alignas(64) std::uint32_t positions[attention_group], words[4][width];
  for (std::int64_t i = 0; i < attention_group; ++i) positions[i] = static_cast<std::uint32_t>(at_queries.position(query + (i < queries ? i : 0)));
  const ints a = set_ints(0xD2511F53u), b = set_ints(0xCD9E8D57u);
  for (std::int64_t i = 0; i < queries; i += width) {
    std::uint32_t block = 0;
    for (std::int64_t j = 0; j < keys.count; ++j) {
      const auto column = static_cast<std::uint32_t>(at_keys.position(keys.first + j));
      if (j == 0 || column >> 2 != block) {
        block = column >> 2;
        std::uint32_t key0 = key.word[0], key1 = key.word[1];
        ints c0 = set_ints(block), c1 = load_ints(positions + i), c2 = set_ints(key.word[2]), c3 = set_ints(key.word[3]);
        for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
          const ints a_low = multiply_low(a, c0), a_high = multiply_high(a, c0), b_low = multiply_low(b, c2), b_high = multiply_high(b, c2);
          c0 = xor_ints(xor_ints(b_high, c1), set_ints(key0));
          c2 = xor_ints(xor_ints(a_high, c3), set_ints(key1));
          c1 = b_low, c3 = a_low;
        }
        store_ints(words[0], c0), store_ints(words[1], c1), store_ints(words[2], c2), store_ints(words[3], c3);
      }
      const mask drops = less_ints(load_ints(words[column & 3]), set_ints(rule.dropped_below));
      store(factors + j * attention_group + i, select(drops, zero(), set(rule.kept)));
    }
  }
}

/// What attention_product does where what a query doesn't see may be no number: that stays out.
/// out [e][query] = out factor + sum of left [key][e] weights [key][query]
inline void attention_product_seen(const attention_sight& sight, const attention_tokens& at, const attention_tile& keys, std::int64_t queries, std::int64_t d, const float* left,
                                   std::int64_t left_gap, const float* weights, float* out, const float* factor) {
  for (std::int64_t i = 0; i < queries; i += width)
    for (std::int64_t e = 0; e < d; ++e) {
      lanes s = zero();
      for (std::int64_t j = 0; j < keys.count; ++j)
        s = select(sight.hides(at.position(keys.first + j), i), s, fma(set(left[j * left_gap + e]), load(weights + j * attention_group + i), s));
      float* const to = out + e * attention_group + i;
      store(to, factor == nullptr ? add(load(to), s) : fma(load(to), load(factor + i), s));
    }
}
/// out [key][e] += sum of weights [key][query] right [query][e]
inline void attention_product_seen(const attention_sight& sight, const attention_tokens& at, const attention_tile& keys, std::int64_t queries, std::int64_t d, const float* weights,
                                   const float* right, std::int64_t right_gap, float* out, std::int64_t out_gap) {
  for (std::int64_t j = 0; j < keys.count; ++j)
    for (std::int64_t e = 0; e < d; e += width) {
      lanes s = zero();
      for (std::int64_t i = 0; i < queries; ++i)
        if (sight.sees(at.position(keys.first + j), i)) s = fma(set(weights[j * attention_group + i]), load(right + i * right_gap + e), s);
      float* const to = out + j * out_gap + e;
      const std::int64_t n = d - e < width ? d - e : width;
      store_some(to, add(load_some(to, n), s), n);
    }
}
