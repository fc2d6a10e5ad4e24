// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The first layer of a Transformer: rows of a table for tokens, and of another for positions where it has one.
//
//     feed "tokens" ─► table[token] (+ places[position]) ─ (dropout) ─► x, (samples × tokens, width)
// Each sample has `sequence` tokens in training, else as many as the feed gives; the carry says how many came before.
// A table that the head reads, too, is tied: each use has numbers of its own, and takes the step of both gradients.
// Cost: reading a row of the table a token.
#pragma once

#include <vector>

#include <stretto/model/layer_dropout.hpp>
#include <stretto/model/shape.hpp>
#include <stretto/stage/model.hpp>

namespace stretto::inline v0 {

/// The table of tokens begins with these numbers, wherever it is used.
template <class Device, class real>
typename Device::template tensor<real, 2> begin_table(const transformer_shape& s, std::uint32_t seed, std::uint32_t table = 0) {
  typename Device::template tensor<real, 2> t({s.vocabulary, s.width});
  begin_normal(t, {seed, 0, 2 * table}, s.deviation);
  return t;
}

template <class Device, class T>
class embedding_layer {
 public:
  using real = computes_in<T>;
  using input = nothing;
  using output = typename Device::template tensor<T, 2>;
  using tools = typename Device::tools;
  template <class U, int Rank>
  using numbers = typename Device::template tensor<U, Rank>;

  struct carry {
    std::int64_t length = 0;  // of the texts so far

    std::int64_t bytes() const { return 0; }
  };

  /// Other tables of a model than those of its head's tokens have another number, and begin with other weights.
  embedding_layer(const transformer_shape& s, std::uint32_t seed, const typename Device::options& q, label feed = "tokens", std::uint32_t table = 0, std::uint32_t places = 0)
      : s_(s), queue_(q), drop_(s.dropout, s.sequence), feed_(feed), table_(begin_table<Device, real>(s, seed, table)), table_gradient_(table_.extents()),
        places_({s.learned_positions ? s.positions : 0, s.width}), places_gradient_(places_.extents()), positions_(static_cast<std::size_t>(s.rows())) {
    begin_normal(places_, {seed, 0, 2 * places + 1}, s.deviation / 2);
    set_positions(0, s.sequence);
    if constexpr (copies) table_copy_ = numbers<T, 2>(table_.extents()), places_copy_ = numbers<T, 2>(places_.extents());
  }

  std::int64_t vocabulary() const { return s_.vocabulary; }  ///< tokens are from 0 to below
  tools make_tools() const { return tools(queue_); }
  output make_output() const { return output({s_.rows(), s_.width}); }
  void reserve(tools& t) { t.template reserve<T>(s_.rows() * s_.width); }
  void weights_changed(context& c) {
    auto& q = c.tools<tools>().queue;
    if constexpr (copies) {
      cast(q, table_, table_copy_);
      if (!places_.empty()) cast(q, places_, places_copy_);
    }
  }
  std::int64_t bytes() const { return (table_copy_.size() + places_copy_.size()) * static_cast<std::int64_t>(sizeof(T)) + static_cast<std::int64_t>(positions_.size()) * 4; }

  void forward(context& c, const nothing&, output& x, carry& k) {
    tools& t = c.tools<tools>();
    const auto given = c.feed<std::int32_t>(feed_);
    const std::int64_t each = s_.tokens_each(c, feed_, given.count), at = s_.behind(c, k.length, each);
    x.reshape({given.count, s_.width});
    auto& q = t.queue;
    const auto read = [](const auto& whole, const auto& copy) -> tensor_view<const T, 2, typename Device::memory> {
      if constexpr (copies) return copy;
      else return whole;
    };
    embedding(q, q.upload(given), read(table_, table_copy_), x);
    if (s_.learned_positions) {
      auto room = t.room();
      const auto p = room.template take<T, 2>(x.extents());
      embedding(q, q.upload(set_positions(at, each)), read(places_, places_copy_), p);
      add(q, x, p, x);
    }
    if (drop_.drops(c)) dropout(q, x, x, drop_.mask(c));
  }
  void backward_input(context&, const nothing&, const output&, nothing&, carry&) {}
  void backward_weight(context& c, const nothing&, const output& dx, carry&) {
    tools& t = c.tools<tools>();
    auto& q = t.queue;
    auto room = t.room();
    const auto d = drop_.left(c, q, room, tensor_view<T, 2, typename Device::memory>(dx));
    embedding_backward(q, q.upload(c.feed<std::int32_t>(feed_)), d, table_gradient_);
    if (s_.learned_positions) embedding_backward(q, q.upload(set_positions(0, s_.sequence)), d, places_gradient_);
  }

  void parameters(auto&& visit) {
    if (s_.tied) visit("table.weight", table_, table_gradient_, tied{"table"});
    else visit("table.weight", table_, table_gradient_);
    if (s_.learned_positions) visit("positions.weight", places_, places_gradient_);
  }

 private:
  static constexpr bool copies = !std::is_same_v<T, real>;

  /// Positions from `at` on, `each` for each sample.
  view<const std::int32_t> set_positions(std::int64_t at, std::int64_t each) {
    for (std::int64_t i = 0; i < s_.samples * each && (at != at_ || each != each_); ++i) positions_[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(at + i % each);
    at_ = at, each_ = each;
    return {positions_.data(), s_.samples * each};
  }

  transformer_shape s_;
  typename Device::options queue_;
  layer_dropout drop_;
  label feed_;
  numbers<real, 2> table_, table_gradient_, places_, places_gradient_;
  numbers<T, 2> table_copy_, places_copy_;
  std::vector<std::int32_t> positions_;
  std::int64_t at_ = 0, each_ = 0;  // what positions_ holds
};

}  // namespace stretto::inline v0
