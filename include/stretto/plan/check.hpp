// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// check(plan): is it complete, ordered and free of deadlock under a link model? It never throws and never hangs.
//
//     verdict v = check(plan);                       buffered for an order, per_edge for a program
//     verdict v = check(program, links::rendezvous)
//     if (!v.ok()) …v.sentence()…
// An order holds no messages, so a link model says nothing of it: lower it first. A deadlock is a cycle in (edges ∪ order ∪ what the link model adds); the walk finds that it can't go on, and the
// shortest cycle of the ranks' wait-for graph says why. Cost: O(actions); works in constant expressions.
#pragma once

#include <stretto/plan/diagnose.hpp>
#include <stretto/plan/exchange.hpp>
#include <stretto/plan/links.hpp>
#include <stretto/plan/verdict.hpp>
#include <stretto/plan/walk.hpp>

namespace stretto::inline v0 {

namespace detail {

struct silent {
  constexpr void begin(int) {}
  constexpr void input(int, const stretto::input&, const action&) {}
  constexpr void end(int, std::int64_t, const action*, int) {}
};

/// Who waits for whom in a walk of orders that stopped short.
constexpr wait_graph waits_of(const plan_view& p, const wiring& w, const walk_state& s) {
  wait_graph g;
  g.nodes = static_cast<std::int64_t>(p.ranks) * s.lanes;
  for (std::int64_t q = 0; q < g.nodes; ++q) {
    const int rank = static_cast<int>(q / s.lanes);
    const view<const action> list = p.order(rank);
    const std::int64_t step = s.at[q];
    if (step >= list.count) continue;
    const std::int64_t last = step + (list[step].kind == role::run_with_next);
    for (std::int64_t i = step; i <= last; ++i)
      for_each_input(p, w, list[i], rank, [&](const input& in) {
        if (s.there(p, w, list[i], in)) return true;
        const std::int64_t to = static_cast<std::int64_t>(in.rank) * s.lanes + s.lane_of[in.pass];
        wait_kind kind = to == q ? wait_kind::own_later : wait_kind::input;
        for (std::int64_t k = step; k <= last && to == q && last > step; ++k)
          if (w.does(list[k], in)) kind = wait_kind::own_pair;
        g.add(q, to, {kind, rank, static_cast<int>(i), list[i], in.rank, action::of(in.pass, in.place, in.micro_batch, in.slice)});
        return true;
      });
  }
  return g;
}

/// The verdict on the order alone, sends and receives passed over.
constexpr verdict order_fault(const plan_view& p, const wiring& w) {
  finding f = crossing_fault(p, w.used);
  if (!f.ok()) return verdict(f);
  const std::int64_t needed = nodes_needed(p);
  // More nodes than the actions could do: something is missing, and flags for all nodes may not fit in memory.
  if (needed > p.actions.count * static_cast<std::int64_t>(graph::max_passes)) return verdict(content_fault(p, w));
  walk_state s(p, w);
  silent nobody;
  const bool ended = walk(p, w, s, nobody);
  if (ended && s.required_done == needed) return verdict(group_fault(p));
  f = content_fault(p, w);
  if (f.ok()) f = group_fault(p);
  if (!f.ok()) return verdict(f);
  return deadlock_of(waits_of(p, w, s));
}

/// The verdict on a program: its contents first, then its messages one by one, then whether it runs to its end.
constexpr verdict program_fault(const plan_view& p, const wiring& w, link_model links) {
  verdict v = order_fault(p, w);
  if (!v.ok() && v.kind != fault::deadlock) return v;
  message_table t(p, w);
  finding f = t.place(p, w);
  if (f.ok()) f = t.completeness(p, w);
  if (f.ok()) f = t.pairs_in_order(p, w, links.in_pair_order());
  if (!f.ok()) return verdict(f);
  if (!v.ok()) return v;
  exchange e(p, w, t, links);
  if (e.run()) return {};
  return deadlock_of(e.waits());
}

constexpr verdict fault_of(const plan_view& p, link_model links) {
  const finding f = frame_fault(p);
  if (!f.ok()) return verdict(f);
  const wiring w(p);
  if (p.lowered) return program_fault(p, w, links);  // two returns: g++ 12 frees twice what a conditional expression holds
  return order_fault(p, w);
}

/// Which rule of the graph is broken, in words.
constexpr void say_rule(text& t, const plan_view& p, const finding& f, std::string_view name) {
  const graph& g = *p.passes;
  const auto called = [&](int k) { return k < g.pass_count && g.has(k) ? g.passes[k].name : label("?"); };
  const edge& row = g.edges[f.step >= 0 ? f.step : 0];
  if (f.step >= 0) t.add("row ", f.step, " of the edge table (", called(row.consumer), " after ", called(row.producer), ") ");
  else t.add("pass ", called(f.what.pass), " ");
  switch (f.rule) {
    case graph_rule::no_consumer: t.add("has a consumer that the graph lacks, pass number ", static_cast<int>(row.consumer)); break;
    case graph_rule::no_producer: t.add("has a producer that the graph lacks, pass number ", static_cast<int>(row.producer)); break;
    case graph_rule::fused_producer: t.add("has a producer that is a marker, or a name for the passes that it covers, one of which it must name"); break;
    case graph_rule::message_ends: t.add("carries messages '", row.message, "', which go from a stage's pass of a slice to a pass of a slice"); break;
    case graph_rule::message_relation: t.add("carries messages '", row.message, "', but its relation stays on a rank or is a collective"); break;
    case graph_rule::message_name: t.add("carries messages '", row.message, "', and such a name is capital letters and _"); break;
    case graph_rule::message_taken: t.add("carries messages '", row.message, "', the name of row ", g.find_message(row.message.str()), "'s messages"); break;
    case graph_rule::skip_stages: t.add("skips from stage ", row.from, " to stage ", row.to, ", and the plan has stages 0 to ", p.stages - 1); break;
    case graph_rule::group_producer: t.add("waits for a group of ranks, but its producer is done by stages"); break;
    case graph_rule::waits_for_itself: t.add("lets a pass wait for itself"); break;
    case graph_rule::no_relation: t.add("has a relation, or hops where it holds, that is none of those there are"); break;
    case graph_rule::crosses: t.add("carries no message, but on rank ", f.rank, " ", name, " waits for another rank along it"); break;
    case graph_rule::outside_group: t.add("waits for a group, and rank ", f.rank, ", which does ", name, ", isn't in it"); break;
    case graph_rule::pass_name: t.add("has a name that isn't capital letters and _, or begins with SEND_ or RECV_"); break;
    case graph_rule::pass_taken: t.add("has the name of an earlier pass"); break;
    case graph_rule::covers_other: t.add("covers a pass that isn't there, covers others itself, or has another lane, scope or share"); break;
    case graph_rule::covers_many: t.add("covers more than ", wiring::max_cover, " passes"); break;
    case graph_rule::no_lane: t.add("has a lane, scope, share or count that is none of those there are"); break;
    case graph_rule::no_group: t.add("is done by group ", g.passes[f.what.pass].group, ", and the plan has ", p.groups, " groups"); break;
    case graph_rule::none: break;
  }
}

/// Puts the verdict in words.
constexpr void speak(const plan_view& p, verdict& v) {
  if (v.kind == fault::no_plan) {
    v.words.add("stretto: no plan: it was never made, or was moved from; ", advice(v.kind));
    return;
  }
  const graph& g = *p.passes;
  constexpr const char* names[] = {"",          "no plan",       "bad graph",     "bad route",       "unknown pass", "out of range", "wrong rank", "duplicate",
                                   "missing",   "missing send",  "missing receive", "needless message", "bad pair", "group order",
                                   "mismatch",  "deadlock"};
  text t("stretto: ", names[static_cast<int>(v.kind)], ": ");
  const naming called(p);
  const bool absent = v.kind == fault::missing;
  const std::uint32_t used = used_passes(p);
  const text name = called(absent ? called.doer(v.what) : v.what);
  const int rank = v.rank;
  const auto where = [&] { t.add("rank ", rank, " step ", v.step, " (", name.str(), ") "); };
  switch (v.kind) {
    case fault::bad_graph: say_rule(t, p, v, name.str()); break;
    case fault::bad_route:
      if (v.what.stage < 0 && v.what.micro_batch >= 0)
        t.add("group ", static_cast<int>(v.what.micro_batch), " lists rank ", rank, " twice");
      else if (v.what.stage < 0)
        t.add("a group lists rank ", rank, ", and the plan has ranks 0 to ", p.ranks - 1);
      else
        t.add("a route passes stage ", static_cast<int>(v.what.stage), " twice, or gives it to a rank outside 0 to ", p.ranks - 1);
      break;
    case fault::unknown_pass: where(); t.add("has pass number ", static_cast<int>(v.what.pass), ", which the graph doesn't have"); break;
    case fault::out_of_range: where(); t.add("names a stage, micro-batch or slice outside the plan's ", p.stages, " stages, ", p.micro_batches, " micro-batches, ", p.slices, " slices and its routes"); break;
    case fault::wrong_rank: where(); t.add("stands on a rank that doesn't own stage ", static_cast<int>(v.what.stage)); break;
    case fault::duplicate: where(); t.add("does what an earlier entry has done already"); break;
    case fault::missing:
      t.add("rank ", rank, " lacks ", name.str());
      for (int k = 0; k < g.pass_count; ++k)  // a fused pass would do as well
        if (k != v.what.pass && g.has(k) && called.doer(v.what) == v.what &&
            ((used >> k & 1) != 0 || (used >> v.what.pass & 1) == 0) && (g.cover(static_cast<pass_id>(k)) >> v.what.pass & 1) != 0)
          t.add(" (or ", called(action::of(static_cast<pass_id>(k), v.what.stage, v.what.micro_batch, v.what.slice)).str(), ")");
      break;
    case fault::missing_send: t.add("rank ", rank, " lacks ", name.str()); break;
    case fault::missing_receive: t.add("rank ", rank, " lacks ", name.str(), " for its step ", v.step); break;
    case fault::needless_message: where(); t.add("carries no edge between two ranks"); break;
    case fault::bad_pair: where(); t.add("is paired with nothing that can run with it"); break;
    case fault::group_order: where(); t.add("comes in another place than on the first rank of its group"); break;
    case fault::mismatch: where(); t.add("meets another message of the same two ranks"); break;
    case fault::deadlock:
      for (std::int64_t i = 0; i < v.cycle.size(); ++i) {
        if (i > 0) t.add("; ");
        if (i == 4 && v.cycle.size() > 6) {  // the middle of a long ring says the same again
          t.add("and so on over ", v.cycle.size() - 5, " more ranks; ");
          i = v.cycle.size() - 1;
        }
        say_wait(t, called, v.cycle[i]);
      }
      break;
    case fault::no_plan:
    case fault::none: return;
  }
  if (v.kind == fault::bad_route && v.what.stage < 0) t.add("; mend the groups");
  else if (v.cycle.size() != 1) t.add("; ", advice(v.kind));
  else t.add(v.cycle[0].kind == wait_kind::own_pair ? "; pair two passes that don't wait for each other" : "; put it behind what it waits for");
  v.words = t;
}

}  // namespace detail

/// @post ok() means: every pass that the graph asks for stands exactly once on its owner, and the lists run to their end
/// under the link model.
constexpr verdict check(const plan_view& p, link_model links = links::by_plan) {
  link_model model = links.which == link_model::kind::by_plan ? stretto::links::per_edge : links;
  if (model.bound < 0) model.bound = 0;
  verdict v = detail::fault_of(p, model);
  if (!v.ok() && !__builtin_is_constant_evaluated()) detail::speak(p, v);
  return v;
}

}  // namespace stretto::inline v0
