// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a program to tables that ranks walk: each rank's work as a row of small numbers, the channels between stages, and
// how many objects each needs. All of it is known before the first step.
//
//     F1 of stage 2    in: channel "F 1→2", box 1    out: channel "F 2→3", box 1    slot 0 of stage 2
// Slots hold what a stage keeps of a micro-batch from its forward to its last backward pass; they are given out by the
// rank's order, so there are as many as the plan holds at its peak. Objects of a channel are counted by what must have
// happened: when a pass begins to fill the k-th object, so many of those before are certainly back (a clock a rank, carried
// along the edges), whatever the timing. Cost: O(passes × (edges + ranks)) and O(messages of a channel, squared), once.
#pragma once

#include <cstdint>
#include <vector>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/plan/walk.hpp>

namespace stretto::inline v0 {

/// Messages of one kind between two stages. Where both are on one rank, the object changes hands all the same.
struct channel_plan {
  bool forward = true;  ///< outputs, or gradients on their way back
  int from_stage = 0, to_stage = 0;
  int from = 0, to = 0;  ///< ranks
  int objects = 0;
};

enum class work : std::uint8_t { forward, backward_input, backward_weight, backward, send, norm, update };

/// One entry of a rank's list, ready to run.
struct work_item {
  work kind = work::forward;
  bool first = false, last = false;  ///< the micro-batch's first or last work on the stage: takes a slot, lets it go
  int entry = 0;                     ///< of the rank's list
  int stage = 0;
  int slot = 0;
  std::int64_t box = 0;              ///< micro-batch and slice as one number
  int outputs_in = -1, outputs_out = -1;      ///< channels; -1 at the ends of the route
  int gradients_in = -1, gradients_out = -1;
  action what{};
};

struct rank_flow {
  std::vector<work_item> items;
  std::vector<int> stages;         ///< that it owns
  std::vector<int> slots;          ///< of each of those
};

struct flow {
  std::vector<channel_plan> channels;
  std::vector<rank_flow> ranks;
};

namespace detail {

class flow_maker {
 public:
  flow_maker(const plan_view& program, pass_id norm, pass_id update) : p(program), w(program), norm_(norm), update_(update) {
    boxes_ = static_cast<std::int64_t>(p.micro_batches) * p.slices;
    finish_.assign(static_cast<std::size_t>(p.stages * boxes_), -1);
  }

  flow make() {
    for (int r = 0; r < p.ranks; ++r) find_ends(r);
    f.ranks.resize(static_cast<std::size_t>(p.ranks));
    for (int r = 0; r < p.ranks; ++r) lay_out(r);
    count_objects();
    return static_cast<flow&&>(f);
  }

  // The visitor of the walk that counts objects.
  void begin(int) {}
  void input(int rank, const stretto::input& in) {
    if (in.rank == rank) return;
    const std::int32_t* from = &seen_[static_cast<std::size_t>(w.node(in) * p.ranks)];
    std::int32_t* mine = &clock_[static_cast<std::size_t>(rank * p.ranks)];
    for (int q = 0; q < p.ranks; ++q) mine[q] = from[q] > mine[q] ? from[q] : mine[q];
  }
  void end(int rank, std::int64_t step, const action* a, int count) {
    std::int32_t* mine = &clock_[static_cast<std::size_t>(rank * p.ranks)];
    for (int i = 0; i < count; ++i) {
      mine[rank] = static_cast<std::int32_t>(step + i);
      if (p.passes->passes[a[i].pass].by == scope::stage && !p.passes->passes[a[i].pass].name.empty()) fill_objects(rank, a[i]);
    }
    mine[rank] = static_cast<std::int32_t>(step + count);
    for (int i = 0; i < count; ++i)
      for (int c = 0; c < w.covers[a[i].pass]; ++c) {
        std::int32_t* to = &seen_[static_cast<std::size_t>(w.node(w.covered[a[i].pass][c], a[i].stage, a[i].micro_batch, a[i].slice) * p.ranks)];
        for (int q = 0; q < p.ranks; ++q) to[q] = mine[q];
      }
  }

 private:
  std::int64_t box(const action& a) const { return static_cast<std::int64_t>(a.micro_batch) * p.slices + a.slice; }
  std::int32_t& finish(int stage, std::int64_t at) { return finish_[static_cast<std::size_t>(stage * boxes_ + at)]; }
  bool does(const action& a, pass_id k) const { return (p.passes->cover(a.pass) >> k & 1) != 0; }
  bool trains() const { return p.passes->has(pass::backward_weight); }

  /// Which entry is the last that a micro-batch has on a stage.
  void find_ends(int rank) {
    const view<const action> list = p.order(rank);
    for (std::int64_t i = 0; i < list.count; ++i) {
      const action& a = list[i];
      if (a.is_message()) continue;
      const pass_kind& kind = p.passes->passes[a.pass];
      if (a.pass != norm_ && a.pass != update_ && (kind.by != scope::stage || kind.per != share::slice || a.pass > pass::backward))
        throw error(text("stretto: rank ", rank, " step ", i, " is of pass ", kind.name, ", which no layer does; the pipeline runs F, I, W and B").str(),
                    {.rank = rank, .step = static_cast<int>(i)});
      if (kind.on != lane::compute)
        throw error(text("stretto: rank ", rank, " step ", i, " is of pass ", kind.name, " on another lane than compute, which the pipeline doesn't run").str(),
                    {.rank = rank, .step = static_cast<int>(i)});
      if (kind.by == scope::stage && (does(a, pass::backward_weight) || !trains())) finish(a.stage, box(a)) = static_cast<std::int32_t>(i);
    }
  }

  int channel(bool forward, int from_stage, int to_stage, const route_view& r) {
    if (from_stage < 0 || to_stage < 0) return -1;
    const int from = r.rank_of(from_stage), to = r.rank_of(to_stage);
    for (std::size_t i = 0; i < f.channels.size(); ++i) {
      const channel_plan& c = f.channels[i];
      if (c.forward == forward && c.from_stage == from_stage && c.to_stage == to_stage && c.from == from && c.to == to) return static_cast<int>(i);
    }
    f.channels.push_back({forward, from_stage, to_stage, from, to, 0});
    return static_cast<int>(f.channels.size()) - 1;
  }

  void lay_out(int rank) {
    rank_flow& out = f.ranks[static_cast<std::size_t>(rank)];
    const view<const action> list = p.order(rank);
    std::vector<int> place(static_cast<std::size_t>(p.stages), -1);       // of a stage in out.stages
    std::vector<std::vector<int>> idle;                                   // slots of each stage
    std::vector<int> slot_of(static_cast<std::size_t>(p.stages * boxes_), -1);
    for (std::int64_t i = 0; i < list.count; ++i) {
      const action& a = list[i];
      if (a.kind == role::receive) continue;  // who consumes the message waits for it
      work_item item;
      item.entry = static_cast<int>(i);
      item.what = a;
      item.stage = a.stage;
      if (a.pass == norm_ || a.pass == update_) {
        if (!a.is_message()) {
          item.kind = a.pass == norm_ ? work::norm : work::update;
          out.items.push_back(item);
          continue;
        }
      }
      const route_view r = p.route_of(a.micro_batch);
      const int next = r.next(a.stage), previous = r.previous(a.stage);
      item.box = box(a);
      if (a.kind == role::send) {
        item.kind = work::send;
        const bool forward = does_forward(a);
        (forward ? item.outputs_out : item.gradients_out) = channel(forward, a.stage, a.peer, r);
        out.items.push_back(item);
        continue;
      }
      item.kind = a.pass == pass::forward ? work::forward : a.pass == pass::backward_input ? work::backward_input
                : a.pass == pass::backward_weight ? work::backward_weight : work::backward;
      item.outputs_in = channel(true, previous, a.stage, r);
      item.outputs_out = channel(true, a.stage, next, r);
      if (trains()) {
        item.gradients_in = channel(false, next, a.stage, r);
        item.gradients_out = channel(false, a.stage, previous, r);
      }
      auto& at = place[static_cast<std::size_t>(a.stage)];
      if (at < 0) {
        at = static_cast<int>(out.stages.size());
        out.stages.push_back(a.stage);
        out.slots.push_back(0);
        idle.emplace_back();
      }
      const auto here = static_cast<std::size_t>(at);
      int& slot = slot_of[static_cast<std::size_t>(a.stage * boxes_ + item.box)];
      item.first = item.kind == work::forward;
      if (item.first) {
        if (idle[here].empty()) idle[here].push_back(out.slots[here]++);
        slot = idle[here].back();
        idle[here].pop_back();
      }
      item.slot = slot;
      item.last = finish(a.stage, item.box) == item.entry;
      if (item.last) idle[here].push_back(slot);
      out.items.push_back(item);
    }
  }

  /// Whether a send carries an output; else it carries a gradient.
  bool does_forward(const action& a) const { return p.passes->edges[a.pass].producer == pass::forward; }

  void fill_objects(int rank, const action& a) {
    if (a.pass > pass::backward) return;
    const route_view r = p.route_of(a.micro_batch);
    if (does(a, pass::forward)) fill(channel(true, a.stage, r.next(a.stage), r), rank, a, r.next(a.stage));
    if (does(a, pass::backward_input) && trains()) fill(channel(false, a.stage, r.previous(a.stage), r), rank, a, r.previous(a.stage));
  }

  void fill(int number, int rank, const action& a, int user) {
    if (number < 0) return;
    channel_plan& c = f.channels[static_cast<std::size_t>(number)];
    auto& filled = filled_[static_cast<std::size_t>(number)];
    const std::int32_t known = clock_[static_cast<std::size_t>(rank * p.ranks + c.to)];
    filled.push_back(finish(user, box(a)));
    int away = 0;
    for (std::int32_t back : filled) away += back >= known;
    c.objects = away > c.objects ? away : c.objects;
  }

  void count_objects() {
    clock_.assign(static_cast<std::size_t>(p.ranks) * static_cast<std::size_t>(p.ranks), 0);
    seen_.assign(static_cast<std::size_t>(w.nodes * p.ranks), 0);
    filled_.resize(f.channels.size());
    walk_state s(p, w);
    walk(p, w, s, *this);
  }

  plan_view p;
  wiring w;
  pass_id norm_, update_;
  std::int64_t boxes_ = 0;
  std::vector<std::int32_t> finish_;            // by stage and box: the entry that lets go
  std::vector<std::int32_t> clock_, seen_;      // entries of each rank that have certainly run
  std::vector<std::vector<std::int32_t>> filled_;  // by channel: when each object that was filled comes back
  flow f;
};

}  // namespace detail

/// The tables of a valid program whose update passes are `norm` and `update` (no_pass where it has none).
inline flow make_flow(const plan_view& program, pass_id norm = no_pass, pass_id update = no_pass) {
  return detail::flow_maker(program, norm, update).make();
}

}  // namespace stretto::inline v0
