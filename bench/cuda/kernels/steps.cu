// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of optimizers and the norm of gradients, as shares of a copy.
#include <stretto/cuda/gradient_norm.cuh>
#include <stretto/cuda/optimizer.cuh>

#include "parts.cuh"

namespace bench {

namespace {

constexpr double step_bound = 0.90;

}  // namespace

void steps(machine& m) {
  const shape<1> s{{m.elements<float>()}};
  const auto gradient = m.drawn<float>(s, 1);
  auto mean = m.drawn<float>(s, 2), square = m.drawn<float>(s, 3, 0, 1), weight = m.drawn<float>(s, 4);
  auto half = m.drawn<bf16>(s, 5);
  on_device<double, 1> scalars_at(shape<1>{{static_cast<std::int64_t>(sizeof(optimizer_scalars) + 7) / 8}}), sums(shape<1>{{4}});
  const optimizer_scalars scalars{.scale = 0.5, .count = 7};
  cuda::runtime::copy_now(scalars_at.data(), &scalars, sizeof scalars);
  const auto* const there = reinterpret_cast<const optimizer_scalars*>(scalars_at.data());
  using run = tensor_view<float, 1, cuda::memory>;
  const run runs[] = {gradient};
  const double count = static_cast<double>(s[0]);
  const std::string size = std::to_string(s[0]);
  auto& q = m.q;
  turns t = beside_a_copy(m);
  t.add({"adamw_step", "fp32", size, 28 * count, step_bound}, [&] { adamw_step(q, gradient, mean, square, {}, weight, there); });
  t.add({"adamw_step with master", "bf16", size, 30 * count, step_bound}, [&] { adamw_step(q, gradient, mean, square, weight, half, there); });
  t.add({"adamw_step by chance", "bf16", size, 24 * count, step_bound}, [&] { adamw_step(q, gradient, mean, square, {}, half, there, {}, {.stochastic = true, .seed = 3}); });
  t.add({"lion_step", "fp32", size, 20 * count}, [&] { lion_step(q, gradient, mean, {}, weight, there); });
  t.add({"sgd_step with momentum", "fp32", size, 20 * count}, [&] { sgd_step(q, gradient, mean, {}, weight, there, {.rate = 0.01, .momentum = 0.9}); });
  t.add({"sum_of_squares", "fp32", size, 4 * count}, [&] { cuda::sum_of_squares(q, gradient, reinterpret_cast<square_sum*>(sums.data())); });
  t.add({"gradient_norm", "fp32", size, 4 * count}, [&] { cuda::gradient_norm(q, view<const run>{runs, 1}, reinterpret_cast<gradient_size*>(sums.data())); });
  t.run();
}

}  // namespace bench
