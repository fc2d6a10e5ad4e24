// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// stretto-explain as a person calls it, over logs of real runs.
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <stretto/run/pipeline.hpp>
#include <stretto/schedule.hpp>

#include "explore/tool.hpp"

using namespace stretto;

namespace {

template <class In, class Out>
struct idler {
  using input = In;
  using output = Out;
  bool* throws = nullptr;
  std::vector<float> w{1}, g{0};
  explicit idler(bool* where = nullptr) : throws(where) {}
  void forward(context& c, const In&, Out& out) {
    if (c.layer == 1 && throws != nullptr && *throws && c.share.micro_batch == 2) throw std::runtime_error("too hot");
    out = 1;
  }
  void backward_input(context&, const In&, const Out&, gradient_of<In>&) {}
  void backward_weight(context&, const In&, const Out&) {}
  void parameters(auto&& visit) { visit("w", w, g); }
};

/// Logs of five steps, the last of which may throw.
void leave_logs(const std::string& prefix, bool throws) {
  bool now = false;
  pipeline p(sequential(layer<idler<nothing, float>>(), layer<idler<float, float>>(&now), layer<idler<float, double>>()), cut::of({1, 1, 1}),
             make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = 4}), sgd{}, {.dump = prefix});
  for (int i = 0; i < 4; ++i) p.step().loss();
  now = throws;
  try {
    p.step().loss();
    p.dump();
  } catch (const error&) {
  }
}

result explained(const std::string& arguments) { return shell(std::string(STRETTO_EXPLAIN) + " " + arguments); }

void refuses(const std::string& arguments, const std::string& words) {
  const result r = explained(arguments);
  INFO(arguments << ": " << r.out);
  CHECK(r.status == 2);
  CHECK(r.out.rfind("stretto: ", 0) == 0);
  CHECK(r.out.find(words) != std::string::npos);
  CHECK(std::count(r.out.begin(), r.out.end(), '\n') == 1);
}

}  // namespace

TEST_CASE("of a run that went well nothing hangs, and what its ranks did is shown") {
  const folder here;
  leave_logs(here / "run", false);
  const result r = explained(here / "run.rank*.log");
  INFO(r.out);
  CHECK(r.status == 0);
  CHECK(r.out.rfind("3 logs of 3 ranks, 5 steps kept, clocks alike\n\nnothing hangs: no rank waits for longer than it should\nrank 0 has ended 5 of 5 steps that it was asked for, and does nothing, for ", 0) == 0);
  CHECK(r.out.find("\nstep 5: what each rank did, beside a simulation of the same passes\nrank ") != std::string::npos);
  CHECK(r.out.find("\n   2  measured ") != std::string::npos);
  CHECK(r.out.find("\nslow ranks, over 5 steps\n") != std::string::npos);
  const result brief = explained("--quiet " + (here / "run.rank*.log"));
  CHECK(brief.out == "nothing hangs: no rank waits for longer than it should\n");
  CHECK(explained((here / "run.rank*.log") + " --step 2").out.find("\nstep 2: what each rank did") != std::string::npos);
}

TEST_CASE("of a run that an error ended the cause is named, and the status says so") {
  const folder here;
  leave_logs(here / "run", true);
  const result r = explained(here / "run.rank*.log");
  INFO(r.out);
  CHECK(r.status == 1);
  CHECK(r.out.find("\n\nrank 1 ended the run: stretto: rank 1 step ") != std::string::npos);
  CHECK(r.out.find("(1F2) layer 1 threw: too hot\n") != std::string::npos);
  CHECK(r.out.find("\nrank 2 step ") != std::string::npos);
  CHECK(r.out.find("\nstep 4: what each rank did") != std::string::npos);  // the last that ended
  const result dead = explained("--quiet " + (here / "run.rank0.log") + " " + (here / "run.rank2.log"));
  CHECK(dead.status == 1);
  CHECK(dead.out == "rank 1 left no log: it died, or its file is not among those given\n");
}

TEST_CASE("traces and pages are written") {
  const folder here;
  leave_logs(here / "run", false);
  const result r = explained((here / "run.rank*.log") + " --trace " + (here / "out.json") + " --html=" + (here / "out.html") + " --step 3");
  CHECK(r.status == 0);
  const std::string trace = content(here / "out.json"), page = content(here / "out.html");
  CHECK(trace.rfind("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[", 0) == 0);
  for (int step = 1; step <= 5; ++step) CHECK(trace.find("\"name\":\"step " + std::to_string(step) + "\"") != std::string::npos);
  CHECK(page.rfind("<!DOCTYPE html>", 0) == 0);
  CHECK(page.find("<h1>step 3</h1>") != std::string::npos);
}

TEST_CASE("what can't be read or written is told in a sentence") {
  const folder here;
  leave_logs(here / "run", false);
  refuses("", "no logs are named; give those of all ranks, such as run.rank*.log");
  refuses(here / "none.log", "the file '" + (here / "none.log") + "' can't be read");
  write(here / "other.log", "hello\n");
  refuses(here / "other.log", "other.log' is no log: line 1 column 1 of a rank's log: 'stretto log 1' is needed here; give the file as it was written");
  const std::string all = here / "run.rank*.log";
  refuses(all + " --step 9", "step 9 isn't in the logs; they have 1, 2, 3, 4, 5");
  refuses(all + " --step no", "--step takes a whole number, not 'no'");
  refuses(all + " --patience -1", "--patience takes a number of at least 0, not '-1'");
  refuses(all + " --fast", "stretto-explain doesn't take '--fast'; ");
  CHECK(explained((here / "run.rank0.log") + " --html " + (here / "out.html")).out.find("no step has ended on all ranks, so there is no page of one; name one with --step") != std::string::npos);
  CHECK(explained(all + " --trace " + (here / "no/such/place")).status == 2);
  const result help = explained("--help");
  CHECK(help.status == 0);
  CHECK(help.out.rfind("stretto-explain: why a run stands still, or is slow\n", 0) == 0);
  CHECK(explained("--version").out.rfind("stretto ", 0) == 0);
}
