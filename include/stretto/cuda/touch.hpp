// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// touch: memory that a piece of work on a stream reads or writes. Every launch names what it touches; a runtime that watches
// (checked.hpp) reads that, the real one doesn't, and then it costs nothing.
//
//     q.launch(kernel, {.blocks = n}, arguments, reads_of(x, weight), writes_of(y));
// Of a view with gaps it is everything from its first number to its last.
#pragma once

#include <cstdint>
#include <tuple>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::cuda {

struct touch {
  const void* first = nullptr;
  std::int64_t bytes = 0;
  bool writes = false;
};

template <bool Writes, class... Views>
struct touched_views {
  std::tuple<Views...> views;
};

/// What a launch reads. {} views are left out.
template <class... Views>
constexpr touched_views<false, Views...> reads_of(const Views&... views) {
  return {{views...}};
}
/// What it writes, or reads and writes.
template <class... Views>
constexpr touched_views<true, Views...> writes_of(const Views&... views) {
  return {{views...}};
}

/// A piece of memory by its address.
struct memory_run {
  const void* first = nullptr;
  std::int64_t bytes = 0;
};

template <class T, int Rank, class Space>
touch touch_of(const tensor_view<T, Rank, Space>& v, bool writes) {
  if (v.data() == nullptr || v.empty()) return {};
  std::int64_t last = 1;
  for (int i = 0; i < Rank; ++i) last += (v.extent(i) - 1) * v.stride(i);
  return {v.data(), last * static_cast<std::int64_t>(sizeof(T)), writes};
}
inline touch touch_of(const memory_run& r, bool writes) { return {r.first, r.bytes, writes}; }

}  // namespace stretto::inline v0::cuda
