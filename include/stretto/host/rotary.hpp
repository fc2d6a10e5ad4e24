// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rotary embedding on the CPU.
//
//     const rotary_table<float> table(8192, 128, {.theta = 500000});          once for a model
//     rotary(q, queries, positions, table, queries);                           (tokens, heads, head size), in place or not
//     rotary(q, by_heads(qkv.columns(0, width), heads), positions, table, y);  a part of a product's columns
//     rotary_backward(q, dy, positions, table, dx);                            the same by minus the angles
// positions: a token's place in its sequence, whatever the layout that it is here in. Cost: one pass over memory; a row of
// the table serves all heads of a token. Source: numeric/rotary.hpp.
#pragma once

#include <stretto/host/rows.hpp>
#include <stretto/numeric/rotary.hpp>

namespace stretto::inline v0::host {

template <class T>
struct rotary_arguments {
  std::int64_t heads, size, half;  ///< half of what is turned
  const T* x;
  std::int64_t x_token, x_head;  ///< from token to token, from head to head
  T* y;
  std::int64_t y_token, y_head;
  const std::int32_t* positions;
  const float* table;
  bool neighbours, back;
  bool streams;  ///< past the cache: all runs begin at cache lines
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/rotary.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

namespace detail {

template <class T>
void turn_pairs(queue& q, const char* operation, const tensor_view<const T, 3>& x, const tensor_view<const std::int32_t, 1>& positions,
                const rotary_table<computes_in<T>>& table, const tensor_view<T, 3>& y, bool back) {
  if (x.extents() != y.extents())
    throw error(text("stretto: ", operation, " of shape ", x.extents().words().str(), " can't give shape ", y.extents().words().str(), "; give it the same shape").str());
  if (positions.size() != x.extent(0))
    throw error(text("stretto: ", operation, " of ", x.extent(0), " tokens was given ", positions.size(), " positions; give one a token").str());
  if (table.dims() > x.extent(2))
    throw error(text("stretto: ", operation, " with a table for ", table.dims(), " numbers of a head can't turn heads of ", x.extent(2), "; make the table for the heads").str());
  for (std::int64_t t = 0; t < positions.size(); ++t)
    if (positions[t] < 0 || positions[t] >= table.positions())
      throw error(text("stretto: token ", t, " is at position ", positions[t], ", and the rotary table has positions 0 to ", table.positions() - 1, "; make it for more").str());
  if constexpr (std::is_same_v<T, double>) {
    stretto::detail::turn(x, positions, table, y, back ? -1.0 : 1.0);
  } else {
    rotary_arguments<T> a{x.extent(1), x.extent(2), table.dims() / 2, x.data(), x.stride(0), x.stride(1), y.data(), y.stride(0), y.stride(1),
                          positions.data(), table.row(0), table.pairs() == rotary_pairs::neighbours, back, false};
    const auto whole_lines = [](std::int64_t count) { return count * static_cast<std::int64_t>(sizeof(T)) % 64 == 0; };
    a.streams = x.data() != y.data() && past_cache<T>(y.size()) && std::bit_cast<std::uintptr_t>(y.data()) % 64 == 0 && whole_lines(a.y_token) && whole_lines(a.y_head) && whole_lines(a.half);
    q.split(x.extent(0), row_grain(a.heads * a.size), q.pick(&portable::turn_tokens<T>, &avx2::turn_tokens<T>, &avx512::turn_tokens<T>), a);
  }
}

}  // namespace detail

template <class T>
void rotary(queue& q, reads<T, 3> x, reads<std::int32_t, 1> positions, const rotary_table<computes_in<T>>& table, const tensor_view<T, 3>& y) {
  detail::turn_pairs<T>(q, "rotary", x, positions, table, y, false);
}

template <class T>
void rotary_backward(queue& q, reads<T, 3> dy, reads<std::int32_t, 1> positions, const rotary_table<computes_in<T>>& table, const tensor_view<T, 3>& dx) {
  detail::turn_pairs<T>(q, "rotary_backward", dy, positions, table, dx, true);
}

}  // namespace stretto::inline v0::host
