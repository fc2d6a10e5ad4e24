// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What convolutions do on a CUDA device besides products: gathering what taps fall on, putting rows away as pixels, weights in
// another order, and those of each channel by itself.
//
//     gather_taps         a row a place: | tap 0: channels | tap 1: channels | …      zeros where a tap falls beyond the image
//     put_places          the same rows of products become the pixels of a phase; without rows they become zeros
//     turn_weights        (out, tap, in) -> (tap, out, in), of the taps of a phase
//     depthwise_rows      a thread a line of channels of a place: the sum over its taps, in their order
//     depthwise_weights   a block a tap, a band of channels and a chunk of places: eight warps take every eighth place
// Units are sixteen bytes where all runs begin and end there, or else a number. No number is added to by two threads.
// Cost: gathered numbers are written once and read about as often from the cache; 64-bit divisions where a tensor has 2^32 units.
#pragma once

#include <stretto/cuda/kernels/each.cuh>
#include <stretto/numeric/tap_phase.hpp>

namespace stretto::inline v0::cuda {

/// The row or column that a tap falls on, or -1.
__device__ inline std::int64_t tap_at(const tap_phase& p, std::int64_t place, std::int64_t tap, std::int64_t size) {
  const std::int64_t at = place * p.factor + p.offset + tap * p.step;
  return at >= 0 && at < size ? at : -1;
}

/// Where a place of a phase stands.
struct place_of {
  std::int64_t image, row, column;
  __device__ place_of(const tap_phase& down, const tap_phase& across, std::int64_t place) {
    const std::int64_t above = row_of_unit(place, across.count);
    column = place - above * across.count, image = row_of_unit(above, down.count), row = above - image * down.count;
  }
};

/// Images, in units.
template <class Unit>
struct unit_images {
  Unit* first;
  std::int64_t image, row, column;  ///< how far neighbours are apart
  std::int64_t height, width;
  std::int64_t pixel;  ///< units of a pixel

  __device__ Unit* at(std::int64_t n, std::int64_t i, std::int64_t j) const { return first + n * image + i * row + j * column; }
};

/// x: what taps fall on, or the pixels of places. rows: one a place, from first_place on; null: zeros are put away.
template <class Unit>
struct place_rows_arguments {
  tap_phase down, across;
  unit_images<Unit> x;
  Unit* rows;
  std::int64_t first_place, places;
};

template <class Unit>
STRETTO_KERNEL __launch_bounds__(each_threads) void gather_taps(place_rows_arguments<Unit> a) {
  constexpr int units = 4;
  const std::int64_t per_row = a.down.taps * a.across.taps * a.x.pixel, all = a.places * per_row, step = static_cast<std::int64_t>(gridDim.x) * (each_threads * units);
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * (each_threads * units) + threadIdx.x; first < all; first += step) {
    Unit v[units];
#pragma unroll
    for (int u = 0; u < units; ++u) {
      const std::int64_t i = first + u * each_threads;
      v[u] = Unit{};
      if (i >= all) continue;
      const std::int64_t place = row_of_unit(i, per_row), in_row = i - place * per_row, tap = row_of_unit(in_row, a.x.pixel), tap_row = row_of_unit(tap, a.across.taps);
      const place_of p(a.down, a.across, a.first_place + place);
      const std::int64_t row = tap_at(a.down, p.row, tap_row, a.x.height), column = tap_at(a.across, p.column, tap - tap_row * a.across.taps, a.x.width);
      if (row >= 0 && column >= 0) v[u] = a.x.at(p.image, row, column)[in_row - tap * a.x.pixel];
    }
#pragma unroll
    for (int u = 0; u < units; ++u)
      if (first + u * each_threads < all) a.rows[first + u * each_threads] = v[u];
  }
}

template <class Unit>
STRETTO_KERNEL __launch_bounds__(each_threads) void put_places(place_rows_arguments<Unit> a) {
  const std::int64_t all = a.places * a.x.pixel;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * each_threads + threadIdx.x; i < all; i += static_cast<std::int64_t>(gridDim.x) * each_threads) {
    const std::int64_t place = row_of_unit(i, a.x.pixel);
    const place_of p(a.down, a.across, a.first_place + place);
    Unit v{};
    if (a.rows != nullptr) v = a.rows[i];
    a.x.at(p.image, a.down.first + p.row * a.down.stride, a.across.first + p.column * a.across.stride)[i - place * a.x.pixel] = v;
  }
}

template <class Unit>
struct turn_weights_arguments {
  tap_phase down, across;
  const Unit* from;
  std::int64_t kernel[2], outs, pixel;
  Unit* to;
};
template <class Unit>
STRETTO_KERNEL __launch_bounds__(each_threads) void turn_weights(turn_weights_arguments<Unit> a) {
  const std::int64_t all = a.down.taps * a.across.taps * a.outs * a.pixel;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * each_threads + threadIdx.x; i < all; i += static_cast<std::int64_t>(gridDim.x) * each_threads) {
    const std::int64_t row = row_of_unit(i, a.pixel), tap = row_of_unit(row, a.outs), tap_row = row_of_unit(tap, a.across.taps);
    const std::int64_t down = a.down.tap + tap_row * a.down.tap_stride, across = a.across.tap + (tap - tap_row * a.across.taps) * a.across.tap_stride;
    a.to[i] = a.from[(((row - tap * a.outs) * a.kernel[0] + down) * a.kernel[1] + across) * a.pixel + i - row * a.pixel];
  }
}

/// Each channel by itself. Of the weights' gradient y is dy, which is read, and parts are a row of weights each.
template <class T>
struct depthwise_arguments {
  tap_phase down, across;
  unit_images<const T> x;
  unit_images<T> y;
  std::int64_t images, channels;
  std::int64_t kernel[2];
  const T *weight, *bias;
  std::int64_t chunk;  ///< places of a part
  float* parts;
};

/// N: channels of a line, or 1.
template <int N, class T>
STRETTO_KERNEL __launch_bounds__(each_threads) void depthwise_rows(depthwise_arguments<T> a) {
  const std::int64_t lines = a.channels / N, all = a.images * a.down.count * a.across.count * lines;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * each_threads + threadIdx.x; i < all; i += static_cast<std::int64_t>(gridDim.x) * each_threads) {
    const std::int64_t place = row_of_unit(i, lines), c = (i - place * lines) * N;
    const place_of p(a.down, a.across, place);
    floats<N> sum{};
    for (std::int64_t k = 0; k < a.down.taps; ++k) {
      const std::int64_t row = tap_at(a.down, p.row, k, a.x.height);
      if (row < 0) continue;
      for (std::int64_t l = 0; l < a.across.taps; ++l) {
        const std::int64_t column = tap_at(a.across, p.column, l, a.x.width);
        if (column < 0) continue;
        const floats<N> x = load<N>(a.x.at(p.image, row, column) + c);
        const T* const w = a.weight + ((c * a.kernel[0] + a.down.tap + k * a.down.tap_stride) * a.kernel[1] + a.across.tap + l * a.across.tap_stride);
#pragma unroll
        for (int j = 0; j < N; ++j) sum.of[j] = fmaf(x.of[j], widen(w[j * a.kernel[0] * a.kernel[1]]), sum.of[j]);
      }
    }
    if (a.bias != nullptr) {
#pragma unroll
      for (int j = 0; j < N; ++j) sum.of[j] += widen(a.bias[c + j]);
    }
    store(a.y.at(p.image, a.down.first + p.row * a.down.stride, a.across.first + p.column * a.across.stride) + c, sum);
  }
}

inline constexpr int depthwise_warps = 8;

template <int N, class T>
STRETTO_KERNEL __launch_bounds__(32 * depthwise_warps) void depthwise_weights(depthwise_arguments<T> a) {
  __shared__ float room[depthwise_warps][N][33];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const std::int64_t taps = a.down.taps * a.across.taps, bands = (a.channels + 32 * N - 1) / (32 * N), places = a.images * a.down.count * a.across.count;
  const std::int64_t units = (places + a.chunk - 1) / a.chunk * taps * bands;
  for (std::int64_t unit = blockIdx.x; unit < units; unit += gridDim.x) {
    const std::int64_t tap_chunk = row_of_unit(unit, bands), band = (unit - tap_chunk * bands) * 32 * N, part = row_of_unit(tap_chunk, taps), tap = tap_chunk - part * taps;
    const std::int64_t tap_row = tap / a.across.taps, c = band + lane * N, end = (part + 1) * a.chunk < places ? (part + 1) * a.chunk : places;
    floats<N> sum{};
    for (std::int64_t place = part * a.chunk + warp; place < end && c < a.channels; place += depthwise_warps) {
      const place_of p(a.down, a.across, place);
      const std::int64_t row = tap_at(a.down, p.row, tap_row, a.x.height), column = tap_at(a.across, p.column, tap - tap_row * a.across.taps, a.x.width);
      if (row < 0 || column < 0) continue;
      const floats<N> x = load<N>(a.x.at(p.image, row, column) + c), dy = load<N>(static_cast<const T*>(a.y.at(p.image, p.row, p.column)) + c);
#pragma unroll
      for (int j = 0; j < N; ++j) sum.of[j] = fmaf(dy.of[j], x.of[j], sum.of[j]);
    }
#pragma unroll
    for (int j = 0; j < N; ++j) room[warp][j][lane] = sum.of[j];
    __syncthreads();
    for (int j = static_cast<int>(threadIdx.x); j < 32 * N; j += 32 * depthwise_warps) {
      if (band + j >= a.channels) continue;
      float all = room[0][j % N][j / N];
#pragma unroll
      for (int w = 1; w < depthwise_warps; ++w) all += room[w][j % N][j / N];
      a.parts[(part * a.channels + band + j) * taps + tap] = all;
    }
    __syncthreads();
  }
}

}  // namespace stretto::inline v0::cuda
