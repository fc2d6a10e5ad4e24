// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the ranks tell each other at the end of a step: losses by micro-batch, sums of squares by parameter, and the
// gradients of tied parameters. Whoever reads it adds in the order of micro-batches, parameters and layers, never in the
// order of arrival, so every rank, and every number of ranks, gets the same bits.
//
//     losses   l0 l1 l2 …         loss = (l0 + l1 + …) / normalizer
//     squares  s0 s1 s2 …         norm = sqrt(s0 + s1 + …); a tied parameter counts once, where its first use is
// Cost: 8 bytes a parameter and a micro-batch, and 8 bytes an element of tied ones, for each of `depth` steps.
#pragma once

#include <cmath>
#include <vector>

#include <stretto/stage/parameters.hpp>

namespace stretto::inline v0::detail {

struct step_board {
  double normalizer = 1;
  std::vector<double> losses;               // by micro-batch and slice
  std::vector<double> squares;              // by parameter
  std::vector<std::vector<double>> shares;  // by parameter: the gradient of one use of a tied one

  static constexpr std::int64_t depth = 8;  ///< steps that may be under way, or not yet asked for their loss

  void make(std::size_t boxes, const std::vector<parameter>& all) {
    losses.assign(boxes, 0.0);
    squares.assign(all.size(), 0.0);
    shares.resize(all.size());
    for (std::size_t i = 0; i < all.size(); ++i)
      if (!all[i].tie.empty()) shares[i].assign(static_cast<std::size_t>(all[i].count), 0.0);
  }

  /// Notes what a rank knows of parameter i.
  void note(const parameter& p, std::size_t i) {
    if (p.gradient == nullptr) return;
    double sum = 0;
    for (std::int64_t k = 0; k < p.count; ++k) {
      const double g = p.type == number_type::float32 ? static_cast<double>(static_cast<const float*>(p.gradient)[k]) : static_cast<const double*>(p.gradient)[k];
      sum += g * g;
      if (!p.tie.empty()) shares[i][static_cast<std::size_t>(k)] = g;
    }
    squares[i] = sum;
  }

  double loss() const {
    double sum = 0;
    for (double l : losses) sum += l;
    return sum / normalizer;
  }

  /// Element k of a tied parameter's gradient: all uses, in the order of the layers.
  double tied_sum(const std::vector<parameter>& all, const label& tie, std::size_t k) const {
    double sum = 0;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].tie == tie) sum += shares[i][k];
    return sum;
  }

  /// The norm of all gradients together.
  double norm(const std::vector<parameter>& all) const {
    double sum = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const parameter& p = all[i];
      if (p.gradient == nullptr) continue;
      if (p.tie.empty()) {
        sum += squares[i];
        continue;
      }
      std::size_t first = 0;
      while (!(all[first].tie == p.tie)) ++first;
      for (std::size_t k = 0; first == i && k < static_cast<std::size_t>(p.count); ++k) {
        const double g = tied_sum(all, p.tie, k);
        sum += g * g;
      }
    }
    return std::sqrt(sum);
  }
};

}  // namespace stretto::inline v0::detail
