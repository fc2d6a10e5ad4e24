// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A schedule from a table: the order is data. At run time the table is a draft (plan/draft.hpp); as a constant it is a
// fixed one whose rows lie behind each other:
//
//     inline constexpr fixed_table<2, 4> mine{{0, 2, 4}, {{action::forward(0, 0), action::backward(0, 0),
//                                                          action::forward(1, 0), action::backward(1, 0)}}};
//     constexpr auto& p = static_plan<from_fixed_table<mine>, ranks<2>, micro_batches<1>>;
// Written like that, stages lie round robin on the ranks and passes are those of training(). A table that plan/table.hpp
// writes says the rest as well: how many stages there are, routes, groups, the graph and
// the plan's name.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/draft.hpp>
#include <stretto/plan/sizes.hpp>

namespace stretto::inline v0 {

/// A run-time table.
using from_table = draft;

/// A table as a constant: the lists of all ranks behind each other, and where each begins. What follows may be left out.
template <int Ranks, std::int64_t Actions, std::int64_t Ints = 0>
struct fixed_table {
  fixed_array<std::int64_t, Ranks + 1> begin;
  fixed_array<action, Actions> actions;
  int stages = 0;         ///< 0: chunks × ranks
  int micro_batches = 0;  ///< 0: as the plan is asked for
  int slices = 0;         ///< likewise
  int routes = 1;
  int groups = 0;
  fixed_array<std::int32_t, Ints> ints{};  ///< of routes, micro-batches and groups, as a plan holds them; none: round robin
  graph (*passes)() = training;
  label name{};  ///< of the plan; none: "table"
};

/// The schedule of a constant table.
template <const auto& Table>
struct from_fixed_table {
  static constexpr const char* name = Table.name.empty() ? "table" : Table.name.letters;
  static constexpr const char* summary = "an order that is written down as a constant";
  static constexpr const char* needs = "its own sizes";
  static constexpr bool takes_chunks = true;
  static constexpr bool takes_slices = true;

  constexpr refusal refuses(const sizes& z) const {
    if (z.ranks != Table.begin.size() - 1) return {"a table is for the ranks that it has", size_name::ranks, z.ranks, Table.begin.size() - 1, -1};
    if (Table.micro_batches > 0 && z.micro_batches != Table.micro_batches)
      return {"a table is for the micro-batches that it has", size_name::micro_batches, z.micro_batches, Table.micro_batches, -1};
    if (Table.slices > 0 && z.slices != Table.slices) return {"a table is for the slices that it has", size_name::slices, z.slices, Table.slices, -1};
    return {};
  }
  constexpr graph passes(const sizes&) const { return Table.passes(); }
  constexpr int stages(const sizes& z) const { return Table.stages > 0 ? Table.stages : z.ranks * z.chunks; }

  constexpr int routes(const sizes&) const { return said ? Table.routes : 1; }
  constexpr int route_of(const sizes& z, int micro_batch) const {
    return routes(z) > 1 ? Table.ints[Table.routes * route_view::size(stages(z)) + micro_batch] : 0;
  }
  constexpr void route(const sizes& z, int index, auto&& put) const {
    const int count = stages(z);
    if (!said) {
      for (int s = 0; s < count; ++s) put(hop{s, s % z.ranks});
      return;
    }
    const route_view r{Table.ints.data() + index * route_view::size(count), count};
    for (int s = r.first(); s >= 0; s = r.next(s)) put(hop{s, r.rank_of(s)});
  }

  constexpr int groups(const sizes&) const { return said ? Table.groups : 0; }
  constexpr void group(const sizes& z, int index, auto&& put) const {
    const std::int64_t begins = Table.routes * route_view::size(stages(z)) + (Table.routes > 1 ? z.micro_batches : 0);
    for (std::int32_t i = Table.ints[begins + index]; i < Table.ints[begins + index + 1]; ++i) put(Table.ints[begins + Table.groups + 1 + i]);
  }

  constexpr void order(const sizes&, int rank, auto&& put) const {
    for (std::int64_t i = Table.begin[rank]; i < Table.begin[rank + 1]; ++i) put(Table.actions[i]);
  }

 private:
  static constexpr bool said = Table.ints.size() > 0;  // whether the table has routes and groups of its own
};

}  // namespace stretto::inline v0
