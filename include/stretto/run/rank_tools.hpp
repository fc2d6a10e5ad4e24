// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The tools of a rank: of each type that its layers name as `tools`, one object, which they share. Layers of one rank never
// work at the same time, so one queue and one room for what lives within a call serve all of them.
//
//     rank 0   layers 0 … 6  ─► host::tools: a queue, room for the largest of their calls
// They are made when the pipeline is bound, by the first layer that names them; then every layer reserves what it needs.
#pragma once

#include <vector>

#include <stretto/run/stage.hpp>

namespace stretto::inline v0::detail {

class rank_tools {
 public:
  rank_tools() = default;
  rank_tools(const rank_tools&) = delete;
  rank_tools& operator=(const rank_tools&) = delete;
  ~rank_tools() {
    for (std::size_t i = 0; i < all_.size(); ++i) rows_[i]->drop(all_[i].object);
  }

  /// Lets a layer reserve what it needs of its tools, which are made where there are none of their type yet, and lent the rank's
  /// stream where they work on one.
  void take_in(const layer_row& row, void* layer, const void* lane = nullptr) {
    if (row.tools.empty) return;
    std::size_t i = 0;
    while (i < rows_.size() && !rows_[i]->is(row.tools)) ++i;
    if (i == rows_.size()) {
      all_.reserve(i + 1), rows_.reserve(i + 1);
      all_.push_back({row.tools.type, row.tools.make(layer)});
      rows_.push_back(&row.tools);
      if (row.begin_step != nullptr) begin_.push_back({all_[i].object, row.begin_step});
      if (row.lend != nullptr && lane != nullptr) row.lend(all_[i].object, lane);
    }
    if (row.reserve != nullptr) row.reserve(layer, all_[i].object);
  }

  /// Before each walk of the rank's list.
  void begin_step(const step_numbers& n) const {
    for (const begins& b : begin_) b.begin_step(b.object, n);
  }

  view<const rank_tool> all() const { return {all_.data(), static_cast<std::int64_t>(all_.size())}; }

  /// As far as their types say.
  std::int64_t bytes() const {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < all_.size(); ++i) sum += rows_[i]->bytes(all_[i].object);
    return sum;
  }

 private:
  struct begins {
    void* object;
    void (*begin_step)(void*, const step_numbers&);
  };
  std::vector<rank_tool> all_;
  std::vector<begins> begin_;
  std::vector<const object_row*> rows_;
};

}  // namespace stretto::inline v0::detail
