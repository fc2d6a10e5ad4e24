// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/07_own_layer.cpp -o own_layer
// Prints:       the gradients of a layer of one's own beside finite differences, and the refusal of a layer whose
//               backward is in one piece, where the plan has weight passes of their own.
// Change next:  the formula in forward, and then both of backward until the two columns agree again.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include <stretto/run.hpp>

using stretto::context, stretto::nothing, stretto::values;

constexpr int width = 3;

/// A gate: y = x * s(a x), where s(z) = 1 / (1 + exp(-z)), with an `a` of its own for each number.
struct gate {
  // 1. What comes in and what goes out. Between layers stand numbers, arrays of them, values<T>, or tuples of such.
  using input = values<double>;
  using output = values<double>;
  // 2. What forward leaves for backward, beyond the input, which is kept anyway. One a micro-batch, made once.
  using saved = values<double>;
  // 3. How large they are at most. Without these, output{} and saved{} are made, which hold nothing.
  output make_output() const { return output(width); }
  saved make_saved() const { return saved(width); }

  // 4. The weights, and beside each a gradient of the same size. Every layer is made on the rank that has it.
  std::vector<double> a, a_gradient;
  explicit gate(double start) : a(width, start), a_gradient(width) {}
  void parameters(auto&& visit) { visit("a", a, a_gradient); }

  // 5. The arguments of each function: context, what it reads, what it writes, what was saved.
  void forward(context&, const input& x, output& y, saved& s) {
    for (int i = 0; i < width; ++i) {
      s[i] = 1 / (1 + std::exp(-a.data()[i] * x[i]));
      y[i] = x[i] * s[i];
    }
  }
  // 6. Sets the gradient of the input; another rank waits for it.
  void backward_input(context&, const input& x, const values<double>& dy, values<double>& dx, saved& s) {
    for (int i = 0; i < width; ++i) dx[i] = dy[i] * s[i] * (1 + a.data()[i] * x[i] * (1 - s[i]));
  }
  // 7. Adds to the gradient of the weights, once a micro-batch; it may come much later, but `s` is still there.
  void backward_weight(context&, const input& x, const values<double>& dy, saved& s) {
    for (int i = 0; i < width; ++i) a_gradient.data()[i] += dy[i] * x[i] * x[i] * s[i] * (1 - s[i]);
  }
};

/// A first layer that is all weights, so that the gradient of the gate's input shows as one of a weight.
struct start {
  using input = nothing;
  using output = values<double>;
  std::vector<double> x{-1.5, 0.25, 2.0}, x_gradient = std::vector<double>(width);
  output make_output() const { return output(width); }
  void forward(context& c, const nothing&, output& out) {
    for (int i = 0; i < width; ++i) out[i] = x.data()[i] + c.share.micro_batch;
  }
  void backward_input(context&, const nothing&, const values<double>&, nothing&) {}
  void backward_weight(context&, const nothing&, const values<double>& dy) {
    for (int i = 0; i < width; ++i) x_gradient.data()[i] += dy[i];
  }
  void parameters(auto&& visit) { visit("x", x, x_gradient); }
};

/// A scale that does all of its backward in one function. It is a layer, too, but can't be split.
struct scale {
  using input = values<double>;
  using output = values<double>;
  std::vector<double> w{0.5}, w_gradient{0};
  output make_output() const { return output(width); }
  void forward(context&, const input& x, output& y) {
    for (int i = 0; i < width; ++i) y[i] = w[0] * x[i];
  }
  void backward(context&, const input& x, const values<double>& dy, values<double>& dx) {
    for (int i = 0; i < width; ++i) dx[i] = w[0] * dy[i], w_gradient[0] += dy[i] * x[i];
  }
  void parameters(auto&& visit) { visit("w", w, w_gradient); }
};

int main() {
  // The last layer gives the sum that becomes the loss. It has no weights, so two lambdas do: make_stage makes a layer of
  // them. The last one's gradient comes from the pipeline: 1 / normalizer.
  const auto half_square = stretto::make_stage(
      "half square", [](const values<double>& y) { return (y[0] * y[0] + y[1] * y[1] + y[2] * y[2]) / 2; },
      [](const values<double>& y, const double& g) {
        values<double> d(width);
        for (int i = 0; i < width; ++i) d[i] = g * y[i];
        return d;
      });

  // A rate of 0 leaves the weights as they are, and the step's gradients can be looked at when it has ended.
  const auto model = stretto::sequential(stretto::layer<start>(), stretto::layer<gate>(0.8), half_square);
  const stretto::sizes z{.ranks = 3, .micro_batches = 2};
  stretto::pipeline p(model, stretto::cut::of({1, 1, 1}), stretto::make_plan(stretto::one_f_one_b{}, z), stretto::sgd{.rate = 0});
  const int forward = p.bind(stretto::make_plan(stretto::forward_only{}, z));
  std::printf("loss %.4f\n\n          gradient  difference\n", p.step().loss());
  double worst = 0;
  for (const stretto::parameter& one : p.parameters())
    for (int i = 0; i < one.count; ++i) {
      double& value = static_cast<double*>(one.value)[i];
      const double gradient = static_cast<const double*>(one.gradient)[i], before = value, h = 1e-5;
      value = before + h;
      const double above = p.run(forward).loss();
      value = before - h;
      const double below = p.run(forward).loss();
      value = before;
      std::printf("%s[%d]  %10.4f  %10.4f\n", one.name.c_str(), i, gradient, (above - below) / (2 * h));
      worst = std::max(worst, std::abs(gradient - (above - below) / (2 * h)));
    }
  std::printf("equal but for rounding: %s\n\n", worst < 1e-7 ? "yes" : "no");

  // With F, I and W as passes of their own, a layer in one piece is refused, unless its whole backward may be done in I.
  const auto merged = stretto::sequential(stretto::layer<start>(), stretto::layer<scale>(), half_square);
  const stretto::plan split = stretto::make_plan(stretto::from_csv("0F0,0F1,0I0,0I1,0W0,0W1\n1F0,1I0,1F1,1I1,1W0,1W1\n"));
  try {
    stretto::pipeline refused(merged, stretto::cut::of({1, 2}), split);
  } catch (const stretto::error& e) {
    std::printf("%s\n", e.what());
  }
  stretto::pipeline allowed(merged, stretto::cut::of({1, 2}), split, stretto::sgd{}, {.merged_backward = true});
  std::printf("with merged_backward: loss %.4f\n", allowed.step().loss());
}
