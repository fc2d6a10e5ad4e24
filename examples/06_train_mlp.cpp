// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/06_train_mlp.cpp -o train_mlp
// Prints:       how the loss of a small network falls while four ranks teach it to tell two spiral arms apart, what it
//               then answers all over the square, and whether one rank gets the same losses.
// Change next:  the width, the rate, the turns of the arms; or the cut, which changes no bit of what is printed.
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <stretto/run.hpp>

using stretto::context, stretto::nothing, stretto::values, stretto::view, stretto::layer, stretto::random_stream;

constexpr int points = 32, micro_batches = 8, columns = 56, rows = 24;  // points: of a micro-batch

/// x, y and arm of each point: 0 or 1. Drawn by counting, so they are the same whoever draws them.
std::vector<double> spirals(std::uint32_t seed, int count) {
  std::vector<double> all;
  for (int i = 0; i < count; ++i) {
    const auto drawn = [&](int k) { return static_cast<double>(random_stream{.seed = seed}.uniform(3 * i + k)); };
    const double out = std::sqrt(drawn(0)), angle = 8 * out + 3.14159265 * (i % 2);
    for (double v : {out * std::cos(angle) + 0.06 * drawn(1), out * std::sin(angle) + 0.06 * drawn(2), 1.0 * (i % 2)}) all.push_back(v);
  }
  return all;
}

/// Hands on the x and y of its micro-batch.
struct read_points {
  using input = nothing;
  using output = values<double>;
  output make_output() const { return output(2 * points); }
  void forward(context& c, const nothing&, output& xy) {
    const auto given = c.feed<double>("points");
    for (int i = 0; i < 2 * points; ++i) xy[i] = given[i / 2 * 3 + i % 2];
  }
  void backward_input(context&, const nothing&, const values<double>&, nothing&) {}
};

/// W x + b for each point.
struct linear {
  using input = values<double>;
  using output = values<double>;
  int in, out;
  std::vector<double> w, w_gradient, b, b_gradient;

  linear(std::uint32_t seed, int from, int to) : in(from), out(to), b(static_cast<std::size_t>(to)), b_gradient(b) {
    const random_stream drawn{.seed = seed};
    for (int i = 0; i < in * out; ++i) w.push_back((static_cast<double>(drawn.uniform(i)) - 0.5) * std::sqrt(12.0 / in));
    w_gradient.resize(w.size());
  }
  output make_output() const { return output(points * out); }
  void forward(context&, const input& x, output& y) {
    for (int p = 0; p < points; ++p)
      for (int o = 0; o < out; ++o) {
        y[p * out + o] = b.data()[o];
        for (int i = 0; i < in; ++i) y[p * out + o] += w.data()[o * in + i] * x[p * in + i];
      }
  }
  void backward_input(context&, const input&, const values<double>& dy, values<double>& dx) {
    dx.fill(0);
    for (int p = 0; p < points; ++p)
      for (int o = 0; o < out; ++o)
        for (int i = 0; i < in; ++i) dx[p * in + i] += w.data()[o * in + i] * dy[p * out + o];
  }
  void backward_weight(context&, const input& x, const values<double>& dy) {
    for (int p = 0; p < points; ++p)
      for (int o = 0; o < out; ++o) {
        for (int i = 0; i < in; ++i) w_gradient.data()[o * in + i] += dy[p * out + o] * x[p * in + i];
        b_gradient.data()[o] += dy[p * out + o];
      }
  }
  void parameters(auto&& visit) { visit("w", w, w_gradient), visit("b", b, b_gradient); }
};

/// tanh of each number. Its backward needs the results alone, so it saves them and lets the input go.
struct squash {
  using input = values<double>;
  using output = values<double>;
  using saved = values<double>;
  static constexpr bool keeps_input = false;
  int count;
  explicit squash(int width) : count(points * width) {}
  output make_output() const { return output(count); }
  saved make_saved() const { return saved(count); }
  void forward(context&, const input& x, output& y, saved& s) {
    for (int i = 0; i < count; ++i) y[i] = s[i] = std::tanh(x[i]);
  }
  void backward_input(context&, const values<double>& dy, values<double>& dx, saved& s) {
    for (int i = 0; i < count; ++i) dx[i] = dy[i] * (1 - s[i] * s[i]);
  }
};

/// The sum of the points' losses. In evaluation: how many points are put to the right arm, and in `answers` to which.
struct judge {
  using input = values<double>;
  using output = double;
  std::string* answers;
  explicit judge(std::string* to) : answers(to) {}
  void forward(context& c, const input& score, double& out) {
    const auto given = c.feed<double>("points");
    out = 0;
    for (int p = 0; p < points; ++p) {
      const double right = given[3 * p + 2] > 0.5 ? score[p] : -score[p];
      out += c.training ? std::log1p(std::exp(-right)) : right > 0 ? 1.0 : 0.0;
      if (!c.training) (*answers)[static_cast<std::size_t>(c.share.first_sample + p)] = score[p] > 0 ? '#' : '.';
    }
  }
  void backward_input(context& c, const input& score, const double& g, values<double>& d) {
    const auto given = c.feed<double>("points");
    for (int p = 0; p < points; ++p) d[p] = g * (1 / (1 + std::exp(-score[p])) - given[3 * p + 2]);
  }
};

/// Trains on that many ranks and gives the losses of all steps.
std::vector<double> train(int ranks, bool print) {
  const std::vector<double> arms = spirals(1, micro_batches * points), unseen = spirals(2, columns * rows);
  std::vector<double> square;
  for (int i = 0; i < columns * rows; ++i)
    for (double v : {(i % columns + 0.5) * 2.2 / columns - 1.1, 1.1 - (i / columns + 0.5) * 2.2 / rows, 0.0}) square.push_back(v);
  const std::vector<double>* now = &arms;
  std::string answers(columns * rows, ' ');
  const auto network = stretto::sequential(layer<read_points>(), layer<linear>(1u, 2, 32), layer<squash>(32), layer<linear>(2u, 32, 32),
                                           layer<squash>(32), layer<linear>(3u, 32, 1), layer<judge>(&answers));
  const stretto::plan order = stretto::make_plan(stretto::one_f_one_b{}, {.ranks = ranks, .micro_batches = micro_batches});
  stretto::pipeline p(network, stretto::even_cut({1, 2, 9, 32, 9, 1, 1}, ranks), order, stretto::adamw{.rate = 0.005}, {.samples = points});
  p.feed<double>("points", [&](const stretto::data_share& s) { return view<const double>{now->data() + 3 * s.first_sample, 3 * points}; });
  const int forward = p.bind(stretto::make_plan(stretto::forward_only{}, {.ranks = ranks, .micro_batches = columns * rows / points}));
  const auto share_right = [&](const std::vector<double>& of) {
    now = &of;  // no run is under way: the loss of each was waited for
    return p.run(forward, columns * rows).loss();
  };
  std::vector<double> losses;
  for (int step = 0; step <= 400; ++step) {
    now = &arms;
    losses.push_back(p.step(micro_batches * points).loss());
    if (print && step % 25 == 0)
      std::printf("step %3d  loss %.3f  unseen points right %3.0f %% %s\n", step, losses.back(), 100 * share_right(unseen),
                  std::string(static_cast<std::size_t>(1 + 55 * losses.back()), '=').c_str());
  }
  share_right(square);
  for (int r = 0; r < rows && print; ++r) std::printf("%s\n", answers.substr(static_cast<std::size_t>(r * columns), columns).c_str());
  return losses;
}

int main() {
  std::printf("one rank, the same losses to the bit: %s\n", train(4, true) == train(1, false) ? "yes" : "no");
}
