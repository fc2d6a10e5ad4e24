// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrices of bf16 in the order of tiles; see tiles.hpp. Steps and columns beyond the last are 0.
inline constexpr int tile_panel = 32;  // columns of a panel, rows of a block: two tiles each
inline constexpr int tile_steps = 32;  // of the depth, that one multiplication sums

/// Depths are filled up to whole tiles.
inline std::int64_t tile_depth(std::int64_t depth) { return (depth + tile_steps - 1) / tile_steps * tile_steps; }

#if STRETTO_X86
/// Steps k and k + 1 of 16 columns as 16 pairs; of b as it stands, row by row.
inline __m512i pairs_of_columns(const bf16* b, std::int64_t gap, std::int64_t steps, std::int64_t columns) {
  const auto m = static_cast<__mmask16>(columns >= 16 ? 0xffffu : columns <= 0 ? 0u : (1u << columns) - 1u);
  const __m512i first = steps > 0 ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, b)) : _mm512_setzero_si512();
  const __m512i second = steps > 1 ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, b + gap)) : _mm512_setzero_si512();
  return _mm512_or_si512(first, _mm512_slli_epi32(second, 16));
}

/// Exchanges rows and columns of 16 x 16 words.
inline void transpose_words(__m512i (&r)[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
  }
}

/// 32 steps of up to 16 rows, as they stand, one row of 64 bytes each.
inline void load_rows(const bf16* a, std::int64_t gap, std::int64_t rows, std::int64_t steps, __m512i (&r)[16]) {
  const __mmask32 m = steps >= 32 ? 0xffffffffu : (1u << steps) - 1u;
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) r[i] = i < rows ? _mm512_maskz_loadu_epi16(m, a + i * gap) : _mm512_setzero_si512();
}

/// One tile of b: 32 steps of 16 columns.
inline void pack_tile(const bf16* b, std::int64_t gap, bool transposed, std::int64_t steps, std::int64_t columns, bf16* to) {
  __m512i r[16];
  if (transposed) {
    load_rows(b, gap, columns, steps, r);
    transpose_words(r);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) r[i] = pairs_of_columns(b + 2 * i * gap, gap, steps - 2 * i, columns);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) _mm512_storeu_si512(to + 32 * i, r[i]);
}

/// One tile of a, which stands transposed: 16 rows of 32 steps each, `to_gap` apart.
inline void pack_rows_tile(const bf16* a, std::int64_t gap, std::int64_t steps, std::int64_t rows, bf16* to, std::int64_t to_gap) {
  __m512i r[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) r[i] = pairs_of_columns(a + 2 * i * gap, gap, steps - 2 * i, rows);
  transpose_words(r);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) _mm512_storeu_si512(to + i * to_gap, r[i]);
}

/// Columns of b in panels, `panel_gap` apart.
inline void pack_panels(const bf16* b, std::int64_t gap, bool transposed, std::int64_t depth, std::int64_t columns, bf16* to, std::int64_t panel_gap) {
  for (std::int64_t j = 0; j < columns; j += tile_panel, to += panel_gap)
    for (std::int64_t k = 0; k < depth; k += tile_steps)
      for (std::int64_t h = 0; h < tile_panel; h += 16) {
        const std::int64_t n = columns - j - h;
        const bf16* const from = b + (n <= 0 ? 0 : transposed ? (j + h) * gap + k : k * gap + j + h);
        pack_tile(from, gap, transposed, depth - k, n < 0 ? 0 : n < 16 ? n : 16, to + k * tile_panel + h * tile_steps);
      }
}

inline void pack_matrix(const pack_arguments<bf16>& p, std::int64_t first, std::int64_t last, const worker&) {
  const std::int64_t depth = tile_depth(p.depth);
  pack_panels(p.b + (p.transposed ? first * p.gap : first), p.gap, p.transposed, p.depth, last - first, static_cast<bf16*>(p.to) + first * depth, depth * tile_panel);
}
#else
inline void pack_matrix(const pack_arguments<bf16>&, std::int64_t, std::int64_t, const worker&) {}
#endif
