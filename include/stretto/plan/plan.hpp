// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan: a dependency graph, the routes of the micro-batches, and on each rank an order of actions.
//
//     plan = graph × routes × order            graph    which passes there are and who waits for whom (graph.hpp)
//                                              routes   which hops (stage, rank) a micro-batch makes
//     rank 0 | 0F0 0F1 0B0 0B1                 order    each rank's list, in issue order
//     rank 1 | 1F0 1B0 1F1 1B1
// A route is a list of hops; the usual plan has one that all micro-batches share. Several routes express a stage with
// two owners, stages left out, stages swapped. A route passes a stage at most once, so (stage, micro-batch) finds the
// hop. Algorithms read a plan through plan_view, which borrows from a run-time plan or from a compile-time one.
// Cost: 16 bytes an action and 12 bytes a stage and route.
#pragma once

#include <cstdint>
#include <string_view>

#include <stretto/core/array.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/action.hpp>
#include <stretto/plan/graph.hpp>

namespace stretto::inline v0 {

/// One stop of a micro-batch: a stage, done by a rank.
struct hop {
  int stage;
  int rank;
  friend constexpr bool operator==(const hop&, const hop&) = default;
};

/// A route as tables over stages, -1 where the route doesn't pass.
struct route_view {
  const std::int32_t* ints;  // rank of each stage, stage before each, stage behind each, first, last
  int stages;

  constexpr int rank_of(int stage) const { return ints[stage]; }
  constexpr int previous(int stage) const { return ints[stages + stage]; }
  constexpr int next(int stage) const { return ints[2 * stages + stage]; }
  constexpr int first() const { return ints[3 * stages]; }
  constexpr int last() const { return ints[3 * stages + 1]; }
  static constexpr std::int64_t size(std::int64_t stages) { return 3 * stages + 2; }
};

/// Everything that is known of a plan, borrowed.
struct plan_view {
  const graph* passes = nullptr;
  int ranks = 0, stages = 0, micro_batches = 0, slices = 1;
  bool lowered = false;            ///< whether the lists hold the messages too: a program
  label name = {};                 ///< of the schedule it came from
  view<const action> actions;
  const std::int64_t* rows = nullptr;          // ranks + 1 offsets into actions
  int routes = 0;
  const std::int32_t* route_ints = nullptr;    // one block a route
  const std::int32_t* route_of_ = nullptr;     // route of each micro-batch; null where there is one route
  int groups = 0;
  const std::int32_t* group_ints = nullptr;    // groups + 1 offsets, then members

  /// The list of a rank.
  constexpr view<const action> order(int rank) const { return {actions.first + rows[rank], rows[rank + 1] - rows[rank]}; }

  constexpr route_view route(int index) const { return {route_ints + index * route_view::size(stages), stages}; }
  constexpr int route_index(int micro_batch) const { return route_of_ == nullptr ? 0 : route_of_[micro_batch]; }
  constexpr route_view route_of(int micro_batch) const { return route(route_index(micro_batch)); }

  /// Members of a group; group -1 is all ranks, given as count = ranks and member(i) = i.
  constexpr int group_size(int g) const { return g < 0 ? ranks : group_ints[g + 1] - group_ints[g]; }
  constexpr int group_member(int g, int i) const { return g < 0 ? i : group_ints[groups + 1 + group_ints[g] + i]; }
  constexpr bool in_group(int g, int rank) const {
    if (g < 0) return true;
    for (int i = 0; i < group_size(g); ++i)
      if (group_member(g, i) == rank) return true;
    return false;
  }

  /// How many stages of a route a rank has at most: what a rank's share of a micro-batch is divided by.
  constexpr int chunks(int rank) const {
    int most = 0;
    for (int r = 0; r < routes; ++r) {
      int here = 0;
      for (int s = 0; s < stages; ++s) here += route(r).rank_of(s) == rank ? 1 : 0;
      most = here > most ? here : most;
    }
    return most;
  }

  /// The rank that does `pass` at `place` for a micro-batch; -1 where the micro-batch's route doesn't pass.
  constexpr int owner(pass_id p, int place, int micro_batch) const {
    if (passes->passes[p].by == scope::rank) return place;
    if (passes->passes[p].per != share::step) return route_of(micro_batch).rank_of(place);
    for (int r = 0; r < routes; ++r)
      if (route(r).rank_of(place) >= 0) return route(r).rank_of(place);
    return -1;
  }
};

/// Bits of the passes that stand in the lists.
constexpr std::uint32_t used_passes(const plan_view& p) {
  std::uint64_t bits = 0;  // of 64, because a shift by more would have no meaning
  for (const action& a : p.actions) bits |= std::uint64_t{!a.is_message()} << (a.pass & 63);
  return static_cast<std::uint32_t>(bits & ((std::uint64_t{1} << graph::max_passes) - 1));
}

/// A plan that owns its tables; the storage decides whether it is a run-time value or a constant.
template <class Actions, class Rows, class Ints>
struct basic_plan {
  graph passes{};
  int ranks = 0, stages = 0, micro_batches = 0, slices = 1;
  bool lowered = false;
  label name{};
  int routes = 0;
  int groups = 0;
  Actions actions{};
  Rows rows{};      // ranks + 1 offsets
  Ints ints{};      // route blocks, then the route of each micro-batch (if routes > 1), then groups

  constexpr operator plan_view() const& { return borrow(); }
  plan_view borrow() && = delete;
  constexpr plan_view borrow() const& {
    plan_view v;
    if (rows.size() != static_cast<std::int64_t>(ranks) + 1) return v;  // never made, or moved from: a plan of no ranks
    v.passes = &passes;
    v.ranks = ranks;
    v.stages = stages;
    v.micro_batches = micro_batches;
    v.slices = slices;
    v.lowered = lowered;
    v.name = name;
    v.actions = {actions.data(), actions.size()};
    v.rows = rows.data();
    v.routes = routes;
    const std::int64_t blocks = routes * route_view::size(stages);
    const std::int64_t of = routes > 1 ? micro_batches : 0;
    v.route_ints = ints.data();
    v.route_of_ = routes > 1 ? ints.data() + blocks : nullptr;
    v.groups = groups;
    v.group_ints = groups > 0 ? ints.data() + blocks + of : nullptr;
    return v;
  }

  constexpr view<const action> order(int rank) const { return {actions.data() + rows[rank], rows[rank + 1] - rows[rank]}; }
};

/// A run-time plan.
using plan = basic_plan<heap_array<action>, heap_array<std::int64_t>, heap_array<std::int32_t>>;

/// A plan whose lists hold the sends and receives too, as lower() makes it.
struct program : plan {};

}  // namespace stretto::inline v0
