// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sinks: each gets every report, one that fails says so once, and files go on behind the step of a checkpoint.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <stretto/train/sinks.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

struct folder_of_sinks {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("stretto_sinks_" + std::to_string(::getpid()));
  ~folder_of_sinks() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

std::string content(const std::string& path) {
  std::string all;
  detail::each_piece(path, true, [&](std::string_view piece) { return all += piece, true; });
  return all;
}

step_report report_of(std::int64_t step) {
  step_report r;
  r.step = step, r.steps = 100, r.loss = 0.5 * static_cast<double>(step);
  return r;
}

int lines_in(const std::string& s) {
  int n = 0;
  for (char c : s) n += c == '\n' ? 1 : 0;
  return n;
}

}  // namespace

TEST_CASE("every sink gets every report") {
  const folder_of_sinks at;
  std::vector<std::int64_t> seen;
  {
    reports out;
    out.add("jsonl", jsonl_sink(at.file("run/steps.jsonl"))).add("csv", csv_sink(at.file("run/steps.csv")));
    out.add("board", tensorboard_sink(at.file("run/board"))).add("mine", [&](const step_report& r) { seen.push_back(r.step); });
    for (int i = 1; i <= 3; ++i) out(report_of(i));
    CHECK(lines_in(content(at.file("run/steps.jsonl"))) == 3);  // at once, not at the end
  }
  CHECK(seen == std::vector<std::int64_t>{1, 2, 3});
  CHECK(content(at.file("run/steps.jsonl")).substr(0, 38) == "{\"step\":1,\"steps\":100,\"loss\":0.5,\"skip");
  CHECK(content(at.file("run/steps.csv")) ==
        "step,steps,loss,norm,rate,tokens,seconds,tokens_per_second,tokens_per_second_per_rank,flops,mfu,share_of_roof,bubble,slowest_rank,memory_bytes,memory_rank,skipped,loss_scale\n"
        "1,100,0.5,,,,,,,,,,,,,,0,\n2,100,1,,,,,,,,,,,,,,0,\n3,100,1.5,,,,,,,,,,,,,,0,\n");
  CHECK(std::distance(std::filesystem::directory_iterator(at.path / "run/board"), {}) == 1);
}

TEST_CASE("files go on behind the step that a run goes on from") {
  const folder_of_sinks at;
  const std::string jsonl = at.file("s.jsonl"), csv = at.file("s.csv");
  {
    const report_sink a = jsonl_sink(jsonl), b = csv_sink(csv);
    for (int i = 1; i <= 9; ++i) a(report_of(i)), b(report_of(i));
  }
  const std::string whole_jsonl = content(jsonl), whole_csv = content(csv);
  for (const std::string& path : {jsonl, csv}) {  // the crash tears a line
    std::FILE* const f = std::fopen(path.c_str(), "a");
    std::fputs(path == jsonl ? "{\"step\":10,\"los" : "10,100,", f);
    std::fclose(f);
  }
  jsonl_sink(jsonl, 50), csv_sink(csv, 50);
  CHECK(content(jsonl) == whole_jsonl);
  CHECK(content(csv) == whole_csv);
  {
    const report_sink a = jsonl_sink(jsonl, 6), b = csv_sink(csv, 6);
    CHECK(lines_in(content(jsonl)) == 6);
    CHECK(lines_in(content(csv)) == 7);
    for (int i = 7; i <= 9; ++i) a(report_of(i)), b(report_of(i));
  }
  CHECK(content(jsonl) == whole_jsonl);
  CHECK(content(csv) == whole_csv);
  jsonl_sink(jsonl), csv_sink(csv);  // a new run
  CHECK(content(jsonl).empty());
  CHECK(lines_in(content(csv)) == 1);
  jsonl_sink(at.file("new.jsonl"), 5);  // a run that goes on, but had no file
  CHECK(std::filesystem::exists(at.file("new.jsonl")));
}

TEST_CASE("a file that holds no reports is refused in words and stays as it is") {
  const folder_of_sinks at;
  const std::string path = at.file("mine.txt");
  detail::make_folders(path);
  for (const char* line : {"my notes\n", "{\"step\":}\n", "{\"step\":99999999999999999999,\n", "{\"step\":-1,\n", "{\"step\":7", "\n"}) {
    detail::log_file::make(path).append(std::string("{\"step\":1,\"loss\":2}\n") + line + (std::string_view(line).back() == '\n' ? "" : "\n"));
    const std::string before = content(path);
    CHECK_THROWS_WITH(jsonl_sink(path, 5), "stretto: line 2 of '" + path + "' is no report of a step; give a file of reports, or move this one away");
    CHECK(content(path) == before);
  }
  CHECK_THROWS_WITH(csv_sink(path, 5), "stretto: the file '" + path + "' has other columns than reports have now; give another name, or move it away");
  detail::log_file::make(path).append(std::string(100'000, 'x') + "\n");
  CHECK_THROWS_WITH(jsonl_sink(path, 5), "stretto: line 1 of '" + path + "' is no report of a step; give a file of reports, or move this one away");
}

TEST_CASE("a sink that fails says so once, is tried again, and ends nothing unless it is to") {
  std::vector<std::string> told;
  int seen = 0, tries = 0;
  reports out;
  out.on_fault = [&](std::string_view s) { told.emplace_back(s); };
  out.add("full", jsonl_sink("/dev/full"));
  out.add("mine", [&](const step_report&) {
    if (++tries < 3) throw std::runtime_error("no");
  });
  out.add("last", [&](const step_report&) { ++seen; });
  for (int i = 1; i <= 4; ++i) out(report_of(i));
  CHECK(seen == 4);
  CHECK(tries == 4);
  REQUIRE(told.size() == 2);
  CHECK(told[0] == "stretto: the file '/dev/full' can't be written (No space left on device); give a place where that is allowed and has room [sink full, step 1]");
  CHECK(told[1] == "no [sink mine, step 1]");
  out.strict = true;
  CHECK_THROWS_WITH(out(report_of(5)), "stretto: the file '/dev/full' can't be written (No space left on device); give a place where that is allowed and has room");
}

TEST_CASE("the console gets every n-th step, and those that matter") {
  const folder_of_sinks at;
  detail::make_folders(at.file("x"));
  std::FILE* const file = std::fopen(at.file("console").c_str(), "w");
  const report_sink sink = console_sink(file, 40);
  for (int i = 1; i <= 100; ++i) {
    step_report r = report_of(i);
    r.skipped = i == 7;
    sink(r);
  }
  std::fclose(file);
  CHECK(content(at.file("console")) ==
        "step   1/100 | loss 0.5000\nstep   7/100 | loss 3.5000 | skipped\nstep  40/100 | loss 20.000\nstep  80/100 | loss 40.000\nstep 100/100 | loss 50.000\n");
  std::FILE* const full = std::fopen("/dev/full", "w");
  CHECK_THROWS_WITH(console_sink(full)(report_of(1)), "stretto: the console can't be written; mend where standard output goes");
  std::fclose(full);
}
