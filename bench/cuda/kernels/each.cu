// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What works number by number: activations, gated units, sums, dropout, casts and copies with gaps, as shares of a copy.
#include <stretto/cuda/activation.cuh>
#include <stretto/cuda/add.cuh>
#include <stretto/cuda/cast.cuh>
#include <stretto/cuda/copy_rows.cuh>
#include <stretto/cuda/dropout.cuh>
#include <stretto/cuda/gated_unit.cuh>

#include "parts.cuh"

namespace bench {

namespace {

constexpr double gated_bound = 0.90;

template <class T>
void all(machine& m, std::int64_t columns) {
  const shape<2> s = m.matrix_of<T>(columns);
  const auto x = m.drawn<T>(s, 1, -4, 4), up = m.drawn<T>(s, 2), dy = m.drawn<T>(s, 3);
  const auto bias = m.drawn<T>(shape<1>{{columns}}, 4);
  on_device<T, 2> y(s), z(s);
  on_device<float, 1> dbias(shape<1>{{columns}});
  const double one = static_cast<double>(s.count()) * sizeof(T);
  const auto of = [&](const char* name, double passes, double bound = 0) { return item{name, type_name<T>, by(s), passes * one, bound}; };
  auto& q = m.q;
  turns t = beside_a_copy(m);
  t.add(of("activate gelu", 2), [&] { activate(q, x, y, activation::gelu); });
  t.add(of("activate gelu_tanh", 2), [&] { activate(q, x, y, activation::gelu_tanh); });
  t.add(of("activate_backward gelu", 3), [&] { activate_backward(q, x, dy, y, activation::gelu); });
  t.add(of("activate_backward gelu_tanh", 3), [&] { activate_backward(q, x, dy, y, activation::gelu_tanh); });
  t.add(of("gated_unit silu", 3, gated_bound), [&] { gated_unit(q, x, up, y, activation::silu); });
  t.add(of("gated_unit_backward silu", 5, gated_bound), [&] { gated_unit_backward(q, x, up, dy, y, z, activation::silu); });
  t.add(of("add", 3), [&] { add(q, x, up, y); });
  t.add(of("add_bias", 2), [&] { add_bias(q, x, bias, y); });
  t.add(of("bias_gradient", 1), [&] { bias_gradient(q, dy, dbias); });
  t.add(of("dropout", 2), [&] { dropout(q, x, y, {.rate = 0.1, .stream = {1, 2, 3, 4}}); });
  t.run();
}

/// Gate and up side by side in one matrix, as one product gives them; and a part of a matrix's columns.
void parts_of_rows(machine& m) {
  const shape<2> s = m.matrix_of<bf16>(8192);
  const std::int64_t width = s[1] / 2;
  const auto both = m.drawn<bf16>(s, 1);
  on_device<bf16, 2> h(shape<2>{{s[0], width}});
  const double one = static_cast<double>(s[0] * width) * 2;
  auto& q = m.q;
  turns t = beside_a_copy(m);
  t.add({"gated_unit of one matrix", "bf16", by(s[0], width), 3 * one, gated_bound}, [&] { gated_unit(q, both.columns(0, width), both.columns(width, width), h, activation::silu); });
  t.add({"copy_rows", "bf16", by(s[0], width), 2 * one}, [&] { copy_rows(q, both.columns(0, width), h); });
  t.run();
}

void casts(machine& m) {
  const shape<2> s = m.matrix_of<float>(4096);
  const auto wide = m.drawn<float>(s, 1);
  const auto narrow = m.drawn<bf16>(s, 2);
  on_device<float, 2> to_wide(s);
  on_device<bf16, 2> to_narrow(s);
  const double bytes = static_cast<double>(s.count()) * 6;
  auto& q = m.q;
  turns t = beside_a_copy(m);
  t.add({"cast to bf16", "fp32", by(s), bytes}, [&] { cast(q, wide, to_narrow); });
  t.add({"cast to bf16 by chance", "fp32", by(s), bytes}, [&] { cast(q, wide, to_narrow, {.mode = rounding::stochastic, .stream = {1, 2, 3, 4}}); });
  t.add({"cast to fp32", "bf16", by(s), bytes}, [&] { cast(q, narrow, to_wide); });
  t.run();
}

}  // namespace

void each(machine& m) {
  all<bf16>(m, 4096);
  all<float>(m, 4096);
  parts_of_rows(m);
  casts(m);
}

}  // namespace bench
