// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// softmax and cross-entropy, forward and backward, as shares of a copy.
#include <stretto/cuda/cross_entropy.cuh>
#include <stretto/cuda/softmax.cuh>

#include "parts.cuh"

namespace bench {

namespace {

constexpr double loss_bound = 0.90;

template <class T>
void softmaxes(machine& m, std::int64_t columns) {
  const shape<2> s = m.matrix_of<T>(columns);
  const auto x = m.drawn<T>(s, 1, -4, 4), dy = m.drawn<T>(s, 2);
  on_device<T, 2> y(s), dx(s);
  const double one = static_cast<double>(s.count()) * sizeof(T);
  auto& q = m.q;
  turns t = beside_a_copy(m);
  t.add({"softmax", type_name<T>, by(s), 2 * one}, [&] { softmax(q, x, y); });
  t.add({"softmax_backward", type_name<T>, by(s), 3 * one}, [&] { softmax_backward(q, y, dy, dx); });
  t.run();
}

/// Labels hang on the row.
template <class T>
void cross_entropies(machine& m, std::int64_t vocabulary) {
  const shape<2> s = m.matrix_of<T>(vocabulary);
  const shape<1> rows{{s[0]}};
  const auto x = m.drawn<T>(s, 1, -4, 4);
  on_device<T, 2> dx(s);
  tensor<std::int32_t, 1> labels(rows);
  for (std::int64_t i = 0; i < rows[0]; ++i) labels.data()[i] = static_cast<std::int32_t>(i * 7919 % vocabulary);
  on_device<std::int32_t, 1> there(rows);
  cuda::to_device(there, labels.data());
  on_device<float, 1> loss(rows), lse(rows);
  on_device<double, 1> sums(shape<1>{{4}});
  const double one = static_cast<double>(s.count()) * sizeof(T);
  const float factor = 1.0f / static_cast<float>(s[0]);
  auto& q = m.q;
  turns t = beside_a_copy(m);
  t.add({"cross_entropy", type_name<T>, by(s), one, loss_bound}, [&] { cross_entropy(q, x, there, loss, lse, sums); });
  t.add({"cross_entropy_backward", type_name<T>, by(s), 2 * one, loss_bound}, [&] { cross_entropy_backward(q, x, there, lse, factor, dx); });
  t.run();
}

}  // namespace

void losses(machine& m) {
  for (const std::int64_t columns : {1024, 4096, 32768}) softmaxes<bf16>(m, columns);
  softmaxes<float>(m, 4096);
  cross_entropies<bf16>(m, 50304);
  cross_entropies<bf16>(m, 128256);
  cross_entropies<float>(m, 50304);
}

}  // namespace bench
