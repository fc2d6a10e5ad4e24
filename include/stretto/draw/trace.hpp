// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A timeline as a trace that ui.perfetto.dev and chrome://tracing open.
//
//     to_trace(timeline)   to_trace(foretold, &measured)   to_trace({{step_0, 0}, {step_1, 0.25}})
//     {"ph":"X","name":"2F5","cat":"F","pid":0,"tid":10,"ts":3000,"dur":1000,"args":{"stage":2,"micro-batch":5,"pass":"F"}}
// Foretold is one process and measured another. A thread is a lane of a rank; messages are arrows; what a rank holds is a
// counter. Where times have no unit, 1 shows as a millisecond. Cost: about 160 bytes an action and 190 a message.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <stretto/draw/escape.hpp>
#include <stretto/draw/words.hpp>

namespace stretto::inline v0 {

namespace detail {

class trace_events {
 public:
  std::string out = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";

  void process(const timeline& t, int pid) {
    rows(t, pid, t.title);
    contents(t);
  }

  /// Names a process and its threads.
  void rows(const timeline& t, int pid, const std::string& title) {
    at = pid;
    per_unit = t.unit == "s" ? 1e6 : 1e3;
    name("process_name", -1, title + (t.measured ? " (measured)" : " (foretold)"));
    sort_index("process_sort_index", -1, pid);
    for (const lane_row& r : rows_of(t)) {
      name("thread_name", thread(r.rank, r.on), "rank " + std::to_string(r.rank) + (r.on == lane::compute ? "" : std::string(" ") + name_of_lane(r.on)));
      sort_index("thread_sort_index", thread(r.rank, r.on), thread(r.rank, r.on));
    }
  }

  /// A row above the ranks, with a bar for each timeline.
  void step_row() {
    name("thread_name", 0, "steps");
    sort_index("thread_sort_index", 0, 0);
  }
  void step(const timeline& t, double begin_at) {
    begin("X", t.title);
    out += ",\"cat\":\"step\",\"tid\":0";
    number("ts", begin_at * per_unit), number("dur", t.makespan * per_unit);
    out += "}";
  }

  /// What a timeline holds, from a moment on; with bars for what ranks waited for, where that is asked for.
  void contents(const timeline& t, double begin_at = 0, bool waits = false) {
    shift = begin_at;
    for (const drawn_action& d : t.actions) {
      if (waits && d.waited > 0) wait(t, d);
      action(t, d);
    }
    for (const drawn_message& m : t.messages) message(t, m);
    for (std::size_t r = 0; r < t.of_rank.size(); ++r)
      for (const level& l : t.of_rank[r].memory) {
        begin("C", "rank " + std::to_string(r) + " holds");
        number("ts", (l.from + shift) * per_unit);
        out += ",\"args\":{\"held\":";
        put_number(out, l.held);
        out += "}}";
      }
  }

  std::string end() && { return out + "\n]}\n"; }

 private:
  /// A number that has its place: lanes of a rank stand together, above those of the next.
  static int thread(int rank, lane on) { return (rank + 1) * lane_count + static_cast<int>(on); }

  void begin(const char* kind, const std::string& called) {
    out += std::string(comma) + "{\"ph\":\"" + kind + "\",\"name\":";
    put_json(out, called);
    out += ",\"pid\":" + std::to_string(at);
    comma = ",\n";
  }
  void number(const char* key, double value) {
    out += std::string(",\"") + key + "\":";
    put_number(out, value, 12);
  }
  void name(const char* what, int tid, const std::string& called) {
    begin("M", what);
    if (tid >= 0) out += ",\"tid\":" + std::to_string(tid);
    out += ",\"args\":{\"name\":";
    put_json(out, called);
    out += "}}";
  }
  void sort_index(const char* what, int tid, int index) {
    begin("M", what);
    if (tid >= 0) out += ",\"tid\":" + std::to_string(tid);
    out += ",\"args\":{\"sort_index\":" + std::to_string(index) + "}}";
  }

  void wait(const timeline& t, const drawn_action& d) {
    begin("X", d.after >= 0 ? "waits for " + t.actions[static_cast<std::size_t>(d.after)].name : "waits");
    out += ",\"cat\":\"wait\",\"tid\":" + std::to_string(thread(d.rank, d.on));
    number("ts", (d.start - d.waited + shift) * per_unit), number("dur", d.waited * per_unit);
    out += "}";
  }

  void action(const timeline& t, const drawn_action& d) {
    begin("X", d.name);
    out += ",\"cat\":";
    put_json(out, t.passes[d.pass]);
    out += ",\"tid\":" + std::to_string(thread(d.rank, d.on));
    number("ts", (d.start + shift) * per_unit), number("dur", (d.end - d.start) * per_unit);
    out += ",\"args\":{\"pass\":";
    put_json(out, t.passes[d.pass]);
    if (d.stage >= 0) out += ",\"stage\":" + std::to_string(d.stage);
    if (d.micro_batch >= 0) out += ",\"micro-batch\":" + std::to_string(d.micro_batch);
    if (t.slices > 1) out += ",\"slice\":" + std::to_string(d.slice);
    if (d.slack >= 0) number("slack", d.slack * per_unit);
    if (d.after >= 0) {
      out += ",\"waited for\":";
      put_json(out, t.actions[static_cast<std::size_t>(d.after)].name);
    }
    out += "}}";
  }

  /// An arrow. It binds to what runs at its moment, so each end lies a little inside its action.
  void message(const timeline& t, const drawn_message& m) {
    const drawn_action &from = t.actions[static_cast<std::size_t>(m.from)], &to = t.actions[static_cast<std::size_t>(m.to)];
    constexpr double inside = 1e-3;
    for (const bool start : {true, false}) {
      const drawn_action& d = start ? from : to;
      begin(start ? "s" : "f", "message");
      out += start ? ",\"cat\":\"message\"" : ",\"cat\":\"message\",\"bp\":\"e\"";
      out += ",\"id\":" + std::to_string(arrows) + ",\"tid\":" + std::to_string(thread(d.rank, d.on));
      number("ts", per_unit * (shift + (start ? d.end - inside * (d.end - d.start) : d.start + inside * (d.end - d.start))));
      out += "}";
    }
    ++arrows;
  }

  const char* comma = "";
  int at = 0;
  double per_unit = 1, shift = 0;
  std::int64_t arrows = 0;
};

}  // namespace detail

/// A timeline at its place on an axis that several share.
struct placed_timeline {
  const timeline* what = nullptr;
  double begin = 0;
};

/// The trace of a timeline, or of a run beside what was foretold of it, as JSON. Throws stretto::error where the two have
/// different ranks or units of time.
inline std::string to_trace(const timeline& foretold, const timeline* measured = nullptr) {
  if (measured != nullptr) detail::refuse_unlike(foretold, *measured);
  detail::trace_events events;
  events.process(foretold, 0);
  if (measured != nullptr) events.process(*measured, 1);
  return std::move(events).end();
}

/// The trace of several steps of one run, one behind the other, with what ranks waited for. Throws stretto::error where they
/// have different ranks or units of time.
inline std::string to_trace(const std::vector<placed_timeline>& steps) {
  detail::trace_events events;
  for (const placed_timeline& s : steps) {
    detail::refuse_unlike(*steps[0].what, *s.what);
    if (&s == &steps[0]) events.rows(*s.what, 0, steps.size() > 1 ? "steps" : s.what->title), events.step_row();
    events.step(*s.what, s.begin);
    events.contents(*s.what, s.begin, true);
  }
  return std::move(events).end();
}

}  // namespace stretto::inline v0
