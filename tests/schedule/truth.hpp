// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What check is held against: an argument of its own, which shares no code with the library. An entry is a number (what
// it does, of which stage, micro-batch and slice); lists of numbers are right if they hold what is wanted, each once on
// its rank, and if the waits have no circle (Kahn's algorithm, no walk of ranks).
//
//     paths      for each micro-batch the stages that it passes, and on which rank: any placement, any number of routes
//     B          does I and W in one, and either may stand for a stage, micro-batch and slice
//     a pair     two entries that start when the inputs of both are there: one knot of the waits
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <stretto/plan.hpp>

#include "sweep.hpp"

namespace sweep {

/// An entry of a list: its number, -1 for one that is none of the plan's, and whether it runs with the one behind it.
struct entry {
  int what;
  bool with_next;
};
using numbered = std::vector<std::vector<entry>>;  // by rank

class truth {
 public:
  truth(const paths& way, int ranks, int stages, int slices, bool trains, bool is_program)
      : ranks_(ranks), stages_(stages), micro_batches_(static_cast<int>(way.size())), slices_(slices), trains_(trains) {
    const std::size_t places = way.size() * at(stages);
    rank_.assign(places, -1), behind_.assign(places, -1), before_.assign(places, -1);
    waits_.resize(at(8 * stages * micro_batches_ * slices));
    frees_.resize(waits_.size());
    wanted_on_.assign(waits_.size(), -1);
    for (int m = 0; m < micro_batches_; ++m)
      for (std::size_t h = 0; h < way[at(m)].size(); ++h) {
        const stretto::hop here = way[at(m)][h];
        rank_[spot(m, here.stage)] = here.rank;
        if (h > 0) before_[spot(m, here.stage)] = way[at(m)][h - 1].stage, behind_[spot(m, way[at(m)][h - 1].stage)] = here.stage;
      }
    for (int m = 0; m < micro_batches_; ++m)
      for (const stretto::hop& here : way[at(m)])
        for (int q = 0; q < slices; ++q) want_all(here.stage, m, q, is_program);
  }

  /// The numbers of lists.
  numbered numbers(const lists& rows, const stretto::graph& g) const {
    numbered all;
    all.reserve(rows.size());
    for (const auto& row : rows) {
      all.emplace_back();
      all.back().reserve(row.size());
      for (const stretto::action& a : row) all.back().push_back({number(a, g), a.kind == stretto::role::run_with_next});
    }
    return all;
  }

  /// Whether each list holds what is wanted of its rank, everything once.
  bool complete(const numbered& rows) const {
    std::vector<char> seen(waits_.size(), 0);
    std::size_t done = 0;
    for (std::size_t r = 0; r < rows.size(); ++r)
      for (const entry& e : rows[r]) {
        bool fits = e.what >= 0;
        if (fits)
          each_node(e.what, [&](int n) {
            fits = fits && wanted_on_[at(n)] == static_cast<int>(r) && seen[at(n)] == 0;
            seen[at(n)] = 1;
            ++done;
          });
        if (!fits) return false;
      }
    return done == wanted_;
  }

  /// Whether behind each entry that runs with the next one stands a pass that doesn't.
  bool paired(const numbered& rows) const {
    for (const auto& row : rows)
      for (std::size_t i = 0; i < row.size(); ++i)
        if (row[i].with_next && (i + 1 == row.size() || row[i + 1].with_next || row[i + 1].what >= at_message())) return false;
    return true;
  }

  /// Whether complete lists with sound pairs run to their end: nothing waits in a circle.
  bool runs(const numbered& rows) {
    lay_knots(rows);
    missing_.resize(next_.size());
    for (std::size_t k = 0; k < missing_.size(); ++k) missing_[k] = first_[k] ? 0 : 1;
    for (const int n : nodes_)
      for (const int on : waits_[at(n)]) missing_[at(knot_[at(n)])] += line_[at(on)] != line_[at(n)];
    free_.clear();
    for (std::size_t k = 0; k < missing_.size(); ++k)
      if (missing_[k] == 0) free_.push_back(static_cast<int>(k));
    const auto release = [&](int k) {
      if (--missing_[at(k)] == 0) free_.push_back(k);
    };
    std::size_t done = 0;
    while (!free_.empty()) {
      const std::size_t k = at(free_.back());
      free_.pop_back();
      ++done;
      for (int i = begin_[k]; i < begin_[k + 1]; ++i)
        for (const int m : frees_[at(nodes_[at(i)])])
          if (line_[at(m)] != line_[at(nodes_[at(i)])]) release(knot_[at(m)]);
      if (next_[k] >= 0) release(next_[k]);
    }
    return done == missing_.size();
  }

  bool holds(const numbered& rows) { return complete(rows) && paired(rows) && runs(rows); }

  /// Whether the sends of complete lists from any rank to any other have the order of their receives.
  bool pairs_up(const numbered& rows) {
    sent_.resize(at(ranks_ * ranks_)), received_.resize(sent_.size());
    for (std::size_t i = 0; i < sent_.size(); ++i) sent_[i].clear(), received_[i].clear();
    for (std::size_t r = 0; r < rows.size(); ++r)
      for (const entry& e : rows[r]) {
        if (e.what < at_message()) continue;
        const int k = e.what / each(), stage = e.what % each() / (micro_batches_ * slices_), m = e.what / slices_ % micro_batches_, q = e.what % slices_;
        const bool sends = k == send_forward || k == send_backward;
        const int peer = (k == send_forward || k == receive_backward ? behind_ : before_)[spot(m, stage)];
        const int here = static_cast<int>(r), there = rank_[spot(m, peer)];
        if (sends) sent_[at(here * ranks_ + there)].push_back(e.what);
        else received_[at(there * ranks_ + here)].push_back(id(k == receive_forward ? send_forward : send_backward, peer, m, q));
      }
    return sent_ == received_;
  }

 private:
  enum what { forward, input, weight, both, send_forward, receive_forward, send_backward, receive_backward };

  static std::size_t at(int n) { return static_cast<std::size_t>(n); }
  std::size_t spot(int m, int stage) const { return at(m * stages_ + stage); }
  int each() const { return stages_ * micro_batches_ * slices_; }
  int at_message() const { return send_forward * each(); }
  int id(what k, int stage, int m, int q) const { return ((k * stages_ + stage) * micro_batches_ + m) * slices_ + q; }
  void wait(int n, int on) { waits_[at(n)].push_back(on), frees_[at(on)].push_back(n); }

  /// Everything of one stage, micro-batch and slice, and what it waits for.
  void want_all(int stage, int m, int q, bool is_program) {
    const int here = rank_[spot(m, stage)], before = before_[spot(m, stage)], behind = behind_[spot(m, stage)];
    const bool up = is_program && behind >= 0 && rank_[spot(m, behind)] != here;
    const bool down = is_program && before >= 0 && rank_[spot(m, before)] != here;
    const auto of = [&](what k) { return id(k, stage, m, q); };
    const auto want = [&](what k) { wanted_on_[at(of(k))] = here, ++wanted_; };
    want(forward);
    if (before >= 0) wait(of(forward), id(forward, before, m, q));
    if (q > 0) wait(of(forward), id(forward, stage, m, q - 1));
    if (up) want(send_forward), wait(of(send_forward), of(forward));
    if (down) want(receive_forward), wait(of(forward), of(receive_forward)), wait(of(forward), id(send_forward, before, m, q));
    if (!trains_) return;
    want(input), want(weight);
    wait(of(input), of(forward)), wait(of(weight), of(input));
    if (behind >= 0) wait(of(input), id(input, behind, m, q));
    if (q + 1 < slices_) wait(of(input), id(input, stage, m, q + 1));
    if (down) want(send_backward), wait(of(send_backward), of(input));
    if (up) want(receive_backward), wait(of(input), of(receive_backward)), wait(of(input), id(send_backward, behind, m, q));
  }

  template <class Visit>
  void each_node(int n, Visit&& visit) const {
    if (n / each() != both) return visit(n);
    visit(n - (both - input) * each());
    visit(n - (both - weight) * each());
  }

  /// What starts as one: an entry, or a pair.
  void lay_knots(const numbered& rows) {
    knot_.resize(waits_.size()), line_.assign(waits_.size(), -1);
    begin_.clear(), nodes_.clear(), next_.clear(), first_.clear();
    int lines = 0;
    for (const auto& row : rows)
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (i == 0 || !row[i - 1].with_next) {
          if (i > 0) next_.back() = static_cast<int>(next_.size());
          begin_.push_back(static_cast<int>(nodes_.size()));
          next_.push_back(-1);
          first_.push_back(i == 0);
        }
        each_node(row[i].what, [&](int n) {
          knot_[at(n)] = static_cast<int>(next_.size()) - 1;
          line_[at(n)] = lines;
          nodes_.push_back(n);
        });
        ++lines;
      }
    begin_.push_back(static_cast<int>(nodes_.size()));
  }

  int number(const stretto::action& a, const stretto::graph& g) const {
    if (a.stage < 0 || a.stage >= stages_ || a.micro_batch < 0 || a.micro_batch >= micro_batches_ || a.slice >= slices_) return -1;
    const auto of = [&](what k) { return id(k, a.stage, a.micro_batch, a.slice); };
    if (!a.is_message()) {
      if (a.pass == stretto::pass::forward) return of(forward);
      if (!trains_) return -1;
      if (a.pass == stretto::pass::backward_input) return of(input);
      if (a.pass == stretto::pass::backward_weight) return of(weight);
      return a.pass == stretto::pass::backward ? of(both) : -1;
    }
    if (a.pass >= g.edge_count) return -1;
    const bool send = a.kind == stretto::role::send, f = g.edges[a.pass].message == stretto::label("F");
    if (!f && !(g.edges[a.pass].message == stretto::label("B"))) return -1;
    if (a.peer < 0 || a.peer != (send == f ? behind_ : before_)[spot(a.micro_batch, a.stage)]) return -1;
    return of(f ? (send ? send_forward : receive_forward) : (send ? send_backward : receive_backward));
  }

  int ranks_, stages_, micro_batches_, slices_;
  bool trains_;
  std::size_t wanted_ = 0;
  std::vector<int> rank_, before_, behind_;  // by micro-batch and stage: its rank, the stages before and behind; -1 for none
  std::vector<int> wanted_on_;               // rank, -1 where not wanted
  std::vector<std::vector<int>> waits_, frees_;
  // Scratch of runs(): by node its knot and its entry; by knot its first node, the knot behind it, whether it is a list's first.
  std::vector<int> knot_, line_, begin_, nodes_, next_, missing_, free_;
  std::vector<char> first_;
  std::vector<std::vector<int>> sent_, received_;  // scratch of pairs_up(): by ranks from and to, the sends' numbers
};

}  // namespace sweep
