// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a program to where nothing moves any more, with one message lost, or a rank that stalls or dies, and writes down what
// the ranks would have logged. It knows programs by their entries alone, and nothing of what explains them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <stretto/plan/lower.hpp>
#include <stretto/plan/wiring.hpp>
#include <stretto/run/explain_hang.hpp>
#include <stretto/run/passes.hpp>

namespace standstill {

using namespace stretto;

/// What goes wrong. -1: nothing of the kind.
struct trouble {
  int lost_rank = -1, lost_entry = -1;    // the send whose message goes nowhere
  int stuck_rank = -1, stuck_entry = -1;  // the entry that its rank doesn't end
  int skipped_rank = -1, skipped_entry = -1;  // the send that is passed over
  bool dies = false;                      // … because it is dead
};

/// The program of a schedule as a pipeline would run it.
inline program program_of(const plan& order, bool together) {
  const runnable_plan added = make_runnable(order, {.update = order.passes.has(pass::backward_weight), .together = together});
  return lower(added.order);
}

class run {
 public:
  run(const program& work, const trouble& what) : p(work), wires(p), what_(what), at_(static_cast<std::size_t>(p.ranks), 0) {
    for (int r = 0; r < p.ranks; ++r) {
      rank_log log;
      log.rank = r, log.ranks = p.ranks, log.uncertainty = 0, log.bound = 1, log.asked = 1;
      log.host = "here", log.process = 7, log.wall = 9'000'000'000'000;
      logged_order o;
      o.trains = work.passes.has(pass::backward_weight);
      o.work = work;
      for (int s = 0; s <= p.stages; ++s) o.cut.push_back(s);
      logged_step step;
      step.number = 1, step.asked = 10, step.begun = 20;
      step.times.resize(static_cast<std::size_t>(p.order(r).count));
      o.steps.push_back(step);
      log.orders.push_back(o);
      log.now = {0, 0, -1, -1};
      logs_.push_back(log);
      for (const action& a : p.order(r))
        if (a.kind == role::send) channel(r, a);
    }
    for (rank_log& log : logs_) log.orders[0].channels = channels_;
    for (bool moved = true; moved;) {
      moved = false;
      for (int r = 0; r < p.ranks; ++r)
        while (goes_on(r)) moved = true;
    }
    for (rank_log& log : logs_) log.clock = now_ + 60'000'000'000;
  }

  /// Without those of the dead.
  std::vector<rank_log> logs() const {
    std::vector<rank_log> all;
    for (const rank_log& log : logs_)
      if (!(what_.dies && log.rank == what_.stuck_rank)) all.push_back(log);
    return all;
  }
  bool ended(int r) const { return logs_[static_cast<std::size_t>(r)].done == 1; }
  bool stuck() const { return stuck_; }  ///< whether the rank came to the entry that it doesn't end

 private:
  logged_step& step(int r) { return logs_[static_cast<std::size_t>(r)].orders[0].steps[0]; }
  int channel(int rank, const action& send) {
    const edge& row = p.passes->edges[send.pass];
    const int to = p.route_of(send.micro_batch).rank_of(send.peer);
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      const channel_plan& c = channels_[i];
      if (c.forward == (row.producer == pass::forward) && c.from_stage == send.stage && c.to_stage == send.peer && c.from == rank && c.to == to) return static_cast<int>(i);
    }
    channels_.push_back({row.producer == pass::forward, -1, send.stage, send.peer, rank, to, 1, 1});
    return static_cast<int>(channels_.size()) - 1;
  }
  std::int64_t box(const action& a) const { return static_cast<std::int64_t>(a.micro_batch) * p.slices + a.slice; }

  /// Whether a rank does another entry, or a part of it.
  bool goes_on(int r) {
    const view<const action> list = p.order(r);
    auto& at = at_[static_cast<std::size_t>(r)];
    rank_log& log = logs_[static_cast<std::size_t>(r)];
    while (at < list.count && list[at].kind == role::receive) ++at;
    if (log.done == 1 || (what_.stuck_rank == r && stuck_)) return false;
    if (at == list.count) {
      log.done = 1, log.now = {}, step(r).ended = now_;
      return true;
    }
    const action& a = list[at];
    logged_entry& t = step(r).times[static_cast<std::size_t>(at)];
    log.now.entry = static_cast<int>(at);
    if (t.wait == 0) t.wait = ++now_;
    const bool stops = what_.stuck_rank == r && what_.stuck_entry == at;
    if (a.kind == role::send) {
      if (!(what_.skipped_rank == r && what_.skipped_entry == at)) {
        step(r).puts.push_back({channel(r, a), box(a), t.wait, 64});
        if (!(what_.lost_rank == r && what_.lost_entry == at) && !stops) there_.insert({{channel(r, a), box(a)}, true});
      }
    } else {
      bool all = true;
      for_each_input(p, wires, a, r, [&](const input& in) {
        if (in.rank == r) return true;
        const edge& row = p.passes->edges[in.row];
        if (row.how == relation::group) {
          all = all && norms_[in.rank];
          return true;
        }
        const action send{static_cast<pass_id>(in.row), role::send, static_cast<std::uint16_t>(in.slice), in.place, in.micro_batch, a.stage};
        const int c = channel(in.rank, send);
        for (const logged_message& m : step(r).takes)
          if (m.channel == c && m.box == box(a)) return true;
        if (!all || there_.count({c, box(a)}) == 0) return all = false;
        step(r).takes.push_back({c, box(a), ++now_, 0});
        return true;
      });
      if (!all) return false;
      t.start = ++now_;
    }
    if (stops) {
      stuck_ = true;
      return false;
    }
    if (a.kind == role::send) t.start = t.wait;
    t.end = ++now_;
    if (!a.is_message() && p.passes->passes[a.pass].name.str() == "NORM") norms_[r] = true;
    ++at;
    return true;
  }

  plan_view p;
  wiring wires;
  trouble what_;
  std::vector<std::int64_t> at_;
  std::vector<rank_log> logs_;
  std::vector<channel_plan> channels_;
  std::map<std::pair<int, std::int64_t>, bool> there_;
  std::map<int, bool> norms_;
  std::int64_t now_ = 100;
  bool stuck_ = false;
};

}  // namespace standstill
