// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A timeline holds what simulate foretells: every action with its times, every message, what is held.
#include <algorithm>

#include "catch.hpp"
#include "draw/plans.hpp"

using namespace stretto;

TEST_CASE("a timeline has every action of a plan once, with the times, slack and path that simulate foretells") {
  for (const plan& p : plans::all()) {
    INFO(p.name.str());
    const costs prices(1, 1, 1, 0.25);
    const forecast f = simulate(p, prices, holding(), {.record = true});
    const timeline t = make_timeline(p, prices);
    REQUIRE(static_cast<std::int64_t>(t.actions.size()) == f.actions);
    CHECK(static_cast<std::int64_t>(t.messages.size()) == f.messages);
    CHECK(t.makespan == f.makespan);
    const naming name(p);
    std::int64_t critical = 0, before = -1;
    for (const drawn_action& d : t.actions) {
      INFO(d.name);
      REQUIRE(d.entry > before);
      before = d.entry;
      CHECK(d.start == f.starts[d.entry]);
      CHECK(d.end == f.ends[d.entry]);
      CHECK(d.slack == f.slack[d.entry]);
      CHECK(d.name == name(p.actions[d.entry]).str());
      CHECK(plan_view(p).order(d.rank)[d.entry - p.rows[d.rank]] == p.actions[d.entry]);
      critical += d.critical;
    }
    CHECK(critical > 0);
    for (int r = 0; r < p.ranks; ++r) {
      const drawn_rank& rank = t.of_rank[static_cast<std::size_t>(r)];
      CHECK(rank.work == Approx(f.work_of[r]));
      CHECK(rank.work + rank.idle.sum() == Approx(t.makespan));
      double most = 0;
      for (const level& l : rank.memory) most = std::max(most, l.held);
      CHECK(most == Approx(rank.peak));
    }
  }
}

TEST_CASE("a message begins at the end of one action and ends at the start of another, on another rank") {
  for (const plan& p : plans::all()) {
    const timeline t = make_timeline(p, costs(1, 1, 1, 0.25));
    for (const drawn_message& m : t.messages) {
      const drawn_action &from = t.actions[static_cast<std::size_t>(m.from)], &to = t.actions[static_cast<std::size_t>(m.to)];
      REQUIRE(from.rank != to.rank);
      CHECK(m.sent == from.end);
      CHECK(m.taken == to.start);
      CHECK(m.taken >= m.sent + 0.25 - 1e-9);
    }
  }
}

TEST_CASE("what an action waited for last ends when it starts, or a message earlier") {
  for (const plan& p : plans::all()) {
    INFO(p.name.str());
    const timeline t = make_timeline(p, costs(1, 1, 1, 0.25));
    for (const drawn_action& d : t.actions) {
      INFO(d.name);
      if (d.after < 0) {
        CHECK(d.start == 0);
        continue;
      }
      const drawn_action& last = t.actions[static_cast<std::size_t>(d.after)];
      CHECK(last.end + (last.rank != d.rank ? 0.25 : 0) == Approx(d.start));
    }
  }
}

TEST_CASE("labels are what stands behind the pass in a name") {
  const timeline t = make_timeline(make_plan(dualpipe{}, {.ranks = 2, .micro_batches = 8}));
  CHECK(t.actions[0].name == "0Fa0");
  CHECK(t.actions[0].label == "a0");
  const timeline lanes = make_timeline(plans::with_lanes());
  CHECK(lanes.actions[1].name == "0COPY0");
  CHECK(lanes.actions[1].label == "0");
  CHECK(lanes.actions[1].on == lane::copy_out);
  CHECK(lanes.actions.back().label == "REDUCE_GRAD");
  CHECK(lanes.actions.back().micro_batch == -1);
}

TEST_CASE("both of an overlapped pair know that they are halves, and have the same times and wait for the same") {
  const timeline t = make_timeline(plans::with_pairs());
  CHECK(t.actions[1].half == 0);
  CHECK(t.actions[2].half == 1);
  CHECK(t.actions[3].half == 2);
  CHECK(t.actions[4].half == 0);
  CHECK(t.actions[2].start == t.actions[3].start);
  CHECK(t.actions[2].end == t.actions[3].end);
  CHECK(t.actions[2].after == t.actions[3].after);
}

TEST_CASE("a rank with two owners' stages tells them apart as chunks") {
  const timeline t = make_timeline(make_plan(dualpipe{}, {.ranks = 4, .micro_batches = 8}));
  CHECK(t.chunks == 2);
  for (const drawn_action& d : t.actions)
    if (d.rank == 1) CHECK(d.chunk == (d.stage == 1 ? 0 : 1));
}

TEST_CASE("a timeline takes the title and the unit that it is given, else the plan's name and none") {
  CHECK(make_timeline(plans::with_pairs()).title == "table");
  CHECK(make_timeline(plans::with_pairs()).unit == "");
  const timeline t = make_timeline(plans::with_pairs(), costs(), holding(), {.title = "mine", .unit = "s"});
  CHECK(t.title == "mine");
  CHECK(t.unit == "s");
}
