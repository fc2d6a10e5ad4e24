// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pooling of images: a thread a line of channels of a pixel that is written. Nobody adds to what another writes.
//
//     forward    reads what its window covers                      max: the first largest; average: the sum in their order, times the share
//     backward   goes over the windows that cover its pixel        max: finds their first largest again; average: their gradients times shares
// What is no number is larger than any other. Cost: a read for each place of a window, mostly from the cache; the gradient of max
// as many for each window that covers a pixel.
#pragma once

#include <stretto/cuda/kernels/each.cuh>
#include <stretto/numeric/pooling.hpp>

namespace stretto::inline v0::cuda {

/// Images before pooling (x, dx) and behind it (y, dy); of each kernel some aren't there.
template <class T>
struct pooled_images {
  T* first;
  std::int64_t image, row, column;
  __device__ T* at(std::int64_t n, std::int64_t i, std::int64_t j) const { return first + n * image + i * row + j * column; }
};
template <class T>
struct pooling_arguments {
  std::int64_t images, height, width, channels;  ///< before
  std::int64_t rows, columns;                    ///< behind
  pooled_images<const T> x, dy;
  pooled_images<T> y, dx;
  pooling_options options;
};

struct covered_span {
  std::int64_t first, last;
};
/// What a window covers along an axis of `size`.
__device__ inline covered_span covered(const pooling_options& o, int axis, std::int64_t place, std::int64_t size) {
  const std::int64_t first = place * o.stride[axis] - o.padding[axis], last = first + o.window[axis];
  return {first > 0 ? first : 0, last < size ? last : size};
}
/// Which of `places` windows cover a number.
__device__ inline covered_span covering(const pooling_options& o, int axis, std::int64_t at, std::int64_t places) {
  const std::int64_t from = at + o.padding[axis] - o.window[axis] + 1, last = (at + o.padding[axis]) / o.stride[axis] + 1;
  return {from > 0 ? (from + o.stride[axis] - 1) / o.stride[axis] : 0, last < places ? last : places};
}
__device__ inline float share_of(const pooling_options& o, covered_span rows, covered_span columns) {
  const std::int64_t some = (rows.last - rows.first) * (columns.last - columns.first);
  return 1.0f / static_cast<float>(o.counts_padding ? o.window[0] * o.window[1] : some > 0 ? some : 1);
}
__device__ inline bool is_larger(float x, float most) { return x > most || (x != x && most == most); }

/// A pixel and a line of its channels, by the number of a thread's work.
struct pooled_place {
  std::int64_t image, row, column, channel;
  template <int N>
  __device__ static pooled_place of(std::int64_t i, std::int64_t rows, std::int64_t columns, std::int64_t channels, std::integral_constant<int, N>) {
    const std::int64_t lines = channels / N, pixel = row_of_unit(i, lines), above = row_of_unit(pixel, columns), image = row_of_unit(above, rows);
    return {image, above - image * rows, pixel - above * columns, (i - pixel * lines) * N};
  }
};

template <bool Max, int N, class T>
STRETTO_KERNEL __launch_bounds__(each_threads) void pool_images(pooling_arguments<T> a) {
  const std::int64_t all = a.images * a.rows * a.columns * (a.channels / N);
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * each_threads + threadIdx.x; i < all; i += static_cast<std::int64_t>(gridDim.x) * each_threads) {
    const pooled_place p = pooled_place::of(i, a.rows, a.columns, a.channels, std::integral_constant<int, N>{});
    const covered_span rows = covered(a.options, 0, p.row, a.height), columns = covered(a.options, 1, p.column, a.width);
    floats<N> y{};
    bool first = true;
    for (std::int64_t k = rows.first; k < rows.last; ++k)
      for (std::int64_t l = columns.first; l < columns.last; ++l, first = false) {
        const floats<N> x = load<N>(a.x.at(p.image, k, l) + p.channel);
#pragma unroll
        for (int j = 0; j < N; ++j) y.of[j] = Max ? (first || is_larger(x.of[j], y.of[j]) ? x.of[j] : y.of[j]) : first ? x.of[j] : y.of[j] + x.of[j];
      }
    if constexpr (!Max) {
      const float share = share_of(a.options, rows, columns);
#pragma unroll
      for (int j = 0; j < N; ++j) y.of[j] *= share;
    }
    store(a.y.at(p.image, p.row, p.column) + p.channel, y);
  }
}

template <bool Max, int N, class T>
STRETTO_KERNEL __launch_bounds__(each_threads) void pool_gradients(pooling_arguments<T> a) {
  const std::int64_t all = a.images * a.height * a.width * (a.channels / N);
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * each_threads + threadIdx.x; i < all; i += static_cast<std::int64_t>(gridDim.x) * each_threads) {
    const pooled_place p = pooled_place::of(i, a.height, a.width, a.channels, std::integral_constant<int, N>{});
    const covered_span down = covering(a.options, 0, p.row, a.rows), across = covering(a.options, 1, p.column, a.columns);
    floats<N> sum{};
    for (std::int64_t h = down.first; h < down.last; ++h)
      for (std::int64_t w = across.first; w < across.last; ++w) {
        const covered_span rows = covered(a.options, 0, h, a.height), columns = covered(a.options, 1, w, a.width);
        const floats<N> dy = load<N>(a.dy.at(p.image, h, w) + p.channel);
        if constexpr (Max) {
          floats<N> most{};
          bool mine[N] = {}, first = true;
          for (std::int64_t k = rows.first; k < rows.last; ++k)
            for (std::int64_t l = columns.first; l < columns.last; ++l, first = false) {
              const floats<N> x = load<N>(a.x.at(p.image, k, l) + p.channel);
              const bool here = k == p.row && l == p.column;
#pragma unroll
              for (int j = 0; j < N; ++j)
                if (first || is_larger(x.of[j], most.of[j])) most.of[j] = x.of[j], mine[j] = here;
            }
#pragma unroll
          for (int j = 0; j < N; ++j) sum.of[j] += mine[j] ? dy.of[j] : 0.0f;
        } else {
          const float share = share_of(a.options, rows, columns);
#pragma unroll
          for (int j = 0; j < N; ++j) sum.of[j] = fmaf(dy.of[j], share, sum.of[j]);
        }
      }
    store(a.dx.at(p.image, p.row, p.column) + p.channel, sum);
  }
}

}  // namespace stretto::inline v0::cuda
