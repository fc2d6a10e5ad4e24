// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A draft: a plan written down by hand, or read from a file. It is a schedule whose order is data.
//
//     draft d;
//     d.order_of = {{action::forward(0, 0), action::backward(0, 0)},       rank 0
//                   {action::forward(1, 0), action::backward(1, 0)}};      rank 1
//     plan p = make_plan(d);
// Stages, micro-batches and slices are one more than the largest named; a stage belongs to the first rank that names it,
// and every micro-batch passes all stages, unless routes say otherwise. What is wrong with it, check says.
#pragma once

#include <cstdint>
#include <vector>

#include <stretto/plan/make_plan.hpp>
#include <stretto/plan/plan.hpp>

namespace stretto::inline v0 {

struct draft {
  static constexpr const char* name = "table";
  static constexpr const char* summary = "an order that is written down";
  static constexpr const char* needs = "its own sizes";

  graph kinds = training();
  std::vector<std::vector<action>> order_of;  ///< by rank
  std::vector<std::vector<hop>> hops_of;      ///< by route; empty: one route, every stage in turn
  std::vector<int> route_index;               ///< by micro-batch; empty: all make the first route
  std::vector<std::vector<int>> members_of;   ///< by group
  int stage_count = 0;                        ///< 0: as many as are named
  int micro_batch_count = 0;                  ///< likewise
  int slice_count = 0;                        ///< likewise

  /// The sizes, with those left at 0 taken from the lists.
  constexpr sizes own_sizes() const {
    constexpr int most = 2147483647;  // what has no successor is out of range
    sizes z{static_cast<int>(order_of.size()), micro_batch_count, 1, slice_count};
    for (const auto& list : order_of)
      for (const action& a : list) {
        if (micro_batch_count == 0 && a.micro_batch >= z.micro_batches && a.micro_batch < most) z.micro_batches = a.micro_batch + 1;
        if (slice_count == 0 && a.slice >= z.slices) z.slices = a.slice + 1;
      }
    if (z.micro_batches < 1) z.micro_batches = 1;
    if (z.slices < 1) z.slices = 1;
    return z;
  }

  constexpr refusal refuses(const sizes& z) const {
    const sizes own = own_sizes();
    if (z.ranks != own.ranks) return {"a table is for the ranks that it has", size_name::ranks, z.ranks, own.ranks, -1};
    if (z.micro_batches != own.micro_batches)
      return {"a table is for the micro-batches that it has", size_name::micro_batches, z.micro_batches, own.micro_batches, -1};
    if (z.slices != own.slices) return {"a table is for the slices that it has", size_name::slices, z.slices, own.slices, -1};
    return {};
  }

  constexpr graph passes(const sizes&) const { return kinds; }

  constexpr int stages(const sizes&) const {
    int count = stage_count;
    for (const auto& route : hops_of)
      for (const hop& h : route) count = stage_count == 0 && h.stage >= count && h.stage < 2147483647 ? h.stage + 1 : count;
    if (count > 0) return count;
    for (const auto& list : order_of)
      for (const action& a : list)
        if (lives_on_stage(a) && a.stage >= count && a.stage < 2147483647) count = a.stage + 1;
    return count > 0 ? count : 1;
  }

  constexpr int routes(const sizes&) const { return hops_of.empty() ? 1 : static_cast<int>(hops_of.size()); }

  constexpr int route_of(const sizes&, int micro_batch) const {
    const auto m = static_cast<unsigned long>(micro_batch);
    return m < route_index.size() ? route_index[m] : 0;
  }

  constexpr void route(const sizes& z, int index, auto&& put) const {
    if (!hops_of.empty()) {
      for (const hop& h : hops_of[static_cast<unsigned long>(index)]) put(h);
      return;
    }
    const int count = stages(z);
    heap_array<int> owner(count, -1);
    for (int r = 0; r < static_cast<int>(order_of.size()); ++r)
      for (const action& a : order_of[static_cast<unsigned long>(r)])
        if (lives_on_stage(a) && a.stage >= 0 && a.stage < count && owner[a.stage] < 0) owner[a.stage] = r;
    for (int s = 0; s < count; ++s) put(hop{s, owner[s] < 0 ? s % z.ranks : owner[s]});  // named by nobody: check will say so
  }

  constexpr int groups(const sizes&) const { return static_cast<int>(members_of.size()); }
  constexpr void group(const sizes&, int index, auto&& put) const {
    for (int r : members_of[static_cast<unsigned long>(index)]) put(r);
  }

  constexpr void order(const sizes&, int rank, auto&& put) const {
    for (const action& a : order_of[static_cast<unsigned long>(rank)]) put(a);
  }

 private:
  constexpr bool lives_on_stage(const action& a) const {
    return !a.is_message() && kinds.has(a.pass) && kinds.passes[a.pass].by == scope::stage;
  }
};

}  // namespace stretto::inline v0
