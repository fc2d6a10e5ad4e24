// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The CSV of other tools: what each dialect reads, writes and refuses, and that no text is guessed at.
#include <string>

#include <stretto/plan.hpp>
#include <stretto/plan/csv.hpp>
#include <stretto/schedule.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

std::string refusal_of(std::string_view text, csv_dialect d) { return std::string(read_csv(text, d).sentence()); }

/// Reads in one dialect and writes in another.
std::string turned(std::string_view text, csv_dialect from, csv_dialect to = csv_dialect::own) {
  const csv_result r = read_csv(text, from);
  INFO(r.sentence());
  REQUIRE(r.ok());
  return to_csv(make_plan(r.value), to);
}

std::string writing_of(const plan_view& p, csv_dialect d) {
  try {
    return to_csv(p, d);
  } catch (const error& e) {
    return e.what();
  }
}

// Letters mean other passes; a constant shows that reading stays a constant expression.
static_assert(read_csv("0F0,0B0,0W0", csv_dialect::old).value.order_of[0][1] == action::backward_input(0, 0));
static_assert(read_csv("0F0,0BW0", csv_dialect::old).value.order_of[0][1] == action::backward(0, 0));
static_assert(read_csv("0F0,0B0", csv_dialect::torch).value.order_of[0][1] == action::backward(0, 0));

}  // namespace

TEST_CASE("the old dialect writes I as B and B as BW") {
  const char* const old = "0F0,0F1,0B0,0W0,0BW1\n1F0,1B0,1W0,1F1,1BW1\n";
  const char* const now = "0F0,0F1,0I0,0W0,0B1\n1F0,1I0,1W0,1F1,1B1\n";
  CHECK(turned(old, csv_dialect::old) == now);
  CHECK(turned(now, csv_dialect::own, csv_dialect::old) == old);
  CHECK(turned(old, csv_dialect::old, csv_dialect::old) == old);
  CHECK(to_csv(make_plan(from_csv(old, csv_dialect::old))) == now);
  CHECK(turned("0F0,0SEND_F0,0RECV_B0,0BW0\n1RECV_F0,1F0,1BW0,1SEND_B0\n", csv_dialect::old) ==
        "0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0\n");
}

TEST_CASE("a text of the old dialect that is certain to be one is refused elsewhere with the switch") {
  CHECK(refusal_of("0F0,0BW0\n", csv_dialect::own) ==
        "stretto: line 1 column 6: 'BW' is no pass of this graph; older versions of torch write B so, and I as B: read the text in the dialect old (csv_dialect::old, --dialect old)");
  CHECK(refusal_of("0F0,0BW0\n", csv_dialect::torch) ==
        "stretto: line 1 column 6: 'BW' is no pass of the dialect torch; older versions of torch write B so, and I as B: read the text in the dialect old (csv_dialect::old, --dialect old)");
  CHECK(refusal_of("0F0,0I0,0W0\n", csv_dialect::old) ==
        "stretto: line 1 column 6: 'I' is no pass of the dialect old, where I is written B, and B is BW; read the text in the dialect torch (csv_dialect::torch, --dialect torch)");
  CHECK(refusal_of("0F0,0X0\n", csv_dialect::old) ==
        "stretto: line 1 column 6: 'X' is no pass of the dialect old; it has F B W BW UNSHARD RESHARD SEND_F RECV_F SEND_B RECV_B");
  CHECK(refusal_of("0F0,0REDUCE_GRAD\n", csv_dialect::old).find("'REDUCE_GRAD' is no pass of the dialect old; it has") != std::string::npos);
}

TEST_CASE("a graph of one's own may have a pass BW, and the text's own dialect reads it") {
  graph g = training();
  const pass_id mine = g.add(pass_kind{.name = "BW", .how_often = times::at_most_once});
  const csv_result r = read_csv("0F0,0BW0,0B0\n", g);
  REQUIRE(r.ok());
  CHECK(r.value.order_of[0][1].pass == mine);
  CHECK(read_csv("0F0,0B0,0BW0\n", g, csv_dialect::torch).sentence().find("'BW' is no pass of the dialect torch") != std::string::npos);
  CHECK(writing_of(make_plan(r.value), csv_dialect::torch) == "stretto: the plan has the action 0BW0, which the dialect torch can't write; write it in the dialect own");
}

TEST_CASE("torch's rows may be blank, and its cells quoted, as Python's csv module writes them") {
  CHECK(turned("0F0,,0B0\r\n\r\n\"\"\r\n", csv_dialect::torch) == "0F0,0B0\n,\n,\n");
  CHECK(turned("\"0F0\",\"\",\"(0F1;0B0)OVERLAP_F_B\", \" 0B1 \" \n", csv_dialect::torch) == "0F0,(0F1;0B0)OVERLAP_F_B,0B1\n");
  CHECK(refusal_of("\"0F0,0B0\n", csv_dialect::torch) == "stretto: line 1 column 5: ',' stands where the closing quote of a cell is needed");
  CHECK(refusal_of("\"0F0\"x,0B0\n", csv_dialect::torch) == "stretto: line 1 column 6: 'x' stands where a comma or the end of the row is needed");
  CHECK(refusal_of("\"0F0\",0B0\n", csv_dialect::own) == "stretto: line 1 column 1: '\"' stands where a stage number is needed");
}

TEST_CASE("other tools' dialects have none of the extensions") {
  for (const csv_dialect d : {csv_dialect::torch, csv_dialect::torchtitan, csv_dialect::old}) {
    INFO(name_of(d));
    CHECK(refusal_of("0F0s1\n", d) == "stretto: line 1 column 4: 's' stands where a comma or the end of the row is needed");
    CHECK(refusal_of("0Fa0\n", d) == "stretto: line 1 column 3: 'a' stands where a micro-batch number is needed");
    CHECK(refusal_of("0F0,0W0\nroute 0@0 : 0\n", d) == "stretto: line 2 column 1: 'r' stands where a stage number is needed");
    CHECK(refusal_of("0F0,0W0\ngroup 0\n", d) == "stretto: line 2 column 1: 'g' stands where a stage number is needed");
  }
  CHECK(refusal_of("(0F0;0B0)OVERLAP_F_B\n", csv_dialect::old) == "stretto: line 1 column 1: '(' stands where a stage number is needed");
  CHECK(refusal_of("0F0,0SEND_F0>1\n", csv_dialect::torch) == "stretto: line 1 column 13: '>' stands where a comma or the end of the row is needed");
}

TEST_CASE("torchtitan's files are of passes alone") {
  for (const char* cell : {"0SEND_F0", "0RECV_B0", "0UNSHARD", "0REDUCE_GRAD"}) {
    const std::string word = std::string(cell).substr(1, std::string(cell).find_last_not_of('0'));
    CHECK(refusal_of(std::string("0F0,") + cell + "\n", csv_dialect::torchtitan) ==
          "stretto: line 1 column 6: '" + word +
              "' is no pass of the dialect torchtitan, which is of F, I, W and B alone; read the text in the dialect torch (csv_dialect::torch, --dialect torch)");
  }
  CHECK(turned("0F0,0I0,0W0\n", csv_dialect::torchtitan, csv_dialect::torchtitan) == "0F0,0I0,0W0\n");
}

TEST_CASE("what a dialect can't write is refused in a sentence that names it") {
  const auto said = [](const char* what, csv_dialect d) {
    return std::string("stretto: the plan has ") + what + ", which the dialect " + std::string(name_of(d)) + " can't write; write it in the dialect own";
  };
  const auto written = [](const char* text, csv_dialect d) { return writing_of(make_plan(from_csv(text)), d); };
  for (const csv_dialect d : {csv_dialect::torch, csv_dialect::torchtitan, csv_dialect::old}) {
    CHECK(written("0F0,0F0s1,0B0s1,0B0\n", d) == said("slices", d));
    CHECK(written("0Fa0,1Fb0,1Bb0,0Ba0\n0Fb0,1Fa0,1Ba0,0Bb0\n", d) == said("several routes", d));
    CHECK(written("0F0,0B0,,\n2F0,2B0\nroute 0@0 2@1 : 0\n", d) == said("a route that doesn't pass all stages in turn", d));
    CHECK(written("0F0,0B0\ngroup 0\n", d) == said("groups of ranks", d));
  }
  const program p = lower(make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2}));
  CHECK(writing_of(p, csv_dialect::torchtitan) == said("the action 0SEND_F0", csv_dialect::torchtitan));
  CHECK(writing_of(p, csv_dialect::torch) == to_csv(p));
  CHECK(written("0F0,(0F1;0B0)OVERLAP_F_B,0B1\n", csv_dialect::old) == said("overlapped pairs", csv_dialect::old));
  CHECK(written("0F0,0B0,0REDUCE_GRAD\n", csv_dialect::old) == said("the action 0REDUCE_GRAD", csv_dialect::old));
}

TEST_CASE("what a dialect writes it reads again, for every schedule that it can write") {
  int compared = 0;
  all_schedules::each([&](auto s) {
    for (int ranks = 1; ranks <= 4; ++ranks)
      for (int batches = 1; batches <= 8; ++batches) {
        const sizes z{ranks, batches, 1, 1};
        if (refuses(s, z)) continue;
        const plan p = make_plan(s, z);
        for (const csv_dialect d : csv_dialects) {
          if (!detail::unwritable(p, d).empty()) continue;
          CHECK(to_csv(make_plan(from_csv(to_csv(p, d), d))) == to_csv(p));
          ++compared;
        }
      }
  });
  CHECK(compared > 100);
}
