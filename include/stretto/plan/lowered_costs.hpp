// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the passes that lower adds cost and hold: the input of simulate for programs with recompute, offload or updates.
//
//     program q = lower(p, {.recompute = stage_choice::of({0}), .offload = {.stages = stage_choice::of({1})}});
//     simulate(q, lowered_costs(q, costs(1, 1, 1), 0.5, 0.5), lowered_holding(q, 1000, 34));
//     F of a stage with R keeps 34 of 1000 and R takes the rest; OFFLOAD lets go what F keeps, and RELOAD takes it back
// Cost: O(stages).
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/costs.hpp>
#include <stretto/plan/plan.hpp>

namespace stretto::inline v0 {

/// The costs with R as dear as F on every rank and stage, copies of a whole share as said, and CUE for nothing.
constexpr costs lowered_costs(const plan_view& p, costs c, double copy_out = 1, double copy_in = 1) {
  const graph& g = *p.passes;
  if (const int k = g.find("OFFLOAD"); k >= 0) c.pass[k] = copy_out;
  if (const int k = g.find("CUE"); k >= 0) c.pass[k] = 0;
  if (const int k = g.find("RELOAD"); k >= 0) c.pass[k] = copy_in;
  const int r = g.find("R");
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

/// What those passes hold: the activation of a stage is `whole`, of which a forward that is recomputed keeps `kept`. Peaks
/// count in activations of a rank's whole share. Throws stretto::error where more is kept than there is.
constexpr holding lowered_holding(const plan_view& p, std::int64_t whole = 1, std::int64_t kept = 0) {
  if (kept < 0 || kept > whole) throw error(text("stretto: of an activation of ", whole, " a forward is to keep ", kept, "; give from 0 to the whole").str());
  const graph& g = *p.passes;
  const int remake = g.find("R"), offload = g.find("OFFLOAD"), reload = g.find("RELOAD");
  heap_array<std::uint8_t> remade(p.stages, std::uint8_t{0});
  for (const action& a : p.actions)
    if (!a.is_message() && a.pass == remake && a.stage >= 0 && a.stage < p.stages) remade[a.stage] = 1;
  int chunks = 1;
  for (int r = 0; r < p.ranks; ++r) chunks = p.chunks(r) > chunks ? p.chunks(r) : chunks;
  holding h(whole * chunks, 0, whole * chunks);
  for (int s = 0; s < p.stages; ++s) {
    const std::int64_t stays = remade[s] != 0 ? kept : whole;
    const auto hold = [&](int k, std::int64_t amount) {
      if (g.has(k)) h.specials.push_back({s, static_cast<pass_id>(k), amount});
    };
    hold(pass::forward, stays);
    hold(remake, whole - stays);
    hold(offload, -stays);
    hold(reload, stays);
    hold(pass::backward_weight, -whole);
  }
  return h;
}

}  // namespace stretto::inline v0
