// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <limits>
#include <string>

#include <stretto/host/optimizer.hpp>

#include "bounds.hpp"
#include "catch.hpp"

using namespace stretto;
using Catch::Matchers::Equals;

namespace {

constexpr std::int64_t sizes[] = {0, 1, 15, 17, 61, 128, 1031, 5000};

/// What a step works on; `mastered` has a master.
template <class T>
struct world {
  using C = computes_in<T>;
  tensor<C, 1> gradient, first, second, master;
  tensor<T, 1> weight;

  explicit world(std::int64_t n, bool mastered, unsigned seed = 1)
      : gradient(test::numbers<C, 1>({{n}}, seed)), first(test::numbers<C, 1>({{n}}, seed + 1, -0.1, 0.1)), second(test::numbers<C, 1>({{n}}, seed + 2, 0, 0.1)),
        master(test::numbers<C, 1>({{mastered ? n : 0}}, seed + 3)), weight(test::numbers<T, 1>({{n}}, seed + 3)) {}

  /// The same numbers in another type.
  template <class U>
  world<U> in() const {
    world<U> w(0, false);
    w.gradient = test::as<computes_in<U>>(gradient), w.first = test::as<computes_in<U>>(first), w.second = test::as<computes_in<U>>(second);
    w.master = test::as<computes_in<U>>(master), w.weight = test::as<U>(weight);
    return w;
  }
  /// What is computed in: the master, or the weights.
  template <class F>
  void states(F&& f) const { f(first), f(second), f(master); }
};

const sgd_options plain{.rate = 0.1, .decay = 0.01}, heavy{.rate = 0.1, .momentum = 0.9, .decay = 0.01, .nesterov = true};
const adamw_options adam{.rate = 0.01}, l2{.rate = 0.01, .decay = 0.1, .coupled = true};
const lion_options lion{.rate = 0.01, .decay = 0.1};

/// Calls with(step, name): step(w) as plain loops, step(w, q) as an operation.
template <class With>
void each_rule(With&& with) {
  struct rule {
    const char* name;
    int kind;
  };
  for (const rule& r : {rule{"sgd", 0}, rule{"momentum", 1}, rule{"adamw", 2}, rule{"l2", 3}, rule{"lion", 4}}) with(r.name, r.kind);
}

template <class T>
void step(world<T>& w, int kind, const optimizer_scalars& s, const weight_rounding& r = {}) {
  switch (kind) {
    case 0: return reference::sgd_step(w.gradient, {}, w.master, w.weight, &s, plain, r);
    case 1: return reference::sgd_step(w.gradient, w.first, w.master, w.weight, &s, heavy, r);
    case 4: return reference::lion_step(w.gradient, w.first, w.master, w.weight, &s, lion, r);
    default: return reference::adamw_step(w.gradient, w.first, w.second, w.master, w.weight, &s, kind == 2 ? adam : l2, r);
  }
}

template <class T>
void step(host::queue& q, int kind, tensor_view<const computes_in<T>, 1> gradient, tensor_view<computes_in<T>, 1> first, tensor_view<computes_in<T>, 1> second,
          tensor_view<computes_in<T>, 1> master, tensor_view<T, 1> weight, const optimizer_scalars& s, const weight_rounding& r = {}) {
  switch (kind) {
    case 0: return host::sgd_step(q, gradient, {}, master, weight, &s, plain, r);
    case 1: return host::sgd_step(q, gradient, first, master, weight, &s, heavy, r);
    case 4: return host::lion_step(q, gradient, first, master, weight, &s, lion, r);
    default: return host::adamw_step(q, gradient, first, second, master, weight, &s, kind == 2 ? adam : l2, r);
  }
}
template <class T>
void step(host::queue& q, int kind, world<T>& w, const optimizer_scalars& s, const weight_rounding& r = {}) {
  step<T>(q, kind, w.gradient, w.first, w.second, w.master, w.weight, s, r);
}

template <class T>
bool same(const world<T>& a, const world<T>& b) {
  return test::same_bits(a.first, b.first) && test::same_bits(a.second, b.second) && test::same_bits(a.master, b.master) && test::same_bits(a.weight, b.weight);
}

const optimizer_scalars scalars{.scale = 0.7, .rate = 0.5, .count = 3};

}  // namespace

TEMPLATE_TEST_CASE("Steps of optimizers are near those in double", "", float, bf16, fp16) {
  for (host::isa level : test::levels()) {
    host::queue q({.most = level, .scratch_bytes = 0});
    each_rule([&](const char* name, int kind) {
      for (std::int64_t n : sizes)
        for (bool mastered : {false, true}) {
          CAPTURE(name, n, mastered, host::isa_name(level));
          world<TestType> got(n, mastered), plain_loops = got;
          world<double> truth = got.template in<double>();
          step(q, kind, got, scalars);
          step(plain_loops, kind, scalars);
          step(truth, kind, scalars);
          CHECK(test::near_truth(got.first, plain_loops.first, truth.first));
          CHECK(test::near_truth(got.second, plain_loops.second, truth.second));
          CHECK(test::near_truth(got.master, plain_loops.master, truth.master));
          CHECK(test::near_truth(got.weight, plain_loops.weight, truth.weight));
        }
    });
  }
}

TEMPLATE_TEST_CASE("A step's bits don't hang on threads, on how the run is cut, or on where it lies", "", float, bf16, fp16) {
  constexpr std::int64_t n = 5003;
  for (host::isa level : test::levels()) {
    host::queue q({.most = level}), two({.threads = 2, .most = level}), three({.threads = 3, .most = level});
    each_rule([&](const char* name, int kind) {
      for (bool mastered : {false, true})
        for (bool by_chance : {false, true}) {
          CAPTURE(name, mastered, by_chance, host::isa_name(level));
          const weight_rounding r{.stochastic = by_chance, .seed = 8, .first_index = 77};
          const world<TestType> before(n, mastered);
          world<TestType> whole = before;
          step(q, kind, whole, scalars, r);
          for (host::queue* other : {&two, &three}) {
            world<TestType> w = before;
            step(*other, kind, w, scalars, r);
            CHECK(same(w, whole));
          }
          for (const std::vector<std::int64_t>& cuts : {std::vector<std::int64_t>{2500}, {1250, 2500, 3750}, {1, 3, 130, 131, 1000, 4999}}) {
            world<TestType> w = before;
            std::int64_t begin = 0;
            for (std::size_t k = 0; k <= cuts.size(); ++k) {
              const std::int64_t end = k < cuts.size() ? cuts[k] : n;
              weight_rounding part = r;
              part.first_index += begin;
              const auto of = [&](const auto& run) { return run.size() == 0 ? run.part(0, 0, 0) : run.part(0, begin, end - begin); };
              step<TestType>(q, kind, of(w.gradient), of(w.first), of(w.second), of(w.master), of(w.weight), scalars, part);
              begin = end;
            }
            CHECK(same(w, whole));
          }
        }
    });
  }
}

TEMPLATE_TEST_CASE("Weights rounded by chance are what the reference makes of their masters", "", bf16, fp16) {
  constexpr std::int64_t n = 1500;
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    const weight_rounding r{.stochastic = true, .seed = 4, .parameter = 2, .first_index = (std::int64_t{1} << 35) - 700};  // a counter's lower word runs over
    world<TestType> w(n, true);
    for (std::int64_t i = 0; i < n; ++i) w.master[i] = std::ldexp(w.master[i], -static_cast<int>(i % 30));  // far below the smallest normal fp16, too
    w.master[5] = std::numeric_limits<float>::infinity(), w.master[6] = std::numeric_limits<float>::quiet_NaN();
    const optimizer_scalars s{.rate = 1e-7, .count = 9};
    step(q, 2, w, s, r);
    bool all = true;
    int up = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const TestType should = round_by_chance<TestType>(w.master[i], r.chance(9, i));
      all = all && w.weight[i].bits == should.bits;
      up += should.bits != TestType(w.master[i]).bits ? 1 : 0;
    }
    CHECK(all);
    CHECK(up > n / 8);  // the nearest would be another
    CHECK(std::isnan(static_cast<float>(w.weight[6])));
  }
}

TEMPLATE_TEST_CASE("Weights at the end of 64 bits are rounded as in plain loops", "", bf16, fp16) {
  for (const std::int64_t before : {0, 1, 130}) {
    const weight_rounding r{.stochastic = true, .seed = 5, .first_index = INT64_MAX - before};
    const sgd_options o{.rate = 0.125};
    const optimizer_scalars s;
    world<TestType> loops(300, true);
    reference::sgd_step<TestType>(loops.gradient, {}, loops.master, loops.weight, &s, o, r);
    for (host::isa level : test::levels()) {
      host::queue q({.most = level});
      world<TestType> got(300, true);
      host::sgd_step(q, got.gradient, {}, got.master, got.weight, &s, o, r);
      CHECK(test::same_bits(got.weight, loops.weight));
    }
  }
}

TEST_CASE("A thousand steps of AdamW stay within a millionth of double") {
  constexpr std::int64_t n = 500;
  const adamw_options o{.rate = 1e-3, .decay = 0.01};
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    world<float> w(n, false);
    w.first = tensor<float, 1>({n}), w.second = tensor<float, 1>({n});
    world<double> truth = w.in<double>();
    for (int t = 1; t <= 1000; ++t) {
      w.gradient = test::numbers<float, 1>({{n}}, 1000u + static_cast<unsigned>(t));
      for (std::int64_t i = 0; i < n; ++i) w.gradient[i] += i % 3 == 0 ? 0.5f : 0.0f;  // some go one way
      truth.gradient = test::as<double>(w.gradient);
      const optimizer_scalars s{.scale = 0.5, .count = t};
      host::adamw_step(q, w.gradient, w.first, w.second, {}, w.weight, &s, o);
      reference::adamw_step(truth.gradient, truth.first, truth.second, {}, tensor_view<double, 1>(truth.weight), &s, o);
    }
    double off = 0, size = 0, moved = 0;
    const world<float> before(n, false);
    for (std::int64_t i = 0; i < n; ++i) {
      const double d = static_cast<double>(w.weight[i]) - truth.weight[i];
      off += d * d, size += truth.weight[i] * truth.weight[i];
      moved += std::abs(truth.weight[i] - static_cast<double>(before.weight[i]));
    }
    CAPTURE(host::isa_name(level));
    CHECK(std::sqrt(off / size) < 1e-6);
    CHECK(moved / n > 0.1);
  }
}

TEST_CASE("What isn't finite goes through a step as through the reference") {
  const float infinite = std::numeric_limits<float>::infinity(), none = std::numeric_limits<float>::quiet_NaN();
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    each_rule([&](const char* name, int kind) {
      world<float> got(70, false);
      got.gradient[1] = infinite, got.gradient[2] = none, got.gradient[69] = -infinite, got.weight[3] = none, got.first[4] = none;
      world<float> plain_loops = got;
      step(q, kind, got, scalars);
      step(plain_loops, kind, scalars);
      CAPTURE(name, host::isa_name(level));
      for (std::int64_t i : {0, 1, 2, 3, 4, 5, 68, 69}) {
        const float a = got.weight[i], b = plain_loops.weight[i];
        CAPTURE(i, a, b);
        CHECK((std::isnan(a) == std::isnan(b) && std::isinf(a) == std::isinf(b)));
      }
    });
  }
}

TEST_CASE("A step that is to be skipped touches nothing") {
  host::queue q;
  each_rule([&](const char*, int kind) {
    const world<float> before(40, true);
    world<float> w = before;
    step(q, kind, w, {.skip = 1});
    CHECK(same(w, before));
  });
}

TEST_CASE("Steps of double are the reference, and a pipeline's optimizer is the operation") {
  host::queue q;
  each_rule([&](const char* name, int kind) {
    CAPTURE(name);
    world<double> a(50, false), b = a;
    step(q, kind, a, scalars);
    step(b, kind, scalars);
    CHECK(same(a, b));
  });
  const auto agree = [&](const auto& options, int kind) {
    const host::optimizer as_value{options};
    const auto run = [&](auto& w) {
      using C = std::remove_reference_t<decltype(w.first[0])>;
      C* states[] = {w.first.data(), w.second.data()};
      as_value(w.weight.data(), w.gradient.data(), states, w.weight.size(), 0.7, 3);
    };
    const optimizer_scalars s{.scale = 0.7, .count = 3};
    world<float> a(333, false), b = a;
    step(q, kind, a, s), run(b);
    CHECK(same(a, b));
    world<double> c(33, false), d = c;
    step(q, kind, c, s), run(d);
    CHECK(same(c, d));
  };
  agree(plain, 0), agree(heavy, 1), agree(adam, 2), agree(l2, 3), agree(lion, 4);
  static_assert(host::optimizer<adamw_options>::states == 2 && host::optimizer<sgd_options>::states == 1);
  host::optimizer<lion_options> o{{.rate = 0.1}};
  o.rate = 0.2;  // as between the steps of a pipeline
  CHECK(o.rate == 0.2);
}

TEST_CASE("Steps refuse runs of other sizes, and numbers of steps from 0") {
  host::queue q;
  tensor<float, 1> five({5}), four({4});
  tensor<bf16, 1> weight({5});
  const optimizer_scalars s;
  CHECK_THROWS_WITH(host::adamw_step(q, four, five, five, {}, five, &s), Equals("stretto: adamw_step of 5 weights was given 4 numbers as gradient; give one for each weight"));
  CHECK_THROWS_WITH(host::adamw_step(q, five, four, five, {}, five, &s), Equals("stretto: adamw_step of 5 weights was given 4 numbers as mean; give one for each weight"));
  CHECK_THROWS_WITH(host::adamw_step(q, five, five, {}, {}, five, &s), Equals("stretto: adamw_step of 5 weights was given 0 numbers as squares; give one for each weight"));
  CHECK_THROWS_WITH(host::lion_step(q, five, five, four, weight, &s), Equals("stretto: lion_step of 5 weights was given 4 numbers as master; give one for each weight"));
  CHECK_THROWS_WITH(host::sgd_step(q, five, {}, {}, five, &s, {.momentum = 0.9}), Equals("stretto: sgd_step of 5 weights was given 0 numbers as momentum; give one for each weight"));
  const optimizer_scalars zeroth{.count = 0};
  CHECK_THROWS_WITH(host::sgd_step(q, five, {}, {}, five, &zeroth), Equals("stretto: sgd_step was told that it is step 0; count steps from 1"));
  CHECK_THROWS_WITH(host::lion_step(q, five, five, {}, five, &s, {}, {.first_index = -1}), Equals("stretto: lion_step was told that the run begins at element -1 of its parameter; give 0 or more"));
}
