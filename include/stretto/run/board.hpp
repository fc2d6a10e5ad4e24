// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The parameters of all ranks, and what ranks tell each other of them at the end of a step: losses by micro-batch, sums of
// squares by parameter, gradients of tied parameters. Whoever reads adds in the order of micro-batches, layers and
// parameters, never in the order of arrival, so every rank, and every number of ranks, gets the same bits.
//
//     a rank's segment   losses l0 l1 l2 …   squares s0 s1 …          of each step that is kept
//     another            gradients of tied parameters, as they are     of two updates: whoever is at the next has read the last
//     loss = (l0 + l1 + …) / normalizer      norm = sqrt(s0 + s1 + …); a tied parameter counts once, where its first use is
// A stage with several owners has its parameters on each of them: those are tied, too. Cost: 8 bytes a parameter and a
// micro-batch for each of the steps that are kept, and two copies of the gradients of tied ones.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/stage/parameters.hpp>

namespace stretto::inline v0::detail {

/// A parameter as ranks tell each other of it.
struct parameter_card {
  char name[96] = {};
  label tie{};
  std::int32_t layer = 0, rank = 0, index = 0;  ///< index: among those of its rank
  number_type type = number_type::float32;
  bool trained = true;
  std::int64_t count = 0;
};

inline constexpr int kept_shares = 2;  // updates whose shares of tied gradients are kept

class parameter_board {
 public:
  static parameter_card card(const parameter& p, int rank, int index) {
    parameter_card c;
    const auto name = p.name.str();
    std::memcpy(c.name, name.data(), name.size() < 95 ? name.size() : 95);
    c.tie = p.tie;
    c.layer = p.layer, c.rank = rank, c.index = index;
    c.type = p.type, c.trained = p.gradient != nullptr, c.count = p.count;
    return c;
  }

  /// All cards, of all ranks. Throws stretto::error for ties that don't fit.
  void make(std::vector<parameter_card> cards, int ranks) {
    std::stable_sort(cards.begin(), cards.end(), before);  // by layer, then rank, then as the layer names them
    rows_.clear(), uses_.clear();
    squares_.assign(static_cast<std::size_t>(ranks), 0);
    shares_.assign(static_cast<std::size_t>(ranks), 0);
    by_rank_.assign(static_cast<std::size_t>(ranks), {});
    std::vector<int> tied;                        // rows that are the first of their tie
    std::size_t of_layer = 0, of_rank = 0;        // where the rows of this layer, and of this rank's, begin
    for (const parameter_card& c : cards) {
      const std::size_t here = rows_.size();
      row r{c, -1, squares_[static_cast<std::size_t>(c.rank)]++, -1};
      const bool other_layer = here == 0 || rows_[here - 1].what.layer != c.layer;
      if (other_layer) of_layer = here;
      if (other_layer || rows_[here - 1].what.rank != c.rank) of_rank = here;
      int k = of_rank != of_layer ? static_cast<int>(of_layer + here - of_rank) : -1;  // the first owner's
      for (std::size_t t = 0; t < tied.size() && k < 0 && !c.tie.empty(); ++t)
        if (rows_[static_cast<std::size_t>(tied[t])].what.tie == c.tie) k = tied[t];
      if (k >= 0) {
        const parameter_card& o = rows_[static_cast<std::size_t>(k)].what;
        if (o.count != c.count || o.type != c.type || o.trained != c.trained)
          throw error(text("stretto: parameters ", o.name, " and ", c.name, " are tied as '", c.tie.empty() ? label("one stage") : c.tie,
                           "' and differ in size or type; make them alike").str());
        r.first = rows_[static_cast<std::size_t>(k)].first < 0 ? k : rows_[static_cast<std::size_t>(k)].first;
        uses_[static_cast<std::size_t>(r.first)].push_back(static_cast<int>(here));
      } else if (!c.tie.empty()) {
        tied.push_back(static_cast<int>(here));
      }
      auto& mine = by_rank_[static_cast<std::size_t>(c.rank)];
      if (mine.size() <= static_cast<std::size_t>(c.index)) mine.resize(static_cast<std::size_t>(c.index) + 1, -1);
      mine[static_cast<std::size_t>(c.index)] = static_cast<int>(here);
      uses_.push_back({static_cast<int>(here)});
      rows_.push_back(r);
    }
    for (std::size_t i = 0; i < rows_.size(); ++i)
      if (row& r = rows_[i]; r.what.trained && is_tied(static_cast<int>(i))) {
        std::int64_t& end = shares_[static_cast<std::size_t>(r.what.rank)];
        r.share = end;
        end += (r.what.count * (r.what.type == number_type::float32 ? 4 : 8) + 7) / 8 * 8;
      }
  }

  bool any_tied() const {
    for (int i = 0; i < count(); ++i)
      if (is_tied(i)) return true;
    return false;
  }

  /// Doubles in a rank's segment behind the losses, and the most bytes of tied gradients that a rank has.
  std::int64_t size(int rank) const { return squares_[static_cast<std::size_t>(rank)]; }

  std::int64_t share_bytes(int rank) const { return shares_[static_cast<std::size_t>(rank)]; }
  std::int64_t most_share_bytes() const {
    std::int64_t most = 0;
    for (const std::int64_t bytes : shares_) most = bytes > most ? bytes : most;
    return most;
  }

  /// The row of a rank's parameter.
  int find(int rank, int index) const {
    const auto& all = by_rank_[static_cast<std::size_t>(rank)];
    return index < static_cast<int>(all.size()) ? all[static_cast<std::size_t>(index)] : -1;
  }

  bool is_tied(int i) const { return first_use(i) != i || uses_[static_cast<std::size_t>(i)].size() > 1; }
  int first_use(int i) const { return rows_[static_cast<std::size_t>(i)].first < 0 ? i : rows_[static_cast<std::size_t>(i)].first; }
  /// All uses of a tied parameter, in the order of the layers; `first` is the first of them.
  const std::vector<int>& uses(int first) const { return uses_[static_cast<std::size_t>(first)]; }
  /// The first uses of tied parameters that are trained.
  std::vector<int> trained_ties() const {
    std::vector<int> firsts;
    for (int i = 0; i < count(); ++i)
      if (what(i).trained && is_tied(i) && first_use(i) == i) firsts.push_back(i);
    return firsts;
  }
  const parameter_card& what(int i) const { return rows_[static_cast<std::size_t>(i)].what; }
  int count() const { return static_cast<int>(rows_.size()); }

  /// Where a row's squares stand in its rank's segment, and its gradient in the other one, in bytes; -1: it isn't tied.
  std::int64_t square_of(int i) const { return rows_[static_cast<std::size_t>(i)].square; }
  std::int64_t share_of(int i) const { return rows_[static_cast<std::size_t>(i)].share; }

  /// Notes what a rank knows of a parameter; `segment` begins behind the losses, `shares` is that of tied gradients.
  void note(int i, const parameter& p, double* segment, unsigned char* shares) const {
    const row& r = rows_[static_cast<std::size_t>(i)];
    if (p.gradient == nullptr) return;
    const bool narrow = p.type == number_type::float32;
    segment[r.square] = narrow ? sum(static_cast<const float*>(p.gradient), p.count) : sum(static_cast<const double*>(p.gradient), p.count);
    if (r.share >= 0) std::memcpy(shares + r.share, p.gradient, static_cast<std::size_t>(p.count) * (narrow ? 4 : 8));
  }

  /// The norm of all gradients together; of(rank) is that rank's segment behind the losses, tied(i) the sum of the squares of
  /// a tied parameter's gradient, whose first use is row i.
  template <class Of, class Tied>
  double norm(Of&& of, Tied&& tied) const {
    double total = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const row& r = rows_[i];
      if (!r.what.trained || r.first >= 0) continue;
      total += is_tied(static_cast<int>(i)) ? tied(static_cast<int>(i)) : of(r.what.rank)[r.square];
    }
    return std::sqrt(total);
  }
  template <class SharesOf>
  double tied_squares(int i, SharesOf&& shares_of) const {
    double own = 0;
    tied_sums(i, shares_of, [&](std::int64_t, const double* sums, std::int64_t n) {
      for (std::int64_t k = 0; k < n; ++k) own += sums[k] * sums[k];
    });
    return own;
  }

  /// The gradient of a tied parameter, as take(first, sums, count) of some elements at a time: all uses, in the order of the
  /// layers. `i` is the first use.
  template <class SharesOf, class Take>
  void tied_sums(int i, SharesOf&& shares_of, Take&& take) const {
    constexpr std::int64_t some = 256;
    const std::int64_t count = what(i).count;
    for (std::int64_t first = 0; first < count; first += some) {
      double sums[some] = {};
      const std::int64_t n = count - first < some ? count - first : some;
      for (int j : uses_[static_cast<std::size_t>(i)]) {
        const row& r = rows_[static_cast<std::size_t>(j)];
        const unsigned char* const at = shares_of(r.what.rank) + r.share;
        if (r.what.type == number_type::float32) add(reinterpret_cast<const float*>(at) + first, n, sums);
        else add(reinterpret_cast<const double*>(at) + first, n, sums);
      }
      take(first, sums, n);
    }
  }

 private:
  struct row {
    parameter_card what;
    int first;           // the row of the first use; -1 where it is that itself
    std::int64_t square;  // in its rank's segment
    std::int64_t share;   // where it begins in the other one, in bytes; -1: it isn't tied
  };
  static bool before(const parameter_card& a, const parameter_card& b) {
    if (a.layer != b.layer) return a.layer < b.layer;
    if (a.rank != b.rank) return a.rank < b.rank;
    return a.index < b.index;
  }
  template <class T>
  static void add(const T* g, std::int64_t n, double* sums) {
    for (std::int64_t k = 0; k < n; ++k) sums[k] += static_cast<double>(g[k]);
  }
  template <class T>
  static double sum(const T* g, std::int64_t n) {  // in eight columns, so that no addition waits for the one before
    double column[8] = {};
    const std::int64_t whole = n / 8 * 8;
    for (std::int64_t k = 0; k < whole; k += 8)
      for (int c = 0; c < 8; ++c) column[c] += static_cast<double>(g[k + c]) * static_cast<double>(g[k + c]);
    double total = 0;
    for (std::int64_t k = whole; k < n; ++k) total += static_cast<double>(g[k]) * static_cast<double>(g[k]);
    for (const double c : column) total += c;
    return total;
  }

  std::vector<row> rows_;
  std::vector<std::vector<int>> uses_;  // by row: itself and those that are tied to it, in order
  std::vector<std::vector<int>> by_rank_;  // rows by rank and index
  std::vector<std::int64_t> squares_, shares_;  // by rank: how many squares, and bytes of tied gradients
};

}  // namespace stretto::inline v0::detail
