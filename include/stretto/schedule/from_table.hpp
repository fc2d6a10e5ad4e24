// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A schedule from a table: the order is data. At run time the table is a draft (plan/draft.hpp); as a constant it is a
// fixed one whose rows lie behind each other:
//
//     inline constexpr fixed_table<2, 4> mine{{0, 2, 4}, {{action::forward(0, 0), action::backward(0, 0),
//                                                          action::forward(1, 0), action::backward(1, 0)}}};
//     constexpr auto& p = static_plan<from_fixed_table<mine>, ranks<2>, micro_batches<1>>;
// Stages lie round robin on the ranks.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/draft.hpp>
#include <stretto/plan/sizes.hpp>

namespace stretto::inline v0 {

/// A run-time table.
using from_table = draft;

/// A table as a constant: the lists of all ranks behind each other, and where each begins.
template <int Ranks, std::int64_t Actions>
struct fixed_table {
  fixed_array<std::int64_t, Ranks + 1> begin;
  fixed_array<action, Actions> actions;
};

/// The schedule of a constant table.
template <const auto& Table>
struct from_fixed_table {
  static constexpr const char* name = "table";
  static constexpr const char* summary = "an order that is written down as a constant";
  static constexpr const char* needs = "its own sizes";
  static constexpr bool takes_chunks = true;
  static constexpr bool takes_slices = true;

  constexpr refusal refuses(const sizes& z) const {
    if (z.ranks != Table.begin.size() - 1) return {"a table is for the ranks that it has", size_name::ranks, z.ranks, Table.begin.size() - 1, -1};
    return {};
  }
  constexpr void order(const sizes&, int rank, auto&& put) const {
    for (std::int64_t i = Table.begin[rank]; i < Table.begin[rank + 1]; ++i) put(Table.actions[i]);
  }
};

}  // namespace stretto::inline v0
