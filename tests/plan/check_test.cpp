// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The words of every fault. Each sentence has a row in docs/errors.md.
#include <string>

#include <stretto/plan.hpp>
#include <stretto/plan/csv.hpp>
#include <stretto/schedule.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {
struct twice : gpipe {
  constexpr int routes(const sizes&) const { return 1; }
  constexpr int route_of(const sizes&, int) const { return 0; }
  constexpr void route(const sizes&, int, auto&& put) const {
    for (int s : {0, 1, 0}) put(hop{s, s});
  }
};

std::string verdict_on(std::string_view text, link_model links = links::by_plan) {
  return std::string(check(make_plan(from_csv(text)), links).words.str());
}
}  // namespace

TEST_CASE("a valid plan has a verdict without words") {
  const verdict v = check(make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2}));
  CHECK(v.ok());
  CHECK(v.sentence().empty());
  CHECK_NOTHROW(require(v));
}

TEST_CASE("faults of an order, in words") {
  CHECK(verdict_on("0F0,0B0\n1F0\n") == "stretto: missing: rank 1 lacks 1B0; add it");
  CHECK(verdict_on("0F0,0B0,0B0\n") == "stretto: duplicate: rank 0 step 2 (0B0) does what an earlier entry has done already; take one of the two out");
  CHECK(verdict_on("0F0,0B0,0W0\n") == "stretto: duplicate: rank 0 step 2 (0W0) does what an earlier entry has done already; take one of the two out");
  CHECK(verdict_on("0F0,0B0\n1F0,1B0,0F1,0B1\n") ==
        "stretto: wrong rank: rank 1 step 2 (0F1) stands on a rank that doesn't own stage 0; move it to the rank that owns its stage");
  CHECK(verdict_on("0F0,0F1,0B0,0B1\n1F1,1B1,1F0,1B0\n") == "");
  CHECK(verdict_on("0F0,0B0,0F1,0B1\n1F1,1B1,1F0,1B0\n") ==
        "stretto: deadlock: rank 0 step 1 (0B0) waits for 1B0 on rank 1; rank 1 step 0 (1F1) waits for 0F1 on rank 0; change the order of one of them");
  CHECK(verdict_on("0B0,0F0\n") == "stretto: deadlock: rank 0 step 0 (0B0) waits for 0F0, which stands later in its own list; put it behind what it waits for");
}

TEST_CASE("faults of entries that no text form can hold, in words") {
  draft d;
  d.order_of = {{action::forward(0, 0), action::backward(0, 0)}};
  SECTION("unknown pass") {
    d.order_of[0][0].pass = 20;
    CHECK(check(make_plan(d)).words.str() == "stretto: unknown pass: rank 0 step 0 (0?0) has pass number 20, which the graph doesn't have; add the pass to the graph or take the action out");
  }
  SECTION("out of range") {
    d.stage_count = d.micro_batch_count = 1;
    d.order_of[0].push_back(action::forward(0, 5));
    CHECK(check(make_plan(d)).words.str() ==
          "stretto: out of range: rank 0 step 2 (0F5) names a stage, micro-batch or slice outside the plan's 1 stages, 1 micro-batches, 1 slices and its "
          "routes; use a stage, micro-batch and slice that the plan has");
    d.order_of[0][2] = action::forward(-1, 0);
    CHECK(check(make_plan(d)).kind == fault::out_of_range);
    d.order_of[0][2] = action::forward(0, -1);
    CHECK(check(make_plan(d)).kind == fault::out_of_range);
  }
  SECTION("bad pair") {
    d.order_of[0][1] = d.order_of[0][1].with_next();
    CHECK(check(make_plan(d)).words.str() ==
          "stretto: bad pair: rank 0 step 1 (0B0) is paired with nothing that can run with it; pair two passes that stand next to each other");
  }
}

TEST_CASE("numbers past the ends of a table get a verdict or a refusal, not a crash") {
  draft d;
  d.order_of = {{action::forward(0, 0), action::backward(0, 0)}};
  SECTION("the last micro-batch number that there is") { d.order_of[0][0].micro_batch = 2147483647; }
  SECTION("the last stage number that there is") { d.order_of[0][0].stage = 2147483647; }
  SECTION("a message of a row that isn't there") { d.order_of[0].push_back(action{77, role::send, 0, 0, 0, 1}); }
  SECTION("a pass that covers one that isn't there") { d.kinds.add(pass_kind{.name = "Z", .covers = 1u << 31}); }
  SECTION("a row that joins passes that aren't there") { d.kinds.add(edge{200, relation::same_place, 200}); d.kinds.edges[d.kinds.edge_count - 1].producer = 0; }
  const plan p = make_plan(d);
  CHECK_FALSE(check(p).ok());
  CHECK_FALSE(to_csv(p).empty());
}

TEST_CASE("a group without members holds nobody") {
  draft d;
  d.order_of = {{action::forward(0, 0), action::backward(0, 0)}};
  d.members_of = {{}};
  const pass_id s = d.kinds.add(pass_kind{.name = "S", .by = scope::rank, .group = 0});
  d.kinds.add(edge{pass::backward_input, relation::group, s, {}, hops::last});
  CHECK(check(make_plan(d)).words.str() == "");
}

TEST_CASE("faults of messages, in words") {
  const std::string good = "0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n";
  CHECK(verdict_on(good) == "");
  CHECK(verdict_on("0F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n") == "stretto: missing send: rank 0 lacks 0SEND_F0; add the send behind its pass");
  CHECK(verdict_on("0F0,0SEND_F0,0RECV_B0,0B0\n1F0,1B0,1SEND_B0\n") ==
        "stretto: missing receive: rank 1 lacks 1RECV_F0 for its step 0; add the receive before its consumer");
  CHECK(verdict_on("0F0,0SEND_F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n") ==
        "stretto: duplicate: rank 0 step 2 (0SEND_F0) does what an earlier entry has done already; take one of the two out");
  CHECK(verdict_on("0F0,0SEND_F0,0RECV_B0,0B0,0SEND_B0\n1RECV_F0,1F0,1B0,1SEND_B0\n") ==
        "stretto: needless message: rank 0 step 4 (0SEND_B0) carries no edge between two ranks; take it out");
  CHECK(verdict_on("0F0,0SEND_F0,0RECV_B0,0B0,1RECV_F0\n1F0,1B0,1SEND_B0\n") ==
        "stretto: wrong rank: rank 0 step 4 (1RECV_F0) stands on a rank that doesn't own stage 1; move it to the rank that owns its stage");
  CHECK(verdict_on("0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n1RECV_F1,1RECV_F0,1F0,1B0,1SEND_B0,1F1,1B1,1SEND_B1\n") ==
        "stretto: mismatch: rank 1 step 0 (1RECV_F1) meets another message of the same two ranks; issue sends and receives of the two ranks in one order");
  CHECK(verdict_on("0SEND_F0,0F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n") ==
        "stretto: deadlock: rank 0 step 0 (0SEND_F0) waits for 0F0, which stands later in its own list; put it behind what it waits for");
  CHECK(verdict_on("0F0,0SEND_F0,0B0,0RECV_B0\n1RECV_F0,1F0,1B0,1SEND_B0\n") ==
        "stretto: deadlock: rank 0 step 2 (0B0) waits for 0RECV_B0, which stands later in its own list; put it behind what it waits for");
}

TEST_CASE("a message along an edge whose consumer is a fused pass is needless, since nobody waits along it") {
  draft d;
  const int row = d.kinds.add(edge{pass::backward, relation::next_hop, pass::forward, "X"});
  d.order_of = {{action::forward(0, 0), action::backward(0, 0), action{static_cast<pass_id>(row), role::receive, 0, 0, 0, 1}},
                {action::forward(1, 0), action::backward(1, 0), action{static_cast<pass_id>(row), role::send, 0, 1, 0, 0}}};
  CHECK(check(make_plan(d), links::buffered).sentence() ==
        "stretto: needless message: rank 0 step 2 (0RECV_X0) carries no edge between two ranks; take it out");
}

TEST_CASE("a verdict becomes an error that carries its place") {
  try {
    require(check(make_plan(from_csv("0F0,0F1,0B1,0B0,0B0\n"))));
    FAIL("nothing was thrown");
  } catch (const error& e) {
    CHECK(e.place().rank == 0);
    CHECK(e.place().step == 4);
    CHECK(e.place().stage == 0);
    CHECK(e.place().micro_batch == 0);
  }
}

TEST_CASE("a schedule without a plan for its sizes says which would do") {
  const auto said = [](const auto& s, const sizes& z) -> std::string {
    try {
      make_plan(s, z);
      return "";
    } catch (const error& e) {
      return e.what();
    }
  };
  CHECK(said(gpipe{}, {.ranks = 0, .micro_batches = 1}) == "stretto: gpipe has no plan for ranks = 0: a plan needs at least one rank; use 1");
  CHECK(said(gpipe{}, {.ranks = 2, .micro_batches = 1, .chunks = 2}) == "stretto: gpipe has no plan for chunks = 2: it has one chunk a rank; use 1");
  CHECK(said(interleaved_one_f_one_b{.group = 4}, {.ranks = 4, .micro_batches = 6, .chunks = 2}) ==
        "stretto: interleaved_1f1b has no plan for micro-batches = 6: the last group would be smaller than the number of ranks, which can deadlock; use 4 or 8");
  CHECK(said(interleaved_one_f_one_b{.group = 2}, {.ranks = 4, .micro_batches = 8, .chunks = 2}) ==
        "stretto: interleaved_1f1b has no plan for group = 2: a group smaller than the number of ranks can deadlock; use 4");
  CHECK(said(one_f_one_b{}, {.ranks = 1 << 20, .micro_batches = 1 << 20}) ==
        "stretto: 1f1b has no plan for micro-batches = 1048576: the plan would have more than 2147483647 actions; use fewer");
}

TEST_CASE("an edge between ranks that nothing carries over is refused, in an order as in a program") {
  draft d;
  d.hops_of = {{{0, 0}}, {{0, 1}}};  // a stage with two owners
  d.route_index = {0, 1};
  d.order_of = {{action::forward(0, 0), action::backward(0, 0)}, {action::forward(0, 1), action::backward(0, 1)}};
  CHECK(check(make_plan(d)).ok());
  d.order_of[0].push_back(action::of(pass::reduce_grad, 0, 0));
  CHECK(check(make_plan(d)).words.str() ==
        "stretto: bad graph: row 6 of the edge table (REDUCE_GRAD after W) carries no message, but on rank 0 0REDUCE_GRAD waits for another "
        "rank along it; mend the graph");
  d.order_of[0].pop_back();
  const pass_id u = d.kinds.add(pass_kind{.name = "U", .by = scope::rank, .group = 0});
  d.kinds.add(edge{pass::backward_input, relation::group, u});
  d.members_of = {{1}};
  d.order_of[1].insert(d.order_of[1].begin(), {action::of(u, 1, 0), action::of(u, 1, 1)});
  CHECK(check(make_plan(d)).words.str() ==
        "stretto: bad graph: row 7 of the edge table (I after U) waits for a group, and rank 0, which does 0Ia0, isn't in it; mend the graph");
  CHECK_THROWS_AS(lower(make_plan(d)), error);
  CHECK_THROWS_AS(simulate(make_plan(d)), error);
}

TEST_CASE("a long ring is told by its first links and its last") {
  draft d;
  const int n = 12;
  for (int r = 0; r < n; ++r)  // every rank backs up micro-batch r first, which nobody else has sent on
    d.order_of.push_back({action::backward(r, 0), action::forward(r, 0)});
  CHECK(check(make_plan(d)).cycle.size() == 1);
  draft ring;  // rank r waits for rank r + 1 alone
  ring.kinds = inference();
  const pass_id s = ring.kinds.add(pass_kind{.name = "S"});
  ring.kinds.edge_count = 0;
  for (int r = 0; r < n; ++r) {
    ring.kinds.add(edge{s, relation::skip, pass::forward, label(std::string(1, static_cast<char>('A' + r))), hops::all, (r + 1) % n, r});
    ring.order_of.push_back({action::of(s, r, 0), action::forward(r, 0)});
  }
  const verdict v = check(make_plan(ring));
  CHECK(v.kind == fault::deadlock);
  CHECK(v.cycle.size() == 12);
  CHECK(v.words.str().find("; and so on over 7 more ranks; rank 11 step 0") != std::string::npos);
}

TEST_CASE("a refusal about an option without a name is a sentence all the same") {
  CHECK(sentence("mine", {"it can't be", size_name::option, 3, -1, 4}).str() == "stretto: mine has no plan for an option = 3: it can't be; use 4");
}

TEST_CASE("a schedule whose route passes a stage twice is refused at run time and in a verdict") {
  CHECK_THROWS_WITH(make_plan(twice{}, {.ranks = 2, .micro_batches = 1}), Catch::Contains("passes stage 0 twice"));
}
