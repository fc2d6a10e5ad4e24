// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where reports go: each is given to all sinks that were added.
//
//     reports out;
//     out.add("console", console_sink(stdout));
//     out.add("steps.jsonl", jsonl_sink("run/steps.jsonl", resumed_from));    0: a new run, and a new file
//     out.add("steps.csv", csv_sink("run/steps.csv", resumed_from));
//     out.add("tensorboard", tensorboard_sink("run/board", resumed_from));
//     out.add("mine", [](const step_report& r) { … });
//     out(report);                                                            on one rank
// A sink that fails says so once and is tried again with the next report: a full disk must not end a training of days, unless
// `strict` is set. A run that goes on from the checkpoint of a step keeps the lines up to that step; later ones, which will
// be written again, and a line that the crash tore are cut off. Cost: one write a sink and step.
#pragma once

#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stretto/train/log_file.hpp>
#include <stretto/train/step_report.hpp>
#include <stretto/train/tensorboard.hpp>

namespace stretto::inline v0 {

using report_sink = std::function<void(const step_report&)>;

class reports {
 public:
  bool strict = false;  ///< a sink that fails throws
  std::function<void(std::string_view)> on_fault;  ///< gets the sentence of a sink that fails; empty: it goes to stderr

  reports& add(std::string name, report_sink sink) {
    sinks_.push_back({std::move(name), std::move(sink), false});
    return *this;
  }

  void operator()(const step_report& r) {
    for (named& s : sinks_) {
      try {
        s.sink(r);
        s.failed = false;
      } catch (const std::exception& e) {
        if (strict) throw;
        if (!std::exchange(s.failed, true)) tell(std::string(e.what()) + " [sink " + s.name + ", step " + std::to_string(r.step) + "]");
      }
    }
  }

 private:
  struct named {
    std::string name;
    report_sink sink;
    bool failed;  // and has said so
  };

  void tell(const std::string& sentence) const {
    if (on_fault) return on_fault(sentence);
    std::fputs((sentence + "\n").c_str(), stderr);
  }

  std::vector<named> sinks_;
};

namespace detail {

/// The step of a line; below 0 where it has none. Both kinds begin with it.
inline std::int64_t step_of_line(std::string_view line, std::string_view before) {
  if (line.substr(0, before.size()) != before) return -1;
  std::int64_t step = -1;
  const char* const from = line.data() + before.size();
  const auto [end, fault] = std::from_chars(from, line.data() + line.size(), step);
  const bool ends = end != line.data() + line.size() && (*end == ',' || *end == '}');
  return fault == std::errc() && ends ? step : -1;
}

/// How many bytes of a file of reports stay when a run goes on behind a step. A line is looked at only as far as `most`.
inline std::int64_t bytes_up_to(const std::string& path, std::int64_t step, std::string_view before, std::string_view heading) {
  constexpr std::size_t most = 1000;
  std::int64_t keep = 0, read = 0, rows = 0;
  std::string line;
  each_piece(path, true, [&](std::string_view piece) {
    for (char c : piece) {
      ++read;
      if (c != '\n') {
        if (line.size() < most) line += c;
        continue;
      }
      ++rows;
      if (rows == 1 && !heading.empty()) {
        if (line != heading) throw error(text("stretto: the file '", path, "' has other columns than reports have now; give another name, or move it away").str());
      } else {
        const std::int64_t found = step_of_line(line, before);
        if (found < 0) throw error(text("stretto: line ", rows, " of '", path, "' is no report of a step; give a file of reports, or move this one away").str(), {.line = static_cast<int>(rows)});
        if (found > step) return false;
      }
      keep = read;
      line.clear();
    }
    return true;
  });
  return keep;
}

inline std::string csv_heading() {
  std::string out;
  each_number(step_report{}, [&](const char* name, auto, bool) { out += (out.empty() ? "" : ",") + std::string(name); });
  return out;
}

inline std::string csv_line(const step_report& r) {
  std::string out;
  each_number(r, [&](const char*, auto value, bool measured) {
    if (!out.empty()) out += ',';
    if (measured) {
      if constexpr (std::is_floating_point_v<decltype(value)>) put_exact(out, value);
      else out += std::to_string(value);
    }
  });
  return out;
}

}  // namespace detail

/// The step line of every n-th step, and of the first and the last.
inline report_sink console_sink(std::FILE* to, std::int64_t every = 1) {
  return [=](const step_report& r) {
    if (every > 1 && r.step % every != 0 && r.step != 1 && r.step != r.steps && !r.skipped) return;
    if (std::fputs((step_line(r) + "\n").c_str(), to) < 0 || std::fflush(to) != 0) throw error("stretto: the console can't be written; mend where standard output goes");
  };
}

/// One line of JSON a report. Throws stretto::error where the file can't be opened, or isn't one of reports.
inline report_sink jsonl_sink(const std::string& path, std::int64_t resumed_from = 0) {
  detail::make_folders(path);
  const std::int64_t keep = resumed_from > 0 ? detail::bytes_up_to(path, resumed_from, "{\"step\":", "") : 0;
  const auto file = std::make_shared<detail::log_file>(detail::log_file::behind(path, keep));
  return [file](const step_report& r) { file->append(json_line(r) + "\n"); };
}

/// A table with a heading; cells of what wasn't measured are empty. Throws as jsonl_sink does.
inline report_sink csv_sink(const std::string& path, std::int64_t resumed_from = 0) {
  detail::make_folders(path);
  const std::string heading = detail::csv_heading();
  const std::int64_t keep = resumed_from > 0 ? detail::bytes_up_to(path, resumed_from, "", heading) : 0;
  const auto file = std::make_shared<detail::log_file>(detail::log_file::behind(path, keep));
  if (keep == 0) file->append(heading + "\n");
  return [file](const step_report& r) { file->append(detail::csv_line(r) + "\n"); };
}

/// An event file in a folder. Throws stretto::error where it can't be made.
inline report_sink tensorboard_sink(const std::string& folder, std::int64_t resumed_from = 0) {
  const auto file = std::make_shared<event_file>(folder, resumed_from);
  return [file](const step_report& r) { file->report(r); };
}

}  // namespace stretto::inline v0
