// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the passes that lower adds cost and hold: the input of simulate for programs with recompute, offload or updates.
//
//     program q = lower(p, {.recompute = stage_choice::of({0}), .offload = {.stages = stage_choice::of({1})}});
//     simulate(q, lowered_costs(q, costs(1, 1, 1), 0.5, 0.5), lowered_holding(q, holding(1000, 0, 1000), 34));
//     F of a stage with R keeps 34 of 1000 and R takes the rest; OFFLOAD lets go what F keeps, and RELOAD takes it back
// Cost: O(entries).
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/costs.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/plan/plan_like.hpp>

namespace stretto::inline v0 {

/// The costs with R as dear as F on every rank and stage, copies of a whole share as said, and CUE for nothing.
constexpr costs lowered_costs(const plan_view& p, costs c, double copy_out = 1, double copy_in = 1) {
  detail::must_be_made(p);
  const graph& g = *p.passes;
  if (const int k = detail::find_added(g, "OFFLOAD"); k >= 0) c.pass[k] = copy_out;
  if (const int k = detail::find_added(g, "CUE"); k >= 0) c.pass[k] = 0;
  if (const int k = detail::find_added(g, "RELOAD"); k >= 0) c.pass[k] = copy_in;
  const int r = detail::find_added(g, "R");
  if (r < 0) return c;
  c.pass[r] = c.pass[pass::forward];
  const std::int64_t count = c.specials.size();
  for (std::int64_t i = 0; i < count; ++i) {
    costs::special one = c.specials[i];
    if (one.pass != pass::forward) continue;
    one.pass = static_cast<pass_id>(r);
    c.specials.push_back(one);
  }
  return c;
}

/// What the plan's passes hold where `of_order` is what those of its order do: a stage that isn't recomputed or offloaded
/// holds what it did. F of a recomputed stage keeps `kept`, and R takes the rest; OFFLOAD lets go what F of its stage keeps, and
/// RELOAD takes it; what I and W release, they release as before. Like a holding's general amounts, `kept` is of a rank's whole
/// share: a stage keeps kept / chunks. Throws stretto::error where that is no whole number, or more than there is.
constexpr holding lowered_holding(const plan_view& p, holding of_order = holding(), std::int64_t kept = 0) {
  detail::must_be_made(p);
  const graph& g = *p.passes;
  holding h = static_cast<holding&&>(of_order);
  const int remake = detail::find_added(g, "R"), offload = detail::find_added(g, "OFFLOAD"), reload = detail::find_added(g, "RELOAD");
  const std::int64_t general = h.pass[pass::forward];
  const auto refuse_kept = [&](std::int64_t whole, std::int64_t amount) {
    throw error(text("stretto: of an activation of ", whole, " a forward is to keep ", amount, "; give from 0 to the whole").str());
  };
  if (kept < 0) refuse_kept(general, kept);
  bool lets_go = !h.specials.empty();  // otherwise simulate lets a pass go what it took when it ends, and nothing is kept
  for (std::int64_t amount : h.pass) lets_go = lets_go || amount < 0;
  if (remake >= 0) h.pass[remake] = lets_go ? general - kept : general;
  if (!lets_go) return h;
  if (offload >= 0) h.pass[offload] = -general;
  if (reload >= 0) h.pass[reload] = general;

  heap_array<std::int32_t> chunks(p.stages, 0);  // of the rank that recomputes the stage; 0: it isn't recomputed
  for (int r = 0; remake >= 0 && r < p.ranks; ++r) {
    const int here = p.chunks(r);
    for (const action& a : p.order(r)) {
      if (a.is_message() || a.pass != remake || a.stage < 0 || a.stage >= p.stages || here == 0 || chunks[a.stage] == here) continue;
      if (kept % here != 0)
        throw error(text("stretto: a forward of stage ", a.stage, " is to keep ", kept, " of a rank's whole share, and rank ", r, " has ", here,
                         " stages to share it; give a multiple of ", here).str(), {.rank = r, .stage = a.stage});
      if (kept != 0 && chunks[a.stage] != 0)
        throw error(text("stretto: ranks of ", chunks[a.stage], " and of ", here, " stages do stage ", a.stage, ", so its forward can't keep ", kept,
                         " of a whole share on each alike; give 0").str(), {.rank = r, .stage = a.stage});
      chunks[a.stage] = here;
    }
  }
  heap_array<std::int64_t> own(p.stages, 0);
  heap_array<std::uint8_t> has_own(p.stages, std::uint8_t{0});
  for (const holding::special& one : h.specials)
    if (one.pass == pass::forward && one.stage >= 0 && one.stage < p.stages) own[one.stage] = one.amount, has_own[one.stage] = 1;
  for (int s = 0; s < p.stages; ++s) {
    if (chunks[s] == 0 && has_own[s] == 0) continue;
    const auto hold = [&](int k, std::int64_t amount) {
      if (g.has(k)) h.specials.push_back({s, static_cast<pass_id>(k), amount});
    };
    const std::int64_t stays = chunks[s] != 0 ? kept / chunks[s] : own[s];
    if (has_own[s] != 0 && stays > own[s]) refuse_kept(own[s], stays);
    if (has_own[s] == 0 && kept > general) refuse_kept(general, kept);
    if (chunks[s] != 0) hold(pass::forward, stays);
    if (chunks[s] != 0 && has_own[s] != 0) hold(remake, own[s] - stays);
    hold(offload, -stays);
    hold(reload, stays);
  }
  return h;
}

}  // namespace stretto::inline v0
