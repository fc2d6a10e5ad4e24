// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How rms_norm and layer_norm are launched on a CUDA device; Centred is the second. Operations are in rms_norm.cuh and
// layer_norm.cuh.
//
//     detail::norm_of<Centred>(q, "rms_norm", x, residual, weight, bias, s, y, mean, inverse, epsilon, offset);
// Cost: a launch; of weights' gradients two, and scratch memory for the parts of the sum.
#pragma once

#include <stretto/cuda/kernels/norm.cuh>
#include <stretto/cuda/kernels/norm_backward.cuh>
#include <stretto/cuda/queue.hpp>
#include <stretto/numeric/row_checks.hpp>

namespace stretto::inline v0::cuda::detail {

template <bool Centred, class Runtime, class T>
STRETTO_OPERATION void norm_of(basic_queue<Runtime>& q, const char* operation, const device_reads<Runtime, T, 2>& x, const device_reads<Runtime, T, 2>& residual, const device_reads<Runtime, T, 1>& weight,
             const device_reads<Runtime, T, 1>& bias, const device_writes<Runtime, T, 2>& s, const tensor_view<T, 2, basic_memory<Runtime>>& y,
             const device_writes<Runtime, float, 1>& mean, const device_writes<Runtime, float, 1>& inverse, double epsilon, double offset) {
  check_row_type<T>();
  const std::int64_t rows = x.rows(), columns = x.columns();
  stretto::detail::check_matrix(operation, "y", y, rows, columns);
  stretto::detail::check_run(operation, "a weight", weight, columns, "column", true);
  if constexpr (Centred) stretto::detail::check_run(operation, "a bias", bias, columns, "column", true);
  if constexpr (Centred) stretto::detail::check_run(operation, "mean", mean, rows, "row", true);
  stretto::detail::check_run(operation, "inverse", inverse, rows, "row", true);
  const row_plan p = plan_rows<T>(rows, columns, 1, false, most_row_threads, Centred ? slim_row_threads : most_row_threads);
  const norm_arguments<T> a{rows, columns, p.threads, x.data(), residual.data(), weight.data(), bias.data(), s.data(), y.data(), mean.data(), inverse.data(),
                            x.stride(0), residual.stride(0), s.stride(0), y.stride(0), static_cast<float>(epsilon), static_cast<float>(offset)};
  const bool lined = rows_in_lines(x) && rows_in_lines(residual) && rows_in_lines(weight) && rows_in_lines(bias) && rows_in_lines(s) &&
                     rows_in_lines(y);
  const auto kernel = p.hold == row_hold::again   ? norm_rows<T, row_hold::again, false, Centred>
                      : p.hold == row_hold::shared ? norm_rows<T, row_hold::shared, false, Centred>
                      : lined                      ? norm_rows<T, row_hold::registers, true, Centred>
                                                   : norm_rows<T, row_hold::registers, false, Centred>;
  q.launch(operation, kernel, p.launch(), a, reads_of(x, residual, weight, bias), writes_of(s, y, mean, inverse));
}

/// What the gradients' kernels are given, when shapes are right.
template <bool Centred, class Runtime, class T>
norm_backward_arguments<T> norm_gradient(const char* operation, const device_reads<Runtime, T, 2>& x, const device_reads<Runtime, T, 1>& weight, const device_reads<Runtime, float, 1>& mean,
                                         const device_reads<Runtime, float, 1>& inverse, const device_reads<Runtime, T, 2>& dy, double offset) {
  check_row_type<T>();
  const std::int64_t rows = x.rows(), columns = x.columns();
  stretto::detail::check_run(operation, "a weight", weight, columns, "column", true);
  if constexpr (Centred) stretto::detail::check_run(operation, "mean", mean, rows, "row");
  stretto::detail::check_run(operation, "inverse", inverse, rows, "row");
  stretto::detail::check_matrix(operation, "dy", dy, rows, columns);
  norm_backward_arguments<T> a{};
  a.rows = rows, a.columns = columns, a.x = x.data(), a.dy = dy.data(), a.weight = weight.data(), a.mean = mean.data(), a.inverse = inverse.data();
  a.x_gap = x.stride(0), a.dy_gap = dy.stride(0), a.offset = static_cast<float>(offset);
  return a;
}
template <class Runtime, class T>
void check_norm_dx(const char* operation, const device_reads<Runtime, T, 2>& x, const device_reads<Runtime, T, 2>& residual, const tensor_view<T, 2, basic_memory<Runtime>>& dx,
                   norm_backward_arguments<T>& a) {
  stretto::detail::check_matrix(operation, "dx", dx, x.rows(), x.columns());
  if (residual.data() != nullptr) stretto::detail::check_matrix(operation, "a residual gradient", residual, x.rows(), x.columns());
  a.residual = residual.data(), a.residual_gap = residual.stride(0), a.dx = dx.data(), a.dx_gap = dx.stride(0);
}
template <class Runtime>
void check_norm_dw(const char* operation, std::int64_t columns, const device_writes<Runtime, float, 1>& dweight, const device_writes<Runtime, float, 1>& dbias) {
  stretto::detail::check_run(operation, "dweight", dweight, columns, "column");
  stretto::detail::check_run(operation, "dbias", dbias, columns, "column", true);
}

template <bool Centred, class Runtime, class T>
STRETTO_OPERATION void norm_input_gradient(basic_queue<Runtime>& q, const char* operation, const device_reads<Runtime, T, 2>& x, const device_reads<Runtime, T, 1>& weight,
                         const device_reads<Runtime, float, 1>& mean, const device_reads<Runtime, float, 1>& inverse, const device_reads<Runtime, T, 2>& dy,
                         const device_reads<Runtime, T, 2>& residual, const tensor_view<T, 2, basic_memory<Runtime>>& dx, double offset) {
  auto a = norm_gradient<Centred, Runtime, T>(operation, x, weight, mean, inverse, dy, offset);
  check_norm_dx<Runtime, T>(operation, x, residual, dx, a);
  if (x.empty()) return;
  const std::int64_t n = a.columns;
  const row_plan p = plan_rows<T>(a.rows, n, 2, false, most_row_threads, slim_row_threads);
  a.threads = p.threads;
  const bool lined = rows_in_lines(x) && rows_in_lines(dy) && rows_in_lines(weight) && rows_in_lines(residual) && rows_in_lines(dx);
  const auto kernel = p.hold == row_hold::again   ? norm_backward<T, row_hold::again, false, Centred>
                      : p.hold == row_hold::shared ? norm_backward<T, row_hold::shared, false, Centred>
                      : lined                      ? norm_backward<T, row_hold::registers, true, Centred>
                                                   : norm_backward<T, row_hold::registers, false, Centred>;
  q.launch(operation, kernel, p.launch(), a, reads_of(x, weight, mean, inverse, dy, residual), writes_of(dx));
}

/// The parts of a sum, in their order, to what is there.
template <class Runtime>
STRETTO_OPERATION void add_norm_parts(basic_queue<Runtime>& q, const char* operation, const memory_run& run, std::int64_t parts, std::int64_t columns, const device_writes<Runtime, float, 1>& dweight,
                    const device_writes<Runtime, float, 1>& dbias) {
  const add_parts_arguments a{parts, columns, static_cast<const float*>(run.first), {dweight.data(), dbias.data()}};
  q.launch(operation, add_weight_parts<float>, {.blocks = (columns + 31) / 32, .threads = 32 * part_groups, .rows = dbias.data() != nullptr ? 2 : 1}, a, reads_of(run),
           writes_of(dweight, dbias));
}

template <bool Centred, class Runtime, class T>
STRETTO_OPERATION void norm_weight_gradient(basic_queue<Runtime>& q, const char* operation, const device_reads<Runtime, T, 2>& x, const device_reads<Runtime, float, 1>& mean,
                          const device_reads<Runtime, float, 1>& inverse, const device_reads<Runtime, T, 2>& dy, const device_writes<Runtime, float, 1>& dweight,
                          const device_writes<Runtime, float, 1>& dbias) {
  auto a = norm_gradient<Centred, Runtime, T>(operation, x, {}, mean, inverse, dy, 0);
  check_norm_dw<Runtime>(operation, a.columns, dweight, dbias);
  if (x.empty()) return;
  constexpr std::int64_t tile = 32 * in_line<T>, wanted = 1024;  // blocks: some for each multiprocessor of any device
  const std::int64_t tiles = (a.columns + tile - 1) / tile, most = (a.rows + 63) / 64;
  a.part_count = wanted / tiles < 1 ? 1 : wanted / tiles < most ? wanted / tiles : most;
  const std::int64_t count = (Centred ? 2 : 1) * a.part_count * a.columns;
  a.parts = q.template scratch<float>(count, operation);
  const memory_run parts{a.parts, count * 4};
  const auto kernel = rows_in_lines(x) && rows_in_lines(dy) ? norm_weight_parts<T, true, Centred> : norm_weight_parts<T, false, Centred>;
  q.launch(operation, kernel, {.blocks = tiles * a.part_count, .threads = 32 * weight_warps}, a, reads_of(x, mean, inverse, dy), writes_of(parts));
  add_norm_parts(q, operation, parts, a.part_count, a.columns, dweight, dbias);
}

/// Both at once, where a row fits the registers of a block; else one after the other, weights first, since dx may be dy.
template <bool Centred, class Runtime, class T>
STRETTO_OPERATION void norm_gradients(basic_queue<Runtime>& q, const char* operation, const device_reads<Runtime, T, 2>& x, const device_reads<Runtime, T, 1>& weight, const device_reads<Runtime, float, 1>& mean,
                    const device_reads<Runtime, float, 1>& inverse, const device_reads<Runtime, T, 2>& dy, const device_reads<Runtime, T, 2>& residual,
                    const tensor_view<T, 2, basic_memory<Runtime>>& dx, const device_writes<Runtime, float, 1>& dweight, const device_writes<Runtime, float, 1>& dbias, double offset) {
  const std::int64_t n = x.columns();
  if (n > std::int64_t{most_both_threads} * row_lines * in_line<T>) {
    norm_weight_gradient<Centred, Runtime, T>(q, operation, x, mean, inverse, dy, dweight, dbias);
    norm_input_gradient<Centred, Runtime, T>(q, operation, x, weight, mean, inverse, dy, residual, dx, offset);
    return;
  }
  auto a = norm_gradient<Centred, Runtime, T>(operation, x, weight, mean, inverse, dy, offset);
  check_norm_dx<Runtime, T>(operation, x, residual, dx, a);
  check_norm_dw<Runtime>(operation, n, dweight, dbias);
  if (x.empty()) return;
  const row_plan p = plan_rows<T>(a.rows, n, 3, false, most_both_threads);
  const std::int64_t kinds = Centred ? 2 : 1, few = (a.rows + 7) / 8, of_block = p.block / p.threads, turns = (a.rows + of_block - 1) / of_block;
  // As many blocks as 132 multiprocessors of sm_90 have registers for at once: who begins when others end has the memory to itself.
  constexpr bool large = Centred && sizeof(T) == 2;
  const std::int64_t wanted = large ? (p.block > 128 ? 132 : 396) : p.block > 128 ? 264 : 528;
  a.threads = p.threads, a.part_count = few < wanted ? few : wanted;
  if (turns < a.part_count) a.part_count = turns;
  a.parts = q.template scratch<float>(kinds * a.part_count * n, operation);
  const memory_run parts{a.parts, kinds * a.part_count * n * 4};
  const bool lined = rows_in_lines(x) && rows_in_lines(dy) && rows_in_lines(weight) && rows_in_lines(residual) && rows_in_lines(dx);
  q.launch(operation, lined ? norm_backward_both<T, true, Centred> : norm_backward_both<T, false, Centred>,
           {.blocks = a.part_count, .threads = p.block, .shared_bytes = of_block > 1 ? static_cast<int>(kinds * n * 4) : 0}, a, reads_of(x, weight, mean, inverse, dy, residual),
           writes_of(dx, parts));
  add_norm_parts(q, operation, parts, a.part_count, n, dweight, dbias);
}

}  // namespace stretto::inline v0::cuda::detail
