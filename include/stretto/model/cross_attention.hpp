// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What joins a decoder to its encoder: queries of the decoder's stream, keys and values of the encoder's result, the memory,
// which comes by a skip connection.
//
//     x ─┬─ norm ─ queries ─┐
//        │    memory ─ keys, values ─ attention ─ product ─ (dropout) ─ + ─► y
//        └──────────────────────────────────────────────────────────────┘
// Each sample sees its own memory, without order, and of it the tokens that aren't padding. What is saved: the norm's result,
// queries, keys and values, which their gradients replace when these are known, attention's result, and a number a row and head.
// Cost: 2 products of target rows × width², 2 of source rows × width², and attention.
// Source: Vaswani et al., Attention is all you need, 2017.
#pragma once

#include <stretto/model/layer_dropout.hpp>
#include <stretto/model/shape.hpp>
#include <stretto/numeric/attention_mask.hpp>
#include <stretto/stage/model.hpp>

namespace stretto::inline v0 {

template <class Device, class T>
class cross_attention_layer {
 public:
  using real = computes_in<T>;
  using input = typename Device::template tensor<T, 2>;
  using output = input;
  using taken = input;
  using tools = typename Device::tools;

  struct saved {
    typename norm<Device, T>::saved norm;
    input normed, queries, memory, mixed;  // once their gradients are known, queries, and memory's keys and values, hold those
    typename Device::template tensor<real, 2> lse;

    void reshape(std::int64_t rows, std::int64_t memory_rows) {
      for (input* m : {&normed, &queries, &mixed}) m->reshape({rows, m->columns()});
      memory.reshape({memory_rows, memory.columns()}), lse.reshape({rows, lse.columns()});
    }
    std::int64_t bytes() const {
      return norm.bytes() + (normed.size() + queries.size() + memory.size() + mixed.size()) * static_cast<std::int64_t>(sizeof(T)) + lse.size() * static_cast<std::int64_t>(sizeof(real));
    }
  };

  cross_attention_layer(layer_index at, const transformer_shape& source, const transformer_shape& target, std::uint32_t seed, const typename Device::options& q)
      : source_(source), s_(target), queue_(q), drop_(target.dropout, target.sequence), norm_(target.norm, target.width, target.epsilon),
        queries_(s_.queries(), s_.width, s_.biases, {seed, static_cast<std::uint32_t>(at.value), 0}, s_.deviation),
        memory_(2 * s_.keys(), s_.width, s_.biases, {seed, static_cast<std::uint32_t>(at.value), 1}, s_.deviation),
        out_(s_.width, s_.queries(), s_.biases, {seed, static_cast<std::uint32_t>(at.value), 2}, s_.deviation / std::sqrt(2.0 * s_.layers)) {}

  tools make_tools() const { return tools(queue_); }
  output make_output() const { return output({s_.rows(), s_.width}); }
  saved make_saved() const {
    const std::int64_t rows = s_.rows();
    return {norm_.make_saved(rows), input({rows, s_.width}), input({rows, s_.queries()}), input({source_.rows(), 2 * s_.keys()}), input({rows, s_.queries()}),
            typename Device::template tensor<real, 2>({rows, s_.heads})};
  }
  void reserve(tools& t) {
    const std::int64_t rows = s_.rows();
    queries_.reserve(t.queue), memory_.reserve(t.queue), out_.reserve(t.queue);
    t.template reserve<T>(drop_.room_of(rows * s_.width), rows * s_.queries(), rows * s_.queries(), source_.rows() * 2 * s_.keys(), rows * s_.width,
                          rows * s_.heads * static_cast<std::int64_t>(sizeof(real) / sizeof(T)));
  }
  void weights_changed(context& c) {
    auto& q = c.tools<tools>().queue;
    norm_.weights_changed(q), queries_.weights_changed(q), memory_.weights_changed(q), out_.weights_changed(q);
  }
  std::int64_t bytes() const { return norm_.bytes() + queries_.bytes() + memory_.bytes() + out_.bytes(); }

  void forward(context& c, const input& x, const taken& memory, output& y, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    y.reshape(x.extents()), s.reshape(x.rows(), memory.rows());
    norm_.forward(q, x, s.normed, s.norm);
    queries_.forward(q, s.normed, s.queries);
    memory_.forward(q, memory, s.memory);
    const std::int64_t each = memory.rows() / source_.samples;
    const auto lengths = source_.lengths_of(c, each);
    for (std::int64_t n = 0; n < s_.samples; ++n) {
      const pair seen = seen_of(s.memory, n, source_.length(lengths, n, each));
      attention(q, heads_of(s.queries, n), seen.keys, seen.values, {}, {}, heads_of(s.mixed, n), of_sample(s.lse, n), rule(c, n));
    }
    drop_.into_stream(c, t, out_, s.mixed, x, y);
  }

  void backward_input(context& c, const input& x, const taken&, const output& dy, input& dx, taken& dtaken, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    const auto dz = drop_.left(c, q, room, matrix(dy));
    const auto dmixed = room.template take<T, 2>(s.mixed.extents()), dqueries = room.template take<T, 2>(s.queries.extents());
    const auto dmemory = room.template take<T, 2>(s.memory.extents()), dnormed = room.template take<T, 2>(s.normed.extents());
    const auto delta = room.template take<real, 2>(s.lse.extents());
    out_.backward_input(q, dz, dmixed);
    attention_delta(q, by_heads(matrix(s.mixed), s_.heads), by_heads(dmixed, s_.heads), delta);
    const auto lengths = source_.lengths_of(c, source_.sequence);
    for (std::int64_t n = 0; n < s_.samples; ++n) {
      const std::int64_t length = source_.length(lengths, n, source_.sequence);
      const pair seen = seen_of(s.memory, n, length), d = seen_of(dmemory, n, length);
      attention_backward(q, heads_of(s.queries, n), seen.keys, seen.values, heads_of(dmixed, n), of_sample(s.lse, n), of_sample(delta, n), {}, {}, heads_of(dqueries, n), d.keys, d.values, rule(c, n));
      zero_rows(q, dmemory.rows(n * source_.sequence + length, source_.sequence - length));  // nobody saw these
    }
    copy_rows(q, dqueries, matrix(s.queries)), copy_rows(q, dmemory, matrix(s.memory));
    memory_.backward_input(q, s.memory, dtaken);
    queries_.backward_input(q, s.queries, dnormed);
    norm_.backward_input(q, x, dnormed, dx, dy, s.norm);
  }

  void backward_weight(context& c, const input&, const taken& memory, const output& dy, saved& s) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    out_.backward_weight(q, drop_.left(c, q, room, matrix(dy)), s.mixed);
    memory_.backward_weight(q, s.memory, memory);
    queries_.backward_weight(q, s.queries, s.normed);
    norm_.backward_weight(q, s.norm);
  }

  void parameters(auto&& visit) {
    norm_.parameters(visit, "norm.weight", "norm.bias");
    queries_.parameters(visit, "queries.weight", "queries.bias");
    memory_.parameters(visit, "memory.weight", "memory.bias");
    out_.parameters(visit, "out.weight", "out.bias");
  }

 private:
  using matrix = tensor_view<T, 2, typename Device::memory>;
  using heads = tensor_view<T, 3, typename Device::memory>;
  struct pair {
    heads keys, values;
  };
  template <class U>
  tensor_view<U, 2, typename Device::memory> of_sample(const tensor_view<U, 2, typename Device::memory>& m, std::int64_t n) const {
    const std::int64_t each = m.rows() / s_.samples;
    return m.rows(n * each, each);
  }
  heads heads_of(const matrix& m, std::int64_t n) const { return by_heads(of_sample(m, n), s_.heads); }
  pair seen_of(const matrix& all, std::int64_t n, std::int64_t length) const {
    const matrix m = all.rows(n * (all.rows() / source_.samples), length);
    return {by_heads(m.columns(0, s_.keys()), s_.groups()), by_heads(m.columns(s_.keys(), s_.keys()), s_.groups())};
  }
  attention_options rule(const context& c, std::int64_t n) const { return {.causal = false, .dropout = c.training ? s_.attention_dropout : 0, .stream = c.random(n)}; }

  transformer_shape source_, s_;
  typename Device::options queue_;
  layer_dropout drop_;
  norm<Device, T> norm_;
  weight_matrix<Device, T> queries_, memory_, out_;
};

}  // namespace stretto::inline v0
