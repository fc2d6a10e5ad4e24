// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What operations share that give each number by itself, from numbers that stand in the same place: how matrices are cut
// for threads. The loops over a run are those of kernels/rows.inl.
//
//     const auto a = elementwise<T, 2, 1>("add", {x, r}, {y});       throws where shapes differ
//     q.split(a.blocks.count, 1, kernel, a);
// Rows without gaps are one long row; a row is cut into blocks of 4096; neighbouring blocks are done as one run. Results of
// more than 4 MiB go past the cache, unless they overwrite what was just read.
#pragma once

#include <stretto/host/rows.hpp>

namespace stretto::inline v0::host {

/// Matrices of one shape in blocks, numbered from row to row.
struct row_blocks {
  static constexpr std::int64_t size = 4096;  ///< of a block, the last of each row aside
  std::int64_t columns = 0;
  std::int64_t per_row = 0;
  std::int64_t count = 0;
  bool streams = false;  ///< results go past the cache

  row_blocks() = default;
  row_blocks(std::int64_t rows, std::int64_t columns_, bool streams_)
      : columns(columns_), per_row((columns_ + size - 1) / size), count(rows * per_row), streams(streams_) {}
};

/// `In` matrices that are read and `Out` that are written, all of one shape.
template <class T, int In, int Out>
struct elementwise_arguments {
  row_blocks blocks;
  const T* in[In];
  std::int64_t in_gap[In];  ///< from row to row
  T* out[Out];
  std::int64_t out_gap[Out];
};

template <class T, class U>
void require_one_shape(const char* operation, const tensor_view<T, 2>& a, const tensor_view<U, 2>& b) {
  if (a.extents() == b.extents()) return;
  throw error(text("stretto: ", operation, " takes matrices of one shape, and was given ", a.extents().words().str(), " and ", b.extents().words().str(), "; make them alike").str());
}

/// `apart`: what is done to a row hangs on which it is.
template <class T, int In, int Out>
elementwise_arguments<T, In, Out> elementwise(const char* operation, const tensor_view<const T, 2> (&in)[In], const tensor_view<T, 2> (&out)[Out], bool apart = false) {
  elementwise_arguments<T, In, Out> a{};
  bool packed = !apart, in_place = false;
  for (int i = 0; i < In; ++i) {
    require_one_shape(operation, in[i], out[0]);
    packed = packed && in[i].packed();
    a.in[i] = in[i].data(), a.in_gap[i] = in[i].stride(0);
    for (int o = 0; o < Out; ++o) in_place = in_place || in[i].data() == out[o].data();
  }
  for (int o = 0; o < Out; ++o) {
    require_one_shape(operation, out[o], out[0]);
    packed = packed && out[o].packed();
    a.out[o] = out[o].data(), a.out_gap[o] = out[o].stride(0);
  }
  const bool streams = !in_place && detail::past_cache<T>(Out * out[0].size());
  a.blocks = packed ? row_blocks(1, out[0].size(), streams) : row_blocks(out[0].rows(), out[0].columns(), streams);
  return a;
}

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/elementwise.inl>
#include <stretto/host/each_isa.inl>
