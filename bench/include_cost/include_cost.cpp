// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What including Stretto costs, against standard headers that a program of the same kind includes anyway:
//
//     plan.hpp      0.31 s   <vector>                                0.13 s   ratio 2.4, budget 3.0
//     stretto.hpp   0.75 s   <thread> <string> ... <chrono>          0.51 s   ratio 1.5, budget 2.2
//     run.hpp       1.30 s   <thread> <string> ... <chrono>          0.51 s   ratio 2.5, budget 3.5
//
// Run as `include_cost <compiler> <flags>`. Each figure is the median CPU time of the compiler over several rounds; the
// sources take turns, so that a change in the machine's speed meets all of them. Exits with 1 if a budget is exceeded.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace {

constexpr int rounds = 5;

struct source {
  std::string headers;  // separated by blanks
  std::string path;
  std::vector<double> seconds;

  source(const char* names, std::string file) : headers(names), path(std::move(file)) {
    std::ofstream out(path);
    for (std::size_t begin = 0, end; begin < headers.size(); begin = end + 1) {
      end = std::min(headers.find(' ', begin), headers.size());
      out << "#include " << headers.substr(begin, end - begin) << '\n';
    }
  }

  double median() {
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
  }
};

struct budget {
  source ours;
  source theirs;
  double limit;
};

// User and system time of one run of the compiler and of the programs that it starts.
double cpu_seconds(const std::vector<std::string>& command, const std::string& path) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(const_cast<char*>("-fsyntax-only"));
  arguments.push_back(const_cast<char*>(path.c_str()));
  arguments.push_back(nullptr);

  const pid_t child = fork();
  if (child == 0) {
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0) {
    std::fprintf(stderr, "stretto: %s does not compile %s; build the project first.\n", arguments[0], path.c_str());
    std::exit(2);
  }
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "stretto: no compiler was named; run include_cost <compiler> <flags>.\n");
    return 2;
  }
  const std::vector<std::string> command(argv + 1, argv + argc);

  std::vector<budget> budgets;
  budgets.push_back({{"<stretto/plan.hpp>", "include_cost_plan.cpp"}, {"<vector>", "include_cost_vector.cpp"}, 3.0});
  budgets.push_back({{"<stretto/stretto.hpp>", "include_cost_stretto.cpp"},
                     {"<thread> <string> <vector> <atomic> <memory> <chrono>", "include_cost_std.cpp"},
                     2.2});
  budgets.push_back({{"<stretto/run.hpp>", "include_cost_run.cpp"},
                     {"<thread> <string> <vector> <atomic> <memory> <chrono>", "include_cost_std_run.cpp"},
                     3.5});

  for (int round = -1; round < rounds; ++round) {
    for (budget& b : budgets) {
      for (source* s : {&b.ours, &b.theirs}) {
        const double seconds = cpu_seconds(command, s->path);
        if (round >= 0) s->seconds.push_back(seconds);  // the first round only warms the file cache
      }
    }
  }

  bool within = true;
  for (budget& b : budgets) {
    const double ours = b.ours.median();
    const double theirs = b.theirs.median();
    const double ratio = ours / theirs;
    std::printf("%-22s %.3f s   %-54s %.3f s   ratio %.2f, budget %.1f\n", b.ours.headers.c_str(), ours,
                b.theirs.headers.c_str(), theirs, ratio, b.limit);
    if (ratio > b.limit) {
      within = false;
      std::printf("stretto: %s costs more than its budget; include less in it.\n", b.ours.headers.c_str());
    }
  }
  return within ? 0 : 1;
}
