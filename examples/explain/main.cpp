// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// stretto-explain: why a run stands still, or is slow, from the logs that its ranks left. Everything that it knows it asks
// the library (stretto/explain.hpp); words and files are read as stretto-explore reads them.
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include <stretto/core/version.hpp>

#include "../explore/arguments.hpp"
#include "report.hpp"

namespace {

using namespace explain;

constexpr const char* help_text = R"(stretto-explain: why a run stands still, or is slow

  stretto-explain run.rank*.log             the cause of a hang, what each rank waits for, why ranks were idle, who is slow

A run leaves a log of each rank where pipeline_options::dump, or the environment's STRETTO_DUMP, says where: when an error
ends it, when p.dump() asks, and at the signals of dump_on_signals. Give the logs of all ranks; a rank without one is
taken for dead.
  --step N              which step to measure and draw, over all orders, from 1 (default: the last that all have ended)
  --patience S          seconds that a wait may take before it is a hang, where no error ended the run (default 2)
  --trace FILE          writes all steps that were kept as a trace for Perfetto or chrome://tracing
  --html FILE           writes the step as a page, beside a simulation of the same passes
  --quiet               prints the cause alone
  --version, --help

Exit status: 0 nothing hangs; 1 something does, or an error ended the run; 2 the command line or a file can't be read
or written.
)";

int run(explore::arguments& a) {
  if (a.help()) {
    explore::put(help_text);
    return 0;
  }
  if (a.flag("--version")) {
    explore::put("stretto " + std::to_string(stretto::version.of_major) + "." + std::to_string(stretto::version.of_minor) + "." + std::to_string(stretto::version.of_patch) + "\n");
    return 0;
  }
  int number = 0;
  std::string patience, trace, html;
  a.integer("--step", number, 1, 1'000'000'000);
  a.value("--patience", patience), a.value("--trace", trace), a.value("--html", html);
  const bool quiet = a.flag("--quiet");
  std::vector<std::string> files;
  for (std::string word = a.word(); !word.empty(); word = a.word()) files.push_back(word);
  a.finish("stretto-explain", "files, --step N, --patience S, --trace FILE, --html FILE, --quiet");
  if (files.empty()) refuse("no logs are named; give those of all ranks, such as run.rank*.log");
  const std::vector<stretto::rank_log> logs = read_logs(files);
  stretto::hang_options how;
  if (!patience.empty()) how.patience = explore::number("--patience", patience);
  const stretto::run_log all = stretto::merge_logs(logs);
  const stretto::hang_report why = stretto::explain_hang(logs, how);
  const stretto::merged_step* const step = choose_step(all, number);
  std::string out = quiet ? why.words.substr(0, why.words.find('\n')) + "\n" : head_of(logs, all) + "\n" + why.words + "\n";
  if (!quiet && step != nullptr) out += measures_of(all, *step);
  explore::put(out);
  if (!trace.empty()) explore::write_file(trace, trace_of(all));
  if (!html.empty() && step == nullptr) refuse("no step has ended on all ranks, so there is no page of one; name one with --step");
  if (!html.empty()) explore::write_file(html, page_of(all, *step));
  bool failed = why.hangs();
  for (const stretto::rank_log& log : logs) failed = failed || !log.error.empty();
  return failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    explore::arguments a(argc, argv);
    return run(a);
  } catch (const stretto::error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "stretto: there isn't enough memory for these logs; give fewer\n");
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "stretto: %s\n", e.what());
    return 2;
  }
}
