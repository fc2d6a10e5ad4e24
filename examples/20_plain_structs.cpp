// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/20_plain_structs.cpp -o plain_structs
// Prints:       how the loss falls where a struct of one's own crosses from rank to rank, with numbers, kinds and a mask of
//               varying length; and whether one rank, and a loop without the library, get the same bits.
// Change next:  the lengths; a shift for each kind; slopes, to hold something of the kinds as well.
#include <cmath>
#include <cstdio>
#include <vector>

#include <stretto/run.hpp>

using stretto::context, stretto::nothing, stretto::layer;
constexpr int longest = 12, kinds = 3, micro_batches = 8, layers = 6, steps = 41;

// 1. Two types that know nothing of the library: what goes forward, and its gradient, which kinds and masks have none of.
struct readings {
  std::vector<float> x;
  std::vector<int> kind;
  std::vector<unsigned char> valid;
};
struct slopes { std::vector<float> x; };

// 2. What the library asks of them. cross() is called on both ends, between processes; threads hand the object itself over.
template <>
struct stretto::wire_traits<slopes> {
  using gradient = slopes;
  static slopes gradient_like(const slopes& s) { return s; }
  static std::int64_t bytes(const slopes& s) { return static_cast<std::int64_t>(s.x.size() * sizeof(float)); }
  static void cross(auto& w, slopes& s) {
    auto n = static_cast<std::int64_t>(s.x.size());
    w.number(n), s.x.resize(static_cast<std::size_t>(n));
    w.run(s.x.data(), bytes(s));
  }
};
template <>
struct stretto::wire_traits<readings> {
  using gradient = slopes;
  static slopes gradient_like(const readings& r) { return {r.x}; }
  static std::int64_t bytes(const readings& r) { return static_cast<std::int64_t>(r.x.size() * (sizeof(float) + sizeof(int) + 1)); }
  static void cross(auto& w, readings& r) {
    auto n = static_cast<std::int64_t>(r.x.size());
    w.number(n), r.x.resize(static_cast<std::size_t>(n)), r.kind.resize(r.x.size()), r.valid.resize(r.x.size());
    w.run(r.x.data(), n * static_cast<std::int64_t>(sizeof(float)));
    w.run(r.kind.data(), n * static_cast<std::int64_t>(sizeof(int)));
    w.run(r.valid.data(), n);
  }
};

// 3. Computation that was there before: y = x + tanh(scale of its kind * x), where a reading is valid.
struct correction {
  std::vector<float> scale, scale_gradient = std::vector<float>(kinds);
  explicit correction(int number) : scale(kinds, 0.1f + 0.05f * static_cast<float>(number)) {}

  float of(const readings& r, std::size_t i) const { return scale[static_cast<std::size_t>(r.kind[i])]; }
  void apply(const readings& in, readings& out, std::vector<float>& bent) const {
    out = in;  // vectors keep their room, so this asks for no memory
    bent.resize(in.x.size());
    for (std::size_t i = 0; i < in.x.size(); ++i) out.x[i] += bent[i] = in.valid[i] ? std::tanh(of(in, i) * in.x[i]) : 0.0f;
  }
  void back(const readings& in, const slopes& dy, slopes& dx, const std::vector<float>& bent) const {
    dx = dy;
    for (std::size_t i = 0; i < in.x.size(); ++i)
      if (in.valid[i]) dx.x[i] += dy.x[i] * (1 - bent[i] * bent[i]) * of(in, i);
  }
  void learn(const readings& in, const slopes& dy, const std::vector<float>& bent) {
    for (std::size_t i = 0; i < in.x.size(); ++i)
      if (in.valid[i]) scale_gradient[static_cast<std::size_t>(in.kind[i])] += dy.x[i] * (1 - bent[i] * bent[i]) * in.x[i];
  }
};
readings batch(int m) {
  readings r;
  for (int i = 0; i < 5 + m % 8; ++i) r.x.push_back(std::sin(1.7f * static_cast<float>(i + 3 * m))), r.kind.push_back((i + m) % kinds), r.valid.push_back(i * m % 4 != 1);
  return r;
}
/// Half the squared distance to what a reading of its kind should have become; and g times its slopes.
double off_by(const readings& y, int m, float g, slopes& d) {
  const readings raw = batch(m);
  double sum = 0;
  d.x.resize(y.x.size());
  for (std::size_t i = 0; i < y.x.size(); ++i) {
    const float away = y.valid[i] ? y.x[i] - raw.x[i] * (0.5f + static_cast<float>(y.kind[i])) : 0.0f;
    sum += static_cast<double>(away * away / 2), d.x[i] = g * away;
  }
  return sum;
}

// 4. The same as layers. make_output and make_saved give the largest shape.
struct source {
  using input = nothing;
  using output = readings;
  output make_output() const { return {std::vector<float>(longest), std::vector<int>(longest), std::vector<unsigned char>(longest)}; }
  void forward(context& c, const nothing&, readings& out) { out = batch(c.share.micro_batch); }
};
struct correct : correction {
  using input = readings;
  using output = readings;
  using saved = std::vector<float>;
  using correction::correction;
  output make_output() const { return source().make_output(); }
  saved make_saved() const { return saved(longest); }
  void forward(context&, const readings& in, readings& out, saved& bent) { apply(in, out, bent); }
  void backward_input(context&, const readings& in, const slopes& dy, slopes& dx, saved& bent) { back(in, dy, dx, bent); }
  void backward_weight(context&, const readings& in, const slopes& dy, saved& bent) { learn(in, dy, bent); }
  void parameters(auto&& visit) { visit("scale", scale, scale_gradient); }
};
struct judge {
  using input = readings;
  using output = double;
  void forward(context& c, const readings& y, double& sum) { slopes unused; sum = off_by(y, c.share.micro_batch, 0, unused); }
  void backward_input(context& c, const readings& y, const double& g, slopes& d) { off_by(y, c.share.micro_batch, static_cast<float>(g), d); }
};

// 5. Losses, then weights: over ranks, and in a loop of one's own.
std::vector<double> over(int ranks) {
  stretto::pipeline p(stretto::sequential(layer<source>(), stretto::repeat<correct>(layers, 1), layer<judge>()), stretto::even_cut(std::vector<double>(layers + 2, 1), ranks),
                      stretto::make_plan(stretto::zb_h1{}, {.ranks = ranks, .micro_batches = micro_batches}), stretto::sgd{.rate = 0.01});
  std::vector<double> seen;
  for (int s = 0; s < steps; ++s) seen.push_back(p.step(micro_batches).loss());
  for (const stretto::parameter& one : p.parameters()) seen.insert(seen.end(), static_cast<float*>(one.value), static_cast<float*>(one.value) + one.count);
  return seen;
}
std::vector<double> by_hand() {
  std::vector<correction> all(layers, correction(1));
  std::vector<double> seen;
  for (int s = 0; s < steps; ++s, seen.back() /= micro_batches) {
    for (correction& c : all) c.scale_gradient.assign(kinds, 0);
    seen.push_back(0);
    for (int m = 0; m < micro_batches; ++m) {
      std::vector<readings> x(layers + 1, batch(m));
      std::vector<std::vector<float>> bent(layers);
      slopes d, before;
      for (std::size_t l = 0; l < layers; ++l) all[l].apply(x[l], x[l + 1], bent[l]);
      seen.back() += off_by(x[layers], m, 1.0f / micro_batches, d);
      for (std::size_t l = layers; l-- > 0; d = before) all[l].back(x[l], d, before, bent[l]), all[l].learn(x[l], d, bent[l]);
    }
    for (correction& c : all)
      for (std::size_t k = 0; k < kinds; ++k) c.scale[k] -= 0.01f * c.scale_gradient[k];
  }
  for (const correction& c : all) seen.insert(seen.end(), c.scale.begin(), c.scale.end());
  return seen;
}

int main() {
  const std::vector<double> four = over(4);
  for (std::size_t s = 0; s < steps; s += 10) std::printf("step %2zu  loss %.4f\n", s, four[s]);
  std::printf("one rank, the same losses and weights to the bit: %s\n", four == over(1) ? "yes" : "no");
  std::printf("a loop without the library, likewise: %s\n", four == by_hand() ? "yes" : "no");
}
