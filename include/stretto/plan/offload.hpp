// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// add_offload(plan, rule): what the forward of some stages holds is copied out of the device behind it, and back before
// the backward.
//
//     consumer   relation     producer     lane          0F0 0F1 0F2 0F3 0B0 …, ahead = 1
//     OFFLOAD    same_place   F            copy out      0F0 0OFFLOAD0 0F1 0OFFLOAD1 0F2 … 0CUE0 0RELOAD0 0F3 0B0 …
//     CUE        -                         compute
//     RELOAD     same_place   OFFLOAD      copy in       lanes run beside each other, so a copy back would start as soon
//     RELOAD     same_place   CUE                        as its copy out has ended, and nothing would be saved: CUE, which
//     I          same_place   RELOAD                     takes no time, stands `ahead` passes before the backward, and the
//     R          same_place   RELOAD                     copy waits for it, as a copy stream waits for an event
// Where the backward comes so soon that CUE would stand right behind the forward, nothing is copied. lowered_costs and
// lowered_holding say what copies cost, and let what F holds go between them.
// Cost: three entries an activation, O(actions); 8 bytes a node of the graph.
// Source: PipeOffload (Wan et al., 2025).
#pragma once

#include <cstdint>
#include <initializer_list>

#include <stretto/plan/recompute.hpp>
#include <stretto/plan/wiring.hpp>

namespace stretto::inline v0 {

struct offload_rule {
  stage_choice stages = {};  ///< none
  int ahead = 1;             ///< so many passes before the backward the copy back may begin
};

struct offload_passes {
  pass_id offload, cue, reload;
};

namespace detail {

/// Whether an entry names a micro-batch and slice that the plan has.
constexpr bool named(const plan_view& p, const action& a) {
  return a.micro_batch >= 0 && a.micro_batch < p.micro_batches && a.slice < p.slices;
}

}  // namespace detail

/// Adds the three to a graph, for plans written by hand or read from a file.
constexpr offload_passes add_offload(graph& g) {
  for (const char* name : {"OFFLOAD", "CUE", "RELOAD"}) detail::must_be_free(g, name);
  offload_passes out{};
  out.offload = g.add(pass_kind{.name = "OFFLOAD", .on = lane::copy_out, .how_often = times::at_most_once});
  out.cue = g.add(pass_kind{.name = "CUE", .how_often = times::at_most_once});
  out.reload = g.add(pass_kind{.name = "RELOAD", .on = lane::copy_in, .how_often = times::at_most_once});
  g.add(edge{out.offload, relation::same_place, pass::forward});
  g.add(edge{out.reload, relation::same_place, out.offload});
  g.add(edge{out.reload, relation::same_place, out.cue});
  g.add(edge{pass::backward_input, relation::same_place, out.reload});
  if (const int r = detail::find_added(g, "R"); r >= 0) g.add(edge{static_cast<pass_id>(r), relation::same_place, out.reload});
  return out;
}

/// Throws stretto::error where the plan has no backward passes or the rule names a stage that it lacks.
constexpr plan add_offload(const plan_view& p, const offload_rule& rule) {
  detail::must_be_made(p);
  detail::must_go_back(p, "offload");
  if (rule.ahead < 0) throw error(text("stretto: lower is to begin copies back ", rule.ahead, " passes ahead; give 0 or more").str());
  const heap_array<std::uint8_t> chosen = detail::chosen_stages(rule.stages, p.stages, "offload");
  plan out = plan_like(p);
  const offload_passes k = add_offload(out.passes);
  const graph& g = *p.passes;
  const wiring w(p);
  const int remake = detail::find_added(g, "R");
  heap_array<std::int32_t> made(w.nodes, -1);     // the unit of the list that does an F, by its node
  heap_array<std::int32_t> wanted(w.nodes, -1);   // and the first that needs what it holds; -2: too soon
  const auto has = [&](const action& a) { return !a.is_message() && g.has(a.pass) && a.stage >= 0 && a.stage < p.stages && chosen[a.stage] != 0 && detail::named(p, a); };
  const auto node = [&](const action& a) { return w.node(pass::forward, a.stage, a.micro_batch, a.slice); };
  const auto needs = [&](const action& a) { return detail::does(g, a, pass::backward_input) || (remake >= 0 && a.pass == remake && !a.is_message()); };
  const plan lists = rewritten(p, [&](int, const view<const action>& list, auto&& put) {
    grow_array<std::int32_t> goes_with;  // behind each unit: the first copy back to begin there, then the next by `next`
    grow_array<std::int32_t> next;
    grow_array<action> copied;           // what is copied back
    std::int32_t units = 0;
    for (std::int64_t i = 0; i < list.count; i += detail::unit_at(list, i), ++units) goes_with.push_back(-1);
    units = 0;
    for (std::int64_t i = 0; i < list.count; ++units)
      for (const std::int64_t end = i + detail::unit_at(list, i); i < end; ++i) {
        const action& a = list[i];
        if (!has(a)) continue;
        if (detail::does(g, a, pass::forward)) made[node(a)] = units;
        if (!needs(a) || made[node(a)] < 0 || wanted[node(a)] != -1) continue;
        wanted[node(a)] = units;
        const std::int32_t before = units - rule.ahead;  // the unit that CUE stands before
        if (before <= made[node(a)] + 1) wanted[node(a)] = -2;
        else copied.push_back(a), next.push_back(before);
      }
    for (std::int64_t c = copied.size(); c-- > 0;) {
      const std::int32_t before = next[c];
      next[c] = goes_with[before];
      goes_with[before] = static_cast<std::int32_t>(c);
    }
    units = 0;
    for (std::int64_t i = 0; i < list.count; ++units) {
      for (std::int32_t c = goes_with[units]; c >= 0; c = next[c])
        for (pass_id one : {k.cue, k.reload}) put(action::of(one, copied[c].stage, copied[c].micro_batch, copied[c].slice));
      const std::int64_t first = i, end = i + detail::unit_at(list, i);
      for (; i < end; ++i) put(list[i]);
      for (std::int64_t f = first; f < end; ++f)
        if (const action& a = list[f]; has(a) && detail::does(g, a, pass::forward) && wanted[node(a)] >= 0)
          put(action::of(k.offload, a.stage, a.micro_batch, a.slice));
    }
  });
  out.rows = lists.rows;
  out.actions = lists.actions;
  return out;
}

}  // namespace stretto::inline v0
