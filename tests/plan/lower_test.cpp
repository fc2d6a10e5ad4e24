// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What lower adds to an order: merged backwards, gathered weights, reduced gradients, updates, recompute and offload. The
// listings are what PyTorch's runtime makes of the same orders; where there is none, a slow reference stands in this file.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <stretto/plan/lowered_costs.hpp>
#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

using sweep::thrown;
std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

std::string lowered(const char* order, const lower_options& how) { return to_csv(lower(make_plan(from_csv(order)), how)); }

/// Calls visit(schedule, sizes, plan) for all schedules and small sizes.
template <class Visit>
void each_plan(int most_ranks, int most_batches, Visit&& visit) {
  all_schedules::each([&](const auto& s) {
    for (int r = 1; r <= most_ranks; ++r)
      for (int m = 1; m <= most_batches; m += 1 + m / 4)
        for (int v = 1; v <= 3; ++v)
          for (int q = 1; q <= 2; ++q) {
            const sizes z{r, m, v, q};
            if (refuses(s, z)) continue;
            INFO(sweep::place(s.name, z));
            visit(s, z, make_plan(s, z));
          }
  });
}

bool two_owners(const plan_view& p) {
  for (int s = 0; s < p.stages; ++s)
    for (int i = 1; i < p.routes; ++i)
      if (p.route(i).rank_of(s) != p.route(0).rank_of(s)) return true;
  return false;
}

/// The lists without messages and without the passes that `added` names.
sweep::lists without(const plan_view& p, const std::vector<std::string>& added) {
  sweep::lists rows = sweep::without_messages(p);
  for (auto& row : rows)
    row.erase(std::remove_if(row.begin(), row.end(),
                             [&](const action& a) { return std::find(added.begin(), added.end(), std::string(p.passes->passes[a.pass].name.str())) != added.end(); }),
              row.end());
  return rows;
}

/// Gathered weights by looking ahead from every entry: the definition, quadratic.
std::vector<action> gathered(const std::vector<action>& list, std::size_t window) {
  std::vector<action> out;
  std::vector<int> active;
  for (std::size_t i = 0; i < list.size();) {
    std::vector<int> soon;
    for (std::size_t k = i; k < list.size() && soon.size() < window;) {
      const std::size_t count = list[k].kind == role::run_with_next ? 2 : 1;
      for (std::size_t end = k + count; k < end; ++k)
        if (std::find(soon.begin(), soon.end(), list[k].stage) == soon.end()) soon.push_back(list[k].stage);
    }
    std::vector<int> stay;
    for (int s : active)
      if (std::find(soon.begin(), soon.end(), s) != soon.end()) stay.push_back(s);
      else out.push_back(action::of(pass::reshard, s, 0));
    for (int s : soon)
      if (std::find(stay.begin(), stay.end(), s) == stay.end()) out.push_back(action::of(pass::unshard, s, 0)), stay.push_back(s);
    active = stay;
    for (std::size_t end = i + (list[i].kind == role::run_with_next ? 2 : 1); i < end; ++i) out.push_back(list[i]);
  }
  for (int s : active) out.push_back(action::of(pass::reshard, s, 0));
  return out;
}

}  // namespace

TEST_CASE("without options lower places messages eagerly, as it always did") {
  CHECK(to_csv(lower(make_plan(gpipe{}, {.ranks = 2, .micro_batches = 2}))) ==
        "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n1RECV_F0,1F0,1RECV_F1,1F1,1B0,1SEND_B0,1B1,1SEND_B1\n");
  each_plan(4, 6, [](const auto&, const sizes&, const plan& p) {
    const program q = lower(p);
    if (to_csv(lower(p, {})) != to_csv(q)) FAIL("options that ask for nothing change something");
    if (to_csv(lower(p, {.links = links::single_fifo})) != to_csv(q)) FAIL("a link model changes eager receives");
  });
}

TEST_CASE("an input pass with its weight pass directly behind it becomes a fused backward") {
  const lower_options merge{.merge_backward = true};
  CHECK(lowered("0F0,0F1,0F2,0I0,0I1,0W0,0I2,,0W2,0W1\n", merge) == "0F0,0F1,0F2,0I0,0I1,0W0,0B2,0W1\n");
  CHECK(lowered("0F0,1F0,0F1,1F1,1I0,0I0,1W0,0W0,1I1,1W1,0I1,0W1\n", merge) == "0F0,1F0,0F1,1F1,1I0,0I0,1W0,0W0,1B1,0B1\n");
  CHECK(lowered("0F0,0F1,(0F2;0I0)OVERLAP_F_B,0W0,(0I1;0F3)OVERLAP_F_B,0W1,0I2,0W2,0I3,0W3\n", merge) ==
        "0F0,0F1,(0F2;0I0)OVERLAP_F_B,0W0,(0I1;0F3)OVERLAP_F_B,0W1,0B2,0B3\n");
  CHECK(to_csv(lower(make_plan(forward_only{}, {.ranks = 2, .micro_batches = 1}), merge)) == "0F0,0SEND_F0\n1RECV_F0,1F0\n");
}

TEST_CASE("a merged and lowered interleaved zero-bubble order is PyTorch's, cell for cell") {
  const char* order =
      "0F0,0F1,2F0,,2F1,2I0,2W0,0F2,2I1,2W1,0F3,0I0,0W0,2F2,0I1,0W1,2F3,2I2,2W2,0F4,2I3,2W3,0F5,0I2,0W2,2F4,0I3,0W3,2F5,2I4,2W4,0F6,2I5,2W5,"
      "0F7,0I4,0W4,2F6,0I5,0W5,2F7,2I6,2W6,2I7,2W7,0I6,0W6,0I7,0W7\n"
      ",1F0,1F1,3F0,3I0,3F1,3I1,3W0,1F2,1I0,3W1,1F3,1I1,1W0,3F2,3I2,1W1,3F3,3I3,3W2,1F4,1I2,3W3,1F5,1I3,1W2,3F4,3I4,1W3,3F5,3I5,3W4,1F6,1I4,3W5,"
      "1F7,1I5,1W4,3F6,3I6,1W5,3F7,3I7,3W6,1I6,3W7,1I7,1W6,1W7\n";
  CHECK(lowered(order, {.merge_backward = true}) ==
        "0F0,0SEND_F0,2RECV_F0,0F1,0SEND_F1,2RECV_F1,2F0,2SEND_F0,2F1,2SEND_F1,2RECV_B0,2B0,2SEND_B0,0F2,0SEND_F2,2RECV_B1,2B1,2SEND_B1,0F3,"
        "0SEND_F3,2RECV_F2,0RECV_B0,0B0,2F2,2SEND_F2,2RECV_F3,0RECV_B1,0B1,2F3,2SEND_F3,2RECV_B2,2B2,2SEND_B2,0F4,0SEND_F4,2RECV_B3,2B3,2SEND_B3,"
        "0F5,0SEND_F5,2RECV_F4,0RECV_B2,0B2,2F4,2SEND_F4,2RECV_F5,0RECV_B3,0B3,2F5,2SEND_F5,2RECV_B4,2B4,2SEND_B4,0F6,0SEND_F6,2RECV_B5,2B5,"
        "2SEND_B5,0F7,0SEND_F7,2RECV_F6,0RECV_B4,0B4,2F6,2SEND_F6,2RECV_F7,0RECV_B5,0B5,2F7,2SEND_F7,2RECV_B6,2B6,2SEND_B6,2RECV_B7,2B7,2SEND_B7,"
        "0RECV_B6,0B6,0RECV_B7,0B7\n"
        "1RECV_F0,1F0,1SEND_F0,1RECV_F1,1F1,1SEND_F1,3RECV_F0,3F0,3RECV_F1,3I0,3SEND_B0,1RECV_B0,3F1,1RECV_F2,3I1,3SEND_B1,1RECV_B1,3W0,1RECV_F3,"
        "1F2,1SEND_F2,1I0,1SEND_B0,3W1,3RECV_F2,1F3,1SEND_F3,1I1,1SEND_B1,1W0,3RECV_F3,3F2,3I2,3SEND_B2,1RECV_B2,1W1,1RECV_F4,3F3,3I3,3SEND_B3,"
        "1RECV_B3,3W2,1RECV_F5,1F4,1SEND_F4,1I2,1SEND_B2,3W3,3RECV_F4,1F5,1SEND_F5,1I3,1SEND_B3,1W2,3RECV_F5,3F4,3I4,3SEND_B4,1RECV_B4,1W3,"
        "1RECV_F6,3F5,3I5,3SEND_B5,1RECV_B5,3W4,1RECV_F7,1F6,1SEND_F6,1I4,1SEND_B4,3W5,3RECV_F6,1F7,1SEND_F7,1I5,1SEND_B5,1W4,3RECV_F7,3F6,3I6,"
        "3SEND_B6,1RECV_B6,1W5,3F7,3I7,3SEND_B7,1RECV_B7,3W6,1I6,1SEND_B6,3W7,1I7,1SEND_B7,1W6,1W7\n");
}

TEST_CASE("weights are gathered for the next stages and let go, as PyTorch lists them") {
  CHECK(lowered("0F0,0F1,,0B0,0B1\n", {.unshard = 3}) == "0UNSHARD,0F0,0F1,0B0,0B1,0RESHARD\n");
  const char* two = "0F0,0F1,1F0,1F1,1B0,1B1,0B0,0B1\n";
  CHECK(lowered(two, {.unshard = 3}) == "0UNSHARD,1UNSHARD,0F0,0F1,1F0,1F1,1B0,1B1,1RESHARD,0B0,0B1,0RESHARD\n");
  CHECK(lowered(two, {.unshard = 1}) == "0UNSHARD,0F0,0F1,0RESHARD,1UNSHARD,1F0,1F1,1B0,1B1,1RESHARD,0UNSHARD,0B0,0B1,0RESHARD\n");
  const plan deep = make_plan(interleaved_one_f_one_b{}, {.ranks = 4, .micro_batches = 16, .chunks = 4});
  for (const auto& [window, times] : {std::pair{3, 4}, std::pair{4, 1}}) {
    const program q = lower(deep, {.unshard = window});
    int unshards = 0;
    for (const action& a : q.order(3)) unshards += !a.is_message() && a == action::of(pass::unshard, 15, 0);
    CHECK(unshards == times);
  }
}

TEST_CASE("a pair counts both its stages in the window") {
  const char* order = "0F0,(1F0;0F1)OVERLAP_F_B,1B0,1F1,1B1,0B0,0B1\n";
  CHECK(lowered(order, {.unshard = 1}) ==
        "0UNSHARD,0F0,1UNSHARD,(1F0;0F1)OVERLAP_F_B,0RESHARD,1B0,1F1,1B1,1RESHARD,0UNSHARD,0B0,0B1,0RESHARD\n");
}

TEST_CASE("gathering by the next use of each stage is gathering by looking ahead, for all schedules and windows") {
  int plans = 0;
  each_plan(5, 9, [&](const auto&, const sizes&, const plan& p) {
    if (two_owners(p)) return;
    ++plans;
    for (int window : {1, 2, 3, 4, 99}) {
      const plan q = add_unshard(p, window);
      if (const verdict v = check(q); !v.ok()) FAIL(v.sentence());
      const sweep::lists from = sweep::lists_of(p), to = sweep::lists_of(q);
      for (std::size_t r = 0; r < from.size(); ++r)
        if (to[r] != gathered(from[r], at(window))) FAIL("rank " << r << ", window " << window << ": " << to_csv(q));
    }
  });
  CHECK(plans > 500 / sweep::thin);
}

TEST_CASE("gradients are reduced behind the last weight pass of a stage, as PyTorch lists them") {
  CHECK(lowered("0F0,0F1,,0B0,0B1\n", {.reduce_grad = true}) == "0F0,0F1,0B0,0B1,0REDUCE_GRAD\n");
  CHECK(lowered("0F0,0F1,1F0,1F1,1B0,1B1,0B0,0B1\n", {.reduce_grad = true}) == "0F0,0F1,1F0,1F1,1B0,1B1,1REDUCE_GRAD,0B0,0B1,0REDUCE_GRAD\n");
  CHECK(lowered("0F0,0I0,0F1,(0I1;0W0)OVERLAP_F_B,0W1\n", {.reduce_grad = true}) == "0F0,0I0,0F1,(0I1;0W0)OVERLAP_F_B,0W1,0REDUCE_GRAD\n");
  CHECK(lowered("0F0,1F0,1I0,0I0,0W0,1W0,0F1,1F1,1I1,0I1,(0W1;1W1)OVERLAP_F_B\n", {.reduce_grad = true}) ==
        "0F0,1F0,1I0,0I0,0W0,1W0,0F1,1F1,1I1,0I1,(0W1;1W1)OVERLAP_F_B,0REDUCE_GRAD,1REDUCE_GRAD\n");
}

TEST_CASE("the whole listing of an interleaved plan with sharded weights is PyTorch's") {
  const plan p = make_plan(interleaved_one_f_one_b{}, {.ranks = 2, .micro_batches = 2, .chunks = 2});
  CHECK(to_csv(lower(p, {.unshard = 3, .reduce_grad = true})) ==
        "0UNSHARD,2UNSHARD,0F0,0SEND_F0,2RECV_F0,0F1,0SEND_F1,2RECV_F1,2F0,2SEND_F0,2F1,2SEND_F1,2RECV_B0,2B0,2SEND_B0,2RECV_B1,2B1,2SEND_B1,2REDUCE_GRAD,"
        "2RESHARD,0RECV_B0,0B0,0RECV_B1,0B1,0REDUCE_GRAD,0RESHARD\n"
        "1UNSHARD,3UNSHARD,1RECV_F0,1F0,1SEND_F0,1RECV_F1,1F1,1SEND_F1,3RECV_F0,3F0,3RECV_F1,3B0,3SEND_B0,1RECV_B0,3F1,3B1,3SEND_B1,1RECV_B1,3REDUCE_GRAD,"
        "3RESHARD,1B0,1SEND_B0,1B1,1SEND_B1,1REDUCE_GRAD,1RESHARD\n");
}

TEST_CASE("a recomputed forward is made again directly before its backward, and only the stages that are chosen") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2});
  const program q = lower(p, {.recompute = stage_choice::of({0})});
  CHECK(to_csv(q) == "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0R0,0B0,0RECV_B1,0R1,0B1\n1RECV_F0,1F0,1RECV_F1,1B0,1SEND_B0,1F1,1B1,1SEND_B1\n");
  CHECK(to_csv(lower(p, {.recompute = stage_choice::range(0, 1)})) == to_csv(q));
  CHECK(to_csv(lower(p, {.recompute = stage_choice::where([](int stage) { return stage == 0; })})) == to_csv(q));
  CHECK(lowered("0F0,0F1,(0F2;0B0)OVERLAP_F_B,0I1,0B2,0W1\n", {.recompute = stage_choice::all()}) == "0F0,0F1,0R0,(0F2;0B0)OVERLAP_F_B,0R1,0I1,0R2,0B2,0W1\n");
  // Of 8, rank 0 keeps 1 of each of two, and makes one again; rank 1 holds one whole. R costs what F costs, and runs while
  // the gradient is under way.
  const forecast f = simulate(q, lowered_costs(q, costs(1, 1, 1)), lowered_holding(q, holding(8, 0, 8), 1));
  CHECK(f.held_of[0] == 9);
  CHECK(f.held_of[1] == 8);
  CHECK(f.makespan == simulate(p).makespan);
  CHECK(simulate(lower(p), lowered_costs(p, costs()), lowered_holding(p, holding(8, 0, 8), 1)).held_of[0] == 16);
  graph g = training();
  add_recompute(g);
  CHECK(to_csv(make_plan(from_csv(to_csv(q), g))) == to_csv(q));
  // Where all stages are, check misses one that is left out.
  sweep::lists rows = sweep::lists_of(lower(make_plan(one_f_one_b{}, {.ranks = 1, .micro_batches = 1}), {.recompute = stage_choice::all()}));
  draft d;
  d.kinds = training();
  add_recompute(d.kinds, true);
  rows[0].erase(rows[0].begin() + 1);
  d.order_of = rows;
  CHECK(std::string(check(make_plan(d)).sentence()).find("missing") != std::string::npos);
}

TEST_CASE("a program to which nothing is added holds what its order does, whatever that is") {
  int plans = 0;
  each_plan(4, 8, [&](const auto&, const sizes&, const plan& p) {
    const program q = lower(p);
    for (int kind = 0; kind < 6; ++kind) {
      holding h = kind == 0 ? holding() : kind == 1 ? holding(1000, 0, 1000) : kind == 2 ? holding(1000, 500, 500) : holding(64, -7, 71);
      if (kind >= 4 && p.passes.has(pass::backward)) {
        h.specials.push_back({p.stages - 1, pass::forward, 130});
        h.specials.push_back({p.stages - 1, pass::backward_input, -40});
        h.specials.push_back({p.stages - 1, pass::backward_weight, -90});
      }
      if (kind == 5) h.always.push_back(9);
      const forecast wanted = simulate(p, costs(), h, {.record = true}), got = simulate(q, lowered_costs(q, costs()), lowered_holding(q, h, 5), {.record = true});
      ++plans;
      bool same = wanted.makespan == got.makespan && wanted.peak == got.peak;
      for (int r = 0; same && r < p.ranks; ++r) {
        same = wanted.held_of[r] == got.held_of[r] && wanted.peak_of[r] == got.peak_of[r] && wanted.memory[r].size() == got.memory[r].size();
        for (std::int64_t i = 0; same && i < wanted.memory[r].size(); ++i)
          same = wanted.memory[r][i].from == got.memory[r][i].from && wanted.memory[r][i].held == got.memory[r][i].held;
      }
      if (!same) FAIL("holding " << kind << " comes out differently");
    }
  });
  CHECK(plans > 1000 / sweep::thin);
}

TEST_CASE("a recomputed stage holds what it keeps and then the rest, and the others hold what they did, by hand for all schedules") {
  int programs = 0;
  each_plan(4, 8, [&](const auto&, const sizes& z, const plan& p) {
    if (!p.passes.has(pass::backward)) return;
    for (const bool special : {false, true}) {
      const program q = lower(p, {.recompute = stage_choice::where([](int stage) { return stage % 3 == 0; })});
      holding h(600, 240, 360);  // a rank's whole share; the last stage has amounts of its own
      if (special) {
        h.specials.push_back({p.stages - 1, pass::forward, 700});
        h.specials.push_back({p.stages - 1, pass::backward_input, -240});
        h.specials.push_back({p.stages - 1, pass::backward_weight, -460});
      }
      const forecast f = simulate(q, lowered_costs(q, costs()), lowered_holding(q, h, 60));
      ++programs;
      const int remake = q.passes.find("R");
      for (int r = 0; r < q.ranks; ++r) {
        const double chunks = plan_view(q).chunks(r);
        double held = 0, most = 0, later = 0;
        for (const action& a : plan_view(q).order(r)) {
          if (a.is_message()) continue;
          const bool own = special && a.stage == p.stages - 1, remade = a.stage % 3 == 0;
          const double whole = own ? 700 : 600 / chunks, kept = 60 / chunks, input = own ? 240 : 240 / chunks;
          if (a.pass == pass::forward) held += remade ? kept : whole;
          if (a.pass == remake) held += whole - kept;
          if (a.pass == pass::backward || a.pass == pass::backward_input) later += input;
          if (a.pass == pass::backward || a.pass == pass::backward_weight) later += own ? 460 : 360 / chunks;
          most = held > most ? held : most;
          if (a.kind != role::run_with_next) held -= later, later = 0;
        }
        if (std::abs(f.held_of[r] * z.slices - most) > 1e-6) FAIL("rank " << r << " holds " << f.held_of[r] << " and by hand " << most / z.slices);
      }
    }
  });
  CHECK(programs > 500 / sweep::thin);
}

TEST_CASE("other ranks than the recomputed stage's hold what they did, with input and weight passes apart") {
  const plan v = make_plan(interleaved_one_f_one_b{}, {.ranks = 2, .micro_batches = 4, .chunks = 2});
  CHECK(simulate(v, costs(), holding(1000, 0, 1000)).held_of[0] == 2500);
  CHECK(simulate(lower(v), costs(), lowered_holding(lower(v), holding(1000, 0, 1000))).held_of[0] == 2500);
  const plan p = make_plan(zb_h1{}, {.ranks = 4, .micro_batches = 8});
  const program q = lower(p, {.recompute = stage_choice::of({0})});
  const holding h(1000, 500, 500);
  const forecast before = simulate(p, costs(), h), after = simulate(q, lowered_costs(q, costs()), lowered_holding(q, h, 100));
  CHECK(after.held_of[0] < before.held_of[0]);
  for (int r = 1; r < 4; ++r) CHECK(after.held_of[r] == before.held_of[r]);
  // What is let go when its pass ends is so in the program.
  CHECK(simulate(q, costs(), lowered_holding(q, holding(8, 0, 0), 3)).held_of[0] == 8);
}

TEST_CASE("an offloaded stage lets go what its forward keeps and takes that back, a stage's own amounts too") {
  const plan p = make_plan(gpipe{}, {.ranks = 2, .micro_batches = 4});
  holding h(100, 40, 60);
  h.specials.push_back({1, pass::forward, 10});
  h.specials.push_back({1, pass::backward_input, -4});
  h.specials.push_back({1, pass::backward_weight, -6});
  const program q = lower(p, {.recompute = stage_choice::of({0}), .offload = {.stages = stage_choice::all(), .ahead = 0}});
  const forecast f = simulate(q, lowered_costs(q, costs(), 0.25, 0.25), lowered_holding(q, h, 30), {.record = true});
  CHECK(f.held_of[0] == 100);  // 30 goes out and comes back, and 70 more are made again
  CHECK(f.held_of[1] == 20);   // a forward beside the copy of the one before
  for (int r = 0; r < 2; ++r) CHECK(f.memory[r].back().held == 0);
}

TEST_CASE("what a rank's own cost is for a forward, it is for making it again") {
  const program q = lower(make_plan(gpipe{}, {.ranks = 1, .micro_batches = 1}), {.recompute = stage_choice::all()});
  costs c(1, 1, 1);
  c.specials.push_back({scope::rank, 0, pass::forward, 5});
  CHECK(simulate(q, lowered_costs(q, c)).makespan == 12);
}

TEST_CASE("an offloaded activation is copied out behind its forward and back before its backward, beside the compute lane") {
  const plan p = make_plan(gpipe{}, {.ranks = 1, .micro_batches = 4});
  const program q = lower(p, {.offload = {.stages = stage_choice::all(), .ahead = 1}});
  CHECK(to_csv(q) == "0F0,0OFFLOAD0,0F1,0OFFLOAD1,0F2,0OFFLOAD2,0CUE0,0RELOAD0,0F3,0OFFLOAD3,0CUE1,0RELOAD1,0B0,0CUE2,0RELOAD2,0B1,0CUE3,0RELOAD3,0B2,0B3\n");
  // F0 to F3 from 0 to 4, and each is copied out from its end on. The first comes back from 3 on: then those of F2, F3 and F0
  // are there. Nobody waits for a copy.
  const costs c = lowered_costs(q, costs(1, 1, 1), 1, 1);
  const forecast f = simulate(q, c, lowered_holding(q));
  CHECK(simulate(p).peak == 4);
  CHECK(f.peak == 3);
  CHECK(f.makespan == 12);
  // Directly before its backward a copy is waited for; where there is nothing between forward and backward, none is made.
  const program late = lower(p, {.offload = {.stages = stage_choice::all(), .ahead = 0}});
  CHECK(to_csv(late) == "0F0,0OFFLOAD0,0F1,0OFFLOAD1,0F2,0OFFLOAD2,0F3,0OFFLOAD3,0CUE0,0RELOAD0,0B0,0CUE1,0RELOAD1,0B1,0CUE2,0RELOAD2,0B2,0CUE3,0RELOAD3,0B3\n");
  CHECK(simulate(late, c, lowered_holding(late)).makespan == 16);
  CHECK(simulate(late, c, lowered_holding(late)).peak == 2);
  CHECK(to_csv(lower(p, {.offload = {.stages = stage_choice::all(), .ahead = 3}})) ==
        "0F0,0F1,0F2,0F3,0B0,0B1,0B2,0B3\n");
  graph g = training();
  add_offload(g);
  CHECK(check(make_plan(from_csv(to_csv(q), g))).ok());
  CHECK(to_csv(make_plan(from_csv(to_csv(q), g))) == to_csv(q));
}

TEST_CASE("updates stand at the end of each rank's list, and the next step's forwards wait for them") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 1});
  for (const update_rule rule : {update_rule::each, update_rule::together}) {
    const program q = lower(p, {.reduce_grad = true, .update = rule});
    CHECK(to_csv(q) == "0F0,0SEND_F0,0RECV_B0,0B0,0REDUCE_GRAD,0NORM,0UPDATE\n1RECV_F0,1F0,1B0,1SEND_B0,1REDUCE_GRAD,1NORM,1UPDATE\n");
    // Rank 1 is done with its backward at 4, rank 0 at 6; together, rank 1 updates behind rank 0's sum.
    const forecast f = simulate(q, costs(), holding(), {.record = true});
    CHECK(f.makespan == 8);
    CHECK(f.ends[q.rows[2] - 1] == (rule == update_rule::each ? 6 : 8));
  }
}

TEST_CASE("whatever options are set, a program is right, its passes keep their order, and messages that of their pair") {
  const lower_options all[] = {
      {.merge_backward = true},
      {.recompute = stage_choice::all()},
      {.recompute = stage_choice::where([](int stage) { return stage % 2 == 1; }), .receives = receives::deferred},
      {.update = update_rule::together, .receives = receives::lookahead(1)},
      {.offload = {.stages = stage_choice::all(), .ahead = 2}},
      {.merge_backward = true, .recompute = stage_choice::of({0}), .update = update_rule::each, .offload = {.stages = stage_choice::all(), .ahead = 0}, .receives = receives::deferred},
      {.unshard = 2, .reduce_grad = true, .update = update_rule::each},
      {.merge_backward = true, .recompute = stage_choice::all(), .unshard = 1, .reduce_grad = true, .update = update_rule::together,
       .offload = {.stages = stage_choice::of({0}), .ahead = 1}, .receives = receives::lookahead(2), .links = links::rendezvous},
  };
  int programs = 0;
  each_plan(4, 8, [&](const auto&, const sizes&, const plan& p) {
    const bool trains = p.passes.has(pass::backward);
    for (const lower_options& how : all) {
      if (!trains && (how.rewrites() && !how.merge_backward)) continue;
      if (!trains && how.update != update_rule::none) continue;
      if (two_owners(p) && (how.unshard != 0 || how.reduce_grad)) continue;
      ++programs;
      const program q = lower(p, how);
      if (const verdict v = check(q); !v.ok()) FAIL(v.sentence());
      const plan wanted = how.merge_backward ? merge_backward(p) : p;
      if (without(q, {"R", "UNSHARD", "RESHARD", "REDUCE_GRAD", "NORM", "UPDATE", "OFFLOAD", "CUE", "RELOAD"}) != sweep::lists_of(wanted)) FAIL("the passes changed places: " << to_csv(q));
      if (!(simulate(q, lowered_costs(q, costs()), lowered_holding(q, holding(60, 0, 60), 18)).makespan >= simulate(p).makespan - 1e-9)) FAIL("more to do takes less time");
    }
  });
  CHECK(programs > 1000 / sweep::thin);
}

TEST_CASE("lower works in constant expressions with all its options") {
  static_assert([] {
    const plan p = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 3});
    const program q = lower(p, {.merge_backward = true, .recompute = stage_choice::of({0}), .unshard = 1, .reduce_grad = true, .update = update_rule::together,
                                .offload = {.stages = stage_choice::all(), .ahead = 1}, .receives = receives::deferred, .links = links::single_fifo});
    return check(q, links::single_fifo).ok() && lowered_costs(q, costs()).pass[pass::forward] == 1 && lowered_holding(q, holding(4, 0, 4), 1).specials.size() == 3;
  }());
  SUCCEED();
}

TEST_CASE("what lower can't do, it refuses in a sentence") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2}), f = make_plan(forward_only{}, {.ranks = 2, .micro_batches = 2});
  const plan own = make_plan(from_csv("0UNSHARD,0F0,0B0,0REDUCE_GRAD,0RESHARD\n"));
  const auto said = [](const plan& order, const lower_options& how) { return thrown([&] { (void)lower(order, how); }); };
  CHECK(said(p, {.unshard = -1}) == "stretto: lower is to gather the weights of -1 stages at a time; give at least 1, or 0 to lower_options::unshard for none");
  CHECK(said(own, {.unshard = 1}) == "stretto: the plan places UNSHARD itself, and lower is to place it, too; leave that to one of them");
  CHECK(said(own, {.reduce_grad = true}) == "stretto: the plan places REDUCE_GRAD itself, and lower is to place it, too; leave that to one of them");
  CHECK(said(f, {.reduce_grad = true}) == "stretto: the plan's graph has no pass REDUCE_GRAD, which lower is to place; begin with the graph training()");
  CHECK(said(f, {.recompute = stage_choice::all()}) ==
        "stretto: lower is asked to recompute, and the plan's graph has no backward passes; lower a plan for inference without that");
  CHECK(said(f, {.offload = {.stages = stage_choice::all()}}) ==
        "stretto: lower is asked to offload, and the plan's graph has no backward passes; lower a plan for inference without that");
  CHECK(said(f, {.update = update_rule::each}) ==
        "stretto: lower is to place updates, and the plan's graph has no weight passes; lower a plan for inference without them");
  CHECK(said(p, {.recompute = stage_choice::of({0, 2})}) == "stretto: stage 2 is chosen for recompute, and the plan has stages 0 to 1; choose from those");
  CHECK(said(p, {.offload = {.stages = stage_choice::range(0, 3)}}) == "stretto: stage 2 is chosen for offload, and the plan has stages 0 to 1; choose from those");
  CHECK(said(p, {.offload = {.stages = stage_choice::all(), .ahead = -1}}) == "stretto: lower is to begin copies back -1 passes ahead; give 0 or more");
  const plan two = make_plan(dualpipe{}, {.ranks = 2, .micro_batches = 4});
  CHECK(said(two, {.reduce_grad = true}) == "stretto: ranks 0 and 1 both own stage 0, and REDUCE_GRAD is done once a stage; lower this plan without it");
  CHECK(said(two, {.unshard = 2}) == "stretto: ranks 0 and 1 both own stage 0, and UNSHARD is done once a stage; lower this plan without it");
  CHECK(said(lower(p), {.reduce_grad = true}) == "stretto: lower takes an order, and this plan holds messages already; lower the order that it came from");
  CHECK(said(make_plan(from_csv("0F0,0B0\n1B0,1F0\n")), {.unshard = 1}) == std::string(check(make_plan(from_csv("0F0,0B0\n1B0,1F0\n"))).sentence()));
  const plan updated = add_update(p, update_rule::each).order;
  CHECK(said(updated, {.update = update_rule::each}) == "stretto: the plan has a pass NORM already, and one is to be added; leave that to one of the two");
  graph known = training();
  add_recompute(known);
  CHECK(thrown([&] { add_recompute(known); }) == "stretto: the plan has a pass R already, and one is to be added; leave that to one of the two");
  add_offload(known);
  CHECK(thrown([&] { add_offload(known); }) == "stretto: the plan has a pass OFFLOAD already, and one is to be added; leave that to one of the two");
  const program remade = lower(p, {.recompute = stage_choice::of({1})});
  holding special(8, 0, 8);
  special.specials.push_back({1, pass::forward, 3});
  CHECK(thrown([&] { (void)lowered_holding(remade, holding(3, 0, 3), 4); }) == "stretto: of an activation of 3 a forward is to keep 4; give from 0 to the whole");
  CHECK(thrown([&] { (void)lowered_holding(remade, special, 4); }) == "stretto: of an activation of 3 a forward is to keep 4; give from 0 to the whole");
  CHECK(thrown([&] { (void)lowered_holding(p, holding(), -1); }) == "stretto: of an activation of 1 a forward is to keep -1; give from 0 to the whole");
  const program three = lower(make_plan(interleaved_one_f_one_b{}, {.ranks = 2, .micro_batches = 4, .chunks = 3}), {.recompute = stage_choice::of({3})});
  CHECK(thrown([&] { (void)lowered_holding(three, holding(100, 0, 100), 34); }) ==
        "stretto: a forward of stage 3 is to keep 34 of a rank's whole share, and rank 1 has 3 stages to share it; give a multiple of 3");
  draft d;  // rank 0 has one stage, and rank 1 up to two
  d.hops_of = {{{0, 0}, {1, 1}}, {{0, 1}, {1, 1}}};
  d.route_index = {0, 1};
  d.order_of = {{action::forward(0, 0), action::backward(0, 0)},
                {action::forward(1, 0), action::backward(1, 0), action::forward(0, 1), action::forward(1, 1), action::backward(1, 1), action::backward(0, 1)}};
  const program uneven = lower(make_plan(d), {.recompute = stage_choice::of({0})});
  CHECK(thrown([&] { (void)lowered_holding(uneven, holding(100, 0, 100), 34); }) ==
        "stretto: ranks of 1 and of 2 stages do stage 0, so its forward can't keep 34 of a whole share on each alike; give 0");
  CHECK(simulate(uneven, costs(), lowered_holding(uneven, holding(100, 0, 100))).held_of[1] == 50);
}

TEST_CASE("a pass that only some micro-batches have sends and gets messages for those alone") {
  draft d;
  const pass_id x = d.kinds.add(pass_kind{.name = "X", .how_often = times::at_most_once});
  d.kinds.add(edge{pass::forward, relation::previous_hop, x, "XM"});
  d.order_of = {{action::forward(0, 0), action::of(x, 0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1)},
                {action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 1)}};
  const plan sends = make_plan(d);
  CHECK(to_csv(lower(sends)).find("0SEND_XM0") != std::string::npos);
  CHECK(to_csv(lower(sends)).find("XM1") == std::string::npos);
  CHECK(simulate(sends).messages == 5);
  d.kinds.edges[d.kinds.edge_count - 1] = edge{x, relation::previous_hop, pass::forward, "XM"};
  d.order_of = {{action::forward(0, 0), action::forward(0, 1), action::backward(0, 0), action::backward(0, 1)},
                {action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::of(x, 1, 1), action::backward(1, 1)}};
  const plan gets = make_plan(d);
  CHECK(to_csv(lower(gets)).find("1RECV_XM1") != std::string::npos);
  CHECK(to_csv(lower(gets)).find("XM0") == std::string::npos);
  CHECK(simulate(gets).messages == 5);
  for (const plan& p : {sends, gets})
    for (const link_model& links : {links::buffered, links::per_edge, links::grouped, links::rendezvous, links::single_fifo}) CHECK(check(lower(p), links).sentence() == "");
  d.order_of[0].insert(d.order_of[0].begin() + 1, {static_cast<pass_id>(d.kinds.edge_count - 1), role::send, 0, 0, 0, 1});
  d.order_of[1].insert(d.order_of[1].begin(), {static_cast<pass_id>(d.kinds.edge_count - 1), role::receive, 0, 1, 0, 0});
  CHECK(check(make_plan(d)).kind == fault::needless_message);
}

TEST_CASE("a pass of a user's that is called R is no recomputing") {
  draft d;
  const pass_id own = d.kinds.add(pass_kind{.name = "R", .by = scope::rank, .per = share::step});
  d.order_of = {{action::forward(0, 0), action::backward(0, 0), action::of(own, 0, 0)}};
  CHECK(assign_slots(make_plan(d), {.activation = 1}).arena[0] >= 1);
}

TEST_CASE("a plan that was never made is named as such by all that add to plans") {
  const plan none;
  const std::string words = "stretto: no plan: it was never made, or was moved from; make it with make_plan";
  CHECK(std::string(check(none).sentence()) == words);
  CHECK(thrown([&] { (void)add_update(none, update_rule::each); }) == words);
  CHECK(thrown([&] { (void)add_recompute(none, stage_choice::all()); }) == words);
  CHECK(thrown([&] { (void)add_offload(none, {.stages = stage_choice::all()}); }) == words);
  CHECK(thrown([&] { (void)lowered_costs(none, costs()); }) == words);
  CHECK(thrown([&] { (void)lowered_holding(none); }) == words);
  CHECK(thrown([&] { (void)lower(none); }) == words);
}
