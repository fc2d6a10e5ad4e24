// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Optimizers and the norm of gradients on a CUDA device, beside plain loops in the same precision and in double, and beside
// the CPU's lanes, bit for bit where those have fused additions.
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include <stretto/cuda/gradient_norm.cuh>
#include <stretto/cuda/optimizer.cuh>
#include <stretto/cuda/tied_gradients.cuh>
#include <stretto/host/optimizer.hpp>
#include <stretto/numeric/fixed_sum.hpp>

#include "check.hpp"

namespace {

using namespace check;
using test::same_bits;

template <class Runtime>
struct step_checks {
  report& r;
  basic_queue<Runtime> q;
  host::queue cpu;

  explicit step_checks(report& report_) : r(report_) {}

  template <class C>
  struct state {
    tensor<C, 1> gradient, first, second, master;
  };

  /// put(queue, gradient, first, second, master, weight, scalars, rounding) for any queue; plain(…) likewise without one.
  template <class T, class Put, class Plain>
  void step(const std::string& name, std::int64_t n, bool mastered, const layout& how, const weight_rounding& rounding, Put&& put, Plain&& plain) {
    if (r.skips()) return;
    const shape<1> s{{n}};
    const auto gradient = numbers<float>(s, 1), first = numbers<float>(s, 2), second = numbers<float>(s, 3, 0, 1);
    const auto weight = numbers<T>(s, 5);
    tensor<float, 1> master = mastered ? numbers<float>(s, 4) : tensor<float, 1>();
    const optimizer_scalars scalars{.scale = 0.37, .rate = 0.9, .count = 7};
    placed_struct<Runtime, optimizer_scalars> there(scalars), skips(optimizer_scalars{.scale = 2, .count = 7, .skip = 1});
    placed<Runtime, float, 1> g(gradient, how), m(first, how), v(second, how), w32(master, mastered ? how : packed);
    placed<Runtime, T, 1> w(weight, how), untouched(weight, how);
    put(q, g.view, m.view, v.view, w32.view, untouched.view, skips.get(), rounding);
    put(q, g.view, m.view, v.view, w32.view, w.view, there.get(), rounding);
    // In two parts, with where the second begins.
    placed<Runtime, float, 1> m2(first, how), v2(second, how), w322(master, mastered ? how : packed);
    placed<Runtime, T, 1> w2(weight, how);
    const std::int64_t cut = n / 3;
    for (const bool later : {false, true}) {
      const std::int64_t from = later ? cut : 0, count = later ? n - cut : cut;
      weight_rounding part = rounding;
      part.first_index += from;
      put(q, g.view.part(0, from, count), m2.view.part(0, from, count), v2.view.part(0, from, count), mastered ? w322.view.part(0, from, count) : w322.view, w2.view.part(0, from, count), there.get(), part);
    }
    q.synchronize();
    if (!r.judges()) return;
    const std::string words = check::words<T>(name.c_str(), s, std::string(how.name) + (mastered ? " mastered" : "") + (rounding.stochastic ? " by chance" : ""));
    r.same(words + ": skipped", untouched.back(), weight);
    state<float> a{gradient, first, second, master};
    state<double> b{as<double>(gradient), as<double>(first), as<double>(second), as<double>(mastered ? master : as<float>(weight))};
    tensor<T, 1> rounded = weight;
    tensor<double, 1> exact = as<double>(weight);
    plain(a.gradient, a.first, a.second, a.master, rounded, &scalars, rounding);
    plain(b.gradient, b.first, b.second, b.master, exact, &scalars, rounding);
    if (!rounding.stochastic) r.near(words, w.back(), rounded, exact);
    r.near(words + ": first state", m.back(), a.first, b.first);
    r.near(words + ": second state", v.back(), a.second, b.second);
    if (mastered) r.near(words + ": master", w32.back(), a.master, b.master);
    r.check(words + ": in two parts", same_bits(w.back(), w2.back()) && same_bits(m.back(), m2.back()) && same_bits(v.back(), v2.back()) && same_bits(w32.back(), w322.back()));
    r.check(words + ": nothing beside", w.kept() && m.kept() && v.kept() && w32.kept());
    if (cpu.level() < host::isa::avx2) return;
    state<float> c{gradient, first, second, master};
    tensor<T, 1> lanes = weight;
    put(cpu, view_of(c.gradient), view_of(c.first), view_of(c.second), view_of(c.master), view_of(lanes), &scalars, rounding);
    r.check(words + ": the CPU's bits", same_bits(w.back(), lanes) && same_bits(m.back(), c.first) && same_bits(v.back(), c.second));
  }

  template <class T>
  void steps(std::int64_t n, bool mastered, const layout& how, const weight_rounding& rounding) {
    for (const adamw_options& o : {adamw_options{}, adamw_options{.rate = 0.01, .beta1 = 0.8, .beta2 = 0.95, .decay = 0.1, .coupled = true}})
      step<T>(o.coupled ? "adamw_step coupled" : "adamw_step", n, mastered, how, rounding,
              [&](auto& queue, auto g, auto m, auto v, auto w32, auto w, auto s, const weight_rounding& k) { adamw_step(queue, g, m, v, w32, w, s, o, k); },
              [&](auto& g, auto& m, auto& v, auto& w32, auto& w, auto s, const weight_rounding& k) { reference::adamw_step(g, m, v, w32, view_of(w), s, o, k); });
    for (const sgd_options& o : {sgd_options{}, sgd_options{.rate = 0.1, .momentum = 0.9, .decay = 0.01}, sgd_options{.rate = 0.1, .momentum = 0.9, .nesterov = true}})
      step<T>(o.nesterov ? "sgd_step nesterov" : o.momentum != 0 ? "sgd_step with momentum" : "sgd_step", n, mastered, how, rounding,
              [&](auto& queue, auto g, auto m, auto, auto w32, auto w, auto s, const weight_rounding& k) { sgd_step(queue, g, m, w32, w, s, o, k); },
              [&](auto& g, auto& m, auto&, auto& w32, auto& w, auto s, const weight_rounding& k) { reference::sgd_step(g, m, w32, view_of(w), s, o, k); });
    step<T>("lion_step", n, mastered, how, rounding, [&](auto& queue, auto g, auto m, auto, auto w32, auto w, auto s, const weight_rounding& k) { lion_step(queue, g, m, w32, w, s, {}, k); },
            [&](auto& g, auto& m, auto&, auto& w32, auto& w, auto s, const weight_rounding& k) { reference::lion_step(g, m, w32, view_of(w), s, {}, k); });
  }
  template <class T>
  static tensor_view<T, 1> view_of(const tensor<T, 1>& t) {
    return t;
  }

  template <class T>
  void norm(const std::vector<std::int64_t>& sizes, const layout& how, bool with_infinity) {
    if (r.skips()) return;
    using run_view = tensor_view<T, 1, basic_memory<Runtime>>;
    std::vector<tensor<T, 1>> numbers;
    std::vector<std::unique_ptr<placed<Runtime, T, 1>>> there, in_lines;
    std::vector<run_view> runs, others;
    std::vector<tensor_view<T, 1>> host_runs;
    for (const std::int64_t n : sizes) numbers.push_back(check::numbers<T>(shape<1>{{n}}, static_cast<unsigned>(n), -3, 3));
    if (with_infinity) numbers.back().data()[0] = static_cast<T>(std::numeric_limits<float>::infinity());
    for (const auto& x : numbers) {
      there.push_back(std::make_unique<placed<Runtime, T, 1>>(x, how)), in_lines.push_back(std::make_unique<placed<Runtime, T, 1>>(x));
      runs.push_back(there.back()->view), others.push_back(in_lines.back()->view), host_runs.push_back(x);
    }
    placed_struct<Runtime, gradient_size> size, again, elsewhere;
    placed_struct<Runtime, square_sum> sum;
    placed_struct<Runtime, optimizer_scalars> scalars(optimizer_scalars{.count = 3});
    const auto all = [](const std::vector<run_view>& v) { return view<const run_view>{v.data(), static_cast<std::int64_t>(v.size())}; };
    cuda::gradient_norm(q, all(runs), size.get());
    cuda::gradient_norm(q, all(runs), again.get());
    cuda::gradient_norm(q, all(others), elsewhere.get());
    cuda::next_scalars(q, size.get(), scalars.get(), {.most = 1, .scale = 0.5, .rate = 0.25});
    placed<Runtime, double, 1> blocks(shape<1>{{sizes.empty() ? 0 : fixed_blocks(sizes.back())}});
    if (!sizes.empty()) cuda::sum_of_squares(q, runs.back(), sum.get()), cuda::block_sums_of_squares(q, runs.back(), blocks.view);
    q.synchronize();
    if (!r.judges()) return;
    const gradient_size truth = reference::gradient_norm(view<const tensor_view<T, 1>>{host_runs.data(), static_cast<std::int64_t>(host_runs.size())});
    const gradient_size got = size.back(), more = again.back(), other = elsewhere.back();
    const std::string words = "gradient_norm " + std::string(name_of<T>()) + " of " + std::to_string(sizes.size()) + " runs " + how.name + (with_infinity ? " with infinity" : "");
    const auto off = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)) ? 0 : std::abs(a - b) / std::abs(b); };
    r.check(words, off(got.norm, truth.norm) < 1e-6 && got.found_not_finite == truth.found_not_finite, std::to_string(got.norm) + " of " + std::to_string(truth.norm));
    r.check(words + ": again, and at lines", std::memcmp(&got.norm, &more.norm, 8) == 0 && std::memcmp(&got.norm, &other.norm, 8) == 0);
    const optimizer_scalars s = scalars.back();
    const double factor = truth.found_not_finite ? 0 : clip_factor(truth.norm * 0.5, 1);
    r.check(words + ": scalars", s.skip == (truth.found_not_finite ? 1 : 0) && s.count == (truth.found_not_finite ? 3 : 4) && s.rate == 0.25 && (truth.found_not_finite || off(s.scale, 0.5 * factor) < 1e-6));
    if (sizes.empty()) return;
    const square_sum squares = sum.back(), true_squares = reference::sum_of_squares(host_runs.back());
    r.check("sum_of_squares " + words, off(squares.sum, true_squares.sum) < 1e-6 && squares.found_not_finite == true_squares.found_not_finite);
    const auto parts = blocks.back();
    double in_order = 0;
    for (std::int64_t i = 0; i < parts.size(); ++i) in_order += parts.data()[i];
    r.check("block_sums_of_squares " + words, std::memcmp(&in_order, &squares.sum, 8) == 0 || (std::isnan(in_order) && std::isnan(squares.sum)));
  }

  /// Large numbers don't pass for infinities; little scratch memory changes no bits.
  void large_numbers() {
    using run_view = tensor_view<float, 1, basic_memory<Runtime>>;
    const auto x = numbers<float>(shape<1>{{100000}}, 21, 1e30, 3e30);
    placed<Runtime, float, 1> there(x);
    placed_struct<Runtime, gradient_size> size, poor;
    const run_view runs[] = {there.view, there.view.part(0, 4096, 20000), there.view};
    cuda::gradient_norm(q, view<const run_view>{runs, 3}, size.get());
    q.synchronize();
    basic_queue<Runtime> little({.scratch_bytes = 80});
    cuda::gradient_norm(little, view<const run_view>{runs, 3}, poor.get());
    little.synchronize();
    if (!r.judges()) return;
    const tensor_view<const float, 1> mine(x.data(), {{x.size()}});
    const tensor_view<const float, 1> host_runs[] = {mine, mine.part(0, 4096, 20000), mine};
    const gradient_size truth = reference::gradient_norm(view<const tensor_view<const float, 1>>{host_runs, 3}), got = size.back(), again = poor.back();
    r.check("gradient_norm of large numbers", !got.found_not_finite && std::abs(got.norm - truth.norm) < 1e-6 * truth.norm);
    r.check("gradient_norm with little scratch memory", std::memcmp(&got.norm, &again.norm, 8) == 0);
  }

  void refusals() {
    placed<Runtime, float, 1> a(shape<1>{{4}}), b(shape<1>{{3}});
    placed_struct<Runtime, optimizer_scalars> s;
    r.throws("mean", "stretto: adamw_step of 4 weights was given 3 numbers as mean; give one for each weight", [&] { cuda::adamw_step(q, a.view, b.view, a.view, {}, a.view, s.get()); });
    r.throws("gradient", "stretto: sgd_step of 4 weights was given 3 numbers as gradient; give one for each weight", [&] { cuda::sgd_step(q, b.view, {}, {}, a.view, s.get()); });
    r.throws("place", "stretto: lion_step was told that the run begins at element -1 of its parameter; give 0 or more", [&] { cuda::lion_step(q, a.view, a.view, {}, a.view, s.get(), {}, {.first_index = -1}); });
  }

  /// Sums of the uses of a tied parameter, with those of the CPU to the bit.
  void tied(std::int64_t n, int uses, const layout& how, std::int64_t scratch_bytes) {
    if (r.skips()) return;
    basic_queue<Runtime> q({.scratch_bytes = scratch_bytes, .upload_bytes = 64});
    std::vector<tensor<float, 1>> here;
    std::vector<std::unique_ptr<placed<Runtime, float, 1>>> there;
    std::vector<const float*> shares;
    for (int u = 0; u < uses; ++u) {
      here.push_back(numbers<float, 1>({{n}}, static_cast<unsigned>(90 + u)));
      there.push_back(std::make_unique<placed<Runtime, float, 1>>(here.back(), how));
      shares.push_back(there.back()->view.data());
    }
    placed<Runtime, float, 1> sum(shape<1>{{n}}, how);
    placed_struct<Runtime, square_sum> squares, alone;
    cuda::sum_tied_gradients(q, shares.data(), uses, n, sum.view.data(), squares.get());
    cuda::sum_tied_gradients(q, shares.data(), uses, n, nullptr, alone.get());
    q.synchronize();
    if (!r.judges()) return;
    tensor<float, 1> wanted(shape<1>{{n}});
    double total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      double all = 0;
      for (const auto& t : here) all += static_cast<double>(t.data()[i]);
      wanted.data()[i] = static_cast<float>(all), total += all * all;
    }
    const std::string name = "sum_tied_gradients of " + std::to_string(uses) + " times " + std::to_string(n) + " " + how.name;
    r.same(name, sum.back(), wanted);
    const square_sum got = squares.back(), again = alone.back();
    r.check(name + ": squares", std::abs(got.sum - total) <= 1e-12 * total && std::memcmp(&got.sum, &again.sum, 8) == 0, std::to_string(got.sum));
    r.check(name + ": nothing beside it", sum.kept());
  }

  void speeds() {
    if (!r.judges() || !r.measures()) return;
    const shape<1> s{{64 << 20}};
    placed<Runtime, float, 1> g(s), m(s), v(s), w(s);
    placed<Runtime, bf16, 1> half(s);
    placed_struct<Runtime, optimizer_scalars> scalars;
    placed_struct<Runtime, gradient_size> size;
    r.speed("adamw_step float, 64 Mi weights", q, s[0] * 28, [&] { cuda::adamw_step(q, g.view, m.view, v.view, {}, w.view, scalars.get()); }, 20);
    r.speed("adamw_step bf16 with master, 64 Mi weights", q, s[0] * 30, [&] { cuda::adamw_step(q, g.view, m.view, v.view, w.view, half.view, scalars.get()); }, 20);
    r.speed("adamw_step bf16 by chance, 64 Mi weights", q, s[0] * 24, [&] { cuda::adamw_step(q, g.view, m.view, v.view, {}, half.view, scalars.get(), {}, {.stochastic = true}); }, 20);
    r.speed("lion_step float, 64 Mi weights", q, s[0] * 20, [&] { cuda::lion_step(q, g.view, m.view, {}, w.view, scalars.get()); }, 20);
    const tensor_view<float, 1, basic_memory<Runtime>> runs[] = {g.view};
    r.speed("gradient_norm float, 64 Mi weights", q, s[0] * 4, [&] { cuda::gradient_norm(q, view<const tensor_view<float, 1, basic_memory<Runtime>>>{runs, 1}, size.get()); }, 20);
  }

  void all() {
    refusals();
    for (const layout& how : {packed, odd, lined})
      for (const std::int64_t n : {0, 1, 7, 64, 1031, 70003})
        each_type([&](auto zero) {
          using T = decltype(zero);
          for (const bool mastered : {false, true})
            for (const weight_rounding& rounding : {weight_rounding{}, weight_rounding{.stochastic = true, .seed = 3, .parameter = 5, .first_index = 4096}, weight_rounding{.stochastic = true, .seed = 3, .first_index = 77}}) {
              if (sizeof(T) == 4 && rounding.stochastic) continue;
              steps<T>(n, mastered, how, rounding);
            }
        });
    for (const layout& how : {packed, odd})
      each_type([&](auto zero) {
        using T = decltype(zero);
        std::vector<std::int64_t> many;
        for (int i = 0; i < 70; ++i) many.push_back(1000 * i + 1);
        for (const auto& sizes : {std::vector<std::int64_t>{}, {0}, {1}, {4096}, {5, 0, 8200, 100003}, {4097, 61}, many}) norm<T>(sizes, how, false);
        norm<T>({4097, 61}, how, true);
      });
    large_numbers();
    for (const layout& how : {packed, odd})
      for (const std::int64_t n : {1, 7, 4096, 70003})
        for (const int uses : {1, 2, 16, 17, 40})
          for (const std::int64_t scratch : {std::int64_t{1} << 20, std::int64_t{100000}}) tied(n, uses, how, scratch);
    speeds();
  }
};

struct cases {
  template <class Runtime>
  static void run(report& r) {
    step_checks<Runtime>(r).all();
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "step"); }
