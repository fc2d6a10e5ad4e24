// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A recorded step as a timeline beside its simulation: nothing is lost, and means give the measured sums.
#include <algorithm>
#include <string>
#include <vector>

#include <stretto/draw/html.hpp>
#include <stretto/draw/trace.hpp>
#include <stretto/run/measured.hpp>
#include <stretto/run/pipeline.hpp>
#include <stretto/schedule.hpp>

#include "catch.hpp"
#include "run/idler.hpp"

using namespace stretto;

namespace {

using idle::layers;

}  // namespace

TEST_CASE("a recorded step is a timeline of every action, from 0 on, with every message as it was put and taken") {
  const plan order = make_plan(interleaved_one_f_one_b{}, {.ranks = 2, .micro_batches = 4, .chunks = 2});
  pipeline p(layers(), cut::of({1, 1, 1, 1}), order, sgd{}, {.record = true});
  p.step().loss();
  const recording r = p.step().measured();
  const timeline t = make_timeline(p.steps(), r, {.title = "mine"});
  CHECK(t.measured);
  CHECK(t.unit == "s");
  CHECK(t.title == "mine");
  const auto passes = std::count_if(p.steps().actions.begin(), p.steps().actions.end(), [](const action& a) { return !a.is_message(); });
  REQUIRE(static_cast<std::ptrdiff_t>(t.actions.size()) == passes);
  double first = 1e300, last = 0;
  for (const drawn_action& d : t.actions) {
    const auto i = static_cast<std::size_t>(d.entry);
    CHECK(d.end - d.start == Approx(r.ends[i] - r.starts[i]).margin(1e-12));
    first = std::min(first, d.start);
    last = std::max(last, d.end);
  }
  CHECK(first == 0);
  CHECK(t.makespan == last);
  REQUIRE(t.messages.size() == r.messages.size());
  std::vector<double> sent, put;
  const double begin = r.starts[static_cast<std::size_t>(t.actions[0].entry)] - t.actions[0].start;
  for (const drawn_message& m : t.messages) {
    CHECK(m.sent <= m.taken);
    CHECK(m.sent >= t.actions[static_cast<std::size_t>(m.from)].start);
    CHECK(m.taken <= t.actions[static_cast<std::size_t>(m.to)].end);
    sent.push_back(m.sent);
  }
  for (const message_times& m : r.messages) put.push_back(m.put - begin);
  std::sort(sent.begin(), sent.end());
  std::sort(put.begin(), put.end());
  for (std::size_t i = 0; i < sent.size(); ++i) CHECK(sent[i] == Approx(put[i]).margin(1e-12));
  const forecast f = simulate(p.steps(), costs(), holding(), {.record = true});
  for (int k = 0; k < 2; ++k) {
    CHECK(t.of_rank[static_cast<std::size_t>(k)].peak == Approx(f.held_of[k]));  // one order, so as much at a time
    CHECK(t.of_rank[static_cast<std::size_t>(k)].memory.back().held == 0);
  }
}

TEST_CASE("mean costs give a simulation the work that was measured, by rank and pass") {
  for (const plan& order : {make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 4}), make_plan(zb_h1{}, {.ranks = 2, .micro_batches = 4})}) {
    INFO(order.name.str());
    pipeline p(layers(), cut::of({2, 2}), order, sgd{}, {.record = true});
    const recording r = p.step().measured();
    const timeline measured = make_timeline(p.steps(), r);
    const timeline foretold = make_timeline(p.steps(), mean_costs(p.steps(), r), holding(), {.unit = "s"});
    for (std::size_t k = 0; k < 2; ++k) CHECK(foretold.of_rank[k].work == Approx(measured.of_rank[k].work));
    CHECK(foretold.makespan <= measured.makespan * 1.5);
    CHECK(to_html(foretold, &measured).find("\"measured\":true") != std::string::npos);
    CHECK(to_trace(foretold, &measured).find("(measured)") != std::string::npos);
  }
}

TEST_CASE("a recording of another program is refused in words") {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 4});
  recording r;
  r.starts = r.ends = r.waits = std::vector<double>(3, 1.0);
  CHECK_THROWS_WITH(make_timeline(order, r), "stretto: a recording of 3 entries is drawn by a program of 16; give the program that was recorded, which is steps() of its pipeline");
  CHECK_THROWS_AS(mean_costs(order, r), error);
  r.ends.assign(16, 2.0);  // and no more starts than before
  CHECK_THROWS_WITH(make_timeline(order, r), "stretto: a recording of 3 entries is drawn by a program of 16; give the program that was recorded, which is steps() of its pipeline");
}

TEST_CASE("ranks that were not measured here stay empty") {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2});
  recording r;
  r.starts = r.ends = r.waits = std::vector<double>(8, 0.0);
  for (std::size_t i = 4; i < 8; ++i) r.starts[i] = 5 + static_cast<double>(i), r.ends[i] = r.starts[i] + 0.5;
  const timeline t = make_timeline(order, r);
  CHECK(t.actions.size() == 4);
  CHECK(t.actions[0].rank == 1);
  CHECK(t.actions[0].start == 0);
  CHECK(t.messages.empty());
  CHECK(t.makespan == 3.5);
}
