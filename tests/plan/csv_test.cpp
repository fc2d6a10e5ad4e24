// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <string>

#include <stretto/plan.hpp>
#include <stretto/plan/csv.hpp>
#include <stretto/schedule.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {
std::string refusal_of(std::string_view text) { return std::string(read_csv(text).sentence()); }
std::string again(std::string_view text) { return to_csv(make_plan(read_csv(text).value)); }
}  // namespace

TEST_CASE("a stage that no route passes is known by its skip connection") {
  draft d;
  d.kinds.add(edge{pass::forward, relation::skip, pass::forward, "SKIP", hops::all, 0, 3});
  d.hops_of = {{{0, 0}, {2, 0}}};
  d.route_index = {0};
  d.stage_count = 4;
  d.order_of = {{action::forward(0, 0), action::forward(2, 0), action::backward(2, 0), action::backward(0, 0)}};
  const plan p = make_plan(d), q = make_plan(from_csv(to_csv(p), d.kinds));
  CHECK(check(p).sentence() == "");
  CHECK(check(q).sentence() == "");
  CHECK(q.stages == 4);
}

TEST_CASE("a rank's pass beside routes told by letters names no stage") {
  draft d;
  const pass_id n = d.kinds.add(pass_kind{.name = "N", .by = scope::rank, .per = share::step});
  d.hops_of = {{{0, 0}}, {{0, 0}}};
  d.route_index = {0, 1};
  d.order_of = {{action::forward(0, 0), action::backward(0, 0), action::forward(0, 1), action::backward(0, 1), action::of(n, 0, 0)}, {action::of(n, 1, 0)}};
  const plan p = make_plan(d), q = make_plan(from_csv(to_csv(p), d.kinds));
  CHECK(check(q).sentence() == "");
  CHECK(q.stages == 1);
  CHECK(to_csv(q) == to_csv(p));
}

TEST_CASE("what is read is written again, cell for cell") {
  for (const char* text : {
           "0F0,0F1,0B0,0B1\n",
           "0F0,0I0,0W0\n1F0,1I0,1W0\n",
           "0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n",
           "0UNSHARD,0F0,0B0,0REDUCE_GRAD,0RESHARD\n",
           "0F0,(0F1;0B0)OVERLAP_F_B,0B1\n",
           "0F0,0F0s1,0B0s1,0B0\n",
           "0Fa0,1Fb0,1Bb0,0Ba0\n0Fb0,1Fa0,1Ba0,0Bb0\n",
           "0F0,0B0\n,\n",
       }) {
    INFO(text);
    CHECK(refusal_of(text) == "");
    CHECK(again(text) == text);
  }
}

TEST_CASE("blanks, idle cells, carriage returns and a missing last newline are taken") {
  CHECK(again(" 0F0 ,, 0B0,\r\n\t1F0,1B0") == "0F0,0B0\n1F0,1B0\n");
  CHECK(again("0F0,( 0F1 ; 0B0 )OVERLAP_F_B , 0B1\n") == "0F0,(0F1;0B0)OVERLAP_F_B,0B1\n");
}

TEST_CASE("what can't be read is refused with line and column") {
  CHECK(refusal_of("") == "stretto: line 1 column 1: the text is empty, and a plan has at least one rank; write one row a rank");
  CHECK(refusal_of("0F0\n\n1F0\n") == "stretto: line 2 column 1: the row is empty; write a single comma for a rank that has nothing to do, or take the row out");
  CHECK(refusal_of("0F0,0X1\n") == "stretto: line 1 column 6: 'X' is no pass of this graph; it has F I W B UNSHARD RESHARD REDUCE_GRAD SEND_F RECV_F SEND_B RECV_B");
  CHECK(refusal_of("0F0,0f1\n") == "stretto: line 1 column 6: 'f' stands where the name of a pass in capital letters is needed");
  CHECK(refusal_of("0F\n") == "stretto: line 1 column 3: the row ends where a micro-batch number is needed");
  CHECK(refusal_of("F0\n") == "stretto: line 1 column 1: 'F' stands where a stage number is needed");
  CHECK(refusal_of("0F0 0F1\n") == "stretto: line 1 column 5: '0' stands where a comma or the end of the row is needed");
  CHECK(refusal_of("0F0junk\n") == "stretto: line 1 column 4: 'j' stands where a comma or the end of the row is needed");
  CHECK(refusal_of("0F0s\n") == "stretto: line 1 column 5: the row ends where a slice number is needed");
  CHECK(refusal_of("0F1234567890\n") == "stretto: line 1 column 12: the number has more than nine digits; no plan is that large");
  CHECK(refusal_of("0F99\n") == "stretto: line 1 column 1: micro-batch 99 is named, and the text has only 1 cells, too few for that many micro-batches");
  CHECK(refusal_of("99F0\n") == "stretto: line 1 column 1: stage 99 is named, and the text has only 1 cells, too few for that many stages");
  CHECK(refusal_of("0F0s70000\n") == "stretto: line 1 column 1: slice 70000 is named, and a micro-batch has at most 65535 slices");
  CHECK(refusal_of("0F0s7\n") == "stretto: line 1 column 1: slice 7 is named, and the text has only 1 cells, too few for that many slices");
  CHECK(refusal_of("(0F0;0B0\n") == "stretto: line 1 column 9: the row ends where a closing parenthesis behind the two passes of a pair is needed");
  CHECK(refusal_of("(0F0,0B0)OVERLAP_F_B\n") == "stretto: line 1 column 5: ',' stands where a semicolon between the two passes of a pair is needed");
  CHECK(refusal_of("(0F0;0B0)OVERLAP\n") == "stretto: line 1 column 10: 'O' stands where OVERLAP_F_B behind a pair is needed");
  CHECK(refusal_of("(0F0;0SEND_F0)OVERLAP_F_B\n") == "stretto: line 1 column 6: a message can't be part of an overlapped pair; write it as a cell of its own");
  CHECK(refusal_of("0Fa0,0F1\n") == "stretto: line 1 column 6: some micro-batches name a route by a letter and some don't; write the letter on all or on none");
  CHECK(refusal_of("0F0,0SEND_F0>1\n") == "stretto: line 1 column 13: '>' names the receiver of a send whose pass sends to several places, and this is none");
  CHECK(refusal_of(std::string("0F0,\0", 5)) == "stretto: line 1 column 5: byte 0 stands where a stage number is needed");
  CHECK(refusal_of("0F0\r0B0\n") == "stretto: line 1 column 4: byte 13 stands where a comma or the end of the row is needed");
}

TEST_CASE("a text without a backward pass is a forward-only plan, one with a backward pass must be whole") {
  CHECK(check(make_plan(from_csv("0F0,0F1\n1F0,1F1\n"))).ok());
  CHECK(check(make_plan(from_csv("0F0,0B0,0F1\n"))).kind == fault::missing);
}

TEST_CASE("from_csv throws what read_csv says, with the place in numbers") {
  try {
    from_csv("0F0\n1Q0\n");
    FAIL("nothing was thrown");
  } catch (const error& e) {
    CHECK(std::string(e.what()).rfind("stretto: line 2 column 2: 'Q' is no pass", 0) == 0);
    CHECK(e.place().line == 2);
    CHECK(e.place().column == 2);
  }
}

TEST_CASE("a file that lacks most of what it names gets its verdict at once") {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += std::to_string(i) + "F" + std::to_string(i) + (i < 2999 ? "," : "\n");
  CHECK(check(make_plan(from_csv(text))).words.str() == "stretto: missing: rank 0 lacks 0F1; add it");
}
