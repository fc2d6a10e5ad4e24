// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The products of attention. Queries lie across the lanes, so that what is known of a query (its largest score, the sum of
// its weights, the positions that it sees) is a lane, too, and nothing is ever summed across lanes:
//
//     scores [key][query]        = keys [key][e] · queries [e][query]               rows of the left side
//     outputs [e][query]        += values [key][e]ᵀ · weights [key][query]          columns of the left side
//     d_values [key][e]         += weights [key][query] · d_outputs [query][e]      rows
// A tile of 8 rows by 3 vectors (4 by 3 with 16 registers, 4 by 2 without fma) is summed in registers; what is to the left
// is read number by number and spread over the lanes. Each number of a result is one chain of fma in the order of what is
// summed over, however tiles fall.

inline constexpr int attention_rows = registers == 32 ? 8 : 4;
inline constexpr int attention_vectors = width == 4 ? 2 : 3;

/// out = (0, or out factor) + a b, for R rows and V vectors, of the last of which `last` lanes are there. What the factor
/// is, stands in lanes; Sums: it is 1.
enum class attention_out { fresh, scaled, summed };

template <int R, int V, bool Columns, attention_out Out>
void attention_product_tile(std::int64_t n, const float* a, std::int64_t a_gap, const float* b, std::int64_t b_gap, float* out, std::int64_t out_gap, const float* factor, std::int64_t last) {
  lanes s[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) s[r][v] = zero();
  }
  for (std::int64_t i = 0; i < n; ++i) {
    lanes t[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) t[v] = load(b + v * width);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const lanes x = in_register(set(Columns ? a[r] : a[r * a_gap]));
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) s[r][v] = fma(x, t[v], s[r][v]);
    }
    a += Columns ? a_gap : 1;
    b += b_gap;
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    float* const to = out + r * out_gap;
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      float* const at = to + v * width;
      if constexpr (Out == attention_out::fresh) {
        store(at, s[r][v]);
      } else if constexpr (Out == attention_out::scaled) {
        store(at, fma(load(at), load(factor + v * width), s[r][v]));
      } else if (v + 1 < V || last == width) {
        store(at, add(load(at), s[r][v]));
      } else {
        store_some(at, add(load_some(at, last), s[r][v]), last);
      }
    }
  }
}

template <int V, bool Columns, attention_out Out>
void attention_product_rows(std::int64_t rows, std::int64_t n, const float* a, std::int64_t a_gap, const float* b, std::int64_t b_gap, float* out, std::int64_t out_gap, const float* factor,
                            std::int64_t last) {
  const std::int64_t step = Columns ? 1 : a_gap;
  std::int64_t i = 0;
  for (; i + attention_rows <= rows; i += attention_rows)
    attention_product_tile<attention_rows, V, Columns, Out>(n, a + i * step, a_gap, b, b_gap, out + i * out_gap, out_gap, factor, last);
  if constexpr (attention_rows > 4) {
    if (rows - i >= 4) attention_product_tile<4, V, Columns, Out>(n, a + i * step, a_gap, b, b_gap, out + i * out_gap, out_gap, factor, last), i += 4;
  }
  if (rows - i >= 2) attention_product_tile<2, V, Columns, Out>(n, a + i * step, a_gap, b, b_gap, out + i * out_gap, out_gap, factor, last), i += 2;
  if (rows - i >= 1) attention_product_tile<1, V, Columns, Out>(n, a + i * step, a_gap, b, b_gap, out + i * out_gap, out_gap, factor, last);
}

/// For all rows and columns, summed over n. Results that are not Sums have room for whole vectors.
template <bool Columns, attention_out Out>
void attention_product(std::int64_t rows, std::int64_t columns, std::int64_t n, const float* a, std::int64_t a_gap, const float* b, std::int64_t b_gap, float* out, std::int64_t out_gap,
                       const float* factor = nullptr) {
  for (std::int64_t j = 0; j < columns;) {
    const std::int64_t left = columns - j, vectors = (left + width - 1) / width;
    const std::int64_t take = vectors == attention_vectors + 1 ? vectors / 2 : vectors < attention_vectors ? vectors : attention_vectors;
    const std::int64_t last = left < take * width ? left - (take - 1) * width : width;
    const float* const f = factor == nullptr ? nullptr : factor + j;
    if (take == 1) attention_product_rows<1, Columns, Out>(rows, n, a, a_gap, b + j, b_gap, out + j, out_gap, f, last);
    else if (take == 2) attention_product_rows<2, Columns, Out>(rows, n, a, a_gap, b + j, b_gap, out + j, out_gap, f, last);
    else attention_product_rows<attention_vectors, Columns, Out>(rows, n, a, a_gap, b + j, b_gap, out + j, out_gap, f, last);
    j += take * width;
  }
}
