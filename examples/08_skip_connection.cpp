// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/08_skip_connection.cpp -o skip_connection
// Prints:       how a U-shaped model learns to take the noise from waves, by three schedules and on one rank, to the
//               same bits; and which messages, from stage to stage, carry its skip connections (gradients of SKIP_A come
//               back as SKIP_A_B).
// Change next:  the cuts, until both ends of a skip connection are on one rank: then its messages are gone.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <stretto/run.hpp>
#include <stretto/stretto.hpp>

using stretto::context, stretto::nothing, stretto::values, stretto::layer, stretto::random_stream;

constexpr int length = 48, micro_batches = 4, steps = 200;

/// A wave for each micro-batch, with that much noise.
std::vector<double> waves(double noise) {
  std::vector<double> all;
  for (int m = 0; m < micro_batches; ++m)
    for (int i = 0; i < length; ++i)
      all.push_back(std::sin(0.15 * i + m) + noise * (static_cast<double>(random_stream{.seed = 4}.uniform(m * length + i)) - 0.5));
  return all;
}

struct listen {
  using input = nothing;
  using output = values<double>;
  output make_output() const { return output(length); }
  void forward(context& c, const nothing&, output& y) {
    for (int i = 0; i < length; ++i) y[i] = c.feed<double>("noisy")[i];
  }
  void backward_input(context&, const nothing&, const values<double>&, nothing&) {}
};

/// Half as long: each two numbers become one. What came in is given to the other side of the U.
struct down {
  using input = values<double>;
  using output = values<double>;
  using given = values<double>;

  int n;
  std::vector<double> w{0.6, 0.4}, gradient{0, 0};
  explicit down(int to) : n(to) {}
  output make_output() const { return output(n); }
  given make_given() const { return given(2 * n); }
  void forward(context&, const input& x, output& y, given& across) {
    for (int i = 0; i < n; ++i) y[i] = w[0] * x[2 * i] + w[1] * x[2 * i + 1];
    across.assign(x);
  }
  void backward_input(context&, const input&, const values<double>& dy, const values<double>& back, values<double>& dx) {
    for (int i = 0; i < 2 * n; ++i) dx[i] = w[i % 2 == 0 ? 0 : 1] * dy[i / 2] + back[i];
  }
  void backward_weight(context&, const input& x, const values<double>& dy, const values<double>&) {
    for (int i = 0; i < 2 * n; ++i) gradient[i % 2 == 0 ? 0 : 1] += dy[i / 2] * x[i];
  }
  void parameters(auto&& visit) { visit("w", w, gradient); }
};

/// Twice as long again: a mixture of what comes from below, between neighbours, and of what came across.
struct up {
  using input = values<double>;
  using output = values<double>;
  using taken = values<double>;

  int n;
  std::vector<double> w{0.25, 0.25, 0.5}, gradient{0, 0, 0};
  explicit up(int from) : n(from) {}
  int nearest(int i) const { return i / 2; }
  int other(int i) const { return std::min(std::max(i / 2 + (i % 2 == 0 ? -1 : 1), 0), n - 1); }
  output make_output() const { return output(2 * n); }
  void forward(context&, const input& x, const taken& across, output& y) {
    for (int i = 0; i < 2 * n; ++i) y[i] = w[0] * x[nearest(i)] + w[1] * x[other(i)] + w[2] * across[i];
  }
  void backward_input(context&, const input&, const taken&, const values<double>& dy, values<double>& dx, values<double>& back) {
    dx.fill(0);
    for (int i = 0; i < 2 * n; ++i) {
      dx[nearest(i)] += w[0] * dy[i];
      dx[other(i)] += w[1] * dy[i];
      back[i] = w[2] * dy[i];
    }
  }
  void backward_weight(context&, const input& x, const taken& across, const values<double>& dy) {
    for (int i = 0; i < 2 * n; ++i) {
      gradient[0] += dy[i] * x[nearest(i)];
      gradient[1] += dy[i] * x[other(i)];
      gradient[2] += dy[i] * across[i];
    }
  }
  void parameters(auto&& visit) { visit("w", w, gradient); }
};

/// The squared distance from the wave without noise.
struct compare {
  using input = values<double>;
  using output = double;
  void forward(context& c, const input& x, double& out) {
    out = 0;
    for (int i = 0; i < length; ++i) out += std::pow(x[i] - c.feed<double>("clear")[i], 2);
  }
  void backward_input(context& c, const input& x, const double& g, values<double>& d) {
    for (int i = 0; i < length; ++i) d[i] = 2 * g * (x[i] - c.feed<double>("clear")[i]);
  }
};

/// Trains by this plan; gives all losses and the last gradients.
std::vector<double> train(const stretto::plan& order, const stretto::cut& cut) {
  const std::vector<double> noisy = waves(1), clear = waves(0);
  const auto model = stretto::sequential(layer<listen>(), layer<down>(24).gives("whole"), layer<down>(12).gives("half"),
                                         layer<down>(6).gives("quarter"), layer<up>(6).takes("quarter"), layer<up>(12).takes("half"),
                                         layer<up>(24).takes("whole"), layer<compare>());
  stretto::pipeline p(model, cut, order, stretto::adamw{.rate = 0.01, .decay = 0});
  const auto share_of = [](const std::vector<double>& all) {
    return [&all](const stretto::data_share& s) { return stretto::view<const double>{all.data() + s.micro_batch * length, length}; };
  };
  p.feed<double>("noisy", share_of(noisy));
  p.feed<double>("clear", share_of(clear));

  std::vector<double> all;
  for (int i = 0; i < steps; ++i) all.push_back(p.step(micro_batches * length).loss());
  const stretto::program& work = p.steps();
  std::printf("%-17s loss %.4f, then %.4f  ranks %d", work.name.letters, all.front(), all.back(), work.ranks);
  for (const stretto::edge& one : work.passes.edges)
    if (one.how == stretto::relation::skip && one.from < one.to) std::printf("  %s %d>%d", one.message.letters, one.from, one.to);
  std::printf("\n");
  for (const stretto::parameter& one : p.parameters())
    for (int i = 0; i < one.count; ++i) all.push_back(static_cast<const double*>(one.value)[i]);
  return all;
}

int main() {
  using stretto::make_plan, stretto::cut;
  const stretto::sizes three{.ranks = 3, .micro_batches = micro_batches}, chunks{.ranks = 3, .micro_batches = micro_batches, .chunks = 2};
  const stretto::plan interleaved = make_plan(stretto::interleaved_one_f_one_b{}, chunks);
  std::printf("%s\n", stretto::to_grid(interleaved).c_str());
  const auto alone = train(make_plan(stretto::gpipe{}, {.ranks = 1, .micro_batches = micro_batches}), cut::of({8}));
  const bool same = train(make_plan(stretto::gpipe{}, three), cut::of({2, 3, 3})) == alone &&
                    train(make_plan(stretto::one_f_one_b{}, three), cut::of({2, 3, 3})) == alone &&
                    train(interleaved, cut::of({2, 1, 1, 1, 1, 2})) == alone;
  std::printf("\nthe same losses and weights to the bit: %s\n", same ? "yes" : "no");
}
