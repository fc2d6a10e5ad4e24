// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An order of passes bound to the stages of a pipeline: the program, its tables, slots and channels, and a board for what
// the ranks tell each other. A pipeline has one to train with, and as many beside it as it is asked for.
//
//     training      F0 F1 B0 F2 B1 …       slots, channels and board of its own
//     evaluation    F0 F1 F2 F3            the same layers and weights
// Everything is made here; nothing is later. Cost: what the plan holds at its peak.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include <stretto/plan/check.hpp>
#include <stretto/plan/lower.hpp>
#include <stretto/run/board.hpp>
#include <stretto/run/flow_maker.hpp>
#include <stretto/run/recorder.hpp>
#include <stretto/run/service.hpp>
#include <stretto/run/stage_run.hpp>
#include <stretto/run/step_rule.hpp>
#include <stretto/tensor/memory_account.hpp>
#include <stretto/transport/transport.hpp>

namespace stretto::inline v0::detail {

/// What is the same for all entries of one step.
struct step_request {
  std::int64_t index = 0;      ///< of the binding's steps
  std::int64_t step = 0;       ///< of training
  double normalizer = 1;
  int order = 0, round = 0;
  bool clears = true, updates = true, begins = true;
  step_rule rule = {};
  const service_calls* serves = nullptr;  // not null: the order is walked until they say that the last item has come
};

/// Notes what a step is asked for. A row of the eight is free by then.
inline void note_step(step_note& to, const step_request& what, std::int64_t number) {
  to.number.value.exchange(0, std::memory_order_acq_rel);  // nothing below is seen before it
  to.index = what.index, to.step = what.step, to.asked = clock_now();
  to.kind = 4 * what.round + (what.updates ? 1 : 0) + (what.begins ? 2 : 0);
  to.normalizer = std::bit_cast<std::int64_t>(what.normalizer), to.scale = std::bit_cast<std::int64_t>(what.rule.loss_scale);
  to.most_norm = std::bit_cast<std::int64_t>(what.rule.most_norm), to.most_loss = std::bit_cast<std::int64_t>(what.rule.most_loss);
  to.number.value.store(number, std::memory_order_release);
}

/// What a rank has of one binding.
struct rank_room {
  std::vector<stage_run> stages;             // as in its flow
  std::vector<const bound_stage*> bound;     // likewise
  std::vector<std::vector<void*>> filled;    // by channel and box: what was made and isn't sent yet
  std::vector<std::vector<std::int32_t>> marks;  // likewise: what goes with it
  std::vector<void*> out;                    // what a pass fills, by place
  std::vector<label> names;                  // of entries, where a profiler is told them
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

/// While it lives, memory is counted for a rank, and made where that rank's is to lie.
template <class Transport>
struct made_for {
  made_for(Transport& t, int rank, memory_account& a) : counted(a), there(placed_for(t, rank)) {}
  counted_for counted;
  decltype(placed_for(std::declval<Transport&>(), 0)) there;
};

/// Pinned numbers by rank, where ranks are streams.
template <class Transport>
struct lane_numbers {
  explicit lane_numbers(int) {}
};
template <class Transport>
  requires has_lanes<Transport>
struct lane_numbers<Transport> {
  explicit lane_numbers(int ranks) : of(static_cast<std::size_t>(ranks)) {}
  std::vector<typename Transport::template pinned<double>> of;
};

template <class Transport>
struct binding {
  binding(Transport& t, const plan_view& order, const run_passes& passes, const model_links& links, bool keeps) : transport(t), keeps_carry(keeps), lane_losses(order.ranks) {
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
    for (std::size_t r = 0; r < rooms.size(); ++r) counted(static_cast<int>(r), [&] { rooms[r] = {}; });
    for (std::size_t i = 0; i < channels.size(); ++i) counted(counts_for(tables.channels[i]), [&] { transport.close(channels[i]); });
    if (board != nullptr) transport.close(board);
    if (ties == nullptr) return;
    transport.close(ties);
    for (memory_account* const a : accounts)
      if (a != nullptr) a->add(-tie_bytes);
  }

  /// Makes slots and channels. stage_of(rank, stage) is a stage of a local rank; layer_of(l, look) calls look(row, layer) with
  /// layer l of the model, which may be made for that only. account_of(rank) counts a local rank's memory.
  /// Channels come first: a layer of another rank that is made to be looked at has gone before slots are made.
  /// `all` has where local ranks note in which layer they are.
  template <class StageOf, class LayerOf, class AccountOf>
  void make_rooms(StageOf&& stage_of, LayerOf&& layer_of, AccountOf&& account_of, const model_links& links, const cut& c, const run_record& all, bool records, bool names) {
    record.work = &work, record.tables = &tables, record.boxes = boxes, record.trains = trains, record.cut = c.begin;
    record.ranks = std::vector<rank_notes>(static_cast<std::size_t>(work.ranks));
    for (int r = 0; r < work.ranks; ++r) accounts.push_back(transport.local(r) ? &account_of(r) : nullptr);
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
        shape.cross = source.what().cross;
        shape.type = source.what().type;
        bytes_of.back() = shape.bytes;
        shape.maker = &source;
        channels.push_back(transport.open(shape));
      };
      bytes_of.push_back(nullptr);
      if (transport.local(p.from) || (copies_messages<Transport>() && transport.local(p.to))) {
        counted(counts_for(p), [&] { layer_of(layer, open); });
      } else {
        channels.push_back(transport.open(shape));
      }
      const auto room = static_cast<std::size_t>(records && p.from != p.to ? kept_steps * boxes : 0);
      record.puts.emplace_back(transport.local(p.from) ? room : 0);
      record.takes.emplace_back(transport.local(p.to) ? room : 0);
    }
    rooms.resize(static_cast<std::size_t>(work.ranks));
    for (int r = 0; r < work.ranks; ++r) {
      if (!transport.local(r)) continue;
      const made_for<Transport> scope(transport, r, account_of(r));
      rank_room& room = rooms[static_cast<std::size_t>(r)];
      const rank_flow& f = tables.ranks[static_cast<std::size_t>(r)];
      std::size_t places = 1;
      for (const stage_room& s : f.stages) {
        const bound_stage& bound = stage_of(r, s.stage);
        room.bound.push_back(&bound);
        room.stages.emplace_back(bound, trains);
        stage_run& run = room.stages.back();
        run.layer_now = &all.of_rank[static_cast<std::size_t>(r)]->layer;
        run.make(s.slots, s.workspaces, s.carries, keeps_carry || work.slices > 1);
        if constexpr (has_lanes<Transport>) {
          auto& losses = lane_losses.of[static_cast<std::size_t>(r)];
          if (bound.ends && run.loses_later()) losses = std::remove_reference_t<decltype(losses)>(boxes);
        }
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
      room.filled.assign(tables.channels.size(), {}), room.marks.assign(tables.channels.size(), {});
      for (std::size_t i = 0; i < tables.channels.size(); ++i)
        if (tables.channels[i].from == r) room.filled[i].assign(static_cast<std::size_t>(boxes), nullptr), room.marks[i].assign(static_cast<std::size_t>(boxes), 0);
      const naming name(work);
      for (const action& a : work.order(r))
        if (names) room.names.push_back(label(name(a).str()));
      if constexpr (has_lanes<Transport>)
        if (records) transport.clock(r).reserve(2 * static_cast<std::int64_t>(f.items.size()));
      if (records) record.ranks[static_cast<std::size_t>(r)].times = std::vector<entry_times>(static_cast<std::size_t>(kept_steps * work.order(r).count));
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

  void open_board(const parameter_board& all, label name, std::int64_t told_bytes) {
    std::int64_t most = 0;
    for (int r = 0; r < work.ranks && trains; ++r) most = all.size(r) > most ? all.size(r) : most;
    board = transport.open_gathering(name, {(head + boxes + most) * static_cast<std::int64_t>(sizeof(double)), static_cast<int>(kept_steps), {}});
    const std::int64_t shares = trains ? told_bytes : 0;
    if (shares == 0) return;
    ties = transport.open_gathering(label(text("ties of ", name).str()), {shares, kept_shares, {}});
    tie_bytes = kept_shares * shares;
    for (memory_account* const a : accounts)
      if (a != nullptr) a->add(tie_bytes);
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
  /// Where a device's sums of the last layer are copied to, by box; and what has come, when the rank's stream is settled.
  double* loss_of_box(int rank, std::int64_t box) {
    return lane_losses.of[static_cast<std::size_t>(rank)].data() + box;
  }
  void read_losses(int rank, double* to) const {
    const auto& mine = lane_losses.of[static_cast<std::size_t>(rank)];
    for (std::int64_t i = 0; i < mine.size(); ++i) to[i] = mine.read(i);
  }
  double norm_of(int rank, std::int64_t step) const { return rooms[static_cast<std::size_t>(rank)].norms[step % kept_steps]; }
  double* segment(int rank, std::int64_t step) { return static_cast<double*>(transport.segment(*board, rank, step)); }
  const double* seen(int rank, std::int64_t step) const { return static_cast<const double*>(transport.from(*board, rank, step)); }

  /// What was measured of a step, of the ranks of this process.
  recording recorded(std::int64_t step, std::int64_t origin) const {
    recording out;
    const auto seconds = [&](std::int64_t t) { return t == 0 ? 0.0 : static_cast<double>(t - origin) * 1e-9; };
    const std::int64_t kept = step % kept_steps;
    for (int r = 0; r < work.ranks; ++r) {
      const std::int64_t n = work.order(r).count;
      const rank_notes& notes = record.ranks[static_cast<std::size_t>(r)];
      const bool here = !notes.times.empty();
      for (std::int64_t i = 0; i < n; ++i) {
        const entry_times* const t = here ? &notes.times[static_cast<std::size_t>(kept * n + i)] : nullptr;
        out.waits.push_back(here ? seconds(t->wait.get()) : 0);
        out.starts.push_back(here ? seconds(t->start.get()) : 0);
        out.ends.push_back(here ? seconds(t->end.get()) : 0);
      }
      out.asked.push_back(here ? seconds(record.steps[kept].asked.get()) : 0);
      out.begun.push_back(seconds(notes.begun[kept].get()));
      out.ended.push_back(seconds(notes.ended[kept].get()));
    }
    for (std::size_t c = 0; c < tables.channels.size(); ++c) {
      const channel_plan& p = tables.channels[c];
      for (std::int64_t box = 0; box < boxes && p.from != p.to; ++box) {
        const std::size_t at = record.mark(kept, box);
        const std::int64_t put = record.puts[c].empty() ? 0 : record.puts[c][at].when.get(), taken = record.takes[c].empty() ? 0 : record.takes[c][at].get();
        if (put == 0 && taken == 0) continue;
        out.messages.push_back({p.from, p.to, p.from_stage, p.to_stage, static_cast<int>(box / work.slices), static_cast<int>(box % work.slices), p.forward,
                                seconds(put), seconds(taken), put == 0 ? 0 : record.puts[c][at].bytes.get()});
      }
    }
    return out;
  }

  Transport& transport;
  runnable_plan added;
  program work;
  flow tables;
  bool trains = true, keeps_carry = false;
  [[no_unique_address]] lane_numbers<Transport> lane_losses;
  std::int64_t boxes = 0, first_channel = 0;
  std::vector<rank_room> rooms;  // by rank
  std::vector<typename Transport::channel*> channels;
  typename Transport::gathering* board = nullptr;
  typename Transport::gathering* ties = nullptr;  // where parameters are tied
  step_request requests[kept_steps] = {};  // of the steps that are kept
  std::int64_t asked = 0;        // steps of this binding
  std::vector<std::int64_t (*)(const void*)> bytes_of;  // what a message of a channel carries, where this process sends
  order_record record;
  std::vector<memory_account*> accounts;  // by rank; null where it isn't of this process
  std::int64_t tie_bytes = 0;

 private:
  /// Who counts a channel's objects: the rank of this process that has them.
  int counts_for(const channel_plan& c) const { return transport.local(c.from) ? c.from : c.to; }
  /// Does what makes or drops memory of a rank.
  template <class Do>
  void counted(int rank, Do&& work_of) {
    if (accounts.empty() || accounts[static_cast<std::size_t>(rank)] == nullptr) return work_of();
    const counted_for scope(*accounts[static_cast<std::size_t>(rank)]);
    work_of();
  }
};

}  // namespace stretto::inline v0::detail
