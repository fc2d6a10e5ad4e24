// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What check is held against: an argument of its own, which shares no code with the library. An entry is a number (what
// it does, of which stage, micro-batch and slice); lists of numbers are right if they hold what is wanted, each once on
// its rank, and if the waits have no circle (Kahn's algorithm, no walk of ranks). Stages lie round robin on the ranks.
#pragma once

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include <stretto/plan.hpp>

#include "sweep.hpp"

namespace sweep {

using numbered = std::vector<std::vector<int>>;  // by rank

class truth {
 public:
  truth(const stretto::sizes& z, bool trains, bool is_program) : z_(z), trains_(trains) {
    const int stages = z.ranks * z.chunks;
    waits_.resize(at(6 * stages * z.micro_batches * z.slices));
    frees_.resize(waits_.size());
    wanted_on_.assign(waits_.size(), -1);
    for (int s = 0; s < stages; ++s)
      for (int m = 0; m < z.micro_batches; ++m)
        for (int q = 0; q < z.slices; ++q) {
          const bool up = is_program && s + 1 < stages && z.ranks > 1, down = is_program && s > 0 && z.ranks > 1;
          const auto of = [&](what k, int stage) { return id(k, stage, m, q); };
          want(of(forward, s), s);
          if (up) want(of(send_forward, s), s), wait(of(send_forward, s), of(forward, s));
          if (down) want(of(receive_forward, s), s), wait(of(forward, s), of(receive_forward, s)), wait(of(forward, s), of(send_forward, s - 1));
          if (s > 0) wait(of(forward, s), of(forward, s - 1));
          if (q > 0) wait(of(forward, s), id(forward, s, m, q - 1));
          if (!trains) continue;
          want(of(backward, s), s);
          wait(of(backward, s), of(forward, s));
          if (down) want(of(send_backward, s), s), wait(of(send_backward, s), of(backward, s));
          if (up) want(of(receive_backward, s), s), wait(of(backward, s), of(receive_backward, s)), wait(of(backward, s), of(send_backward, s + 1));
          if (s + 1 < stages) wait(of(backward, s), of(backward, s + 1));
        }
  }

  /// The numbers of lists; -1 for an entry that is none of the schedule's.
  numbered numbers(const lists& rows, const stretto::graph& g) const {
    numbered all;
    for (const auto& row : rows) {
      all.emplace_back();
      for (const stretto::action& a : row) all.back().push_back(number(a, g));
    }
    return all;
  }

  /// Whether each list holds what is wanted of its rank, everything once.
  bool complete(const numbered& rows) {
    std::vector<char> seen(waits_.size(), 0);
    std::size_t entries = 0;
    for (std::size_t r = 0; r < rows.size(); ++r)
      for (const int n : rows[r]) {
        if (n < 0 || wanted_on_[at(n)] != static_cast<int>(r) || seen[at(n)] != 0) return false;
        seen[at(n)] = 1;
        ++entries;
      }
    return entries == wanted_;
  }

  /// Whether complete lists run to their end: nothing waits in a circle.
  bool runs(const numbered& rows) {
    missing_.assign(waits_.size(), -1);
    next_.assign(waits_.size(), -1);
    for (const auto& row : rows)
      for (std::size_t i = 0; i < row.size(); ++i) {
        missing_[at(row[i])] = static_cast<int>(waits_[at(row[i])].size()) + (i > 0);
        if (i > 0) next_[at(row[i - 1])] = row[i];
      }
    free_.clear();
    for (std::size_t n = 0; n < missing_.size(); ++n)
      if (missing_[n] == 0) free_.push_back(static_cast<int>(n));
    const auto release = [&](int n) {
      if (--missing_[at(n)] == 0) free_.push_back(n);
    };
    std::size_t done = 0;
    while (!free_.empty()) {
      const std::size_t n = at(free_.back());
      free_.pop_back();
      ++done;
      for (const int m : frees_[n]) release(m);
      if (next_[n] >= 0) release(next_[n]);
    }
    return done == wanted_;
  }

  bool holds(const numbered& rows) { return complete(rows) && runs(rows); }

  /// Whether the sends of complete lists from any rank to any other have the order of their receives.
  bool pairs_up(const numbered& rows) const {
    std::map<std::pair<int, int>, std::vector<int>> sent, received;  // by ranks from and to: the sends' numbers
    const int ranks = z_.ranks, each = z_.micro_batches * z_.slices, kind = ranks * z_.chunks * each;
    for (const auto& row : rows)
      for (const int n : row) {
        const int k = n / kind, stage = n % kind / each;
        if (k == send_forward) sent[{stage % ranks, (stage + 1) % ranks}].push_back(n);
        if (k == send_backward) sent[{stage % ranks, (stage - 1) % ranks}].push_back(n);
        if (k == receive_forward) received[{(stage - 1) % ranks, stage % ranks}].push_back(n + (send_forward - k) * kind - each);
        if (k == receive_backward) received[{(stage + 1) % ranks, stage % ranks}].push_back(n + (send_backward - k) * kind + each);
      }
    return sent == received;
  }

 private:
  enum what { forward, backward, send_forward, receive_forward, send_backward, receive_backward };

  static std::size_t at(int n) { return static_cast<std::size_t>(n); }
  int id(what k, int stage, int m, int q) const { return ((k * z_.ranks * z_.chunks + stage) * z_.micro_batches + m) * z_.slices + q; }
  void want(int n, int stage) { wanted_on_[at(n)] = stage % z_.ranks, ++wanted_; }
  void wait(int n, int on) { waits_[at(n)].push_back(on), frees_[at(on)].push_back(n); }

  int number(const stretto::action& a, const stretto::graph& g) const {
    const int stages = z_.ranks * z_.chunks;
    if (a.stage < 0 || a.stage >= stages || a.micro_batch < 0 || a.micro_batch >= z_.micro_batches || a.slice >= z_.slices) return -1;
    if (!a.is_message()) {
      if (a.pass == stretto::pass::forward) return id(forward, a.stage, a.micro_batch, a.slice);
      return a.pass == stretto::pass::backward && trains_ ? id(backward, a.stage, a.micro_batch, a.slice) : -1;
    }
    if (a.pass >= g.edge_count) return -1;
    const bool send = a.kind == stretto::role::send, f = g.edges[a.pass].message == stretto::label("F");
    if (!f && !(g.edges[a.pass].message == stretto::label("B"))) return -1;
    if (a.peer != a.stage + (send == f ? 1 : -1)) return -1;
    return id(f ? (send ? send_forward : receive_forward) : (send ? send_backward : receive_backward), a.stage, a.micro_batch, a.slice);
  }

  stretto::sizes z_;
  bool trains_;
  std::size_t wanted_ = 0;
  std::vector<int> wanted_on_;               // rank, -1 where not wanted
  std::vector<std::vector<int>> waits_, frees_;
  std::vector<int> missing_, next_, free_;   // scratch of runs()
};

}  // namespace sweep
