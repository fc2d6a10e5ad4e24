// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The commands of stretto-explore besides csv, grid, metrics and check: what they print and refuse.
#include <string>

#include <stretto/stretto.hpp>

#include "tool.hpp"

namespace {
const std::string small = "1f1b --ranks 2 --micro-batches 2";
}

TEST_CASE("every schedule of the library is listed, with flags that it takes") {
  stretto::all_schedules::each([&](auto s) {
    const std::string list = printed("list");
    CHECK(list.find("\n" + std::string(s.name) + " ") + 1 + (list.rfind(std::string(s.name) + " ", 0) == 0) > 0);
    if constexpr (requires { s.options([](auto&&...) {}); })
      s.options([&](const char* name, auto&, const char*) { CHECK(list.find(std::string("--") + name + " ") != std::string::npos); });
  });
  CHECK(printed("list").find("--drain ascending|descending") != std::string::npos);
}

TEST_CASE("lower prints a program, of a schedule or of a file") {
  const stretto::plan p = stretto::make_plan(stretto::one_f_one_b{}, {.ranks = 2, .micro_batches = 4});
  CHECK(printed("lower 1f1b --ranks 2 --micro-batches 4") == stretto::to_csv(stretto::lower(p)));
  folder here;
  write(here / "order.csv", stretto::to_csv(p));
  const std::string path = here / "order.csv";
  CHECK(printed("lower " + path) == stretto::to_csv(stretto::lower(p)));
  CHECK(printed("lower - < " + path) == stretto::to_csv(stretto::lower(p)));
  CHECK(printed("lower " + path + " --receives deferred") == stretto::to_csv(stretto::lower(p, {.receives = stretto::receives::deferred})));
  CHECK(printed("lower " + path + " --receives 1") == stretto::to_csv(stretto::lower(p, {.receives = stretto::receives::lookahead(1)})));
  CHECK(printed("csv " + path + " --lowered --unshard 1 --reduce-grad") == stretto::to_csv(stretto::lower(p, {.unshard = 1, .reduce_grad = true})));
  write(here / "split.csv", "0F0,0I0,0W0\n");
  CHECK(printed("lower " + (here / "split.csv") + " --merge-backward") == "0F0,0B0\n");
  refused("csv " + path + " --unshard 3", "--unshard says how a plan is lowered, and this one isn't; add --lowered");
  refused("metrics " + small + " --merge-backward", "--merge-backward says how a plan is lowered, and this one isn't; add --lowered");
  refused("check " + path + " --reduce-grad", "--reduce-grad says how a plan is lowered, and this one isn't; add --lowered");
  refused("lower " + path + " --receives lazy", "--receives takes eager, deferred or a number of actions, not 'lazy'");
  refused("lower " + path + " --unshard 0", "--unshard takes a whole number from 1 to");
  refused("lower " + path + " --lowered", "doesn't take '--lowered'");
  write(here / "program.csv", stretto::to_csv(stretto::lower(p)));
  refused("lower " + (here / "program.csv"), "lower takes an order, and this plan holds messages already", 1);
  CHECK(printed("csv " + (here / "program.csv") + " --lowered") == stretto::to_csv(stretto::lower(p)));
}

TEST_CASE("files are read and written in the dialects of other tools") {
  folder here;
  const std::string path = here / "old.csv";
  write(path, "0F0,0B0,0W0\r\n1F0,1BW0\r\n");
  CHECK(printed("csv " + path + " --dialect old") == "0F0,0I0,0W0\n1F0,1B0\n");
  CHECK(printed("csv " + path + " --dialect old --to old") == "0F0,0B0,0W0\n1F0,1BW0\n");
  CHECK(printed("check " + path + " --dialect old") == "valid: 2 ranks, 2 stages, 1 micro-batches, 5 actions\n");
  CHECK(printed("lower " + path + " --dialect old --to torch") == "0F0,0SEND_F0,0RECV_B0,0I0,0W0\n1RECV_F0,1F0,1B0,1SEND_B0\n");
  CHECK(printed("metrics " + path + " --dialect=old").find("makespan 6\n") == 0);
  refused("csv " + path, "line 2 column 6: 'BW' is no pass of this graph; older versions of torch write B so, and I as B: read the text in the dialect old");
  refused("csv " + path + " --dialect torhc", "there is no dialect 'torhc' for --dialect; did you mean torch?");
  refused("csv " + small + " --dialect old", "1f1b doesn't take '--dialect'");
  refused("csv " + small + " --lowered --to torchtitan", "the plan has the action 0SEND_F0, which the dialect torchtitan can't write; write it in the dialect own", 1);
}

TEST_CASE("show draws the timeline and says what it costs") {
  const std::string plain = "rank 0 | F0 F1       B0---    B1---\nrank 1 |    F0 B0--- F1 B1---\n\n"
                            "step time  9\nbubble     33.3 % of it\npeak       2 forward passes, by rank 2 1\nmessages   4\n";
  CHECK(printed("show " + small) == plain);
  CHECK(printed("show " + small + " --color never") == plain);
  const std::string coloured = printed("show " + small + " --color=always");
  CHECK(coloured.find("\033[") != std::string::npos);
  if (shell("command -v script").status == 0 && shell("script -qc true /dev/null < /dev/null").status == 0) {  // which gives it a terminal
    const auto on_terminal = [](const std::string& set) { return shell("script -qc '" + set + " " STRETTO_EXPLORE " show " + small + "' /dev/null < /dev/null").out; };
    CHECK(on_terminal("NO_COLOR= TERM=xterm").find("\033[") != std::string::npos);
    CHECK(on_terminal("NO_COLOR=1 TERM=xterm").find("\033[") == std::string::npos);
    CHECK(on_terminal("NO_COLOR= TERM=dumb").find("\033[") == std::string::npos);
  }
  CHECK(printed("show dualpipe --ranks 2 --micro-batches 4").find("weights    held twice\n") != std::string::npos);
  refused("show " + small + " --color red", "--color takes auto, always or never, not 'red'");
}

TEST_CASE("compare sorts what fits and gives the reason of what doesn't") {
  const std::string all = printed("compare --ranks 4 --micro-batches 8");
  CHECK(all.rfind("schedule ", 0) == 0);
  double before = 0;
  int rows = 0;
  std::istringstream lines(all.substr(all.find('\n') + 1));
  for (std::string line; std::getline(lines, line) && !line.empty(); ++rows) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (words >> word; word == "--chunks") words >> word >> word;
    CHECK(std::stod(word) >= before);
    before = std::stod(word);
  }
  CHECK(rows >= 4);
  CHECK(all.find("\nnot compared:\n  forward_only: it has forward passes alone, and the others train\n") != std::string::npos);
  const std::string little = printed("compare --ranks 4 --micro-batches 8 --memory-limit 4 --chunks 1");
  CHECK(little.find("\n1f1b ") != std::string::npos);
  CHECK(little.find("\n  gpipe: its peak of 8 is above --memory-limit 4\n") != std::string::npos);
  CHECK(little.find("--chunks") == std::string::npos);
  // A stage that two ranks own has its weights twice; that follows from the plan.
  CHECK(all.find("weights twice") != std::string::npos);
  CHECK(printed("compare --ranks 3 --micro-batches 7").find("\n  dualpipe: dualpipe has no plan for ") != std::string::npos);
  const std::string json = printed("compare --ranks 2 --micro-batches 4 --json");
  CHECK(json.rfind("{\"schedules\": [{\"schedule\": \"", 0) == 0);
  CHECK(json.find("{\"schedule\": \"1f1b\", \"chunks\": 1, \"slices\": 1, \"step\": 15, \"bubble_rate\": 0.2, \"peak\": 2, \"messages\": 8, \"weights\": 1}") != std::string::npos);
  CHECK(json.find("\"refused\": [{\"schedule\": \"forward_only\", \"why\": \"it has forward passes alone, and the others train\"}]}\n") != std::string::npos);
  refused("compare --ranks 2", "compare needs --micro-batches M; it takes --ranks P");
  refused("compare --micro-batches 2", "compare needs --ranks P; it takes --ranks P");
  refused("compare 1f1b --ranks 2 --micro-batches 2", "compare doesn't take '1f1b'");
  refused("compare --ranks 2 --micro-batches 2 --memory-limit 0", "--memory-limit takes a number above 0, not '0'");
  refused("compare --ranks 0 --micro-batches 2", "--ranks takes a whole number from 1 to");
}

TEST_CASE("simulate says why ranks are idle and what is critical") {
  const std::string out = printed("simulate " + small + " --latency 0.5");
  CHECK(out.find("step time  10\n") == 0);
  CHECK(out.find("critical path 0F0 > 1F0 1B0 1F1 1B1 > 0B1\n") != std::string::npos);
  CHECK(out.find("rank    work") == std::string::npos);
  CHECK(out.find("rank 0     6     0   ") != std::string::npos);
  const std::string json = printed("simulate " + small + " --json");
  CHECK(json.find("{\"makespan\": 9, \"steps\": 1, \"step\": 9,") == 0);
  CHECK(json.find("\"critical\": \"0F0 > 1F0 1B0 1F1 1B1 > 0B1\"}") != std::string::npos);
  CHECK(printed("simulate " + small + " --steps 4").find("step time  9, steady, of 4 that take 36\n") == 0);
  CHECK(printed("simulate " + small + " --jitter 0.1 --seed 1") == printed("simulate " + small + " --jitter 0.1 --seed 1"));
  CHECK(printed("simulate " + small + " --jitter 0.1 --seed 1") != printed("simulate " + small + " --jitter 0.1 --seed 2"));
  CHECK(printed("simulate " + small + " --stragglers 1,2").find("step time  18\n") == 0);
  CHECK(printed("simulate " + small + " --bandwidth 0.5").find("step time  13\n") == 0);
  refused("simulate " + small + " --stragglers 1", "--stragglers takes two numbers SHARE,FACTOR, not '1'");
  refused("simulate " + small + " --jitter 2", "--jitter and the share of --stragglers take numbers from 0 to 1, and their factor one above 0");
  refused("simulate " + small + " --bandwidth 0", "--bandwidth takes a number above 0, not '0'");
  refused("simulate " + small + " --sharing all", "--sharing takes none, pair or node:N, not 'all'");
  refused("simulate " + small + " --costs-file " + file("link 0 7 1\n"), "gives a link of rank 7, and the plan has 2 ranks, numbered from 0; mend the file");
  CHECK(printed("simulate " + small + " --costs-file " + file("link 0 1 1\nlink * 0 0.5 4\n")).find("step time  10.75\n") == 0);
  refused("simulate " + small + " --costs-file " + file("link 0 1\n"), "is not 'rank R PASS COST', 'stage S PASS COST' or 'link R R LATENCY BANDWIDTH'; mend it");
}

TEST_CASE("pictures are written whole, to standard output or into a file") {
  folder here;
  for (const char* command : {"svg", "html", "trace"}) {
    const std::string out = printed(std::string(command) + " " + small), path = here / command;
    CHECK(out.size() > 200);
    CHECK(printed(std::string(command) + " " + small + " -o " + path) == "");
    CHECK(content(path) == out);
  }
  CHECK(printed("svg " + small).find("<svg") != std::string::npos);
  CHECK(printed("html " + small).find("<html") != std::string::npos);
  CHECK(printed("trace " + small).find("\"traceEvents\"") != std::string::npos);
}

TEST_CASE("a file is written whole or not at all") {
  folder here;
  const std::string path = here / "plan.csv";
  CHECK(printed("csv " + small + " -o " + path) == "");
  CHECK(content(path) == printed("csv " + small));
  shell("chmod 640 " + path);
  shell("ln -s plan.csv " + (here / "link.csv"));
  CHECK(printed("csv gpipe --ranks 1 --micro-batches 1 -o " + (here / "link.csv")) == "");
  CHECK(content(path) == "0F0,0B0\n");
  CHECK(shell("stat -c %a " + path).out == "640\n");
  CHECK(shell("test -L " + (here / "link.csv")).status == 0);
  refused("csv " + small + " -o " + (here / "no/such/place.csv"), "place.csv' can't be written (No such file or directory); give -o a place that can");
  refused("csv " + small + " -o " + here.path, "can't be written (");
  refused("csv " + small + " -o /dev/full", "the file '/dev/full' can't be written (No space left on device); give -o a place that can");
  CHECK(printed("csv " + small + " -o /dev/stdout") == printed("csv " + small));
  CHECK(printed("csv " + small + " -o -") == printed("csv " + small));
  refused("csv " + small + " -o", "-o needs a value");
  refused("csv -o x " + small, "csv needs the name of a schedule; there are gpipe, 1f1b");
  refused("csv " + small + " -o ''", "-o needs a file; leave it out for standard output");
  refused("grid " + small + " -o x", "1f1b doesn't take '-o'");
  CHECK(shell("ls " + here.path).out == "link.csv\nplan.csv\n");
}
