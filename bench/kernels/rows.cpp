// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations on rows, at sizes beyond the cache: bytes that must be read and written, each once, in the time that it takes,
// as a share of what memcpy moves in the same rounds. And a long sum in plain loops beside them.
#include <stretto/host/activation.hpp>
#include <stretto/host/add.hpp>
#include <stretto/host/cross_entropy.hpp>
#include <stretto/host/dropout.hpp>
#include <stretto/host/gated_unit.hpp>
#include <stretto/host/gradient_norm.hpp>
#include <stretto/host/layer_norm.hpp>
#include <stretto/host/optimizer.hpp>
#include <stretto/host/rms_norm.hpp>
#include <stretto/host/rotary.hpp>
#include <stretto/host/softmax.hpp>

#include "programs.hpp"
#include "roofs.hpp"

namespace bench {

namespace {

using namespace stretto;
namespace host = stretto::host;

template <class T>
struct tensors {
  std::int64_t rows, columns;
  tensor<T, 2> x{shape<2>{{rows, columns}}}, dy{x.extents()}, y{x.extents()}, dx{x.extents()};
  tensor<T, 1> weight{shape<1>{{columns}}}, bias{shape<1>{{columns}}};
  tensor<float, 1> mean{shape<1>{{rows}}}, inverse{shape<1>{{rows}}}, dweight{shape<1>{{columns}}}, dbias{shape<1>{{columns}}};
  tensor<std::int32_t, 1> labels{shape<1>{{rows}}};

  tensors(std::int64_t r, std::int64_t c) : rows(r), columns(c) {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      x.data()[i] = static_cast<T>(static_cast<float>(i % 1021) / 512 - 1);
      dy.data()[i] = static_cast<T>(static_cast<float>(i % 1009) / 512 - 1);
    }
    for (std::int64_t i = 0; i < c; ++i) weight[i] = bias[i] = static_cast<T>(0.5f);
    for (std::int64_t i = 0; i < r; ++i) inverse[i] = 1, labels[i] = static_cast<std::int32_t>(i % c);
  }
};

void report(race& r, int roof, const char* type) {
  for (int i = 0; i < r.size(); ++i)
    if (i != roof) std::printf("%-28s %-5s %6.1f GB/s  %.2f of memcpy's %.1f\n", r.name(i).c_str(), type, r.rate(i) * 1e-9, r.share(i, roof), r.rate(roof) * 1e-9);
  std::fflush(stdout);
}

template <class T>
void all_rows(host::queue& q, std::int64_t rows, std::int64_t columns, const effort& how, const char* type) {
  tensors<T> t(rows, columns);
  const tensor<float, 1> from({rows * columns});
  tensor<float, 1> to({rows * columns});
  const double one = static_cast<double>(rows * columns) * sizeof(T);
  race r(how);
  const int roof = add_copy(r, from, to);
  r.add("rms_norm", 2 * one, [&] { rms_norm(q, t.x, t.weight, t.y, t.inverse); });
  r.add("rms_norm_backward_input", 3 * one, [&] { rms_norm_backward_input(q, t.x, t.weight, t.inverse, t.dy, t.dx); });
  r.add("rms_norm_backward_weight", 2 * one, [&] { rms_norm_backward_weight(q, t.x, t.inverse, t.dy, t.dweight); });
  r.add("add_rms_norm", 4 * one, [&] { add_rms_norm(q, t.x, t.dy, t.weight, t.dx, t.y, t.inverse); });
  r.add("layer_norm", 2 * one, [&] { layer_norm(q, t.x, t.weight, t.bias, t.y, t.mean, t.inverse); });
  r.add("layer_norm_backward_input", 3 * one, [&] { layer_norm_backward_input(q, t.x, t.weight, t.mean, t.inverse, t.dy, t.dx); });
  r.add("layer_norm_backward_weight", 2 * one, [&] { layer_norm_backward_weight(q, t.x, t.mean, t.inverse, t.dy, t.dweight, t.dbias); });
  r.add("softmax", 2 * one, [&] { softmax(q, t.x, t.y); });
  r.add("softmax_backward", 3 * one, [&] { softmax_backward(q, t.x, t.dy, t.dx); });
  r.add("cross_entropy", one, [&] { cross_entropy(q, t.x, t.labels, t.mean, t.inverse); });
  r.add("cross_entropy_backward", 2 * one, [&] { cross_entropy_backward(q, t.x, t.labels, t.inverse, 1.0f, t.dx); });
  r.add("activate gelu", 2 * one, [&] { activate(q, t.x, t.y, activation::gelu); });
  r.add("activate_backward gelu_tanh", 3 * one, [&] { activate_backward(q, t.x, t.dy, t.dx, activation::gelu_tanh); });
  r.add("gated_unit silu", 3 * one, [&] { gated_unit(q, t.x, t.dy, t.y); });
  r.add("gated_unit_backward silu", 5 * one, [&] { gated_unit_backward(q, t.x, t.dy, t.dy, t.y, t.dx); });
  r.add("add", 3 * one, [&] { add(q, t.x, t.dy, t.y); });
  r.add("dropout", 2 * one, [&] { dropout(q, t.x, t.y, {.rate = 0.1}); });
  if constexpr (std::is_same_v<T, float>) {
    const auto run = [](tensor<float, 2>& m) { return m.template shaped<1>({m.size()}); };
    const optimizer_scalars s{};
    r.add("adamw_step", 7 * one, [&, s] { adamw_step(q, run(t.x), run(t.dy), run(t.y), {}, run(t.dx), &s); });
    r.add("lion_step", 5 * one, [&, s] { lion_step(q, run(t.x), run(t.dy), {}, run(t.dx), &s); });
    r.add("sum_of_squares", one, [&] { sum_of_squares(q, run(t.x)); });
    r.run();
    report(r, roof, type);
    return;
  }
  r.run();
  report(r, roof, type);
}

}  // namespace

void rows(const effort& how, bool quick) {
  host::queue q;
  const std::int64_t rows = quick ? 8 : 4096, columns = quick ? 64 : 4096;
  std::printf("operations on %lld rows of %lld; bytes that must move, as a share of memcpy's in the same round\n", static_cast<long long>(rows), static_cast<long long>(columns));
  all_rows<float>(q, rows, columns, {std::min(how.rounds, 11), how.least_seconds}, "fp32");
  all_rows<bf16>(q, rows, columns, {std::min(how.rounds, 11), how.least_seconds}, "bf16");
}

}  // namespace bench
