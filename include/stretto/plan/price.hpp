// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What an entry of a plan's lists costs, from the general price of its pass, those of its rank, stage and slice, what was
// measured, and noise.
//
//     price_list price(p, costs);      price.of(step, rank, index, a, 2)          of an overlapped pair
// Cost: a load an entry where costs are general; O((ranks + stages) × passes × slices) memory where some are of one slice.
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/costs.hpp>
#include <stretto/plan/plan.hpp>

namespace stretto::inline v0::detail {

/// How many stages of a route each rank has at most, at least 1: what its share of a micro-batch is divided by.
constexpr heap_array<std::int32_t> divisors(const plan_view& p) {
  heap_array<std::int32_t> most(p.ranks, 1);
  for (int i = 0; i < p.routes; ++i) {
    heap_array<std::int32_t> here(p.ranks, 0);
    for (int stage = 0; stage < p.stages; ++stage)
      if (const int r = p.route(i).rank_of(stage); r >= 0 && ++here[r] > most[r]) most[r] = here[r];
  }
  return most;
}

class price_list {
 public:
  constexpr price_list(const plan_view& plan, const costs& prices, const heap_array<std::int32_t>& chunks)
      : p(plan), divisor(chunks), noise(prices.noise), overlapped(prices.overlapped), entries{prices.entries.data(), prices.entries.size()} {
    const graph& g = *p.passes;
    check_numbers(prices);
    for (int k = 0; k < g.pass_count; ++k) {
      general[k] = prices.pass[k];
      for (int c = 0; c < g.pass_count; ++c)
        if (g.has(k) && (g.cover(static_cast<pass_id>(k)) >> c & 1) != 0) whole[k] += prices.pass[c];
    }
    noisy = noise.any();
    plain = entries.count == 0 && prices.specials.empty() && prices.factors.empty() && !noisy;
    if (!prices.factors.empty()) times = heap_array<double>(static_cast<std::int64_t>(p.ranks) + p.stages, 1.0);
    for (const auto& one : prices.factors) {
      const bool rank = one.of == scope::rank;
      if (one.index < 0 || one.index >= (rank ? p.ranks : p.stages))
        throw error(text("stretto: a factor of costs is given for ", rank ? "rank " : "stage ", one.index, ", which the plan doesn't have; it has ", p.ranks, " ranks and ", p.stages, " stages").str());
      times[one.index + (rank ? 0 : p.ranks)] *= one.times;
    }
    if (prices.specials.empty()) return;
    for (const auto& one : prices.specials) slices = one.slice >= 0 ? p.slices + 1 : slices;  // the last one stands for all
    special = heap_array<double>((static_cast<std::int64_t>(p.ranks) + p.stages) * graph::max_passes * slices, -1.0);
    for (const auto& one : prices.specials) {
      const bool rank = one.of == scope::rank;
      if (g.has(one.pass) && !g.is_node(one.pass) && g.passes[one.pass].how_often != stretto::times::any)
        throw error(text("stretto: a cost is given for ", rank ? "rank " : "stage ", one.index, ", pass ", g.passes[one.pass].name, ", which does several others; give the costs of those, which it adds up").str());
      if (one.index < 0 || one.index >= (rank ? p.ranks : p.stages) || !g.has(one.pass))
        throw error(text("stretto: a cost is given for ", rank ? "rank " : "stage ", one.index, ", pass ",
                         g.has(one.pass) ? g.passes[one.pass].name : label("?"), ", which the plan doesn't have; it has ", p.ranks, " ranks and ", p.stages, " stages").str());
      if (one.slice < -1 || one.slice >= p.slices)
        throw error(text("stretto: a cost is given for slice ", one.slice, " of ", rank ? "rank " : "stage ", one.index, ", and the plan's micro-batches have slices 0 to ", p.slices - 1, "; give one of those").str());
      special[at(rank, one.index, one.pass, one.slice < 0 ? slices - 1 : one.slice)] = one.cost;
    }
  }

  /// Of an entry, or of a pair of which it is the first.
  constexpr double of(std::int64_t step, int rank, std::int64_t index, const action* a, int count) {
    if (plain && count == 1) return general_price(rank, a->pass);
    double sum = 0, longest = 0;
    for (int i = 0; i < count; ++i) {
      const std::int64_t entry = p.rows[rank] + index + i;
      double one = entries.count == 0 ? price_of(rank, a[i]) : entries[(entries.count > p.actions.count ? step * p.actions.count : 0) + entry];
      if (noisy) one *= noise.factor(step, rank, index + i);
      sum += one;
      longest = one > longest ? one : longest;
    }
    if (count == 1 || entries.count != 0) return sum;  // of a pair that was measured, each entry has its share
    return overlapped * sum > longest ? overlapped * sum : longest;
  }

 private:
  constexpr void check_numbers(const costs& prices) const {
    constexpr double most = 1e300;
    bool fit = prices.latency >= 0 && prices.latency <= most;
    for (int k = 0; k < p.passes->pass_count; ++k) fit = fit && prices.pass[k] >= 0 && prices.pass[k] <= most;
    for (const auto& one : prices.specials) fit = fit && one.cost >= 0 && one.cost <= most;
    for (const auto& one : prices.factors) fit = fit && one.times >= 0 && one.times <= 1e9;
    for (double cost : entries) fit = fit && cost >= 0 && cost <= most;
    if (!fit) throw error("stretto: a cost or the latency is not a number from 0 to 1e300; give numbers in that range");
    if (!(prices.overlapped >= 0 && prices.overlapped <= 1))
      throw error("stretto: the share that an overlapped pair takes is not a number from 0 to 1; give one in that range");
    if (!noise.well_said())
      throw error("stretto: the noise of costs is out of range; give a jitter from 0 to 1, a share of slow steps from 0 to 1 and a factor above 0");
  }

  constexpr std::int64_t at(bool rank, int index, int pass, int slice) const {
    return ((static_cast<std::int64_t>(index) + (rank ? 0 : p.ranks)) * graph::max_passes + pass) * slices + slice;
  }

  constexpr double general_price(int rank, pass_id k) {
    if (priced_of != rank) {
      priced_of = rank;
      for (int i = 0; i < p.passes->pass_count; ++i) {
        const pass_kind& kind = p.passes->passes[i];
        priced[i] = whole[i] / ((kind.by == scope::rank ? 1 : divisor[rank]) * (kind.per == share::slice ? p.slices : 1));
      }
    }
    return priced[k];
  }

  constexpr double price_of(int rank, const action& a) {
    const bool on_rank = p.passes->passes[a.pass].by == scope::rank;
    return special_price(rank, a) * (times.size() == 0 ? 1.0 : times[rank] * (on_rank ? 1.0 : times[p.ranks + a.stage]));
  }

  constexpr double special_price(int rank, const action& a) {
    if (special.size() == 0) return general_price(rank, a.pass);
    const pass_kind& kind = p.passes->passes[a.pass];
    const double parts = kind.per == share::slice ? p.slices : 1, chunks = kind.by == scope::rank ? 1 : divisor[rank];
    const int slice = kind.per == share::slice && slices > 1 ? a.slice : slices - 1;
    double sum = 0;
    for (int k = 0; k < p.passes->pass_count; ++k) {
      if ((p.passes->cover(a.pass) >> k & 1) == 0) continue;
      const double stage_slice = kind.by == scope::rank ? -1 : special[at(false, a.stage, k, slice)];
      const double stage_all = kind.by == scope::rank ? -1 : special[at(false, a.stage, k, slices - 1)];
      const double rank_slice = special[at(true, rank, k, slice)], rank_all = special[at(true, rank, k, slices - 1)];
      const bool whole_slice = slice == slices - 1;  // no slice of its own
      if (stage_slice >= 0 && !whole_slice) sum += stage_slice;
      else if (stage_all >= 0) sum += stage_all / parts;
      else if (rank_slice >= 0 && !whole_slice) sum += rank_slice / chunks;
      else sum += (rank_all >= 0 ? rank_all : general[k]) / (chunks * parts);
    }
    return sum;
  }

  const plan_view& p;
  const heap_array<std::int32_t>& divisor;
  disturbance noise;
  double overlapped;
  view<const double> entries;  // what each entry costs, where that is known
  heap_array<double> special;  // by rank, then stage; pass; slice
  heap_array<double> times;    // by rank, then stage: what all is multiplied by
  int slices = 1;
  bool plain = true, noisy = false;
  double general[graph::max_passes] = {}, whole[graph::max_passes] = {};  // whole: with what it covers
  double priced[graph::max_passes] = {};  // of the rank looked at last
  int priced_of = -1;
};

}  // namespace stretto::inline v0::detail
