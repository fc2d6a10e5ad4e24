// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Queries, keys and values out of the columns of one product, in plain loops: heads of the first two may be normed, each by
// itself, and are turned; values are copied.
//
//     qkv, a row a token   | query heads | key heads | value heads |
//     r = 1 / sqrt(mean(x²) + epsilon)     z = x r w     y = z turned by the token's position            of each head of queries and keys
//     g = dy turned back                   dx = r (g w - x r mean(g w x r))     dw += sum over tokens and heads of g x r
// Norms of queries and of keys have a weight each, one for each number of a head, which all heads share; without weights there
// are no norms. r is kept for the way back: (heads of queries, then of keys; tokens).
// Source: Henry et al., Query-key normalization for transformers, 2020; Dehghani et al., Scaling vision transformers, 2023.
#pragma once

#include <stretto/numeric/rms_norm.hpp>
#include <stretto/numeric/rotary.hpp>
#include <stretto/numeric/row_checks.hpp>

namespace stretto::inline v0 {

/// Weights of the norms of heads, or none.
template <class T, class Space = host_memory>
struct head_norms {
  tensor_view<const T, 1, Space> queries = {}, keys = {};  ///< both, or neither
  double epsilon = 1e-5;

  bool any() const { return queries.data() != nullptr || keys.data() != nullptr; }
};

/// What the gradients of norms need, and where those of the weights are added.
template <class T, class Space = host_memory>
struct head_norms_backward {
  head_norms<T, Space> norms = {};
  tensor_view<const T, 2, Space> qkv = {};                  ///< as split_rotary read it
  tensor_view<const computes_in<T>, 2, Space> inverse = {};
  tensor_view<computes_in<T>, 1, Space> dqueries = {}, dkeys = {};
};

namespace detail {

/// The columns of a matrix that hold queries, keys and values side by side.
template <class Space, class T, class U>
void split_heads(const char* operation, const tensor_view<T, 2, Space>& qkv, const tensor_view<U, 3, Space>& queries, const tensor_view<U, 3, Space>& keys, const tensor_view<U, 3, Space>& values,
                 tensor_view<T, 3, Space> (&to)[3]) {
  const std::int64_t size = queries.extent(2), heads = queries.extent(1), shared = keys.extent(1);
  if (keys.extents() != values.extents() || keys.extent(0) != queries.extent(0) || keys.extent(2) != size || qkv.rows() != queries.extent(0) || qkv.columns() != (heads + 2 * shared) * size)
    throw error(text("stretto: ", operation, " of a matrix of shape ", qkv.extents().words().str(), " has queries of ", queries.extents().words().str(), ", keys of ", keys.extents().words().str(), " and values of ",
                     values.extents().words().str(), "; give (tokens, heads, head size), which fill its columns side by side").str());
  const std::int64_t first[] = {0, heads * size, (heads + shared) * size}, count[] = {heads, shared, shared}, strides[] = {qkv.stride(0), size, 1};
  for (int p = 0; p < 3; ++p) to[p] = tensor_view<T, 3, Space>(qkv.data() + (qkv.data() != nullptr ? first[p] : 0), {{qkv.rows(), count[p], size}}, strides);
}

/// tokens, heads and size: of queries; inverse may be left out forward.
template <class T, class C, class Space>
void check_head_norms(const char* operation, const head_norms<T, Space>& n, const shape<3>& queries, const shape<3>& keys, const tensor_view<C, 2, Space>& inverse, bool optional) {
  if (!n.any()) return;
  check_run(operation, "a weight of queries", n.queries, queries[2], "number");
  check_run(operation, "a weight of keys", n.keys, queries[2], "number");
  if (!optional || inverse.data() != nullptr) check_matrix(operation, "inverse", inverse, queries[1] + keys[1], queries[0]);
}
template <class T, class Space>
void check_head_norms_backward(const char* operation, const head_norms_backward<T, Space>& n, const shape<2>& dqkv, const shape<3>& queries, const shape<3>& keys) {
  if (!n.norms.any()) return;
  check_head_norms(operation, n.norms, queries, keys, n.inverse, false);
  check_matrix(operation, "qkv", n.qkv, dqkv[0], dqkv[1]);
  check_run(operation, "a gradient of the queries' weight", n.dqueries, queries[2], "number");
  check_run(operation, "a gradient of the keys' weight", n.dkeys, queries[2], "number");
}

/// A head of all tokens.
template <class T, class Space>
tensor_view<T, 2, Space> head_of(const tensor_view<T, 3, Space>& x, std::int64_t head) {
  const std::int64_t strides[] = {x.stride(0), 1};
  return {x.data() + (x.data() != nullptr ? head * x.stride(1) : 0), {{x.extent(0), x.extent(2)}}, strides};
}
/// Row `row` of a matrix, as a run.
template <class T, class Space>
tensor_view<T, 1, Space> run_of(const tensor_view<T, 2, Space>& m, std::int64_t row) {
  return m.data() == nullptr ? tensor_view<T, 1, Space>{} : tensor_view<T, 1, Space>(m.row(row), {{m.columns()}});
}

}  // namespace detail

namespace reference {

template <class T>
void split_rotary(reads<T, 2> qkv, reads<std::int32_t, 1> positions, const rotary_table<computes_in<T>>& table, const tensor_view<T, 3>& queries, writes<T, 3> keys, writes<T, 3> values,
                  const head_norms<std::type_identity_t<T>>& n = {}, writes<computes_in<T>, 2> inverse = {}) {
  using C = computes_in<T>;
  tensor_view<const T, 3> from[3];
  stretto::detail::split_heads("split_rotary", qkv, queries, tensor_view<T, 3>(keys), tensor_view<T, 3>(values), from);
  const tensor_view<T, 3> to[] = {queries, keys, values};
  const std::int64_t tokens = qkv.rows(), size = queries.extent(2), half = table.dims() / 2;
  tensor<C, 1> z({size});
  for (int p = 0; p < 3; ++p)
    for (std::int64_t h = 0; h < from[p].extent(1); ++h)
      for (std::int64_t t = 0; t < tokens; ++t) {
        for (std::int64_t i = 0; i < size; ++i) z[i] = static_cast<C>(from[p](t, h, i));
        if (p < 2 && n.any()) {
          C squares = 0;
          for (const C v : z) squares += v * v;
          const C r = 1 / std::sqrt(squares / static_cast<C>(size) + static_cast<C>(n.epsilon));
          if (inverse.data() != nullptr) inverse(p * queries.extent(1) + h, t) = r;
          for (std::int64_t i = 0; i < size; ++i) z[i] = z[i] * r * static_cast<C>(p == 0 ? n.queries[i] : n.keys[i]);
        }
        if (p < 2)
          for (std::int64_t i = 0; i < half; ++i) {
            const bool halves = table.pairs() == rotary_pairs::halves;
            C &a = z[halves ? i : 2 * i], &b = z[halves ? i + half : 2 * i + 1];
            const C c = table.row(positions[t])[i], s = table.row(positions[t])[half + i], turned = a * c - b * s;
            b = b * c + a * s, a = turned;
          }
        for (std::int64_t i = 0; i < size; ++i) to[p](t, h, i) = static_cast<T>(z[i]);
      }
}

/// dqkv is written; gradients of queries, keys and values may be its columns.
template <class T>
void split_rotary_backward(reads<T, 3> dqueries, reads<T, 3> dkeys, reads<T, 3> dvalues, reads<std::int32_t, 1> positions, const rotary_table<computes_in<T>>& table, const tensor_view<T, 2>& dqkv,
                           const head_norms_backward<std::type_identity_t<T>>& n = {}) {
  using C = computes_in<T>;
  const tensor_view<const T, 3> from[] = {dqueries, dkeys, dvalues};
  tensor_view<T, 3> to[3];
  stretto::detail::split_heads("split_rotary_backward", dqkv, from[0], from[1], from[2], to);
  tensor_view<const T, 3> x[3];
  if (n.norms.any()) stretto::detail::split_heads("split_rotary_backward", n.qkv, from[0], from[1], from[2], x);
  const std::int64_t tokens = dqkv.rows(), size = dqueries.extent(2), half = table.dims() / 2;
  tensor<C, 1> g({size});
  for (int p = 0; p < 3; ++p)
    for (std::int64_t h = 0; h < from[p].extent(1); ++h)
      for (std::int64_t t = 0; t < tokens; ++t) {
        for (std::int64_t i = 0; i < size; ++i) g[i] = static_cast<C>(from[p](t, h, i));
        if (p < 2)
          for (std::int64_t i = 0; i < half; ++i) {
            const bool halves = table.pairs() == rotary_pairs::halves;
            C &a = g[halves ? i : 2 * i], &b = g[halves ? i + half : 2 * i + 1];
            const C c = table.row(positions[t])[i], s = table.row(positions[t])[half + i], turned = a * c + b * s;
            b = b * c - a * s, a = turned;
          }
        if (p < 2 && n.norms.any()) {
          const auto& w = p == 0 ? n.norms.queries : n.norms.keys;
          const auto& dw = p == 0 ? n.dqueries : n.dkeys;
          const C r = n.inverse(p * dqueries.extent(1) + h, t);
          C along = 0;
          for (std::int64_t i = 0; i < size; ++i) {
            const C normed = static_cast<C>(x[p](t, h, i)) * r;
            dw[i] += g[i] * normed;
            g[i] *= static_cast<C>(w[i]);
            along += g[i] * normed;
          }
          along /= static_cast<C>(size);
          for (std::int64_t i = 0; i < size; ++i) g[i] = r * (g[i] - static_cast<C>(x[p](t, h, i)) * r * along);
        }
        for (std::int64_t i = 0; i < size; ++i) to[p](t, h, i) = static_cast<T>(g[i]);
      }
}

}  // namespace reference
}  // namespace stretto::inline v0
