// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What simulate foretells beside makespans: costs of slices, links and pairs, messages that take turns, noise, why ranks are
// idle, what is held when, what is critical. Each is held against a number worked out by hand, an equation that holds for
// every plan, or a simulation of the test's own.
#include <algorithm>
#include <cmath>
#include <map>
#include <queue>
#include <string>
#include <tuple>
#include <vector>

#include <stretto/plan/spread.hpp>
#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

bool close(double a, double b) { return std::abs(a - b) <= 1e-9 * std::max({1.0, std::abs(a), std::abs(b)}); }

/// Random costs: uneven ranks, some stages of their own, latency, and sometimes links.
costs drawn(sweep::dice& d, const plan_view& p) {
  costs c(d.between(0.2, 3.0), d.between(0.2, 3.0), d.between(0.2, 3.0), d.between(0, 1) * d.between(0.0, 0.5));
  for (int r = 0; r < p.ranks; ++r)
    if (const auto k = static_cast<pass_id>(d.between(0, 2)); d.between(0, 2) == 0 && p.passes->has(k)) c.specials.push_back({scope::rank, r, k, d.between(0.2, 3.0)});
  if (d.between(0, 1) == 1 && p.passes->has(pass::backward)) c.specials.push_back({scope::stage, d.between(0, p.stages - 1), pass::backward_input, d.between(0.2, 3.0)});
  if (d.between(0, 1) == 1) {
    c.bandwidth = d.between(1.0, 5.0);
    c.links.push_back({.from = d.between(-1, p.ranks - 1), .to = d.between(-1, p.ranks - 1), .latency = d.between(0.0, 1.0), .bandwidth = d.between(0.5, 4.0)});
  }
  return c;
}

/// Calls visit(plan, where) for every schedule at a few sizes.
template <class Visit>
void each_plan(Visit&& visit) {
  all_schedules::each([&](auto s) {
    for (int p : {1, 2, 4})
      for (int m : {1, 4, 8})
        for (int v : {1, 2})
          for (int q : {1, 2})
            if (const sizes z{p, m, v, q}; !refuses(s, z)) visit(make_plan(s, z), sweep::place(s.name, z));
  });
}

/// The lists of a plan with one entry's cost each.
costs as_entries(const plan_view& p, const forecast& f) {
  costs c;
  c.entries = heap_array<double>(p.actions.count, 0.0);
  for (std::int64_t e = 0; e < p.actions.count; ++e) {
    const bool second = e > 0 && p.actions[e - 1].kind == role::run_with_next;
    c.entries[e] = second ? 0 : f.ends[e] - f.starts[e];  // of a pair the first has all
  }
  return c;
}

}  // namespace

TEST_CASE("a slice's own cost goes before its stage's, a stage's before a rank's, a rank's before the general one") {
  const plan p = make_plan(forward_only{}, {.ranks = 2, .micro_batches = 1, .chunks = 1, .slices = 4});
  costs c(8);
  CHECK(simulate(p, c).work_of[0] == 8);
  c.specials.push_back({scope::rank, 0, pass::forward, 4});
  CHECK(simulate(p, c).work_of[0] == 4);
  CHECK(simulate(p, c).work_of[1] == 8);
  c.specials.push_back({scope::rank, 0, pass::forward, 5, 3});  // its last slice takes 5, the others 1 each
  CHECK(simulate(p, c).work_of[0] == 8);
  c.specials.push_back({scope::stage, 0, pass::forward, 12});
  CHECK(simulate(p, c).work_of[0] == 12);
  c.specials.push_back({scope::stage, 0, pass::forward, 7, 0});  // its first slice takes 7, the others 3 each
  CHECK(simulate(p, c).work_of[0] == 16);
  CHECK(simulate(p, c).work_of[1] == 8);
}

TEST_CASE("a slice's cost of a rank with two chunks is halved on each, a stage's isn't") {
  const plan p = make_plan(forward_only{}, {.ranks = 2, .micro_batches = 1, .chunks = 2, .slices = 2});
  costs c(4);
  c.specials.push_back({scope::rank, 1, pass::forward, 10, 1});
  CHECK(simulate(p, c).work_of[1] == 2 * (1 + 5));
  c.specials.push_back({scope::stage, 3, pass::forward, 9, 1});
  CHECK(simulate(p, c).work_of[1] == 2 * 1 + 5 + 9);
}

TEST_CASE("a message takes latency and size over bandwidth, by the last link that fits its ranks") {
  const plan p = make_plan(gpipe{}, {.ranks = 3, .micro_batches = 1});
  costs c;
  c.latency = 1;
  CHECK(simulate(p, c).makespan == 9 + 4);
  c.bandwidth = 2;  // a message of size 1 takes a half
  CHECK(simulate(p, c).makespan == 9 + 4 * 1.5);
  c.message_size[0] = 3;  // activations: row 0 of the edge table is F after F
  REQUIRE(p.passes.edges[0].message.str() == "F");
  CHECK(simulate(p, c).makespan == 9 + 2 * 1.5 + 2 * 2.5);
  c.links.push_back({.from = 1, .to = -1, .latency = 10, .bandwidth = 0});
  CHECK(simulate(p, c).makespan == 9 + (2.5 + 10) + (1.5 + 10));
  c.links.push_back({.from = 1, .to = 2, .latency = 0, .bandwidth = 0});
  CHECK(simulate(p, c).makespan == 9 + (2.5 + 0) + (1.5 + 10));
}

TEST_CASE("a slice's message is a slice's share of its micro-batch's") {
  costs c(4);
  c.bandwidth = 1, c.message_size[0] = 8;
  CHECK(simulate(make_plan(forward_only{}, {.ranks = 2, .micro_batches = 1}), c).makespan == 4 + 8 + 4);
  CHECK(simulate(make_plan(forward_only{}, {.ranks = 2, .micro_batches = 1, .chunks = 1, .slices = 4}), c).makespan == 1 + 2 + 4);
}

TEST_CASE("messages that take turns at a pair of ranks arrive one after the other") {
  // F takes 1, its message 3: they arrive at 4, 7 and 10 where they take turns, at 4, 5 and 6 where they don't.
  const plan p = make_plan(forward_only{}, {.ranks = 2, .micro_batches = 3});
  costs c;
  c.bandwidth = 1, c.message_size[0] = 3;
  CHECK(simulate(p, c).makespan == 6 + 1);
  c.sharing = turns::by_pair;
  CHECK(simulate(p, c).makespan == 10 + 1);
  c.latency = 0.5;  // of each message, beside the turns
  CHECK(simulate(p, c).makespan == 10.5 + 1);
  const forecast two = simulate(p, c, holding(), {.steps = 2});  // links stay taken from step to step
  CHECK(two.makespan == 1 + 6 * 3 + 0.5 + 1);
}

TEST_CASE("messages that take turns at a node wait for its way out and for the other's way in") {
  // Two ranks a node. Ranks 0 and 1 both send to the other node, 4 a message; inside a node nobody waits.
  draft d;
  d.kinds = inference();
  d.order_of = {{action::forward(0, 0)}, {action::forward(0, 1)}, {action::forward(1, 0)}, {action::forward(1, 1)}};
  d.hops_of = {{{0, 0}, {1, 2}}, {{0, 1}, {1, 3}}};
  d.route_index = {0, 1};
  const plan p = make_plan(d);
  costs c;
  c.bandwidth = 1, c.message_size[0] = 4;
  CHECK(simulate(p, c).makespan == 1 + 4 + 1);
  c.sharing = turns::by_pair;
  CHECK(simulate(p, c).makespan == 1 + 4 + 1);
  c.sharing = turns::by_node;
  CHECK(simulate(p, c).makespan == 1 + 4 + 1);
  c.ranks_per_node = 2;
  CHECK(simulate(p, c).makespan == 1 + 4 + 4 + 1);
  c.ranks_per_node = 4;
  CHECK(simulate(p, c).makespan == 1 + 4 + 1);
}

namespace {

/// A simulation of its own: a queue of events in order of time, for plans whose stages lie by one route and whose passes are
/// F, I, W and B. Links are ordered pairs of ranks, and messages take turns there.
double by_events(const plan_view& p, const costs& c) {
  using key = std::tuple<int, int, int>;  // F, I or W; stage; micro-batch
  std::map<key, double> there;            // when it is at its consumer on the next rank, or done
  std::map<std::pair<int, int>, double> link;
  std::vector<std::int64_t> at(static_cast<std::size_t>(p.ranks), 0);
  std::vector<char> busy(at.size(), 0);
  using event = std::tuple<double, int>;
  std::priority_queue<event, std::vector<event>, std::greater<>> events;
  const route_view r = p.route(0);
  std::vector<int> chunks(at.size(), 0);
  for (int s = 0; s < p.stages; ++s) ++chunks[static_cast<std::size_t>(r.rank_of(s))];
  std::map<key, double> own;  // done on its own rank
  double last = 0;
  const auto start = [&](int rank) {
    const std::size_t q = static_cast<std::size_t>(rank);
    if (busy[q] || at[q] == p.order(rank).count) return;
    const action& a = p.order(rank)[at[q]];
    double when = 0;
    const auto need = [&](const std::map<key, double>& of, const key& k) {
      const auto found = of.find(k);
      if (found == of.end()) return false;
      when = std::max(when, found->second);
      return true;
    };
    const auto from = [&](int pass, int stage) { return need(r.rank_of(stage) == rank ? own : there, {pass, stage, a.micro_batch}); };
    const bool f = a.pass == pass::forward, i = a.pass == pass::backward_input || a.pass == pass::backward;
    if (f && a.stage > 0 && !from(0, a.stage - 1)) return;
    if (i && !need(own, {0, a.stage, a.micro_batch})) return;
    if (i && a.stage + 1 < p.stages && !from(1, a.stage + 1)) return;
    if (a.pass == pass::backward_weight && !need(own, {1, a.stage, a.micro_batch})) return;
    const double whole = f ? c.pass[0] : a.pass == pass::backward ? c.pass[1] + c.pass[2] : c.pass[a.pass];
    busy[q] = 1;
    events.push({std::max(when, last) + whole / chunks[q], rank});
  };
  for (int k = 0; k < p.ranks; ++k) start(k);
  while (!events.empty()) {
    const auto [now, rank] = events.top();
    events.pop();
    last = now;
    const std::size_t q = static_cast<std::size_t>(rank);
    const action& a = p.order(rank)[at[q]];
    busy[q] = 0, ++at[q];
    const bool f = a.pass == pass::forward;
    const int kind = f ? 0 : 1, next = a.pass == pass::backward_weight ? -1 : f ? a.stage + 1 : a.stage - 1;
    if (a.pass != pass::backward_weight) own[{kind, a.stage, a.micro_batch}] = now;
    if (next >= 0 && next < p.stages && r.rank_of(next) != rank) {
      double& free = link[{rank, r.rank_of(next)}];
      const double transfer = c.message_size[p.passes->find_message(f ? "F" : "B")] / c.bandwidth;
      free = std::max(free, now) + transfer;
      there[{kind, a.stage, a.micro_batch}] = free + c.latency;
    }
    for (int k = 0; k < p.ranks; ++k) start(k);
  }
  return last;
}

}  // namespace

TEST_CASE("turns at pairs of ranks give the makespan of a simulation by events") {
  sweep::dice d(11);
  int cases = 0, waited = 0;
  each_plan([&](const plan& p, const std::string& where) {
    bool simple = p.routes == 1 && p.slices == 1;
    for (const action& a : p.actions) simple = simple && a.kind == role::run;
    if (!simple) return;
    for (int k = 0; k < 5; ++k) {
      costs c(d.between(0.2, 2.0), d.between(0.2, 2.0), d.between(0.2, 2.0), d.between(0.0, 0.5));
      c.bandwidth = d.between(0.3, 2.0), c.sharing = turns::by_pair;
      INFO(where);
      const double found = simulate(p, c).makespan, expected = by_events(p, c);
      if (!close(found, expected)) FAIL(found << " and not " << expected);
      c.sharing = turns::none;
      waited += simulate(p, c).makespan < found - 1e-9;
      ++cases;
    }
  });
  CHECK(cases > 300);
  CHECK(waited > 30);
}

TEST_CASE("where links are wide enough, turns cost nothing and the walk by time says what the other walk says") {
  sweep::dice d(12);
  each_plan([&](const plan& p, const std::string& where) {
    costs c = drawn(d, p);
    c.bandwidth = 1e12, c.links.clear(), c.links.push_back({.latency = 0.25, .bandwidth = 1e12});
    const forecast plain = simulate(p, c, holding(), {.steps = 3, .record = true});
    for (turns sharing : {turns::by_pair, turns::by_node}) {
      c.sharing = sharing;
      const forecast f = simulate(p, c, holding(), {.steps = 3, .record = true});
      INFO(where);
      CHECK(f.makespan == Approx(plain.makespan).epsilon(1e-9));
      CHECK(f.peak == plain.peak);
      CHECK(f.step == Approx(plain.step).epsilon(1e-9));
      for (std::int64_t e = 0; e < p.actions.size(); ++e)
        if (std::abs(f.starts[e] - plain.starts[e]) > 1e-6) FAIL("entry " << e);
    }
  });
}

TEST_CASE("an overlapped pair takes its share of the sum, and no less than its longer pass") {
  draft d;
  d.order_of = {{action::forward(0, 0), action::forward(0, 1).with_next(), action::backward(0, 0), action::backward(0, 1)}};
  const plan p = make_plan(d);
  costs c(3, 1, 1);
  CHECK(simulate(p, c).makespan == 3 + 5 + 2);
  c.overlapped = 0.8;
  CHECK(simulate(p, c).makespan == 3 + 4 + 2);
  CHECK(simulate(p, c).work == 9);
  c.overlapped = 0.1;
  CHECK(simulate(p, c).makespan == 3 + 3 + 2);
}

TEST_CASE("the layers of a forward and a backward pass that share a rank overlap on two lanes as was measured, within six percent") {
  // One layer of a mixture of experts: attention and expert passes compute, dispatch and combine travel. Microseconds, a layer
  // of four, as profiled by DeepSeek; the measured pair took 129012 for four layers. The order of each lane is
  // theirs; of the experts' weight gradients, 3500 of 6378 ran on the lane itself.
  graph g = inference();
  const auto add = [&](const char* name, lane on) { return g.add(pass_kind{.name = name, .on = on}); };
  const pass_id attend = add("ATTN", lane::compute), dispatch = add("DISPATCH", lane::network), experts = add("MLP", lane::compute), combine = add("COMBINE", lane::network);
  const pass_id combine_b = add("COMBINE_B", lane::network), experts_b = add("MLP_B", lane::compute), dispatch_b = add("DISPATCH_B", lane::network),
                attend_b = add("ATTN_B", lane::compute), experts_w = add("MLP_W", lane::compute), attend_w = add("ATTN_W", lane::compute);
  g.edge_count = 0;
  g.passes[pass::forward].how_often = times::any;  // none here
  const pass_id forward[] = {attend, dispatch, experts, combine}, backward[] = {combine_b, experts_b, dispatch_b, attend_b};
  for (int i = 0; i < 3; ++i) {
    g.add(edge{forward[i + 1], relation::same_place, forward[i]});
    g.add(edge{backward[i + 1], relation::same_place, backward[i]});
  }
  g.add(edge{attend, relation::previous_hop, combine});  // layer by layer: stages of one rank
  g.add(edge{combine_b, relation::next_hop, attend_b});
  g.add(edge{experts_w, relation::same_place, experts_b});
  g.add(edge{attend_w, relation::same_place, attend_b});
  constexpr int layers = 4;
  draft d;
  d.kinds = g;
  d.order_of.emplace_back();
  for (int l = 0; l < layers; ++l) {
    const int up = l, down = layers - 1 - l;
    const std::pair<pass_id, int> order[] = {{combine_b, down}, {attend, up}, {experts_b, down}, {dispatch, up}, {experts_w, down},
                                             {dispatch_b, down}, {experts, up}, {attend_b, down}, {combine, up}, {attend_w, down}};
    for (const auto& [pass, stage] : order) d.order_of[0].push_back(action::of(pass, stage, 0));
  }
  const plan p = make_plan(d);
  REQUIRE(check(p).sentence() == "");
  costs c;
  const std::pair<pass_id, double> times[] = {{combine_b, 5769.2}, {attend, 4362.8}, {experts_b, 5306.0}, {dispatch, 6690.2}, {dispatch_b, 7486.8},
                                              {experts_w, 3500.0}, {experts, 4603.8}, {attend_b, 9340.8}, {attend_w, 2388.5}, {combine, 8684.0}};
  for (const auto& [pass, time] : times) c.pass[pass] = layers * time;  // a rank's whole share: it has all layers
  const double foretold = simulate(p, c).makespan;
  CHECK(foretold > 0.94 * 129012);  // 122483
  CHECK(foretold < 1.06 * 129012);
  double serial = 0;
  for (const auto& [pass, time] : times) serial += layers * time;
  CHECK(foretold < 0.62 * serial);
}

TEST_CASE("profiled ranks with a heavy last stage take the step that was reported, within a percent") {
  // 1F1B over 8 A100, 128 micro-batches, vocabulary 256k on the last rank; milliseconds, forward and backward by rank, and the
  // step reported with them: sequence 4096, then layers moved from the last rank, then sequence 2048.
  struct profile {
    double forward[8], backward[8], step;
  };
  const profile profiles[] = {
      {{24.223, 23.749, 23.346, 23.621, 23.470, 23.433, 23.650, 76.548}, {50.416, 45.615, 45.146, 45.292, 45.518, 45.198, 45.715, 106.804}, 23959.4},
      {{24.391, 23.909, 23.369, 30.201, 29.923, 30.086, 30.028, 52.733}, {50.764, 46.045, 45.464, 58.007, 57.927, 58.110, 58.271, 58.574}, 14900.5},
      {{10.572, 10.591, 10.475, 10.725, 10.360, 10.444, 10.381, 36.818}, {25.185, 21.108, 20.737, 21.143, 20.805, 21.030, 20.827, 52.363}, 11722.2},
  };
  for (const profile& one : profiles) {
    costs c(0, 0, 0);
    for (int r = 0; r < 8; ++r) {
      c.specials.push_back({scope::rank, r, pass::forward, one.forward[r]});
      c.specials.push_back({scope::rank, r, pass::backward_input, one.backward[r]});
    }
    const double foretold = simulate(make_plan(one_f_one_b{}, {8, 128}), c).makespan;
    CHECK(foretold == Approx(one.step).epsilon(0.01));
  }
}

TEST_CASE("the idle times of every rank add up to the makespan less its work, and but for imbalance to the bubble") {
  sweep::dice d(13);
  int cases = 0, uneven = 0, flights = 0;
  each_plan([&](const plan& p, const std::string& where) {
    for (int k = 0; k < 4; ++k) {
      const int steps = 1 + k % 2;
      const forecast f = simulate(p, drawn(d, p), holding(), {.steps = steps, .record = true});
      INFO(where);
      for (int r = 0; r < p.ranks; ++r) {
        const idle_causes& idle = f.idle[r];
        for (double part : {idle.fill, idle.wait, idle.drain, idle.communication, idle.imbalance})
          if (part < -1e-9) FAIL("a negative part on rank " << r);
        if (!close(idle.sum(), f.makespan - f.work_of[r])) FAIL(idle.sum() << " on rank " << r);
        if (!close(idle.sum() - idle.imbalance, f.bubble())) FAIL("bubble on rank " << r);
        uneven += idle.imbalance > 0, flights += idle.communication > 0, ++cases;
      }
    }
  });
  CHECK(cases > 1000);
  CHECK(uneven > 200);
  CHECK(flights > 100);
}

TEST_CASE("causes of idleness are those seen in the picture") {
  //     rank 0 | F0 F1 .. B0--- .. B1---       latency 0.5: B0 waits until F0, B0 of rank 1 and two messages are done
  //     rank 1 | .. F0 B0--- F1 B1---
  const forecast f = simulate(make_plan(one_f_one_b{}, {2, 2}), costs(1, 1, 1, 0.5), holding(), {.record = true});
  CHECK(f.makespan == 10);
  CHECK(f.idle[1].fill == 1.5);
  CHECK(f.idle[1].wait == 0);
  CHECK(f.idle[1].drain == 2.5);
  CHECK(f.idle[1].communication == 0);
  CHECK(f.idle[0].fill == 0);
  CHECK(f.idle[0].wait == 2.5 + 0.5);          // until 4.5 for B0 of rank 1, from 7 to 7.5 for its B1
  CHECK(f.idle[0].communication == 0.5 + 0.5);  // the messages
  CHECK(f.idle[0].drain == 0);
}

TEST_CASE("what is held by time ends with nothing, has the peak as its highest level, and its steps are those of passes") {
  sweep::dice d(14);
  each_plan([&](const plan& p, const std::string& where) {
    INFO(where);
    const costs c = drawn(d, p);
    const forecast f = simulate(p, c, holding(), {.record = true});
    for (int r = 0; r < p.ranks; ++r) {
      double most = 0, last = -1;
      for (const level& l : f.memory[r]) {
        if (l.from < last) FAIL("levels out of order on rank " << r);
        last = l.from;
        most = std::max(most, l.held);
      }
      if (f.memory[r].empty() || f.memory[r].back().held != 0) FAIL("something is left on rank " << r);
      if (most != f.peak_of[r] || f.held_of[r] != f.peak_of[r]) FAIL("peak of rank " << r << ": " << most << " and " << f.peak_of[r]);
      // At a time of no event, what is held is forwards begun less backward passes ended.
      for (int k = 0; k < 10; ++k) {
        const double when = d.between(0.0, 1.0) * f.makespan;
        double held = 0, seen = 0;
        bool edge = false;
        for (std::int64_t e = p.rows[r]; e < p.rows[r + 1]; ++e) {
          edge = edge || std::abs(f.starts[e] - when) < 1e-9 || std::abs(f.ends[e] - when) < 1e-9;
          const bool releases = p.actions[e].pass == pass::backward || p.actions[e].pass == pass::backward_weight;
          const bool trains = p.passes.has(pass::backward);
          held += p.actions[e].pass == pass::forward && f.starts[e] <= when;
          held -= (trains ? releases : true) && f.ends[e] <= when;
        }
        for (const level& l : f.memory[r])
          if (l.from <= when) seen = l.held;
        int chunks = plan_view(p).chunks(r);
        if (!edge && !close(seen, held / (chunks * p.slices))) FAIL("rank " << r << " at " << when << ": " << seen << " and " << held);
      }
    }
  });
}

TEST_CASE("bytes of stages, and what is held always, stand in the curve beside the peak in units of a forward") {
  const plan p = make_plan(interleaved_one_f_one_b{}, {.ranks = 2, .micro_batches = 4, .chunks = 2});
  holding h(1000, 0, 1000);  // a rank's whole share of a micro-batch: 500 a chunk
  CHECK(simulate(p, costs(), h).held_of[0] == 2500);
  CHECK(simulate(p, costs(), h).peak_of[0] == 2.5);
  h.specials.push_back({0, pass::forward, 700});
  h.specials.push_back({0, pass::backward_weight, -700});
  h.always.push_back(10'000);
  const forecast f = simulate(p, costs(), h, {.record = true});
  CHECK(f.held_of[0] == 10'000 + 4 * 700 + 500);  // F0 to F3 of stage 0 and F1 of stage 2
  CHECK(f.held_of[1] == 1500);
  CHECK(f.memory[0].back().held == 10'000);
}

TEST_CASE("what passes of ranks, or once a step, hold is not divided by chunks and slices") {
  draft d;
  const pass_id n = d.kinds.add(pass_kind{.name = "N", .by = scope::rank, .per = share::step});
  const pass_id u = d.kinds.add(pass_kind{.name = "U", .by = scope::rank, .per = share::step});
  d.kinds.add(edge{u, relation::same_place, n});
  d.order_of = {{action::of(n, 0, 0), action::forward(0, 0), action::forward(1, 0), action::backward(1, 0), action::backward(0, 0), action::of(u, 0, 0)}};
  holding h;
  h.pass[n] = 100, h.pass[u] = -100;
  CHECK(simulate(make_plan(d), costs(), h).held_of[0] == 101);
  h.pass[u] = 0;
  CHECK(sweep::thrown([&] { (void)simulate(make_plan(d), costs(), h, {.steps = 1000}); }).rfind("stretto: rank 0 still holds something when", 0) == 0);
}

TEST_CASE("the critical path goes from time 0 to the makespan without a gap but messages, and has no slack") {
  sweep::dice d(15);
  int paths = 0, crossings = 0;
  each_plan([&](const plan& p, const std::string& where) {
    for (int k = 0; k < 3; ++k) {
      costs c = drawn(d, p);
      if (k == 2 && c.bandwidth > 0) c.sharing = turns::by_pair;
      const forecast f = simulate(p, c, holding(), {.record = true});
      INFO(where);
      REQUIRE(!f.critical.empty());
      CHECK(f.starts[f.critical[0]] == 0);
      CHECK(f.ends[f.critical.back()] == f.makespan);
      const auto rank = [&](std::int64_t e) {
        int r = 0;
        while (e >= p.rows[r + 1]) ++r;
        return r;
      };
      for (std::int64_t i = 0; i < f.critical.size(); ++i) {
        const std::int64_t e = f.critical[i];
        if (f.slack[e] != 0) FAIL("entry " << e << " has slack " << f.slack[e]);
        if (i == 0) continue;
        const double gap = f.starts[e] - f.ends[f.critical[i - 1]];
        if (gap < 0 || (gap > 0 && rank(e) == rank(f.critical[i - 1]))) FAIL("a gap of " << gap << " before entry " << e);
        crossings += rank(e) != rank(f.critical[i - 1]);
      }
      ++paths;
    }
  });
  CHECK(paths > 200);
  CHECK(crossings > 500);
}

TEST_CASE("an entry that takes as much longer as its slack leaves the makespan, and one that takes more adds the rest") {
  sweep::dice d(16);
  int late = 0, critical = 0;
  each_plan([&](const plan& p, const std::string& where) {
    costs c = drawn(d, p);
    const forecast f = simulate(p, c, holding(), {.record = true});
    const costs alike = as_entries(p, f);
    c.entries = alike.entries;
    INFO(where);
    REQUIRE(close(simulate(p, c).makespan, f.makespan));
    for (int k = 0; k < 12; ++k) {
      const std::int64_t e = d.between(0, static_cast<int>(p.actions.size()) - 1);
      if (e > 0 && p.actions[e - 1].kind == role::run_with_next) continue;
      c.entries[e] = alike.entries[e] + f.slack[e];
      const double allowed = simulate(p, c).makespan;
      c.entries[e] = alike.entries[e] + f.slack[e] + 0.375;
      const double beyond = simulate(p, c).makespan;
      c.entries[e] = alike.entries[e];
      if (!close(allowed, f.makespan)) FAIL("entry " << e << " with slack " << f.slack[e] << ": " << allowed << " and not " << f.makespan);
      if (!close(beyond, f.makespan + 0.375)) FAIL("entry " << e << ": " << beyond << " and not " << f.makespan + 0.375);
      (f.slack[e] > 0 ? late : critical) += 1;
    }
  });
  CHECK(late > 300);
  CHECK(critical > 100);
}

TEST_CASE("noise repeats by its seed, has the spread that was asked for, and is one in the median") {
  const plan p = make_plan(gpipe{}, {.ranks = 1, .micro_batches = 4000});
  costs c;
  c.noise = {.jitter = 0.1, .seed = 5};
  const forecast f = simulate(p, c, holding(), {.record = true}), again = simulate(p, c, holding(), {.record = true});
  std::vector<double> logs;
  double sum = 0, squares = 0;
  for (std::int64_t e = 0; e < 8000; ++e) {
    REQUIRE(f.ends[e] == again.ends[e]);
    const double factor = (f.ends[e] - f.starts[e]) / (e < 4000 ? 1 : 2);
    logs.push_back(std::log(factor)), sum += logs.back(), squares += logs.back() * logs.back();
  }
  std::sort(logs.begin(), logs.end());
  CHECK(std::abs(logs[4000]) < 0.005);
  CHECK(std::abs(sum / 8000) < 0.005);
  CHECK(std::sqrt(squares / 8000) == Approx(0.1).epsilon(0.03));
  CHECK(std::abs(logs[static_cast<std::size_t>(0.975 * 8000)] - 0.196) < 0.01);
  c.noise.seed = 6;
  CHECK(simulate(p, c).makespan != f.makespan);
  c.noise.jitter = 0;
  CHECK(simulate(p, c).makespan == 12000);
}

TEST_CASE("a slow rank is slow for a whole step, in the share of the steps that was asked for") {
  const plan p = make_plan(gpipe{}, {.ranks = 1, .micro_batches = 2});
  costs c;
  c.noise = {.slow_share = 0.25, .slow_factor = 2, .seed = 3};
  int slow = 0;
  double before = 0;
  for (int n = 1; n <= 400; ++n) {
    const double end = simulate(p, c, holding(), {.steps = n}).makespan, step = end - before;
    REQUIRE((step == 6 || step == 12));
    slow += step == 12;
    before = end;
  }
  CHECK(slow > 70);
  CHECK(slow < 130);
}

TEST_CASE("noise is the same in constant expressions") {
  constexpr auto makespan = [] {
    costs c;
    c.noise = {.jitter = 0.05, .slow_share = 0.5, .slow_factor = 1.5, .seed = 9};
    return simulate(static_plan<one_f_one_b, ranks<2>, micro_batches<3>>, c).makespan;
  };
  constexpr double foretold = makespan();
  CHECK(foretold == makespan());
  CHECK(foretold != 12);
  static_assert(simulate(static_plan<one_f_one_b, ranks<2>, micro_batches<3>>, costs(), holding(), {.record = true}).critical.size() > 3);
}

TEST_CASE("a spread is sorted, repeats, and holds the makespans of the seeds behind its first") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8});
  costs c;
  c.noise = {.jitter = 0.03, .seed = 100};
  const spread s = spread_of(p, c, 41);
  REQUIRE(s.makespans.size() == 41);
  for (std::int64_t i = 1; i < 41; ++i) CHECK(s.makespans[i - 1] <= s.makespans[i]);
  CHECK(s.share(0) == s.makespans[0]);
  CHECK(s.share(0.5) == s.makespans[20]);
  CHECK(s.share(1) == s.makespans[40]);
  c.noise.seed = 120;
  CHECK(std::count(s.makespans.begin(), s.makespans.end(), simulate(p, c).makespan) == 1);
  CHECK(s.share(0.5) > 33);  // waiting for the slowest makes steps longer than their median passes
  CHECK(sweep::thrown([&] { (void)spread_of(p, c, 0); }) == "stretto: a spread is asked for over 0 simulations; give at least 1");
}

TEST_CASE("costs that can't be are refused in a sentence") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8});
  const auto words = [&](auto&& change) {
    costs c;
    change(c);
    return sweep::thrown([&] { (void)simulate(p, c); });
  };
  CHECK(words([](costs& c) { c.specials.push_back({scope::stage, 1, pass::forward, 1, 2}); }) ==
        "stretto: a cost is given for slice 2 of stage 1, and the plan's micro-batches have slices 0 to 0; give one of those");
  CHECK(words([](costs& c) { c.links.push_back({.from = 1, .to = 4}); }) ==
        "stretto: a link is given from rank 1 to rank 4, and the plan has ranks 0 to 3; give two of those, or -1 for any");
  CHECK(words([](costs& c) { c.bandwidth = 1e-309; }) ==
        "stretto: a latency, a bandwidth or a message's size is not a number from 0 to 1e300; give numbers in that range");
  CHECK(words([](costs& c) { c.message_size[0] = -1; }) ==
        "stretto: a latency, a bandwidth or a message's size is not a number from 0 to 1e300; give numbers in that range");
  CHECK(words([](costs& c) { c.links.push_back({.latency = std::nan("")}); }) ==
        "stretto: a latency, a bandwidth or a message's size is not a number from 0 to 1e300; give numbers in that range");
  CHECK(words([](costs& c) { c.sharing = turns::by_node, c.ranks_per_node = 0; }) == "stretto: costs say that a node has 0 ranks; give at least 1");
  CHECK(words([](costs& c) { c.overlapped = 1.5; }) ==
        "stretto: the share that an overlapped pair takes is not a number from 0 to 1; give one in that range");
  CHECK(words([](costs& c) { c.noise.jitter = 2; }) ==
        "stretto: the noise of costs is out of range; give a jitter from 0 to 1, a share of slow steps from 0 to 1 and a factor above 0");
  CHECK(words([](costs& c) { c.latency = -1; }) == "stretto: a cost or the latency is not a number from 0 to 1e300; give numbers in that range");
  holding h;
  h.specials.push_back({4, pass::forward, 1});
  CHECK(sweep::thrown([&] { (void)simulate(p, costs(), h); }) ==
        "stretto: what a pass holds is given for stage 4, pass F, which the plan doesn't have; it has stages 0 to 3");
  CHECK(sweep::thrown([&] { (void)simulate(p, costs(), holding(2, 0, 1)); }) ==
        "stretto: rank 0 still holds something when all of its passes have ended; let them release what they take, in special amounts below 0");
  CHECK(sweep::thrown([&] { (void)simulate(p, costs(), holding(1, 1, 1)); })== "stretto: rank 0 has released more than it took when all of its passes have ended; let them release what they take");
  h = holding();
  h.always.push_back(-1);
  CHECK(sweep::thrown([&] { (void)simulate(p, costs(), h); }) ==
        "stretto: what the passes hold adds up to more than a number can hold; give it in larger units");
}

TEST_CASE("a factor makes all passes of a rank or of a stage so much longer, whatever chunks there are") {
  for (int chunks : {1, 2}) {
    const plan p = make_plan(interleaved_one_f_one_b{}, {.ranks = 4, .micro_batches = 8, .chunks = chunks});
    costs c(1, 1.5, 0.5);
    c.factors.push_back({scope::rank, 2, 1.5});
    CHECK(simulate(p, c).work_of[2] == 36);
    CHECK(simulate(p, c).work_of[1] == 24);
    c.factors.push_back({scope::stage, 2, 2});  // of one chunk of rank 2
    CHECK(simulate(p, c).work_of[2] == 36 + 36.0 / chunks);
    c.factors.push_back({scope::stage, 4 * chunks, 2});
    CHECK(sweep::thrown([&] { (void)simulate(p, c); }) ==
          "stretto: a factor of costs is given for stage " + std::to_string(4 * chunks) + ", which the plan doesn't have; it has 4 ranks and " + std::to_string(4 * chunks) + " stages");
  }
}

TEST_CASE("a cost of a pass that does several others is refused by name, one of a marker is taken") {
  const plan p = make_plan(from_csv("0UNSHARD,0F0,0B0,0RESHARD\n"));
  costs c;
  c.specials.push_back({scope::stage, 0, pass::unshard, 4});
  CHECK(simulate(p, c).makespan == 7);
  c.specials.push_back({scope::stage, 0, pass::backward, 10});
  CHECK(sweep::thrown([&] { (void)simulate(p, c); }) ==
        "stretto: a cost is given for stage 0, pass B, which does several others; give the costs of those, which it adds up");
  const spread s = spread_of(make_plan(gpipe{}, {2, 2}), costs(), 3);
  CHECK(sweep::thrown([&] { (void)s.share(95); }) == "stretto: a share of a spread is asked for that isn't from 0 to 1; give 0.95 for 95 of 100");
}

TEST_CASE("names of actions carry the letter of a route, and names and texts are strings where one is wanted") {
  const plan p = make_plan(dualpipe{}, {.ranks = 2, .micro_batches = 4});
  CHECK(name_of(p, action::forward(1, 3)).str() == "1Fb1");
  CHECK(std::string(name_of(p.passes, action::forward(1, 3))) == "1F3");
  CHECK(std::string(p.name) == "dualpipe");
  CHECK(order_of_weights(p) == weight_order::ascending);
  CHECK(owners(p) == 2);
  CHECK(order_of_weights(make_plan(looped_bfs{}, {2, 3, 2})) == weight_order::descending);
  CHECK(order_of_weights(make_plan(forward_only{}, {2, 3})) == weight_order::none);
  CHECK(order_of_weights(make_plan(from_csv("0F0,0F1,0F2,0B1,0B0,0B2\n"))) == weight_order::mixed);
}
