// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The check of gradients itself: right ones pass, wrong ones are named.
#include "catch.hpp"

#include <string>
#include <vector>

#include <stretto/run.hpp>
#include <stretto/train/gradient_check.hpp>

using namespace stretto;

namespace {

struct number_of_sample {
  using input = nothing;
  using output = double;
  void forward(context& c, const nothing&, double& y) { y = 0.5 + static_cast<double>(c.share.micro_batch); }
};

/// y = w0 x + w1 x², whose gradient of w1 is off by a factor.
template <class Number>
struct parabola {
  using input = double;
  using output = double;
  double factor;
  std::vector<Number> w{Number(0.3), Number(-0.2)}, g{Number(0), Number(0)};
  void forward(context&, const double& x, double& y) { y = static_cast<double>(w[0]) * x + static_cast<double>(w[1]) * x * x; }
  void backward_input(context&, const double& x, const double& dy, double& dx) { dx = dy * (static_cast<double>(w[0]) + 2 * static_cast<double>(w[1]) * x); }
  void backward_weight(context&, const double& x, const double& dy) { g[0] += Number(x * dy), g[1] += Number(x * x * dy * factor); }
  void parameters(auto&& visit) { visit("w", w, g, tied{"w"}); }
};

template <class Number>
gradient_report checked(double factor, const gradient_check_options& o = {}, int ranks = 2) {
  pipeline p(sequential(layer<number_of_sample>(), layer<parabola<Number>>(1.0).named("first"), layer<parabola<Number>>(factor).named("second")), even_cut({1, 1, 1}, ranks),
             make_plan(one_f_one_b{}, {.ranks = ranks, .micro_batches = 3}));
  return check_gradients(p, 3, o);
}

}  // namespace

TEST_CASE("right gradients pass the check, tied ones too") {
  const gradient_report r = checked<double>(1);
  INFO(r.words().str());
  CHECK(r.within(1e-8));
  CHECK(r.checked == 2);  // of both uses together
}

TEST_CASE("a wrong gradient is named, and how wrong it is") {
  const gradient_report r = checked<double>(1.01);
  CHECK_FALSE(r.within(1e-4));
  CHECK(std::string(r.worst.str()) == "first.w");
  CHECK(r.index == 1);
  CHECK(std::string(r.words().str()).find("first.w[1]: gradient ") == 0);
}

TEST_CASE("a check of gradients changes no weight and leaves the gradients of a step that isn't taken") {
  pipeline p(sequential(layer<number_of_sample>(), layer<parabola<double>>(1.0), layer<parabola<double>>(1.0)), even_cut({1, 1, 1}, 1), make_plan(one_f_one_b{}, {.ranks = 1, .micro_batches = 3}),
             sgd{.rate = 0.1});
  const double before = p.probe(3).loss();
  check_gradients(p, 3);
  CHECK(p.probe(3).loss() == before);
  CHECK(p.step(3).loss() == before);
  CHECK(p.step(3).loss() != before);
}

TEST_CASE("what can't be checked is refused") {
  CHECK_THROWS_WITH(checked<double>(1, {.numbers = 0}), "stretto: a check of gradients looks at 1 number or more of each parameter, by a step and a floor above 0; correct its options");
  CHECK_THROWS_WITH(checked<float>(1), "stretto: parameter first.w is float, and differences of float are mostly noise; check the model in double");
  pipeline p(sequential(layer<number_of_sample>(), layer<parabola<double>>(1.0)), even_cut({1, 1}, 1), make_plan(one_f_one_b{}, {.ranks = 1, .micro_batches = 3}));
  p.accumulate(3);
  CHECK_THROWS_WITH(p.probe(3), "stretto: probe is asked for between accumulate and step, whose gradients it would lose; end the step first");
}
