// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a stream has come to so far, and its text form.
//
//     to_table(s.report())
//       items    pushed 1000  done 412  superseded 588  late 0  cancelled 0  failed 0  refused 0
//       rate     331.2 a second
//       ms             p50     p90     p99     max
//       whole         9.02    9.10    9.31   10.02       from push to the end of the last stage
//       entry         …                                  from push until the first stage begins
//       stage 0       …                                  its work; "wait 1": of an item between stages 0 and 1
// Times are of items that are done, within 1/128. Cost: a histogram of 20 KB a row.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include <stretto/stream/histogram.hpp>

namespace stretto::inline v0 {

struct stream_report {
  /// Of a stage of the items' way, in its order.
  struct stage {
    int number = 0;
    std::int64_t superseded = 0, late = 0, cancelled = 0, failed = 0;  ///< items that ended in front of it, or in it
    std::int64_t waiting = 0;   ///< items that the stage before has ended, and it hasn't begun, just now
    histogram wait, work;       ///< nanoseconds
  };

  std::int64_t pushed = 0, done = 0, refused = 0;  ///< refused: not taken, by drop_newest
  std::int64_t superseded = 0, late = 0, cancelled = 0, failed = 0;  ///< at the entry and on the way
  std::int64_t waiting = 0, most_waiting = 0;      ///< at the entry: now, and at most
  double seconds = 0;                              ///< from the first push to the end of the last item
  histogram whole, entry;
  std::vector<stage> stages;

  std::int64_t ended() const { return done + superseded + late + cancelled + failed; }
  std::int64_t under_way() const { return pushed - ended(); }
  double rate() const { return seconds > 0 ? static_cast<double>(done) / seconds : 0; }
};

namespace detail {

/// A table's rows of times.
inline void add_head_of_times(std::string& out) {
  char row[200];
  std::snprintf(row, sizeof row, R"(%-8s %9s %9s %9s %9s)" "\n", "ms", "p50", "p90", "p99", "max");
  out += row;
}
inline void add_times(std::string& out, const char* name, const histogram& h) {
  char row[200];
  const auto ms = [&](double share) { return static_cast<double>(h.quantile(share)) * 1e-6; };
  std::snprintf(row, sizeof row, R"(%-8s %9.3f %9.3f %9.3f %9.3f)" "\n", name, ms(0.5), ms(0.9), ms(0.99), static_cast<double>(h.most()) * 1e-6);
  out += row;
}

}  // namespace detail

inline std::string to_table(const stream_report& r) {
  std::string out;
  char row[200];
  const auto n = [](std::int64_t v) { return static_cast<long long>(v); };
  std::snprintf(row, sizeof row, R"(items    pushed %lld  done %lld  superseded %lld  late %lld  cancelled %lld  failed %lld  refused %lld)" "\n", n(r.pushed), n(r.done), n(r.superseded), n(r.late), n(r.cancelled),
      n(r.failed), n(r.refused));
  out += row;
  std::snprintf(row, sizeof row, R"(rate     %.1f a second)" "\n", r.rate());
  out += row;
  detail::add_head_of_times(out);
  const auto times = [&](const char* name, int number, const histogram& h) {
    char head[32];
    std::snprintf(head, sizeof head, "%s %d", name, number);
    detail::add_times(out, head, h);
  };
  detail::add_times(out, "whole", r.whole);
  detail::add_times(out, "entry", r.entry);
  for (std::size_t i = 0; i < r.stages.size(); ++i) {
    if (i > 0) times("wait", r.stages[i].number, r.stages[i].wait);
    times("stage", r.stages[i].number, r.stages[i].work);
  }
  return out;
}

}  // namespace stretto::inline v0
