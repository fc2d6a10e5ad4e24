// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cross_entropy on the CPU: losses of rows of logits with one label each, and the gradient of the logits.
//
//     const auto sum = cross_entropy(q, logits, labels, loss, lse, {.vocabulary = 50257});       of 50304 columns, say
//     cross_entropy_backward(q, logits, labels, lse, 1 / sum.weight, dlogits, {.vocabulary = 50257});
// dlogits may be the logits: they are overwritten. The factor is that of the whole batch, so that micro-batches and ranks add up
// to the gradient of one mean. Of a vocabulary that ranks share, each gives what its columns come to:
//
//     cross_entropy_shard(q, logits, labels, lse, target, sum, {.shard = {first, 50257}});
//     over ranks: lse joins by weigh(a, b).lse (numeric/lse_merge.hpp), target and sum add up
//     finish_cross_entropy(labels, lse, target, sum, loss, o);    cross_entropy_backward(q, logits, labels, lse, factor, dlogits, o);
// Rows whose label is o.ignore have loss and lse 0, and gradient 0. Cost: logits read once, an exponential each; backward read
// and written once, an exponential each. double goes through the plain loops of numeric/cross_entropy.hpp.
#pragma once

#include <stretto/host/rows.hpp>
#include <stretto/numeric/cross_entropy.hpp>

namespace stretto::inline v0::host {

/// What the kernels are given.
template <class T>
struct cross_entropy_arguments {
  std::int64_t columns, valid, first;  ///< valid: columns in the vocabulary; first: the label of column 0
  const T* x;
  T* dx;
  std::int64_t x_gap, dx_gap;  ///< from row to row
  const std::int32_t* labels;
  const float* weights;
  float *loss, *lse, *target, *sum;
  std::int64_t* right;
  std::int32_t ignore;
  float vocabulary, smoothing, z, cap, factor;
  bool streams;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/cross_entropy.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

namespace detail {

inline void check_labels(const char* operation, std::int64_t rows, std::int64_t columns, const tensor_view<const std::int32_t, 1>& labels, const cross_entropy_options& o) {
  stretto::detail::check_cross_entropy(operation, rows, columns, labels, o);
  const std::int64_t t = stretto::detail::wrong_label(labels, o.labels(columns), o.ignore);
  if (t >= 0)
    throw error(text("stretto: ", operation, " found label ", labels[t], " in row ", t, ", and the vocabulary has ", o.labels(columns), " labels; give one from 0 on, or ", o.ignore,
                     " for a row that doesn't count").str());
}

template <class T>
cross_entropy_arguments<T> cross_entropy_of(const tensor_view<const T, 2>& x, const tensor_view<const std::int32_t, 1>& labels, const cross_entropy_options& o) {
  cross_entropy_arguments<T> a{};
  a.columns = x.columns(), a.valid = o.valid(x.columns()), a.first = o.shard.first;
  a.x = x.data(), a.x_gap = x.stride(0), a.labels = labels.data(), a.weights = o.weights.data(), a.ignore = o.ignore;
  a.vocabulary = static_cast<float>(o.labels(x.columns())), a.smoothing = static_cast<float>(o.label_smoothing), a.z = static_cast<float>(o.z_loss);
  a.cap = static_cast<float>(o.soft_cap);
  return a;
}

template <class T>
void read_all_logits(queue& q, const cross_entropy_arguments<T>& a, std::int64_t rows) {
  q.split(rows, row_grain(a.columns), q.pick(&portable::cross_entropy<T>, &avx2::cross_entropy<T>, &avx512::cross_entropy<T>), a);
}

}  // namespace detail

/// Losses and l of rows, and the losses' sum. Throws where a label isn't one of the vocabulary.
template <class T>
cross_entropy_sum cross_entropy(queue& q, const tensor_view<T, 2>& logits, tensor_view<const std::int32_t, 1> labels, writes<computes_in<T>, 1> loss,
                                writes<computes_in<T>, 1> lse, const cross_entropy_options& o = {}) {
  using number = std::remove_const_t<T>;
  const std::int64_t rows = logits.rows();
  stretto::detail::check_whole_vocabulary(o.shard.first, o.shard.whole);
  detail::check_labels("cross_entropy", rows, logits.columns(), labels, o);
  detail::check_run("cross_entropy", "loss", loss, rows, "row");
  detail::check_run("cross_entropy", "lse", lse, rows, "row");
  if constexpr (std::is_same_v<number, double>) {
    return reference::cross_entropy(logits, labels, loss, lse, o);
  } else {
    auto a = detail::cross_entropy_of<number>(logits, labels, o);
    std::int64_t right = 0;
    a.loss = loss.data(), a.lse = lse.data(), a.right = o.count_right ? &right : nullptr;
    detail::read_all_logits(q, a, rows);
    cross_entropy_sum all = stretto::detail::add_losses<float>(labels, loss, o);
    all.right = right;
    return all;
  }
}

/// The options as operations of this queue take them.
inline const cross_entropy_options& losses_for(queue&, const cross_entropy_options& o) { return o; }

/// The losses' sum where a layer gives it; 0 where there are no labels.
template <class T>
void cross_entropy_total(queue& q, const tensor_view<T, 2>& logits, tensor_view<const std::int32_t, 1> labels, writes<computes_in<T>, 1> loss,
                         writes<computes_in<T>, 1> lse, double& total, const cross_entropy_options& o = {}) {
  total = labels.empty() ? 0 : static_cast<double>(cross_entropy(q, logits, labels, loss, lse, o).loss);
}

/// Of a shard's columns: l, c[label] where it is among them, else 0, and the sum of c, where `sum` isn't {}.
template <class T>
void cross_entropy_shard(queue& q, const tensor_view<T, 2>& logits, tensor_view<const std::int32_t, 1> labels, writes<computes_in<T>, 1> lse,
                         writes<computes_in<T>, 1> target, writes<computes_in<T>, 1> sum = {}, const cross_entropy_options& o = {}) {
  using number = std::remove_const_t<T>;
  const std::int64_t rows = logits.rows();
  detail::check_labels("cross_entropy_shard", rows, logits.columns(), labels, o);
  detail::check_run("cross_entropy_shard", "lse", lse, rows, "row");
  detail::check_run("cross_entropy_shard", "target", target, rows, "row");
  detail::check_run("cross_entropy_shard", "sum", sum, rows, "row", true);
  if constexpr (std::is_same_v<number, double>) {
    reference::cross_entropy_shard(logits, labels, lse, target, sum, o);
  } else {
    auto a = detail::cross_entropy_of<number>(logits, labels, o);
    a.lse = lse.data(), a.target = target.data(), a.sum = sum.data();
    detail::read_all_logits(q, a, rows);
  }
}

/// The gradient of all losses times `factor`. dlogits may be the logits.
template <class T>
void cross_entropy_backward(queue& q, reads<T, 2> logits, tensor_view<const std::int32_t, 1> labels, reads<computes_in<T>, 1> lse, computes_in<T> factor,
                            const tensor_view<T, 2>& dlogits, const cross_entropy_options& o = {}) {
  constexpr const char* operation = "cross_entropy_backward";
  const std::int64_t rows = logits.rows(), columns = logits.columns();
  detail::check_labels(operation, rows, columns, labels, o);
  detail::check_run(operation, "lse", lse, rows, "row");
  detail::check_matrix(operation, "dlogits", dlogits, rows, columns);
  if constexpr (std::is_same_v<T, double>) {
    reference::cross_entropy_backward<double>(logits, labels, lse, factor, dlogits, o);
  } else {
    auto a = detail::cross_entropy_of<T>(logits, labels, o);
    a.lse = const_cast<float*>(lse.data()), a.factor = factor, a.dx = dlogits.data(), a.dx_gap = dlogits.stride(0);
    a.streams = dlogits.data() != logits.data() && detail::past_cache<T>(logits.size());
    q.split(rows, detail::row_grain(columns), q.pick(&portable::cross_entropy_backward<T>, &avx2::cross_entropy_backward<T>, &avx512::cross_entropy_backward<T>), a);
  }
}

}  // namespace stretto::inline v0::host
