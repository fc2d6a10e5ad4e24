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

/// A piece of memory by its address.
struct memory_run {
  const void* first = nullptr;
  std::int64_t bytes = 0;
};

template <bool Writes, class... Views>
struct touched_views {
  std::tuple<Views...> views;
};

namespace detail {

/// The view of a tensor, which itself would be copied.
template <class T, int Rank, class Space>
constexpr tensor_view<T, Rank, Space> seen(const tensor_view<T, Rank, Space>& v) { return v; }
constexpr memory_run seen(const memory_run& r) { return r; }

}  // namespace detail

/// What a launch reads. {} views are left out.
template <class... Views>
constexpr auto reads_of(const Views&... views) {
  return touched_views<false, decltype(detail::seen(views))...>{{detail::seen(views)...}};
}
/// What it writes, or reads and writes.
template <class... Views>
constexpr auto writes_of(const Views&... views) {
  return touched_views<true, decltype(detail::seen(views))...>{{detail::seen(views)...}};
}

template <class T, int Rank, class Space>
touch touch_of(const tensor_view<T, Rank, Space>& v, bool writes) {
  if (v.data() == nullptr || v.empty()) return {};
  std::int64_t last = 1;
  for (int i = 0; i < Rank; ++i) last += (v.extent(i) - 1) * v.stride(i);
  return {v.data(), last * static_cast<std::int64_t>(sizeof(T)), writes};
}
inline touch touch_of(const memory_run& r, bool writes) { return {r.first, r.bytes, writes}; }

}  // namespace stretto::inline v0::cuda
