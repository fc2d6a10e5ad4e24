// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -O2 -Iinclude examples/09_tied_weights.cpp -o tied_weights
// Prints:       how a model learns to continue a sentence letter by letter. One table of letters stands at both of its
//               ends, on two ranks: both copies stay equal, and one rank has the same numbers.
// Change next:  take tied{…} away at one end and see the copies part; or write a longer sentence.
#include <cmath>
#include <cstdio>
#include <string_view>
#include <vector>

#include <stretto/run.hpp>

using stretto::context, stretto::nothing, stretto::values, stretto::view;

constexpr std::string_view sentence = "the closer the voices follow each other the tighter it gets ";
constexpr int letters = 27, width = 12, micro_batches = 6, rows = 10, steps = 20;  // rows: letters of a micro-batch
static_assert(micro_batches * rows == sentence.size());

/// Numbers to begin with: the same for every copy of the table.
std::vector<float> drawn(std::uint32_t seed, int count, float most) {
  std::vector<float> all;
  for (int i = 0; i < count; ++i) all.push_back(most * (2 * stretto::random_stream{.seed = seed}.uniform(i) - 1));
  return all;
}

/// What both ends have: the table, a row for each letter, and its gradient. They are told to be one by the name of the tie.
struct has_table {
  std::vector<float> table = drawn(1, letters * width, 0.8f), gradient = std::vector<float>(letters * width);
  float* row(int letter) { return table.data() + letter * width; }
  float* gradient_row(int letter) { return gradient.data() + letter * width; }
  void parameters(auto&& visit) { visit("table", table, gradient, stretto::tied{"letters"}); }
};

/// Looks up the row of each letter.
struct look_up : has_table {
  using input = nothing;
  using output = values<float>;

  output make_output() const { return output(rows * width); }
  void forward(context& c, const nothing&, output& out) {
    const auto letter = c.feed<int>("letters");
    for (int r = 0; r < rows; ++r)
      for (int k = 0; k < width; ++k) out[r * width + k] = row(letter[r])[k];
  }
  void backward_input(context&, const nothing&, const values<float>&, nothing&) {}
  void backward_weight(context& c, const nothing&, const values<float>& d) {
    const auto letter = c.feed<int>("letters");
    for (int r = 0; r < rows; ++r)
      for (int k = 0; k < width; ++k) gradient_row(letter[r])[k] += d[r * width + k];
  }
};

/// W x for each row: no tie here.
struct mix {
  using input = values<float>;
  using output = values<float>;

  std::vector<float> w = drawn(2, width * width, 0.5f), gradient = std::vector<float>(width * width);
  output make_output() const { return output(rows * width); }
  void forward(context&, const input& x, output& y) {
    y.fill(0);
    for (int i = 0; i < rows * width; ++i)
      for (int k = 0; k < width; ++k) y[i] += w.data()[i % width * width + k] * x[i / width * width + k];
  }
  void backward_input(context&, const input&, const values<float>& dy, values<float>& dx) {
    dx.fill(0);
    for (int i = 0; i < rows * width; ++i)
      for (int k = 0; k < width; ++k) dx[i / width * width + k] += w.data()[i % width * width + k] * dy[i];
  }
  void backward_weight(context&, const input& x, const values<float>& dy) {
    for (int i = 0; i < rows * width; ++i)
      for (int k = 0; k < width; ++k) gradient.data()[i % width * width + k] += dy[i] * x[i / width * width + k];
  }
  void parameters(auto&& visit) { visit("w", w, gradient); }
};

/// Scores every letter by its row of the table; the loss is how much the right one surprises.
struct guess : has_table {
  using input = values<float>;
  using output = double;
  using saved = values<float>;  // the share of each letter, less 1 for the right one: the gradient of the scores

  saved make_saved() const { return saved(rows * letters); }
  void forward(context& c, const input& x, double& out, saved& s) {
    const auto next = c.feed<int>("next");
    out = 0;
    for (int r = 0; r < rows; ++r) {
      float sum = 0;
      for (int v = 0; v < letters; ++v) {
        float score = 0;
        for (int k = 0; k < width; ++k) score += row(v)[k] * x[r * width + k];
        sum += s[r * letters + v] = std::exp(score);
      }
      for (int v = 0; v < letters; ++v) s[r * letters + v] /= sum;
      out -= std::log(static_cast<double>(s[r * letters + next[r]]));
      s[r * letters + next[r]] -= 1;
    }
  }
  void backward_input(context&, const input&, const double& g, values<float>& dx, saved& s) {
    dx.fill(0);
    for (int i = 0; i < rows * letters; ++i)
      for (int k = 0; k < width; ++k) dx[i / letters * width + k] += static_cast<float>(g) * s[i] * row(i % letters)[k];
  }
  void backward_weight(context&, const input& x, const double& g, saved& s) {
    for (int i = 0; i < rows * letters; ++i)
      for (int k = 0; k < width; ++k) gradient_row(i % letters)[k] += static_cast<float>(g) * s[i] * x[i / letters * width + k];
  }
};

using copies = std::vector<std::vector<float>>;

/// Trains, prints the loss of the first and then every fifth step, and gives the copies of the table.
copies train(const stretto::cut& layers_of) {
  std::vector<int> number;
  for (char c : sentence) number.push_back(c == ' ' ? 26 : c - 'a');
  number.push_back(number[0]);
  const int ranks = layers_of.stages();
  const auto model = stretto::sequential(stretto::layer<look_up>(), stretto::layer<mix>(), stretto::layer<guess>());
  stretto::pipeline p(model, layers_of, stretto::make_plan(stretto::one_f_one_b{}, {.ranks = ranks, .micro_batches = micro_batches}),
                      stretto::sgd{.rate = 0.8, .momentum = 0.5});
  const auto from = [&number](int ahead) {
    return [&number, ahead](const stretto::data_share& s) { return view<const int>{number.data() + s.micro_batch * rows + ahead, rows}; };
  };
  p.feed<int>("letters", from(0));
  p.feed<int>("next", from(1));
  std::printf("ranks %d  loss", ranks);
  for (int step = 0; step < steps; ++step) {
    const double loss = p.step(micro_batches * rows).loss();
    if (step == 0 || (step + 1) % 5 == 0) std::printf("  %.2f", loss);
  }
  copies all;
  for (const stretto::parameter& one : p.parameters()) {
    const auto* first = static_cast<const float*>(one.value);
    if (one.count == letters * width) all.emplace_back(first, first + one.count);
  }
  std::printf("   both copies of the table are equal to the bit: %s\n", all[0] == all[1] ? "yes" : "no");
  return all;
}

int main() {
  const copies three = train(stretto::cut::of({1, 1, 1})), one = train(stretto::cut::of({3}));
  std::printf("three ranks and one, the same tables to the bit: %s\n", three == one ? "yes" : "no");
}
