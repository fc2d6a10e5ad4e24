// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The first half of a Transformer's block, a layer of its own, so that a cut may lie between it and the MLP:
//
//     x ─┬─ norm ─ queries, keys, values ─ (heads normed) ─ (turned) ─ attention ─ product ─ (dropout) ─ + ─► y
//        └───────────────────────────────────────────────────────────────────────────────────────────────┘
// Each sample of the micro-batch attends to itself, or to as many of its first tokens as a feed says aren't padding. What is
// saved: the norm's result, queries, keys and values, which their gradients replace when these are known, attention's result,
// and a number a row and head. Where runs go on, or forward passes are sliced, the carry keeps keys and values:
//
//     run of 4 tokens   k v | k v | k v | k v |     |          go_on: queries of the new token see
//     go_on, 1 token    k v | k v | k v | k v | k v |          all five, with the bits of one run of 5
// Cost: 4 products of rows × width², and attention; the carry takes samples × kept() × 2 keys() numbers. Source: Vaswani et al., Attention is all you need, 2017.
#pragma once

#include <cmath>
#include <vector>

#include <stretto/model/head_norm.hpp>
#include <stretto/model/layer_dropout.hpp>
#include <stretto/model/shape.hpp>
#include <stretto/numeric/attention_mask.hpp>
#include <stretto/stage/model.hpp>

namespace stretto::inline v0 {

template <class Device, class T>
class attention_layer {
 public:
  using real = computes_in<T>;
  using input = typename Device::template tensor<T, 2>;
  using output = input;
  using tools = typename Device::tools;
  template <class U, int Rank>
  using numbers = typename Device::template tensor<U, Rank>;

  struct saved {
    typename norm<Device, T>::saved norm;
    input normed, qkv, mixed;  // once their gradients are known, qkv holds those
    numbers<real, 2> lse;
    typename head_norm<Device, T>::saved heads;

    void reshape(std::int64_t rows) {
      for (input* m : {&normed, &qkv, &mixed}) m->reshape({rows, m->columns()});
      lse.reshape({rows, lse.columns()}), heads.reshape(rows);
    }
    std::int64_t bytes() const {
      return norm.bytes() + heads.bytes() + (normed.size() + qkv.size() + mixed.size()) * static_cast<std::int64_t>(sizeof(T)) + lse.size() * static_cast<std::int64_t>(sizeof(real));
    }
  };

  /// Keys and values of the tokens that texts have so far, kept() rows for each sample.
  struct carry {
    input rows;
    std::int64_t length = 0;

    std::int64_t bytes() const { return rows.size() * static_cast<std::int64_t>(sizeof(T)); }
  };

  attention_layer(layer_index at, const transformer_shape& s, std::uint32_t seed, const typename Device::options& q)
      : s_(s), queue_(q), drop_(s.dropout, s.sequence), norm_(s.norm, s.width, s.epsilon), head_norm_(s),
        in_(s.queries() + 2 * s.keys(), s.width, s.biases, {seed, static_cast<std::uint32_t>(at.value), 0}, s.deviation),
        out_(s.width, s.queries(), s.biases, {seed, static_cast<std::uint32_t>(at.value), 1}, s.deviation / std::sqrt(2.0 * s.layers)),
        table_(rotary_table<real>(s.rotary ? s.positions : 1, s.rotary ? s.size() : 2, s.turning)), positions_(static_cast<std::size_t>(s.sequence)) {
    set_positions(0);
  }

  tools make_tools() const { return tools(queue_); }
  output make_output() const { return output({s_.rows(), s_.width}); }
  saved make_saved() const {
    const std::int64_t rows = s_.rows();
    return {norm_.make_saved(rows), input({rows, s_.width}), input({rows, s_.queries() + 2 * s_.keys()}), input({rows, s_.queries()}), numbers<real, 2>({rows, s_.heads}),
            head_norm_.make_saved(rows, s_.queries() + 2 * s_.keys())};
  }
  /// Empty where nothing is shared, and where tokens see those behind them, which a text that goes on hasn't yet.
  carry make_carry(bool shared) const { return {input({shared && s_.causal && s_.lengths.empty() ? s_.samples * s_.kept() : 0, 2 * s_.keys()})}; }
  void reserve(tools& t) {
    const std::int64_t rows = s_.rows(), wide = s_.queries() + 2 * s_.keys();
    in_.reserve(t.queue), out_.reserve(t.queue);
    t.template reserve<T>(drop_.room_of(rows * s_.width), rows * s_.queries(), rows * wide, rows * s_.width, rows * s_.heads * static_cast<std::int64_t>(sizeof(real) / sizeof(T)));
  }
  void weights_changed(context& c) {
    auto& q = c.tools<tools>().queue;
    norm_.weights_changed(q), head_norm_.weights_changed(q), in_.weights_changed(q), out_.weights_changed(q);
  }
  std::int64_t bytes() const { return norm_.bytes() + head_norm_.bytes() + in_.bytes() + out_.bytes() + table_.bytes() + static_cast<std::int64_t>(positions_.size()) * 4; }

  void forward(context& c, const input& x, output& y, saved& s, carry& k) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    const std::int64_t each = x.rows() / s_.samples, at = s_.behind(c, k.length, each);
    if (!c.begins && k.rows.empty()) throw error("stretto: attention that sees tokens behind its own, or is told lengths, can't go on with a text; run it anew");
    const auto places = q.upload(set_positions(at)).part(0, 0, each);
    y.reshape(x.extents()), s.reshape(x.rows());
    norm_.forward(q, x, s.normed, s.norm);
    in_.forward(q, s.normed, s.qkv);
    const auto lengths = s_.lengths_of(c, each);
    for (std::int64_t n = 0; n < s_.samples; ++n) {
      const matrix mine = of_sample(s_.head_norm ? matrix(s.heads.split) : matrix(s.qkv), n);
      const heads h = heads_of(mine);
      if (s_.head_norm) head_norm_.forward(q, of_sample(matrix(s.qkv), n), places, table_, h.queries, h.keys, h.values, s.heads, n * each);
      else if (s_.rotary) rotary(q, h.queries, places, table_, h.queries), rotary(q, h.keys, places, table_, h.keys);
      const heads seen = k.rows.empty() ? h : keep(q, k, n, at, mine);
      const std::int64_t length = k.rows.empty() ? s_.length(lengths, n, each) : at + each;
      attention(q, h.queries, seen.keys.part(0, 0, length), seen.values.part(0, 0, length), {.offset = at}, {}, by_heads(of_sample(s.mixed, n), s_.heads), of_sample(s.lse, n), rule(c, n));
    }
    drop_.into_stream(c, t, out_, s.mixed, x, y);
  }

  void backward_input(context& c, const input& x, const output& dy, input& dx, saved& s, carry&) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    const auto dz = drop_.left(c, q, room, matrix(dy));
    const auto dmixed = room.template take<T, 2>({s_.rows(), s_.queries()});
    const auto dqkv = room.template take<T, 2>({s_.rows(), s.qkv.columns()});
    const auto dnormed = room.template take<T, 2>({s_.rows(), s_.width});
    const auto delta = room.template take<real, 2>({s_.rows(), s_.heads});
    out_.backward_input(q, dz, dmixed);
    attention_delta(q, by_heads(matrix(s.mixed), s_.heads), by_heads(dmixed, s_.heads), delta);
    const auto lengths = s_.lengths_of(c, s_.sequence);
    const auto places = q.upload(set_positions(0));
    head_norm_.begin_backward(q, s.heads);
    for (std::int64_t n = 0; n < s_.samples; ++n) {
      const heads h = heads_of(of_sample(s_.head_norm ? matrix(s.heads.split) : matrix(s.qkv), n)), d = heads_of(of_sample(dqkv, n));
      const std::int64_t length = s_.length(lengths, n, s_.sequence);
      const auto seen = [&](const auto& m) { return m.part(0, 0, length); };
      attention_backward(q, h.queries, seen(h.keys), seen(h.values), by_heads(of_sample(dmixed, n), s_.heads), of_sample(s.lse, n), of_sample(delta, n), {}, {}, d.queries, seen(d.keys),
                         seen(d.values), rule(c, n));
      zero_rows(q, of_sample(dqkv, n).columns(s_.queries(), 2 * s_.keys()).rows(length, s_.sequence - length));  // nobody saw these
      if (s_.head_norm) head_norm_.backward_input(q, of_sample(matrix(s.qkv), n), places, table_, d.queries, d.keys, d.values, of_sample(dqkv, n), s.heads, n * s_.sequence);
      else if (s_.rotary) rotary_backward(q, d.queries, places, table_, d.queries), rotary_backward(q, d.keys, places, table_, d.keys);
    }
    in_.backward_input(q, dqkv, dnormed);
    copy_rows(q, dqkv, matrix(s.qkv));
    norm_.backward_input(q, x, dnormed, dx, dy, s.norm);
  }

  void backward_weight(context& c, const input&, const output& dy, saved& s, carry&) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    out_.backward_weight(q, drop_.left(c, q, room, matrix(dy)), s.mixed);
    in_.backward_weight(q, s.qkv, s.normed);
    head_norm_.backward_weight(q, s.heads);
    norm_.backward_weight(q, s.norm);
  }

  void parameters(auto&& visit) {
    norm_.parameters(visit, "norm.weight", "norm.bias");
    in_.parameters(visit, "qkv.weight", "qkv.bias");
    head_norm_.parameters(visit);
    out_.parameters(visit, "out.weight", "out.bias");
  }

 private:
  using matrix = tensor_view<T, 2, typename Device::memory>;
  struct heads {
    tensor_view<T, 3, typename Device::memory> queries, keys, values;
  };
  template <class U>
  tensor_view<U, 2, typename Device::memory> of_sample(const tensor_view<U, 2, typename Device::memory>& m, std::int64_t n) const {
    const std::int64_t each = m.rows() / s_.samples;
    return m.rows(n * each, each);
  }
  heads heads_of(const matrix& m) const {
    return {by_heads(m.columns(0, s_.queries()), s_.heads), by_heads(m.columns(s_.queries(), s_.keys()), s_.groups()), by_heads(m.columns(s_.queries() + s_.keys(), s_.keys()), s_.groups())};
  }
  /// Puts keys and values of a sample's new tokens behind those from before; all of them.
  heads keep(typename Device::queue& q, carry& k, std::int64_t n, std::int64_t at, const matrix& qkv) const {
    const matrix kept = k.rows.rows(n * s_.kept(), at + qkv.rows());
    copy_rows(q, qkv.columns(s_.queries(), kept.columns()), kept.rows(at, qkv.rows()));
    return {{}, by_heads(kept.columns(0, s_.keys()), s_.groups()), by_heads(kept.columns(s_.keys(), s_.keys()), s_.groups())};
  }
  view<const std::int32_t> set_positions(std::int64_t at) {
    for (std::int64_t i = 0; i < s_.sequence && at != at_; ++i) positions_[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(at + i);
    return at_ = at, view<const std::int32_t>{positions_.data(), s_.sequence};
  }
  attention_options rule(const context& c, std::int64_t n) const {
    return {.causal = s_.causal, .window = s_.window, .dropout = c.training ? s_.attention_dropout : 0, .stream = c.random(n)};
  }

  transformer_shape s_;
  typename Device::options queue_;
  layer_dropout drop_;
  norm<Device, T> norm_;
  head_norm<Device, T> head_norm_;
  weight_matrix<Device, T> in_, out_;
  typename Device::template rotary_table<real> table_;
  std::vector<std::int32_t> positions_;
  std::int64_t at_ = -1;  // what positions_ begins with
};

}  // namespace stretto::inline v0
