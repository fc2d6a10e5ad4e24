// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Embedding: rows of a table gathered for tokens, and added back to. The row of the next token is fetched meanwhile.
template <class T>
void gather_rows(const embedding_arguments<T>& a, std::int64_t first, std::int64_t last, const worker&) {
  constexpr bool pairs = std::is_same_v<T, bf16>;
  const auto row_of = [&](std::int64_t t) {
    const std::int64_t row = a.ids[t] - a.first_id;
    return row >= 0 && row < a.rows ? a.weight + row * a.weight_gap : nullptr;
  };
  const lanes scale = set(a.scale);
  for (std::int64_t t = first; t < last; ++t) {
    const T* const weight = row_of(t);
    const T* const next = t + 1 < last ? row_of(t + 1) : nullptr;
    T* const y = a.y + t * a.y_gap;
    if (weight == nullptr) {
      write_row<pairs>(y, a.columns, a.streams, [&](std::int64_t, auto) { return zero(); });
    } else {
      const line_ahead<T> ahead{next != nullptr ? next : weight};
      write_row<pairs>(y, a.columns, a.streams, [&](std::int64_t i, auto get) { return mul(get(weight + i), scale); }, ahead);
    }
  }
  if (a.streams) end_stream();
}

template <class T>
void scatter_columns(const embedding_backward_arguments<T>& a, std::int64_t first, std::int64_t last, const worker&) {
  const std::int64_t n = last - first;
  const lanes scale = set(a.scale);
  const auto row_of = [&](std::int64_t t) {
    const std::int64_t row = a.ids[t] - a.first_id;
    return row >= 0 && row < a.rows ? a.dweight + row * a.dweight_gap + first : nullptr;
  };
  for (std::int64_t t = 0; t < a.tokens; ++t) {
    float* const to = row_of(t);
    if (to == nullptr) continue;
    const T* const dy = a.dy + t * a.dy_gap + first;
    const float* const after = t + 1 < a.tokens ? row_of(t + 1) : nullptr;
    const float* const next = after != nullptr ? after : to;
    std::int64_t i = 0;
    for (; i + 16 <= n; i += 16) {  // a line of dweight
      __builtin_prefetch(next + i);
#pragma GCC unroll 4
      for (int k = 0; k < 16; k += width) store(to + i + k, fma(load(dy + i + k), scale, load(to + i + k)));
    }
    while (i < n) {
      const std::int64_t few = n - i < width ? n - i : width;
      store_some(to + i, fma(load_some(dy + i, few), scale, load_some(to + i, few)), few);
      i += few;
    }
  }
}
