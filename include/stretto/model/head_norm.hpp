// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Norms of the heads of queries and keys, in a layer: two RMS norms whose weights all heads share, and the turning behind them.
//
//     qkv ─ split ─ norm of each head ─ turned by its position ─► saved.split, which attention reads
// Saved: what attention reads, the inverse root of each head and token, and the weights' gradients of a micro-batch, which are
// added when the weight pass comes, as those of other norms are. Of a shape without head norms nothing is kept, nor done.
// Cost: as much memory as the product of queries, keys and values has, and a pass over it each way.
// Source: numeric/split_rotary.hpp.
#pragma once

#include <stretto/model/shape.hpp>
#include <stretto/model/weights.hpp>
#include <stretto/numeric/split_rotary.hpp>

namespace stretto::inline v0 {

template <class Device, class T>
class head_norm {
 public:
  using real = computes_in<T>;
  using queue = typename Device::queue;
  using matrix = tensor_view<T, 2, typename Device::memory>;
  using reads_matrix = tensor_view<const T, 2, typename Device::memory>;
  using heads = tensor_view<T, 3, typename Device::memory>;
  using places = tensor_view<const std::int32_t, 1, typename Device::memory>;
  using table = typename Device::template rotary_table<real>;
  template <class U, int Rank>
  using numbers = typename Device::template tensor<U, Rank>;

  struct saved {
    numbers<T, 2> split;
    numbers<real, 2> inverse;  // a row a head
    numbers<real, 1> query_part, key_part;

    void reshape(std::int64_t rows) {
      if (inverse.rows() > 0) split.reshape({rows, split.columns()}), inverse.reshape({inverse.rows(), rows});
    }
    std::int64_t bytes() const {
      return split.size() * static_cast<std::int64_t>(sizeof(T)) + (inverse.size() + query_part.size() + key_part.size()) * static_cast<std::int64_t>(sizeof(real));
    }
  };

  explicit head_norm(const transformer_shape& s) : query_(s.head_norm ? s.size() : 0, 1), key_(s.head_norm ? s.size() : 0, 1), epsilon_(s.epsilon), heads_(s.head_norm ? s.heads + s.groups() : 0) {}

  bool any() const { return heads_ > 0; }
  saved make_saved(std::int64_t rows, std::int64_t columns) const {
    if (!any()) return {};
    return {numbers<T, 2>({rows, columns}), numbers<real, 2>({heads_, rows}), numbers<real, 1>({query_.size()}), numbers<real, 1>({key_.size()})};
  }
  void weights_changed(queue& q) { query_.weights_changed(q), key_.weights_changed(q); }
  std::int64_t bytes() const { return query_.bytes() + key_.bytes(); }

  /// Of `rows` tokens from `first` on: queries, keys and values are views of saved.split.
  void forward(queue& q, reads_matrix qkv, const places& at, const table& turning, const heads& queries, const heads& keys, const heads& values, saved& s, std::int64_t first) const {
    split_rotary(q, qkv, at, turning, queries, keys, values, norms(), matrix_of(s.inverse).columns(first, qkv.rows()));
  }
  /// Before the micro-batch's first call of backward_input.
  void begin_backward(queue& q, saved& s) const {
    if (any()) q.zero(s.query_part), q.zero(s.key_part);
  }
  /// Gradients of queries, keys and values are columns of dqkv, where that of qkv takes their place.
  void backward_input(queue& q, reads_matrix qkv, const places& at, const table& turning, const heads& dqueries, const heads& dkeys, const heads& dvalues, const matrix& dqkv, saved& s,
                      std::int64_t first) const {
    split_rotary_backward(q, dqueries, dkeys, dvalues, at, turning, dqkv,
                          {.norms = norms(), .qkv = qkv, .inverse = matrix_of(s.inverse).columns(first, qkv.rows()), .dqueries = s.query_part, .dkeys = s.key_part});
  }
  void backward_weight(queue& q, const saved& s) {
    const auto adds = [&](const numbers<real, 1>& part, numbers<real, 1>& to) {
      const shape<2> row{{1, to.size()}};
      if (to.size() > 0) add(q, part.template shaped<2>(row), to.template shaped<2>(row), to.template shaped<2>(row));
    };
    adds(s.query_part, query_.gradient), adds(s.key_part, key_.gradient);
  }

  void parameters(auto&& visit) {
    if (!any()) return;
    visit("query_norm.weight", query_.value, query_.gradient);
    visit("key_norm.weight", key_.value, key_.gradient);
  }

 private:
  head_norms<T, typename Device::memory> norms() const { return {query_.read(), key_.read(), epsilon_}; }
  static tensor_view<real, 2, typename Device::memory> matrix_of(const numbers<real, 2>& m) { return m; }

  weight_vector<Device, T> query_, key_;
  double epsilon_;
  std::int64_t heads_;
};

}  // namespace stretto::inline v0
