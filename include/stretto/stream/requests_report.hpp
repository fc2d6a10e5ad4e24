// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What requests have come to so far, and its text form.
//
//     to_table(r.report())
//       requests pushed 7  ended 7  tokens 81  together 3
//       ms             p50     p90     p99     max
//       first         2.11    4.02    4.40    4.40       from push to a request's first token
//       next          0.52    0.55    0.61    0.70       from a token to the next of its request
// Times are within 1/128. Cost: a histogram of 20 KB a row.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include <stretto/stream/histogram.hpp>
#include <stretto/stream/report.hpp>   // the rows of times

namespace stretto::inline v0 {

struct requests_report {
  std::int64_t pushed = 0, ended = 0, tokens = 0;  ///< ended: in whatever way; tokens: that were written
  std::int64_t most_together = 0;                  ///< requests that had a slot at the same time
  histogram first, next;                           ///< nanoseconds from push to the first token; from a token to the next
};

inline std::string to_table(const requests_report& r) {
  std::string out;
  char row[200];
  const auto n = [](std::int64_t v) { return static_cast<long long>(v); };
  std::snprintf(row, sizeof row, R"(requests pushed %lld  ended %lld  tokens %lld  together %lld)" "\n", n(r.pushed), n(r.ended), n(r.tokens), n(r.most_together));
  out += row;
  detail::add_head_of_times(out);
  detail::add_times(out, "first", r.first);
  detail::add_times(out, "next", r.next);
  return out;
}

}  // namespace stretto::inline v0
