// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The last layer of a Transformer: a norm, a product with the table of tokens, and the loss.
//
//     x ─ norm ─ logits = · tableᵀ ─ cross-entropy with feed "labels" ─► sum over rows whose label counts
// Labels of `ignore` (-100) don't count. The logits are saved until the weight pass; their gradient takes their place.
// In evaluation, where a function watches, it is given each micro-batch's logits: that is how text is sampled. There "labels"
// may give none, which saves the loss: it is 0.
// Cost: 3 products of rows × width × vocabulary a micro-batch.
#pragma once

#include <stretto/model/embedding.hpp>
#include <stretto/numeric/cross_entropy.hpp>

namespace stretto::inline v0 {

/// Is shown the logits of a micro-batch when it is evaluated. Called on the thread of the rank that has the head.
template <class T>
struct logits_watcher {
  void (*look)(void* with, const data_share&, const tensor_view<const T, 2>& logits) = nullptr;
  void* with = nullptr;
};

template <class Device, class T>
class head_layer {
 public:
  using real = computes_in<T>;
  using input = typename Device::template tensor<T, 2>;
  using output = typename Device::sum;
  using tools = typename Device::tools;
  template <class U, int Rank>
  using numbers = typename Device::template tensor<U, Rank>;

  struct saved {
    typename norm<Device, T>::saved norm;
    input normed, logits;  // once its gradient is known, logits holds that
    numbers<real, 1> loss, lse;

    void reshape(std::int64_t rows) {
      for (input* m : {&normed, &logits}) m->reshape({rows, m->columns()});
      for (auto* m : {&loss, &lse}) m->reshape({rows});
    }

    std::int64_t bytes() const {
      return norm.bytes() + (normed.size() + logits.size()) * static_cast<std::int64_t>(sizeof(T)) + (loss.size() + lse.size()) * static_cast<std::int64_t>(sizeof(real));
    }
  };

  head_layer(layer_index at, const transformer_shape& s, std::uint32_t seed, const typename Device::options& q, const cross_entropy_options& loss, const logits_watcher<T>& watcher)
      : s_(s), queue_(q), loss_(loss), watcher_(watcher), norm_(s.norm, s.width, s.epsilon),
        table_(s.vocabulary, s.width, false, {seed, s.tied ? 0 : static_cast<std::uint32_t>(at.value), 0}, s.deviation) {}

  tools make_tools() const { return tools(queue_); }
  saved make_saved() const {
    const std::int64_t rows = s_.rows();
    return {norm_.make_saved(rows), input({rows, s_.width}), input({rows, s_.vocabulary}), numbers<real, 1>({rows}), numbers<real, 1>({rows})};
  }
  void reserve(tools& t) {
    table_.reserve(t.queue);
    t.template reserve<T>(s_.rows() * s_.width);
  }
  void weights_changed(context& c) {
    auto& q = c.tools<tools>().queue;
    norm_.weights_changed(q), table_.weights_changed(q);
  }
  std::int64_t bytes() const { return norm_.bytes() + table_.bytes(); }

  void forward(context& c, const input& x, output& sum, saved& s) {
    auto& q = c.tools<tools>().queue;
    s.reshape(x.rows());
    norm_.forward(q, x, s.normed, s.norm);
    table_.forward(q, s.normed, s.logits);
    if (!c.training && watcher_.look != nullptr) watcher_.look(watcher_.with, c.share, q.download(tensor_view<const T, 2, typename Device::memory>(s.logits)));
    cross_entropy_total(q, s.logits, q.upload(labels(c, x.rows())), s.loss, s.lse, sum, losses_for(q, loss_));
  }
  void backward_input(context& c, const input& x, const double& g, input& dx, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    const auto dnormed = room.template take<T, 2>({s_.rows(), s_.width});
    cross_entropy_backward(q, s.logits, q.upload(labels(c, s_.rows())), s.lse, q.template loss_gradient<T>(g), s.logits, losses_for(q, loss_));
    table_.backward_input(q, s.logits, dnormed);
    norm_.backward_input(q, x, dnormed, dx, {}, s.norm);
  }
  void backward_weight(context& c, const input&, const double&, saved& s) {
    auto& q = c.tools<tools>().queue;
    table_.backward_weight(q, s.logits, s.normed);
    norm_.backward_weight(q, s.norm);
  }

  void parameters(auto&& visit) {
    norm_.parameters(visit, "norm.weight", "norm.bias");
    if (s_.tied) visit("table.weight", table_.value, table_.gradient, tied{"table"});
    else visit("table.weight", table_.value, table_.gradient);
  }

 private:
  view<const std::int32_t> labels(const context& c, std::int64_t rows) const {
    const auto given = c.feed<std::int32_t>("labels");
    if (given.count != rows && (c.training || given.count != 0))
      throw error(text("stretto: feed 'labels' gives ", given.count, " labels where a micro-batch has ", s_.samples, " samples of ", rows / s_.samples, "; give as many").str());
    return given;
  }

  transformer_shape s_;
  typename Device::options queue_;
  cross_entropy_options loss_;
  logits_watcher<T> watcher_;
  norm<Device, T> norm_;
  weight_matrix<Device, T> table_;
};

}  // namespace stretto::inline v0
