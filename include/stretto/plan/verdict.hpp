// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A verdict on a plan: fine, or the first fault with the rank, the step in its list and the action; for a deadlock also
// the shortest cycle of ranks that wait for each other, in words:
//
//     stretto: deadlock: rank 0 step 1 (0SEND_F1) is held until rank 1 issues 1RECV_F1; rank 1 step 2 (1SEND_F0) is held
//     until rank 0 issues 2RECV_F0; change the order of one of them
// A verdict is a value: the same one serves the compile error, the run-time error and the test.
#pragma once

#include <cstdint>
#include <string_view>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/plan.hpp>

namespace stretto::inline v0 {

enum class fault : std::uint8_t {
  none,
  no_plan,         ///< a plan that was never made, or was moved from
  bad_graph,       ///< the edge table asks for something that can't be
  bad_route,       ///< a route leaves the ranks, or passes a stage twice
  unknown_pass,    ///< an action of a pass that the graph doesn't have
  out_of_range,    ///< a stage, micro-batch or slice that the plan doesn't have, or a stage that the route leaves out
  wrong_rank,      ///< an action on a rank that doesn't own it
  duplicate,       ///< an action or a message that stands twice
  missing,         ///< an action that the plan needs and doesn't have
  missing_send,    ///< an edge between ranks without its send
  missing_receive, ///< an edge between ranks without its receive
  needless_message,///< a message that no edge asks for
  bad_pair,        ///< an overlapped pair without a second half, or with a message in it
  group_order,     ///< members of a group start its collectives in different orders
  mismatch,        ///< the n-th send and the n-th receive of two ranks are different messages
  deadlock,        ///< some ranks wait for each other
};

/// Which rule of the graph's tables is broken, where the fault is bad_graph. The first ones are of a row of the edge table,
/// which is the finding's step; the others of a pass, the finding's what.pass.
enum class graph_rule : std::uint8_t {
  none,
  no_consumer,       ///< the row's consumer isn't in the graph
  no_producer,       ///< the row's producer isn't in the graph
  fused_producer,    ///< the row's producer stands for several passes, or is a marker
  message_ends,      ///< a message starts at a stage's pass of a slice and ends at a pass of a slice
  message_relation,  ///< these relations stay on a rank, or are collectives
  message_name,      ///< not capital letters
  message_taken,     ///< an earlier row's messages have that name
  skip_stages,       ///< a skip joins stages that the plan doesn't have, or one with itself
  group_producer,    ///< a group is waited for, and the producer lives on stages
  waits_for_itself,  ///< a pass after itself at the same place
  no_relation,       ///< the row's relation, or the hops where it holds, is none
  crosses,           ///< the row joins two ranks, and carries no message
  outside_group,     ///< the consumer's rank isn't in the producer's group
  pass_name,         ///< not capital letters, or begins like a message
  pass_taken,        ///< an earlier pass has that name
  covers_other,      ///< covers a pass of another lane, scope or share, one that isn't there, or itself beside others
  covers_many,       ///< covers more than six
  no_group,          ///< the plan has no such group
  no_lane,           ///< its lane, scope, share or count is none
};

/// How the wait of one rank for another came about.
enum class wait_kind : std::uint8_t {
  input,         ///< an action waits for what another rank hasn't done
  arrival,       ///< an action waits for a message that hasn't been served
  own_later,     ///< an action waits for something that stands later in its own list
  own_pair,      ///< an action waits for the one that it is paired with
  held,          ///< a send (or a group of messages) is held until the other end is issued
  queue,         ///< the message at the head of a rank's queue waits for its other end
};

/// One link of a cycle: `rank` at `step` waits for `on_rank`.
struct wait {
  wait_kind kind;
  int rank;
  int step;
  action what;
  int on_rank;
  action on;
};

/// A verdict in numbers.
struct finding {
  fault kind = fault::none;
  int rank = -1;
  int step = -1;
  action what{};
  graph_rule rule = graph_rule::none;

  constexpr bool ok() const { return kind == fault::none; }
};

struct verdict : finding {
  grow_array<wait> cycle;  ///< of a deadlock: the shortest one
  text words;               ///< the sentence; empty where the verdict was reached in a constant expression

  constexpr verdict() = default;
  constexpr explicit verdict(const finding& f) : finding(f) {}
  constexpr std::string_view sentence() const { return words.str(); }
};

/// The action as text forms write it: 2F5, 2B5s1, 0SEND_F3.
constexpr text name_of(const graph& g, const action& a, char route = 0) {
  text t(static_cast<int>(a.stage));
  if (a.is_message()) {
    t.add(a.kind == role::send ? "SEND_" : "RECV_", a.pass < g.edge_count ? g.edges[a.pass].message : label("?"));
  } else {
    t.add(g.has(a.pass) ? g.passes[a.pass].name : label("?"));
    if (g.has(a.pass) && g.passes[a.pass].per == share::step) return t;
  }
  if (route != 0) t.add(route);
  t.add(static_cast<int>(a.micro_batch));
  if (a.slice != 0) t.add('s', static_cast<int>(a.slice));
  return t;
}

/// Whether a route passes all stages in turn, as routes do where nothing else is said.
constexpr bool in_turn(const route_view& r) {
  for (int s = 0; s < r.stages; ++s)
    if (r.rank_of(s) < 0 || r.previous(s) != s - 1) return false;
  return true;
}

/// Names the actions of a plan. Where several routes pass all stages in turn and have their micro-batches one after the
/// other, a letter names the route and numbers begin anew in each: 0Fa3, 0Fb3.
class naming {
 public:
  constexpr explicit naming(const plan_view& view_of) : p(view_of), used(used_passes(view_of)) {
    if (p.routes < 2 || p.routes > 26) return;
    for (int m = 0; m < p.micro_batches; ++m)  // every route has some, one after the other
      if (const int step = p.route_index(m) - (m > 0 ? p.route_index(m - 1) : 0); step < 0 || step > (m > 0 ? 1 : 0)) return;
    if (p.route_index(p.micro_batches - 1) != p.routes - 1) return;
    for (int r = 0; r < p.routes; ++r)
      if (!in_turn(p.route(r))) return;
    starts = heap_array<std::int32_t>(p.routes, 0);
    for (int m = p.micro_batches - 1; m >= 0; --m) starts[p.route_index(m)] = m;
  }

  constexpr text operator()(action a) const {
    if (starts.size() == 0 || a.micro_batch < 0 || a.micro_batch >= p.micro_batches) return name_of(*p.passes, a);
    const int r = p.route_index(a.micro_batch);
    a.micro_batch -= starts[r];
    return name_of(*p.passes, a, static_cast<char>('a' + r));
  }

  /// Whether names carry the letter of a route.
  constexpr bool by_letter() const { return starts.size() != 0; }

  /// The action that does a node in this plan: where lists hold B and no I, 1I0 is done by 1B0.
  constexpr action doer(action a) const {
    const graph& g = *p.passes;
    if (a.is_message() || !g.has(a.pass) || (used >> a.pass & 1) != 0) return a;
    for (int k = 0; k < g.pass_count; ++k)
      if (g.has(k) && (used >> k & 1) != 0 && (g.cover(static_cast<pass_id>(k)) >> a.pass & 1) != 0) {
        a.pass = static_cast<pass_id>(k);
        break;
      }
    return a;
  }

 private:
  plan_view p;
  std::uint32_t used;
  heap_array<std::int32_t> starts;
};

/// The action as text forms write it, with the letter of its route where they write one: 2F5, 0Fb3.
constexpr text name_of(const plan_view& p, const action& a) { return naming(p)(a); }

namespace detail {

constexpr void say_wait(text& t, const naming& name, const wait& w) {
  t.add("rank ", w.rank, " step ", w.step, " (", name(w.what).str(), ") ");
  const text other = name(name.doer(w.on));
  switch (w.kind) {
    case wait_kind::input: t.add("waits for ", other.str(), " on rank ", w.on_rank); break;
    case wait_kind::arrival: t.add("waits for ", other.str(), ", which is not served yet by rank ", w.on_rank); break;
    case wait_kind::own_later: t.add("waits for ", other.str(), ", which stands later in its own list"); break;
    case wait_kind::own_pair: t.add("waits for ", other.str(), ", which it is paired with"); break;
    case wait_kind::held: t.add("is held until rank ", w.on_rank, " issues ", other.str()); break;
    case wait_kind::queue: t.add("is first in its queue and waits until rank ", w.on_rank, " comes to ", other.str()); break;
  }
}

constexpr std::string_view advice(fault f) {
  switch (f) {
    case fault::no_plan: return "make it with make_plan";
    case fault::bad_graph: return "mend the graph";
    case fault::bad_route: return "mend the routes";
    case fault::unknown_pass: return "add the pass to the graph or take the action out";
    case fault::out_of_range: return "use a stage, micro-batch and slice that the plan has";
    case fault::wrong_rank: return "move it to the rank that owns its stage";
    case fault::duplicate: return "take one of the two out";
    case fault::missing: return "add it";
    case fault::missing_send: return "add the send behind its pass";
    case fault::missing_receive: return "add the receive before its consumer";
    case fault::needless_message: return "take it out";
    case fault::bad_pair: return "pair two passes that stand next to each other";
    case fault::group_order: return "issue the group's actions in one order on all members";
    case fault::mismatch: return "issue sends and receives of the two ranks in one order";
    default: return "change the order of one of them";
  }
}

}  // namespace detail

/// Throws the verdict's sentence, with its place in numbers, unless the verdict is fine.
inline void require(const verdict& v) {
  if (v.ok()) return;
  throw error(v.sentence(), {.rank = v.rank, .step = v.step, .stage = v.what.stage, .micro_batch = v.what.micro_batch});
}

}  // namespace stretto::inline v0
