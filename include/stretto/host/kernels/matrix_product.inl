// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The blocked matrix product, in the manner of Goto and van de Geijn: a tile of the result stays in registers while it goes
// over a stretch of the depth; the panel of b that it needs and the block of a stay in the second cache, and are asked for ahead.
//
//          depth 384      panel (3 vectors)
//     a  [rows 8 ====]  ·  [ ]   =  [tile 8 x 3 vectors]         one fma an element and step of the depth
//        [rows 8     ]     [ ]                                   an element is summed over 384 steps at a time, in order
//        [ …         ]     [ ]                                   whatever tile it is in
// Versions, on one core with AVX-512, as a share of its peak: a tile of 14 x 2 vectors 0.95; 8 x 3 0.96, with fewer rows
// lost at the end; without in_register 0.72, because each fma then reads its broadcast from memory. With a busy neighbour on
// the same core: 0.72, and 0.85 with what comes next asked for ahead.

/// c = a b, or c += a b, for R rows and V vectors of columns, of the last of which `last` columns are there.
template <int R, int V, bool Packed>
void product_tile(std::int64_t depth, const float* a, std::int64_t a_gap, const float* b, float* c, std::int64_t c_gap, bool adds, std::int64_t last) {
  lanes s[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) s[r][v] = zero();
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) __builtin_prefetch(c + r * c_gap + v * width, 1);
  for (std::int64_t k = 0; k < depth;) {
    const std::int64_t end = depth - k < 16 ? depth : k + 16;
    if constexpr (!Packed) {  // a line of each row, once for the sixteen steps that it holds
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) __builtin_prefetch(a + r * a_gap + 64);
    }
    for (; k < end; ++k) {
      lanes t[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        t[v] = load(b + v * width);
        __builtin_prefetch(b + 24 * product_panel + v * width);
      }
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const lanes x = in_register(set(Packed ? a[r] : a[r * a_gap]));
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) s[r][v] = fma(x, t[v], s[r][v]);
      }
      a += Packed ? product_rows : 1;
      b += product_panel;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    float* const to = c + r * c_gap;
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      float* const at = to + v * width;
      if (v + 1 < V || last == width) store(at, adds ? add(load(at), s[r][v]) : s[r][v]);
      else store_some(at, adds ? add(load_some(at, last), s[r][v]) : s[r][v], last);
    }
  }
}

/// R rows of a against all panels of a block of b. The rows stay in the first cache, the panels come from the second.
template <int R, bool Packed>
void product_strip(std::int64_t columns, std::int64_t depth, const float* a, std::int64_t a_gap, const float* b, std::int64_t panel_gap, float* c, std::int64_t c_gap, bool adds) {
  for (; columns >= product_panel; columns -= product_panel, b += panel_gap, c += product_panel)
    product_tile<R, product_vectors, Packed>(depth, a, a_gap, b, c, c_gap, adds, width);
  if (columns > 2 * width) product_tile<R, product_vectors, Packed>(depth, a, a_gap, b, c, c_gap, adds, columns - (product_vectors - 1) * width);
  else if (columns > width) product_tile<R, 2, Packed>(depth, a, a_gap, b, c, c_gap, adds, columns - width);
  else if (columns > 0) product_tile<R, 1, Packed>(depth, a, a_gap, b, c, c_gap, adds, columns);
}

/// All rows, product_rows at a time, then what is left; of packed rows, what is left stands in one group.
template <bool Packed>
void product_strips(std::int64_t rows, std::int64_t columns, std::int64_t depth, const float* a, std::int64_t a_gap, const float* b, std::int64_t panel_gap, float* c,
                    std::int64_t c_gap, bool adds) {
  const std::int64_t row = depth == 0 ? 0 : Packed ? 1 : a_gap;  // without depth a may be null, to which nothing may be added
  const std::int64_t strip = product_rows * (Packed ? depth : row);
  for (; rows >= product_rows; rows -= product_rows, a += strip, c += product_rows * c_gap)
    product_strip<product_rows, Packed>(columns, depth, a, a_gap, b, panel_gap, c, c_gap, adds);
  if (rows >= 4) product_strip<4, Packed>(columns, depth, a, a_gap, b, panel_gap, c, c_gap, adds), rows -= 4, a += 4 * row, c += 4 * c_gap;
  if (rows >= 2) product_strip<2, Packed>(columns, depth, a, a_gap, b, panel_gap, c, c_gap, adds), rows -= 2, a += 2 * row, c += 2 * c_gap;
  if (rows >= 1) product_strip<1, Packed>(columns, depth, a, a_gap, b, panel_gap, c, c_gap, adds);
}

/// Sums become results: + c, + bias, kept before the activation, activation, + residual, rounded.
template <activation Kind, class T, class C>
void finish_rows(const product_arguments<T, C>& p, const float* sums, std::int64_t gap, std::int64_t m, std::int64_t n, std::int64_t rows, std::int64_t columns, bool adds) {
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* const from = sums + i * gap;
    C* const to = p.c + (m + i) * p.c_gap + n;
    C* const before = p.before == nullptr ? nullptr : p.before + (m + i) * p.before_gap + n;
    const C* const residual = p.residual == nullptr ? nullptr : p.residual + (m + i) * p.residual_gap + n;
    for (std::int64_t j = 0; j < columns; j += width) {
      const std::int64_t left = columns - j;
      if (left >= width) {
        lanes v = load(from + j);
        if (adds) v = add(load(to + j), v);
        if (p.bias != nullptr) v = add(v, load(p.bias + n + j));
        if (before != nullptr) store(before + j, v);
        v = activated<Kind>(v);
        if (residual != nullptr) v = add(v, load(residual + j));
        store(to + j, v);
      } else {
        lanes v = load_some(from + j, left);
        if (adds) v = add(load_some(to + j, left), v);
        if (p.bias != nullptr) v = add(v, load_some(p.bias + n + j, left));
        if (before != nullptr) store_some(before + j, v, left);
        v = activated<Kind>(v);
        if (residual != nullptr) v = add(v, load_some(residual + j, left));
        store_some(to + j, v, left);
      }
    }
  }
}
template <class T, class C>
void finish(const product_arguments<T, C>& p, const float* sums, std::int64_t gap, std::int64_t m, std::int64_t n, std::int64_t rows, std::int64_t columns, bool adds) {
  switch (p.kind) {
    case activation::none: return finish_rows<activation::none>(p, sums, gap, m, n, rows, columns, adds);
    case activation::relu: return finish_rows<activation::relu>(p, sums, gap, m, n, rows, columns, adds);
    case activation::relu_squared: return finish_rows<activation::relu_squared>(p, sums, gap, m, n, rows, columns, adds);
    case activation::gelu: return finish_rows<activation::gelu>(p, sums, gap, m, n, rows, columns, adds);
    case activation::gelu_tanh: return finish_rows<activation::gelu_tanh>(p, sums, gap, m, n, rows, columns, adds);
    case activation::silu: return finish_rows<activation::silu>(p, sums, gap, m, n, rows, columns, adds);
    case activation::tanh: return finish_rows<activation::tanh>(p, sums, gap, m, n, rows, columns, adds);
    case activation::logistic: return finish_rows<activation::logistic>(p, sums, gap, m, n, rows, columns, adds);
  }
}

/// Rows m to m_end of columns n to n_end over one stretch of the depth, into c: `b` is that of these columns, packed.
template <class T, class C>
void product_block(const product_arguments<T, C>& p, std::int64_t m, std::int64_t m_end, std::int64_t n, std::int64_t n_end, std::int64_t k, std::int64_t depth,
                   const float* b, std::int64_t panel_gap, float* a_room, float* c, std::int64_t c_gap, bool adds, bool ends) {
  const std::int64_t rows = m_end - m;
  const float* a = nullptr;
  std::int64_t a_gap = p.a_gap;
  if (p.a_transposed) {
    pack_rows(p.a + k * p.a_gap + m, p.a_gap, rows, depth, a_room);
    a = a_room;
  } else if constexpr (std::is_same_v<T, float>) {
    a = p.a + m * p.a_gap + k;
  } else {
    for (std::int64_t i = 0; i < rows; ++i) widen_run(p.a + (m + i) * p.a_gap + k, a_room + i * depth, depth);
    a = a_room, a_gap = depth;
  }
  if (p.a_transposed) product_strips<true>(rows, n_end - n, depth, a, a_gap, b, panel_gap, c, c_gap, adds);
  else product_strips<false>(rows, n_end - n, depth, a, a_gap, b, panel_gap, c, c_gap, adds);
  if (ends) finish(p, c, c_gap, m, n, rows, n_end - n, false);
}

/// Where a thread keeps what it packs, and sums that don't stand in c.
struct product_rooms {
  float* a;
  float* b;
  float* c;

  product_rooms(const worker& w, std::int64_t wide) : a(reinterpret_cast<float*>(w.scratch)), b(a + product_high * product_depth), c(b + wide * product_depth) {}
};

/// Columns n to n_end of b over a stretch of the depth, packed before or here, and how far its panels are apart.
template <class T, class C>
const float* packed_block(const product_arguments<T, C>& p, std::int64_t n, std::int64_t n_end, std::int64_t k, std::int64_t depth, float* room, std::int64_t& gap) {
  if (p.packed != nullptr) {
    gap = p.depth * product_panel;
    return static_cast<const float*>(p.packed) + n * p.depth + k * product_panel;
  }
  gap = depth * product_panel;
  pack_columns(p.b + (p.b_transposed ? n * p.b_gap + k : k * p.b_gap + n), p.b_gap, p.b_transposed, depth, n_end - n, room, gap);
  return room;
}

/// Rows m0 to m1 of columns n0 to n1, with sums that grow in c itself.
template <class T>
void multiply_in_place(const product_arguments<T, float>& p, std::int64_t m0, std::int64_t m1, std::int64_t n0, std::int64_t n1, const worker& w) {
  const product_rooms rooms(w, product_wide);
  for (std::int64_t n = n0; n < n1; n += product_wide) {
    const std::int64_t n_end = n1 - n < product_wide ? n1 : n + product_wide;
    for (std::int64_t k = 0; k == 0 || k < p.depth; k += product_depth) {
      const std::int64_t depth = p.depth - k < product_depth ? p.depth - k : product_depth;
      std::int64_t gap = 0;
      const float* const b = packed_block(p, n, n_end, k, depth, rooms.b, gap);
      const bool ends = p.finishes && k + depth == p.depth;
      for (std::int64_t m = m0; m < m1; m += product_high)
        product_block(p, m, m1 - m < product_high ? m1 : m + product_high, n, n_end, k, depth, b, gap, rooms.a, p.c + m * p.c_gap + n, p.c_gap, p.accumulate || k > 0, ends);
    }
  }
}

/// The same with sums that grow in scratch memory, until they are rounded into c; c may be read for them, as the residual.
template <class T, class C>
void multiply_through_room(const product_arguments<T, C>& p, std::int64_t m0, std::int64_t m1, std::int64_t n0, std::int64_t n1, const worker& w) {
  const product_rooms rooms(w, product_narrow);
  for (std::int64_t n = n0; n < n1; n += product_narrow) {
    const std::int64_t n_end = n1 - n < product_narrow ? n1 : n + product_narrow;
    for (std::int64_t m = m0; m < m1; m += product_high) {
      const std::int64_t m_end = m1 - m < product_high ? m1 : m + product_high;
      for (std::int64_t k = 0; k == 0 || k < p.depth; k += product_depth) {
        const std::int64_t depth = p.depth - k < product_depth ? p.depth - k : product_depth;
        std::int64_t gap = 0;
        const float* const b = packed_block(p, n, n_end, k, depth, rooms.b, gap);
        product_block(p, m, m_end, n, n_end, k, depth, b, gap, rooms.a, rooms.c, product_narrow, k > 0, false);
      }
      finish(p, rooms.c, product_narrow, m, n, m_end - m, n_end - n, p.accumulate);
    }
  }
}

template <class T, class C>
void multiply(const product_arguments<T, C>& p, std::int64_t first, std::int64_t last, const worker& w) {
  const std::int64_t m0 = p.by_columns ? 0 : first, m1 = p.by_columns ? p.rows : last;
  const std::int64_t n0 = p.by_columns ? first : 0, n1 = p.by_columns ? last : p.columns;
  if constexpr (std::is_same_v<C, float>) {
    if (!p.through_room) return multiply_in_place(p, m0, m1, n0, n1, w);
  }
  multiply_through_room(p, m0, m1, n0, n1, w);
}

/// finish for whole rows whose sums stand in the result already, made by somebody else.
template <class C>
void finish_all(const product_arguments<C, C>& p, std::int64_t first, std::int64_t last, const worker&) {
  finish(p, p.c + first * p.c_gap, p.c_gap, first, 0, last - first, p.columns, false);
}
