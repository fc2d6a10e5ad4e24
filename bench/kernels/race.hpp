// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the benchmarks of kernels share: things that take turns, round after round, so that a change in the machine's speed
// meets all of them; rates by the thread's own CPU time, so that other programs' turns don't count; shares as the median
// over rounds of one rate by another of the same round.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace bench {

inline double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// How long a race is.
struct effort {
  int rounds = 31;
  double least_seconds = 2e-3;  ///< of an entry in a round: it is repeated until then
};

class race {
 public:
  explicit race(const effort& e) : effort_(e) {}

  /// Something that does `amount` of work each time: operations, or bytes. Gives its number.
  int add(std::string name, double amount, std::function<void()> run) {
    entries_.push_back({std::move(name), amount, std::move(run), {}});
    return static_cast<int>(entries_.size()) - 1;
  }

  void run() {
    for (entry& e : entries_) e.run();
    for (int round = 0; round < effort_.rounds; ++round)
      for (std::size_t i = 0; i < entries_.size(); ++i) {
        entry& e = entries_[(i + static_cast<std::size_t>(round)) % entries_.size()];
        double seconds = 0, amount = 0;
        const double begin = cpu_seconds();
        do {
          e.run();
          amount += e.amount;
          seconds = cpu_seconds() - begin;
        } while (seconds < effort_.least_seconds);
        e.rates.push_back(amount / seconds);
      }
  }

  const std::string& name(int i) const { return entries_[static_cast<std::size_t>(i)].name; }
  int size() const { return static_cast<int>(entries_.size()); }

  /// Amount a second.
  double rate(int i) const { return median(entries_[static_cast<std::size_t>(i)].rates); }

  /// How much of the rate of `roof`.
  double share(int i, int roof) const {
    std::vector<double> shares;
    for (std::size_t r = 0; r < entries_[0].rates.size(); ++r)
      shares.push_back(entries_[static_cast<std::size_t>(i)].rates[r] / entries_[static_cast<std::size_t>(roof)].rates[r]);
    return median(shares);
  }

 private:
  struct entry {
    std::string name;
    double amount;
    std::function<void()> run;
    std::vector<double> rates;
  };
  static double median(std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return v.empty() ? 0 : v[v.size() / 2];
  }

  effort effort_;
  std::vector<entry> entries_;
};

}  // namespace bench
