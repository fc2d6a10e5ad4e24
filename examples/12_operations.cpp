// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/12_operations.cpp -o operations
// Prints:       how a network of three layers learns to tell spiral arms apart on two ranks, with the CPU's operations on
//               tensors, and whether one rank gets the same losses.
// Change next:  the width and the activation; activation::relu_squared, say. Or the queue: host::queue({.threads = 2}).
#include <cmath>
#include <cstdio>
#include <vector>

#include <stretto/host/activation.hpp>
#include <stretto/host/add.hpp>
#include <stretto/host/cross_entropy.hpp>
#include <stretto/host/device.hpp>
#include <stretto/host/matrix_product.hpp>
#include <stretto/run.hpp>

using stretto::context, stretto::nothing, stretto::layer, stretto::random_stream, stretto::activation, stretto::view;

constexpr int points = 64, micro_batches = 4, arms = 3;  // points: of a micro-batch

/// Hands on the places of its micro-batch's points: 12 waves of x and y.
template <class Device>
struct places {
  using input = nothing;
  using output = typename Device::template tensor<float, 2>;
  output make_output() const { return output({points, 12}); }
  void forward(context& c, const nothing&, output& out) {
    const auto xy = c.feed<float>("xy");
    for (int p = 0; p < points; ++p)
      for (int k = 0; k < 3; ++k)
        for (int i = 0; i < 2; ++i) {
          out(p, 4 * k + 2 * i) = std::sin(static_cast<float>(1 << k) * xy[2 * p + i]);
          out(p, 4 * k + 2 * i + 1) = std::cos(static_cast<float>(1 << k) * xy[2 * p + i]);
        }
  }
  void backward_input(context&, const nothing&, const output&, nothing&) {}
};

/// y = f(x wᵀ + b). What stands before the activation is saved; its gradient, made once, serves both halves of backward.
template <class Device>
struct dense {
  template <int Rank>
  using numbers = typename Device::template tensor<float, Rank>;
  using input = numbers<2>;
  using output = numbers<2>;
  struct saved {
    numbers<2> before, gradient;
  };

  int in, out;
  activation kind;
  typename Device::queue q;
  numbers<2> w, w_gradient;
  numbers<1> b, b_gradient;

  dense(std::uint32_t seed, int from, int to, activation f) : in(from), out(to), kind(f), w({to, from}), w_gradient({to, from}), b({to}), b_gradient({to}) {
    for (int i = 0; i < in * out; ++i) w.data()[i] = (random_stream{.seed = seed}.uniform(i) - 0.5f) * std::sqrt(12.0f / static_cast<float>(in));
  }
  output make_output() const { return output({points, out}); }
  saved make_saved() const { return {numbers<2>({points, out}), numbers<2>({points, out})}; }

  void forward(context&, const input& x, output& y, saved& s) { matrix_product(q, x, transposed(w), y, {.bias = b, .before = s.before, .kind = kind}); }
  void backward_input(context&, const input&, const output& dy, input& dx, saved& s) {
    activate_backward(q, s.before, dy, s.gradient, kind);
    matrix_product(q, s.gradient, w, dx);
  }
  void backward_weight(context&, const input& x, const output&, saved& s) {
    matrix_product(q, transposed(s.gradient), x, w_gradient, {.accumulate = true});
    bias_gradient(q, s.gradient, b_gradient);
  }
  void parameters(auto&& visit) { visit("w", w, w_gradient), visit("b", b, b_gradient); }
};

/// The sum of cross-entropies.
template <class Device>
struct judge {
  using input = typename Device::template tensor<float, 2>;
  using output = double;
  using saved = typename Device::template tensor<float, 1>;
  typename Device::queue q;
  saved loss{{points}};
  saved make_saved() const { return saved({points}); }
  void forward(context& c, const input& scores, double& sum, saved& lse) { sum = cross_entropy(q, scores, c.feed<std::int32_t>("arm"), loss, lse).loss; }
  void backward_input(context& c, const input& scores, const double& g, input& d, saved& lse) {
    cross_entropy_backward(q, scores, c.feed<std::int32_t>("arm"), lse, static_cast<float>(g), d);
  }
};

std::vector<double> train(int ranks) {
  using device = stretto::host::device;
  std::vector<float> xy;
  std::vector<std::int32_t> arm;
  for (int i = 0; i < micro_batches * points; ++i) {
    const float far = std::sqrt(random_stream{.seed = 1}.uniform(i)), angle = 5 * far + 2.0944f * static_cast<float>(i % arms);
    xy.push_back(far * std::cos(angle)), xy.push_back(far * std::sin(angle)), arm.push_back(i % arms);
  }
  const auto network = stretto::sequential(layer<places<device>>(), layer<dense<device>>(1u, 12, 64, activation::gelu), layer<dense<device>>(2u, 64, 64, activation::gelu),
                                           layer<dense<device>>(3u, 64, arms, activation::none), layer<judge<device>>());
  stretto::pipeline p(network, stretto::even_cut({1, 2, 4, 1, 1}, ranks), stretto::make_plan(stretto::one_f_one_b{}, {.ranks = ranks, .micro_batches = micro_batches}),
                      stretto::adamw{.rate = 0.01}, {.samples = points});
  p.feed<float>("xy", [&](const stretto::data_share& s) { return view<const float>{xy.data() + 2 * s.first_sample, 2 * points}; });
  p.feed<std::int32_t>("arm", [&](const stretto::data_share& s) { return view<const std::int32_t>{arm.data() + s.first_sample, points}; });
  std::vector<double> losses;
  for (int step = 0; step < 150; ++step) losses.push_back(p.step(micro_batches * points).loss());
  return losses;
}

int main() {
  const std::vector<double> two = train(2), one = train(1);
  for (const std::size_t step : {0u, 149u}) std::printf("step %3zu  loss %.1f\n", step, two[step]);
  std::printf("one rank, the same losses to the bit: %s\n", two == one ? "yes" : "no");
}
