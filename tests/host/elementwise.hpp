// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What every operation is held to that gives each number from numbers in the same place: near the truth on every set of
// instructions, and the same bits wherever a number stands, however matrices are strided and whoever does them.
//
//     test::hold_elementwise<2, 1>([](auto& q, const auto& in, const auto& out) { host::add(q, in[0], in[1], out[0]); },
//                                  [](const auto& in, const auto& out) { reference::add(in[0], in[1], out[0]); });
#pragma once

#include <array>
#include <string>

#include "host/bounds.hpp"

namespace test {

template <class T, int N>
using matrices = std::array<tensor_view<T, 2>, N>;

/// Calls f with views of `owners`, which may only be read.
template <class T, std::size_t N>
matrices<const T, N> as_read(const std::array<tensor<T, 2>, N>& owners) {
  matrices<const T, N> v;
  for (std::size_t i = 0; i < N; ++i) v[i] = owners[i];
  return v;
}
template <class T, std::size_t N>
matrices<T, N> as_written(std::array<tensor<T, 2>, N>& owners) {
  matrices<T, N> v;
  for (std::size_t i = 0; i < N; ++i) v[i] = owners[i];
  return v;
}

template <class T, std::size_t N>
std::array<tensor<T, 2>, N> made(const shape<2>& s) {
  std::array<tensor<T, 2>, N> t;
  for (auto& one : t) one = tensor<T, 2>(s);
  return t;
}

template <class T>
void copy_numbers(const tensor_view<const T, 2>& from, const tensor_view<T, 2>& to) {
  for (std::int64_t i = 0; i < to.rows(); ++i)
    for (std::int64_t j = 0; j < to.columns(); ++j) to(i, j) = from(i, j);
}

/// A matrix whose rows begin at odd places and have gaps between them.
template <class T>
struct ragged {
  tensor<T, 2> all;
  tensor_view<T, 2> part;
  ragged() = default;
  explicit ragged(const shape<2>& s, std::int64_t first = 3) : all({s[0], s[1] + 5}), part(all.columns(first, s[1])) {}
};

template <int In, int Out, class Fast, class Plain>
struct elementwise_case {
  Fast fast;    ///< of a queue, matrices that are read, and those that are written
  Plain plain;  ///< the same without the queue, of any type
  double from, to;

  template <class T>
  void near_the_truth(const shape<2>& s) const {
    std::array<tensor<T, 2>, In> in;
    std::array<tensor<double, 2>, In> in_double;
    for (int i = 0; i < In; ++i) in[i] = numbers<T>(s, static_cast<unsigned>(7 * i + 1), from, to), in_double[i] = as<double>(in[i]);
    auto truth = made<double, Out>(s);
    auto loops = made<T, Out>(s);
    plain(as_read(in_double), as_written(truth));
    plain(as_read(in), as_written(loops));
    for (host::isa level : levels()) {
      INFO(host::isa_name(level) << " " << element_name(element_traits<T>::type) << " " << s.words().c_str());
      host::queue q({.most = level, .scratch_bytes = 0});
      auto got = made<T, Out>(s);
      fast(q, as_read(in), as_written(got));
      for (int o = 0; o < Out; ++o) CHECK(near_truth(got[o], loops[o], truth[o]));
      // The same numbers at other places give the same bits, and nothing beside them is touched.
      std::array<ragged<T>, In> from_parts{make_ragged<T, In>(s)};
      std::array<ragged<T>, Out> to_parts{make_ragged<T, Out>(s)};
      matrices<const T, In> reads_parts;
      matrices<T, Out> writes_parts;
      for (int i = 0; i < In; ++i) copy_numbers<T>(in[i], from_parts[i].part), reads_parts[i] = from_parts[i].part;
      for (int o = 0; o < Out; ++o) writes_parts[o] = to_parts[o].part;
      fast(q, reads_parts, writes_parts);
      for (int o = 0; o < Out; ++o) {
        auto kept = made<T, 1>(s);
        copy_numbers<T>(to_parts[o].part, kept[0]);
        CHECK(same_bits(kept[0], got[o]));
        for (std::int64_t r = 0; r < s[0]; ++r)
          for (std::int64_t c : {0, 1, 2, -1, -2}) CHECK(static_cast<float>(to_parts[o].all(r, c < 0 ? s[1] + 5 + c : c)) == 0.0f);
      }
      if (s[0] > 1) {  // a row by itself
        auto row = made<T, Out>({1, s[1]});
        matrices<const T, In> last;
        for (int i = 0; i < In; ++i) last[i] = in[i].rows(s[0] - 1, 1);
        fast(q, last, as_written(row));
        for (int o = 0; o < Out && s[1] > 0; ++o) CHECK(std::memcmp(row[o].data(), got[o].row(s[0] - 1), static_cast<std::size_t>(s[1]) * sizeof(T)) == 0);
      }
    }
  }

  /// What is no number and what is infinite, as in the truth.
  template <class T>
  void with_what_is_no_number() const {
    const shape<2> s{{3, 47}};
    std::array<tensor<T, 2>, In> in;
    std::array<tensor<double, 2>, In> in_double;
    for (int i = 0; i < In; ++i) in[i] = numbers<T>(s, static_cast<unsigned>(7 * i + 1), from, to);
    const float odd[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), 0.0f};
    for (int i = 0; i < In; ++i)
      for (int k = 0; k < 24; ++k) in[i].data()[k * 5 + (k % 7) * i] = static_cast<T>(odd[(k + i * (1 + k / 4)) % 4]);
    for (int i = 0; i < In; ++i) in_double[i] = as<double>(in[i]);
    auto truth = made<double, Out>(s);
    plain(as_read(in_double), as_written(truth));
    for (host::isa level : levels()) {
      INFO(host::isa_name(level) << " " << element_name(element_traits<T>::type));
      host::queue q({.most = level, .scratch_bytes = 0});
      auto got = made<T, Out>(s);
      fast(q, as_read(in), as_written(got));
      int differ = 0;
      for (int o = 0; o < Out; ++o)
        for (std::int64_t k = 0; k < got[o].size(); ++k) {
          const double a = static_cast<double>(got[o].data()[k]), b = truth[o].data()[k];
          differ += std::isnan(a) != std::isnan(b) || (!std::isnan(b) && (std::isinf(a) || std::isinf(b)) && a != b);
        }
      CHECK(differ == 0);
    }
  }

  /// More than goes into the cache, on 1 to 3 threads, against parts that stay in it.
  template <class T>
  void in_parts() const {
    const std::int64_t columns = 1031, rows = (4 << 20) / columns / static_cast<std::int64_t>(sizeof(T)) + 9;
    std::array<tensor<T, 2>, In> in;
    for (int i = 0; i < In; ++i) in[i] = numbers<T>(shape<2>{{rows, columns}}, static_cast<unsigned>(i + 1), from, to);
    auto parts = made<T, Out>({rows, columns}), all = made<T, Out>({rows, columns});
    // Of two that are written, lines begin together, or don't.
    std::array<ragged<T>, Out> together, apart;
    for (int o = 0; o < Out; ++o) together[o] = ragged<T>(shape<2>{{rows, columns}}), apart[o] = ragged<T>(shape<2>{{rows, columns}}, 3 - o);
    for (host::isa level : levels()) {
      host::queue one({.most = level, .scratch_bytes = 0});
      for (std::int64_t r = 0; r < rows; r += 100) {
        const std::int64_t n = r + 100 < rows ? 100 : rows - r;
        matrices<const T, In> some_in;
        matrices<T, Out> some_out;
        for (int i = 0; i < In; ++i) some_in[i] = in[i].rows(r, n);
        for (int o = 0; o < Out; ++o) some_out[o] = parts[o].rows(r, n);
        fast(one, some_in, some_out);
      }
      for (int threads = 1; threads <= 3; ++threads) {
        INFO(host::isa_name(level) << " " << threads << " threads");
        host::queue q({.threads = threads, .most = level, .scratch_bytes = 0});
        matrices<T, Out> out;
        for (int o = 0; o < Out; ++o) {
          out[o] = threads == 1 ? tensor_view<T, 2>(all[o]) : threads == 2 ? together[o].part : apart[o].part;
          for (std::int64_t r = 0; r < rows; ++r) std::memset(out[o].row(r), 0, static_cast<std::size_t>(columns) * sizeof(T));
        }
        fast(q, as_read(in), out);
        int differ = 0;
        for (int o = 0; o < Out; ++o)
          for (std::int64_t r = 0; r < rows; ++r) differ += std::memcmp(out[o].row(r), parts[o].row(r), static_cast<std::size_t>(columns) * sizeof(T)) != 0;
        CHECK(differ == 0);
      }
    }
  }

 private:
  template <class T, std::size_t N>
  static std::array<ragged<T>, N> make_ragged(const shape<2>& s) {
    if constexpr (N == 1) return {ragged<T>(s)};
    else if constexpr (N == 2) return {ragged<T>(s), ragged<T>(s)};
    else return {ragged<T>(s), ragged<T>(s), ragged<T>(s)};
  }
};

/// All of it but what is large.
template <int In, int Out, class Fast, class Plain>
void hold_elementwise(Fast fast, Plain plain, double from = -4, double to = 4) {
  const elementwise_case<In, Out, Fast, Plain> c{fast, plain, from, to};
  each_type([&](auto t) {
    using T = decltype(t);
    for (const shape<2>& s : {shape<2>{{0, 5}}, shape<2>{{4, 0}}, shape<2>{{1, 1}}, shape<2>{{3, 13}}, shape<2>{{2, 67}}, shape<2>{{5, 128}}, shape<2>{{1, 4211}}})
      c.template near_the_truth<T>(s);
    c.template with_what_is_no_number<T>();
  });
}

template <class T, int In, int Out, class Fast, class Plain>
void hold_elementwise_in_parts(Fast fast, Plain plain, double from = -4, double to = 4) {
  elementwise_case<In, Out, Fast, Plain>{fast, plain, from, to}.template in_parts<T>();
}

}  // namespace test
