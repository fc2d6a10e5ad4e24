// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The matrix products that a Transformer of GPT-2's family trains with, by themselves: their sizes, how often each comes in
// a micro-batch, and how fast they are, nothing behind them, on matrices that stay in the cache as far as they fit. All
// together make the rate that the model would have if products were all there is.
//
//     y = x w'      rows x out x in        dx = dy w      rows x in x out        dw += dy' x      out x in x rows
#pragma once

#include <cstdint>
#include <vector>

#include <stretto/model/transformer.hpp>

#include "timed_device.hpp"

namespace bench {

struct product_kind {
  bool transposed;  ///< dw += dy' x; else the right-hand matrix is packed
  std::int64_t rows, columns, depth;
  int count = 0;    ///< in a micro-batch

  double operations() const { return 2.0 * static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(depth); }
  bool operator==(const product_kind& o) const { return transposed == o.transposed && rows == o.rows && columns == o.columns && depth == o.depth; }
};

inline std::vector<product_kind> products_of(const transformer_shape& s) {
  std::vector<product_kind> all;
  const auto add = [&](product_kind k) {
    for (product_kind& known : all)
      if (known == k) return void(known.count += k.count);
    all.push_back(k);
  };
  const auto linear = [&](std::int64_t out, std::int64_t in, int count) {
    add({false, s.rows(), out, in, count});
    add({false, s.rows(), in, out, count});
    add({true, out, in, s.rows(), count});
  };
  linear(s.queries() + 2 * s.keys(), s.width, s.layers), linear(s.width, s.queries(), s.layers);
  linear(s.inner(), s.width, s.layers), linear(s.width, s.inner(), s.layers);
  linear(s.vocabulary, s.width, 1);
  return all;
}

/// Seconds of one product of each kind: of the clock on the wall, and of the thread's CPU time.
struct product_times {
  std::vector<double> wall, cpu;
};

class product_probe {
 public:
  explicit product_probe(const std::vector<product_kind>& kinds) : kinds_(kinds) {
    for (const product_kind& k : kinds) {
      matrices m{tensor<float, 2>(k.transposed ? shape<2>{{k.depth, k.rows}} : shape<2>{{k.rows, k.depth}}), tensor<float, 2>({k.depth, k.columns}),
                 tensor<float, 2>({k.rows, k.columns}), {}};
      for (tensor<float, 2>* t : {&m.a, &m.b})
        for (std::int64_t i = 0; i < t->size(); ++i) t->data()[i] = static_cast<float>(i % 17) / 16.0f - 0.5f;
      if (!k.transposed) m.packed = host::packed_matrix<float>(q_, k.depth, k.columns), pack(q_, m.b, m.packed);
      all_.push_back(std::move(m));
    }
  }

  product_times operator()() {
    product_times t;
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
      once(i);  // its matrices come into the cache
      const double wall = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
      const int times = kinds_[i].count > 2 ? kinds_[i].count : 2;
      for (int n = 0; n < times; ++n) once(i);
      t.wall.push_back((seconds_of(CLOCK_MONOTONIC) - wall) / times);
      t.cpu.push_back((seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu) / times);
    }
    return t;
  }

  /// Operations a second of all products of a micro-batch together.
  double rate(const std::vector<double>& seconds) const {
    double work = 0, time = 0;
    for (std::size_t i = 0; i < kinds_.size(); ++i) work += kinds_[i].count * kinds_[i].operations(), time += kinds_[i].count * seconds[i];
    return work / time;
  }
  const std::vector<product_kind>& kinds() const { return kinds_; }

 private:
  struct matrices {
    tensor<float, 2> a, b, c;
    host::packed_matrix<float> packed;
  };

  void once(std::size_t i) {
    matrices& m = all_[i];
    if (kinds_[i].transposed) matrix_product(q_, transposed(m.a), m.b, m.c, {.accumulate = true});
    else matrix_product(q_, m.a, m.packed, m.c);
  }

  host::queue q_;
  std::vector<product_kind> kinds_;
  std::vector<matrices> all_;
};

}  // namespace bench
