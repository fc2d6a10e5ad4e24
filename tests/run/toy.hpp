// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A small model with everything that makes equal bits hard: a tied weight at both ends, a skip connection that two layers
// take, a frozen layer, dropout. Layers of the width of a few floats, so that hundreds of pipelines fit in a test.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include <stretto/plan/weight_order.hpp>
#include <stretto/run/pipeline.hpp>
#include <stretto/schedule.hpp>

namespace toy {

using namespace stretto;

inline constexpr int width = 6, vocabulary = 11, rows = 3;  // rows: samples of a micro-batch

/// Numbers for weights, from where they stand.
inline float weight_of(std::uint32_t layer, std::int64_t i) { return random_stream{17, 0, 0, layer}.uniform(i) - 0.5f; }

inline std::vector<float> weights(std::uint32_t layer, std::int64_t n) {
  std::vector<float> w(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) w[static_cast<std::size_t>(i)] = weight_of(layer, i);
  return w;
}

/// Rows of the tied table, chosen by the feed "tokens".
struct embedding {
  using input = nothing;
  using output = values<float>;

  std::vector<float> table = weights(1000, vocabulary * width), gradient = std::vector<float>(vocabulary * width);

  output make_output() const { return output(rows * width); }
  void forward(context& c, const nothing&, output& out) {
    const auto tokens = c.feed<int>("tokens");
    for (int r = 0; r < rows; ++r)
      for (int k = 0; k < width; ++k) out[r * width + k] = table[static_cast<std::size_t>(tokens[r] * width + k)];
  }
  void backward_input(context&, const nothing&, const values<float>&, nothing&) {}
  void backward_weight(context& c, const nothing&, const values<float>& g) {
    const auto tokens = c.feed<int>("tokens");
    for (int r = 0; r < rows; ++r)
      for (int k = 0; k < width; ++k) gradient[static_cast<std::size_t>(tokens[r] * width + k)] += g[r * width + k];
  }
  void parameters(auto&& visit) { visit("table", table, gradient, tied{"embedding"}); }
};

/// x + dropout(tanh(W x)), trained or frozen.
template <bool Frozen>
struct block {
  using input = values<float>;
  using output = values<float>;
  struct saved {
    values<float> hidden, pushed;  // tanh(W x); its gradient behind dropout
  };
  static constexpr bool frozen = Frozen;

  explicit block(double drop) : rate(drop) {}
  double rate;
  std::vector<float> w = weights(Frozen ? 7 : 3, width * width), gradient = std::vector<float>(width * width);

  output make_output() const { return output(rows * width); }
  saved make_saved() const { return {values<float>(rows * width), values<float>(rows * width)}; }

  void forward(context& c, const input& in, output& out, saved& s) {
    for (int r = 0; r < rows; ++r) {
      const random_stream random = c.random(r);
      for (int i = 0; i < width; ++i) {
        float sum = 0;
        for (int k = 0; k < width; ++k) sum += w[static_cast<std::size_t>(i * width + k)] * in[r * width + k];
        s.hidden[r * width + i] = std::tanh(sum);
        out[r * width + i] = in[r * width + i] + (random.keeps(i, rate) ? s.hidden[r * width + i] : 0.0f);
      }
    }
  }
  void backward_input(context& c, const input&, const values<float>& g, values<float>& d, saved& s) {
    for (int r = 0; r < rows; ++r) {
      const random_stream random = c.random(r);
      for (int i = 0; i < width; ++i) {
        const float h = s.hidden[r * width + i];
        s.pushed[r * width + i] = random.keeps(i, rate) ? g[r * width + i] * (1 - h * h) : 0.0f;
      }
      for (int k = 0; k < width; ++k) {
        float sum = g[r * width + k];
        for (int i = 0; i < width; ++i) sum += w[static_cast<std::size_t>(i * width + k)] * s.pushed[r * width + i];
        d[r * width + k] = sum;
      }
    }
  }
  void backward_weight(context&, const input& in, const values<float>&, saved& s)
    requires(!Frozen)
  {
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < width; ++i)
        for (int k = 0; k < width; ++k) gradient[static_cast<std::size_t>(i * width + k)] += s.pushed[r * width + i] * in[r * width + k];
  }
  void parameters(auto&& visit) {
    if constexpr (Frozen) visit("w", w);
    else visit("w", w, gradient);
  }
};

/// w x, and half of x by skip connection.
struct giver {
  using input = values<float>;
  using output = values<float>;
  using given = values<float>;

  std::vector<float> w = weights(11, width), gradient = std::vector<float>(width);

  output make_output() const { return output(rows * width); }
  given make_given() const { return given(rows * width); }
  void forward(context&, const input& in, output& out, given& away) {
    for (int i = 0; i < rows * width; ++i) {
      out[i] = (1 + w[static_cast<std::size_t>(i % width)]) * in[i];
      away[i] = 0.5f * in[i];
    }
  }
  void backward_input(context&, const input&, const values<float>& g, const values<float>& back, values<float>& d) {
    for (int i = 0; i < rows * width; ++i) d[i] = (1 + w[static_cast<std::size_t>(i % width)]) * g[i] + 0.5f * back[i];
  }
  void backward_weight(context&, const input& in, const values<float>& g, const values<float>&) {
    for (int i = 0; i < rows * width; ++i) gradient[static_cast<std::size_t>(i % width)] += in[i] * g[i];
  }
  void parameters(auto&& visit) { visit("w", w, gradient); }
};

/// x + v y, where y comes by skip connection.
struct taker {
  using input = values<float>;
  using output = values<float>;
  using taken = values<float>;

  explicit taker(std::uint32_t seed) : v(weights(seed, width)) {}
  std::vector<float> v, gradient = std::vector<float>(width);

  output make_output() const { return output(rows * width); }
  void forward(context&, const input& in, const taken& y, output& out) {
    for (int i = 0; i < rows * width; ++i) out[i] = in[i] + v[static_cast<std::size_t>(i % width)] * y[i];
  }
  void backward_input(context&, const input&, const taken&, const values<float>& g, values<float>& d, values<float>& back) {
    for (int i = 0; i < rows * width; ++i) {
      d[i] = g[i];
      back[i] = v[static_cast<std::size_t>(i % width)] * g[i];
    }
  }
  void backward_weight(context&, const input&, const taken& y, const values<float>& g) {
    for (int i = 0; i < rows * width; ++i) gradient[static_cast<std::size_t>(i % width)] += y[i] * g[i];
  }
  void parameters(auto&& visit) { visit("v", v, gradient); }
};

/// The squared distance of table · x to the feed "targets", summed.
struct head {
  using input = values<float>;
  using output = double;
  using saved = values<float>;

  std::vector<float> table = weights(1000, vocabulary * width), gradient = std::vector<float>(vocabulary * width);

  saved make_saved() const { return saved(rows * vocabulary); }
  void forward(context& c, const input& in, output& out, saved& s) {
    const auto targets = c.feed<int>("targets");
    out = 0;
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < vocabulary; ++v) {
        float score = targets[r] == v ? -1.0f : 0.0f;
        for (int k = 0; k < width; ++k) score += table[static_cast<std::size_t>(v * width + k)] * in[r * width + k];
        s[r * vocabulary + v] = score;
        out += static_cast<double>(score) * static_cast<double>(score);
      }
  }
  void backward_input(context&, const input&, const double& g, values<float>& d, saved& s) {
    for (int r = 0; r < rows; ++r)
      for (int k = 0; k < width; ++k) {
        float sum = 0;
        for (int v = 0; v < vocabulary; ++v) sum += 2 * static_cast<float>(g) * s[r * vocabulary + v] * table[static_cast<std::size_t>(v * width + k)];
        d[r * width + k] = sum;
      }
  }
  void backward_weight(context&, const input& in, const double& g, saved& s) {
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < vocabulary; ++v)
        for (int k = 0; k < width; ++k)
          gradient[static_cast<std::size_t>(v * width + k)] += 2 * static_cast<float>(g) * s[r * vocabulary + v] * in[r * width + k];
  }
  void parameters(auto&& visit) { visit("table", table, gradient, tied{"embedding"}); }
};

/// blocks + 3 layers; at least 3 blocks, of which one gives to two others.
inline auto model_of(int blocks, bool again = false) {
  const int some = (blocks - 3) / 2;
  auto middle = repeat<block<false>>(some, 0.2);
  return sequential(layer<embedding>(), layer<giver>().gives("u"), again ? recompute(middle) : middle, layer<taker>(21u).takes("u"),
                    repeat<block<false>>(blocks - 3 - some, 0.2), layer<taker>(22u).takes("u"), layer<block<true>>(0.2), layer<head>());
}

/// Stages of as equal numbers of layers as can be.
inline cut cut_of(int layers, int stages) {
  std::vector<int> sizes;
  for (int s = 0; s < stages; ++s) sizes.push_back(layers / stages + (s < layers % stages ? 1 : 0));
  return cut::of(sizes);
}

/// Everything that must be equal.
struct outcome {
  std::vector<double> losses, norms;
  std::vector<std::vector<float>> weights, gradients;
  friend bool operator==(const outcome&, const outcome&) = default;
};

/// The data of a micro-batch: the same whoever asks.
struct data {
  std::vector<int> tokens, targets;
  explicit data(int micro_batches) {
    for (int i = 0; i < micro_batches * rows; ++i) {
      tokens.push_back(static_cast<int>(random_stream{5, 0, 0, 0}.bits(i) % vocabulary));
      targets.push_back(static_cast<int>(random_stream{6, 0, 0, 0}.bits(i) % vocabulary));
    }
  }
};

template <class P>
void feed(P& p, const data& d) {
  p.template feed<int>("tokens", [&d](const data_share& s) { return view<const int>{d.tokens.data() + s.micro_batch * rows, rows}; });
  p.template feed<int>("targets", [&d](const data_share& s) { return view<const int>{d.targets.data() + s.micro_batch * rows, rows}; });
}

template <class P>
outcome train(P& p, int steps, double normalizer) {
  outcome o;
  for (int i = 0; i < steps; ++i) {
    auto step = p.step(normalizer);
    o.losses.push_back(step.loss());
    o.norms.push_back(step.norm());
  }
  for (const parameter& one : p.parameters()) {
    const auto* v = static_cast<const float*>(one.value);
    const auto* g = static_cast<const float*>(one.gradient);
    o.weights.emplace_back(v, v + one.count);
    o.gradients.emplace_back(g, g + (g != nullptr ? one.count : 0));
  }
  return o;
}

/// Whether a plan adds gradients as one rank does: each stage with one owner, which lets weight passes ascend.
inline bool adds_ascending(const plan_view& p) {
  return owners(p) == 1 && order_of_weights(p) == weight_order::ascending;
}

}  // namespace toy
