// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The commands of stretto-explore besides csv, grid, metrics and check: what they print and refuse.
#include <cstdio>
#include <sstream>
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
  refused("lower " + path + " --receives lazy", "--receives takes eager, deferred or a number of passes, not 'lazy'");
  refused("lower " + path + " --unshard 0", "--unshard takes a whole number from 1 to");
  refused("lower " + path + " --lowered", "doesn't take '--lowered'");
  write(here / "program.csv", stretto::to_csv(stretto::lower(p)));
  refused("lower " + (here / "program.csv"), "lower takes an order, and this plan holds messages already", 1);
  CHECK(printed("csv " + (here / "program.csv") + " --lowered") == stretto::to_csv(stretto::lower(p)));
}

TEST_CASE("receives are placed for a link model") {
  const stretto::plan p = stretto::make_plan(stretto::one_f_one_b{}, {.ranks = 4, .micro_batches = 6});
  const std::string order = file(stretto::to_csv(p)), path = order + ".csv";
  write(path, stretto::to_csv(p));
  const std::string for_all = stretto::to_csv(stretto::lower(p, {.receives = stretto::receives::deferred}));
  const std::string for_rendezvous = stretto::to_csv(stretto::lower(p, {.receives = stretto::receives::deferred, .links = stretto::links::rendezvous}));
  REQUIRE(for_all != for_rendezvous);
  CHECK(printed("lower " + path + " --receives deferred") == for_all);
  CHECK(printed("lower " + path + " --receives deferred --links rendezvous") == for_rendezvous);
  CHECK(printed("csv 1f1b --ranks 4 --micro-batches 6 --lowered --receives deferred --links rendezvous") == for_rendezvous);
  // What check places itself, it places for the model that it checks.
  for (const char* links : {"rendezvous", "single_fifo", "bounded:0"})
    CHECK(printed("check " + path + " --receives deferred --links " + links) == "valid: 4 ranks, 4 stages, 6 micro-batches, 120 entries with messages (placed, receives later)\n");
  write(path, for_all);
  refused("check " + path + " --links rendezvous", "stretto: deadlock: rank 2 step 5 (2SEND_F1) is held until rank 3 issues 3RECV_F1", 1);
  refused("csv 1f1b --ranks 4 --micro-batches 6 --links rendezvous", "--links says how a plan is lowered, and this one isn't; add --lowered");
  refused("lower 1f1b --ranks 4 --micro-batches 6 --links wire", "there is no link model 'wire'; there are buffered, bounded:K");
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
  const std::string wide = printed("show 1f1b --ranks 2 --micro-batches 40");
  CHECK(wide.find("cut") == std::string::npos);
  CHECK(wide.substr(0, wide.find('\n')).size() > 400);
  for (const char* command : {"show", "grid"}) {
    const std::string narrow = printed(std::string(command) + " 1f1b --ranks 2 --micro-batches 40 --width 45");
    CHECK(narrow.find("rank 0 | F0- F1-         B0----- F2- B1-----\n") == 0);
    CHECK(narrow.find("(rows are cut at column 45 of ") != std::string::npos);
  }
  refused("grid " + small + " --width 19", "--width takes a whole number from 20 to");
  if (shell("command -v script").status == 0 && shell("script -qc true /dev/null < /dev/null").status == 0) {
    const auto cut = [](const std::string& before) { return shell("script -qc '" + before + " " STRETTO_EXPLORE " show 1f1b --ranks 2 --micro-batches 40 --color never' /dev/null < /dev/null").out; };
    CHECK(cut("stty cols 44; ").find("(rows are cut at column 44 of ") != std::string::npos);
    CHECK(cut("stty cols 0; COLUMNS=43").find("(rows are cut at column 43 of ") != std::string::npos);
  }
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
  CHECK(little.find("interleaved_1f1b --chunks") == std::string::npos);
  // A stage that two ranks own has its weights twice; that follows from the plan.
  CHECK(all.find("weights twice") != std::string::npos);
  CHECK(printed("compare --ranks 3 --micro-batches 7").find("\n  dualpipe: dualpipe has no plan for ") != std::string::npos);
  const std::string json = printed("compare --ranks 2 --micro-batches 4 --json");
  CHECK(json.rfind("{\"schedules\": [{\"schedule\": \"", 0) == 0);
  CHECK(json.find("{\"schedule\": \"1f1b\", \"chunks\": 1, \"slices\": 1, \"options\": \"\", \"step\": 15, \"bubble_rate\": 0.2, \"peak\": 2, \"messages\": 8, \"weights\": 1}") != std::string::npos);
  CHECK(json.find("\"refused\": [{\"schedule\": \"forward_only\", \"why\": \"it has forward passes alone, and the others train\"}]}\n") != std::string::npos);
  // Chunks are the plan's, and its flags make it again.
  CHECK(json.find("{\"schedule\": \"zb_v\", \"chunks\": 2, ") != std::string::npos);
  CHECK(all.find("\nzb_v --chunks 2 ") != std::string::npos);
  refused("compare --ranks 2", "compare needs --micro-batches M; it takes --ranks P");
  refused("compare --micro-batches 2", "compare needs --ranks P; it takes --ranks P");
  refused("compare 1f1b --ranks 2 --micro-batches 2", "compare doesn't take '1f1b'");
  refused("compare --ranks 2 --micro-batches 2 --memory-limit 0", "--memory-limit takes a number above 0, not '0'");
  refused("compare --ranks 0 --micro-batches 2", "--ranks takes a whole number from 1 to");
}

TEST_CASE("compare names what doesn't fit by its least peak and its flags") {
  const std::string sizes = "compare --ranks 4 --micro-batches 8 ";
  const std::string some = printed(sizes + "--memory-limit 5");
  CHECK(some.find("\ninterleaved_1f1b --chunks 3 ") != std::string::npos);
  CHECK(some.find("\ninterleaved_1f1b --chunks 2 ") == std::string::npos);
  CHECK(some.find("\n  interleaved_1f1b: with --chunks 1, 2 its peak is above --memory-limit 5\n") != std::string::npos);
  CHECK(some.find("\n  looped_bfs: its peak of 8 is above --memory-limit 5\n") != std::string::npos);
  CHECK(printed(sizes + "--memory-limit 4.7").find("\n  interleaved_1f1b: its least peak, 4.75 with --chunks 4, is above --memory-limit 4.7\n") != std::string::npos);
  CHECK(printed(sizes + "--memory-limit 5 --json").find("{\"schedule\": \"interleaved_1f1b\", \"why\": \"with --chunks 1, 2 its peak is above --memory-limit 5\"}") != std::string::npos);

  // Nothing fits: the reasons, a sentence, and a limit that would do.
  const std::string sentence = "stretto: no schedule fits --memory-limit 2; raise it to 3, which 1f1b_v --chunks 2 needs\n";
  for (const char* json : {"", " --json"}) {
    const result none = run(sizes + "--memory-limit 2" + json);
    CHECK(none.status == 1);
    CHECK(none.out.find(sentence) != std::string::npos);
  }
  CHECK(run(sizes + "--memory-limit 2").out.rfind("not compared:\n  gpipe: its peak of 8 is above --memory-limit 2\n", 0) == 0);
  CHECK(run(sizes + "--memory-limit 3").status == 0);
  const result wrong = run(sizes + "--costs 1e301,1,1");
  CHECK(wrong.status == 1);
  CHECK(wrong.out.find("stretto: no schedule can be compared; mend what the reasons above name\n") != std::string::npos);
}

TEST_CASE("compare takes the options of schedules, for those that have them") {
  const std::string sizes = "compare --ranks 4 --micro-batches 8 --latency 0.5 ";
  const std::string usual = printed(sizes), other = printed(sizes + "--extra 3 --group=4");
  CHECK(usual.find("\neager_1f1b ") != std::string::npos);
  CHECK(other.find("\neager_1f1b --extra 3 ") != std::string::npos);
  CHECK(other.find("\ninterleaved_zb --chunks 2 --group 4 ") != std::string::npos);
  CHECK(other.find("\n1f1b ") != std::string::npos);
  CHECK(printed(sizes + "--extra 0 --json").find("{\"schedule\": \"eager_1f1b\", \"chunks\": 1, \"slices\": 1, \"options\": \"--extra 0\", \"step\": ") != std::string::npos);
  CHECK(printed(sizes + "--group 3").find("\n  interleaved_zb --group 3: interleaved_zb has no plan for ") != std::string::npos);
  // The row is that of the schedule with these flags.
  const std::string metrics = printed("metrics interleaved_zb --chunks 2 --group 8 --ranks 4 --micro-batches 8 --json");
  const std::string json = printed("compare --ranks 4 --micro-batches 8 --group 8 --json");
  const std::size_t at = json.find("\"interleaved_zb\", \"chunks\": 2");
  REQUIRE(at != std::string::npos);
  const std::string makespan = metrics.substr(13, metrics.find(',') - 13);
  CHECK(json.find("\"step\": " + makespan + ",", at) < json.find('}', at));
  refused(sizes + "--group many", "--group takes a whole number, not 'many'");
  refused(sizes + "--drain sideways", "--drain takes ascending or descending, not 'sideways'");
  refused(sizes + "--grope 4", "did you mean --group?");
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

TEST_CASE("simulate prints how steps spread over seeds") {
  const stretto::plan p = stretto::make_plan(stretto::one_f_one_b{}, {.ranks = 2, .micro_batches = 2});
  stretto::costs c;
  c.noise = {.jitter = 0.2, .seed = 3};
  const stretto::spread s = stretto::spread_of(p, c, 50);
  char line[100];
  std::snprintf(line, sizeof line, "\nspread     median %.6g, 95 %% within %.6g, of 50 seeds\n", s.share(0.5), s.share(0.95));
  CHECK(s.share(0.5) < s.share(0.95));
  const std::string noisy = "simulate " + small + " --jitter 0.2 --seed 3";
  CHECK(printed(noisy + " --spread 50").find(line) != std::string::npos);
  std::snprintf(line, sizeof line, ", \"spread\": {\"seeds\": 50, \"median\": %.12g, \"p95\": %.12g}}\n", s.share(0.5), s.share(0.95));
  CHECK(printed(noisy + " --spread 50 --json").find(line) != std::string::npos);
  CHECK(printed(noisy).find("spread") == std::string::npos);
  CHECK(printed("simulate " + small + " --stragglers 1,2 --spread 3 --steps 2").find("\nspread     median 36, 95 % within 36, of 3 seeds and all 2 steps\n") != std::string::npos);
  refused("simulate " + small + " --spread 5", "--spread is of steps with noise, and without it all are the same; add --jitter X or --stragglers SHARE,FACTOR");
  refused(noisy + " --spread 0", "--spread takes a whole number from 1 to 10000, not 0");
}

TEST_CASE("passes that lowering adds have costs in a file") {
  const std::string lowered = "simulate " + small + " --lowered --unshard 1 --reduce-grad";
  CHECK(printed(lowered).find("step time  9\n") == 0);
  // UNSHARD before 0F0, REDUCE_GRAD and RESHARD behind the last pass of stage 0.
  CHECK(printed(lowered + " --costs-file " + file("stage 0 REDUCE_GRAD 2\n")).find("step time  11\n") == 0);
  CHECK(printed(lowered + " --costs-file " + file("rank 0 REDUCE_GRAD 1\nrank * UNSHARD 0.5\nrank * RESHARD 0.25\n")).find("step time  10.75\n") == 0);
  CHECK(printed("simulate " + small + " --costs-file " + file("rank * F 2\nrank 1 F 1\n")).find("step time  10\n") == 0);
  CHECK(printed("metrics gpipe --ranks 1 --micro-batches 4 --costs-file " + file("rank 0 * 1.5\nstage 0 * 2\n")).find("makespan 36\n") == 0);
  CHECK(printed(lowered + " --costs-file " + file("rank 0 UNSHARD 1\nstage 1 UNSHARD 7\n")).find("step time  15\n") == 0);
  refused(lowered + " --costs-file " + file("rank 0 B 1\n"), "names pass 'B'; a cost is given for one of F, I, W, UNSHARD, RESHARD, REDUCE_GRAD (B costs I + W)");
}

TEST_CASE("what rounding leaves prints as 0") {
  // Costs that doubles don't hold: sums of them differ by a last bit.
  for (const char* sizes : {"gpipe --ranks 1 --micro-batches 7", "forward_only --ranks 3 --micro-batches 7", "interleaved_1f1b --ranks 4 --micro-batches 12 --chunks 3", "1f1b --ranks 4 --micro-batches 9"})
    for (const char* command : {"metrics ", "simulate ", "show "}) {
      const std::string out = printed(std::string(command) + sizes + " --costs 0.1,0.3,0.7 --latency 0.7");
      INFO(out);
      CHECK(out.find("e-1") == std::string::npos);
      CHECK(out.find("-0") == std::string::npos);
    }
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
  refused("csv " + small + " -o " + (here / "no/such/place.csv"), "place.csv' can't be written (No such file or directory); name a place that can");
  refused("csv " + small + " -o " + here.path, "can't be written (");
  refused("csv " + small + " -o /dev/full", "the file '/dev/full' can't be written (No space left on device); name a place that can");
  CHECK(printed("csv " + small + " -o /dev/stdout") == printed("csv " + small));
  CHECK(printed("csv " + small + " -o -") == printed("csv " + small));
  refused("csv " + small + " -o", "-o needs a value");
  refused("csv -o x " + small, "csv needs the name of a schedule; there are gpipe, 1f1b");
  refused("csv " + small + " -o ''", "-o needs a file; leave it out for standard output");
  refused("grid " + small + " -o x", "1f1b doesn't take '-o'");
  CHECK(shell("ls " + here.path).out == "link.csv\nplan.csv\n");
}
