// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// stretto-explore as a person calls it: what it prints, what it refuses and with which exit status.
#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>

#include <stretto/stretto.hpp>

#include "tool.hpp"

namespace {

std::map<std::string, std::string> metrics(const std::string& arguments) {
  const result r = run("metrics " + arguments);
  INFO(r.out);
  REQUIRE(r.status == 0);
  std::map<std::string, std::string> m;
  std::istringstream lines(r.out);
  for (std::string key, value; lines >> key >> value;) m[key] = value;
  return m;
}

}  // namespace

TEST_CASE("list has a line a schedule") {
  const result r = run("list");
  CHECK(r.status == 0);
  stretto::all_schedules::each([&](auto s) { CHECK(r.out.find(std::string(s.name) + " ") != std::string::npos); });
  CHECK(r.out.find("1f1b               one forward, one backward") != std::string::npos);
}

TEST_CASE("csv prints what the library makes, lowered or not") {
  const stretto::plan p = stretto::make_plan(stretto::one_f_one_b{}, {.ranks = 3, .micro_batches = 4});
  CHECK(run("csv 1f1b --ranks 3 --micro-batches 4").out == stretto::to_csv(p));
  CHECK(run("csv 1f1b --ranks=3 --micro-batches=4 --lowered").out == stretto::to_csv(stretto::lower(p)));
  CHECK(run("csv gpipe --ranks 1 --micro-batches 2 --drain descending").out == "0F0,0F1,0B1,0B0\n");
}

TEST_CASE("metrics prints every key with nine digits or more") {
  auto m = metrics("1f1b --ranks 4 --micro-batches 8 --costs 1,1.5,0.5 --latency 0.1");
  for (const char* key : {"makespan", "span", "bubble", "bubble_rate", "span_bubble_rate", "peak", "peak_per_rank", "actions", "messages"}) CHECK(m.count(key) == 1);
  CHECK(std::stod(m["makespan"]) == Approx(34.6));
  CHECK(m["bubble_rate"].size() >= 11);
  CHECK(m["peak_per_rank"] == "4,3,2,1");
  CHECK(m["actions"] == "64");
  CHECK(m["messages"] == "48");
  CHECK(metrics("1f1b --ranks 4 --micro-batches 8 --lowered")["makespan"] == "33");
  CHECK(metrics("1f1b --ranks 4 --micro-batches 8 --steps 3")["step"] == "33");
}

TEST_CASE("metrics prints one JSON object on request") {
  const result r = run("metrics 1f1b --ranks 2 --micro-batches 2 --json");
  CHECK(r.out ==
        "{\"makespan\": 9, \"span\": 9, \"bubble\": 3, \"bubble_rate\": 0.333333333333, \"span_bubble_rate\": 0.333333333333, "
        "\"peak\": 2, \"peak_per_rank\": [2,1], \"actions\": 8, \"messages\": 4}\n");
}

TEST_CASE("memory is counted in exact decimals") {
  CHECK(metrics("1f1b --ranks 4 --micro-batches 8 --memory 87.33,55.33,32")["peak"] == "4");
  CHECK(run("metrics 1f1b --ranks 4 --micro-batches 8 --memory 1,0.5,0.4").status == 2);
  CHECK(run("metrics 1f1b --ranks 4 --micro-batches 8 --memory 0,0,0").status == 2);
}

TEST_CASE("costs may differ by rank and stage") {
  const std::string name = file("# the last stage holds the head\nstage 1 F 3\nrank 0 I 2 # slower\n");
  // F of stage 1 takes 3, I of rank 0 takes 2: 1 + 3 + 2 there, 2 + 1 back.
  CHECK(metrics("gpipe --ranks 2 --micro-batches 1 --costs-file " + name)["makespan"] == "9");
  for (const char* bad : {"rank 0 F\n", "rank 0 B 1\n", "rank x F 1\n", "stage 7 F 1\n", "rank 0 F -1\n", "lane 0 F 1\n"}) {
    const result r = run("metrics gpipe --ranks 2 --micro-batches 1 --costs-file " + file(bad));
    INFO(bad << r.out);
    CHECK(r.status != 0);
    CHECK(r.out.rfind("stretto: ", 0) == 0);
  }
}

TEST_CASE("check exits 0 when valid, 1 with the fault, 2 when it can't read") {
  const std::string good = file("0F0,0B0\n1F0,1B0\n"), bad = file("0F0,0B0\n1F0\n"), broken = file("0F0,0Q0\n");
  CHECK(run("check " + good).status == 0);
  CHECK(run("check " + good).out == "valid: 2 ranks, 2 stages, 1 micro-batches, 4 actions\n");
  CHECK(run("check " + good + " --lowered").out == "valid: 2 ranks, 2 stages, 1 micro-batches, 8 entries with messages (placed eagerly)\n");
  CHECK(run("check --links rendezvous " + good).status == 0);
  CHECK(run("check - < " + good).status == 0);
  const result fault = run("check " + bad);
  CHECK(fault.status == 1);
  CHECK(fault.out == "stretto: missing: rank 1 lacks 1B0; add it\n");
  const result unread = run("check " + broken);
  CHECK(unread.status == 2);
  CHECK(unread.out.rfind("stretto: line 1 column 6: 'Q' is no pass", 0) == 0);
  CHECK(run("check /nowhere/at/all.csv").status == 2);
  CHECK(run("check /").status == 2);
  CHECK(run("check").status == 2);
}

TEST_CASE("check knows every link model") {
  const std::string crossed = file(
      "0F0,0SEND_F0,0F1,0SEND_F1,2RECV_F0,2F0,2SEND_F0,2RECV_F1,2F1,2SEND_F1\n"
      "1RECV_F0,1F0,1SEND_F0,1RECV_F1,1F1,1SEND_F1,3RECV_F0,3F0,3RECV_F1,3F1\n");
  for (const char* ok : {"buffered", "bounded:1", "bounded:2", "per_edge", "grouped"}) CHECK(run("check " + crossed + " --links " + ok).status == 0);
  for (const char* no : {"rendezvous", "single_fifo", "bounded:0"}) {
    const result r = run("check " + crossed + " --links " + no);
    CHECK(r.status == 1);
    CHECK(r.out.rfind("stretto: deadlock: rank 0 step ", 0) == 0);
  }
  CHECK(run("check " + crossed + " --links bounded:x").status == 2);
  CHECK(run("check " + crossed + " --links randezvous").out == "stretto: there is no link model 'randezvous'; did you mean rendezvous?\n");
}

TEST_CASE("wrong words are refused in a sentence that names the right ones") {
  refused("", "a command is missing");
  refused("metric 1f1b", "did you mean metrics?");
  refused("csv", "csv needs the name of a schedule; there are gpipe, 1f1b");
  refused("csv 1f1d --ranks 2 --micro-batches 2", "there is no schedule '1f1d'; did you mean 1f1b");
  refused("csv interleaved --ranks 2 --micro-batches 2", "did you mean interleaved_1f1b");
  refused("csv 1f1b --micro-batches 2", "1f1b needs --ranks P");
  refused("csv 1f1b --ranks 2", "1f1b needs --micro-batches M");
  refused("csv 1f1b --ranks 2 --micro-batches 2 --chunks 2", "1f1b doesn't take '--chunks'; it takes --ranks P, --micro-batches M, --lowered");
  refused("csv 1f1b --ranks 2 --micro-batches 2 --drain ascending", "1f1b doesn't take '--drain'");
  refused("csv 1f1b --ranks two --micro-batches 2", "--ranks takes a whole number, not 'two'");
  refused("csv 1f1b --ranks 99999999999 --micro-batches 2", "--ranks takes a whole number from");
  refused("csv 1f1b --ranks 2 --ranks 3 --micro-batches 2", "--ranks is given twice");
  refused("csv 1f1b --micro-batches 2 --ranks", "--ranks needs a value");
  refused("csv gpipe --ranks 2 --micro-batches 2 --drain sideways", "--drain takes ascending or descending, not 'sideways'");
  refused("metrics 1f1b --ranks 2 --micro-batches 2 --costs 1,2", "--costs takes three numbers");
  refused("metrics 1f1b --ranks 2 --micro-batches 2 --costs 1,2,nan", "--costs takes a number");
  refused("metrics 1f1b --ranks 2 --micro-batches 2 --latency -1", "--latency takes a number of at least 0");
  refused("metrics 1f1b --ranks 2 --micro-batches 2 --peak 0", "--peak takes a number above 0");
  refused("metrics 1f1b --ranks 2 --micro-batches 2 --steps 0", "--steps takes a whole number from 1");
  refused("list all", "list doesn't take 'all'");
  refused("csv 1f1b --ranks 0 --micro-batches 2", "1f1b has no plan for ranks = 0", 1);
  refused("csv interleaved_1f1b --ranks 4 --micro-batches 6 --chunks 2 --group 4", "use 4 or 8", 1);
  refused("csv 1f1b --ranks 1000000 --micro-batches 1000000", "more than 2147483647 actions", 1);
}

TEST_CASE("help is there everywhere") {
  for (const char* command : {"", "list", "show", "compare", "csv", "lower", "grid", "metrics 1f1b", "simulate", "check", "svg", "html", "trace", "header"}) {
    const result r = run(std::string(command) + " --help");
    CHECK(r.status == 0);
    CHECK(r.out.find("stretto-explore csv      NAME SIZES") != std::string::npos);
  }
}

TEST_CASE("what can't be written is an error") {
  CHECK(run("csv 1f1b --ranks 4 --micro-batches 4 > /dev/full").status == 2);
}

#ifndef STRETTO_SANITIZED  // which takes terabytes of address space for itself
TEST_CASE("a plan of 33 million actions is measured within 2 GiB") {
  const std::string limited = "sh -c 'ulimit -v 2097152; exec \"$0\" metrics 1f1b --ranks 16384 --micro-batches 1024' " STRETTO_EXPLORE;
  FILE* pipe = popen(limited.c_str(), "r");
  REQUIRE(pipe != nullptr);
  char line[64];
  REQUIRE(fgets(line, sizeof line, pipe) != nullptr);
  // More ranks than micro-batches: 16383 + 1024 forwards in a row, then as many backwards of 2.
  CHECK(std::string(line) == "makespan 52221\n");
  char block[4096];
  while (fread(block, 1, sizeof block, pipe) > 0) {
  }
  CHECK(pclose(pipe) == 0);
}
#endif
