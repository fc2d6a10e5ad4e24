// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// rms_norm and layer_norm, forward and backward, as shares of a copy.
#include <stretto/cuda/layer_norm.cuh>
#include <stretto/cuda/rms_norm.cuh>

#include "parts.cuh"

namespace bench {

namespace {

constexpr double forward_bound = 0.90, backward_bound = 0.80;

template <class T>
void of_width(machine& m, std::int64_t columns) {
  const shape<2> s = m.matrix_of<T>(columns);
  const shape<1> rows{{s[0]}}, across{{columns}};
  const auto x = m.drawn<T>(s, 1), dy = m.drawn<T>(s, 2);
  on_device<T, 2> y(s), dx(s);
  const auto weight = m.drawn<T>(across, 3), bias = m.drawn<T>(across, 4);
  on_device<float, 1> mean(rows), root(rows), dweight(across), dbias(across);
  const auto inverse = m.drawn<float>(rows, 5, 0.5f, 1.5f);
  const double one = static_cast<double>(s.count()) * sizeof(T);
  const auto of = [&](const char* name, double passes, double bound) { return item{name, type_name<T>, by(s), passes * one, bound}; };
  auto& q = m.q;
  turns t = beside_a_copy(m);
  t.add(of("rms_norm", 2, forward_bound), [&] { rms_norm(q, x, weight, y, root); });
  t.add(of("add_rms_norm", 4, forward_bound), [&] { add_rms_norm(q, x, dy, weight, dx, y, root); });
  t.add(of("rms_norm_backward", 3, backward_bound), [&] { rms_norm_backward(q, x, weight, inverse, dy, dx, dweight); });
  t.add(of("rms_norm_backward_input", 3, backward_bound), [&] { rms_norm_backward_input(q, x, weight, inverse, dy, dx); });
  t.add(of("rms_norm_backward_weight", 2, backward_bound), [&] { rms_norm_backward_weight(q, x, inverse, dy, dweight); });
  t.add(of("layer_norm", 2, forward_bound), [&] { layer_norm(q, x, weight, bias, y, mean, root); });
  t.add(of("add_layer_norm", 4, forward_bound), [&] { add_layer_norm(q, x, dy, weight, bias, dx, y, mean, root); });
  t.add(of("layer_norm_backward", 3, backward_bound), [&] { layer_norm_backward(q, x, weight, inverse, inverse, dy, dx, dweight, dbias); });
  t.add(of("layer_norm_backward_input", 3, backward_bound), [&] { layer_norm_backward_input(q, x, weight, inverse, inverse, dy, dx); });
  t.add(of("layer_norm_backward_weight", 2, backward_bound), [&] { layer_norm_backward_weight(q, x, inverse, inverse, dy, dweight, dbias); });
  t.run();
}

}  // namespace

void norms(machine& m) {
  for (const std::int64_t columns : {768, 1024, 4096, 8192, 16384}) of_width<bf16>(m, columns);
  of_width<float>(m, 4096);
}

}  // namespace bench
