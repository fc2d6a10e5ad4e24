// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dropout on a CUDA device, with the zeros that the CPU's has.
//
//     dropout(q, x, y, {.rate = 0.1, .stream = {seed, step, 0, layer}, .first_row = 4096});
//     dropout(q, dy, dx, the same options);                                     backward: there is no mask to keep
// first_row, or rows, and first_column say where the view's rows and columns stand in the whole batch. rows are the CPU's
// numbers and are uploaded. y may be x. Cost: one pass over memory, and ten rounds of Philox for four elements; for each
// element where first_column isn't a multiple of eight.
#pragma once

#include <stretto/cuda/each.cuh>
#include <stretto/cuda/kernels/dropout.cuh>
#include <stretto/numeric/dropout.hpp>

namespace stretto::inline v0::cuda {

template <class Runtime, class T>
STRETTO_OPERATION void dropout(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, const tensor_view<T, 2, basic_memory<Runtime>>& y, const dropout_options& o) {
  if (!(o.rate >= 0 && o.rate < 1)) throw error("stretto: the rate of dropout is 0 or more and less than 1; correct it");
  if (!o.rows.empty() && o.rows.size() != y.rows())
    throw error(text("stretto: dropout of ", y.rows(), " rows was told where ", o.rows.size(), " stand; give one number a row, or first_row").str());
  for (std::int64_t i = 0; i < y.rows(); i += o.rows.empty() && i + 1 < y.rows() ? y.rows() - 1 : 1) detail::check_place("dropout", o.row(i), o.first_column);
  if (o.rate == 0) return launch_each<1, 1>(q, "dropout", keep_rule{}, {x}, {y});
  const double dropped = o.rate * 4294967296.0;  // words from here on are kept
  const auto whole = static_cast<std::uint64_t>(dropped);
  tensor_view<const std::int64_t, 1, basic_memory<Runtime>> rows;
  if (!o.rows.empty()) rows = q.upload(view<const std::int64_t>{o.rows.data(), o.rows.size()});
  const auto last = static_cast<std::uint32_t>(whole - (static_cast<double>(whole) == dropped ? 1 : 0));
  const dropout_rule rule{o.stream, o.first_row, o.first_column, rows.data(), last, static_cast<float>(1 / (1 - o.rate)), q.step_at(o.stream.step)};
  launch_each<1, 1>(q, "dropout", rule, {x}, {y}, {.apart = true, .lines = o.first_column % 8 == 0}, rows, memory_run{rule.step_at, rule.step_at != nullptr ? 4 : 0});
}

}  // namespace stretto::inline v0::cuda
