// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The fastest of several orders that give the same bits as the one that is run: over the same cut and placement, with the
// same micro-batches, and with gradients added in the same order.
//
//     order_choice best = best_order(order, orders_like(order, all_schedules()), p.calibrate(recordings));
//     if (best.changes()) p.rebind(best.order);                to_table(best): what each was foretold, or why it was refused
// An order is taken where simulate foretells a gain above a threshold: what is asked for, or how much the measured steps
// differed from each other, whichever is more. Of equals the first is taken. Equal calibrations give equal choices on all
// ranks. Cost: a simulation for each.
#pragma once

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <stretto/plan/make_plan.hpp>
#include <stretto/plan/plan_like.hpp>
#include <stretto/plan/simulate.hpp>
#include <stretto/run/calibration.hpp>
#include <stretto/schedule/eager_one_f_one_b.hpp>
#include <stretto/schedule/interleaved_one_f_one_b.hpp>
#include <stretto/schedule/interleaved_zb.hpp>

namespace stretto::inline v0 {

/// An order to choose from.
struct named_order {
  std::string name;
  plan order;
};

/// What was foretold of one.
struct judged_order {
  std::string name;
  double step = 0;       ///< its makespan, in seconds
  double peak = 0;       ///< the most micro-batches that a rank holds
  bool assumed = false;  ///< its I and W are half of a B each, because they weren't measured for themselves
  std::string refused;   ///< why it can't be taken; empty where it can
};

struct choice_options {
  double least_gain = 0.02;  ///< share of the step that a change must gain, at least
  double most_held = 0;      ///< of micro-batches on a rank; 0: as many as the order that is run holds
  std::function<std::string(const plan_view&)> refuses = {};  ///< what else speaks against one; p.refuses(order) asks a pipeline
};

struct order_choice {
  std::vector<judged_order> all;  ///< the order that is run first
  int taken = 0;                  ///< of these
  int fastest = 0;                ///< likewise, whether it gains enough or not
  double gain = 0;                ///< of the fastest, as a share of the step
  double threshold = 0;           ///< that it had to exceed
  plan order;                     ///< the one that is taken

  bool changes() const { return taken != 0; }
};

namespace detail {

/// A number as %g writes it.
inline std::string short_number(double n) {
  char words[32];
  std::snprintf(words, sizeof words, "%g", n);
  return words;
}

/// Where two orders differ in what bits hang on; empty where they don't.
inline std::string other_bits(const plan_view& now, const plan_view& p) {
  const auto words = [](auto&&... parts) { return std::string(text(parts...).str()); };
  if (p.ranks != now.ranks || p.stages != now.stages)
    return words("stretto: an order of ", p.ranks, " ranks and ", p.stages, " stages is to replace one of ", now.ranks, " and ", now.stages, "; give orders over the same cut");
  if (p.micro_batches != now.micro_batches || p.slices != now.slices)
    return words("stretto: an order of ", p.micro_batches, " micro-batches in ", p.slices, " slices is to replace one of ", now.micro_batches, " in ", now.slices, ", which adds other gradients; give as many");
  for (int m = 0; m < now.micro_batches; ++m)
    for (int s = 0; s < now.stages; ++s)
      if (const int r = p.route_of(m).rank_of(s), q = now.route_of(m).rank_of(s); r != q)
        return words("stretto: an order that does stage ", s, " of micro-batch ", m, " on rank ", r, " is to replace one that does it on rank ", q, "; give orders with the same placement");
  const auto added = [](const plan_view& of, int rank) {  // by stage, in order: whose gradients are added
    std::vector<std::vector<std::pair<int, int>>> all(static_cast<std::size_t>(of.stages));
    for (const action& a : of.order(rank))
      if (!a.is_message() && (of.passes->cover(a.pass) >> pass::backward_weight & 1) != 0 && of.passes->has(a.pass)) all[static_cast<std::size_t>(a.stage)].emplace_back(a.micro_batch, a.slice);
    return all;
  };
  for (int r = 0; r < now.ranks; ++r)
    if (const auto a = added(p, r), b = added(now, r); a != b)
      for (int s = 0; s < now.stages; ++s)
        if (a[static_cast<std::size_t>(s)] != b[static_cast<std::size_t>(s)])
          return words("stretto: an order that adds the gradients of stage ", s, " in another order of micro-batches is to replace the one that is run, and gives other bits; give one that adds them alike");
  return {};
}

}  // namespace detail

/// What the schedules of a list, such as all_schedules, give over the stages, placement and micro-batches of a plan with the
/// same bits; and 1F1B that runs further ahead, and other groups of interleaved ones.
template <class Schedules>
std::vector<named_order> orders_like(const plan_view& now, Schedules) {
  std::vector<named_order> all;
  const sizes z{.ranks = now.ranks, .micro_batches = now.micro_batches, .chunks = now.stages / now.ranks, .slices = now.slices};
  const auto offer = [&](const auto& s, std::string name) {
    plan p;
    try {
      p = make_plan(s, z);
    } catch (const error&) {  // it has no plan of these sizes
      return;
    }
    if (used_passes(p) == 1u << pass::forward || !detail::other_bits(now, p).empty()) return;
    const view<const action> of_now = now.actions;
    if (static_cast<std::int64_t>(p.actions.size()) == of_now.count && std::equal(p.actions.begin(), p.actions.end(), of_now.begin())) return;  // it is there
    for (const named_order& known : all)
      if (known.order.actions.size() == p.actions.size() && std::equal(p.actions.begin(), p.actions.end(), known.order.actions.begin())) return;
    all.push_back({std::move(name), std::move(p)});
  };
  Schedules::each([&](const auto& s) { offer(s, s.name); });
  for (int extra = 2; extra <= 4; ++extra) offer(eager_one_f_one_b{.extra = extra}, std::string("eager_1f1b") + " extra " + std::to_string(extra));
  for (int group = z.ranks + 1; z.chunks > 1 && group <= z.micro_batches && group <= 4 * z.ranks; ++group) {
    offer(interleaved_one_f_one_b{.group = group}, std::string("interleaved_1f1b") + " group " + std::to_string(group));
    offer(interleaved_zb{.group = group}, std::string("interleaved_zb") + " group " + std::to_string(group));
  }
  return all;
}

/// The best of several orders beside the one that is run.
inline order_choice best_order(const plan_view& now, const std::vector<named_order>& candidates, const calibration& c, const choice_options& how = {}) {
  if (!(how.least_gain >= 0) || !(how.most_held >= 0)) throw error("stretto: choice_options::least_gain or most_held is below 0 or no number; correct it");
  order_choice out;
  const auto judge = [&](std::string name, const plan_view& p) {
    judged_order j;
    j.name = std::move(name);
    for (int r = 0; r < p.ranks; ++r)
      for (const action& a : p.order(r))
        if (!a.is_message() && p.passes->passes[a.pass].by == scope::stage) c.price(r, a, &j.assumed);
    const forecast f = simulate(p, c.prices(p));
    j.step = f.makespan, j.peak = f.peak;
    return j;
  };
  out.all.push_back(judge(std::string(now.name.str()), now));
  const double most = how.most_held > 0 ? how.most_held : out.all[0].peak;
  out.threshold = (std::max)(how.least_gain, c.noise);
  for (const named_order& one : candidates) {
    judged_order j;
    j.name = one.name;
    j.refused = detail::other_bits(now, one.order);
    if (j.refused.empty() && how.refuses) j.refused = how.refuses(one.order);
    if (j.refused.empty()) {
      j = judge(one.name, one.order);
      if (j.peak > most * (1 + 1e-9))
        j.refused = std::string(text("stretto: an order that holds ", std::string_view(detail::short_number(j.peak)), " micro-batches on a rank is to replace the one that is run, and there may be ", std::string_view(detail::short_number(most)), "; raise choice_options::most_held").str());
    }
    if (j.refused.empty() && j.step < out.all[static_cast<std::size_t>(out.fastest)].step) out.fastest = static_cast<int>(out.all.size());
    out.all.push_back(std::move(j));
  }
  const auto step_of = [&](int i) { return out.all[static_cast<std::size_t>(i)].step; };
  out.gain = step_of(0) > 0 ? 1 - step_of(out.fastest) / step_of(0) : 0;
  if (out.fastest != 0 && out.gain > out.threshold) out.taken = out.fastest;
  out.order = out.taken == 0 ? copied(now) : copied(candidates[static_cast<std::size_t>(out.taken) - 1].order);
  return out;
}

/// What was foretold of the passes of each order, and why others were refused; * marks the one that is taken. Of those that are
/// `assumed`, I and W are half of a B each.
inline std::string to_table(const order_choice& c) {
  std::string t;
  std::vector<std::pair<std::string, std::string>> refused;  // why, and which
  for (std::size_t i = 0; i < c.all.size(); ++i) {
    const judged_order& j = c.all[i];
    if (!j.refused.empty()) {
      const auto known = std::find_if(refused.begin(), refused.end(), [&](const auto& one) { return one.first == j.refused; });
      if (known == refused.end()) refused.emplace_back(j.refused, j.name);
      else known->second += ", " + j.name;
      continue;
    }
    std::string row = (static_cast<int>(i) == c.taken ? "* " : "  ") + j.name;
    row.resize((std::max)(row.size() + 1, std::size_t{28}), ' ');
    char number[32];
    std::snprintf(number, sizeof number, "%9.2f", 1e3 * j.step);
    t += row + number + " ms, " + detail::short_number(j.peak) + " held" + (j.assumed ? ", assumed" : "") + "\n";
  }
  for (const auto& [why, names] : refused) t += "  not " + names + ": " + why + "\n";
  return t;
}

}  // namespace stretto::inline v0
