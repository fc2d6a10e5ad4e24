// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The trace is JSON of the trace-event format: an event an action, arrows with two ends, named threads, counters in order.
#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <stretto/draw/trace.hpp>

#include "catch.hpp"
#include "draw/plans.hpp"
#include "draw/readers.hpp"

using namespace stretto;
using readers::json;

namespace {

std::map<std::string, std::vector<json>> events_of(const std::string& trace) {
  std::map<std::string, std::vector<json>> by_kind;
  const json whole = readers::read_json(trace);
  for (const json& e : whole["traceEvents"].items) by_kind[e["ph"].text].push_back(e);
  return by_kind;
}

/// The slice on an event's thread at its moment.
const json* slice_at(const std::vector<json>& slices, const json& e) {
  for (const json& s : slices)
    if (s["pid"].value == e["pid"].value && s["tid"].value == e["tid"].value && s["ts"].value <= e["ts"].value && e["ts"].value <= s["ts"].value + s["dur"].value) return &s;
  return nullptr;
}

}  // namespace

TEST_CASE("a trace is JSON, with an event for each action and an arrow for each message") {
  for (const plan& p : plans::all()) {
    INFO(p.name.str());
    const timeline t = make_timeline(p, costs(1, 1, 1, 0.25));
    auto events = events_of(to_trace(t));
    REQUIRE(events["X"].size() == t.actions.size());
    CHECK(events["s"].size() == t.messages.size());
    CHECK(events["f"].size() == t.messages.size());
    for (std::size_t i = 0; i < t.actions.size(); ++i) {
      const json& e = events["X"][i];
      CHECK(e["name"].text == t.actions[i].name);
      CHECK(e["ts"].value == Approx(1000 * t.actions[i].start));
      CHECK(e["dur"].value == Approx(1000 * (t.actions[i].end - t.actions[i].start)));
      CHECK(e["args"]["pass"].text == t.passes[t.actions[i].pass]);
      if (t.actions[i].stage >= 0) CHECK(e["args"]["stage"].value == t.actions[i].stage);
      if (t.actions[i].micro_batch >= 0) CHECK(e["args"]["micro-batch"].value == t.actions[i].micro_batch);
      CHECK(e["args"].has("slice") == (p.slices > 1));
    }
  }
}

TEST_CASE("each arrow of a trace has one start and one end with its number, inside the actions that it joins") {
  const timeline t = make_timeline(make_plan(interleaved_one_f_one_b{}, {.ranks = 4, .micro_batches = 8, .chunks = 2}), costs(1, 1, 1, 0.25));
  auto events = events_of(to_trace(t, &t));
  std::map<double, const json*> starts;
  for (const json& s : events["s"]) {
    CHECK(starts.emplace(s["id"].value, &s).second);
    REQUIRE(slice_at(events["X"], s) != nullptr);
  }
  REQUIRE(events["f"].size() == starts.size());
  std::map<double, int> ends;
  for (const json& f : events["f"]) {
    CHECK(++ends[f["id"].value] == 1);
    REQUIRE(starts.count(f["id"].value) == 1);
    const json& s = *starts[f["id"].value];
    CHECK(f["bp"].text == "e");
    CHECK(f["pid"].value == s["pid"].value);
    CHECK(f["tid"].value != s["tid"].value);
    CHECK(f["ts"].value >= s["ts"].value);
    const json *from = slice_at(events["X"], s), *to = slice_at(events["X"], f);
    REQUIRE(from != nullptr);
    REQUIRE(to != nullptr);
    CHECK((*from)["args"]["micro-batch"].value == (*to)["args"]["micro-batch"].value);
  }
}

TEST_CASE("a trace names its processes and threads, a thread a lane of a rank") {
  const timeline t = make_timeline(plans::with_lanes());
  std::map<double, std::string> threads;
  int sorted = 0, processes = 0;
  auto events = events_of(to_trace(t));
  for (const json& m : events["M"]) {
    if (m["name"].text == "thread_name") threads[m["tid"].value] = m["args"]["name"].text;
    processes += m["name"].text == "process_name" && m["args"]["name"].text == "table (foretold)";
    sorted += m["name"].text == "thread_sort_index" || m["name"].text == "process_sort_index";
  }
  CHECK(processes == 1);
  REQUIRE(threads.size() == 2);
  CHECK(sorted == 3);
  CHECK(threads.begin()->second == "rank 0");
  CHECK(std::next(threads.begin())->second == "rank 0 copy out");
  for (const json& e : events["X"]) CHECK(threads.count(e["tid"].value) == 1);
}

TEST_CASE("a trace counts what each rank holds, up to its peak") {
  const timeline t = make_timeline(make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8}));
  auto events = events_of(to_trace(t));
  std::map<std::string, double> most, last;
  for (const json& c : events["C"]) {
    const std::string& name = c["name"].text;
    CHECK((last.count(name) == 0 || last[name] <= c["ts"].value));
    last[name] = c["ts"].value;
    most[name] = std::max(most[name], c["args"]["held"].value);
  }
  CHECK(most == std::map<std::string, double>{{"rank 0 holds", 4}, {"rank 1 holds", 3}, {"rank 2 holds", 2}, {"rank 3 holds", 1}});
}

TEST_CASE("foretold and measured are two processes of one trace, in microseconds where they count in seconds") {
  const timeline foretold = make_timeline(plans::with_pairs(), costs(0.5, 0.5, 0.5), holding(), {.title = plans::harm, .unit = "s"});
  timeline measured = foretold;
  measured.measured = true;
  auto events = events_of(to_trace(foretold, &measured));
  int of[2] = {0, 0};
  for (const json& e : events["X"]) ++of[static_cast<int>(e["pid"].value)];
  CHECK(of[0] == static_cast<int>(foretold.actions.size()));
  CHECK(of[1] == of[0]);
  CHECK(events["X"][0]["dur"].value == 500'000);
  CHECK(to_trace(foretold) == to_trace(foretold));
}

TEST_CASE("a trace of timelines with different units is refused") {
  const timeline two = make_timeline(plans::with_pairs());
  timeline seconds = two;
  seconds.unit = "s";
  CHECK_THROWS_AS(to_trace(two, &seconds), error);
}
