// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Cross-entropy of rows of logits with one label each, as plain loops: what the devices' versions are held to.
//
//     c = x, or cap tanh(x / cap)            l = log(sum over the vocabulary of exp(c))            e: label_smoothing
//     loss = weight ((1 - e) (l - c[label]) + e (l - mean(c)) + z_loss l²)        0 where the label is `ignore`
//     dx   = factor weight ((1 + 2 z_loss l) exp(c - l) - e / vocabulary - (1 - e) [label]) (1 - (c / cap)²)
// Columns beyond the vocabulary are padding: no probability, gradient 0. A shard of the vocabulary, columns from
// `shard.first` on of `shard.whole`, gives its own l, c[label] and sum of c; these join (lse_merge.hpp, sums) to those of the
// whole, from which finish_cross_entropy makes losses, and each shard its gradient.
// Source: Szegedy et al., CVPR 2016 (smoothing, over all labels with the right one); Chowdhery et al., arXiv 2204.02311, 2022
// (z-loss); Gemma Team, arXiv 2408.00118, 2024 (soft cap).
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include <stretto/numeric/row_checks.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

/// Which columns of the vocabulary a matrix of logits has.
struct vocabulary_shard {
  std::int64_t first = 0;
  std::int64_t whole = 0;  ///< size of the vocabulary; 0: the matrix has all
};

/// Space: the memory that weights are in.
template <class Space>
struct cross_entropy_options_in {
  std::int32_t ignore = -100;               ///< label of rows that don't count
  std::int64_t vocabulary = 0;              ///< columns that aren't padding; 0: all
  double label_smoothing = 0;
  double z_loss = 0;
  double soft_cap = 0;                      ///< 0: none
  tensor_view<const float, 1, Space> weights = {};  ///< one a row; {}: all 1
  bool count_right = false;                 ///< count rows whose largest logit, of equals the first, is that of the label; what is no number is none
  vocabulary_shard shard = {};              ///< for cross_entropy_shard and cross_entropy_backward

  /// The vocabulary of a matrix of that many columns, and how many of these are in it.
  constexpr std::int64_t labels(std::int64_t columns) const { return shard.whole > 0 ? shard.whole : vocabulary > 0 ? vocabulary : columns; }
  constexpr std::int64_t valid(std::int64_t columns) const {
    const std::int64_t all = labels(columns);
    return shard.first >= all ? 0 : shard.first <= all - columns ? columns : all - shard.first;
  }
  /// The same with weights in another memory, or none.
  template <class Other>
  constexpr cross_entropy_options_in<Other> with(const tensor_view<const float, 1, Other>& others) const {
    return {ignore, vocabulary, label_smoothing, z_loss, soft_cap, others, count_right, shard};
  }
};
/// The CPU's.
using cross_entropy_options = cross_entropy_options_in<host_memory>;

/// Sums over rows that count, in double, in the order of rows.
struct cross_entropy_sum {
  double loss = 0;
  double weight = 0;         ///< 1 / weight is the factor of a mean loss
  std::int64_t tokens = 0;
  std::int64_t right = 0;    ///< where count_right asks for it
};

namespace detail {

/// Throws where shapes don't go together. Labels themselves aren't looked at.
template <class Space>
void check_cross_entropy(const char* operation, std::int64_t rows, std::int64_t columns, const tensor_view<const std::int32_t, 1, Space>& labels,
                         const cross_entropy_options_in<Space>& o) {
  check_run(operation, "labels", labels, rows, "row");
  check_run(operation, "weights", o.weights, rows, "row", true);
  if (o.shard.first < 0 || o.shard.first > 2147483647 || o.shard.whole < 0 || (o.shard.whole == 0 && o.shard.first != 0))
    throw error(text("stretto: ", operation, " was given a shard from ", o.shard.first, " on of a vocabulary of ", o.shard.whole,
                     "; give first from 0 to 2147483647, and the size of the vocabulary as whole").str());
  if (o.shard.whole == 0 && o.vocabulary > columns)
    throw error(text("stretto: ", operation, " of ", columns, " columns can't have a vocabulary of ", o.vocabulary, "; give at most as many, or the shard that the columns are").str());
}
inline void check_whole_vocabulary(std::int64_t shard_first, std::int64_t shard_whole) {
  if (shard_whole != 0)
    throw error(text("stretto: cross_entropy needs the whole vocabulary, and was given a shard from ", shard_first, " on; use cross_entropy_shard").str());
}

/// The loss of a row from l, c[label] and the mean of c.
template <class number>
constexpr number row_loss(number lse, number target, number mean, number weight, number smoothing, number z) {
  const number smooth = smoothing != 0 ? smoothing * (lse - mean) : 0;
  return weight * ((1 - smoothing) * (lse - target) + smooth + z * lse * lse);
}

/// Which of n columns from `first` on is that of a label, or -1.
constexpr std::int64_t column_of(std::int32_t label, std::int64_t first, std::int64_t n) {
  const std::uint64_t at = static_cast<std::uint64_t>(label) - static_cast<std::uint64_t>(first);
  return at < static_cast<std::uint64_t>(n) ? static_cast<std::int64_t>(at) : -1;
}

/// The first row whose label is neither one of the vocabulary nor `ignore`, or -1.
inline std::int64_t wrong_label(const tensor_view<const std::int32_t, 1>& labels, std::int64_t vocabulary, std::int32_t ignore) {
  for (std::int64_t t = 0; t < labels.size(); ++t)
    if (labels[t] != ignore && (labels[t] < 0 || labels[t] >= vocabulary)) return t;
  return -1;
}

template <class number>
cross_entropy_sum add_losses(const tensor_view<const std::int32_t, 1>& labels, const tensor_view<const number, 1>& loss, const cross_entropy_options& o) {
  cross_entropy_sum all;
  for (std::int64_t t = 0; t < labels.size(); ++t) {
    if (labels[t] == o.ignore) continue;
    all.loss += static_cast<double>(loss[t]);
    all.weight += o.weights.data() != nullptr ? static_cast<double>(o.weights[t]) : 1.0;
    ++all.tokens;
  }
  return all;
}

}  // namespace detail

/// Losses of rows from what all shards joined to: l, c[label] and, needed for smoothing alone, the sum of c.
template <class number>
cross_entropy_sum finish_cross_entropy(tensor_view<const std::int32_t, 1> labels, reads<number, 1> lse, reads<number, 1> target, reads<number, 1> sum,
                                       const tensor_view<number, 1>& loss, const cross_entropy_options& o) {
  const auto check = [&](std::int64_t size, const char* name) {
    if (size != labels.size())
      throw error(text("stretto: finish_cross_entropy of ", labels.size(), " labels was given ", size, " numbers as ", name, "; give one for each label").str());
  };
  check(lse.size(), "lse"), check(target.size(), "target"), check(loss.size(), "loss");
  if (sum.data() != nullptr) check(sum.size(), "sum");
  if (o.weights.data() != nullptr) check(o.weights.size(), "weights");
  if (o.label_smoothing != 0 && (sum.data() == nullptr || o.labels(0) == 0))
    throw error("stretto: finish_cross_entropy needs the sums of logits and the vocabulary's size for label smoothing; give sum, and shard.whole or vocabulary");
  for (std::int64_t t = 0; t < labels.size(); ++t) {
    const number mean = sum.data() != nullptr ? sum[t] / static_cast<number>(o.labels(0)) : 0;
    const number weight = o.weights.data() != nullptr ? static_cast<number>(o.weights[t]) : 1;
    loss[t] = labels[t] == o.ignore ? 0 : detail::row_loss(lse[t], target[t], mean, weight, static_cast<number>(o.label_smoothing), static_cast<number>(o.z_loss));
  }
  return detail::add_losses<number>(labels, loss, o);
}

namespace reference {

/// l, c[label] where this shard has it, else 0, and the sum of c, where `sum` isn't {}. All 0 for rows that don't count.
template <class T>
void cross_entropy_shard(const tensor_view<T, 2>& logits, tensor_view<const std::int32_t, 1> labels, writes<computes_in<T>, 1> lse, writes<computes_in<T>, 1> target,
                         writes<computes_in<T>, 1> sum = {}, const cross_entropy_options& o = {}) {
  using number = computes_in<T>;
  const std::int64_t n = o.valid(logits.columns());
  const auto cap = static_cast<number>(o.soft_cap);
  const auto capped = [&](T x) { return cap > 0 ? cap * std::tanh(static_cast<number>(x) / cap) : static_cast<number>(x); };
  for (std::int64_t t = 0; t < logits.rows(); ++t) {
    lse[t] = target[t] = 0;
    if (sum.data() != nullptr) sum[t] = 0;
    if (labels[t] == o.ignore) continue;
    number most = -std::numeric_limits<number>::infinity(), exponentials = 0, all = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const number c = capped(logits(t, i));
      all += c;
      most = c > most ? c : most;
    }
    if (most == -std::numeric_limits<number>::infinity()) most = 0;
    for (std::int64_t i = 0; i < n; ++i) exponentials += std::exp(capped(logits(t, i)) - most);
    lse[t] = most + std::log(exponentials);
    if (const std::int64_t at = stretto::detail::column_of(labels[t], o.shard.first, n); at >= 0) target[t] = capped(logits(t, at));
    if (sum.data() != nullptr) sum[t] = all;
  }
}

/// Losses and l of rows, and the losses' sum.
template <class T>
cross_entropy_sum cross_entropy(const tensor_view<T, 2>& logits, tensor_view<const std::int32_t, 1> labels, writes<computes_in<T>, 1> loss,
                                writes<computes_in<T>, 1> lse, const cross_entropy_options& o = {}) {
  using number = computes_in<T>;
  const std::int64_t n = o.valid(logits.columns());
  cross_entropy_options whole = o;
  whole.vocabulary = n;
  if (n == 0) whole.label_smoothing = 0;  // no row counts
  cross_entropy_sum result;
  for (std::int64_t t = 0; t < logits.rows(); ++t) {  // row by row, so that no room for targets is needed
    number target = 0, sum = 0;
    cross_entropy_shard(logits.rows(t, 1), labels.part(0, t, 1), lse.part(0, t, 1), {&target, {{1}}}, {&sum, {{1}}}, o);
    if (o.weights.data() != nullptr) whole.weights = o.weights.part(0, t, 1);
    finish_cross_entropy<number>(labels.part(0, t, 1), lse.part(0, t, 1), {&target, {{1}}}, {&sum, {{1}}}, loss.part(0, t, 1), whole);
    std::int64_t best = -1;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto x = static_cast<number>(logits(t, i));
      if (best < 0 ? x == x : x > static_cast<number>(logits(t, best))) best = i;
    }
    if (o.count_right && labels[t] != o.ignore && best == labels[t]) ++result.right;
  }
  const std::int64_t right = result.right;
  result = stretto::detail::add_losses<number>(labels, loss, o);
  result.right = right;
  return result;
}

/// dx. The gradient may be written over the logits.
template <class T>
void cross_entropy_backward(reads<T, 2> logits, tensor_view<const std::int32_t, 1> labels, reads<computes_in<T>, 1> lse, computes_in<T> factor,
                            const tensor_view<T, 2>& dlogits, const cross_entropy_options& o = {}) {
  using number = computes_in<T>;
  const std::int64_t n = o.valid(logits.columns());
  const auto cap = static_cast<number>(o.soft_cap), smoothing = static_cast<number>(o.label_smoothing), z = static_cast<number>(o.z_loss);
  for (std::int64_t t = 0; t < logits.rows(); ++t) {
    const std::int64_t at = stretto::detail::column_of(labels[t], o.shard.first, n);
    const number weight = factor * (o.weights.data() != nullptr ? static_cast<number>(o.weights[t]) : 1);
    for (std::int64_t i = 0; i < logits.columns(); ++i) {
      number d = 0;
      if (labels[t] != o.ignore && i < n) {
        const auto x = static_cast<number>(logits(t, i));
        const number share = cap > 0 ? std::tanh(x / cap) : 0, p = std::exp((cap > 0 ? cap * share : x) - lse[t]);
        const number wanted = smoothing / static_cast<number>(o.labels(logits.columns())) + (i == at ? 1 - smoothing : 0);
        d = weight * (p * (1 + 2 * z * lse[t]) - wanted) * (1 - share * share);
      }
      dlogits(t, i) = static_cast<T>(d);
    }
  }
}

}  // namespace reference
}  // namespace stretto::inline v0
