// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Lanes of AVX2 with FMA and F16C: 8 floats.
using lanes = __m256;
using ints = __m256i;
using mask = __m256;
inline constexpr int width = 8;
inline constexpr int registers = 16;

inline __m256i first_lanes(std::int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline lanes zero() { return _mm256_setzero_ps(); }
inline lanes set(float f) { return _mm256_set1_ps(f); }
/// The same, in a register: else compilers read a broadcast from memory again for each product that it is in.
inline lanes in_register(lanes a) {
  __asm__("" : "+x"(a));
  return a;
}
inline lanes load(const float* p) { return _mm256_loadu_ps(p); }
inline lanes from_bf16(__m128i v) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16)); }
inline lanes load(const bf16* p) { return from_bf16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline lanes load(const fp16* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline lanes load_some(const float* p, std::int64_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
inline __m128i some_halves(const std::uint16_t* p, std::int64_t n) {
  alignas(16) std::uint16_t t[8] = {};
  for (int i = 0; i < n; ++i) t[i] = p[i];
  return _mm_load_si128(reinterpret_cast<const __m128i*>(t));
}
inline lanes load_some(const bf16* p, std::int64_t n) { return from_bf16(some_halves(&p->bits, n)); }
inline lanes load_some(const fp16* p, std::int64_t n) { return _mm256_cvtph_ps(some_halves(&p->bits, n)); }

inline __m128i to_bf16(lanes v) {
  const __m256i b = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(b, 16), _mm256_set1_epi32(1));
  const __m256i up = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(b, odd), _mm256_set1_epi32(0x7fff)), 16);
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(b, 16), _mm256_set1_epi32(0x40));
  const __m256i chosen = _mm256_blendv_epi8(up, quiet, _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
  return _mm_packus_epi32(_mm256_castsi256_si128(chosen), _mm256_extracti128_si256(chosen, 1));
}
inline __m128i to_fp16(lanes v) { return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT); }
inline void store_halves(std::uint16_t* p, __m128i v, std::int64_t n) {
  alignas(16) std::uint16_t t[8];
  _mm_store_si128(reinterpret_cast<__m128i*>(t), v);
  for (int i = 0; i < n; ++i) p[i] = t[i];
}
inline void store(float* p, lanes v) { _mm256_storeu_ps(p, v); }
inline void store(bf16* p, lanes v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), to_bf16(v)); }
inline void store(fp16* p, lanes v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), to_fp16(v)); }
inline void store_some(float* p, lanes v, std::int64_t n) { _mm256_maskstore_ps(p, first_lanes(n), v); }
inline void store_some(bf16* p, lanes v, std::int64_t n) { store_halves(&p->bits, to_bf16(v), n); }
inline void store_some(fp16* p, lanes v, std::int64_t n) { store_halves(&p->bits, to_fp16(v), n); }
inline lanes load_even(const bf16* p) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), 16)); }
inline lanes load_odd(const bf16* p) {
  return _mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
}
inline ints upper_bf16(lanes v) {
  const __m256i b = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(b, 16), _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(_mm256_add_epi32(b, odd), _mm256_set1_epi32(0x7fff));
  const __m256i quiet = _mm256_or_si256(b, _mm256_set1_epi32(0x400000));
  return _mm256_blendv_epi8(up, quiet, _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
}
inline ints join(lanes even, lanes odd) { return _mm256_blend_epi16(_mm256_srli_epi32(upper_bf16(even), 16), upper_bf16(odd), 0xAA); }
inline void store_both(bf16* p, lanes even, lanes odd) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), join(even, odd)); }
inline void stream_both(bf16* p, lanes even, lanes odd) { _mm256_stream_si256(reinterpret_cast<__m256i*>(p), join(even, odd)); }
inline void store_split(float* low, float* high, lanes v) {
  _mm_storeu_ps(low, _mm256_castps256_ps128(v));
  _mm_storeu_ps(high, _mm256_extractf128_ps(v, 1));
}
inline void stream(float* p, lanes v) { _mm256_stream_ps(p, v); }
inline void stream(bf16* p, lanes v) { _mm_stream_si128(reinterpret_cast<__m128i*>(p), to_bf16(v)); }
inline void stream(fp16* p, lanes v) { _mm_stream_si128(reinterpret_cast<__m128i*>(p), to_fp16(v)); }
inline void end_stream() { _mm_sfence(); }

inline lanes add(lanes a, lanes b) { return _mm256_add_ps(a, b); }
inline lanes sub(lanes a, lanes b) { return _mm256_sub_ps(a, b); }
inline lanes mul(lanes a, lanes b) { return _mm256_mul_ps(a, b); }
inline lanes div(lanes a, lanes b) { return _mm256_div_ps(a, b); }
inline lanes fma(lanes a, lanes b, lanes c) { return _mm256_fmadd_ps(a, b, c); }
inline lanes fnma(lanes a, lanes b, lanes c) { return _mm256_fnmadd_ps(a, b, c); }
inline lanes larger(lanes a, lanes b) { return _mm256_max_ps(a, b); }
inline lanes smaller(lanes a, lanes b) { return _mm256_min_ps(a, b); }
inline lanes sqrt(lanes a) { return _mm256_sqrt_ps(a); }
inline lanes abs(lanes a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
inline lanes negate(lanes a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)); }
inline lanes copy_sign(lanes size, lanes sign) {
  const __m256 minus = _mm256_set1_ps(-0.0f);
  return _mm256_or_ps(_mm256_andnot_ps(minus, size), _mm256_and_ps(minus, sign));
}
inline lanes round(lanes a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline lanes power_of_two(__m256i n) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23)); }
/// a 2^n for integral n from -250 to 250; in two steps, because the result may be below the smallest normal.
inline lanes scale(lanes a, lanes n) {
  const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
  return _mm256_mul_ps(_mm256_mul_ps(a, power_of_two(half)), power_of_two(_mm256_sub_epi32(whole, half)));
}
inline lanes fraction(lanes a) { return _mm256_sub_ps(a, _mm256_floor_ps(a)); }
inline lanes scale_down(lanes a, lanes n) { return scale(a, _mm256_floor_ps(n)); }

inline mask less(lanes a, lanes b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
inline mask less_ints(ints a, ints b) {
  const __m256i flip = _mm256_set1_epi32(static_cast<int>(0x80000000u));
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_xor_si256(b, flip), _mm256_xor_si256(a, flip)));
}
inline mask no_number(lanes a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
inline lanes select(mask m, lanes yes, lanes no) { return _mm256_blendv_ps(no, yes, m); }

inline ints set_ints(std::uint32_t i) { return _mm256_set1_epi32(static_cast<int>(i)); }
inline ints load_ints(const std::uint32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline void store_ints(std::uint32_t* p, ints v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
inline ints load_halves(const std::uint32_t* words, std::int64_t first) {
  return _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(reinterpret_cast<const char*>(words) + 2 * first))), 16);
}
inline ints add_ints(ints a, ints b) { return _mm256_add_epi32(a, b); }
inline ints xor_ints(ints a, ints b) { return _mm256_xor_si256(a, b); }
inline ints and_ints(ints a, ints b) { return _mm256_and_si256(a, b); }
inline ints shift_right(ints a, int bits) { return _mm256_srli_epi32(a, bits); }
inline ints shift_left(ints a, int bits) { return _mm256_slli_epi32(a, bits); }
inline ints as_ints(lanes a) { return _mm256_castps_si256(a); }
inline lanes as_lanes(ints a) { return _mm256_castsi256_ps(a); }
inline ints multiply_low(ints a, ints b) { return _mm256_mullo_epi32(a, b); }
inline ints multiply_high(ints a, ints b) {
  const __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(a, b), 32);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
  return _mm256_blend_epi32(even, odd, 0xAA);
}

inline ints wide_multiply(ints a, ints b) { return _mm256_mul_epu32(a, b); }
inline ints wide_add(ints a, ints b) { return _mm256_add_epi64(a, b); }
inline ints wide_upper(ints a) { return _mm256_srli_epi64(a, 32); }
inline ints wide_join(ints low, ints high) { return _mm256_blend_epi32(low, _mm256_slli_epi64(high, 32), 0xAA); }
inline void wide_zip(ints& a, ints& b) {
  const __m256i p = _mm256_unpacklo_epi64(a, b), q = _mm256_unpackhi_epi64(a, b);
  a = p, b = q;
}
inline void split_pairs(lanes& a, lanes& b) {
  const __m256d p = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88)), q = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd));
  a = _mm256_castpd_ps(_mm256_permute4x64_pd(p, 0xd8)), b = _mm256_castpd_ps(_mm256_permute4x64_pd(q, 0xd8));
}
inline void join_pairs(lanes& a, lanes& b) {
  const __m256 p = _mm256_unpacklo_ps(a, b), q = _mm256_unpackhi_ps(a, b);
  a = _mm256_permute2f128_ps(p, q, 0x20), b = _mm256_permute2f128_ps(p, q, 0x31);
}

inline float sum(lanes a) {
  const __m128 q = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 d = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
inline float largest(lanes a) {
  const __m128 q = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 d = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

/// Rows become columns: lane j of a[i] and lane i of a[j] change places.
template <int N>
void transpose(lanes (&a)[N]) {
  static_assert(N == width);
  lanes b[N];
#pragma GCC unroll 4
  for (int i = 0; i < N; i += 2) b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]), b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
#pragma GCC unroll 2
  for (int i = 0; i < N; i += 4) {
    a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44), a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xee);
    a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44), a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < N / 2; ++i) b[i] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x20), b[i + 4] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x31);
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) a[i] = b[i];
}
