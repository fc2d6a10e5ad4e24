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
  constexpr void input(int, const stretto::input&) {}
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
    for (std::int64_t i = step; i <= step + (list[step].kind == role::run_with_next); ++i)
      for_each_input(p, w, list[i], rank, [&](const input& in) {
        if (s.there(p, w, in)) return true;
        const std::int64_t to = static_cast<std::int64_t>(in.rank) * s.lanes + s.lane_of[in.pass];
        g.add(q, to, {to == q ? wait_kind::own_later : wait_kind::input, rank, static_cast<int>(step), list[step], in.rank,
                      action::of(in.pass, in.place, in.micro_batch, in.slice)});
        return true;
      });
  }
  return g;
}

/// The verdict on the order alone, sends and receives passed over.
constexpr verdict order_fault(const plan_view& p, const wiring& w) {
  finding f = frame_fault(p);
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

constexpr verdict fault_of(const plan_view& p, const wiring& w, link_model links) {
  if (p.lowered) return program_fault(p, w, links);  // two returns: g++ 12 frees twice what a conditional expression holds
  return order_fault(p, w);
}

/// Puts the verdict in words.
constexpr void speak(const plan_view& p, verdict& v) {
  const graph& g = *p.passes;
  constexpr const char* names[] = {"",          "bad graph",     "bad route",       "unknown pass", "out of range", "wrong rank", "duplicate",
                                   "missing",   "missing send",  "missing receive", "needless message", "bad pair", "group order",
                                   "mismatch",  "deadlock"};
  text t("stretto: ", names[static_cast<int>(v.kind)], ": ");
  const naming called(p);
  const bool absent = v.kind == fault::missing;
  const text name = called(absent ? called.doer(v.what) : v.what);
  const int rank = v.rank;
  const auto where = [&] { t.add("rank ", rank, " step ", v.step, " (", name.str(), ") "); };
  switch (v.kind) {
    case fault::bad_graph:
      if (v.step >= 0 && rank < 0)
        t.add("row ", v.step, " of the edge table joins passes or places that don't fit it");
      else if (rank >= 0)
        t.add(name.str(), " on rank ", rank, " waits for ", g.passes[g.edges[v.what.peer].producer].name,
              g.edges[v.what.peer].how == relation::group ? " of a group that the rank isn't in, along row " : " of another rank, along row ",
              static_cast<int>(v.what.peer), " of the edge table, which carries no message");
      else
        t.add("pass ", g.has(v.what.pass) ? g.passes[v.what.pass].name : label("?"), " covers a pass of another lane, scope or share, names a group that the plan lacks, or has a name that isn't capital letters of its own");
      break;
    case fault::bad_route:
      if (v.what.stage < 0)
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
        if (k != v.what.pass && g.has(k) && (p.used >> k & 1) != 0 && (p.used >> v.what.pass & 1) != 0 &&
            (g.cover(static_cast<pass_id>(k)) >> v.what.pass & 1) != 0)
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
    case fault::none: return;
  }
  t.add("; ", v.cycle.size() == 1 ? "put it behind what it waits for" : advice(v.kind));
  v.words = t;
}

}  // namespace detail

/// @post ok() means: every pass that the graph asks for stands exactly once on its owner, and the lists run to their end
/// under the link model.
constexpr verdict check(const plan_view& p, link_model links = links::by_plan) {
  const wiring w(p);
  const link_model model = links.which == link_model::kind::by_plan ? stretto::links::per_edge : links;
  verdict v = detail::fault_of(p, w, model);
  if (!v.ok() && !__builtin_is_constant_evaluated()) detail::speak(p, v);
  return v;
}

}  // namespace stretto::inline v0
