// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cross_entropy on a CUDA device: losses of rows of logits with one label each, and the gradient of the logits.
//
//     tensor<double, 1, cuda::memory> sums({4});                                          of rows that count: loss, weight, tokens, right
//     cross_entropy(q, logits, labels, loss, lse, sums, {.vocabulary = 50257});           of 50304 columns, say; nobody waits
//     cross_entropy_backward(q, logits, labels, lse, factor, dlogits, {.vocabulary = 50257});
//     const cross_entropy_sum all = cross_entropy_sum_of(numbers);                        of the four, when they were copied to the CPU
// dlogits may be the logits: they are overwritten. The factor is that of the whole batch: a number, or a view of one double on the
// device. {} in place of sums leaves them out. Of a vocabulary that ranks share, cross_entropy_shard gives what its columns
// come to, as on the CPU. Labels aren't looked at before: one that isn't in the vocabulary gives a loss that is no number.
// Options of the CPU: `.with(weights)`, of this device, or of none. Cost: logits read once, an exponential each; backward read
// and written once, an exponential each.
// Source: numeric/cross_entropy.hpp.
#pragma once

#include <stretto/cuda/kernels/cross_entropy.cuh>
#include <stretto/cuda/queue.hpp>
#include <stretto/cuda/sum.hpp>
#include <stretto/numeric/cross_entropy.hpp>

namespace stretto::inline v0::cuda {

template <class Runtime>
using device_losses = cross_entropy_options_in<std::type_identity_t<basic_memory<Runtime>>>;

/// From the four numbers that cross_entropy writes.
inline cross_entropy_sum cross_entropy_sum_of(const double* four) {
  return {four[0], four[1], static_cast<std::int64_t>(four[2]), static_cast<std::int64_t>(four[3])};
}

namespace detail {

template <class Runtime, class T>
cross_entropy_arguments<T> cross_entropy_of(const char* operation, const device_reads<Runtime, T, 2>& x, const device_reads<Runtime, std::int32_t, 1>& labels,
                                            const device_losses<Runtime>& o) {
  check_row_type<T>();
  stretto::detail::check_cross_entropy(operation, x.rows(), x.columns(), labels, o);
  cross_entropy_arguments<T> a{};
  a.rows = x.rows(), a.columns = x.columns(), a.valid = o.valid(x.columns()), a.first = o.shard.first, a.vocabulary = o.labels(x.columns());
  a.x = x.data(), a.x_gap = x.stride(0), a.labels = labels.data(), a.weights = o.weights.data(), a.ignore = o.ignore;
  a.smoothing = static_cast<float>(o.label_smoothing), a.z = static_cast<float>(o.z_loss), a.cap = static_cast<float>(o.soft_cap);
  return a;
}

template <class Runtime, class T, class... Written>
STRETTO_OPERATION void read_all_logits(basic_queue<Runtime>& q, const char* operation, const device_reads<Runtime, T, 2>& x, const device_reads<Runtime, std::int32_t, 1>& labels,
                     const device_losses<Runtime>& o, cross_entropy_arguments<T>& a, const Written&... written) {
  const row_plan p = plan_rows<T>(a.rows, a.columns, 1, true, most_logit_threads);
  a.threads = p.threads;
  const bool lined = rows_in_lines(x);
  const auto kernel = a.cap > 0 ? (lined ? cross_entropy_rows<T, true, true> : cross_entropy_rows<T, false, true>) : lined ? cross_entropy_rows<T, true, false> : cross_entropy_rows<T, false, false>;
  q.launch(operation, kernel, p.launch(), a, reads_of(x, labels, o.weights), writes_of(written...));
}

template <class Runtime>
void check_sums(const char* operation, const device_writes<Runtime, double, 1>& sums) {
  if (sums.data() != nullptr && sums.size() != 4)
    throw error(text("stretto: ", operation, " writes 4 sums, and was given room for ", sums.size(), "; give room for 4, or {}").str());
}

/// Losses and l of rows and, where it is asked for, which rows are right: in scratch memory, until the next operation.
template <class Runtime, class T>
STRETTO_OPERATION memory_run read_losses(basic_queue<Runtime>& q, const char* operation, const device_reads<Runtime, T, 2>& logits, const device_reads<Runtime, std::int32_t, 1>& labels,
                       const device_writes<Runtime, float, 1>& loss, const device_writes<Runtime, float, 1>& lse, const device_losses<Runtime>& o, bool counts_right) {
  auto a = cross_entropy_of<Runtime, T>(operation, logits, labels, o);
  stretto::detail::check_run(operation, "loss", loss, a.rows, "row");
  stretto::detail::check_run(operation, "lse", lse, a.rows, "row");
  a.loss = loss.data(), a.lse = lse.data();
  if (counts_right) a.right = q.template scratch<unsigned char>(a.rows, operation);
  const memory_run right{a.right, counts_right ? a.rows : 0};
  read_all_logits<Runtime, T>(q, operation, logits, labels, o, a, loss, lse, right);
  return right;
}
/// Sums of rows; of the four those from `first` to `end`.
template <class Runtime>
STRETTO_OPERATION void add_losses(basic_queue<Runtime>& q, const char* operation, const device_reads<Runtime, std::int32_t, 1>& labels, const device_writes<Runtime, float, 1>& loss, const memory_run& right,
                const device_writes<Runtime, double, 1>& sums, const device_losses<Runtime>& o, int first = 0, int end = 4, bool adds = false) {
  q.launch(operation, cross_entropy_sums<double>, {.blocks = 1, .threads = loss_threads},
           cross_entropy_sums_arguments{labels.size(), labels.data(), loss.data(), o.weights.data(), static_cast<const unsigned char*>(right.first), o.ignore, sums.data(), first, end, adds},
           reads_of(labels, loss, o.weights, right), writes_of(sums));
}

template <class Runtime, class T, class... Read>
STRETTO_OPERATION void cross_entropy_gradient(basic_queue<Runtime>& q, const device_reads<Runtime, T, 2>& logits, const device_reads<Runtime, std::int32_t, 1>& labels,
                            const device_reads<Runtime, float, 1>& lse, float factor, const double* factor_at, const tensor_view<T, 2, basic_memory<Runtime>>& dlogits,
                            const device_losses<Runtime>& o, const Read&... read) {
  constexpr const char* operation = "cross_entropy_backward";
  auto a = cross_entropy_of<Runtime, T>(operation, logits, labels, o);
  stretto::detail::check_run(operation, "lse", lse, a.rows, "row");
  stretto::detail::check_matrix(operation, "dlogits", dlogits, a.rows, a.columns);
  if (logits.empty()) return;
  a.lse_read = lse.data(), a.factor = factor, a.factor_at = factor_at, a.dx = dlogits.data(), a.dx_gap = dlogits.stride(0);
  const bool lined = rows_in_lines(logits) && rows_in_lines(dlogits);
  const std::int64_t reach = a.columns + (lined ? 0 : in_line<T> - 1);
  for (a.threads = 8; a.threads * row_lines * in_line<T> < reach && most_logit_threads > a.threads;) a.threads *= 2;
  const std::int64_t chunk = std::int64_t{a.threads} * row_lines * in_line<T>, units = a.rows * ((reach + chunk - 1) / chunk);
  const auto kernel = a.cap > 0 ? (lined ? cross_entropy_backward_rows<T, true, true> : cross_entropy_backward_rows<T, false, true>)
                      : lined   ? cross_entropy_backward_rows<T, true, false>
                                : cross_entropy_backward_rows<T, false, false>;
  q.launch(operation, kernel, {.blocks = row_blocks(units, most_logit_threads / a.threads), .threads = most_logit_threads}, a,
           reads_of(logits, labels, lse, o.weights, read...), writes_of(dlogits));
}

}  // namespace detail

/// Losses and l of rows and, where it isn't {}, the losses' sums.
template <class Runtime, class X>
STRETTO_OPERATION void cross_entropy(basic_queue<Runtime>& q, const tensor_view<X, 2, basic_memory<Runtime>>& logits, device_reads<Runtime, std::int32_t, 1> labels,
                                     device_writes<Runtime, float, 1> loss, device_writes<Runtime, float, 1> lse, device_writes<Runtime, double, 1> sums, const device_losses<Runtime>& o = {}) {
  using T = std::remove_const_t<X>;
  constexpr const char* operation = "cross_entropy";
  stretto::detail::check_whole_vocabulary(o.shard.first, o.shard.whole);
  detail::check_sums<Runtime>(operation, sums);
  const memory_run right = detail::read_losses<Runtime, T>(q, operation, logits, labels, loss, lse, o, o.count_right && sums.data() != nullptr);
  if (sums.data() != nullptr) detail::add_losses<Runtime>(q, operation, labels, loss, right, sums, o);
}

/// Of a shard's columns: l, c[label] where it is among them, else 0, and the sum of c, where `sum` isn't {}.
template <class Runtime, class X>
STRETTO_OPERATION void cross_entropy_shard(basic_queue<Runtime>& q, const tensor_view<X, 2, basic_memory<Runtime>>& logits, device_reads<Runtime, std::int32_t, 1> labels,
                                           device_writes<Runtime, float, 1> lse, device_writes<Runtime, float, 1> target, device_writes<Runtime, float, 1> sum = {},
                                           const device_losses<Runtime>& o = {}) {
  using T = std::remove_const_t<X>;
  constexpr const char* operation = "cross_entropy_shard";
  auto a = detail::cross_entropy_of<Runtime, T>(operation, logits, labels, o);
  stretto::detail::check_run(operation, "lse", lse, a.rows, "row");
  stretto::detail::check_run(operation, "target", target, a.rows, "row");
  stretto::detail::check_run(operation, "sum", sum, a.rows, "row", true);
  a.lse = lse.data(), a.target = target.data(), a.sum = sum.data(), a.smoothing = 0;
  detail::read_all_logits<Runtime, T>(q, operation, logits, labels, o, a, lse, target, sum);
}

/// The gradient of all losses times `factor`. dlogits may be the logits.
template <class Runtime, class T>
STRETTO_OPERATION void cross_entropy_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> logits, device_reads<Runtime, std::int32_t, 1> labels,
                                              device_reads<Runtime, float, 1> lse, float factor, const tensor_view<T, 2, basic_memory<Runtime>>& dlogits,
                                              const device_losses<Runtime>& o = {}) {
  detail::cross_entropy_gradient<Runtime, T>(q, logits, labels, lse, factor, nullptr, dlogits, o);
}
/// With a factor that is on the device when the kernel reads it.
template <class Runtime, class T>
STRETTO_OPERATION void cross_entropy_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> logits, device_reads<Runtime, std::int32_t, 1> labels,
                                              device_reads<Runtime, float, 1> lse, device_reads<Runtime, double, 1> factor, const tensor_view<T, 2, basic_memory<Runtime>>& dlogits,
                                              const device_losses<Runtime>& o = {}) {
  if (factor.size() != 1) throw error(text("stretto: cross_entropy_backward takes one factor, and was given ", factor.size(), "; give a number, or a view of one").str());
  detail::cross_entropy_gradient<Runtime, T>(q, logits, labels, lse, 0, factor.data(), dlogits, o, factor);
}

/// The CPU's options as operations of this queue take them.
template <class Runtime>
STRETTO_OPERATION device_losses<Runtime> losses_for(basic_queue<Runtime>& q, const cross_entropy_options& o) {
  return o.with(o.weights.data() != nullptr ? q.upload(view<const float>{o.weights.data(), o.weights.size()}) : device_reads<Runtime, float, 1>{});
}

/// The losses' sum where a layer gives it; 0 where there are no labels.
template <class Runtime, class X>
STRETTO_OPERATION void cross_entropy_total(basic_queue<Runtime>& q, const tensor_view<X, 2, basic_memory<Runtime>>& logits, device_reads<Runtime, std::int32_t, 1> labels,
                                           device_writes<Runtime, float, 1> loss, device_writes<Runtime, float, 1> lse, const basic_sum<Runtime>& total, const device_losses<Runtime>& o = {}) {
  if (labels.empty()) q.zero(total.view());
  else cross_entropy(q, logits, labels, loss, lse, total.view(), o);
}

}  // namespace stretto::inline v0::cuda
