// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An order of passes bound to the stages of a pipeline: the program, its tables, slots and channels, and a board for what
// the ranks tell each other. A pipeline has one to train with, and as many beside it as it is asked for.
//
//     training      F0 F1 B0 F2 B1 …       slots, channels and board of its own
//     evaluation    F0 F1 F2 F3            the same layers and weights
// Everything is made here; nothing is later. Cost: what the plan holds at its peak.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include <stretto/plan/check.hpp>
#include <stretto/plan/lower.hpp>
#include <stretto/run/board.hpp>
#include <stretto/run/flow_maker.hpp>
#include <stretto/run/recorder.hpp>
#include <stretto/run/stage_run.hpp>
#include <stretto/run/step_rule.hpp>
#include <stretto/tensor/memory_account.hpp>
#include <stretto/transport/transport.hpp>

namespace stretto::inline v0::detail {

inline constexpr std::int64_t kept_steps = 8;  ///< steps that may be under way, or not yet asked for their loss

/// What is the same for all entries of one step.
struct step_request {
  std::int64_t index = 0;      ///< of the binding's steps
  std::int64_t step = 0;       ///< of training
  double normalizer = 1;
  int order = 0, round = 0;
  bool clears = true, updates = true, begins = true;
  step_rule rule = {};
};

/// What a rank has of one binding.
struct rank_room {
  std::vector<stage_run> stages;             // as in its flow
  std::vector<const bound_stage*> bound;     // likewise
  std::vector<std::vector<void*>> filled;    // by channel and box: what was made and isn't sent yet
  std::vector<void*> out;                    // what a pass fills, by place
  std::vector<entry_times> times;            // by kept step and entry, where the pipeline records
  std::int64_t updates = 0;                  // that this rank has come to
  double norms[kept_steps] = {};             // of the steps that are kept, where gradients are tied
};

/// Objects in their largest shape, for channels whose makers may be other ranks.
struct object_source {
  const layer_row* row = nullptr;
  const void* layer = nullptr;
  bool given = false, gradient = false;

  static void* make(const void* source) {
    const object_source& s = *static_cast<const object_source*>(source);
    const object_row& value = s.given ? s.row->given : s.row->output;
    void* v = value.make(s.layer);
    if (!s.gradient) return v;
    const object_row& g = s.given ? s.row->given_gradient : s.row->gradient;
    void* made = g.make(v);
    value.drop(v);
    return made;
  }
  const object_row& what() const { return gradient ? (given ? row->given_gradient : row->gradient) : (given ? row->given : row->output); }
};

template <class Transport>
struct binding {
  binding(Transport& t, const plan_view& order, const run_passes& passes, const model_links& links, bool keeps) : transport(t), keeps_carry(keeps) {
    added = make_runnable(order, passes);
    if (order.lowered) {
      if (!passes.skips.empty()) throw error("stretto: the model has skip connections, and this plan holds its messages already; give the order that it came from");
      static_cast<plan&>(work) = added.order;
      work.lowered = true;
    } else {
      work = lower(added.order);
    }
    require(check(work, Transport::links));
    tables = make_flow(work, added, links, keeps);
    trains = work.passes.has(pass::backward_weight);
    boxes = static_cast<std::int64_t>(work.micro_batches) * work.slices;
  }
  binding(const binding&) = delete;
  binding& operator=(const binding&) = delete;
  ~binding() {
    rooms.clear();
    for (auto* c : channels) transport.close(c);
    if (board != nullptr) transport.close(board);
    if (ties != nullptr) transport.close(ties);
  }

  /// Makes slots and channels. stage_of(rank, stage) is a stage of a local rank; layer_of(l, look) calls look(row, layer) with
  /// layer l of the model, which may be made for that only. account_of(rank) counts a local rank's memory.
  /// Channels come first: a layer of another rank that is made to be looked at has gone before slots are made.
  template <class StageOf, class LayerOf, class AccountOf>
  void make_rooms(StageOf&& stage_of, LayerOf&& layer_of, AccountOf&& account_of, const model_links& links, const cut& c, bool records) {
    first_channel = static_cast<std::int64_t>(transport.opened());
    for (std::size_t i = 0; i < tables.channels.size(); ++i) {
      const channel_plan& p = tables.channels[i];
      channel_shape shape;
      shape.from = p.from;
      shape.to = p.to;
      shape.boxes = boxes;
      shape.objects = p.objects;
      const bool main = p.link < 0;
      const int layer = main ? c.last(p.forward ? p.from_stage : p.to_stage) - 1 : (p.forward ? links.values : links.gradients)[static_cast<std::size_t>(p.link)].giver;
      const auto open = [&](const layer_row& row, const void* made) {
        const object_source source{&row, made, !main, !p.forward};
        shape.make = object_source::make;
        shape.drop = source.what().drop;
        shape.bytes = source.what().bytes;
        shape.maker = &source;
        channels.push_back(transport.open(shape));
      };
      if (transport.local(p.from)) {
        const counted_for scope(account_of(p.from));
        layer_of(layer, open);
      } else {
        channels.push_back(transport.open(shape));
      }
      if (records) puts.emplace_back(static_cast<std::size_t>(kept_steps * boxes), 0), takes.emplace_back(static_cast<std::size_t>(kept_steps * boxes), 0);
    }
    rooms.resize(static_cast<std::size_t>(work.ranks));
    for (int r = 0; r < work.ranks; ++r) {
      if (!transport.local(r)) continue;
      const counted_for scope(account_of(r));
      rank_room& room = rooms[static_cast<std::size_t>(r)];
      const rank_flow& f = tables.ranks[static_cast<std::size_t>(r)];
      std::size_t places = 1;
      for (const stage_room& s : f.stages) {
        const bound_stage& bound = stage_of(r, s.stage);
        room.bound.push_back(&bound);
        room.stages.emplace_back(bound, trains);
        stage_run& run = room.stages.back();
        run.make(s.slots, s.workspaces, s.carries, keeps_carry || work.slices > 1);
        const auto value_of = [&](int layer, bool given, auto&& look) {
          layer_of(layer, [&](const layer_row& row, const void* made) {
            const object_row& what = given ? row.given : row.output;
            void* value = what.make(made);
            look(value);
            what.drop(value);
          });
        };
        if (const int before = trains && bound.active == 0 ? unwanted_from(s.stage, links) : -1; before >= 0)
          value_of(c.last(before) - 1, false, [&](const void* v) { run.spare_in_gradient(v); });
        for (std::size_t k = 0; k < bound.rows.size(); ++k)
          if (run.lacks_taken_gradient(k))
            for (const skip_end& e : links.ends)
              if (e.taker == bound.first_layer + static_cast<int>(k)) value_of(e.giver, true, [&](const void* v) { run.spare_taken_gradient(k, v); });
        for (int n : {bound.values_out, bound.gradients_out}) places = static_cast<std::size_t>(n) + 1 > places ? static_cast<std::size_t>(n) + 1 : places;
      }
      room.out.assign(2 * places, nullptr);
      room.filled.assign(tables.channels.size(), {});
      for (std::size_t i = 0; i < tables.channels.size(); ++i)
        if (tables.channels[i].from == r) room.filled[i].assign(static_cast<std::size_t>(boxes), nullptr);
      if (records) room.times.resize(static_cast<std::size_t>(kept_steps) * static_cast<std::size_t>(work.order(r).count));
    }
  }

  /// A stage in front of this one, on some route, that wants no gradient of what it gives; -1 where there is none.
  int unwanted_from(int stage, const model_links& links) const {
    const plan_view v = work;
    for (int k = 0; k < v.routes; ++k)
      if (v.route(k).rank_of(stage) >= 0)
        if (const int before = v.route(k).previous(stage); before >= 0 && !links.goes_back[static_cast<std::size_t>(before)]) return before;
    return -1;
  }

  template <class AccountOf>
  void open_board(const parameter_board& all, label name, AccountOf&& account_of) {
    std::int64_t most = 0;
    for (int r = 0; r < work.ranks && trains; ++r) most = all.size(r) > most ? all.size(r) : most;
    board = transport.open_gathering(name, {(head + boxes + most) * static_cast<std::int64_t>(sizeof(double)), static_cast<int>(kept_steps), {}});
    const std::int64_t shares = trains ? all.most_share_bytes() : 0;
    if (shares == 0) return;
    ties = transport.open_gathering(label(text("ties of ", name).str()), {shares, kept_shares, {}});
    for (int r = 0; r < work.ranks; ++r)
      if (transport.local(r)) account_of(r).add(kept_shares * shares);
  }
  static constexpr std::int64_t head = 6;  // a rank's segment begins with what it was asked for: normalizer, step, kind of run, rule
  /// The first rank that was asked for something else; -1 where all were asked for the same.
  int asked_otherwise(std::int64_t step, const double* mine) const {
    for (int r = 0; r < work.ranks; ++r)
      for (int i = 0; i < head; ++i)
        if (seen(r, step)[i] != mine[i]) return r;
    return -1;
  }
  const step_request& request(std::int64_t step) const { return requests[step % kept_steps]; }
  /// The loss of a step whose segments have been gathered.
  double loss_of(std::int64_t step) const {
    double sum = 0;
    for (int m = 0; m < work.micro_batches; ++m) {
      const route_view r = plan_view(work).route_of(m);
      const double* losses = seen(r.rank_of(r.last()), step);
      for (int q = 0; q < work.slices; ++q) sum += losses[head + m * work.slices + q];
    }
    return sum / request(step).normalizer;
  }
  /// Whether a step of that norm is to be taken where steps may be skipped.
  bool is_sound(std::int64_t step, double norm) const {
    const step_rule& rule = request(step).rule;
    if (!is_finite(norm) || norm > rule.most_norm) return false;
    return rule.most_loss < std::numeric_limits<double>::infinity() ? loss_of(step) <= rule.most_loss : true;
  }
  double norm_of(int rank, std::int64_t step) const { return rooms[static_cast<std::size_t>(rank)].norms[step % kept_steps]; }
  double* segment(int rank, std::int64_t step) { return static_cast<double*>(transport.segment(*board, rank, step)); }
  const double* seen(int rank, std::int64_t step) const { return static_cast<const double*>(transport.from(*board, rank, step)); }

  /// What was measured of a step, of the ranks of this process.
  recording recorded(std::int64_t step, std::int64_t origin) const {
    recording out;
    const auto seconds = [&](std::int64_t t) { return t == 0 ? 0.0 : static_cast<double>(t - origin) * 1e-9; };
    const auto kept = static_cast<std::size_t>(step % kept_steps);
    for (int r = 0; r < work.ranks; ++r) {
      const auto n = static_cast<std::size_t>(work.order(r).count);
      const auto& times = rooms[static_cast<std::size_t>(r)].times;
      for (std::size_t i = 0; i < n; ++i) {
        const entry_times t = times.empty() ? entry_times{} : times[kept * n + i];
        out.waits.push_back(seconds(t.wait));
        out.starts.push_back(seconds(t.start));
        out.ends.push_back(seconds(t.end));
      }
    }
    for (std::size_t c = 0; c < tables.channels.size(); ++c) {
      const channel_plan& p = tables.channels[c];
      for (std::int64_t box = 0; box < boxes && p.from != p.to; ++box) {
        const std::size_t at = kept * static_cast<std::size_t>(boxes) + static_cast<std::size_t>(box);
        if (puts[c][at] == 0 && takes[c][at] == 0) continue;  // of a message to or from elsewhere one is known
        out.messages.push_back({p.from, p.to, p.from_stage, p.to_stage, static_cast<int>(box / work.slices), static_cast<int>(box % work.slices), p.forward,
                                seconds(puts[c][at]), seconds(takes[c][at])});
      }
    }
    return out;
  }

  Transport& transport;
  runnable_plan added;
  program work;
  flow tables;
  bool trains = true, keeps_carry = false;
  std::int64_t boxes = 0, first_channel = 0;
  std::vector<rank_room> rooms;  // by rank
  std::vector<typename Transport::channel*> channels;
  typename Transport::gathering* board = nullptr;
  typename Transport::gathering* ties = nullptr;  // where parameters are tied
  step_request requests[kept_steps] = {};  // of the steps that are kept
  std::int64_t asked = 0;        // steps of this binding
  std::vector<std::vector<std::int64_t>> puts, takes;  // by channel, kept step and box: when, where the pipeline records
};

}  // namespace stretto::inline v0::detail
