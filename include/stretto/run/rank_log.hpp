// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a rank's log says, as read_dump gives it back: where the rank is, the orders that it was bound to with their programs,
// and the steps that were kept. Times are nanoseconds of the rank's own clock; 0 is "not yet".
//
//     const rank_log log = read_dump(text_of_file);
//     log.rank, log.now.entry, log.orders[0].steps.back().times[log.now.entry].wait
// explain_hang.hpp, merge_logs.hpp and what follows from them take a run's logs of all ranks. Cost: that of what it holds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/run/flow.hpp>

namespace stretto::inline v0 {

struct logged_entry {
  std::int64_t wait = 0, start = 0, end = 0;
  friend bool operator==(const logged_entry&, const logged_entry&) = default;
};

/// A message as its sender, or its receiver, saw it.
struct logged_message {
  int channel = 0;
  std::int64_t box = 0;
  std::int64_t when = 0, bytes = 0;  ///< bytes: of the sender only
  friend bool operator==(const logged_message&, const logged_message&) = default;
};

/// What all ranks must have been asked alike.
struct logged_request {
  std::int64_t index = 0, step = 0;  ///< of the order's runs; of training
  double normalizer = 1;
  std::int64_t kind = 0;             ///< 1: updates, 2: begins, 4 times the round where gradients are gathered
  double loss_scale = 1, most_norm = 0, most_loss = 0;
  friend bool operator==(const logged_request&, const logged_request&) = default;
};

struct logged_step {
  std::int64_t number = 0;           ///< over all orders, from 1
  logged_request request;
  std::int64_t asked = 0, begun = 0, ended = 0;
  std::vector<logged_entry> times;   ///< by entry of the rank's list
  std::vector<logged_message> puts, takes;
};

struct logged_order {
  int order = 0;                     ///< as bind() numbers them; 0: that of step()
  bool trains = true;
  std::vector<int> cut;              ///< the first layer of each stage, and how many there are
  program work;
  std::vector<channel_plan> channels;
  std::vector<logged_step> steps;    ///< by number
};

/// Where a rank was when its log was written.
struct logged_place {
  int order = -1;                    ///< -1: between steps
  std::int64_t index = 0;            ///< of the order's runs
  int entry = -1;                    ///< of its list; -1: before the first
  int layer = -1;                    ///< of the model; -1: in none
};

struct rank_log {
  int rank = 0, ranks = 1;
  std::int64_t process = 0;
  std::string host;
  std::int64_t clock = 0, wall = 0;  ///< when it was written
  std::int64_t offset = 0;           ///< what to add to be at rank 0's clock
  std::int64_t uncertainty = -1;     ///< by how much that may be wrong; -1: it wasn't measured
  std::int64_t bound = 0;
  std::int64_t run = 0;              ///< the same in the logs of one run, and in no other; 0: not known yet
  std::int64_t asked = 0, done = 0;  ///< steps that this process was asked for, and that the rank has ended
  std::string error;                 ///< that ended the run; empty where none did
  bool threw = false;                ///< … and whether it came from this rank
  logged_place now;
  std::vector<logged_order> orders;  ///< by number

  const logged_order* find_order(int order) const {
    for (const logged_order& o : orders)
      if (o.order == order) return &o;
    return nullptr;
  }
};

/// One log a rank, null where there is none: of two of a rank the later, and of several runs those of the last.
inline std::vector<const rank_log*> logs_by_rank(std::span<const rank_log> logs) {
  const rank_log* last = &logs[0];
  for (const rank_log& log : logs)
    if (last->wall < log.wall) last = &log;
  std::vector<const rank_log*> of(static_cast<std::size_t>(last->ranks), nullptr);
  for (const rank_log& log : logs) {
    if (log.run != last->run && log.run != 0 && last->run != 0) continue;
    if (log.ranks != last->ranks)
      throw error(text("stretto: rank ", log.rank, " has a log of a run of ", log.ranks, " ranks, and rank ", last->rank, " of one of ", last->ranks, "; give the logs of one run").str());
    const rank_log*& mine = of[static_cast<std::size_t>(log.rank)];
    if (mine == nullptr || mine->wall < log.wall) mine = &log;
  }
  return of;
}

/// Whether two ranks' logs have one order: the same program, split alike over the ranks, by the same routes and channels.
inline bool same_program(const logged_order& x, const logged_order& y) {
  const program &a = x.work, &b = y.work;
  const auto alike = [](const auto& p, const auto& q) { return std::equal(p.data(), p.data() + p.size(), q.data(), q.data() + q.size()); };
  bool same = x.trains == y.trains && x.cut == y.cut && a.ranks == b.ranks && a.stages == b.stages && a.micro_batches == b.micro_batches && a.slices == b.slices && a.routes == b.routes && a.groups == b.groups &&
              alike(a.actions, b.actions) && alike(a.rows, b.rows) && alike(a.ints, b.ints);  // routes and groups are numbers
  same = same && std::equal(a.passes.passes, a.passes.passes + a.passes.pass_count, b.passes.passes, b.passes.passes + b.passes.pass_count, [](const pass_kind& p, const pass_kind& q) {
    return p.name == q.name && p.on == q.on && p.by == q.by && p.per == q.per && p.how_often == q.how_often && p.covers == q.covers && p.group == q.group;
  });
  same = same && std::equal(a.passes.edges, a.passes.edges + a.passes.edge_count, b.passes.edges, b.passes.edges + b.passes.edge_count, [](const edge& p, const edge& q) {
    return p.consumer == q.consumer && p.how == q.how && p.producer == q.producer && p.message == q.message && p.at == q.at && p.from == q.from && p.to == q.to;
  });
  return same && std::equal(x.channels.begin(), x.channels.end(), y.channels.begin(), y.channels.end(), [](const channel_plan& p, const channel_plan& q) {
    return p.forward == q.forward && p.link == q.link && p.from_stage == q.from_stage && p.to_stage == q.to_stage && p.from == q.from && p.to == q.to && p.objects == q.objects;
  });
}

/// A step by its number over all orders; null where it isn't kept.
inline const logged_step* find_step(const logged_order& o, std::int64_t number) {
  for (const logged_step& s : o.steps)
    if (s.number == number) return &s;
  return nullptr;
}

/// The step that a rank is in; null between steps.
inline const logged_step* step_now(const rank_log& log) {
  const logged_order* const o = log.find_order(log.now.order);
  if (o == nullptr) return nullptr;
  for (const logged_step& s : o->steps)
    if (s.request.index == log.now.index) return &s;
  return nullptr;
}

}  // namespace stretto::inline v0
