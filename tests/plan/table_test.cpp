// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan that is written as C++: which names it may have, and the plan's own name. tests/explore/header_test.cpp compiles
// what is written.
#include <string>

#include <stretto/plan/table.hpp>
#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

TEST_CASE("a table has a name that a variable can have, or is refused in a sentence") {
  const plan p = make_plan(gpipe{}, {.ranks = 1, .micro_batches = 1});
  for (const char* id : {"mine", "x", "plan_1f1b", "classes", "Za9_"})
    CHECK(to_table(p, id).find(std::string("> ") + id + " = [] {") != std::string::npos);
  for (const char* id : {"my table", "", "2nd", "a-b", "class", "xor_eq", "__x", "a__b", "_a", "a::b", "a b", "int long"})
    CHECK(sweep::thrown([&] { (void)to_table(p, id); }) == std::string("stretto: a table is to be named '") + id +
                                                               "', which can't name a variable in C++; give letters, digits and _, a letter first, and no keyword");
}

TEST_CASE("a table carries the plan's name, whatever is in it, and is called table where it has none") {
  plan p = make_plan(gpipe{}, {.ranks = 1, .micro_batches = 1});
  CHECK(to_table(p, "mine").find("      .name = \"gpipe\",\n") != std::string::npos);
  p.name = "a \"b\" \\ c\nd";
  CHECK(to_table(p, "mine").find("      .name = \"a \\\"b\\\" \\\\ c?d\",\n") != std::string::npos);
  p.name = {};
  CHECK(to_table(p, "mine").find(".name") == std::string::npos);
  static constexpr fixed_table<1, 2> named{.begin = {{0, 2}}, .actions = {{action::forward(0, 0), action::backward(0, 0)}}, .name = "gpipe"};
  static constexpr fixed_table<1, 2> nameless{{0, 2}, {action::forward(0, 0), action::backward(0, 0)}};
  static_assert(static_plan<from_fixed_table<named>, ranks<1>, micro_batches<1>>.borrow().name == label("gpipe"));
  static_assert(static_plan<from_fixed_table<nameless>, ranks<1>, micro_batches<1>>.borrow().name == label("table"));
}
