// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tests of attention share: sizes, options, layouts, and lse that may be minus infinity.
#pragma once

#include <string>
#include <vector>

#include <stretto/numeric/attention.hpp>

#include "bounds.hpp"

namespace test {

struct attention_case {
  std::int64_t tq, tk, heads, kv, d;
  attention_options options = {};
  token_places at_queries = {}, at_keys = {};

  std::string words() const {
    return std::to_string(tq) + " x " + std::to_string(tk) + ", heads " + std::to_string(heads) + "/" + std::to_string(kv) + ", head size " + std::to_string(d) +
           (options.causal ? ", causal" : "") + (options.window > 0 ? ", window" : "") + (options.soft_cap > 0 ? ", cap" : "") + (options.dropout > 0 ? ", dropout" : "");
  }
};

/// Nothing, one, odd, prime, as large as a group and a tile and larger, every option, positions that leave gaps.
inline std::vector<attention_case> attention_cases() {
  const random_stream s{11, 12, 13, 14};
  return {{0, 5, 2, 1, 8},
          {5, 0, 2, 1, 8},
          {1, 1, 1, 1, 1},
          {7, 13, 4, 2, 5, {.causal = false}},
          {50, 65, 1, 1, 63},
          {97, 131, 2, 1, 16, {.window = 40, .scale = 0.5}, {.offset = 30}},
          {48, 64, 1, 1, 64, {.causal = false, .soft_cap = 2}},
          {49, 66, 2, 1, 17, {.soft_cap = 3, .dropout = 0.3, .stream = s, .first_head = 2}, {.offset = 130, .step = -3}, {.step = 2}},
          {31, 150, 2, 2, 33, {.causal = false, .window = 20, .dropout = 0.1, .stream = s}, {.step = 4}},
          {20, 70, 1, 1, 128, {.scale = -0.2}, {.offset = 60}},
          {5, 67, 1, 1, 256, {.causal = false, .scale = 0.01}}};
}

template <class T>
struct attention_inputs {
  tensor<T, 3> queries, keys, values, d_output;

  explicit attention_inputs(const attention_case& c)
      : queries(numbers<T, 3>({c.tq, c.heads, c.d}, 1, -2, 2)), keys(numbers<T, 3>({c.tk, c.kv, c.d}, 2, -2, 2)), values(numbers<T, 3>({c.tk, c.kv, c.d}, 3)),
        d_output(numbers<T, 3>({c.tq, c.heads, c.d}, 4)) {}
};

/// The same numbers, 0 where they are minus infinity.
template <class T>
tensor<T, 2> finite(const tensor<T, 2>& lse) {
  tensor<T, 2> t = lse;
  for (T& l : t)
    if (l == -std::numeric_limits<T>::infinity()) l = 0;
  return t;
}
/// Whether they are minus infinity in the same places.
template <class A, class B>
bool same_places(const tensor<A, 2>& a, const tensor<B, 2>& b) {
  for (std::int64_t i = 0; i < a.size(); ++i)
    if ((a.data()[i] == -std::numeric_limits<A>::infinity()) != (b.data()[i] == -std::numeric_limits<B>::infinity())) return false;
  return true;
}

/// The levels that attention has kernels for.
inline std::vector<host::isa> attention_levels() {
  std::vector<host::isa> all;
  for (host::isa i : levels())
    if (i <= host::isa::avx512) all.push_back(i);
  return all;
}

/// Positions of a rank's tokens, of n over some ranks.
enum class layout { contiguous, zigzag, striped };
inline std::vector<std::int32_t> positions_of(layout l, int n, int ranks, int rank) {
  std::vector<std::int32_t> p;
  for (int i = 0; i < n; ++i) {
    const int chunk = i / (n / (2 * ranks));
    const int owner = l == layout::striped ? i % ranks : l == layout::contiguous ? chunk / 2 : chunk < ranks ? chunk : 2 * ranks - 1 - chunk;
    if (owner == rank) p.push_back(i);
  }
  return p;
}
inline token_places places_at(const std::vector<std::int32_t>& p) { return {.positions = {p.data(), {{static_cast<std::int64_t>(p.size())}}}}; }

/// Rows of a tensor at some positions.
template <class T>
tensor<T, 3> rows_at(const tensor<T, 3>& t, const std::vector<std::int32_t>& p) {
  tensor<T, 3> r({static_cast<std::int64_t>(p.size()), t.extent(1), t.extent(2)});
  for (std::int64_t i = 0; i < r.extent(0); ++i)
    for (std::int64_t h = 0; h < r.extent(1); ++h)
      for (std::int64_t e = 0; e < r.extent(2); ++e) r(i, h, e) = t(p[static_cast<unsigned>(i)], h, e);
  return r;
}

}  // namespace test
