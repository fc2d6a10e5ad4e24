// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The parameters of all ranks, and what ranks tell each other of them at the end of a step: losses by micro-batch, sums of
// squares by parameter, gradients of tied parameters. Whoever reads adds in the order of micro-batches, layers and
// parameters, never in the order of arrival, so every rank, and every number of ranks, gets the same bits.
//
//     a rank's segment   losses l0 l1 l2 …   squares s0 s1 …   shares of tied gradients
//     loss = (l0 + l1 + …) / normalizer      norm = sqrt(s0 + s1 + …); a tied parameter counts once, where its first use is
// A stage with several owners has its parameters on each of them: those are tied, too. Cost: 8 bytes a parameter and a
// micro-batch, and 8 bytes an element of tied ones, for each of the steps that are kept.
#pragma once

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
    for (std::size_t i = 1; i < cards.size(); ++i)  // by layer, then rank, then as the layer names them
      for (std::size_t k = i; k > 0 && before(cards[k], cards[k - 1]); --k) std::swap(cards[k], cards[k - 1]);
    rows_.clear(), uses_.clear();
    squares_.assign(static_cast<std::size_t>(ranks), 0);
    doubles_.assign(static_cast<std::size_t>(ranks), 0);
    for (const parameter_card& c : cards) {
      row r{c, -1, squares_[static_cast<std::size_t>(c.rank)]++, -1};
      for (std::size_t k = 0; k < rows_.size() && r.first < 0; ++k) {
        const parameter_card& o = rows_[k].what;
        const bool owner = o.layer == c.layer && o.rank != c.rank && std::strcmp(o.name, c.name) == 0;
        if (!owner && (c.tie.empty() || !(o.tie == c.tie))) continue;
        if (o.count != c.count || o.type != c.type || o.trained != c.trained)
          throw error(text("stretto: parameters ", o.name, " and ", c.name, " are tied as '", c.tie.empty() ? label("one stage") : c.tie,
                           "' and differ in size or type; make them alike").str());
        r.first = rows_[k].first < 0 ? static_cast<int>(k) : rows_[k].first;
        uses_[static_cast<std::size_t>(r.first)].push_back(static_cast<int>(rows_.size()));
      }
      uses_.push_back({static_cast<int>(rows_.size())});
      rows_.push_back(r);
    }
    for (std::size_t i = 0; i < rows_.size(); ++i)
      if (row& r = rows_[i]; r.what.trained && is_tied(static_cast<int>(i))) {
        std::int64_t& end = doubles_[static_cast<std::size_t>(r.what.rank)];
        r.share = end;
        end += r.what.count;
      }
  }

  bool any_tied() const {
    for (int i = 0; i < count(); ++i)
      if (is_tied(i)) return true;
    return false;
  }

  /// Doubles in a rank's segment behind the losses.
  std::int64_t size(int rank) const { return squares_[static_cast<std::size_t>(rank)] + doubles_[static_cast<std::size_t>(rank)]; }

  /// The row of a rank's parameter.
  int find(int rank, int index) const {
    for (std::size_t i = 0; i < rows_.size(); ++i)
      if (rows_[i].what.rank == rank && rows_[i].what.index == index) return static_cast<int>(i);
    return -1;
  }

  bool is_tied(int i) const { return first_use(i) != i || uses_[static_cast<std::size_t>(i)].size() > 1; }
  int first_use(int i) const { return rows_[static_cast<std::size_t>(i)].first < 0 ? i : rows_[static_cast<std::size_t>(i)].first; }
  const parameter_card& what(int i) const { return rows_[static_cast<std::size_t>(i)].what; }
  int count() const { return static_cast<int>(rows_.size()); }

  /// Where the shares of a tied parameter begin in its rank's segment, behind the losses.
  std::int64_t share_at(int i) const {
    const row& r = rows_[static_cast<std::size_t>(i)];
    return r.share < 0 ? -1 : squares_[static_cast<std::size_t>(r.what.rank)] + r.share;
  }

  /// Notes what a rank knows of a parameter; `segment` begins behind the losses.
  void note(int i, const parameter& p, double* segment) const {
    const row& r = rows_[static_cast<std::size_t>(i)];
    if (p.gradient == nullptr) return;
    double* const share = r.share < 0 ? nullptr : segment + share_at(i);
    segment[r.square] = p.type == number_type::float32 ? sum(static_cast<const float*>(p.gradient), p.count, share)
                                                      : sum(static_cast<const double*>(p.gradient), p.count, share);
  }

  /// The norm of all gradients together; of(rank) is that rank's segment behind the losses.
  template <class Of>
  double norm(Of&& of) const {
    double total = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const row& r = rows_[i];
      if (!r.what.trained || r.first >= 0) continue;
      if (!is_tied(static_cast<int>(i))) {
        total += of(r.what.rank)[r.square];
        continue;
      }
      double own = 0;
      for (std::int64_t k = 0; k < r.what.count; ++k) {
        const double g = tied_sum(static_cast<int>(i), k, of);
        own += g * g;
      }
      total += own;
    }
    return std::sqrt(total);
  }

  /// Element k of a tied parameter's gradient: all uses, in the order of the layers. `i` is the first use.
  template <class Of>
  double tied_sum(int i, std::int64_t k, Of&& of) const {
    double total = 0;
    for (int j : uses_[static_cast<std::size_t>(i)]) total += of(what(j).rank)[share_at(j) + k];
    return total;
  }

 private:
  struct row {
    parameter_card what;
    int first;           // the row of the first use; -1 where it is that itself
    std::int64_t square;  // in its rank's segment
    std::int64_t share;
  };
  static bool before(const parameter_card& a, const parameter_card& b) {
    if (a.layer != b.layer) return a.layer < b.layer;
    if (a.rank != b.rank) return a.rank < b.rank;
    return a.index < b.index;
  }
  template <class T>
  static double sum(const T* g, std::int64_t n, double* share) {
    double total = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      const double one = static_cast<double>(g[k]);
      total += one * one;
      if (share != nullptr) share[k] = one;
    }
    return total;
  }

  std::vector<row> rows_;
  std::vector<std::vector<int>> uses_;  // by row: itself and those that are tied to it, in order
  std::vector<std::int64_t> squares_, doubles_;  // by rank: how many squares, and elements of tied ones
};

}  // namespace stretto::inline v0::detail
