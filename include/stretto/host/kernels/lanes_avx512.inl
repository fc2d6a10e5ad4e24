// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Lanes of AVX-512: 16 floats.
using lanes = __m512;
using ints = __m512i;
using mask = __mmask16;
inline constexpr int width = 16;
inline constexpr int registers = 32;

inline __mmask16 first_lanes(std::int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }

inline lanes zero() { return _mm512_setzero_ps(); }
inline lanes set(float f) { return _mm512_set1_ps(f); }
/// The same, in a register: else compilers read a broadcast from memory again for each product that it is in.
inline lanes in_register(lanes a) {
  __asm__("" : "+v"(a));
  return a;
}
inline lanes load(const float* p) { return _mm512_loadu_ps(p); }
inline lanes load(const bf16* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16));
}
inline lanes load(const fp16* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline lanes load_some(const float* p, std::int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
inline lanes load_some(const bf16* p, std::int64_t n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(n), p)), 16));
}
inline lanes load_some(const fp16* p, std::int64_t n) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), p)); }

inline __m256i to_bf16(lanes v) {
  const __m512i b = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(b, 16), _mm512_set1_epi32(1));
  const __m512i up = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(b, odd), _mm512_set1_epi32(0x7fff)), 16);
  const __mmask16 no_number = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(up, no_number, _mm512_srli_epi32(b, 16), _mm512_set1_epi32(0x40)));
}
inline void store(float* p, lanes v) { _mm512_storeu_ps(p, v); }
inline void store(bf16* p, lanes v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bf16(v)); }
inline void store(fp16* p, lanes v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }
inline void store_some(float* p, lanes v, std::int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }
inline void store_some(bf16* p, lanes v, std::int64_t n) { _mm256_mask_storeu_epi16(p, first_lanes(n), to_bf16(v)); }
inline void store_some(fp16* p, lanes v, std::int64_t n) {
  _mm256_mask_storeu_epi16(p, first_lanes(n), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
/// Of 2 width numbers from p on those at even places, at odd places: half the work of loading them in order.
inline lanes load_even(const bf16* p) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16)); }
inline lanes load_odd(const bf16* p) { return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32(static_cast<int>(0xffff0000u)))); }
/// Rounded to bf16, in the upper halves.
inline ints upper_bf16(lanes v) {
  const __m512i b = _mm512_castps_si512(v), half = _mm512_add_epi32(b, _mm512_set1_epi32(0x7fff));
  const __m512i up = _mm512_mask_add_epi32(half, _mm512_test_epi32_mask(b, _mm512_set1_epi32(0x10000)), half, _mm512_set1_epi32(1));
  return _mm512_mask_or_epi32(up, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), b, _mm512_set1_epi32(0x400000));
}
inline ints join(lanes even, lanes odd) { return _mm512_mask_blend_epi16(0xAAAAAAAAu, _mm512_srli_epi32(upper_bf16(even), 16), upper_bf16(odd)); }
/// Stores what load_even and load_odd load.
inline void store_both(bf16* p, lanes even, lanes odd) { _mm512_storeu_si512(p, join(even, odd)); }
inline void stream_both(bf16* p, lanes even, lanes odd) { _mm512_stream_si512(reinterpret_cast<__m512i*>(p), join(even, odd)); }
inline void store_split(float* low, float* high, lanes v) {  ///< the lower half of the lanes, and the upper
  _mm256_storeu_ps(low, _mm512_castps512_ps256(v));
  _mm256_storeu_ps(high, _mm512_extractf32x8_ps(v, 1));
}
/// Past the cache, to where p is a multiple of 64 bytes.
inline void stream(float* p, lanes v) { _mm512_stream_ps(p, v); }
inline void stream(bf16* p, lanes v) { _mm256_stream_si256(reinterpret_cast<__m256i*>(p), to_bf16(v)); }
inline void stream(fp16* p, lanes v) { _mm256_stream_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }
inline void end_stream() { _mm_sfence(); }

inline lanes add(lanes a, lanes b) { return _mm512_add_ps(a, b); }
inline lanes sub(lanes a, lanes b) { return _mm512_sub_ps(a, b); }
inline lanes mul(lanes a, lanes b) { return _mm512_mul_ps(a, b); }
inline lanes div(lanes a, lanes b) { return _mm512_div_ps(a, b); }
inline lanes fma(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }    ///< a b + c
inline lanes fnma(lanes a, lanes b, lanes c) { return _mm512_fnmadd_ps(a, b, c); }  ///< c - a b
inline lanes larger(lanes a, lanes b) { return _mm512_max_ps(a, b); }
inline lanes smaller(lanes a, lanes b) { return _mm512_min_ps(a, b); }
inline lanes sqrt(lanes a) { return _mm512_sqrt_ps(a); }
inline lanes abs(lanes a) { return _mm512_abs_ps(a); }
inline lanes negate(lanes a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
inline lanes copy_sign(lanes size, lanes sign) {
  const __m512i minus = _mm512_set1_epi32(static_cast<int>(0x80000000u));
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(minus, _mm512_castps_si512(sign), _mm512_castps_si512(size), 0xCA));
}
inline lanes round(lanes a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// a 2^n for integral n, however large.
inline lanes scale(lanes a, lanes n) { return _mm512_scalef_ps(a, n); }
/// What is behind the point: a - floor(a), 0 of -infinity; and a 2^floor(n), 0 where n is -infinity.
inline lanes fraction(lanes a) { return _mm512_reduce_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
inline lanes scale_down(lanes a, lanes n) { return _mm512_scalef_ps(a, n); }

inline mask less(lanes a, lanes b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
inline mask less_ints(ints a, ints b) { return _mm512_cmp_epu32_mask(a, b, _MM_CMPINT_LT); }  ///< without sign
inline mask no_number(lanes a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
inline lanes select(mask m, lanes yes, lanes no) { return _mm512_mask_blend_ps(m, no, yes); }

inline ints set_ints(std::uint32_t i) { return _mm512_set1_epi32(static_cast<int>(i)); }
inline ints load_ints(const std::uint32_t* p) { return _mm512_loadu_si512(p); }
inline void store_ints(std::uint32_t* p, ints v) { _mm512_storeu_si512(p, v); }
/// Of words that are two numbers each, lower half first, the numbers from `first` on; each in the upper half of its lane.
inline ints load_halves(const std::uint32_t* words, std::int64_t first) {
  return _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(reinterpret_cast<const char*>(words) + 2 * first))), 16);
}
inline ints add_ints(ints a, ints b) { return _mm512_add_epi32(a, b); }
inline ints xor_ints(ints a, ints b) { return _mm512_xor_si512(a, b); }
inline ints and_ints(ints a, ints b) { return _mm512_and_si512(a, b); }
inline ints shift_right(ints a, int bits) { return _mm512_srli_epi32(a, static_cast<unsigned>(bits)); }
inline ints shift_left(ints a, int bits) { return _mm512_slli_epi32(a, static_cast<unsigned>(bits)); }
inline ints as_ints(lanes a) { return _mm512_castps_si512(a); }   ///< the same bits
inline lanes as_lanes(ints a) { return _mm512_castsi512_ps(a); }
inline ints multiply_low(ints a, ints b) { return _mm512_mullo_epi32(a, b); }
inline ints multiply_high(ints a, ints b) {  ///< upper halves of products without sign
  const __m512i even = _mm512_srli_epi64(_mm512_mul_epu32(a, b), 32);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32));
  return _mm512_mask_blend_epi32(0xAAAA, even, odd);
}

/// Pairs of lanes as numbers of 64 bits: products of their lower halves, their upper halves, two lower halves put together.
inline ints wide_multiply(ints a, ints b) { return _mm512_mul_epu32(a, b); }
inline ints wide_add(ints a, ints b) { return _mm512_add_epi64(a, b); }
inline ints wide_upper(ints a) { return _mm512_srli_epi64(a, 32); }
inline ints wide_join(ints low, ints high) { return _mm512_mask_shuffle_epi32(low, 0xAAAA, high, static_cast<_MM_PERM_ENUM>(0xA0)); }
/// In each quarter, 16 bytes, the first pairs of a and b, and the second.
inline void wide_zip(ints& a, ints& b) {
  const __m512i p = _mm512_unpacklo_epi64(a, b), q = _mm512_unpackhi_epi64(a, b);
  a = p, b = q;
}
/// Of a and b, one behind the other, the lanes at even places, and at odd places; and back.
inline void split_pairs(lanes& a, lanes& b) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512 p = _mm512_permutex2var_ps(a, even, b), q = _mm512_permutex2var_ps(a, _mm512_add_epi32(even, _mm512_set1_epi32(1)), b);
  a = p, b = q;
}
inline void join_pairs(lanes& a, lanes& b) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512 p = _mm512_permutex2var_ps(a, low, b), q = _mm512_permutex2var_ps(a, _mm512_add_epi32(low, _mm512_set1_epi32(8)), b);
  a = p, b = q;
}

inline float sum(lanes a) {
  const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  const __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  const __m128 d = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
inline float largest(lanes a) {
  const __m256 h = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  const __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  const __m128 d = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

/// Rows become columns: lane j of a[i] and lane i of a[j] change places.
template <int N>
void transpose(lanes (&a)[N]) {
  static_assert(N == width);
  lanes b[N];
#pragma GCC unroll 8
  for (int i = 0; i < N; i += 2) b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]), b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
#pragma GCC unroll 4
  for (int i = 0; i < N; i += 4) {
    const __m512d p = _mm512_castps_pd(b[i]), q = _mm512_castps_pd(b[i + 2]), r = _mm512_castps_pd(b[i + 1]), s = _mm512_castps_pd(b[i + 3]);
    a[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(p, q)), a[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(p, q));
    a[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(r, s)), a[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(r, s));
  }
#pragma GCC unroll 4
  for (int i = 0; i < N / 4; ++i) {
    b[i] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0x88), b[i + 4] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0xdd);
    b[i + 8] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0x88), b[i + 12] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0xdd);
  }
#pragma GCC unroll 8
  for (int i = 0; i < N / 2; ++i) a[i] = _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88), a[i + 8] = _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd);
}
