// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products of a warp's sixteen rows with a tile in shared memory. Results stay in registers, spread over the lanes as
// warp_matrix.cuh says, for float too, so that what is done to them between two products is written once.
//
//     float s[N][4] = {};                    lane 4 g + t: s[n][0], s[n][1] in row g, columns 8 n + 2t, + 1; s[n][2], s[n][3] in row g + 8
//     add_rows_by_rows<N, Stride>(s, a, b, depth);       s += a bᵀ     a: 16 rows, b: 8 N rows of `depth`, Stride numbers apart
//     add_tile_by_rows<Stride>(o, s, b, columns, room);        o += s b      b: 8 N rows; s is rounded to T
//     add_seen_by_rows<Stride>(o, s, bits, b, columns, room);  the same, where s is taken only where `bits` says so
// depth and columns are multiples of 16, rows of a and b begin at 16 bytes. room: shared float[stage_room], the warp's own.
// Sums go along the depth in order. Cost: bf16 and fp16 on tensor cores, a load of shared memory for two multiplications;
// float 4 fma a load.
#pragma once

#include <stretto/cuda/kernels/warp_matrix.cuh>

namespace stretto::inline v0::cuda {

template <int N, int Stride, class T>
__device__ inline void add_rows_by_rows(float (&s)[N][4], const T* a, const T* b, int depth) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  if constexpr (sizeof(T) == 2) {
    static_assert(N % 2 == 0);
    const T* const from_a = a + lane % 16 * Stride + lane / 16 * 8;
    const T* const from_b = b + (lane / 16 * 8 + lane % 8) * Stride + lane / 8 % 2 * 8;
    for (int k = 0; k < depth; k += 16) {
      const four_words x = load_matrices(from_a + k);
#pragma unroll
      for (int n = 0; n < N; n += 2) {
        const four_words y = load_matrices(from_b + n * 8 * Stride + k);
        multiply_matrices<T>(s[n], x, y.of[0], y.of[1]);
        multiply_matrices<T>(s[n + 1], x, y.of[2], y.of[3]);
      }
    }
  } else {
    const T* const from_a = a + lane / 4 * Stride;
    const T* const from_b = b + lane % 4 * 2 * Stride;
    for (int k = 0; k < depth; k += 4) {
      const floats<4> x = load<4>(from_a + k), z = load<4>(from_a + 8 * Stride + k);
#pragma unroll
      for (int n = 0; n < N; ++n) {
        const floats<4> y = load<4>(from_b + n * 8 * Stride + k), w = load<4>(from_b + (n * 8 + 1) * Stride + k);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          s[n][0] = fmaf(x.of[i], y.of[i], s[n][0]);
          s[n][1] = fmaf(x.of[i], w.of[i], s[n][1]);
          s[n][2] = fmaf(z.of[i], y.of[i], s[n][2]);
          s[n][3] = fmaf(z.of[i], w.of[i], s[n][3]);
        }
      }
    }
  }
}

/// Numbers of shared memory that a warp puts 32 columns of its rows into on the way, and how far its rows are apart.
inline constexpr int stage_stride = 36, stage_room = 16 * stage_stride;

/// Two neighbours.
__device__ inline floats<2> load_pair(const float* from) {
  const float2 x = *reinterpret_cast<const float2*>(from);
  return {{x.x, x.y}};
}
template <class T>
__device__ inline floats<2> load_pair(const T* from) {
  return {{widen(from[0]), widen(from[1])}};
}

namespace detail {

/// Row by row of b, with s from `room`, 32 columns of it at a time. Seen: bit 4 n + e is that of s[n][e].
template <bool Some, int Stride, int D, int N, class T>
__device__ inline void add_one_by_one(float (&o)[D][4], const float (&s)[N][4], unsigned seen, const T* b, int columns, float* room) {
  static_assert(N % 4 == 0);
  const int lane = static_cast<int>(threadIdx.x % 32), quad = lane / 4 * 4, pair = lane % 4 * 2;
  float* const mine = room + lane / 4 * stage_stride;
#pragma unroll
  for (int part = 0; part < N; part += 4) {
    __syncwarp();
#pragma unroll
    for (int n = 0; n < 4; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        float w = s[part + n][e];
        if constexpr (sizeof(T) == 2) w = widen(narrow<T>(w));
        mine[e / 2 * 8 * stage_stride + 8 * n + pair + e % 2] = w;
      }
    __syncwarp();
    const T* from = b + part * 8 * Stride + pair;
    for (int k = 0; k < 32; k += 4, from += 4 * Stride) {
      const floats<4> x = load<4>(mine + k), z = load<4>(mine + 8 * stage_stride + k);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        bool sees_x = true, sees_z = true;
        if constexpr (Some) {
          const unsigned bits = __shfl_sync(0xffffffffu, seen, quad + (k + i) % 8 / 2) >> (4 * (part + (k + i) / 8));
          sees_x = (bits >> (i % 2) & 1u) != 0, sees_z = (bits >> (2 + i % 2) & 1u) != 0;
        }
#pragma unroll
        for (int j = 0; j < D; ++j)
          if (8 * j < columns) {
            const floats<2> y = load_pair(from + i * Stride + 8 * j);
            if (sees_x) o[j][0] = fmaf(x.of[i], y.of[0], o[j][0]), o[j][1] = fmaf(x.of[i], y.of[1], o[j][1]);
            if (sees_z) o[j][2] = fmaf(z.of[i], y.of[0], o[j][2]), o[j][3] = fmaf(z.of[i], y.of[1], o[j][3]);
          }
      }
    }
  }
}

}  // namespace detail

template <int Stride, int D, int N, class T>
__device__ inline void add_tile_by_rows(float (&o)[D][4], const float (&s)[N][4], const T* b, int columns, float* room) {
  if constexpr (sizeof(T) == 2) {
    static_assert(N % 2 == 0 && D % 2 == 0);
    static_cast<void>(room);
    const int lane = static_cast<int>(threadIdx.x % 32);
    const T* const from = b + lane % 16 * Stride + lane / 16 * 8;
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      const four_words x{{pair_of<T>(s[n][0], s[n][1]), pair_of<T>(s[n][2], s[n][3]), pair_of<T>(s[n + 1][0], s[n + 1][1]), pair_of<T>(s[n + 1][2], s[n + 1][3])}};
#pragma unroll
      for (int j = 0; j < D; j += 2) {
        if (8 * j < columns) {
          const four_words y = load_matrices_turned(from + n * 8 * Stride + 8 * j);
          multiply_matrices<T>(o[j], x, y.of[0], y.of[1]);
          multiply_matrices<T>(o[j + 1], x, y.of[2], y.of[3]);
        }
      }
    }
  } else {
    detail::add_one_by_one<false, Stride>(o, s, 0u, b, columns, room);
  }
}

/// For rows of b that may be infinite or no number: 0 times them isn't 0.
template <int Stride, int D, int N, class T>
__device__ inline void add_seen_by_rows(float (&o)[D][4], const float (&s)[N][4], unsigned seen, const T* b, int columns, float* room) {
  static_assert(N <= 8);  // a lane has 32 bits
  detail::add_one_by_one<true, Stride>(o, s, seen, b, columns, room);
}

}  // namespace stretto::inline v0::cuda
