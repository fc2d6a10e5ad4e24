// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Receives that stand later than eagerly: PyTorch's cases, and what holds for all schedules.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

/// Defers the receives of lists that hold their messages, whole or not.
std::string deferred(const char* lists, receive_rule rule = receives::deferred) {
  program q;
  static_cast<plan&>(q) = make_plan(from_csv(lists));
  return to_csv(defer_receives(q, rule));
}

/// Calls visit(plan) for all schedules and small sizes.
template <class Visit>
void each_plan(Visit&& visit) {
  all_schedules::each([&](const auto& s) {
    for (int r = 1; r <= 6; ++r)
      for (int m = 1; m <= 12; m += 1 + m / 6)
        for (int v = 1; v <= 3; ++v)
          for (int q = 1; q <= 2; ++q) {
            const sizes z{r, m, v, q};
            if (refuses(s, z)) continue;
            INFO(sweep::place(s.name, z));
            visit(make_plan(s, z));
          }
  });
}

/// A message without its direction: (row, place of the consumer, micro-batch, slice).
using message = std::vector<int>;
message message_of(const action& a) { return {a.pass, a.kind == role::receive ? a.stage : a.peer, a.micro_batch, a.slice}; }

int rank_at(const plan_view& p, const action& a, int place) { return p.route_of(a.micro_batch).rank_of(place); }

}  // namespace

TEST_CASE("deferred receives stand where PyTorch's stand") {
  CHECK(deferred("0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n"
                 "1RECV_F0,1RECV_F1,1F0,1B0,1SEND_B0,1F1,1B1,1SEND_B1\n") ==
        "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n"
        "1RECV_F0,1F0,1B0,1SEND_B0,1RECV_F1,1F1,1B1,1SEND_B1\n");
  const std::string v0 = "0F0,0SEND_F0,0F1,0SEND_F1,3RECV_F0,3F0,3B0,3SEND_B0,3RECV_F1,3F1,3B1,3SEND_B1,0RECV_B0,0B0,3W0,0RECV_B1,0B1,3W1,0W0,0W1\n";
  CHECK(deferred((v0 + "1RECV_F0,1RECV_F1,1F0,2F0,2SEND_F0,1F1,2RECV_B0,2F1,2SEND_F1,2B0,2RECV_B1,1B0,1SEND_B0,2B1,1B1,1SEND_B1,2W0,2W1,1W0,1W1\n").c_str()) ==
        v0 + "1RECV_F0,1F0,2F0,2SEND_F0,1RECV_F1,1F1,2F1,2SEND_F1,2RECV_B0,2B0,1B0,1SEND_B0,2RECV_B1,2B1,1B1,1SEND_B1,2W0,2W1,1W0,1W1\n");
  // Rank 0 asks for B0 before it sends F0 to a rank of higher number: the two don't both send first.
  CHECK(deferred("0RECV_B0,0F0,0SEND_F0,0F1,0SEND_F1,0I0,0W0,0RECV_B1,0I1,0W1\n"
                 "1RECV_F0,1RECV_F1,1F0,1I0,1SEND_B0,1W0,1F1,1I1,1SEND_B1,1W1\n") ==
        "0F0,0RECV_B0,0SEND_F0,0F1,0SEND_F1,0I0,0W0,0RECV_B1,0I1,0W1\n"
        "1RECV_F0,1F0,1I0,1SEND_B0,1W0,1RECV_F1,1F1,1I1,1SEND_B1,1W1\n");
  // A pair needs what both its passes need. The lists are a part of a plan.
  CHECK(deferred((v0 + "1RECV_F0,1RECV_F1,2RECV_B0,1F0,2F0,2SEND_F0,(1F1;2B0)OVERLAP_F_B,2W0,1B0,1SEND_B0,1W0\n").c_str()) ==
        v0 + "1RECV_F0,1F0,2F0,2SEND_F0,1RECV_F1,2RECV_B0,(1F1;2B0)OVERLAP_F_B,2W0,1B0,1SEND_B0,1W0\n");
}

TEST_CASE("lowering with deferred receives gives PyTorch's listing from the order") {
  const plan p = make_plan(from_csv("0F0,0F1,,0B0,,0B1\n,1F0,1B0,1F1,1B1,\n"));
  CHECK(to_csv(lower(p, {.receives = receives::deferred})) ==
        "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n1RECV_F0,1F0,1B0,1SEND_B0,1RECV_F1,1F1,1B1,1SEND_B1\n");
}

TEST_CASE("a receive takes those before it of its pair along, and no others") {
  // Rank 1 needs stage 2's input before stage 1's second one, which was sent earlier.
  const char* lists = "0F0,0SEND_F0,0F1,0SEND_F1,2F0,2SEND_F0,0RECV_B0,0RECV_B1,2RECV_B0\n1RECV_F0,1RECV_F1,3RECV_F0,1F0,3F0,3B0,1F1\n";
  CHECK(deferred(lists) == "0F0,0SEND_F0,0F1,0SEND_F1,2F0,2SEND_F0,0RECV_B0,0RECV_B1,2RECV_B0\n1RECV_F0,1F0,1RECV_F1,3RECV_F0,3F0,3B0,1F1\n");
  CHECK(deferred(lists, receives::lookahead(1)) == "0F0,0SEND_F0,0F1,0SEND_F1,2F0,2SEND_F0,0RECV_B0,0RECV_B1,2RECV_B0\n1RECV_F0,1RECV_F1,3RECV_F0,1F0,3F0,3B0,1F1\n");
}

TEST_CASE("a receive with a lookahead stands so many passes before the one that needs it") {
  const plan p = make_plan(gpipe{}, {.ranks = 2, .micro_batches = 4});
  const std::string first = "0F0,0SEND_F0,0F1,0SEND_F1,0F2,0SEND_F2,0F3,0SEND_F3,0RECV_B0,0B0,0RECV_B1,0B1,0RECV_B2,0B2,0RECV_B3,0B3\n";
  CHECK(deferred((first + "1RECV_F0,1RECV_F1,1RECV_F2,1RECV_F3,1F0,1F1,1F2,1F3,1B0,1SEND_B0,1B1,1SEND_B1,1B2,1SEND_B2,1B3,1SEND_B3\n").c_str(), receives::lookahead(2)) ==
        first + "1RECV_F0,1RECV_F1,1RECV_F2,1F0,1RECV_F3,1F1,1F2,1F3,1B0,1SEND_B0,1B1,1SEND_B1,1B2,1SEND_B2,1B3,1SEND_B3\n");
  each_plan([](const plan& order) {
    if (to_csv(lower(order, {.receives = receives::lookahead(1'000'000)})) != to_csv(lower(order))) FAIL("so far ahead is eager");
    if (to_csv(lower(order, {.receives = receives::lookahead(0)})) != to_csv(lower(order, {.receives = receives::deferred}))) FAIL("not ahead at all is deferred");
  });
}

TEST_CASE("a receive for another lane stays where it is") {
  draft d;
  d.kinds = training();
  const pass_id copy = d.kinds.add(pass_kind{.name = "COPY", .on = lane::copy_out});
  const int row = d.kinds.add(edge{copy, relation::previous_hop, pass::forward, "C", hops::all});
  d.order_of = {{action::of(copy, 0, 0), action::forward(0, 0), action::backward(0, 0)}, {action::forward(1, 0), action::backward(1, 0), action::of(copy, 1, 0)}};
  const plan p = make_plan(d);
  REQUIRE(check(p).ok());
  REQUIRE(row == d.kinds.edge_count - 1);
  CHECK(to_csv(lower(p, {.receives = receives::deferred})) == to_csv(lower(p)));
  CHECK(check(lower(p, {.receives = receives::deferred})).ok());
}

TEST_CASE("deferred receives of all schedules keep passes, sends and the order of each pair, and stand as late as that allows") {
  int programs = 0;
  each_plan([&](const plan& p) {
    const program eager = lower(p);
    const wiring w(p);
    for (int ahead : {0, 1, 2, 5}) {
      ++programs;
      const program q = lower(p, {.receives = {ahead}});
      if (const verdict v = check(q); !v.ok()) FAIL(v.sentence());
      if (!check(q, links::buffered).ok()) FAIL("not under buffered");
      for (int r = 0; r < p.ranks; ++r) {
        std::vector<action> kept[2];
        std::map<int, std::vector<message>> from[2];
        for (const program* one : {&eager, &q})
          for (const action& a : one->order(r))
            if (a.kind == role::receive) from[one == &q][rank_at(*one, a, a.peer)].push_back(message_of(a));
            else kept[one == &q].push_back(a);
        if (kept[0] != kept[1] || from[0] != from[1]) FAIL("rank " << r << ": something else than receives moved, or a pair lost its order");
        if (ahead != 0) continue;
        // Behind each run of receives of one source stands what needs its last one, or a send to that rank, or it is eager.
        const view<const action> list = q.order(r);
        std::map<message, std::int64_t> before;  // passes and sends before the receive, eagerly
        std::int64_t count = 0;
        for (const action& a : eager.order(r))
          if (a.kind == role::receive) before[message_of(a)] = count;
          else ++count;
        count = 0;
        for (std::int64_t i = 0; i < list.count; ++i) {
          const action& a = list[i];
          count += a.kind != role::receive;
          if (a.kind != role::receive) continue;
          std::int64_t k = i + 1;
          bool last = true;
          for (; k < list.count && list[k].kind == role::receive; ++k) last = last && rank_at(q, list[k], list[k].peer) != rank_at(q, a, a.peer);
          if (!last || before[message_of(a)] == count) continue;
          REQUIRE(k < list.count);
          bool needed = list[k].kind == role::send && rank_at(q, list[k], list[k].peer) == rank_at(q, a, a.peer) && rank_at(q, a, a.peer) > r;
          for (std::int64_t end = k + (list[k].kind == role::run_with_next ? 2 : 1); k < end && !list[k].is_message(); ++k)
            for_each_input(q, w, list[k], r, [&](const input& in) {
              needed = needed || (in.rank != r && message{in.row, list[k].stage, list[k].micro_batch, list[k].slice} == message_of(a));
              return true;
            });
          if (!needed) FAIL("rank " << r << " step " << i << " could stand later");
        }
      }
    }
  });
  CHECK(programs > 1000 / sweep::thin);
}

TEST_CASE("told of a link model, lower defers no further than that model allows, for all schedules") {
  const link_model holding[] = {links::bounded<0>, links::bounded<1>, links::grouped, links::rendezvous, links::single_fifo};
  std::map<int, int> stuck, later;
  each_plan([&](const plan& p) {
    const std::string eager = to_csv(lower(p));
    for (const link_model& m : holding)
      if (!check(lower(p), m).ok()) FAIL("eager receives deadlock");
    for (int ahead : {0, 1, 3}) {
      const program free = lower(p, {.receives = {ahead}}), q = lower(p, {.receives = {ahead}, .links = links::single_fifo});
      for (const link_model& m : {links::buffered, links::per_edge, links::bounded<0>, links::bounded<1>, links::grouped, links::rendezvous})
        if (const verdict v = check(q, m); !v.ok()) FAIL(v.sentence());
      for (std::size_t i = 0; i < 5; ++i) stuck[static_cast<int>(i)] += !check(free, holding[i]).ok();
      later[ahead] += to_csv(q) != eager;
    }
  });
  for (const auto& [model, count] : stuck) CHECK(count > 0);  // where nobody said so, deferring isn't for these
  for (const auto& [ahead, count] : later) CHECK(count > 0);  // and something is deferred all the same
}

TEST_CASE("where messages hold ranks, lower must be told, and a distance must be one") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8});
  CHECK(check(lower(p, {.receives = receives::deferred}), links::rendezvous).kind == fault::deadlock);
  CHECK(check(lower(p, {.receives = receives::deferred, .links = links::rendezvous}), links::rendezvous).ok());
  CHECK(sweep::thrown([&] { (void)lower(p, {.receives = receives::lookahead(-3)}); }) ==
        "stretto: lower is to place receives -3 passes ahead; give 0 or more, or receives::eager");
}
