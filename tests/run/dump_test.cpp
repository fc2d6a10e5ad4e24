// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Logs of runs: what is written is read back, every error leaves one of each rank, signals do, and what was lost, stalled or
// thrown in a real run is named from its files.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <stretto/run.hpp>
#include <stretto/run/explain_hang.hpp>
#include <stretto/run/merge_logs.hpp>
#include <stretto/run/read_dump.hpp>

#include "catch.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

/// A folder of this test, gone with it.
struct folder {
  std::string path;
  folder() {
    char name[] = "/tmp/stretto_dump_XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  folder(const folder&) = delete;
  ~folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
};

std::string content(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<rank_log> logs_of(const std::string& prefix, int ranks) {
  std::vector<rank_log> all;
  for (int r = 0; r < ranks; ++r)
    if (const std::string text = content(prefix + ".rank" + std::to_string(r) + ".log"); !text.empty()) all.push_back(read_dump(text));
  return all;
}

/// What a layer does in a forward, where a test says so.
std::atomic<int> trouble_layer{-1}, trouble{0}, count_down{0};
enum { nothing_wrong, throws, sleeps, raises_term, raises_usr1 };

void act(int layer) {
  if (layer != trouble_layer || count_down.fetch_sub(1) != 0) return;
  switch (trouble.load()) {
    case throws: throw std::runtime_error("no more of this");
    case sleeps:
      for (int i = 0; i < 2000 && trouble == sleeps; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      break;
    case raises_term: kill(getpid(), SIGTERM); std::this_thread::sleep_for(std::chrono::seconds(20)); break;
    case raises_usr1: raise(SIGUSR1); break;
    default: break;
  }
}
void set_trouble(int layer, int what, int after) { trouble_layer = layer, trouble = what, count_down = after; }

template <class In, class Out>
struct idler {
  using input = In;
  using output = Out;
  std::vector<float> w{1}, g{0};
  void forward(context& c, const In&, Out& out) { act(c.layer), out = 1; }
  void backward_input(context&, const In&, const Out&, gradient_of<In>&) {}
  void backward_weight(context&, const In&, const Out&) {}
  void parameters(auto&& visit) { visit("w", w, g); }
};

auto layers() { return sequential(layer<idler<nothing, float>>(), repeat<idler<float, float>>(2), layer<idler<float, double>>()); }
const plan order = make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 4});
const cut one_each = cut::of({1, 1, 1, 1});

struct blanks : one_f_one_b {
  static constexpr const char* name = "my 1F1B (10%)";
};

/// Threads that lose one message.
class careless : public threads {
 public:
  using threads::threads;
  int sender = -1;
  std::int64_t step = -1, box = -1;
  int far = 1;         // a message that goes over so many ranks at least
  bool values = true;  // of two channels of a rank the one upwards
  template <class Say>
  void put(channel& c, const message_id& id, void* object, Say&& say) {
    if (c.shape.from == sender && id.step == step && id.box == box && (c.shape.to > c.shape.from) == values && std::abs(c.shape.to - c.shape.from) >= far) return;
    threads::put(c, id, object, say);
  }
};

}  // namespace

TEST_CASE("a log that was written is read back, with all that was measured") {
  const folder here;
  pipeline p(layers(), one_each, order, sgd{}, {.dump = here / "run"});
  for (int i = 0; i < 10; ++i) p.step(4 + i).loss();
  const int evaluation = p.bind(make_plan(forward_only{}, {.ranks = 4, .micro_batches = 2}));
  auto last = p.step(3);
  last.loss();
  const recording seen = last.measured();
  p.run(evaluation).loss();
  p.dump();
  const std::vector<rank_log> logs = logs_of(here / "run", 4);
  REQUIRE(logs.size() == 4);
  const plan_view work = p.steps();
  std::size_t messages = 0;
  for (int r = 0; r < 4; ++r) {
    const rank_log& log = logs[static_cast<std::size_t>(r)];
    CHECK(log.rank == r);
    CHECK(log.ranks == 4);
    CHECK(log.process == getpid());
    CHECK(!log.host.empty());
    CHECK(log.asked == 12);
    CHECK(log.done == 12);
    CHECK(log.error.empty());
    CHECK(log.now.order == -1);
    CHECK(log.uncertainty == 0);
    CHECK(log.clock > log.bound);
    REQUIRE(log.orders.size() == 2);
    const logged_order& o = *log.find_order(0);
    CHECK(o.trains);
    CHECK_FALSE(log.find_order(1)->trains);
    CHECK(o.cut == std::vector<int>{0, 1, 2, 3, 4});
    CHECK(o.work.lowered);
    const plan_view read = o.work;
    REQUIRE(read.actions.count == work.actions.count);
    CHECK(std::equal(read.actions.begin(), read.actions.end(), work.actions.begin()));
    CHECK(o.work.name == p.steps().name);
    REQUIRE(o.steps.size() == 8);
    for (std::size_t i = 0; i < 8; ++i) {
      CHECK(o.steps[i].number == static_cast<std::int64_t>(i) + 4);
      CHECK(o.steps[i].request.normalizer == (i == 7 ? 3 : 7 + static_cast<double>(i)));
      CHECK(o.steps[i].request.kind == 3);
      CHECK(o.steps[i].asked <= o.steps[i].begun);
      CHECK(o.steps[i].begun <= o.steps[i].ended);
    }
    REQUIRE(log.find_order(1)->steps.size() == 1);
    const logged_step& step = o.steps.back();
    for (std::int64_t i = 0; i < work.order(r).count; ++i) {
      const auto at = static_cast<std::size_t>(work.rows[r] + i);
      const logged_entry& t = step.times[static_cast<std::size_t>(i)];
      const auto since = [&](std::int64_t when) { return when == 0 ? 0 : static_cast<double>(when - log.bound) * 1e-9; };
      CHECK(since(t.wait) == Approx(seen.waits[at]).margin(1e-12));
      CHECK(since(t.start) == Approx(seen.starts[at]).margin(1e-12));
      CHECK(since(t.end) == Approx(seen.ends[at]).margin(1e-12));
    }
    messages += step.puts.size();
    for (const logged_message& m : step.puts) CHECK(m.bytes == 4);
    CHECK(step.takes.size() + step.puts.size() == (r == 0 || r == 3 ? 8 : 16));
  }
  CHECK(messages == seen.messages.size());
  CHECK_FALSE(explain_hang(logs).hangs());
  p.dump(here / "other");
  CHECK(logs_of(here / "other", 4).size() == 4);
}

TEST_CASE("orders are shown in a log as long as they are bound") {
  const folder here;
  pipeline p(layers(), one_each, order);
  p.step().loss();
  p.rebind(make_plan(gpipe{}, {.ranks = 4, .micro_batches = 3}));
  p.step(5).loss();
  p.dump(here / "run");
  const std::vector<rank_log> logs = logs_of(here / "run", 4);
  REQUIRE(logs.size() == 4);
  REQUIRE(logs[2].orders.size() == 1);
  CHECK(logs[2].orders[0].work.micro_batches == 3);
  REQUIRE(logs[2].orders[0].steps.size() == 1);
  CHECK(logs[2].orders[0].steps[0].number == 2);
}

TEST_CASE("a schedule whose name has blanks leaves logs that are read") {
  const folder here;
  pipeline p(layers(), one_each, make_plan(blanks(), {.ranks = 4, .micro_batches = 4}), sgd{}, {.dump = here / "run"});
  p.step().loss();
  p.dump();
  const std::vector<rank_log> logs = logs_of(here / "run", 4);
  REQUIRE(logs.size() == 4);
  CHECK(logs[3].orders[0].work.name.str() == "my 1F1B (10%)");
  CHECK(merge_logs(logs).steps.size() == 1);
}

TEST_CASE("logs taken while ranks are at work are whole, and name no hang") {
  const folder here;
  pipeline p(layers(), one_each, order, sgd{}, {.dump = here / "run"});
  std::atomic<bool> stop = false;
  std::atomic<int> looks = 0;
  int steps = 0;
  std::thread other([&] {
    while (!stop) p.dump(), ++looks;
  });
  for (; steps < 400 || looks < 3; ++steps) {
    p.step();
  }
  p.finish();
  stop = true;
  other.join();
  p.step().loss();
  std::thread last([&] { p.dump(); });
  p.step().loss();
  last.join();
  const std::vector<rank_log> logs = logs_of(here / "run", 4);
  REQUIRE(logs.size() == 4);
  CHECK_FALSE(explain_hang(logs).hangs());
}

TEST_CASE("an error of a layer leaves the logs of all ranks, and they name it") {
  const folder here;
  set_trouble(2, throws, 6);  // the third forward of the second step
  {
    pipeline p(layers(), one_each, order, sgd{}, {.dump = here / "run"});
    p.step().loss();
    CHECK_THROWS(p.step().loss());
  }
  set_trouble(-1, nothing_wrong, 0);
  const std::vector<rank_log> logs = logs_of(here / "run", 4);
  REQUIRE(logs.size() == 4);
  for (const rank_log& log : logs) CHECK(log.error == logs[0].error);
  CHECK(logs[0].error.find("layer 2 threw: no more of this") != std::string::npos);
  const hang_report why = explain_hang(logs);
  CHECK(why.kind == hang_kind::threw);
  CHECK(why.rank == 2);
  CHECK(why.what == action::forward(2, 2));
  CHECK(why.layer == 2);
}

TEST_CASE("a message that the transport loses is named from the files") {
  int cases = 0;
  for (const auto& [from, box, values] : {std::tuple(0, 0, true), std::tuple(1, 3, true), std::tuple(3, 1, false)}) {
    const folder here;
    careless t(4, {.deadline = 0.4});
    t.sender = from, t.step = 1, t.box = box, t.values = values;
    {
      pipeline p(t, layers(), one_each, order, sgd{}, {.dump = here / "run"});
      p.step().loss();
      CHECK_THROWS(p.step().loss());
    }
    const std::vector<rank_log> logs = logs_of(here / "run", 4);
    REQUIRE(logs.size() == 4);
    const hang_report why = explain_hang(logs);
    INFO(why.words);
    CHECK(why.kind == hang_kind::lost);
    CHECK(why.rank == from);
    CHECK(why.to == (values ? from + 1 : from - 1));
    CHECK(why.number == 2);
    CHECK(why.what.kind == role::send);
    CHECK(why.what.micro_batch == box);
    CHECK(why.what.stage == from);
    ++cases;
  }
  CHECK(cases == 3);
}

TEST_CASE("a message of a skip connection that is lost is named, its gradient too") {
  for (const bool values : {true, false}) {
    const folder here;
    careless t(4, {.deadline = 0.4});
    t.sender = values ? 0 : 3, t.step = 1, t.box = 1, t.values = values, t.far = 2;
    const toy::data all(3);
    {
      const plan what = make_plan(zb_h1{}, {.ranks = 4, .micro_batches = 3});
      pipeline p(t, toy::model_of(10), toy::cut_of(13, 4), what, sgd{}, {.dump = here / "run"});
      toy::feed(p, all);
      p.step().loss();
      CHECK_THROWS(p.step().loss());
    }
    const std::vector<rank_log> logs = logs_of(here / "run", 4);
    REQUIRE(logs.size() == 4);
    const hang_report why = explain_hang(logs);
    INFO(why.words);
    CHECK(why.kind == hang_kind::lost);
    CHECK(why.rank == (values ? 0 : 3));
    CHECK(std::abs(why.to - why.rank) >= 2);
    CHECK(why.what.micro_batch == 1);
    CHECK(why.words.rfind(values ? "message 0SEND_SKIP_" : "message 3SEND_SKIP_", 0) == 0);
  }
}

TEST_CASE("logs of every schedule are read back, with skip connections and tied weights, and nothing hangs") {
  int cases = 0;
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    for (const int micro_batches : {2, 4}) {
      sizes z{.ranks = 2, .micro_batches = micro_batches, .chunks = takes_chunks<S>() ? 2 : 1};
      if (refuses(s, z)) continue;
      const folder here;
      const plan what = make_plan(s, z);
      const toy::data all(micro_batches);
      pipeline p(toy::model_of(10), toy::cut_of(13, what.stages), what, sgd{}, {.dump = here / "run"});
      toy::feed(p, all);
      p.step().loss();
      p.step().loss();
      p.dump();
      const std::vector<rank_log> logs = logs_of(here / "run", 2);
      REQUIRE(logs.size() == 2);
      CHECK(logs[0].orders[0].steps.size() == 2);
      CHECK_FALSE(explain_hang(logs).hangs());
      ++cases;
    }
  });
  CHECK(cases > 15);
}

TEST_CASE("a rank that stays in a layer is named, with the layer") {
  const folder here;
  set_trouble(1, sleeps, 5);
  {
    pipeline p(layers(), one_each, order, sgd{}, {.dump = here / "run", .threads = {.deadline = 0.4}});
    p.step().loss();
    CHECK_THROWS(p.step().loss());
    const hang_report why = explain_hang(logs_of(here / "run", 4));
    INFO(why.words);
    CHECK(why.kind == hang_kind::stalled);
    CHECK(why.rank == 1);
    CHECK(why.layer == 1);
    CHECK(why.what == action::forward(1, 1));
    set_trouble(-1, nothing_wrong, 0);
  }
}

TEST_CASE("of ranks with programs of their own each leaves its log, and who wasn't asked is named") {
  const folder here;
  threads t(4, {.deadline = 0.5});
  std::vector<std::thread> others;
  for (int r = 0; r < 4; ++r)
    others.emplace_back([&, r] {
      endpoint mine(t, r);
      pipeline p(mine, layers(), one_each, order, sgd{}, {.dump = here / "run"});
      p.step().loss();
      try {
        if (r != 2) p.step().loss();
        else
          for (int i = 0; i < 20000 && !t.failed(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      } catch (const error&) {
      }
    });
  for (std::thread& one : others) one.join();
  const std::vector<rank_log> logs = logs_of(here / "run", 4);
  REQUIRE(logs.size() == 4);
  CHECK(logs[2].asked == 1);
  CHECK(logs[0].asked == 2);
  const hang_report why = explain_hang(logs);
  INFO(why.words);
  CHECK(why.kind == hang_kind::not_asked);
  CHECK(why.rank == 2);
  for (const rank_log& log : logs) {  // one clock for all
    CHECK(log.uncertainty >= 0);
    CHECK(std::abs(log.offset) <= log.uncertainty + 1000);
  }
}

TEST_CASE("ranks that were asked with different normalizers leave logs that say so") {
  const folder here;
  threads t(2);
  std::vector<std::thread> others;
  for (int r = 0; r < 2; ++r)
    others.emplace_back([&, r] {
      endpoint mine(t, r);
      pipeline p(mine, layers(), cut::of({2, 2}), make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2}), sgd{}, {.dump = here / "run"});
      p.step(2).loss();
      try {
        p.step(2 + r).loss();
      } catch (const error&) {
      }
    });
  for (std::thread& one : others) one.join();
  const std::vector<rank_log> logs = logs_of(here / "run", 2);
  REQUIRE(logs.size() == 2);
  CHECK(logs[0].error.find("was asked for another run than this rank, or with another normalizer") != std::string::npos);
  const hang_report why = explain_hang(logs);
  CHECK(why.kind == hang_kind::asked_otherwise);
  CHECK(why.number == 2);
}

TEST_CASE("where logs go is said by the option, by the environment, or by who asks") {
  const folder here;
  {
    pipeline p(layers(), one_each, order);
    CHECK(sweep::thrown([&] { p.dump(); }) == "stretto: a pipeline is asked to dump and not told where; set pipeline_options::dump, or STRETTO_DUMP");
    CHECK(sweep::thrown([&] { p.dump(here / "none/such"); }) ==
          "stretto: the log of rank 0 can't be written to '" + (here / "none/such") + ".rank0.log' (No such file or directory); name a place that can");
  }
  setenv("STRETTO_DUMP", (here / "everywhere").c_str(), 1);
  {
    pipeline p(layers(), one_each, order), q(layers(), one_each, order);
    p.step().loss();
    p.dump();
    q.dump();
  }
  unsetenv("STRETTO_DUMP");
  const std::vector<rank_log> first = logs_of(here / "everywhere", 4), second = logs_of(here / "everywhere.2", 4);
  REQUIRE(first.size() == 4);
  REQUIRE(second.size() == 4);
  CHECK(first[0].done == 1);
  CHECK(second[0].done == 0);
  CHECK(sweep::thrown([&] { pipeline p(layers(), one_each, order, sgd{}, {.record = false, .dump = here / "run"}); }) ==
        "stretto: pipeline_options::dump says where logs go, and record is false, so there is nothing to write; leave record on");
}

TEST_CASE("where logs can't be written is said before the run") {
  CHECK(sweep::thrown([] { pipeline p(layers(), one_each, order, sgd{}, {.dump = "/nowhere/at/all"}); }) ==
        "stretto: the log of rank 0 can't be written to '/nowhere/at/all.rank0.log' (No such file or directory); name a place that can");
  const folder here;
  {
    pipeline p(layers(), one_each, order, sgd{}, {.dump = here / "run"});
  }
  CHECK(std::filesystem::is_empty(here.path));
}

namespace {

/// What is said on standard error meanwhile.
template <class Do>
std::string said_in(const std::string& path, Do&& work) {
  const int kept = dup(STDERR_FILENO), file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  REQUIRE(dup2(file, STDERR_FILENO) == STDERR_FILENO);
  work();
  REQUIRE(dup2(kept, STDERR_FILENO) == STDERR_FILENO);
  close(kept), close(file);
  set_trouble(-1, nothing_wrong, 0);
  return content(path);
}

}  // namespace

TEST_CASE("an error that nobody was thrown is said when the pipeline ends") {
  const folder here;
  set_trouble(2, throws, 2);
  CHECK(said_in(here / "said", [] {
          pipeline p(layers(), one_each, order);
          p.step();
        }).find("stretto: rank 2 step ") == 0);
  set_trouble(2, throws, 2);
  CHECK(said_in(here / "said", [] {
          pipeline p(layers(), one_each, order);
          CHECK_THROWS_AS(p.step().loss(), error);
        }).empty());
}

TEST_CASE("a rank that holds up the end of a pipeline is named, though nobody asked for results") {
  const folder here;
  set_trouble(1, sleeps, 1);
  const std::string said = said_in(here / "said", [] {
    pipeline p(layers(), one_each, order, sgd{}, {.threads = {.deadline = 0.1}});
    p.step();
  });
  CHECK(said.find("stretto: ") == 0);
  CHECK(said.find(" waited 100 ms for ") != std::string::npos);
  INFO(said);
  CHECK(said.find("\nstretto: the pipeline can't end, because rank 1 doesn't come back from step ") != std::string::npos);
  CHECK(said.find(" (1F1) in layer 1; see what holds it there\n") != std::string::npos);
}

TEST_CASE("signals write logs, and those that end a program say where its ranks were") {
  const folder here;
  const auto child = [&](int what) {
    const pid_t id = fork();
    REQUIRE(id >= 0);
    if (id == 0) {
      if (freopen((here / "said").c_str(), "w", stderr) == nullptr) _exit(9);
      dump_on_signals({SIGTERM, SIGUSR1});
      {
        const pipeline<decltype(layers()), sgd> gone(layers(), one_each, order, sgd{});  // one that went is left alone
      }
      set_trouble(2, what, 5);
      pipeline p(layers(), one_each, order, sgd{}, {.dump = here / "run"});
      p.step().loss();
      p.step().loss();
      _exit(3);
    }
    int status = 0;
    REQUIRE(waitpid(id, &status, 0) == id);
    return status;
  };
  int status = child(raises_usr1);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 3);
  CHECK(content(here / "said").empty());
  std::vector<rank_log> logs = logs_of(here / "run", 4);
  REQUIRE(logs.size() == 4);
  CHECK(logs[2].now.layer == 2);
  CHECK(logs[2].now.index == 1);

  status = child(raises_term);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGTERM);
  logs = logs_of(here / "run", 4);
  REQUIRE(logs.size() == 4);
  CHECK(logs[2].done == 1);
  CHECK(logs[2].orders[0].work.order(2)[logs[2].now.entry] == action::forward(2, 1));
  const std::string said = content(here / "said");
  CHECK(said.find("stretto: rank 0 of 4 was at step ") == 0);
  CHECK(said.find("stretto: rank 2 of 4 was at step 4 (2F1) of run 2 in layer 2, and had been for ") != std::string::npos);
  CHECK(std::count(said.begin(), said.end(), '\n') == 4);
  CHECK(said.find(", when signal 15 came\n") != std::string::npos);
  const pid_t id = fork();
  REQUIRE(id >= 0);
  if (id == 0) {
    if (freopen((here / "said").c_str(), "w", stderr) == nullptr) _exit(9);
    dump_on_signals({SIGUSR1});
    pipeline p(layers(), one_each, order);
    raise(SIGUSR1);
    _exit(3);
  }
  REQUIRE(waitpid(id, &status, 0) == id);
  CHECK(content(here / "said").find("stretto: signal 10 came, and no place is named for the log of rank 0; set pipeline_options::dump, or STRETTO_DUMP, before the run\n") == 0);
  CHECK(sweep::thrown([] { dump_on_signals({SIGKILL}); }) == "stretto: signal 9 can't be caught; name others, such as SIGTERM, SIGINT and SIGUSR1");
}
