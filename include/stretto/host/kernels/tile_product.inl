// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A product of bf16 on tiles, or by dot products of pairs: registers 0 to 3 hold the sums, 4 and 5 rows of a, 6 and 7 columns of b.
#if STRETTO_X86
inline constexpr std::int64_t tile_stretch = 512;  // of the depth; sums are put away between
inline constexpr std::int64_t tile_high = 256;     // rows of a block of a
inline constexpr std::int64_t tile_narrow = 192;   // columns, where results are rounded

struct alignas(64) tile_shapes {
  std::uint8_t palette = 1, start = 0, unused[14] = {};
  std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

/// 32 x 32 sums over `depth` steps, from what stands in c where `adds`; gaps in elements.
inline void tile_block(const bf16* a, std::int64_t a_gap, const bf16* b, float* c, std::int64_t c_gap, std::int64_t depth, bool adds) {
  float* const below = c + 16 * c_gap;
  const std::int64_t c_bytes = c_gap * 4, a_bytes = a_gap * 2;
  if (adds) {
    _tile_loadd(0, c, c_bytes);
    _tile_loadd(1, c + 16, c_bytes);
    _tile_loadd(2, below, c_bytes);
    _tile_loadd(3, below + 16, c_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (std::int64_t k = 0; k < depth; k += tile_steps, b += tile_steps * tile_panel) {
    _tile_loadd(6, b, 64);
    _tile_loadd(4, a + k, a_bytes);
    _tile_loadd(7, b + 16 * tile_steps, 64);
    _tile_loadd(5, a + 16 * a_gap + k, a_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, c_bytes);
  _tile_stored(1, c + 16, c_bytes);
  _tile_stored(2, below, c_bytes);
  _tile_stored(3, below + 16, c_bytes);
}

/// s + the products of two pairs, one pair a lane. By its name, because the instruction isn't part of this target.
inline __m512 dot_pairs(__m512 s, __m512i x, __m512i y) {
  __asm__("vdpbf16ps %2, %1, %0" : "+v"(s) : "v"(x), "v"(y));
  return s;
}

/// The same sums by dot products of pairs, for CPUs that have these and no tiles: 8 rows x 2 vectors at a time.
inline void dot_block(const bf16* a, std::int64_t a_gap, const bf16* b, float* c, std::int64_t c_gap, std::int64_t depth, bool adds) {
  for (int row = 0; row < 32; row += 8, a += 8 * a_gap, c += 8 * c_gap) {
    __m512 s[8][2];
#pragma GCC unroll 8
    for (int r = 0; r < 8; ++r) {
      s[r][0] = adds ? _mm512_loadu_ps(c + r * c_gap) : _mm512_setzero_ps();
      s[r][1] = adds ? _mm512_loadu_ps(c + r * c_gap + 16) : _mm512_setzero_ps();
    }
    const bf16* pairs = b;
    for (std::int64_t k = 0; k < depth; k += 2) {
      const __m512i first = _mm512_loadu_si512(pairs), second = _mm512_loadu_si512(pairs + 16 * tile_steps);
      pairs += k % tile_steps == tile_steps - 2 ? 32 + 16 * tile_steps : 32;
#pragma GCC unroll 8
      for (int r = 0; r < 8; ++r) {
        int pair = 0;
        std::memcpy(&pair, a + r * a_gap + k, sizeof pair);
        const __m512i x = _mm512_set1_epi32(pair);
        s[r][0] = dot_pairs(s[r][0], x, first);
        s[r][1] = dot_pairs(s[r][1], x, second);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < 8; ++r) {
      _mm512_storeu_ps(c + r * c_gap, s[r][0]);
      _mm512_storeu_ps(c + r * c_gap + 16, s[r][1]);
    }
  }
}

/// Rows m to m_end of a, filled up to whole blocks with 0, where tiles can't be loaded from where they stand.
template <class C>
void pack_block(const product_arguments<bf16, C>& p, std::int64_t m, std::int64_t m_end, std::int64_t k, std::int64_t depth, std::int64_t deep, bf16* to) {
  for (std::int64_t i = m; i < m_end; i += 16, to += 16 * deep)
    for (std::int64_t l = 0; l < deep; l += tile_steps) {
      const std::int64_t rows = m_end - i < 16 ? m_end - i : 16;
      if (p.a_transposed) {
        pack_rows_tile(p.a + (k + l) * p.a_gap + i, p.a_gap, depth - l, rows, to + l, deep);
      } else {
        __m512i r[16];
        load_rows(p.a + i * p.a_gap + k + l, p.a_gap, rows, depth - l, r);
#pragma GCC unroll 16
        for (int j = 0; j < 16; ++j) _mm512_storeu_si512(to + j * deep + l, r[j]);
      }
    }
}

template <bool Tiles, class C>
void multiply(const product_arguments<bf16, C>& p, std::int64_t first, std::int64_t last, const worker& w) {
  const std::int64_t m0 = p.by_columns ? 0 : first, m1 = p.by_columns ? p.rows : last;
  const std::int64_t n0 = p.by_columns ? first : 0, n1 = p.by_columns ? last : p.columns;
  bf16* const a_room = reinterpret_cast<bf16*>(w.scratch);
  bf16* const b_room = a_room + (tile_high + 32) * tile_stretch;
  float* const c_room = reinterpret_cast<float*>(b_room + tile_narrow * tile_stretch);
  if constexpr (Tiles) {
    const tile_shapes shapes;
    _tile_loadconfig(&shapes);
  }
  constexpr auto block = Tiles ? &tile_block : &dot_block;
  for (std::int64_t n = n0; n < n1; n += tile_narrow) {
    const std::int64_t n_end = n1 - n < tile_narrow ? n1 : n + tile_narrow;
    for (std::int64_t m = m0; m < m1; m += tile_high) {
      const std::int64_t m_end = m1 - m < tile_high ? m1 : m + tile_high, rows = m_end - m;
      for (std::int64_t k = 0; k == 0 || k < p.depth; k += tile_stretch) {
        const std::int64_t depth = p.depth - k < tile_stretch ? p.depth - k : tile_stretch, deep = tile_depth(depth);
        const bf16* b = b_room;
        std::int64_t b_gap = deep * tile_panel;
        if (p.packed != nullptr) {
          const std::int64_t whole = tile_depth(p.depth);
          b = static_cast<const bf16*>(p.packed) + n * whole + k * tile_panel;
          b_gap = whole * tile_panel;
        } else {
          pack_panels(p.b + (p.b_transposed ? n * p.b_gap + k : k * p.b_gap + n), p.b_gap, p.b_transposed, depth, n_end - n, b_room, b_gap);
        }
        const std::int64_t stands = p.a_transposed || deep != depth ? 0 : rows / 32 * 32;  // rows that tiles are loaded from
        if (stands < rows) pack_block(p, m + stands, m_end, k, depth, deep, a_room);
        for (std::int64_t j = n; j < n_end; j += tile_panel, b += b_gap)
          for (std::int64_t i = 0; i < rows; i += 32) {
            float* const c = c_room + i * tile_narrow + (j - n);
            if (i < stands) block(p.a + (m + i) * p.a_gap + k, p.a_gap, b, c, tile_narrow, deep, k > 0);
            else block(a_room + (i - stands) * deep, deep, b, c, tile_narrow, deep, k > 0);
          }
      }
      avx512::finish(p, c_room, tile_narrow, m, n, rows, n_end - n, p.accumulate);
    }
  }
  if constexpr (Tiles) _tile_release();
}
#else
template <bool, class C>
void multiply(const product_arguments<bf16, C>&, std::int64_t, std::int64_t, const worker&) {}
#endif
