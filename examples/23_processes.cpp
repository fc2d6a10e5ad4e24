// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        mpicxx -std=c++20 -O2 -Iinclude examples/23_processes.cpp -o processes
// Run:          mpirun -n 4 ./processes
// Prints:       how the loss of a small network falls while processes teach it a sum, one rank each, and that every process
//               knows the same losses, bit for bit those of one rank.
// Change next:  the number of processes, from 1 to 6; or kill one of them meanwhile.
#include <cmath>
#include <cstdio>
#include <vector>

#include <stretto/run.hpp>
#include <stretto/transport/group.hpp>
#include <stretto/transport/mpi.hpp>

using namespace stretto;

constexpr int width = 24, shares = 8, steps = 40;  // shares: micro-batches of a step

/// Numbers between -1 and 1, drawn by counting: the same whoever draws them.
float drawn(std::uint32_t seed, std::int64_t i) { return 2 * random_stream{.seed = seed}.uniform(i) - 1; }

struct numbers {  // the input of a micro-batch
  using input = nothing;
  using output = values<float>;
  output make_output() const { return output(width); }
  void forward(context& c, const nothing&, output& x) {
    for (int i = 0; i < width; ++i) x[i] = drawn(7, c.share.micro_batch * width + i);
  }
  void backward_input(context&, const nothing&, const values<float>&, nothing&) {}
};

struct dense {  // x + tanh(w x) / 2
  using input = values<float>;
  using output = values<float>;
  using saved = values<float>;
  std::vector<float> w = std::vector<float>(width * width), gradient = w;
  explicit dense(std::uint32_t seed) {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = drawn(seed, static_cast<std::int64_t>(i)) / 4;
  }
  output make_output() const { return output(width); }
  saved make_saved() const { return saved(width); }
  void forward(context&, const input& x, output& y, saved& h) {
    for (int i = 0; i < width; ++i) {
      float sum = 0;
      for (int k = 0; k < width; ++k) sum += w[static_cast<std::size_t>(i * width + k)] * x[k];
      h[i] = std::tanh(sum);
      y[i] = x[i] + h[i] / 2;
    }
  }
  void backward_input(context&, const input&, const output& dy, input& dx, saved& h) {
    for (int i = 0; i < width; ++i) h[i] = dy[i] * (1 - h[i] * h[i]) / 2;  // from here on the gradient in front of tanh
    for (int k = 0; k < width; ++k) {
      dx[k] = dy[k];
      for (int i = 0; i < width; ++i) dx[k] += w[static_cast<std::size_t>(i * width + k)] * h[i];
    }
  }
  void backward_weight(context&, const input& x, const output&, saved& h) {
    for (int i = 0; i < width; ++i)
      for (int k = 0; k < width; ++k) gradient[static_cast<std::size_t>(i * width + k)] += h[i] * x[k];
  }
  void parameters(auto&& visit) { visit("w", w, gradient); }
};

struct far_from_sum {  // how far the outputs are from the sum of all inputs, squared
  using input = values<float>;
  using output = double;
  static double sum_of(context& c) {
    double sum = 0;
    for (int i = 0; i < width; ++i) sum += static_cast<double>(drawn(7, c.share.micro_batch * width + i));
    return sum;
  }
  void forward(context& c, const input& x, double& out) {
    out = 0;
    for (float v : x) out += std::pow(static_cast<double>(v) - sum_of(c), 2);
  }
  void backward_input(context& c, const input& x, const double& g, input& dx) {
    for (int i = 0; i < width; ++i) dx[i] = static_cast<float>(2 * g * (static_cast<double>(x[i]) - sum_of(c)));
  }
};

template <class Pipeline>
std::vector<double> train(Pipeline& p) {
  std::vector<double> losses;
  for (int i = 0; i < steps; ++i) losses.push_back(p.step(shares * width).loss());
  return losses;
}

int main() try {
  const auto model = sequential(layer<numbers>(), layer<dense>(1u), layer<dense>(2u), layer<dense>(3u), layer<dense>(4u), layer<far_from_sum>());
  const std::vector<double> cost{0.1, 1, 1, 1, 1, 0.1};
  mpi t({.deadline = 60});  // in every process; MPI ends when the program does
  pipeline p(t, model, even_cut(cost, t.ranks()), make_plan(one_f_one_b{}, {.ranks = t.ranks(), .micro_batches = shares}), adamw{.rate = 0.003});
  const std::vector<double> losses = train(p);

  pipeline alone(model, even_cut(cost, 1), make_plan(gpipe{}, {.ranks = 1, .micro_batches = shares}), adamw{.rate = 0.003});
  float same = train(alone) == losses ? 1 : 0;  // this process's answer
  group all(t, t.rank(), "answers");
  all.all_reduce(view<float>{&same, 1});        // and how many say yes
  if (t.rank() != 0) return 0;
  for (int i = 0; i < steps; i += 13) std::printf("step %2d  loss %.3f\n", i, losses[static_cast<std::size_t>(i)]);
  std::printf("the losses of one rank, in every process: %s\n", same == static_cast<float>(t.ranks()) ? "yes" : "no");
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
