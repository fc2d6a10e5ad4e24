// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The rounds in which communicators are set up: PyTorch's cases, and that each is a matching and all pairs have both.
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <stretto/plan/edge_rounds.hpp>
#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

/// "0>1 2>3 | 1>0 3>2"
std::string said(const edge_table& t) {
  std::string out;
  for (std::int64_t i = 0; i < t.rounds(); ++i) {
    out += i > 0 ? " |" : "";
    for (const rank_edge& e : t.round(i)) out += (out.empty() ? "" : " ") + std::to_string(e.from) + ">" + std::to_string(e.to);
  }
  return out;
}

}  // namespace

TEST_CASE("stages in a loop set up their edges in PyTorch's rounds") {
  const plan p = make_plan(interleaved_one_f_one_b{}, {.ranks = 4, .micro_batches = 4, .chunks = 2});
  CHECK(said(edge_rounds(p)) == "0>1 2>3 | 1>0 3>2 | 0>3 1>2 | 3>0 2>1");
  CHECK(said(edge_rounds(lower(p))) == said(edge_rounds(p)));
  static_assert(edge_rounds(make_plan(interleaved_one_f_one_b{}, {.ranks = 4, .micro_batches = 4, .chunks = 2})).rounds() == 4);
}

TEST_CASE("stages in a V have neighbours alone, and one rank none") {
  CHECK(said(edge_rounds(make_plan(zb_v{}, {.ranks = 4, .micro_batches = 8, .chunks = 2}))) == "0>1 2>3 | 1>0 3>2 | 1>2 | 2>1");
  CHECK(said(edge_rounds(make_plan(one_f_one_b{}, {.ranks = 1, .micro_batches = 2}))) == "");
  CHECK(said(edge_rounds(make_plan(forward_only{}, {.ranks = 3, .micro_batches = 2}))) == "0>1 | 1>0 | 1>2 | 2>1");  // both directions, used or not
}

TEST_CASE("each round of every schedule is a matching, and the rounds hold both directions of the pairs that exchange messages") {
  int plans = 0;
  all_schedules::each([&](const auto& s) {
    for (int ranks = 1; ranks <= 8; ++ranks)
      for (int m : {1, 2, 4, 8, 16})
        for (int v = 1; v <= 3; ++v) {
          const sizes z{ranks, m, v, 1};
          if (refuses(s, z)) continue;
          INFO(sweep::place(s.name, z));
          const program q = lower(make_plan(s, z));
          ++plans;
          std::set<std::pair<int, int>> wanted, found;
          for (int r = 0; r < ranks; ++r)
            for (const action& a : q.order(r)) {
              if (a.kind != role::send) continue;
              const int to = plan_view(q).route_of(a.micro_batch).rank_of(a.peer);
              wanted.insert({r, to});
              wanted.insert({to, r});
            }
          const edge_table t = edge_rounds(q);
          for (std::int64_t i = 0; i < t.rounds(); ++i) {
            std::set<int> busy;
            for (const rank_edge& e : t.round(i))
              if (!busy.insert(e.from).second || !busy.insert(e.to).second || !found.insert({e.from, e.to}).second) FAIL("round " << i << ": " << said(t));
          }
          if (found != wanted) FAIL(said(t));
          if (t.rounds() > 6) FAIL("too many rounds: " << said(t));  // a rank has two neighbours at most
        }
  });
  CHECK(plans > 200 / sweep::thin);
}

TEST_CASE("a plan that was never made has no rounds, and says so") {
  CHECK(sweep::thrown([] { (void)edge_rounds(plan{}); }) == std::string(check(plan{}).sentence()));
}
