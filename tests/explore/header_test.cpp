// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan that stretto-explore writes as C++ is the plan again, checked as it compiles, with every compiler that is there.
#include <string>
#include <vector>

#include <stretto/plan/table.hpp>
#include <stretto/stretto.hpp>

#include "tool.hpp"

namespace {

/// A program whose static_asserts hold the written plans to those that schedules make.
constexpr const char* program = R"(
#include <stretto/stretto.hpp>
#include "linear.hpp"
#include "vee.hpp"
#include "two_ways.hpp"
#include "sliced.hpp"
#include "program.hpp"
#include "grouped.hpp"
#include "own_graph.hpp"
using namespace stretto;

constexpr bool same(const plan_view& a, const plan_view& b) {
  bool s = a.ranks == b.ranks && a.stages == b.stages && a.micro_batches == b.micro_batches && a.slices == b.slices && a.lowered == b.lowered &&
           a.routes == b.routes && a.groups == b.groups && a.actions.count == b.actions.count && a.passes->pass_count == b.passes->pass_count &&
           a.passes->edge_count == b.passes->edge_count;
  for (int r = 0; s && r <= a.ranks; ++r) s = a.rows[r] == b.rows[r];
  for (std::int64_t i = 0; s && i < a.actions.count; ++i) s = a.actions[i] == b.actions[i];
  for (std::int64_t i = 0; s && i < a.routes * route_view::size(a.stages); ++i) s = a.route_ints[i] == b.route_ints[i];
  for (int m = 0; s && m < a.micro_batches; ++m) s = a.route_index(m) == b.route_index(m);
  for (int g = 0; s && g < a.groups; ++g)
    for (int k = 0; s && k < a.group_size(g); ++k) s = a.group_size(g) == b.group_size(g) && a.group_member(g, k) == b.group_member(g, k);
  return s;
}

static_assert(same(static_plan<from_fixed_table<linear>, ranks<4>, micro_batches<8>>, make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8})));
static_assert(same(static_plan<from_fixed_table<vee>, ranks<2>, micro_batches<4>>, make_plan(zb_v{}, {.ranks = 2, .micro_batches = 4})));
static_assert(static_plan<from_fixed_table<vee>, ranks<2>, micro_batches<4>>.borrow().route(0).rank_of(2) == 1);
static_assert(same(static_plan<from_fixed_table<two_ways>, ranks<4>, micro_batches<8>>, make_plan(dualpipe{}, {.ranks = 4, .micro_batches = 8})));
static_assert(static_plan<from_fixed_table<two_ways>, ranks<4>, micro_batches<8>>.borrow().routes == 2);
static_assert(same(static_plan<from_fixed_table<sliced>, ranks<2>, micro_batches<3>, slices<2>>,
                   make_plan(forward_only{}, {.ranks = 2, .micro_batches = 3, .slices = 2})));
static_assert(same(static_plan<from_fixed_table<::program>, ranks<2>, micro_batches<2>>, lower(make_plan(gpipe{}, {.ranks = 2, .micro_batches = 2}))));
static_assert(static_plan<from_fixed_table<grouped>, ranks<2>, micro_batches<1>>.borrow().group_member(1, 0) == 1);
static_assert(static_plan<from_fixed_table<own_graph>, ranks<1>, micro_batches<1>>.passes.find("SHIP") == 7);
int main() {}
)";

}  // namespace

TEST_CASE("a plan written as C++ compiles to the same plan, with routes, slices, messages, groups and graph") {
  folder here;
  const auto header = [&](const std::string& id, const std::string& words) { CHECK(printed("header " + words + " --name " + id + " -o " + (here / (id + ".hpp"))) == ""); };
  header("linear", "1f1b --ranks 4 --micro-batches 8");
  header("vee", "zb_v --ranks 2 --micro-batches 4");
  header("two_ways", "dualpipe --ranks 4 --micro-batches 8");
  header("sliced", "forward_only --ranks 2 --micro-batches 3 --slices 2");
  header("program", "gpipe --ranks 2 --micro-batches 2 --lowered");
  write(here / "grouped.csv", "0F0,0B0\n1F0,1B0\ngroup 0 1\ngroup 1\n");
  header("grouped", here / "grouped.csv");
  stretto::graph g = stretto::training();
  g.add(stretto::pass_kind{.name = "SHIP", .on = stretto::lane::network, .how_often = stretto::times::any});
  write(here / "own_graph.hpp", stretto::to_table(stretto::make_plan(stretto::from_csv("0F0,0SHIP0,0B0\n", g)), "own_graph"));
  write(here / "program.cpp", program);
  int compiled = 0;
  for (const std::string compiler : {"g++", "clang++"}) {
    if (shell("command -v " + compiler).status != 0) continue;
    const result r = shell(compiler + " -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Werror -fsyntax-only -I" STRETTO_TESTS_DIR "/../include -I" + here.path + " " +
                           (here / "program.cpp"));
    INFO(compiler << ": " << r.out.substr(0, 3000));
    CHECK(r.status == 0);
    ++compiled;
  }
  CHECK(compiled > 0);
}

TEST_CASE("a written header says how it is used, and takes its name from the schedule unless told") {
  const std::string text = printed("header 1f1b --ranks 2 --micro-batches 2");
  CHECK(text.rfind("// A plan as a constant: schedule 1f1b, 2 ranks, 2 stages, 2 micro-batches.\n", 0) == 0);
  CHECK(text.find("stretto::static_plan<stretto::from_fixed_table<plan_1f1b>,") != std::string::npos);
  CHECK(text.find("inline constexpr stretto::fixed_table<2, 8, 8> plan_1f1b = [] {\n") != std::string::npos);
  CHECK(printed("header 1f1b --ranks 2 --micro-batches 2 --name mine").find("> mine = [] {") != std::string::npos);
  for (const char* id : {"2nd", "a-b", "class", "xor_eq", "__x", "a__b", "_a", "''"})
    refused(std::string("header 1f1b --ranks 2 --micro-batches 2 --name ") + id, "--name takes a name that a variable can have in C++, not '");
  refused("header - < " + file("0F0,0B0\n1F0\n"), "missing: rank 1 lacks 1B0; add it", 1);
}

TEST_CASE("a written table refuses sizes that aren't its own") {
  static constexpr stretto::fixed_table<1, 2> mine{.begin = {{0, 2}}, .actions = {{stretto::action::forward(0, 0), stretto::action::backward(0, 0)}},
                                                   .stages = 1, .micro_batches = 1, .slices = 1};
  const stretto::from_fixed_table<mine> table;
  CHECK(stretto::check(stretto::make_plan(table, {.ranks = 1, .micro_batches = 1})).ok());
  CHECK(std::string(stretto::refuses(table, {.ranks = 1, .micro_batches = 2}).why) == "a table is for the micro-batches that it has");
  CHECK(std::string(stretto::refuses(table, {.ranks = 1, .micro_batches = 1, .slices = 2}).why) == "a table is for the slices that it has");
  CHECK(std::string(stretto::refuses(table, {.ranks = 2, .micro_batches = 1}).why) == "a table is for the ranks that it has");
}
