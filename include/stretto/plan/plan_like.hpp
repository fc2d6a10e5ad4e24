// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan made from another: the same graph, sizes, routes and groups, and lists of its own.
//
//     plan q = plan_like(p);                              everything but the lists
//     plan q = copied(p);                                 the lists, too
//     plan q = rewritten(p, [](int rank, view<const action> list, auto&& put) { … put(a) … });
// Cost: a copy of the tables, and of what is put.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/plan.hpp>

namespace stretto::inline v0 {

namespace detail {

/// Throws stretto::error where a graph has a pass of that name, which is to be added to it.
constexpr void must_be_free(const graph& g, const char* name) {
  if (g.find(name) >= 0) throw error(text("stretto: the plan has a pass ", name, " already, and one is to be added; leave that to one of the two").str());
}

/// Throws stretto::error with the check's words for a plan that was never made, or was moved from.
constexpr void must_be_made(const plan_view& p) {
  if (p.ranks < 1 || p.passes == nullptr) throw error("stretto: no plan: it was never made, or was moved from; make it with make_plan");
}

/// How many integers hold a plan's routes, the route of each micro-batch, and its groups.
constexpr std::int64_t table_ints(const plan_view& p) {
  const std::int64_t routes = p.routes * route_view::size(p.stages) + (p.routes > 1 ? p.micro_batches : 0);
  return p.groups > 0 ? routes + p.groups + 1 + p.group_ints[p.groups] : routes;
}

/// The pass of that name that stages do for each slice, as lower adds them; -1 where there is none.
constexpr int find_added(const graph& g, const char* name) {
  const int k = g.find(name);
  return k >= 0 && g.passes[k].by == scope::stage && g.passes[k].per == share::slice ? k : -1;
}

}  // namespace detail

/// All of a plan but its lists, and not `lowered`, which is for the lists to say.
constexpr plan plan_like(const plan_view& p) {
  plan out;
  out.passes = *p.passes;
  out.ranks = p.ranks;
  out.stages = p.stages;
  out.micro_batches = p.micro_batches;
  out.slices = p.slices;
  out.name = p.name;
  out.routes = p.routes;
  out.groups = p.groups;
  const std::int64_t ints = detail::table_ints(p);
  out.ints = heap_array<std::int32_t>(ints);
  for (std::int64_t i = 0; i < ints; ++i) out.ints[i] = p.route_ints[i];
  return out;
}

/// The plan with what write(rank, list, put) puts as the list of each rank.
template <class Write>
constexpr plan rewritten(const plan_view& p, Write&& write) {
  plan out = plan_like(p);
  out.rows = heap_array<std::int64_t>(p.ranks + 1, 0);
  grow_array<action> all;
  for (int r = 0; r < p.ranks; ++r) {
    write(r, p.order(r), [&](const action& a) { all.push_back(a); });
    out.rows[r + 1] = all.size();
  }
  out.actions = heap_array<action>(all.size());
  for (std::int64_t i = 0; i < all.size(); ++i) out.actions[i] = all[i];
  return out;
}

/// A plan of one's own, of what a view shows.
constexpr plan copied(const plan_view& p) {
  plan out = plan_like(p);
  out.rows = heap_array<std::int64_t>(p.ranks + 1);
  out.actions = heap_array<action>(p.actions.count);
  for (int r = 0; r <= p.ranks; ++r) out.rows[r] = p.rows[r];
  for (std::int64_t i = 0; i < p.actions.count; ++i) out.actions[i] = p.actions[i];
  return out;
}

namespace detail {

/// How many entries run as one from `i` on: a pair is two.
constexpr int unit_at(const view<const action>& list, std::int64_t i) {
  return list[i].kind == role::run_with_next && i + 1 < list.count ? 2 : 1;
}

}  // namespace detail

}  // namespace stretto::inline v0
