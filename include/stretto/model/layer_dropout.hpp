// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dropout in a layer: which numbers are dropped hangs on seed, step, layer and the row's place in the whole batch, so the
// backward passes drop the same ones, and nothing is kept for them. In evaluation none is.
//
//     x ────────────────────────────────── + ─► y        into_stream
//     from ─ product ─ (some are dropped) ─┘
// Cost: a pass over the product's result, and one to add it; without dropout both are done where the product puts its sums away.
// Source: Srivastava et al., Dropout, JMLR 2014.
#pragma once

#include <cstdint>

#include <stretto/numeric/dropout.hpp>
#include <stretto/stage/context.hpp>

namespace stretto::inline v0 {

class layer_dropout {
 public:
  /// A share, and how many rows a sample has.
  layer_dropout(double rate, std::int64_t rows) : rate_(rate), rows_(rows) {}

  bool drops(const context& c) const { return c.training && rate_ > 0; }
  dropout_options mask(const context& c) const { return {.rate = rate_, .stream = c.random(0), .first_row = c.share.first_sample * rows_}; }

  /// How much of so many numbers left() and into_stream() take of a rank's room.
  std::int64_t room_of(std::int64_t count) const { return rate_ > 0 ? count : 0; }

  /// What is left of m, in the room; m itself where nothing is dropped.
  template <class Queue, class Room, class T, class Space>
  tensor_view<T, 2, Space> left(const context& c, Queue& q, Room& room, const tensor_view<T, 2, Space>& m) const {
    if (!drops(c)) return m;
    const auto some = room.template take<T, 2>(m.extents());
    dropout(q, m, some, mask(c));
    return some;
  }

  /// y = x + what is left of `from` times the weights.
  template <class Tools, class Weights, class T, class Space>
  void into_stream(const context& c, Tools& t, const Weights& w, const tensor_view<T, 2, Space>& from, const tensor_view<T, 2, Space>& x, const tensor_view<T, 2, Space>& y) const {
    if (!drops(c)) return w.forward(t.queue, from, y, {.residual = x});
    auto room = t.room();
    const auto z = room.template take<T, 2>(y.extents());
    w.forward(t.queue, from, z);
    dropout(t.queue, z, z, mask(c));
    add(t.queue, x, z, y);
  }

 private:
  double rate_;
  std::int64_t rows_;
};

}  // namespace stretto::inline v0
