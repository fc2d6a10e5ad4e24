// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums of matrices, and of rows.
template <class T>
void add_runs(const elementwise_arguments<T, 2, 1>& a, std::int64_t first, std::int64_t last, const worker&) {
  each_run(a.blocks, first, last, [&](std::int64_t row, std::int64_t column, std::int64_t count) {
    const T* const x = a.in[0] + row * a.in_gap[0] + column;
    const T* const r = a.in[1] + row * a.in_gap[1] + column;
    T* const y = a.out[0] + row * a.out_gap[0] + column;
    write_row<std::is_same_v<T, bf16>>(y, count, a.blocks.streams, [&](std::int64_t i, auto get) { return add(get(x + i), get(r + i)); });
  });
}

template <class T>
void add_bias_runs(const add_bias_arguments<T>& a, std::int64_t first, std::int64_t last, const worker&) {
  each_run(a.rows.blocks, first, last, [&](std::int64_t row, std::int64_t column, std::int64_t count) {
    const T* const x = a.rows.in[0] + row * a.rows.in_gap[0] + column;
    const T* const bias = a.bias + column;
    T* const y = a.rows.out[0] + row * a.rows.out_gap[0] + column;
    write_row<std::is_same_v<T, bf16>>(y, count, a.rows.blocks.streams, [&](std::int64_t i, auto get) { return add(get(x + i), get(bias + i)); });
  });
}

/// dbias += `Rows` rows that stand one below the other. Sums stay in registers from the first to the last of them.
template <int Rows, class T>
void add_rows(const T* dy, std::int64_t gap, std::int64_t n, float* dbias) {
  std::int64_t j = 0;
  for (; j + 2 * width <= n; j += 2 * width) {
    lanes s = load(dbias + j), t = load(dbias + j + width);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) s = add(s, load(dy + r * gap + j)), t = add(t, load(dy + r * gap + j + width));
    store(dbias + j, s);
    store(dbias + j + width, t);
  }
  while (j < n) {
    const std::int64_t few = n - j < width ? n - j : width;
    lanes s = load_some(dbias + j, few);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) s = add(s, load_some(dy + r * gap + j, few));
    store_some(dbias + j, s, few);
    j += few;
  }
}

template <class T>
void bias_gradient_columns(const bias_gradient_arguments<T>& a, std::int64_t first, std::int64_t last, const worker&) {
  const T* dy = a.dy + first;
  float* const dbias = a.dbias + first;
  std::int64_t r = 0;
  for (; r + 8 <= a.rows; r += 8, dy += 8 * a.gap) add_rows<8>(dy, a.gap, last - first, dbias);
  for (; r < a.rows; ++r, dy += a.gap) add_rows<1>(dy, a.gap, last - first, dbias);
}
