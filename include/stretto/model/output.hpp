// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last layer of a classifier, or of a model that learns numbers: a product with a bias, and the loss.
//
//     x, (samples, in) ─ scores = · wᵀ + b ─┬ cross_entropy   with feed "labels", a class a sample
//                                           └ squared_error   (score - target)², the mean over a sample's, with feed "targets"
// It gives the sum over samples, so that step(samples) makes the loss a mean. Labels of `ignore` (-100) don't count. The
// scores are saved; their gradient takes their place. In evaluation a watcher is shown them.
// Cost: 3 products of samples × in × out a micro-batch.
#pragma once

#include <cmath>

#include <stretto/model/head.hpp>  // logits_watcher

namespace stretto::inline v0 {

enum class loss_kind : std::uint8_t { cross_entropy, squared_error };

struct output_shape {
  std::int64_t samples = 1;
  std::int64_t in = 1, out = 1;
  loss_kind loss = loss_kind::cross_entropy;
  double deviation = 0;  ///< of weights in the beginning; 0: 1 / √in
};

template <class Device, class T>
class output_layer {
 public:
  using real = computes_in<T>;
  using input = typename Device::template tensor<T, 2>;
  using output = typename Device::sum;
  using tools = typename Device::tools;

  struct saved {
    input scores;  // once their gradient is known, that
    typename Device::template tensor<real, 1> loss, lse;

    std::int64_t bytes() const { return scores.size() * static_cast<std::int64_t>(sizeof(T)) + (loss.size() + lse.size()) * static_cast<std::int64_t>(sizeof(real)); }
  };

  output_layer(layer_index at, const output_shape& s, std::uint32_t seed, const typename Device::options& q, const cross_entropy_options& loss, const logits_watcher<T>& watcher)
      : s_(s), queue_(q), loss_(loss), watcher_(watcher),
        weight_(s.out, s.in, true, {seed, static_cast<std::uint32_t>(at.value), 0}, s.deviation > 0 ? s.deviation : 1 / std::sqrt(static_cast<double>(s.in))) {}

  tools make_tools() const { return tools(queue_); }
  saved make_saved() const {
    const shape<1> rows{{learns_classes() ? s_.samples : 0}};
    return {input({s_.samples, s_.out}), typename Device::template tensor<real, 1>(rows), typename Device::template tensor<real, 1>(rows)};
  }
  void reserve(tools& t) { weight_.reserve(t.queue); }
  void weights_changed(context& c) { weight_.weights_changed(c.tools<tools>().queue); }
  std::int64_t bytes() const { return weight_.bytes(); }

  void forward(context& c, const input& x, output& sum, saved& s) {
    auto& q = c.tools<tools>().queue;
    weight_.forward(q, x, s.scores);
    if (!c.training && watcher_.look != nullptr) watcher_.look(watcher_.with, c.share, q.download(tensor_view<const T, 2, typename Device::memory>(s.scores)));
    if (learns_classes()) cross_entropy_total(q, s.scores, q.upload(labels(c)), s.loss, s.lse, sum, losses_for(q, loss_));
    else squared_error(q, s.scores, q.upload(targets(c)).template shaped<2>(s.scores.extents()), sum);
  }
  void backward_input(context& c, const input&, const double& g, input& dx, saved& s) {
    auto& q = c.tools<tools>().queue;
    if (learns_classes()) cross_entropy_backward(q, s.scores, q.upload(labels(c)), s.lse, q.template loss_gradient<T>(g), s.scores, losses_for(q, loss_));
    else squared_error_backward(q, s.scores, q.upload(targets(c)).template shaped<2>(s.scores.extents()), q.template loss_gradient<double>(g), s.scores);
    weight_.backward_input(q, s.scores, dx);
  }
  void backward_weight(context& c, const input& x, const double&, saved& s) { weight_.backward_weight(c.tools<tools>().queue, s.scores, x); }

  void parameters(auto&& visit) { weight_.parameters(visit, "weight", "bias"); }

 private:
  bool learns_classes() const { return s_.loss == loss_kind::cross_entropy; }

  view<const std::int32_t> labels(const context& c) const {
    const auto given = c.feed<std::int32_t>("labels");
    if (given.count != s_.samples)
      throw error(text("stretto: feed 'labels' gives ", given.count, " labels where a micro-batch has ", s_.samples, " samples; give one a sample").str());
    return given;
  }
  view<const float> targets(const context& c) const {
    const auto given = c.feed<float>("targets");
    if (given.count != s_.samples * s_.out)
      throw error(text("stretto: feed 'targets' gives ", given.count, " numbers where a micro-batch has ", s_.samples, " samples of ", s_.out, "; give as many").str());
    return given;
  }

  output_shape s_;
  typename Device::options queue_;
  cross_entropy_options loss_;
  logits_watcher<T> watcher_;
  weight_matrix<Device, T> weight_;
};

}  // namespace stretto::inline v0
