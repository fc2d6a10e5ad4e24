// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// contender.py in a process beside this one: it makes a step when it is told to, and says what the step took. Between its
// steps it waits for a line and uses no CPU.
//
//     contender other("python3", ".../contender.py", {"--layers", "6", …});
//     other.says()                            what it is, in its own words
//     const contender_step s = other.step();  s.wall, s.cpu, s.loss
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace bench {

struct contender_step {
  double wall = 0, cpu = 0, loss = 0;
};

class contender {
 public:
  contender(const std::string& python, const std::string& script, const std::vector<std::string>& sizes) {
    std::vector<std::string> words{python, script};
    words.insert(words.end(), sizes.begin(), sizes.end());
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data()), called_ += (called_.empty() ? "" : " ") + w;
    argv.push_back(nullptr);
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0) throw stretto::error("stretto: no pipe can be had for the contender; close files");
    signal(SIGPIPE, SIG_IGN);
    child_ = fork();
    if (child_ < 0) throw stretto::error("stretto: no process can be had for the contender; end others");
    if (child_ == 0) {
      dup2(to[0], 0), dup2(from[1], 1);
      for (const int end : {to[0], to[1], from[0], from[1]}) close(end);
      execvp(argv[0], argv.data());
      std::perror(argv[0]);
      _exit(127);
    }
    close(to[0]), close(from[1]);
    to_ = fdopen(to[1], "w"), from_ = fdopen(from[0], "r");
    says_ = answer();
  }
  contender(const contender&) = delete;
  ~contender() {
    std::fclose(to_), std::fclose(from_);  // at the end of its input it ends
    waitpid(child_, nullptr, 0);
  }

  const std::string& says() const { return says_; }

  contender_step step() {
    std::fputs("step\n", to_), std::fflush(to_);
    contender_step s;
    const std::string line = answer();
    if (std::sscanf(line.c_str(), "%lf %lf %lf", &s.wall, &s.cpu, &s.loss) != 3)
      throw stretto::error(stretto::text("stretto: the contender answers '", line, "' where three numbers are due; run it by hand: ", called_).str());
    return s;
  }

 private:
  std::string answer() {
    char line[1000];
    if (std::fgets(line, sizeof line, from_) == nullptr)
      throw stretto::error(stretto::text("stretto: the contender ended without an answer; run it by hand: ", called_).str());
    std::string s(line);
    while (!s.empty() && s.back() == '\n') s.pop_back();
    return s;
  }

  std::string called_, says_;
  pid_t child_ = -1;
  std::FILE *to_ = nullptr, *from_ = nullptr;
};

}  // namespace bench
