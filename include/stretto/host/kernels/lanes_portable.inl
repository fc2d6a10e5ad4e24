// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Lanes of any architecture: 4 floats as the compilers' own vectors, which are SSE2 on x86-64 and NEON on aarch64.
typedef float lanes __attribute__((vector_size(16)));
typedef std::uint32_t ints __attribute__((vector_size(16)));
typedef std::int32_t mask __attribute__((vector_size(16)));
inline constexpr int width = 4;
inline constexpr int registers = 16;

inline lanes zero() { return lanes{0, 0, 0, 0}; }
inline lanes set(float f) { return lanes{f, f, f, f}; }
inline lanes in_register(lanes a) { return a; }
template <class T>
lanes load(const T* p) {
  return lanes{static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]), static_cast<float>(p[3])};
}
template <class T>
lanes load_some(const T* p, std::int64_t n) {
  lanes v = zero();
  for (int i = 0; i < 4 && i < n; ++i) v[i] = static_cast<float>(p[i]);
  return v;
}
template <class T>
void store(T* p, lanes v) {
  for (int i = 0; i < 4; ++i) p[i] = static_cast<T>(v[i]);
}
template <class T>
void store_some(T* p, lanes v, std::int64_t n) {
  for (int i = 0; i < 4 && i < n; ++i) p[i] = static_cast<T>(v[i]);
}
inline ints load_halves(const bf16* p) {
  ints v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline lanes load_even(const bf16* p) { return std::bit_cast<lanes>(load_halves(p) << 16); }
inline lanes load_odd(const bf16* p) { return std::bit_cast<lanes>(load_halves(p) & 0xffff0000u); }
inline ints upper_bf16(lanes v) {
  const ints b = std::bit_cast<ints>(v), up = b + 0x7fffu + (b >> 16 & 1u), no_number = std::bit_cast<ints>(v != v);
  return (no_number & (b | 0x400000u)) | (~no_number & up);
}
inline void store_both(bf16* p, lanes even, lanes odd) {
  const ints v = upper_bf16(even) >> 16 | (upper_bf16(odd) & 0xffff0000u);
  __builtin_memcpy(static_cast<void*>(p), &v, sizeof v);
}
inline void stream_both(bf16* p, lanes even, lanes odd) { store_both(p, even, odd); }
inline void store_split(float* low, float* high, lanes v) {
  low[0] = v[0], low[1] = v[1], high[0] = v[2], high[1] = v[3];
}
template <class T>
void stream(T* p, lanes v) {
  store(p, v);
}
inline void end_stream() {}

inline lanes add(lanes a, lanes b) { return a + b; }
inline lanes sub(lanes a, lanes b) { return a - b; }
inline lanes mul(lanes a, lanes b) { return a * b; }
inline lanes div(lanes a, lanes b) { return a / b; }
inline lanes fma(lanes a, lanes b, lanes c) { return a * b + c; }
inline lanes fnma(lanes a, lanes b, lanes c) { return c - a * b; }
inline lanes select(mask m, lanes yes, lanes no) {
  return std::bit_cast<lanes>((std::bit_cast<mask>(yes) & m) | (std::bit_cast<mask>(no) & ~m));
}
inline mask less(lanes a, lanes b) { return a < b; }
inline mask less_ints(ints a, ints b) { return std::bit_cast<mask>(a < b); }
inline mask no_number(lanes a) { return a != a; }
inline lanes larger(lanes a, lanes b) { return select(a > b, a, b); }
inline lanes smaller(lanes a, lanes b) { return select(a < b, a, b); }
inline lanes abs(lanes a) { return std::bit_cast<lanes>(std::bit_cast<ints>(a) & 0x7fffffffu); }
inline lanes negate(lanes a) { return -a; }
inline lanes copy_sign(lanes size, lanes sign) {
  return std::bit_cast<lanes>((std::bit_cast<ints>(size) & 0x7fffffffu) | (std::bit_cast<ints>(sign) & 0x80000000u));
}
inline lanes sqrt(lanes a) { return lanes{std::sqrt(a[0]), std::sqrt(a[1]), std::sqrt(a[2]), std::sqrt(a[3])}; }
inline lanes round(lanes a) { return lanes{std::nearbyintf(a[0]), std::nearbyintf(a[1]), std::nearbyintf(a[2]), std::nearbyintf(a[3])}; }
inline float power_of_two(std::int32_t n) { return std::bit_cast<float>((n + 127) << 23); }
inline lanes scale(lanes a, lanes n) {
  lanes v = a;
  for (int i = 0; i < 4; ++i) {
    // What an int doesn't hold is the least of them, as of the CPU's own conversions.
    const std::int32_t whole = n[i] == n[i] ? std::abs(n[i]) < 0x1p31f ? static_cast<std::int32_t>(n[i]) : INT32_MIN : 0, half = whole >> 1;
    v[i] = v[i] * power_of_two(half) * power_of_two(whole - half);
  }
  return v;
}
inline lanes floor(lanes a) { return lanes{std::floor(a[0]), std::floor(a[1]), std::floor(a[2]), std::floor(a[3])}; }
inline lanes fraction(lanes a) { return a - floor(a); }
inline lanes scale_down(lanes a, lanes n) { return scale(a, floor(n)); }

inline ints set_ints(std::uint32_t i) { return ints{i, i, i, i}; }
inline ints load_ints(const std::uint32_t* p) { return ints{p[0], p[1], p[2], p[3]}; }
inline void store_ints(std::uint32_t* p, ints v) {
  for (int i = 0; i < 4; ++i) p[i] = v[i];
}
inline ints load_halves(const std::uint32_t* words, std::int64_t first) {
  ints v = {};
  for (int i = 0; i < 4; ++i) v[i] = words[(first + i) / 2] >> ((first + i) % 2 * 16) << 16;
  return v;
}
inline ints add_ints(ints a, ints b) { return a + b; }
inline ints xor_ints(ints a, ints b) { return a ^ b; }
inline ints and_ints(ints a, ints b) { return a & b; }
inline ints shift_right(ints a, int bits) { return a >> static_cast<std::uint32_t>(bits); }
inline ints shift_left(ints a, int bits) { return a << static_cast<std::uint32_t>(bits); }
inline ints as_ints(lanes a) { return std::bit_cast<ints>(a); }
inline lanes as_lanes(ints a) { return std::bit_cast<lanes>(a); }
inline ints multiply_low(ints a, ints b) { return a * b; }
inline ints multiply_high(ints a, ints b) {
  ints v = a;
  for (int i = 0; i < 4; ++i) v[i] = static_cast<std::uint32_t>(std::uint64_t{a[i]} * b[i] >> 32);
  return v;
}

typedef std::uint64_t wides __attribute__((vector_size(16)));
inline ints wide_multiply(ints a, ints b) { return std::bit_cast<ints>(wides{std::uint64_t{a[0]} * b[0], std::uint64_t{a[2]} * b[2]}); }
inline ints wide_add(ints a, ints b) { return std::bit_cast<ints>(std::bit_cast<wides>(a) + std::bit_cast<wides>(b)); }
inline ints wide_upper(ints a) { return std::bit_cast<ints>(std::bit_cast<wides>(a) >> 32u); }
inline ints wide_join(ints low, ints high) { return ints{low[0], high[0], low[2], high[2]}; }
inline void wide_zip(ints& a, ints& b) {
  const ints p{a[0], a[1], b[0], b[1]}, q{a[2], a[3], b[2], b[3]};
  a = p, b = q;
}
inline void split_pairs(lanes& a, lanes& b) {
  const lanes p{a[0], a[2], b[0], b[2]}, q{a[1], a[3], b[1], b[3]};
  a = p, b = q;
}
inline void join_pairs(lanes& a, lanes& b) {
  const lanes p{a[0], b[0], a[1], b[1]}, q{a[2], b[2], a[3], b[3]};
  a = p, b = q;
}

inline float sum(lanes a) { return (a[0] + a[2]) + (a[1] + a[3]); }
inline float largest(lanes a) {
  const float p = a[0] > a[2] ? a[0] : a[2], q = a[1] > a[3] ? a[1] : a[3];
  return p > q ? p : q;
}

/// Rows become columns: lane j of a[i] and lane i of a[j] change places.
template <int N>
void transpose(lanes (&a)[N]) {
  static_assert(N == width);
  const lanes p = a[0], q = a[1], r = a[2], s = a[3];
  a[0] = lanes{p[0], q[0], r[0], s[0]};
  a[1] = lanes{p[1], q[1], r[1], s[1]};
  a[2] = lanes{p[2], q[2], r[2], s[2]};
  a[3] = lanes{p[3], q[3], r[3], s[3]};
}
