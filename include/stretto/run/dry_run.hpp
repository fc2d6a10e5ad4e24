// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A dry run: what binding a plan would ask for and what a step would send, rank by rank, without running a layer.
//
//     const dry_report d = dry_run(model, cut, plan);       d.ranks[2].kept, d.total().sent_bytes, …
//     std::printf("%s", to_table(d).c_str());
//         rank   parameters    optimizer         kept    workspace      objects     messages         sent
//            0        4096 B       4096 B       1536 B        128 B        256 B           16       2048 B
// Sizes are those of the largest shapes. Layers are made one at a time, to be looked at. What a layer saves is counted where
// its type says it: trivially copyable, values<T>, a container with data() and size(), or with a member bytes().
// Cost: making each layer once, and lowering the plan.
#pragma once

#include <cstdint>
#include <vector>

#include <stretto/plan/check.hpp>
#include <stretto/plan/lower.hpp>
#include <stretto/run/board.hpp>
#include <stretto/run/flow_maker.hpp>
#include <stretto/run/rank_tools.hpp>
#include <stretto/run/stage.hpp>
#include <stretto/stage/parameters.hpp>

namespace stretto::inline v0 {

/// Bytes of one rank, or of all.
struct dry_rank {
  std::int64_t parameters = 0;  ///< values and gradients, and what layers keep of their own
  std::int64_t optimizer = 0;   ///< what it keeps beside parameters
  std::int64_t kept = 0;        ///< slots: what stages keep of micro-batches
  std::int64_t workspace = 0;   ///< gradients, what is recomputed, and the tools of the rank's layers
  std::int64_t objects = 0;     ///< of the channels that it sends through, and what it tells others of tied gradients
  std::int64_t messages = 0;    ///< sent in a step
  std::int64_t sent_bytes = 0;  ///< likewise

  std::int64_t memory() const { return parameters + optimizer + kept + workspace + objects; }
};

/// How the pipeline would be bound.
struct dry_options {
  bool recompute_all = false;  ///< as in pipeline_options
  bool keeps_carry = false;    ///< as in bind_options
  int states = 0;              ///< numbers that the optimizer keeps beside a parameter: Optimizer::states
};

struct dry_report {
  std::vector<dry_rank> ranks;
  dry_rank total() const {
    dry_rank sum;
    for (const dry_rank& r : ranks) {
      sum.parameters += r.parameters, sum.optimizer += r.optimizer, sum.kept += r.kept, sum.workspace += r.workspace;
      sum.objects += r.objects, sum.messages += r.messages, sum.sent_bytes += r.sent_bytes;
    }
    return sum;
  }
};

namespace detail {

/// What is known of a layer without running it.
struct layer_sizes {
  std::vector<parameter> all;  // only to be counted
  std::int64_t parameters = 0, trained = 0, output = 0, saved = 0, carry = 0, given = 0, gradient = 0, given_gradient = 0;
};

template <class Model, class Look>
layer_sizes sizes_of(const Model& m, int l, bool sliced, Look&& look) {
  layer_sizes s;
  void (*drop)(void*) = nullptr;
  void* layer = m.make(l, &drop);
  const layer_row& row = m.row(l);
  const auto measure = [&](const object_row& value, const object_row* gradient, std::int64_t& of_value, std::int64_t* of_gradient) {
    void* v = value.make(layer);
    of_value = value.bytes(v);
    if (gradient != nullptr) {
      void* g = gradient->make(v);
      *of_gradient = gradient->bytes(g);
      gradient->drop(g);
    }
    value.drop(v);
  };
  measure(row.output, &row.gradient, s.output, &s.gradient);
  measure(row.given, &row.given_gradient, s.given, &s.given_gradient);
  measure(row.saved, nullptr, s.saved, nullptr);
  measure(sliced ? row.carry : row.no_carry, nullptr, s.carry, nullptr);
  parameter_list list(l);
  row.parameters(layer, list);
  for (const parameter& p : list.all()) s.all.push_back(p);
  for (const parameter& p : s.all) {
    const std::int64_t bytes = p.count * (p.type == number_type::float32 ? 4 : 8);
    s.parameters += bytes * (p.gradient != nullptr ? 2 : 1);
    s.trained += p.gradient != nullptr ? bytes : 0;
  }
  look(row, layer);  // which may make something of its own
  s.parameters += row.own_bytes(layer);
  drop(layer);
  return s;
}

}  // namespace detail

/// What the pipeline of these would ask for. Throws stretto::error as binding would.
template <class Model>
dry_report dry_run(const Model& m, const cut& c, const plan_view& order, const dry_options& how = {}) {
  check_cut(c, m, order);
  require(check(order));
  const model_links links = links_of(m, c, how.recompute_all);
  const bool trains = order.passes->has(pass::backward_weight);
  const runnable_plan added = make_runnable(order, {.update = trains, .together = false, .skips = links.pairs});
  const flow f = make_flow(lower(added.order), added, links, how.keeps_carry);
  std::vector<detail::layer_sizes> sizes;
  std::vector<detail::rank_tools> tools(static_cast<std::size_t>(order.ranks));
  const auto does = [&](int r, int stage) {
    for (const stage_room& s : f.ranks[static_cast<std::size_t>(r)].stages)
      if (s.stage == stage) return true;
    return false;
  };
  for (int l = 0; l < m.size(); ++l)
    sizes.push_back(detail::sizes_of(m, l, order.slices > 1 || how.keeps_carry, [&](const layer_row& row, void* layer) {
      for (int r = 0; r < order.ranks; ++r)
        if (does(r, c.stage_of(l))) tools[static_cast<std::size_t>(r)].take_in(row, layer);
    }));
  const auto of = [&](int l) -> const detail::layer_sizes& { return sizes[static_cast<std::size_t>(l)]; };
  dry_report out;
  out.ranks.resize(static_cast<std::size_t>(order.ranks));
  for (int r = 0; r < order.ranks; ++r) {
    dry_rank& rank = out.ranks[static_cast<std::size_t>(r)];
    rank.workspace += tools[static_cast<std::size_t>(r)].bytes();
    for (const stage_room& s : f.ranks[static_cast<std::size_t>(r)].stages) {
      const int first = c.first(s.stage), last = c.last(s.stage);
      const detail::stage_shape shape(m, c, s.stage, links, how.recompute_all);
      for (int l = first; l < last; ++l) {
        const auto k = static_cast<std::size_t>(l - first);
        const detail::layer_sizes& z = of(l);
        rank.parameters += z.parameters;
        rank.optimizer += z.trained * (trains ? how.states : 0);
        rank.kept += s.slots * ((shape.keeps_output(k, trains) ? z.output : 0) + (shape.keeps_saved(k, trains) ? z.saved : 0) + (shape.given_inside(k) ? z.given : 0)) +
                     s.carries * z.carry;
        rank.workspace += s.workspaces * ((shape.spares_output(k, trains) ? z.output : 0) +
                                          (!shape.keeps_saved(k, trains) ? z.saved : 0) + (m.row(l).gives && shape.again(k) && trains ? z.given : 0) +
                                          (shape.inner(k) && trains ? z.gradient : 0) + (m.row(l).gives && trains && shape.goes_back(k) ? z.given_gradient : 0));
      }
    }
  }
  if (trains) {
    std::vector<detail::parameter_card> cards;
    for (int r = 0; r < order.ranks; ++r) {
      int index = 0;
      for (const stage_room& s : f.ranks[static_cast<std::size_t>(r)].stages)
        for (int l = c.first(s.stage); l < c.last(s.stage); ++l)
          for (const parameter& p : of(l).all) cards.push_back(detail::parameter_board::card(p, r, index++));
    }
    detail::parameter_board board;
    board.make(std::move(cards), order.ranks);
    for (dry_rank& rank : out.ranks) rank.objects += detail::kept_shares * board.most_share_bytes();
  }
  for (const channel_plan& ch : f.channels) {
    const bool main = ch.link < 0;
    const int l = main ? c.last(ch.forward ? ch.from_stage : ch.to_stage) - 1 : (ch.forward ? links.values : links.gradients)[static_cast<std::size_t>(ch.link)].giver;
    const std::int64_t bytes = main ? (ch.forward ? of(l).output : of(l).gradient) : (ch.forward ? of(l).given : of(l).given_gradient);
    dry_rank& rank = out.ranks[static_cast<std::size_t>(ch.from)];
    rank.objects += ch.objects * bytes;
    rank.messages += ch.sent;
    rank.sent_bytes += ch.sent * bytes;
  }
  return out;
}

/// The report as a table, with a last row for all ranks.
inline text to_table(const dry_report& d) {
  text t;
  const auto right = [&](std::string_view s, int width) {
    for (int i = static_cast<int>(s.size()); i < width; ++i) t.add(' ');
    t.add(s);
  };
  const auto cell = [&](std::int64_t n, int width, const char* behind) { right(text(n, behind).str(), width); };
  const auto row = [&](const dry_rank& r) {
    for (std::int64_t bytes : {r.parameters, r.optimizer, r.kept, r.workspace, r.objects}) cell(bytes, 15, " B");
    cell(r.messages, 11, "");
    cell(r.sent_bytes, 15, " B");
    t.add("\n");
  };
  t.add("rank");
  for (const char* title : {"parameters", "optimizer", "kept", "workspace", "objects"}) right(title, 15);
  right("messages", 11);
  right("sent", 15);
  t.add("\n");
  for (std::size_t r = 0; r < d.ranks.size(); ++r) {
    cell(static_cast<std::int64_t>(r), 4, "");
    row(d.ranks[r]);
  }
  t.add(" all");
  row(d.total());
  return t;
}

}  // namespace stretto::inline v0
