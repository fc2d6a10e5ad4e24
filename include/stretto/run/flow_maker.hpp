// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Makes the tables of flow.hpp from a valid program.
//
//     rank 1 | 1RECV_F0 1F0 1SEND_F0 …        receive: no entry, who consumes the message waits for it
//                                             F0: takes from channel F 0→1, fills an object of channel F 1→2, which SEND hands on
// Objects of a channel are counted by what must have happened: when a pass begins to fill the k-th object, so many of those
// before are certainly back (a clock a rank, carried along the edges), whatever the timing.
// Cost: O(passes × (edges + ranks + objects of a channel)), once; 4 bytes a pass and rank meanwhile.
#pragma once

#include <cstdint>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/walk.hpp>
#include <stretto/run/flow.hpp>
#include <stretto/run/links_of.hpp>
#include <stretto/run/passes.hpp>

namespace stretto::inline v0 {

namespace detail {

class flow_maker {
 public:
  flow_maker(const plan_view& program, const runnable_plan& added, const model_links& links, bool keeps_carry)
      : p(program), w(program), added_(added), links_(links), keeps_carry_(keeps_carry) {
    boxes_ = static_cast<std::int64_t>(p.micro_batches) * p.slices;
    last_.assign(static_cast<std::size_t>(p.stages * boxes_), -1);
    first_.assign(last_.size(), -1);
  }

  flow make() {
    need_row(pass::forward, relation::previous_hop, "F", "before");
    if (trains()) need_row(pass::backward_input, relation::next_hop, "I", "behind");
    for (int r = 0; r < p.ranks; ++r) find_ends(r);
    f.ranks.resize(static_cast<std::size_t>(p.ranks));
    for (int r = 0; r < p.ranks; ++r) lay_out(r);
    count_objects();
    return static_cast<flow&&>(f);
  }

  // The visitor of the walk that counts objects.
  void begin(int) {}
  void input(int rank, const stretto::input& in, const action&) {
    if (in.rank == rank) return;
    const std::int32_t* from = &seen_[static_cast<std::size_t>(w.node(in) * p.ranks)];
    std::int32_t* mine = &clock_[static_cast<std::size_t>(rank * p.ranks)];
    for (int q = 0; q < p.ranks; ++q) mine[q] = from[q] > mine[q] ? from[q] : mine[q];
  }
  void end(int rank, std::int64_t step, const action* a, int count) {
    std::int32_t* mine = &clock_[static_cast<std::size_t>(rank * p.ranks)];
    for (int i = 0; i < count; ++i) {
      mine[rank] = static_cast<std::int32_t>(step + i);
      if (a[i].pass <= pass::backward)
        each_put(a[i], [&, this](int channel, int) { fill(channel, rank, a[i]); });
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
  std::size_t at(int stage, std::int64_t b) const { return static_cast<std::size_t>(stage * boxes_ + b); }
  bool does(const action& a, pass_id k) const { return (p.passes->cover(a.pass) >> k & 1) != 0; }
  bool trains() const { return p.passes->has(pass::backward_weight); }
  bool goes_back(int stage) const { return trains() && stage >= 0 && links_.goes_back[static_cast<std::size_t>(stage)]; }
  bool of_run(const action& a) const { return a.pass == added_.norm || a.pass == added_.update; }

  /// The rows of the graph along which layers hand on what they make.
  void need_row(pass_id k, relation how, const char* name, const char* where) const {
    for (int e = 0; e < p.passes->edge_count; ++e) {
      const edge& row = p.passes->edges[e];
      if (row.consumer == k && row.producer == k && row.how == how && !row.message.empty()) return;
    }
    throw error(text("stretto: the plan's graph has no row by which ", name, " waits for ", name, " of the hop ", where, ", with a message; begin with the graph training() or inference()").str());
  }

  /// Which entries are the first and the last that a micro-batch has on a stage.
  void find_ends(int rank) {
    const view<const action> list = p.order(rank);
    for (std::int64_t i = 0; i < list.count; ++i) {
      const action& a = list[i];
      if (a.is_message()) continue;
      const pass_kind& kind = p.passes->passes[a.pass];
      const error_place here{.rank = rank, .step = static_cast<int>(i)};
      if (!of_run(a) && (kind.by != scope::stage || kind.per != share::slice || a.pass > pass::backward))
        throw error(text("stretto: rank ", rank, " step ", i, " is of pass ", kind.name, ", which no layer does; the pipeline runs F, I, W and B").str(), here);
      if (kind.on != lane::compute)
        throw error(text("stretto: rank ", rank, " step ", i, " is of pass ", kind.name, " on another lane than compute; the pipeline runs each rank's list in order, so let it be on the compute lane").str(), here);
      if (kind.by != scope::stage) continue;
      if (does(a, pass::forward)) first_[at(a.stage, box(a))] = static_cast<std::int32_t>(i);
      if (does(a, pass::backward_weight) || !trains()) last_[at(a.stage, box(a))] = static_cast<std::int32_t>(i);
    }
  }

  int channel(bool forward, int link, int from_stage, int to_stage, const route_view& r) {
    const int from = r.rank_of(from_stage), to = r.rank_of(to_stage);
    for (std::size_t i = 0; i < f.channels.size(); ++i) {
      const channel_plan& c = f.channels[i];
      if (c.forward == forward && c.link == link && c.from_stage == from_stage && c.to_stage == to_stage && c.from == from && c.to == to) return static_cast<int>(i);
    }
    f.channels.push_back({forward, link, from_stage, to_stage, from, to, 0, 0});
    return static_cast<int>(f.channels.size()) - 1;
  }

  /// Visits the channels of one direction that end (or begin) at a stage: the main one, then the stage's skip links.
  template <class Visit>
  void each_channel(bool forward, bool ends_here, int stage, const route_view& r, Visit&& visit) {
    const int neighbour = forward == ends_here ? r.previous(stage) : r.next(stage);
    const bool flows = forward || goes_back(ends_here ? stage : neighbour);
    if (neighbour >= 0 && flows) visit(channel(forward, -1, ends_here ? neighbour : stage, ends_here ? stage : neighbour, r), 0);
    const auto& all = forward ? links_.values : links_.gradients;
    int place = 0;
    for (std::size_t i = 0; i < all.size() && (forward || trains()); ++i) {
      const skip_link& s = all[i];
      if ((ends_here ? s.to : s.from) != stage) continue;
      ++place;
      const int other = ends_here ? s.from : s.to;
      if (r.rank_of(other) < 0) {
        const skip_link& whole = links_.values[forward ? i : 0];
        const int from = forward ? whole.from : s.to, to = forward ? whole.to : s.from;
        throw error(text("stretto: a skip connection joins stages ", from, " and ", to, ", and a route passes one of them without the other; let routes pass both").str(), {.stage = stage});
      }
      visit(channel(forward, static_cast<int>(i), s.from, s.to, r), place);
    }
  }
  template <class Visit>
  void each_put(const action& a, Visit&& visit) {
    const route_view r = p.route_of(a.micro_batch);
    if (does(a, pass::forward)) each_channel(true, false, a.stage, r, visit);
    if (does(a, pass::backward_input) && goes_back(a.stage)) each_channel(false, false, a.stage, r, visit);
  }

  /// What a send hands on: the channels that its message stands for.
  template <class Visit>
  void each_sent(const action& a, Visit&& visit) {
    const edge& row = p.passes->edges[a.pass];
    const route_view r = p.route_of(a.micro_batch);
    const bool forward = row.producer == pass::forward;
    bool known = row.how == relation::previous_hop || row.how == relation::next_hop;
    for (int skip : forward ? added_.skip_rows : added_.skip_gradient_rows) known = known || skip == a.pass;
    if (!known || row.producer > pass::backward_input)
      throw error(text("stretto: message ", row.message, " of the plan is none that layers send; declare skip connections in the model").str(), {.stage = a.stage});
    each_channel(forward, false, a.stage, r, [&](int c, int place) {
      if (f.channels[static_cast<std::size_t>(c)].to_stage == a.peer && (row.how == relation::skip) == (place > 0)) visit(c, place);
    });
  }

  template <class Each>
  port_range ports(rank_flow& out, Each&& each) {
    port_range range{static_cast<int>(out.ports.size()), 0};
    each([&](int c, int place) { out.ports.push_back({c, place}); });
    range.end = static_cast<int>(out.ports.size());
    return range;
  }

  /// Numbers that are given out and come back.
  struct numbers {
    int most = 0;
    std::vector<int> idle;
    int get() {
      if (idle.empty()) return most++;
      const int n = idle.back();
      idle.pop_back();
      return n;
    }
    void back(int n) { idle.push_back(n); }
  };

  void lay_out(int rank) {
    rank_flow& out = f.ranks[static_cast<std::size_t>(rank)];
    const view<const action> list = p.order(rank);
    struct room {
      numbers slots, workspaces, carries;
    };
    std::vector<int> place(static_cast<std::size_t>(p.stages), -1);  // of a stage in out.stages
    std::vector<room> rooms;
    std::vector<int> slot_of(last_.size(), -1), workspace_of(last_.size(), -1), carry_of(static_cast<std::size_t>(p.stages) * static_cast<std::size_t>(p.micro_batches), -1);
    std::vector<int> left(carry_of.size(), p.slices);
    int live = 0;
    for (std::int64_t i = 0; i < list.count; ++i) {
      const action& a = list[i];
      if (a.kind == role::receive) continue;
      work_item item;
      item.entry = static_cast<int>(i);
      item.what = a;
      if (!a.is_message() && of_run(a)) {
        item.kind = a.pass == added_.norm ? work::norm : work::update;
        out.items.push_back(item);
        continue;
      }
      item.box = box(a);
      if (a.kind == role::send) {
        item.kind = work::send;
        item.puts = ports(out, [&](auto&& add) { each_sent(a, add); });
        for (int k = item.puts.begin; k < item.puts.end; ++k) ++f.channels[static_cast<std::size_t>(out.ports[static_cast<std::size_t>(k)].channel)].sent;
        if (item.puts.begin < item.puts.end) out.items.push_back(item);
        continue;
      }
      int& here = place[static_cast<std::size_t>(a.stage)];
      if (here < 0) {
        here = static_cast<int>(out.stages.size());
        out.stages.push_back({a.stage, 0, 0, 0});
        rooms.emplace_back();
      }
      room& free = rooms[static_cast<std::size_t>(here)];
      const route_view r = p.route_of(a.micro_batch);
      const std::size_t mine = at(a.stage, item.box), shared = static_cast<std::size_t>(a.stage) * static_cast<std::size_t>(p.micro_batches) + static_cast<std::size_t>(a.micro_batch);
      item.stage = here;
      item.goes_back = goes_back(a.stage);
      item.kind = a.pass == pass::forward ? work::forward : a.pass == pass::backward_input ? work::backward_input
                : a.pass == pass::backward_weight ? work::backward_weight : work::backward;
      const bool last = last_[mine] == item.entry, early = item.kind == work::forward && links_.lets_input_go[static_cast<std::size_t>(a.stage)];
      if (item.kind == work::forward) {
        slot_of[mine] = free.slots.get();
        if (carry_of[shared] < 0) carry_of[shared] = free.carries.get();
        if (++live > out.peak) out.peak = live;
        item.takes = ports(out, [&](auto&& add) { each_channel(true, true, a.stage, r, add); });
      }
      if (item.kind != work::backward_weight) workspace_of[mine] = free.workspaces.get();
      if (slot_of[mine] < 0 || workspace_of[mine] < 0)
        throw error(text("stretto: rank ", rank, " step ", i, " works on a micro-batch whose pass before hasn't run on this stage, and the plan's graph doesn't ask for it; let W wait for I, and I for F").str(),
                    {.rank = rank, .step = static_cast<int>(i)});
      item.slot = slot_of[mine];
      item.workspace = workspace_of[mine];
      item.carry = carry_of[shared];
      const bool back = (item.kind == work::backward_input || item.kind == work::backward) && item.goes_back;
      if (back) item.takes = ports(out, [&](auto&& add) { each_channel(false, true, a.stage, r, add); });
      item.puts = ports(out, [&](auto&& add) { each_put(a, add); });
      if (early || (last && !links_.lets_input_go[static_cast<std::size_t>(a.stage)])) item.values_back = ports(out, [&](auto&& add) { each_channel(true, true, a.stage, r, add); });
      if (last && item.goes_back) item.gradients_back = ports(out, [&](auto&& add) { each_channel(false, true, a.stage, r, add); });
      if (item.kind != work::backward_input) free.workspaces.back(item.workspace), workspace_of[mine] = -1;
      if (last) {
        free.slots.back(item.slot), slot_of[mine] = -1;
        --live;
        if (--left[shared] == 0 && !keeps_carry_) free.carries.back(item.carry);
      }
      out.items.push_back(item);
    }
    for (std::size_t k = 0; k < rooms.size(); ++k) {
      out.stages[k].slots = rooms[k].slots.most;
      out.stages[k].workspaces = rooms[k].workspaces.most;
      out.stages[k].carries = rooms[k].carries.most;
    }
  }

  void fill(int number, int rank, const action& a) {
    channel_plan& c = f.channels[static_cast<std::size_t>(number)];
    auto& filled = filled_[static_cast<std::size_t>(number)];
    const std::int32_t known = clock_[static_cast<std::size_t>(rank * p.ranks + c.to)];
    const bool early = c.forward && links_.lets_input_go[static_cast<std::size_t>(c.to_stage)];
    std::size_t away = 0;  // what is known to be back stays so
    for (std::int32_t back : filled)
      if (back >= known) filled[away++] = back;
    filled.resize(away);
    filled.push_back((early ? first_ : last_)[at(c.to_stage, box(a))]);
    c.objects = static_cast<int>(away) + 1 > c.objects ? static_cast<int>(away) + 1 : c.objects;
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
  const runnable_plan& added_;
  const model_links& links_;
  bool keeps_carry_;
  std::int64_t boxes_ = 0;
  std::vector<std::int32_t> first_, last_;         // by stage and box: the forward, and the entry that lets go
  std::vector<std::int32_t> clock_, seen_;         // entries of each rank that have certainly run
  std::vector<std::vector<std::int32_t>> filled_;  // by channel: when each object that is away comes back
  flow f;
};

}  // namespace detail

/// The tables of a valid program of layers. `keeps_carry`: each micro-batch has a carry of its own, for runs that go on.
inline flow make_flow(const plan_view& program, const runnable_plan& added, const model_links& links, bool keeps_carry = false) {
  return detail::flow_maker(program, added, links, keeps_carry).make();
}

}  // namespace stretto::inline v0
