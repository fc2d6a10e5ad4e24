// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gradients held to differences: does a model's backward do what its forward does? For layers of your own, in double.
//
//     pipeline p(model_in_double, cut, plan, adamw{}, {.samples = 4});  p.feed<…>(…);
//     const gradient_report r = check_gradients(p, normalizer, {.numbers = 8});
//     r.largest, r.worst                       the largest difference, and of which number of which parameter
//     std::printf("%s", r.words().c_str());    "3.weight[17]: gradient 0.2500000, difference 0.2500001, …"
// For some numbers of each parameter, chosen by a seed, the loss is taken a step above and below, and
// (loss(w + h) - loss(w - h)) / 2h is compared with the gradient that the pipeline sums up. The difference is measured
// against the larger of the two and of `floor`. Inputs and what lies between layers are checked by this, too, for they lead
// to the parameters of layers before; a frozen layer in front is best replaced by one with weights.
// Cost: two runs of the plan a number, and one. Weights and gradients are left as they were; nothing is updated.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/random.hpp>
#include <stretto/core/text.hpp>
#include <stretto/stage/parameters.hpp>

namespace stretto::inline v0 {

struct gradient_check_options {
  int numbers = 4;           ///< of each parameter; all, where it has no more
  double step = 1e-5;        ///< as a share of the number, or of 1 where that is larger
  double floor = 1e-6;       ///< differences of gradients below it are measured against it
  std::uint32_t seed = 0;    ///< which numbers
};

struct gradient_report {
  text worst;               ///< the parameter
  std::int64_t index = -1;  ///< of the number in it
  double gradient = 0, difference = 0;
  double largest = 0;       ///< relative
  int checked = 0;

  bool within(double bound) const { return largest <= bound; }
  text words() const {
    text t(worst, "[", index, "]: gradient ");
    t.add(number(gradient), ", by differences ", number(difference), ", of ", checked, " numbers the one that is furthest off");
    return t;
  }

 private:
  static text number(double v) {  // sign, 7 digits and a power of ten
    if (v - v != 0) return text(v != v ? "nan" : v > 0 ? "inf" : "-inf");
    int power = 0;
    double m = v < 0 ? -v : v;
    while (m >= 10) m /= 10, ++power;
    while (m > 0 && m < 1) m *= 10, --power;
    auto digits = static_cast<std::int64_t>(m * 1000000 + 0.5);
    if (digits >= 10000000) digits /= 10, ++power;
    text t(v < 0 ? "-" : "", digits / 1000000, ".");
    for (std::int64_t by = 100000; by > 0; by /= 10) t.add(digits / by % 10);
    t.add("e", power);
    return t;
  }
};

/// Pipeline: one that trains in double, with its feeds, and no step under way; every rank in this process.
template <class Pipeline>
gradient_report check_gradients(Pipeline& p, double normalizer, const gradient_check_options& o = {}) {
  if (o.numbers < 1 || !(o.step > 0) || !(o.floor > 0)) throw error("stretto: a check of gradients looks at 1 number or more of each parameter, by a step and a floor above 0; correct its options");
  const auto loss = [&] { return p.probe(normalizer).loss(); };
  loss();
  p.finish();
  std::vector<parameter> all;
  std::vector<std::vector<double>> gradients;
  for (const parameter& q : p.parameters()) {
    if (q.gradient == nullptr) continue;
    if (q.type != number_type::float64) throw error(text("stretto: parameter ", q.name.str(), " is float, and differences of float are mostly noise; check the model in double").str());
    const double* const g = static_cast<const double*>(q.gradient);
    // A tied parameter is one number in several places: its gradient is the sum of theirs, and they move together.
    bool known = false;
    for (std::size_t i = 0; i < all.size() && !q.tie.empty(); ++i)
      if (all[i].tie == q.tie && !known) {
        for (std::int64_t k = 0; k < q.count; ++k) gradients[i][static_cast<std::size_t>(k)] += g[k];
        known = true;
      }
    if (known) continue;
    all.push_back(q);
    gradients.emplace_back(g, g + q.count);
  }
  const auto move = [&](const parameter& q, std::int64_t k, double to) {
    for (const parameter& other : p.parameters())
      if (other.value == q.value || (!q.tie.empty() && other.tie == q.tie)) static_cast<double*>(other.value)[k] = to;
    p.weights_changed();
  };
  gradient_report r;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const parameter& q = all[i];
    const std::int64_t some = q.count < o.numbers ? q.count : o.numbers;
    for (std::int64_t n = 0; n < some; ++n) {
      const random_stream drawn{.seed = o.seed, .layer = static_cast<std::uint32_t>(i)};
      const std::int64_t k = some == q.count ? n : static_cast<std::int64_t>(drawn.bits(n) % static_cast<std::uint64_t>(q.count));
      const double was = static_cast<double*>(q.value)[k], size = std::abs(was), h = o.step * (size > 1 ? size : 1);
      const double above = was + h, below = was - h;
      move(q, k, above);
      const double high = loss();
      move(q, k, below);
      const double low = loss();
      move(q, k, was);
      const double by_difference = (high - low) / (above - below), g = gradients[i][static_cast<std::size_t>(k)];
      double scale = std::abs(g) > std::abs(by_difference) ? std::abs(g) : std::abs(by_difference);
      if (scale < o.floor) scale = o.floor;
      const double off = std::abs(g - by_difference) / scale;
      ++r.checked;
      if (!(off <= r.largest) || r.index < 0) r.largest = off, r.worst = q.name, r.index = k, r.gradient = g, r.difference = by_difference;
    }
  }
  loss();  // the gradients of the weights as they are
  p.finish();
  return r;
}

}  // namespace stretto::inline v0
