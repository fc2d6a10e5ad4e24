// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of Muon on a CUDA device, beside plain loops in the same precision and in double. Link -lcublasLt.
#include <stretto/cuda/muon.cuh>

#include "check.hpp"

namespace {

using namespace check;

template <class Runtime>
struct muon_checks {
  report& r;
  basic_queue<Runtime> q;

  explicit muon_checks(report& report_) : r(report_) {}

  using scalars_there = placed_struct<Runtime, optimizer_scalars>;

  template <class T>
  void step(std::int64_t rows, std::int64_t columns, const muon_options& o, bool mastered, const weight_rounding& rounding = {}) {
    if (r.skips()) return;
    const shape<2> s{{rows, columns}};
    const auto g = numbers<float>(s, 1), m = numbers<float>(s, 2);
    const auto w = numbers<T>(s, 3);
    const auto wide_w = as<float>(w);
    const optimizer_scalars how{.scale = 0.5, .rate = 0.75, .count = 3}, skips{.scale = 0.5, .rate = 0.75, .count = 3, .skip = 1};
    const scalars_there scalars(how), skipping(skips);
    placed<Runtime, float, 2> gradient(g), momentum(m), momentum_again(m), master(wide_w), kept(m);
    placed<Runtime, T, 2> weight(w), again(w), untouched(w);
    placed<Runtime, float, 1> work(shape<1>{{muon_workspace(rows, columns)}}, {"shifted", 1, 0});
    const auto masters = mastered ? master.view : decltype(master.view){};
    muon_step(q, gradient.view, momentum.view, masters, weight.view, work.view, scalars.get(), o, rounding);
    q.synchronize();
    if (mastered) master.put(wide_w);
    muon_step(q, gradient.view, momentum_again.view, masters, again.view, work.view, scalars.get(), o, rounding);
    muon_step(q, gradient.view, kept.view, {}, untouched.view, work.view, skipping.get(), o, rounding);
    q.synchronize();
    if (!r.judges()) return;
    const std::string name = words<T>("muon_step", s, std::string(o.nesterov ? "nesterov" : "plain") + (mastered ? " with a master" : "") + (rounding.stochastic ? " by chance" : ""));
    r.same(name + ": again", weight.back(), again.back());
    r.same(name + ": skipped", untouched.back(), w);
    r.same(name + ": skipped, momentum", kept.back(), m);
    r.check(name + ": nothing beside", weight.kept() && momentum.kept() && work.kept());
    tensor<float, 2> plain_m = m, plain_master = wide_w;
    tensor<T, 2> plain_w = w;
    tensor<double, 2> true_m = as<double>(m), true_w = as<double>(w);
    reference::muon_step(g, plain_m, mastered ? tensor_view<float, 2>(plain_master) : tensor_view<float, 2>{}, plain_w, &how, o, rounding);
    reference::muon_step(as<double>(g), true_m, {}, true_w, &how, o);
    r.near(name + ", momentum", momentum.back(), plain_m, true_m);
    if (mastered) r.near(name + ", master", master.back(), plain_master, true_w);
    r.near(name, weight.back(), plain_w, true_w);
  }

  void refusals() {
    placed<Runtime, float, 2> w(shape<2>{{3, 4}}), other(shape<2>{{4, 3}});
    placed<Runtime, float, 1> work(shape<1>{{50}});
    const scalars_there scalars;
    r.throws("shape", "stretto: muon_step of a matrix of 3 by 4 was given a gradient, momentum or master of another shape; give one for each weight",
             [&] { muon_step(q, other.view, w.view, {}, w.view, work.view, scalars.get()); });
    r.throws("gaps", "stretto: muon_step was given a matrix with gaps between its rows; copy it first",
             [&] { muon_step(q, w.view.columns(0, 2), w.view.columns(0, 2), {}, w.view.columns(0, 2), work.view, scalars.get()); });
    r.throws("workspace", "stretto: muon_step of a matrix of 3 by 4 has a workspace of 51 numbers, and was given 50; give muon_workspace(rows, columns)",
             [&] { muon_step(q, w.view, w.view, {}, w.view, work.view, scalars.get()); });
  }

  void speeds() {
    if (!r.judges() || !r.measures()) return;
    const shape<2> s{{1024, 4096}};
    placed<Runtime, float, 2> g(s), m(s), w(s);
    placed<Runtime, float, 1> work(shape<1>{{muon_workspace(s[0], s[1])}});
    const scalars_there scalars;
    r.speed("muon_step of 1024 by 4096", q, s.count() * 16, [&] { muon_step(q, g.view, m.view, {}, w.view, work.view, scalars.get()); }, 10);
  }

  void all() {
    refusals();
    const shape<2> sizes[] = {{{1, 1}}, {{1, 5}}, {{6, 1}}, {{3, 7}}, {{24, 16}}, {{16, 40}}, {{33, 33}}};
    for (const shape<2>& s : sizes) {
      step<float>(s[0], s[1], {}, false);
      step<float>(s[0], s[1], {.momentum = 0.5, .decay = 0.1, .nesterov = false, .size_of_adamw = true, .iterations = 3}, false);
      step<bf16>(s[0], s[1], {.rate = 0.2}, true);
      step<fp16>(s[0], s[1], {.rate = 0.2}, false);
      step<bf16>(s[0], s[1], {.rate = 0.2}, true, {.stochastic = true, .seed = 4, .parameter = 2});
    }
    speeds();
  }
};

struct cases {
  template <class Runtime>
  static void run(report& r) {
    muon_checks<Runtime>(r).all();
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "muon"); }
