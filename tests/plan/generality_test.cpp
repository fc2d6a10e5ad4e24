// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Small plans that no schedule of the library makes yet: slices, a stage with two owners, routes that skip and swap,
// vocabulary passes with a barrier, feedback, steps that follow each other, lanes, skip connections, recompute. They
// show that the graph, the routes and the order say all of it.
#include <string>
#include <vector>

#include <stretto/stretto.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

std::string said(const verdict& v) { return std::string(v.words.str()); }

const link_model all_models[] = {links::buffered, links::bounded<0>, links::bounded<2>, links::per_edge,
                                 links::grouped,  links::rendezvous, links::single_fifo};

/// The plan is fine as an order and as a program, and survives being written and read.
program require_sound(const plan& p, const graph& kinds) {
  INFO(to_csv(p));
  CHECK(said(check(p)) == "");
  program q = lower(p);
  INFO(to_csv(q));
  CHECK(said(check(q)) == "");
  CHECK(check(q, links::buffered).ok());
  CHECK(simulate(q).makespan == simulate(p).makespan);
  for (const plan_view& one : {plan_view(p), plan_view(q)}) {
    const csv_result again = read_csv(to_csv(one), kinds);
    REQUIRE(std::string(again.sentence()) == "");
    const plan same = make_plan(again.value);
    CHECK(to_csv(same) == to_csv(one));
    CHECK(said(check(same)) == "");
    CHECK(simulate(same).makespan == simulate(one).makespan);
  }
  return q;
}

/// Token-level 1F1B: micro-batches in slices, backward slices last to first.
struct sliced_1f1b {
  static constexpr const char* name = "sliced_1f1b";
  constexpr void order(const sizes& z, int rank, auto&& put) const {
    const int all = z.micro_batches * z.slices;
    int warmup = z.ranks - rank - 2 + z.slices;
    if (warmup > all) warmup = all;
    for (int k = 0; k < all + warmup; ++k) {
      if (k < all) put(action::forward(rank, k / z.slices, k % z.slices));
      if (const int b = k - warmup; b >= 0) put(action::backward(rank, b / z.slices, z.slices - 1 - b % z.slices));
    }
  }
};

/// 1F1B with the output layer's vocabulary split over all ranks: S on every rank, one barrier before the last backward.
struct vocabulary_1f1b {
  static constexpr const char* name = "vocabulary_1f1b";
  double f = 1, b = 2;

  static constexpr pass_id s = pass::first_user;
  constexpr graph passes(const sizes&) const {
    graph g = training();
    g.add(pass_kind{.name = "S", .by = scope::rank});
    g.add(edge{s, relation::last_hop, pass::forward, "S"});
    g.add(edge{pass::backward_input, relation::group, s, {}, hops::last});
    return g;
  }
  /// Whether S stands behind the backward pass or behind the forward pass, and how many S come before the first backward.
  constexpr void order(const sizes& z, int rank, auto&& put) const {
    grow_array<bool> behind_backward;  // clang 14 has no constant std::vector<bool>
    behind_backward.push_back(true);
    double offset = 0;
    while (behind_backward.size() < z.ranks) {
      if (offset - f >= -b) {
        offset -= f;
      } else {
        behind_backward.push_back(false);
        offset += b - f;
      }
      behind_backward.push_back(true);
    }
    const auto on = [&](int r) { return behind_backward[z.ranks - 1 - r]; };
    int first = 0;
    for (int r = z.ranks - 2; r >= rank; --r) first += !on(r + 1) && on(r) ? 0 : 1;
    int next_f = 0, next_s = 0;
    const auto forward = [&] { if (next_f < z.micro_batches) put(action::forward(rank, next_f++)); };
    const auto vocabulary = [&] { if (next_s < z.micro_batches) put(action::of(s, rank, next_s++)); };
    for (int i = 0; i < z.ranks - rank; ++i) forward();
    vocabulary();
    forward();
    for (int i = 0; i < first; ++i) vocabulary();
    for (int i = 0; i < z.micro_batches; ++i) {
      put(action::backward(rank, i));
      if (on(rank)) vocabulary();
      forward();
      if (!on(rank)) vocabulary();
    }
  }
};

}  // namespace

TEST_CASE("1F1B over 4 ranks and 8 micro-batches takes 33") {
  CHECK(simulate(make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8})).makespan == 33);
}

TEST_CASE("a two-slice 1F1B has the worked order, and slices shorten the bubble") {
  const plan small = make_plan(sliced_1f1b{}, {.ranks = 2, .micro_batches = 2, .slices = 2});
  CHECK(to_csv(small) ==
        "0F0,0F0s1,0F1,0B0s1,0F1s1,0B0,0B1s1,0B1\n"
        "1F0,1F0s1,1B0s1,1F1,1B0,1F1s1,1B1s1,1B1\n");
  require_sound(small, training());
  const forecast two = simulate(make_plan(sliced_1f1b{}, {.ranks = 4, .micro_batches = 8, .slices = 2}));
  CHECK(two.makespan == 28.5);
  const plan large = make_plan(sliced_1f1b{}, {.ranks = 4, .micro_batches = 8, .slices = 4});
  require_sound(large, training());
  CHECK(simulate(large).makespan == 26.25);
  CHECK(simulate(large).peak == 1.75);
}

TEST_CASE("slices in the wrong order are a deadlock that names the rank") {
  draft d;
  d.order_of = {{action::forward(0, 0, 1), action::forward(0, 0, 0), action::backward(0, 0, 1), action::backward(0, 0, 0)}};
  CHECK(said(check(make_plan(d))) ==
        "stretto: deadlock: rank 0 step 0 (0F0s1) waits for 0F0, which stands later in its own list; put it behind what it waits for");
}

TEST_CASE("a stage can have two owners: micro-batches of two routes cross on the same ranks") {
  const std::string text =
      "0Fa0,1Fb0,1Bb0,0Ba0\n"
      "0Fb0,1Fa0,1Ba0,0Bb0\n";
  const plan p = make_plan(from_csv(text));
  CHECK(p.routes == 2);
  CHECK(plan_view(p).owner(pass::forward, 0, 0) == 0);
  CHECK(plan_view(p).owner(pass::forward, 0, 1) == 1);
  CHECK(to_csv(p) == text);
  require_sound(p, training());
  CHECK(simulate(p).makespan == 6);
  CHECK(simulate(p).messages == 4);
}

TEST_CASE("a bidirectional plan with overlapped pairs reads, checks and takes the known time") {
  const std::string text =
      "0Fa0,0Fa1,0Fa2,3Fb0,3Ib0,3Wb0,3Fb1,(0Fa3;3Bb1)OVERLAP_F_B,(3Fb2;0Ba0)OVERLAP_F_B,3Bb2,(3Fb3;0Ba1)OVERLAP_F_B,3Bb3,0Ia2,0Wa2,0Ia3,0Wa3\n"
      "1Fa0,2Fb0,1Fa1,2Fb1,1Fa2,2Bb0,(2Fb2;1Ba0)OVERLAP_F_B,(1Fa3;2Bb1)OVERLAP_F_B,(2Fb3;1Ba1)OVERLAP_F_B,2Bb2,1Ba2,2Ib3,1Ia3,2Wb3,1Wa3\n"
      "1Fb0,2Fa0,1Fb1,2Fa1,1Fb2,2Ba0,(2Fa2;1Bb0)OVERLAP_F_B,(1Fb3;2Ba1)OVERLAP_F_B,(2Fa3;1Bb1)OVERLAP_F_B,2Ba2,1Bb2,2Ia3,1Ib3,2Wa3,1Wb3\n"
      "0Fb0,0Fb1,0Fb2,3Fa0,3Ia0,3Wa0,3Fa1,(0Fb3;3Ba1)OVERLAP_F_B,(3Fa2;0Bb0)OVERLAP_F_B,3Ba2,(3Fa3;0Bb1)OVERLAP_F_B,3Ba3,0Ib2,0Wb2,0Ib3,0Wb3\n";
  const plan p = make_plan(from_csv(text));
  CHECK(to_csv(p) == text);
  require_sound(p, training());
  const forecast f = simulate(p);
  CHECK(f.makespan == 26);
  CHECK(f.peak == 5);
  for (double peak : f.peak_of) CHECK(peak == 5);
}

TEST_CASE("routes may skip a stage and may swap stages") {
  draft d;
  d.hops_of = {{{0, 0}, {1, 1}, {2, 2}}, {{0, 0}, {2, 2}}, {{0, 0}, {2, 2}, {1, 1}}};
  d.route_index = {0, 1, 2};
  d.order_of = {
      {action::forward(0, 0), action::forward(0, 1), action::forward(0, 2), action::backward(0, 0), action::backward(0, 1), action::backward(0, 2)},
      {action::forward(1, 0), action::backward(1, 0), action::forward(1, 2), action::backward(1, 2)},
      {action::forward(2, 1), action::backward(2, 1), action::forward(2, 0), action::backward(2, 0), action::forward(2, 2), action::backward(2, 2)},
  };
  const plan p = make_plan(d);
  CHECK(said(check(p)) == "");
  const program q = lower(p);
  CHECK(said(check(q)) == "");
  // Messages: two hops, one hop and two hops, there and back.
  CHECK(simulate(q).messages == 2 * (2 + 1 + 2));
  CHECK(q.actions.size() == p.actions.size() + 2 * simulate(p).messages);

  SECTION("what the route leaves out must not be done") {
    d.order_of[1].push_back(action::forward(1, 1));
    const verdict v = check(make_plan(d));
    CHECK(v.kind == fault::out_of_range);
    CHECK(v.rank == 1);
    CHECK(v.step == 4);
  }
  SECTION("what the route passes must be done") {
    d.order_of[1].pop_back();
    CHECK(said(check(make_plan(d))) == "stretto: missing: rank 1 lacks 1B2; add it");
  }
  SECTION("a route that passes a stage twice is refused") {
    d.hops_of[1] = {{0, 0}, {2, 2}, {0, 0}};
    CHECK_THROWS_WITH(make_plan(d), Catch::Contains("passes stage 0 twice"));
  }
}

TEST_CASE("a vocabulary pass with one barrier over all ranks keeps 1F1B's bubble: 65 for 4 ranks and 16 micro-batches") {
  costs c(1, 1, 1);
  c.pass[vocabulary_1f1b::s] = 0.5;
  const plan p = make_plan(vocabulary_1f1b{}, {.ranks = 4, .micro_batches = 16});
  require_sound(p, vocabulary_1f1b{}.passes({}));
  const forecast f = simulate(p, c);
  CHECK(f.makespan == 65);
  CHECK(f.peak_of[0] == 5);
  CHECK(f.peak_of[3] == 2);
  CHECK(simulate(make_plan(vocabulary_1f1b{}, {.ranks = 8, .micro_batches = 64}), c).makespan == 64 * 3.5 + 7 * 3);
}

TEST_CASE("a barrier over three ranks waits for the last of them, and members must keep one order") {
  const graph g = vocabulary_1f1b{}.passes({});
  const auto s = [](int rank, int m) { return action::of(vocabulary_1f1b::s, rank, m); };
  draft d;
  d.kinds = g;
  d.order_of = {
      {action::forward(0, 0), action::forward(0, 1), s(0, 0), s(0, 1), action::backward(0, 0), action::backward(0, 1)},
      {action::forward(1, 0), action::forward(1, 1), s(1, 0), s(1, 1), action::backward(1, 0), action::backward(1, 1)},
      {action::forward(2, 0), action::forward(2, 1), s(2, 0), s(2, 1), action::backward(2, 0), action::backward(2, 1)},
  };
  const program q = require_sound(make_plan(d), g);
  CHECK(q.name == "table");
  for (const link_model& m : all_models) CHECK(said(check(q, m)) == "");
  costs c(1, 1, 1, 0.25);
  c.pass[vocabulary_1f1b::s] = 4;
  // Rank 0 has F0 at 1, rank 2 ends F0 at 3 + 2 hops of latency; S0 there ends at 8.5 (after F1), on the others later by
  // the message; the barrier adds the latency once more before rank 2's B0.
  const forecast f = simulate(q, c, holding(), {.record = true});
  const auto at = [&](int rank, int step) { return f.ends[q.rows[rank] + step]; };
  double last = 0;
  for (int r = 0; r < 3; ++r)
    for (std::int64_t i = 0; i < q.order(r).count; ++i)
      if (q.order(r)[i] == s(r, 0)) last = std::max(last, at(r, static_cast<int>(i)) + (r == 2 ? 0 : 0.25));
  for (std::int64_t i = 0; i < q.order(2).count; ++i)
    if (q.order(2)[i] == action::backward(2, 0)) CHECK(f.starts[q.rows[2] + i] >= last);

  SECTION("one member in another order") {
    std::swap(d.order_of[1][2], d.order_of[1][3]);
    const verdict v = check(make_plan(d));
    CHECK(v.kind == fault::group_order);
    CHECK(said(v) == "stretto: group order: rank 1 step 2 (1S1) comes in another place than on the first rank of its group; issue the group's actions in one order on all members");
    CHECK_THROWS_AS(lower(make_plan(d)), error);
  }
  SECTION("one member lacks its part") {
    d.order_of[0].erase(d.order_of[0].begin() + 3);
    CHECK(said(check(make_plan(d))) == "stretto: missing: rank 0 lacks 0S1; add it");
  }
  SECTION("a backward before its barrier waits for itself in a circle") {
    std::swap(d.order_of[2][3], d.order_of[2][4]);
    std::swap(d.order_of[2][2], d.order_of[2][3]);
    CHECK(said(check(make_plan(d))) ==
          "stretto: deadlock: rank 2 step 2 (2B0) waits for 2S0, which stands later in its own list; put it behind what it waits for");
  }
}

TEST_CASE("a group can be some of the ranks") {
  draft d;
  d.kinds = training();
  d.members_of = {{0, 2}};
  const pass_id norm = d.kinds.add(pass_kind{.name = "N", .by = scope::rank, .per = share::step, .group = 0});
  d.kinds.add(edge{norm, relation::same_place, pass::backward_weight});
  const pass_id clip = d.kinds.add(pass_kind{.name = "C", .by = scope::rank, .per = share::step, .group = 0});
  d.kinds.add(edge{clip, relation::group, norm});
  d.order_of.resize(3);
  for (int r = 0; r < 3; ++r) {
    for (int m = 0; m < 2; ++m) d.order_of[static_cast<unsigned>(r)].push_back(action::forward(r, m));
    for (int m = 0; m < 2; ++m) d.order_of[static_cast<unsigned>(r)].push_back(action::backward(r, m));
    if (r != 1)
      for (pass_id p : {norm, clip}) d.order_of[static_cast<unsigned>(r)].push_back(action::of(p, r, 0));
  }
  require_sound(make_plan(d), d.kinds);
  // Rank 2 has its gradients first; its clip waits for the norm of rank 0, which ends the step.
  CHECK(simulate(make_plan(d)).makespan == 2 + 1 + 1 + 2 * 2 + 2 + 2 + 1 + 1);
  d.order_of[1].push_back(action::of(norm, 1, 0));
  CHECK(check(make_plan(d)).kind == fault::out_of_range);
  d.order_of[1].pop_back();
  d.members_of = {{0, 7}};
  CHECK(check(make_plan(d)).kind == fault::bad_route);
  d.members_of.clear();
  CHECK(check(make_plan(d)).kind == fault::bad_graph);
}

TEST_CASE("feedback joins the last hop of a slice to the first hop of the next: one request goes round by round") {
  draft d;
  d.kinds = inference();
  d.kinds.edges[1] = edge{pass::forward, relation::feedback, pass::forward, "NEXT"};
  d.order_of.resize(2);
  for (int q = 0; q < 3; ++q)
    for (int m = 0; m < 2; ++m)
      for (int r = 0; r < 2; ++r) d.order_of[static_cast<unsigned>(r)].push_back(action::forward(r, m, q));
  const program p = require_sound(make_plan(d), d.kinds);
  CHECK(to_csv(p).find("1SEND_NEXT0>") == std::string::npos);
  CHECK(to_csv(p).find("1SEND_NEXT0,") != std::string::npos);
  // A slice costs a third; two requests keep both ranks busy but for the first and last pass.
  CHECK(simulate(p).makespan == Approx(7.0 / 3));
  d.order_of[0] = {action::forward(0, 0, 0), action::forward(0, 0, 1), action::forward(0, 0, 2), action::forward(0, 1, 0), action::forward(0, 1, 1), action::forward(0, 1, 2)};
  CHECK(check(make_plan(d)).kind == fault::deadlock);
}

TEST_CASE("steps follow each other without a barrier, held only by edges to the step before") {
  draft d;
  const pass_id optimizer = d.kinds.add(pass_kind{.name = "O", .by = scope::rank, .per = share::step});
  d.kinds.add(edge{optimizer, relation::same_place, pass::backward_weight});
  d.order_of = {{action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1), action::of(optimizer, 0, 0)},
                {action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 1), action::of(optimizer, 1, 0)}};
  require_sound(make_plan(d), d.kinds);
  const forecast one = simulate(make_plan(d));
  const forecast three = simulate(make_plan(d), costs(), holding(), {.steps = 3});
  CHECK(one.makespan == 10);
  CHECK(one.step == 10);
  CHECK(three.makespan == 30);
  CHECK(three.step == 10);

  SECTION("an edge to the step before holds a rank that the lists alone would let go on") {
    // Rank 1 ends its step at 8 and could begin F0 of the next as soon as rank 0 sends it, at 11. Let it wait for rank 0's
    // optimizer over a slow link instead.
    const int row = d.kinds.add(edge{pass::forward, relation::previous_step, optimizer});
    CHECK(row >= 0);
    CHECK(simulate(make_plan(d), costs(), holding(), {.steps = 3}).makespan == 30);
    draft split = d;  // the optimizer moves to a lane of its own, and overlaps with the next step's first forward …
    split.kinds.passes[optimizer].on = lane::copy_out;
    split.kinds.edges[row].consumer = pass::backward_input;  // … but not with its first backward
    CHECK(said(check(make_plan(split))) == "");
    CHECK(simulate(make_plan(split), costs(), holding(), {.steps = 3}).makespan == 28);
  }
}

TEST_CASE("lanes overlap, and each runs in order") {
  draft d;
  const pass_id out = d.kinds.add(pass_kind{.name = "OFFLOAD", .on = lane::copy_out});
  const pass_id in = d.kinds.add(pass_kind{.name = "RELOAD", .on = lane::copy_in});
  d.kinds.add(edge{out, relation::same_place, pass::forward});
  d.kinds.add(edge{in, relation::same_place, out});
  d.kinds.add(edge{pass::backward_input, relation::same_place, in});
  d.order_of.resize(1);
  for (int m = 0; m < 3; ++m) {
    d.order_of[0].push_back(action::forward(0, m));
    d.order_of[0].push_back(action::of(out, 0, m));
  }
  for (int m = 0; m < 3; ++m) {
    d.order_of[0].push_back(action::of(in, 0, m));
    d.order_of[0].push_back(action::backward(0, m));
  }
  require_sound(make_plan(d), d.kinds);
  CHECK(simulate(make_plan(d)).makespan == 9);  // copies hide behind three forwards and three backwards
  costs slow;
  slow.pass[out] = 2;
  // Offloads end at 3, 5, 7; reloads at 4, 6, 8; backwards at 6, 8, 10.
  CHECK(simulate(make_plan(d), slow).makespan == 10);
  // On one lane a reload before its offload is a deadlock; on two it only has to wait.
  std::swap(d.order_of[0][1], d.order_of[0][6]);
  CHECK(said(check(make_plan(d))) == "");
  CHECK(lower(make_plan(d)).actions.size() == make_plan(d).actions.size());  // places what one lane holds up for another
  require_sound(make_plan(d), d.kinds);
  d.kinds.passes[in].on = lane::copy_out;
  CHECK(check(make_plan(d)).kind == fault::deadlock);
}

TEST_CASE("a tagged skip connection is a row of the edge table, and travels by its own messages") {
  draft d;
  d.kinds.add(edge{pass::forward, relation::skip, pass::forward, "SKIP", hops::all, 0, 2});
  d.kinds.add(edge{pass::backward_input, relation::skip, pass::backward_input, "SKIP_GRAD", hops::all, 2, 0});
  d.order_of.resize(3);
  for (int r = 0; r < 3; ++r)
    for (int m = 0; m < 2; ++m) d.order_of[static_cast<unsigned>(r)].push_back(action::forward(r, m));
  for (int r = 0; r < 3; ++r)
    for (int m = 0; m < 2; ++m) d.order_of[static_cast<unsigned>(r)].push_back(action::backward(r, m));
  const program p = require_sound(make_plan(d), d.kinds);
  CHECK(simulate(p).messages == 2 * (2 + 2 + 1 + 1));
  CHECK(to_csv(p).find("2RECV_SKIP1") != std::string::npos);
  CHECK(to_csv(make_plan(draft(read_csv(to_csv(p), d.kinds).value))) == to_csv(p));
  CHECK(check(make_plan(draft(read_csv(to_csv(p), d.kinds).value))).ok());
  d.kinds.edges[d.kinds.edge_count - 1].to = 9;
  CHECK(check(make_plan(d)).kind == fault::bad_graph);
}

TEST_CASE("an optional pass is waited for where it stands and not missed where it doesn't") {
  draft d;
  const pass_id recompute = d.kinds.add(pass_kind{.name = "R", .how_often = times::at_most_once});
  d.kinds.add(edge{recompute, relation::same_place, pass::forward});
  d.kinds.add(edge{pass::backward_input, relation::same_place, recompute});
  d.order_of = {{action::forward(0, 0), action::forward(0, 1), action::of(recompute, 0, 0), action::backward(0, 0), action::backward(0, 1)}};
  require_sound(make_plan(d), d.kinds);
  CHECK(simulate(make_plan(d)).makespan == 7);
  std::swap(d.order_of[0][2], d.order_of[0][3]);
  CHECK(check(make_plan(d)).kind == fault::deadlock);
  d.order_of[0].push_back(action::of(recompute, 0, 0));
  CHECK(check(make_plan(d)).kind == fault::duplicate);
}

TEST_CASE("markers may stand as often as they like, a reduction waits for every micro-batch") {
  const std::string text = "0UNSHARD,0F0,0F1,0RESHARD,0UNSHARD,0B0,0B1,0REDUCE_GRAD,0RESHARD\n";
  const plan p = make_plan(from_csv(text));
  CHECK(to_csv(p) == text);
  CHECK(said(check(p)) == "");
  CHECK(check(make_plan(from_csv("0F0,0F1,0B0,0REDUCE_GRAD,0B1\n"))).kind == fault::deadlock);
}

TEST_CASE("a graph that asks for what can't be is refused before anything walks") {
  draft d;
  d.order_of = {{action::forward(0, 0), action::backward(0, 0)}};
  SECTION("messages of a pass that lives on ranks") {
    const pass_id s = d.kinds.add(pass_kind{.name = "S", .by = scope::rank});
    d.kinds.add(edge{pass::forward, relation::same_place, s, "S"});
  }
  SECTION("a group row over stages") { d.kinds.add(edge{pass::forward, relation::group, pass::backward_input}); }
  SECTION("a producer that is no node") { d.kinds.add(edge{pass::forward, relation::same_place, pass::backward}); }
  SECTION("a pass that covers one of another lane") {
    const int w = d.kinds.add(pass_kind{.name = "X", .on = lane::copy_in});
    d.kinds.add(pass_kind{.name = "Y", .covers = 1u << w | 1u << pass::forward});
  }
  const verdict v = check(make_plan(d));
  CHECK(v.kind == fault::bad_graph);
  CHECK(said(v).rfind("stretto: bad graph: ", 0) == 0);
  CHECK_THROWS_AS(lower(make_plan(d)), error);
  CHECK_THROWS_AS(simulate(make_plan(d)), error);
}

TEST_CASE("a plan of a user's schedule with a new pass can be a constant") {
  constexpr auto& p = static_plan<vocabulary_1f1b, ranks<4>, micro_batches<4>>;
  static_assert(check(p).ok());
  CHECK(to_csv(p) == to_csv(make_plan(vocabulary_1f1b{}, {.ranks = 4, .micro_batches = 4})));
}
