// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The dependency graph, as two small tables: the passes there are, and the edges between them. One row of the edge table
// stands for an edge at every place, micro-batch and slice where it makes sense.
//
//     consumer   relation        producer   carries
//     F          previous_hop    F          message "F"     the output of the stage before
//     I          same_place      F                          what the forward saved
//     I          next_hop        I          message "B"     the gradient from the stage behind
//     W          same_place      I
// A pass that the consumer's coordinates don't reach is quantified: a coordinate that the consumer lacks means all of
// them (an optimizer, once a step, waits for the W of every micro-batch), one that the producer lacks is dropped.
// A user's pass is one add(), its edges are further add()s; nothing else in the library needs to know of it.
#pragma once

#include <cstdint>
#include <string_view>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/action.hpp>

namespace stretto::inline v0 {

/// Where a pass's work is issued. One lane runs in order; lanes overlap; consumers wait on edges.
enum class lane : std::uint8_t { compute, copy_in, copy_out, network, collective };
inline constexpr int lane_count = 5;

/// What a pass is done by: a stage, or a rank whatever stages it owns (a vocabulary shard, an optimizer).
enum class scope : std::uint8_t { stage, rank };

/// How often: for each slice of each micro-batch, for each micro-batch, or once a step.
enum class share : std::uint8_t { slice, micro_batch, step };

/// How often a plan must hold it: exactly once, at most once, or as often as it likes (and no edge may start there).
enum class times : std::uint8_t { once, at_most_once, any };

struct pass_kind {
  label name;                        ///< its letters in text forms, capital letters and _
  lane on = lane::compute;
  scope by = scope::stage;
  share per = share::slice;
  times how_often = times::once;
  std::uint32_t covers = 0;          ///< bits of the passes that this one does in one go; 0 means itself
  int group = -1;                    ///< for scope::rank: the group of ranks that do it; -1 is all ranks
};

/// Which producer a consumer waits for, seen from the consumer.
enum class relation : std::uint8_t {
  same_place,      ///< same stage (or same rank, where one of the two lives on ranks)
  previous_hop,    ///< the hop before on the micro-batch's route
  next_hop,        ///< the hop behind
  first_hop,       ///< the route's first hop
  last_hop,        ///< the route's last hop
  previous_slice,  ///< same place, the slice before
  next_slice,      ///< same place, the slice behind
  feedback,        ///< at the first hop: the last hop of the slice before (generation feeds its output back)
  group,           ///< every rank of the producer's group; the collective finishes when all members have started it
  previous_step,   ///< same place, in the step before
  skip,            ///< at stage `to`: stage `from` of the same micro-batch (a tagged skip connection)
};

/// At which hops of a route an edge row applies.
enum class hops : std::uint8_t { all, first, last };

struct edge {
  pass_id consumer = 0;
  relation how = relation::same_place;
  pass_id producer = 0;
  label message = {};     ///< the name that messages carry in text forms; empty where the edge never crosses ranks
  hops at = hops::all;
  int from = -1;          ///< relation::skip only
  int to = -1;            ///< relation::skip only
};

/// The two tables. A literal value: a graph can be a constant.
struct graph {
  static constexpr int max_passes = 24;
  static constexpr int max_edges = 48;

  pass_kind passes[max_passes] = {};
  int pass_count = 0;
  edge edges[max_edges] = {};
  int edge_count = 0;

  /// Adds a pass and gives its index. Throws stretto::error when the table is full.
  constexpr pass_id add(const pass_kind& p) {
    if (pass_count == max_passes) throw error("stretto: a graph has at most 24 passes; let one pass do what several did");
    passes[pass_count] = p;
    return static_cast<pass_id>(pass_count++);
  }

  /// Adds a row of the edge table and gives its index. Throws stretto::error when the table is full.
  constexpr int add(const edge& e) {
    if (edge_count == max_edges) throw error("stretto: an edge table has at most 48 rows; leave out those that follow from others");
    edges[edge_count] = e;
    return edge_count++;
  }

  constexpr bool has(int p) const { return p >= 0 && p < pass_count && !passes[p].name.empty(); }

  /// The bits of the passes that `p` does.
  constexpr std::uint32_t cover(pass_id p) const { return passes[p].covers != 0 ? passes[p].covers : std::uint32_t{1} << p; }

  /// The bits of the passes that any of `some` does.
  constexpr std::uint32_t covers_of(std::uint32_t some) const {
    std::uint32_t bits = 0;
    for (int p = 0; p < pass_count; ++p) bits |= has(p) && (some >> p & 1) != 0 ? cover(static_cast<pass_id>(p)) : 0;
    return bits;
  }

  /// Whether `p` is a node of the graph itself, not a name for several of them or a marker.
  constexpr bool is_node(int p) const {
    return has(p) && passes[p].how_often != times::any && (passes[p].covers == 0 || passes[p].covers == std::uint32_t{1} << p);
  }

  /// The pass of that name, or -1.
  constexpr int find(std::string_view name) const {
    for (int p = 0; p < pass_count; ++p)
      if (has(p) && passes[p].name.str() == name) return p;
    return -1;
  }

  /// The first row whose messages have that name, or -1.
  constexpr int find_message(std::string_view name) const {
    for (int e = 0; e < edge_count; ++e)
      if (edges[e].message.str() == name) return e;
    return -1;
  }
};

/// Forward, backward in two halves or fused, and the markers of sharded weights: what training needs.
constexpr graph training() {
  graph g;
  g.add(pass_kind{.name = "F"});
  g.add(pass_kind{.name = "I"});
  g.add(pass_kind{.name = "W"});
  g.add(pass_kind{.name = "B", .covers = 1u << pass::backward_input | 1u << pass::backward_weight});
  g.add(pass_kind{.name = "UNSHARD", .per = share::step, .how_often = times::any});
  g.add(pass_kind{.name = "RESHARD", .per = share::step, .how_often = times::any});
  g.add(pass_kind{.name = "REDUCE_GRAD", .per = share::step, .how_often = times::at_most_once});
  g.add(edge{pass::forward, relation::previous_hop, pass::forward, "F"});
  g.add(edge{pass::forward, relation::previous_slice, pass::forward});
  g.add(edge{pass::backward_input, relation::same_place, pass::forward});
  g.add(edge{pass::backward_input, relation::next_hop, pass::backward_input, "B"});
  g.add(edge{pass::backward_input, relation::next_slice, pass::backward_input});
  g.add(edge{pass::backward_weight, relation::same_place, pass::backward_input});
  g.add(edge{pass::reduce_grad, relation::same_place, pass::backward_weight});
  return g;
}

/// Forward only: evaluation, generation, services.
constexpr graph inference() {
  graph g = training();
  for (int p : {pass::backward_input, pass::backward_weight, pass::backward, pass::reduce_grad}) g.passes[p].name = {};
  g.edge_count = 2;
  return g;
}

}  // namespace stretto::inline v0
