// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What each rank holds while a plan is simulated: taken when a pass starts, released when it ends.
//
//     rank 0 | F0 F1 B0--- F2        held 1 2 2 2 …        of a pair, what is taken comes before what is released
// On one lane that is a running sum. Where other lanes hold or release, too, a walk isn't in order of time, and the lanes
// of each rank are merged at the end. Cost: O(entries); 24 bytes a change where levels are kept.
#pragma once

#include <cstdint>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/costs.hpp>
#include <stretto/plan/forecast.hpp>
#include <stretto/plan/walk.hpp>

namespace stretto::inline v0::detail {

class store {
 public:
  constexpr store(const plan_view& plan, const wiring& w, const walk_state& state, const holding& holds, const heap_array<std::int32_t>& chunks, bool keep_levels)
      : p(plan), s(state), divisor(chunks), held(plan.ranks, 0), most(plan.ranks, 0), keep(keep_levels) {
    const graph& g = *p.passes;
    const std::int64_t room = 9'000'000'000'000'000'000 / (p.actions.count + 1) / wiring::max_cover;
    bool fit = true;
    for (int k = 0; k < graph::max_passes; ++k) {
      const bool of_slice = k >= g.pass_count || !g.has(k) || (g.passes[k].by == scope::stage && g.passes[k].per == share::slice);
      const std::int64_t most_of_it = of_slice ? room : room / p.stages / p.slices;
      fit = fit && holds.pass[k] <= most_of_it && holds.pass[k] >= -most_of_it;
    }
    for (const auto& one : holds.specials) fit = fit && one.amount <= room / p.stages / p.slices && one.amount >= -room / p.stages / p.slices;
    for (std::int64_t h : holds.always) fit = fit && h >= 0;
    if (!fit) throw error("stretto: what the passes hold adds up to more than a number can hold; give it in larger units");
    for (int k = 0; k < g.pass_count; ++k)
      for (int c = 0; c < g.pass_count; ++c)
        if (g.has(k) && (g.cover(static_cast<pass_id>(k)) >> c & 1) != 0)
          (holds.pass[c] > 0 ? taken[k] : released[k]) += holds.pass[c] > 0 ? holds.pass[c] : -holds.pass[c];
    bool kept_for_later = !holds.specials.empty();  // where no pass in the plan releases, a pass lets go what it took when it ends
    for (int k = 0; k < g.pass_count; ++k) kept_for_later = kept_for_later || ((w.used >> k & 1) != 0 && released[k] != 0);
    for (int k = 0; k < g.pass_count && !kept_for_later; ++k) released[k] = taken[k];
    read_specials(holds);
    for (int k = 0; k < g.pass_count; ++k) uneven = uneven || (holds.pass[k] != 0 && g.has(k) && (g.passes[k].by == scope::rank || g.passes[k].per != share::slice));
    for (int k = 0; k < graph::max_passes; ++k) general[k] = holds.pass[k];
    for (int k = 0; k < g.pass_count; ++k)
      beside = beside || (g.has(k) && (w.used >> k & 1) != 0 && s.lane_of[k] != 0 && (taken[k] != 0 || released[k] != 0 || of_stage.size() != 0));
    if (beside) takings = heap_array<grow_array<moment>>(s.at.size()), releases = heap_array<grow_array<moment>>(s.at.size());
    if (keep) levels = heap_array<grow_array<level>>(p.ranks);
  }

  constexpr void move(int rank, const action* a, int count, double start, double finish) {
    std::int64_t takes = 0, lets_go = 0;
    for (int i = 0; i < count; ++i) {
      if (of_stage.size() == 0 && !uneven) {
        takes += taken[a[i].pass], lets_go += released[a[i].pass];
      } else {
        const amounts x = amounts_of(rank, a[i]);
        takes += x.taken, lets_go += x.released;
      }
    }
    if (!beside) {
      held[rank] += takes;
      if (held[rank] > most[rank]) most[rank] = held[rank];
      if (keep) note(rank, start, takes);
      held[rank] -= lets_go;
      if (keep) note(rank, finish, lets_go);
    } else {
      const std::int64_t q = static_cast<std::int64_t>(rank) * s.lanes + s.lane_index(*a);
      takings[q].push_back({start, takes});
      releases[q].push_back({finish, lets_go});
    }
  }

  /// After each step nothing may be left of what its passes took.
  constexpr void end_step() const {
    for (int r = 0; r < p.ranks; ++r)
      if (held[r] != 0)
        throw error(text("stretto: rank ", r, held[r] > 0 ? " still holds something when all of its passes have ended; let them release what they take, in special amounts below 0"
                                                          : " has released more than it took when all of its passes have ended; let them release what they take").str(), {.rank = r});
  }

  /// Sums up after the last step.
  constexpr void finish(const holding& holds, forecast& f) {
    if (beside) merge_lanes();
    end_step();
    f.peak_of = heap_array<double>(p.ranks, 0.0);
    f.held_of = heap_array<double>(p.ranks, 0.0);
    const double unit = holds.pass[pass::forward] > 0 ? static_cast<double>(holds.pass[pass::forward]) : 1.0;
    for (int r = 0; r < p.ranks; ++r) {
      const double share = static_cast<double>(divisor[r]) * p.slices, always = r < holds.always.size() ? static_cast<double>(holds.always[r]) : 0;
      f.peak_of[r] = static_cast<double>(most[r]) / (unit * share);
      f.peak = f.peak_of[r] > f.peak ? f.peak_of[r] : f.peak;
      f.held_of[r] = static_cast<double>(most[r]) / share + always;
      for (std::int64_t i = 0; keep && i < levels[r].size(); ++i) levels[r][i].held = levels[r][i].held / share + always;
    }
    f.memory = static_cast<heap_array<grow_array<level>>&&>(levels);
  }

 private:
  struct moment {
    double when;
    std::int64_t amount;
  };
  struct amounts {
    std::int64_t taken = 0, released = 0;
  };

  constexpr void read_specials(const holding& holds) {
    if (holds.specials.empty()) return;
    own = heap_array<std::uint8_t>(static_cast<std::int64_t>(p.stages) * graph::max_passes, std::uint8_t{0});
    of_stage = heap_array<std::int64_t>(own.size(), std::int64_t{0});
    for (const auto& one : holds.specials) {
      if (one.stage < 0 || one.stage >= p.stages || !p.passes->is_node(one.pass))
        throw error(text("stretto: what a pass holds is given for stage ", one.stage, ", pass ", p.passes->has(one.pass) ? p.passes->passes[one.pass].name : label("?"),
                         ", which the plan doesn't have; it has stages 0 to ", p.stages - 1).str(), {.stage = one.stage});
      own[static_cast<std::int64_t>(one.stage) * graph::max_passes + one.pass] = 1;
      of_stage[static_cast<std::int64_t>(one.stage) * graph::max_passes + one.pass] = one.amount;
    }
  }

  constexpr amounts amounts_of(int rank, const action& a) const {
    amounts x;
    const pass_kind& kind = p.passes->passes[a.pass];
    for (int k = 0; k < p.passes->pass_count; ++k) {
      if ((p.passes->cover(a.pass) >> k & 1) == 0 || kind.how_often == times::any) continue;
      const bool on_rank = kind.by == scope::rank;
      const std::int64_t i = on_rank || own.size() == 0 ? -1 : static_cast<std::int64_t>(a.stage) * graph::max_passes + k;
      // All is divided by the rank's chunks and by slices in the end: what isn't a share of those is multiplied first.
      const std::int64_t h = (i >= 0 && own[i] != 0 ? of_stage[i] * divisor[rank] : general[k] * (on_rank ? divisor[rank] : 1)) *
                             (kind.per == share::slice ? 1 : p.slices);
      (h > 0 ? x.taken : x.released) += h > 0 ? h : -h;
    }
    return x;
  }

  /// A level that replaces the one before where no time passed.
  constexpr void note(int rank, double when, std::int64_t change) {
    if (change == 0) return;
    grow_array<level>& l = levels[rank];
    const double now = static_cast<double>(held[rank]);
    if (!l.empty() && l.back().from == when && l.back().held <= now) l.pop_back();
    if (l.empty() || l.back().held != now) l.push_back({when, now});
  }

  /// At one moment what is released goes first, but never before what its own pass takes.
  constexpr void merge_lanes() {
    heap_array<std::int64_t> taken_up_to(s.lanes), released_up_to(s.lanes);
    for (int r = 0; r < p.ranks; ++r) {
      for (int l = 0; l < s.lanes; ++l) taken_up_to[l] = released_up_to[l] = 0;
      while (true) {
        int from = -1;
        bool release = false;
        double when = 0;
        for (int l = 0; l < s.lanes; ++l) {
          const std::int64_t q = static_cast<std::int64_t>(r) * s.lanes + l, t = taken_up_to[l], e = released_up_to[l];
          if (e < t && (from < 0 || releases[q][e].when < when || (releases[q][e].when == when && !release)))
            from = l, release = true, when = releases[q][e].when;
          if (t < takings[q].size() && (from < 0 || takings[q][t].when < when)) from = l, release = false, when = takings[q][t].when;
        }
        if (from < 0) break;
        const std::int64_t q = static_cast<std::int64_t>(r) * s.lanes + from;
        const std::int64_t change = release ? -releases[q][released_up_to[from]++].amount : takings[q][taken_up_to[from]++].amount;
        held[r] += change;
        if (held[r] > most[r]) most[r] = held[r];
        if (keep) note(r, when, change);
      }
    }
  }

  const plan_view& p;
  const walk_state& s;
  const heap_array<std::int32_t>& divisor;
  heap_array<std::int64_t> held, most;
  bool keep = false, beside = false;  // beside: passes off the compute lane hold or release
  bool uneven = false;                // passes of ranks, or that are no slice's, hold or release
  std::int64_t taken[graph::max_passes] = {}, released[graph::max_passes] = {}, general[graph::max_passes] = {};
  heap_array<std::uint8_t> own;          // by stage and pass: it has an amount of its own
  heap_array<std::int64_t> of_stage;
  heap_array<grow_array<moment>> takings, releases;  // by queue, one each an entry
  heap_array<grow_array<level>> levels;
};

}  // namespace stretto::inline v0::detail
