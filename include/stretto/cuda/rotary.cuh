// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rotary embedding on a CUDA device, with the table there.
//
//     const cuda::basic_rotary_table<Runtime> table(rotary_table<float>(8192, 128, {.theta = 500000}));   once for a model
//     rotary(q, queries, positions, table, queries);                           (tokens, heads, head size), in place or not
//     rotary(q, by_heads(qkv.columns(0, width), heads), positions, table, y);  a part of a product's columns
//     rotary(q, by_heads(qkv.columns(0, 2 * width), 2 * heads), …)             queries and keys in one launch
//     rotary_backward(q, dy, positions, table, dx);                            the same by minus the angles
// positions are on the device, and can't be checked: a token at one that the table lacks becomes no number. Cost: one pass
// over memory. Source: numeric/rotary.hpp.
#pragma once

#include <stretto/cuda/each.cuh>
#include <stretto/cuda/kernels/rotary.cuh>
#include <stretto/numeric/rotary.hpp>

namespace stretto::inline v0::cuda {

/// A copy on the device of a table of the CPU.
template <class Runtime>
class basic_rotary_table {
 public:
  explicit basic_rotary_table(const rotary_table<float>& from) : pairs_(from.pairs()), table_({from.positions(), from.dims()}) {
    to_device(tensor_view<float, 2, basic_memory<Runtime>>(table_), from.row(0));
  }
  basic_rotary_table(std::int64_t positions, std::int64_t dims, const rotary_options& o = {}) : basic_rotary_table(rotary_table<float>(positions, dims, o)) {}

  std::int64_t positions() const { return table_.rows(); }
  std::int64_t dims() const { return table_.columns(); }
  rotary_pairs pairs() const { return pairs_; }
  std::int64_t bytes() const { return table_.size() * static_cast<std::int64_t>(sizeof(float)); }
  tensor_view<const float, 2, basic_memory<Runtime>> numbers() const { return table_; }

 private:
  rotary_pairs pairs_;
  tensor<float, 2, basic_memory<Runtime>> table_;
};

namespace detail {

template <class Runtime, class T>
STRETTO_OPERATION void turn_pairs(basic_queue<Runtime>& q, const char* operation, const tensor_view<const T, 3, basic_memory<Runtime>>& x,
                                  const tensor_view<const std::int32_t, 1, basic_memory<Runtime>>& positions, const basic_rotary_table<Runtime>& table,
                                  const tensor_view<T, 3, basic_memory<Runtime>>& y, bool back) {
  check_row_type<T>();
  if (x.extents() != y.extents())
    throw error(text("stretto: ", operation, " of shape ", x.extents().words().str(), " can't give shape ", y.extents().words().str(), "; give it the same shape").str());
  if (positions.size() != x.extent(0))
    throw error(text("stretto: ", operation, " of ", x.extent(0), " tokens was given ", positions.size(), " positions; give one a token").str());
  if (table.dims() > x.extent(2))
    throw error(text("stretto: ", operation, " with a table for ", table.dims(), " numbers of a head can't turn heads of ", x.extent(2), "; make the table for the heads").str());
  if (x.empty()) return;
  constexpr int n = in_line<T>;
  const bool neighbours = table.pairs() == rotary_pairs::neighbours;
  const std::int64_t half = table.dims() / 2, size = x.extent(2), heads = x.extent(1);
  rotary_arguments<T> a{x.extent(0), heads, size, half, x.data(), x.stride(0), x.stride(1), y.data(), y.stride(0), y.stride(1),
                        positions.data(), table.numbers().data(), table.positions(), 0, 0, neighbours, back};
  const auto whole = [&](const auto& v) { return in_lines<T>(v.data(), v.stride(0), v.stride(1)); };
  const bool lines = whole(x) && whole(y) && size % n == 0 && (neighbours ? 2 * half : half) % n == 0 && half % 4 == 0;
  const int wide = lines ? n : 1;
  a.turned = neighbours ? 2 * half / (lines ? n : 2) : half / wide;
  a.units = a.turned + (x.data() == y.data() ? 0 : (size - 2 * half) / wide);  // in place the rest stays
  const std::int64_t work = a.tokens * ((heads + heads_at_once - 1) / heads_at_once) * a.units;
  q.launch(operation, lines ? turn_heads<n, T> : turn_heads<1, T>, {.blocks = row_blocks(work, each_threads), .threads = each_threads}, a,
           reads_of(x, positions, table.numbers()), writes_of(y));
}

}  // namespace detail

template <class Runtime, class T>
STRETTO_OPERATION void rotary(basic_queue<Runtime>& q, device_reads<Runtime, T, 3> x, device_reads<Runtime, std::int32_t, 1> positions, const basic_rotary_table<Runtime>& table,
                              const tensor_view<T, 3, basic_memory<Runtime>>& y) {
  detail::turn_pairs<Runtime, T>(q, "rotary", x, positions, table, y, false);
}

template <class Runtime, class T>
STRETTO_OPERATION void rotary_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 3> dy, device_reads<Runtime, std::int32_t, 1> positions, const basic_rotary_table<Runtime>& table,
                                       const tensor_view<T, 3, basic_memory<Runtime>>& dx) {
  detail::turn_pairs<Runtime, T>(q, "rotary_backward", dy, positions, table, dx, true);
}

}  // namespace stretto::inline v0::cuda
