// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a matrix product reads, in the order in which it reads it, widened to float. The sizes of its blocks: a stretch of
// the depth such that a panel of b fits the first cache, rows such that a block of a fits half of the second.

inline constexpr int product_vectors = width == 16 ? 3 : 2;
inline constexpr int product_rows = width == 16 ? 8 : 6;
inline constexpr int product_panel = product_vectors * width;
inline constexpr std::int64_t product_depth = 384;                                    // of a stretch
inline constexpr std::int64_t product_high = 256 / product_rows * product_rows;       // rows of a block of a
inline constexpr std::int64_t product_wide = 960 / product_panel * product_panel;     // columns of a block of b
inline constexpr std::int64_t product_narrow = 192 / product_panel * product_panel;   // where results are rounded

/// Widens a run of n numbers.
template <class T>
void widen_run(const T* from, float* to, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + width <= n; i += width) store(to + i, load(from + i));
  if (i < n) store_some(to + i, load_some(from + i, n - i), n - i);
}

/// Rows of a as [group of product_rows][depth][product_rows], from a that stands transposed.
template <class T>
void pack_rows(const T* a, std::int64_t gap, std::int64_t rows, std::int64_t depth, float* to) {
  std::int64_t i = 0;
  if constexpr (2 * product_rows == width) {  // eight groups at a time: whole lines are read, and a set of the cache holds what is written
    constexpr int vectors = 4;
    for (; i + vectors * width <= rows; i += vectors * width, to += vectors * width * depth) {
      const T* from = a + i;
      for (std::int64_t k = 0; k < depth; ++k, from += gap) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
          __builtin_prefetch(from + 12 * gap + v * width);
          store_split(to + (2 * v * depth + k) * product_rows, to + ((2 * v + 1) * depth + k) * product_rows, load(from + v * width));
        }
      }
    }
  }
  for (; i < rows; i += product_rows) {
    const std::int64_t n = rows - i < product_rows ? rows - i : product_rows;
    const T* from = a + i;
    if (n == product_rows && product_rows <= width) {
      for (std::int64_t k = 0; k < depth; ++k, from += gap, to += product_rows) store_some(to, load_some(from, product_rows), product_rows);
    } else {
      for (std::int64_t k = 0; k < depth; ++k, from += gap, to += product_rows)
        for (std::int64_t r = 0; r < product_rows; ++r) to[r] = r < n ? static_cast<float>(from[r]) : 0.0f;
    }
  }
}

/// Columns of b as [panel][depth][product_panel]; what is beyond the last column is 0.
template <class T>
void pack_columns(const T* b, std::int64_t gap, bool transposed, std::int64_t depth, std::int64_t columns, float* to, std::int64_t panel_gap) {
  for (std::int64_t j = 0; j < columns; j += product_panel, to += panel_gap) {
    const std::int64_t n = columns - j < product_panel ? columns - j : product_panel;
    if (!transposed) {
      const T* from = b + j;
      for (std::int64_t k = 0; k < depth; ++k, from += gap) {
        float* const row = to + k * product_panel;
#pragma GCC unroll 4
        for (int v = 0; v < product_vectors; ++v) {
          const std::int64_t left = n - v * width;
          store(row + v * width, left >= width ? load(from + v * width) : left > 0 ? load_some(from + v * width, left) : zero());
        }
      }
    } else {
      if (n < product_panel)
        for (std::int64_t i = 0; i < depth * product_panel; ++i) to[i] = 0;
      constexpr std::int64_t stretch = 16;  // of the depth: a line of each column is read once
      for (std::int64_t k = 0; k < depth; k += stretch) {
        const std::int64_t end = depth - k < stretch ? depth : k + stretch;
        for (std::int64_t c = 0; c < n; ++c) {
          const T* const from = b + (j + c) * gap;
          for (std::int64_t l = k; l < end; ++l) to[l * product_panel + c] = static_cast<float>(from[l]);
        }
      }
    }
  }
}

template <class T>
void pack_matrix(const pack_arguments<T>& p, std::int64_t first, std::int64_t last, const worker&) {
  const T* const from = p.b + (p.transposed ? first * p.gap : first);
  pack_columns(from, p.gap, p.transposed, p.depth, last - first, static_cast<float*>(p.to) + first * p.depth, p.depth * product_panel);
}
