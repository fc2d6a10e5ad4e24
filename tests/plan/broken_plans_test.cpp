// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is wrong in a way that nobody writes on purpose: tables that contradict themselves, numbers past every end,
// schedules that change their mind, plans that were moved from. Each is a sentence, never a crash and never an answer.
#include <limits>
#include <string>
#include <utility>

#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

draft two() {
  draft d;
  d.order_of = {{action::forward(0, 0), action::backward(0, 0)}, {action::forward(1, 0), action::backward(1, 0)}};
  return d;
}

std::string said(const draft& d) { return std::string(check(make_plan(d)).sentence()); }

/// The rule that the graph breaks; lower and simulate refuse it, too.
graph_rule rule(const draft& d) {
  const plan p = make_plan(d);
  const verdict v = check(p);
  INFO(v.sentence());
  CHECK(v.kind == fault::bad_graph);
  CHECK(v.sentence().substr(0, 20) == "stretto: bad graph: ");
  CHECK_THROWS_AS(lower(p), error);
  CHECK_THROWS_AS(simulate(p), error);
  return v.rule;
}

using sweep::thrown;

struct ascending {
  static constexpr const char* name = "mine";
  constexpr void order(const sizes& z, int rank, auto&& put) const {
    for (int m = 0; m < z.micro_batches; ++m) put(action::forward(rank, m));
    for (int m = 0; m < z.micro_batches; ++m) put(action::backward(rank, m));
  }
};

struct no_routes : ascending {
  int count = 0;
  int routes(const sizes&) const { return count; }
  void route(const sizes& z, int, auto&& put) const {
    for (int s = 0; s < z.ranks; ++s) put(hop{s, s});
  }
};

struct no_stages : ascending {
  int stages(const sizes&) const { return -1; }
};

struct no_groups : ascending {
  int groups(const sizes&) const { return -2; }
  void group(const sizes&, int, auto&&) const {}
};

struct fickle {
  const char* name = "fickle";
  int* asked;
  int grows;
  void order(const sizes& size, int rank, auto&& put) const {
    const int more = ++*asked > size.ranks ? grows : 0;
    for (int m = 0; m < size.micro_batches + more; ++m) put(action::forward(rank, m));
  }
};

struct sender {
  static constexpr const char* name = "sender";
  constexpr void order(const sizes&, int rank, auto&& put) const {
    put(action::forward(rank, 0));
    put(action{0, role::send, 0, rank, 0, 77});
    put(action::backward(rank, 0));
  }
};

}  // namespace

TEST_CASE("each rule of the graph's tables is held, and named in a sentence") {
  draft d = two();
  graph& g = d.kinds;
  const auto add = [&](edge e) { g.add(e); };
  SECTION("rows") {
    graph_rule expected{};
    SECTION("a consumer past the end") { add({200, relation::same_place, 0}), expected = graph_rule::no_consumer; }
    SECTION("a producer past the end") { add({0, relation::same_place, 200}), expected = graph_rule::no_producer; }
    SECTION("both past the end") { add({200, relation::same_place, 200}), expected = graph_rule::no_consumer; }
    SECTION("a fused producer") { add({0, relation::same_place, pass::backward}), expected = graph_rule::fused_producer; }
    SECTION("a marker as producer") { add({0, relation::same_place, pass::unshard}), expected = graph_rule::fused_producer; }
    SECTION("a message to a pass once a step") {
      const pass_id o = g.add(pass_kind{.name = "O", .per = share::step});
      add({o, relation::first_hop, pass::forward, "O"}), expected = graph_rule::message_ends;
    }
    SECTION("a message that stays at home") { add({pass::backward_weight, relation::same_place, pass::forward, "X"}), expected = graph_rule::message_relation; }
    SECTION("a message in small letters") { add({pass::backward_weight, relation::first_hop, pass::forward, "x"}), expected = graph_rule::message_name; }
    SECTION("a message name twice") { add({pass::backward_weight, relation::first_hop, pass::forward, "F"}), expected = graph_rule::message_taken; }
    SECTION("a skip past the end") { add({pass::forward, relation::skip, pass::forward, "K", hops::all, 50, 1}), expected = graph_rule::skip_stages; }
    SECTION("a group of stages") { add({pass::forward, relation::group, pass::backward_input}), expected = graph_rule::group_producer; }
    SECTION("a pass after itself") { add({pass::forward, relation::same_place, pass::forward}), expected = graph_rule::waits_for_itself; }
    SECTION("a relation that is none") { add({pass::forward, static_cast<relation>(99), pass::forward}), expected = graph_rule::no_relation; }
    SECTION("an edge between ranks that nothing carries") { add({pass::backward_weight, relation::first_hop, pass::forward}), expected = graph_rule::crosses; }
    CHECK(rule(d) == expected);
    CHECK(said(d).find(" row 7 ") != std::string::npos);
  }
  SECTION("passes") {
    graph_rule expected{};
    SECTION("small letters") { g.add(pass_kind{.name = "opt"}), expected = graph_rule::pass_name; }
    SECTION("the name of a message") { g.add(pass_kind{.name = "SEND_F"}), expected = graph_rule::pass_name; }
    SECTION("a name twice") { g.add(pass_kind{.name = "F"}), expected = graph_rule::pass_taken; }
    SECTION("covering one on another lane") { g.add(pass_kind{.name = "X", .on = lane::network, .covers = 1}), expected = graph_rule::covers_other; }
    SECTION("covering one that isn't there") { g.add(pass_kind{.name = "X", .covers = 1u << 31}), expected = graph_rule::covers_other; }
    SECTION("covering itself beside others") { g.add(pass_kind{.name = "X", .covers = 1u << 7 | 1u << 1}), expected = graph_rule::covers_other; }
    SECTION("covering too many") {
      std::uint32_t all = 0;
      for (char c = 'M'; c < 'T'; ++c) all |= 1u << g.add(pass_kind{.name = std::string_view(&c, 1), .how_often = times::at_most_once});
      g.add(pass_kind{.name = "X", .covers = all}), expected = graph_rule::covers_many;
    }
    SECTION("a lane that is none") { g.add(pass_kind{.name = "X", .on = static_cast<lane>(9)}), expected = graph_rule::no_lane; }
    SECTION("a group that is none") { g.add(pass_kind{.name = "X", .by = scope::rank, .group = 1}), expected = graph_rule::no_group; }
    CHECK(rule(d) == expected);
    CHECK(said(d).find(": pass ") != std::string::npos);
  }
}

TEST_CASE("a graph that is full says so") {
  graph g = training();
  CHECK(thrown([&] { for (int i = 0; i < 40; ++i) g.add(pass_kind{.name = "X"}); }) ==
        "stretto: a graph has at most 24 passes; let one pass do what several did");
  CHECK(thrown([&] { for (int i = 0; i < 60; ++i) g.add(edge{}); }) ==
        "stretto: an edge table has at most 48 rows; leave out those that follow from others");
}

TEST_CASE("many passes that cover the same ones are no trouble") {
  draft d;
  d.kinds = graph();
  d.kinds.add(pass_kind{.name = "F"});
  for (char c = 'G'; c < 'R'; ++c) d.kinds.add(pass_kind{.name = std::string_view(&c, 1), .covers = 1});
  for (char c = 'A'; c < 'Z'; ++c) d.kinds.add(edge{0, relation::previous_hop, 0, std::string_view(&c, 1)});
  d.order_of = {{action::forward(0, 0)}, {action::forward(1, 0)}};
  CHECK(said(d) == "");
  CHECK(check(lower(make_plan(d))).ok());
}

TEST_CASE("a plan that was moved from, or never made, is no plan") {
  plan p = make_plan(two());
  const plan q = std::move(p);
  CHECK(check(q).ok());
  for (const plan_view& none : {plan_view(p), plan_view()}) {
    CHECK(std::string(check(none).sentence()) == "stretto: no plan: it was never made, or was moved from; make it with make_plan");
    CHECK_THROWS_AS(simulate(none), error);
    CHECK_THROWS_AS(lower(none), error);
    CHECK(to_csv(none).empty());
  }
}

TEST_CASE("a plan may be changed and checked again") {
  draft d = two();
  d.order_of[0].push_back(action::of(pass::unshard, 0, 0));
  plan p = make_plan(d);
  p.actions[2].pass = pass::reduce_grad;  // a pass that the plan didn't hold when it was made
  CHECK(check(p).ok());
  CHECK(simulate(p).makespan == 6);
  p.actions[2].pass = 99;
  CHECK(check(p).kind == fault::unknown_pass);
}

TEST_CASE("schedules with counts that can't be, or that change their mind, are refused") {
  const sizes z{.ranks = 2, .micro_batches = 2};
  CHECK(thrown([&] { make_plan(no_routes{}, z); }) == "stretto: mine says that it has 2 stages, 0 routes and 0 groups; mend its counts");
  CHECK(thrown([&] { make_plan(no_routes{{}, -1}, z); }) == "stretto: mine says that it has 2 stages, -1 routes and 0 groups; mend its counts");
  CHECK(thrown([&] { make_plan(no_stages{}, z); }) == "stretto: mine says that it has -1 stages, 1 routes and 0 groups; mend its counts");
  CHECK(thrown([&] { make_plan(no_groups{}, z); }) == "stretto: mine says that it has 2 stages, 1 routes and -2 groups; mend its counts");

  for (int grows : {-1, 1, 30000}) {
    int asked = 0;
    const fickle f{.asked = &asked, .grows = grows};
    CHECK(thrown([&] { make_plan(f, z); }) ==
          "stretto: fickle puts other numbers of actions or members when it is asked again; let it depend on its sizes and rank alone");
  }
}

TEST_CASE("a schedule that puts messages makes a program") {
  const plan p = make_plan(sender{}, {.ranks = 2, .micro_batches = 1});
  CHECK(p.lowered);
  CHECK(check(p).kind == fault::needless_message);
  CHECK_THROWS_AS(simulate(p), error);
}

TEST_CASE("a program whose messages don't fit is not timed") {
  const plan p = make_plan(from_csv("0F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n"));
  CHECK(check(p).kind == fault::missing_send);
  CHECK(thrown([&] { simulate(p); }) == "stretto: missing send: rank 0 lacks 0SEND_F0; add the send behind its pass");
  CHECK_THROWS_AS(to_grid(p), error);
  CHECK(said(from_csv("0F0,0SEND_B0\n1F0,1RECV_B0\n")) == "stretto: missing: rank 0 lacks 0I0 (or 0B0); add it");
}

TEST_CASE("pairs of three, pairs without an end, and pairs that wait for each other") {
  const action f0 = action::forward(0, 0), f1 = action::forward(0, 1), b0 = action::backward(0, 0), b1 = action::backward(0, 1);
  draft d;
  d.order_of = {{f0.with_next(), f1.with_next(), b0, b1}};
  CHECK(said(d) == "stretto: bad pair: rank 0 step 0 (0F0) is paired with nothing that can run with it; pair two passes that stand next to each other");
  CHECK_THROWS_AS(lower(make_plan(d)), error);
  CHECK_THROWS_AS(simulate(make_plan(d)), error);
  d.order_of = {{f0, b0.with_next()}};
  CHECK(check(make_plan(d)).kind == fault::bad_pair);
  CHECK_THROWS_AS(lower(make_plan(d)), error);
  CHECK(said(from_csv("(0F0;0B0)OVERLAP_F_B\n")) ==
        "stretto: deadlock: rank 0 step 1 (0B0) waits for 0F0, which it is paired with; pair two passes that don't wait for each other");
  CHECK(said(from_csv("0F0,(0F1;0B0)OVERLAP_F_B,0B1\n1F0,1B0,1F1,1B1\n")) == "");
  CHECK(said(from_csv("0F0,(0B0;0F1)OVERLAP_F_B,0B1\n1F0,1F1,1B0,1B1\n")) ==
        "stretto: deadlock: rank 0 step 1 (0B0) waits for 1B0 on rank 1; rank 1 step 1 (1F1) waits for 0F1 on rank 0; change the order of one of them");
}

TEST_CASE("groups that list a rank twice, or one that isn't there") {
  draft d = two();
  d.members_of = {{0, 0}};
  CHECK(said(d) == "stretto: bad route: group 0 lists rank 0 twice; mend the groups");
  d.members_of = {{0, 5}};
  CHECK(said(d) == "stretto: bad route: a group lists rank 5, and the plan has ranks 0 to 1; mend the groups");
}

TEST_CASE("a stage that no route passes asks for nothing") {
  draft d = two();
  d.stage_count = 3;
  d.hops_of = {{{0, 0}, {1, 1}}};
  const pass_id o = d.kinds.add(pass_kind{.name = "OPT", .per = share::step});
  for (int r = 0; r < 2; ++r) d.order_of[static_cast<unsigned>(r)].push_back(action::of(o, r, 0));
  CHECK(said(d) == "");
  CHECK(check(lower(make_plan(d))).ok());
  CHECK(simulate(make_plan(d)).makespan == 7);
}

TEST_CASE("a pass at the first hop doesn't wait for itself") {
  draft d = two();
  d.kinds.add(edge{pass::forward, relation::first_hop, pass::forward, "START"});
  CHECK(said(d) == "");
  CHECK(check(lower(make_plan(d))).ok());
  draft fused = two();
  fused.kinds.add(edge{pass::backward_weight, relation::last_hop, pass::backward_input, "END"});
  CHECK(said(fused) == "");  // at the last hop B does both
  CHECK(std::string(check(lower(make_plan(fused))).sentence()) == "");
}

TEST_CASE("an optional pass is waited for where a fused one does it, and across steps") {
  draft d;
  const pass_id gather = d.kinds.add(pass_kind{.name = "GG", .per = share::step, .how_often = times::at_most_once});
  const pass_id hold = d.kinds.add(pass_kind{.name = "HH", .per = share::step, .how_often = times::at_most_once});
  const pass_id both = d.kinds.add(pass_kind{.name = "GH", .per = share::step, .how_often = times::at_most_once, .covers = 1u << gather | 1u << hold});
  const pass_id last = d.kinds.add(pass_kind{.name = "OPT", .per = share::step});
  d.kinds.add(edge{last, relation::same_place, gather});
  for (const pass_id one : {gather, both}) {
    d.order_of = {{action::forward(0, 0), action::backward(0, 0), action::of(last, 0, 0), action::of(one, 0, 0)}};
    CHECK(check(make_plan(d)).kind == fault::deadlock);
  }

  graph g = training();
  g.passes[pass::reduce_grad].on = lane::collective;
  g.add(edge{pass::forward, relation::previous_step, pass::reduce_grad});
  costs c;
  c.pass[pass::reduce_grad] = 10;
  for (const times how_often : {times::once, times::at_most_once}) {
    g.passes[pass::reduce_grad].how_often = how_often;
    draft e;
    e.kinds = g;
    e.order_of = {{action::forward(0, 0), action::backward(0, 0), action::of(pass::reduce_grad, 0, 0)}};
    CHECK(simulate(make_plan(e), c, holding(), {.steps = 3}).makespan == 39);
  }
}

TEST_CASE("what a rank holds counts in order of time where several lanes take and release") {
  draft d;
  const pass_id off = d.kinds.add(pass_kind{.name = "OFF", .on = lane::copy_out});
  d.kinds.add(edge{off, relation::same_place, pass::forward});
  d.order_of.resize(1);
  for (int m = 0; m < 6; ++m) d.order_of[0].insert(d.order_of[0].end(), {action::forward(0, m), action::of(off, 0, m)});
  for (int m = 0; m < 6; ++m) d.order_of[0].push_back(action::backward(0, m));
  holding h(1, 0, 0);
  h.pass[off] = -1;
  costs c;
  c.pass[off] = 0.5;
  CHECK(simulate(make_plan(d), c, h).peak == 2);
  d.order_of[0].resize(4);
  d.order_of[0].insert(d.order_of[0].end(), {action::backward(0, 0), action::backward(0, 1)});
  CHECK(to_grid(make_plan(d), c) ==
        "rank 0 | F0------- F1------- B0----------------- B1-----------------\n"
        "       |           OFF0      OFF1\n");
  d.order_of[0].clear();
  for (int m = 0; m < 6; ++m) d.order_of[0].insert(d.order_of[0].end(), {action::forward(0, m), action::of(off, 0, m)});
  for (int m = 0; m < 6; ++m) d.order_of[0].push_back(action::backward(0, m));
  c.pass[off] = 4;  // slower than the forward passes: they pile up
  CHECK(simulate(make_plan(d), c, h).peak == 5);
  CHECK(simulate(make_plan(d), c, h, {.steps = 2}).peak >= 5);
}

TEST_CASE("costs, holdings and steps that can't be are refused") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2});
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const costs& c : {costs(inf, 1, 1), costs(1, 1, 1, inf), costs(nan, 1, 1), costs(-1, 1, 1)})
    CHECK(thrown([&] { simulate(p, c); }) == "stretto: a cost or the latency is not a number from 0 to 1e300; give numbers in that range");
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  CHECK(thrown([&] { simulate(p, costs(), holding(most, 0, most)); }) ==
        "stretto: what the passes hold adds up to more than a number can hold; give it in larger units");
  CHECK(thrown([&] { simulate(p, costs(), holding(), {.steps = 0}); }) == "stretto: simulate is asked for 0 steps; give at least 1");
  CHECK(thrown([&] { to_grid(p, costs(1e-9, 1, 1)); }).find("more than 100000 columns wide") != std::string::npos);
  CHECK(to_grid(p, costs(1, 1, 1, 0.01)) ==
        "rank 0 | F0 F1       B0---    B1---\n"
        "rank 1 |    F0 B0--- F1 B1---\n"
        "(times are rounded; a column is 1)\n");
}

TEST_CASE("routes that letters can't tell are written in rows of their own") {
  draft d;
  d.hops_of = {{{0, 0}, {1, 1}, {2, 2}}, {{0, 0}, {2, 2}}};
  d.route_index = {1, 0};
  d.order_of = {{action::forward(0, 1), action::forward(0, 0), action::backward(0, 0), action::backward(0, 1)},
                {action::forward(1, 1), action::backward(1, 1)},
                {action::forward(2, 0), action::backward(2, 0), action::forward(2, 1), action::backward(2, 1)}};
  const std::string text =
      "0F1,0F0,0B0,0B1\n"
      "1F1,1B1\n"
      "2F0,2B0,2F1,2B1\n"
      "route 0@0 1@1 2@2 : 1\n"
      "route 0@0 2@2 : 0\n";
  CHECK(said(d) == "");
  CHECK(to_csv(make_plan(d)) == text);
  const plan again = make_plan(from_csv(text));
  CHECK(check(again).ok());
  CHECK(to_csv(again) == text);
  CHECK(check(make_plan(from_csv(to_csv(lower(again))))).ok());

  const auto refused = [](const char* rows) { return std::string(read_csv(std::string("0F0,0F1,0B0,0B1\n") + rows).sentence()); };
  CHECK(refused("route 0@0 : 0-1\n") == "");
  CHECK(refused("route 0@0 : 0\n") == "stretto: line 1 column 5: micro-batch 1 is on no route; name it behind the colon of one");
  CHECK(refused("route 0@1 : 0 1\n") == "stretto: line 2 column 7: the route passes rank 1, and the text has 1 rows for ranks");
  CHECK(refused("route 0@0 0@0 : 0 1\n") == "stretto: line 2 column 11: the route passes stage 0 twice; a route passes a stage at most once");
  CHECK(refused("route 0@0 : 0 1\nroute 0@0 : 1\n") == "stretto: line 3 column 13: micro-batch 1 is on an earlier route already; name it once");
  CHECK(refused("route 0@0 : 0 1\n0F2\n") == "stretto: line 3 column 1: a rank's row stands behind those of routes or groups; put it before them");
  CHECK(refused("route 0@0 : 0-900\n") ==
        "stretto: line 2 column 13: micro-batch 900 is named, and the text has only 4 cells, too few for that many micro-batches");
  CHECK(refused("route : 0 1\n") == "stretto: line 2 column 7: the route passes no stage; name at least one before the colon");
  CHECK(refused("route 9@0 : 0 1\n") == "stretto: line 2 column 7: stage 9 is named, and the text has only 4 cells, too few for that many stages");
  CHECK(refused("rout 0@0\n") == "stretto: line 2 column 1: 'r' stands where a cell, or the word route or group, is needed");
  CHECK(refused("group 0 1\n") == "stretto: line 2 column 9: the group lists rank 1, and the text has 1 rows for ranks");
  CHECK(refused("group 0 x\n") == "stretto: line 2 column 9: 'x' stands where a rank is needed");
  CHECK(refused("grp\n") == "stretto: line 2 column 1: 'g' stands where a cell, or the word route or group, is needed");
  CHECK(refused("route 0-0 : 0 1\n") == "stretto: line 2 column 8: '-' stands where @ behind the stage of a hop is needed");
}

TEST_CASE("a text that asks for too many actions is refused where it is read") {
  std::string text = "0F999s999\n1SEND_F0\n";
  for (int i = 0; i < 1100; ++i) text += "0F0\n";
  const csv_result r = read_csv(text);
  CHECK(std::string(r.sentence()) == "stretto: line 1 column 1: the plan would have more than 2147483647 actions; use fewer");
  CHECK_FALSE(read_csv("0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1RECV_F0,1F0,1B0,1SEND_B0").ok() == false);
}

TEST_CASE("naming keeps what it needs of a temporary view") {
  const plan p = make_plan(two());
  const naming name(p);
  CHECK(std::string(name(action::forward(1, 0)).str()) == "1F0");
}
