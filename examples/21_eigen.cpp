// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude -isystem /usr/include/eigen3 examples/21_eigen.cpp -o eigen
// Prints:       how the loss of a network of Eigen matrices falls over four ranks; whether one rank, and a loop of Eigen
//               without the library, get the same losses and weights to the bit.
// Change next:  the width, the number of blocks; MatrixXd to MatrixXf; the rows of a batch, so that the last is shorter.
#include <cstdio>
#include <vector>

#include <Eigen/Dense>

#include <stretto/run.hpp>

using stretto::context, stretto::nothing, stretto::layer;
using matrix = Eigen::MatrixXd;
constexpr int width = 24, most_rows = 16, blocks = 4, micro_batches = 8, steps = 61;

// 1. What crosses. A matrix keeps its memory while the count of its numbers stays; where that varies, Eigen asks for memory
// anew.
template <>
struct stretto::wire_traits<matrix> {
  using gradient = matrix;
  static matrix gradient_like(const matrix& m) { return matrix::Zero(m.rows(), m.cols()); }
  static std::int64_t bytes(const matrix& m) { return m.size() * static_cast<std::int64_t>(sizeof(double)); }
  static void assign(matrix& to, const matrix& from) { to = from; }
  static void add(matrix& to, const matrix& more) { to += more; }
  static void cross(auto& w, matrix& m) {
    std::int64_t rows = m.rows(), columns = m.cols();
    w.number(rows), w.number(columns), m.resize(rows, columns);
    w.run(m.data(), bytes(m));
  }
};

// 2. A parameter is anything with data() and size(), so a matrix can be shown as it is.
struct dense {
  using input = matrix;
  using output = matrix;
  using saved = matrix;  // tanh(x w)
  matrix w, w_gradient = matrix::Zero(width, width);
  matrix bent_slope;     // room of this layer's own; written before it is read, in each call
  explicit dense(stretto::layer_index l) : w(width, width) {
    const stretto::random_stream drawn{.seed = 7, .layer = static_cast<std::uint32_t>(l.value)};
    for (int i = 0; i < w.size(); ++i) w.data()[i] = (static_cast<double>(drawn.uniform(i)) - 0.5) * 0.6;
  }
  output make_output() const { return matrix(most_rows, width); }
  saved make_saved() const { return matrix(most_rows, width); }

  // 3. noalias() keeps Eigen from making a temporary for a product.
  void forward(context&, const matrix& x, matrix& y, saved& bent) { apply(x, y, bent); }
  void backward_input(context&, const matrix&, const matrix& dy, matrix& dx, saved& bent) { back(dy, dx, bent); }
  void backward_weight(context&, const matrix& x, const matrix& dy, saved& bent) { learn(x, dy, bent); }
  void parameters(auto&& visit) { visit("w", w, w_gradient); }

  void apply(const matrix& x, matrix& y, matrix& bent) const {
    bent.noalias() = x * w;
    bent = bent.array().tanh();
    y = x + bent;
  }
  void back(const matrix& dy, matrix& dx, const matrix& bent) {
    bent_slope = dy.array() * (1 - bent.array().square());
    dx = dy;
    dx.noalias() += bent_slope * w.transpose();
  }
  void learn(const matrix& x, const matrix& dy, const matrix& bent) {
    bent_slope = dy.array() * (1 - bent.array().square());
    w_gradient.noalias() += x.transpose() * bent_slope;
  }
};
matrix batch(int m) {
  return matrix::NullaryExpr(most_rows, width, [&](Eigen::Index r, Eigen::Index c) {
    return static_cast<double>(stretto::random_stream{.seed = 11}.uniform((m * most_rows + r) * width + c)) - 0.5;
  });
}
/// Half the squared distance to the same numbers, turned by one column; and g times its gradient.
double off_by(const matrix& y, const matrix& x, double g, matrix* d) {
  double sum = 0;
  for (int c = 0; c < width; ++c) {
    sum += (y.col(c) - x.col((c + 1) % width)).squaredNorm() / 2;
    if (d != nullptr) d->col(c) = g * (y.col(c) - x.col((c + 1) % width));
  }
  return sum;
}
const std::vector<matrix>& data() {
  static const std::vector<matrix> all = [] { std::vector<matrix> v; for (int m = 0; m < micro_batches; ++m) v.push_back(batch(m)); return v; }();
  return all;
}
struct source {
  using input = nothing;
  using output = matrix;
  output make_output() const { return matrix(most_rows, width); }
  void forward(context& c, const nothing&, matrix& out) { out = data()[static_cast<std::size_t>(c.share.micro_batch)]; }
};
struct judge {
  using input = matrix;
  using output = double;
  void forward(context& c, const matrix& y, double& sum) { sum = off_by(y, data()[static_cast<std::size_t>(c.share.micro_batch)], 0, nullptr); }
  void backward_input(context& c, const matrix& y, const double& g, matrix& d) { off_by(y, data()[static_cast<std::size_t>(c.share.micro_batch)], g, &d); }
};

// 4. Losses, then weights: over ranks, and in a loop of Eigen alone.
std::vector<double> over(int ranks) {
  stretto::pipeline p(stretto::sequential(layer<source>(), stretto::repeat<dense>(blocks), layer<judge>()), stretto::even_cut({0.1, 1, 1, 1, 1, 0.1}, ranks),
                      stretto::make_plan(stretto::zb_h1{}, {.ranks = ranks, .micro_batches = micro_batches}), stretto::sgd{.rate = 0.05});
  std::vector<double> seen;
  for (int s = 0; s < steps; ++s) seen.push_back(p.step(micro_batches).loss());
  for (const stretto::parameter& one : p.parameters()) seen.insert(seen.end(), static_cast<double*>(one.value), static_cast<double*>(one.value) + one.count);
  return seen;
}
std::vector<double> by_hand() {
  std::vector<dense> all;
  for (int l = 0; l < blocks; ++l) all.emplace_back(stretto::layer_index{l + 1});
  std::vector<double> seen;
  std::vector<matrix> x(blocks + 1), bent(blocks);
  for (int s = 0; s < steps; ++s, seen.back() /= micro_batches) {
    for (dense& one : all) one.w_gradient.setZero();
    seen.push_back(0);
    for (const matrix& of : data()) {
      matrix d(most_rows, width), before;
      x[0] = of;
      for (std::size_t l = 0; l < blocks; ++l) all[l].apply(x[l], x[l + 1], bent[l]);
      seen.back() += off_by(x[blocks], of, 1.0 / micro_batches, &d);
      for (std::size_t l = blocks; l-- > 0; d = before) all[l].learn(x[l], d, bent[l]), all[l].back(d, before, bent[l]);
    }
    for (dense& one : all) one.w -= 0.05 * one.w_gradient;
  }
  for (const dense& one : all) seen.insert(seen.end(), one.w.data(), one.w.data() + one.w.size());
  return seen;
}

int main() {
  const std::vector<double> four = over(4);
  for (std::size_t s = 0; s < steps; s += 15) std::printf("step %2zu  loss %.3f\n", s, four[s]);
  std::printf("one rank, the same losses and weights to the bit: %s\n", four == over(1) ? "yes" : "no");
  std::printf("a loop of Eigen alone, likewise: %s\n", four == by_hand() ? "yes" : "no");
}
