// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a rank does: it walks its table, takes what an entry wants from channels, lets the stage work on it and hands on what
// came of it. At the end of a step it adds up its gradients, and updates its weights when its edges allow.
//
//     for each entry    take ─► fill context ─► forward | backward_input | backward_weight ─► put ─► let go
// Whatever is thrown ends the run on all ranks in one error that names rank, step and action. Cost: well under a
// microsecond an entry; nothing is allocated, and no lock is taken but to sleep.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <string_view>
#include <vector>

#include <stretto/plan/diagnose.hpp>
#include <stretto/run/agreement.hpp>
#include <stretto/run/binding.hpp>
#include <stretto/run/lane_times.hpp>
#include <stretto/run/rank_update.hpp>
#include <stretto/run/rank_tools.hpp>
#include <stretto/run/ranges.hpp>
#include <stretto/stage/context.hpp>

namespace stretto::inline v0::detail {

template <class Transport, class Optimizer>
class executor {
 public:
  executor(Transport& t, rank_record& record, const parameter_board& board, std::vector<bound_stage>& stages)
      : t_(t), record_(record), rank_(record.rank), board_(board), stages_(stages), updates_(t, board, record.rank) {
    const void* lane = nullptr;
    if constexpr (has_lanes<Transport>) lane = t.lane(rank_);
    for (bound_stage& s : stages_)
      for (std::size_t k = 0; k < s.layers.size(); ++k) {
        if (s.rows[k]->lend != nullptr && lane == nullptr)
          throw error(text("stretto: layer ", s.first_layer + static_cast<int>(k), " works on streams of a device, and the transport has none; make the pipeline over cuda_streams").str(), {.rank = rank_, .layer = s.first_layer + static_cast<int>(k)});
        tools_.take_in(*s.rows[k], s.layers[k], lane);
      }
  }

  /// Takes a parameter of this rank, with room for what the optimizer keeps of it.
  const parameter& own(const parameter& one, int row) { return updates_.own(one, row); }

  /// Layers are told that their weights have changed before the next run. Any thread may say so.
  void weights_changed() { stale_.store(true, std::memory_order_relaxed); }

  /// One step of a binding. The entry that is at work is noted, for who has to say what went wrong.
  void run(binding<Transport>& b, const step_request& q, const Optimizer& optimizer, const run_settings& how) {
    b_.store(&b, std::memory_order_relaxed);
    run_ = &b, q_ = &q, optimizer_ = &optimizer, how_ = &how;
    room_ = &b.rooms[static_cast<std::size_t>(rank_)];
    f_ = &b.tables.ranks[static_cast<std::size_t>(rank_)];
    rank_notes& notes = b.record.ranks[static_cast<std::size_t>(rank_)];
    const std::int64_t kept = q.index % kept_steps;
    times_ = how.records ? notes.times.data() + kept * b.work.order(rank_).count : nullptr;
    if (times_ != nullptr) notes.begun[kept] = last_ = (std::max)(clock_now(), last_ + 1);  // later than all that the row holds
    record_.index = q.index, record_.entry = -1;
    record_.order.store(&b.record, std::memory_order_release);
    if (q.clears && b.trains) updates_.clear(optimizer);
    if (stale_.exchange(false, std::memory_order_relaxed)) tell_layers();
    tools_.begin_step({1 / (q.normalizer / q.rule.loss_scale), static_cast<std::uint32_t>(q.step)});
    if (times_ != nullptr) last_ = clock_now();
    bool published = false;
    turn_ = 0, is_last_ = q.serves == nullptr;
    for (walk(published); !is_last_; walk(published)) {
      ++turn_;
      if (times_ != nullptr) notes.begun[kept] = ++last_;  // what the row holds is of the walk before
    }
    now_.store(nullptr, std::memory_order_relaxed);
    if (!published) settle(), publish();
    if (times_ != nullptr && lane_times_.read(t_, *run_, rank_, q_->index)) last_ = clock_now();
    if (times_ != nullptr) notes.ended[kept] = last_;
    record_.order.store(nullptr, std::memory_order_relaxed);
  }

 private:
  /// Every entry of the list once.
  void walk(bool& published) {
    const step_request& q = *q_;
    lane_times_.begin(t_, rank_);
    for (const work_item& item : f_->items) {
      now_.store(&item, std::memory_order_relaxed);
      record_.entry = item.entry;
      if (times_ != nullptr) {
        times_[item.entry].wait = last_;
        if (item.kind == work::norm) times_[item.entry].start = last_;
      }
      switch (item.kind) {
        case work::send: {
          const range named(how_->ranges, name_of_range(item), item.what.micro_batch);
          each(item.puts, [&](const flow_port& p) { put(p.channel, item.box, filled(p, item), room_->marks[static_cast<std::size_t>(p.channel)][static_cast<std::size_t>(item.box)]); });
          break;
        }
        case work::norm:
          if (q.updates) add_up();
          else settle(), publish();
          published = true;
          break;
        case work::update:
          if (q.updates) update();
          break;
        default: pass_of(item);
      }
      ended_.store(++count_, std::memory_order_relaxed);
      if (times_ != nullptr) {
        if (item.kind == work::send) times_[item.entry].start = last_;
        times_[item.entry].end = last_ = clock_now();
      }
    }
  }

 public:
  /// What went wrong, with rank, step and action in front.
  error failure(std::string_view why) const {
    text t("stretto: rank ", rank_);
    name_entry(t);
    if (in_layers_) t.add(" layer ", context_.layer);
    if (why.substr(0, 9) == "stretto: ") why.remove_prefix(9);
    t.add(" threw: ", why);
    return error(t.str(), place());
  }

  /// Where the rank is. Its own thread asks.
  error_place place() const {
    const work_item* const now = now_.load(std::memory_order_relaxed);
    if (now == nullptr) return {.rank = rank_};
    return {.rank = rank_, .step = now->entry, .stage = now->what.stage, .micro_batch = now->what.micro_batch, .layer = in_layers_ ? context_.layer : -1};
  }

  /// How many entries have ended, for who watches.
  std::int64_t ended() const { return ended_.load(std::memory_order_relaxed); }

  /// " step 3 (0F2)", or that the step is at its end. Any thread may ask.
  void name_entry(text& t) const {
    const work_item* const now = now_.load(std::memory_order_relaxed);
    if (now != nullptr) t.add(" step ", now->entry, " (", naming(b_.load(std::memory_order_relaxed)->work)(now->what).str(), ")");
    else t.add(" the end of a step");
  }

 private:
  template <class Do>
  void each(const port_range& range, Do&& work) const {
    for (int i = range.begin; i < range.end; ++i) work(f_->ports[static_cast<std::size_t>(i)]);
  }
  /// What a rank waits for, in words and in numbers.
  struct needs {
    const executor& rank;
    void operator()(text& t) const {
      t.add("what");
      rank.name_entry(t);
      t.add(" needs");
    }
    error_place place() const { return rank.place(); }
  };
  needs say() const { return {*this}; }
  typename Transport::channel& channel(int i) const { return *run_->channels[static_cast<std::size_t>(i)]; }
  const char* name_of_range(const work_item& w) const { return room_->names.empty() ? "" : room_->names[static_cast<std::size_t>(w.entry)].letters; }
  std::size_t mark(std::int64_t box) const { return run_->record.mark(q_->index % kept_steps, box); }

  void*& filled(const flow_port& p, const work_item& w) const { return room_->filled[static_cast<std::size_t>(p.channel)][static_cast<std::size_t>(w.box)]; }

  void put(int i, std::int64_t box, void* object, std::int32_t goes_with) {
    if (auto& puts = run_->record.puts[static_cast<std::size_t>(i)]; !puts.empty()) {  // a send begins with it, so it needs no reading of its own
      puts[mark(box)].bytes = goes_with == 0 ? run_->bytes_of[static_cast<std::size_t>(i)](object) : 0;
      puts[mark(box)].when = last_;
    }
    t_.put(channel(i), {q_->index + turn_, run_->first_channel + i, box, goes_with}, object, say());
  }
  parcel take(int i, std::int64_t box) {
    const message_id id{q_->index + turn_, run_->first_channel + i, box};
    const parcel p = t_.take(channel(i), id, say());
    if (auto& takes = run_->record.takes[static_cast<std::size_t>(i)]; !takes.empty()) takes[mark(box)] = last_ = clock_now();
    if (!(p.id == id)) throw_wrong(i, id, p.id);
    return p;
  }
  [[noreturn]] void throw_wrong(int i, const message_id& want, const message_id& got) const {
    const channel_plan& c = run_->tables.channels[static_cast<std::size_t>(i)];
    throw error(text("stretto: message of channel ", want.channel, " box ", want.box, " of step ", want.step, " from stage ", c.from_stage, " (rank ", c.from, ") came as channel ",
                     got.channel, " box ", got.box, " of step ", got.step, "; the transport mixes up messages, put it through conformance.hpp").str());
  }

  void pass_of(const work_item& w) {
    stage_run& stage = room_->stages[static_cast<std::size_t>(w.stage)];
    const bool forward = w.kind == work::forward, weight_only = w.kind == work::backward_weight;
    const service_calls* const serves = q_->serves;
    const std::int64_t number = turn_ * run_->work.micro_batches + w.what.micro_batch;
    std::int32_t empty = 0;  // not 0: the item isn't worked on, and what is handed on says so
    if (forward || w.goes_back) {
      stage_slot& slot = stage.slot(w.slot);
      if (!weight_only) {
        auto& in = forward ? slot.in : slot.out_gradient;
        if (serves != nullptr) await(*serves, w.what.stage, number);
        each(w.takes, [&](const flow_port& p) {
          const parcel got = take(p.channel, w.box);
          in[static_cast<std::size_t>(p.place)] = got.object;
          if (p.place == 0) empty = got.id.mark;
        });
        room_->out[0] = nullptr;
        each(w.puts, [&](const flow_port& p) { room_->out[static_cast<std::size_t>(p.place)] = t_.fresh(channel(p.channel), say()); });
      }
      if (times_ != nullptr) {
        if (w.puts.begin < w.puts.end) last_ = clock_now();  // it may have waited for an object to fill
        times_[w.entry].start = last_;
      }
      context& c = context_;
      c = {};
      c.share = {q_->step, w.what.micro_batch, w.what.slice, run_->work.slices, q_->order, q_->round,
                 (static_cast<std::int64_t>(q_->round) * run_->work.micro_batches + w.what.micro_batch) * how_->samples, q_->index + turn_};
      c.rank = rank_;
      c.stage = w.what.stage;
      c.training = run_->trains;
      c.begins = q_->begins && w.what.slice == 0;
      c.normalizer = q_->normalizer / q_->rule.loss_scale;
      c.seed = how_->seed;
      c.feeds = how_->feeds;
      c.all_tools = tools_.all();
      const bool whole = w.kind == work::backward;
      const range named(how_->ranges, name_of_range(w), w.what.micro_batch);
      if (serves != nullptr) {
        empty = serves->begin(serves->with, w.what.stage, number, empty, c);
        is_last_ = is_last_ || (empty & service_calls::last) != 0;
      }
      if (times_ != nullptr) lane_times_.before(t_, rank_, w);
      in_layers_ = true;  // whatever is thrown before it is false again is of the layer that the context names
      if (forward && serves != nullptr) empty = serve(*serves, stage, w, number, empty);
      else if (forward) stage.forward(c, w.slot, w.workspace, w.carry, room_->out.data());
      if (w.kind == work::backward_input || whole) stage.backward_input(c, w.slot, w.workspace, w.carry, room_->out.data(), whole);
      if (weight_only || whole) stage.backward_weight(c, w.slot, w.workspace, w.carry, whole);
      in_layers_ = false;
      if (times_ != nullptr) lane_times_.behind(t_, rank_);
      record_.layer = 0;
      if (serves != nullptr) serves->end(serves->with, w.what.stage, number, empty);
      if (forward && empty == 0 && room_->bound[static_cast<std::size_t>(w.stage)]->ends) note_loss(stage, w);
      each(w.puts, [&](const flow_port& p) {
        void* const made = room_->out[static_cast<std::size_t>(p.place)];
        const channel_plan& to = run_->tables.channels[static_cast<std::size_t>(p.channel)];
        if (to.from == to.to) put(p.channel, w.box, made, empty);  // to another stage of this rank at once; else a send does it
        else filled(p, w) = made, room_->marks[static_cast<std::size_t>(p.channel)][static_cast<std::size_t>(w.box)] = empty;
      });
      each(w.gradients_back, [&](const flow_port& p) { t_.give_back(channel(p.channel), const_cast<void*>(slot.out_gradient[static_cast<std::size_t>(p.place)])); });
    } else if (times_ != nullptr) {
      times_[w.entry].start = last_;
    }
    each(w.values_back, [&](const flow_port& p) { t_.give_back(channel(p.channel), const_cast<void*>(stage.slot(w.slot).in[static_cast<std::size_t>(p.place)])); });
  }

  void note_loss(const stage_run& stage, const work_item& w) {
    if constexpr (has_lanes<Transport>) {
      if (stage.loses_later()) return stage.loss_later(w.workspace, run_->loss_of_box(rank_, w.box), t_.lane(rank_));
    }
    run_->segment(rank_, q_->index)[w.box + run_->head] = stage.loss(w.workspace);
  }

  /// Waits for the next item, however long that takes. Not inlined, so that steps without a stream keep their loop small.
  [[gnu::noinline]] void await(const service_calls& calls, int stage, std::int64_t number) {
    t_.doze(rank_, [&] { return calls.ready(calls.with, stage, number) || t_.failed(); });
    if (t_.failed()) t_.rethrow();
  }
  /// The layers on an item, unless it is empty. Gives the mark that it goes on with.
  [[gnu::noinline]] std::int32_t serve(const service_calls& calls, stage_run& stage, const work_item& w, std::int64_t number, std::int32_t empty) {
    if (empty != 0) return empty;
    try {
      stage.forward(context_, w.slot, w.workspace, w.carry, room_->out.data());
    } catch (const std::exception& e) {
      empty = calls.threw(calls.with, w.what.stage, number, context_.layer, e.what());
      if (empty == 0) throw;
    }
    return empty;
  }

  /// Layers that make something of their weights make it anew.
  void tell_layers() {
    context_ = {};
    context_.rank = rank_, context_.share.step = q_->step, context_.seed = how_->seed, context_.training = run_->trains, context_.all_tools = tools_.all();
    for (bound_stage& s : stages_)
      for (std::size_t k = 0; k < s.layers.size(); ++k) {
        if (s.rows[k]->weights_changed == nullptr) continue;
        context_.stage = s.stage, context_.layer = s.first_layer + static_cast<int>(k);
        record_.layer = context_.layer + 1;
        in_layers_ = true;
        s.rows[k]->weights_changed(s.layers[k], context_);
        in_layers_ = false;
        record_.layer = 0;
      }
  }

  void wait_for_lane() {
    if constexpr (has_lanes<Transport>) t_.settle(rank_);
  }
  /// Waits for the rank's stream, once in a step, when all that the others are to be told of has been put there.
  void settle() {
    if constexpr (has_lanes<Transport>) {
      wait_for_lane();
      run_->read_losses(rank_, run_->segment(rank_, q_->index) + run_->head);
    }
  }

  void publish() {
    double* const head = run_->segment(rank_, q_->index);
    head[0] = q_->normalizer, head[1] = static_cast<double>(q_->index), head[2] = 4 * q_->round + (q_->updates ? 1 : 0) + (q_->begins ? 2 : 0);
    head[3] = q_->rule.loss_scale, head[4] = q_->rule.most_norm, head[5] = q_->rule.most_loss;
    t_.publish(*run_->board, rank_, q_->index);
  }

  void add_up() {
    double* const segment = run_->segment(rank_, q_->index) + run_->head + run_->boxes;
    auto* const shares = run_->ties == nullptr ? nullptr : static_cast<unsigned char*>(t_.segment(*run_->ties, rank_, room_->updates));
    updates_.sum_up(*optimizer_);
    settle();
    updates_.tell(segment, shares);
    publish();
    if (run_->ties != nullptr) t_.publish(*run_->ties, rank_, room_->updates);
  }

  void update() {
    const bool clips = how_->clip > 0, skips = how_->skips;
    double scale = 1 / q_->rule.loss_scale;
    bool taken = true;
    const std::int64_t entry = now_.load(std::memory_order_relaxed)->entry;
    const auto of = [&](int rank) { return run_->seen(rank, q_->index) + run_->head + run_->boxes; };
    if (clips || skips || board_.any_tied()) {
      t_.gathered(*run_->board, rank_, q_->index, [](text& t) { t.add("the sums of all ranks' gradients"); });
      if (const int other = run_->asked_otherwise(q_->index, run_->segment(rank_, q_->index)); other >= 0) throw asked_otherwise(other, q_->index);
      if (run_->ties != nullptr) t_.gathered(*run_->ties, rank_, room_->updates, [](text& t) { t.add("the gradients of all uses of tied parameters"); });
      const bool judges = clips || skips || rank_ == first_local(t_);  // who isn't asked for the norm, and doesn't judge by it, doesn't need it
      if (run_->ties != nullptr && updates_.waits_for_ties) {
        updates_.add_ties(*optimizer_, shares_of(), judges);
        if (judges) wait_for_lane();
      }
      if (judges) {
        const double norm = room_->norms[q_->index % kept_steps] = board_.norm(of, [&](int i) { return updates_.tied_squares(i, shares_of()); }) / q_->rule.loss_scale;
        if (const double factor = how_->clip / (norm + 1e-6); clips && factor < 1) scale *= factor;  // numeric's clip_factor
        taken = !skips || run_->is_sound(q_->index, norm);
      }
    }
    if (times_ != nullptr) times_[entry].start = last_ = clock_now();
    if (taken) updates_.apply(*optimizer_, shares_of(), scale, q_->step + 1 - how_->skipped - skipped_);  // skipped steps don't count
    ++room_->updates;
    if (taken) tell_layers();
    else ++skipped_;
  }

  /// The shares of tied gradients that a rank has told of this update.
  auto shares_of() const {
    return [this](int rank) { return static_cast<const unsigned char*>(t_.from(*run_->ties, rank, room_->updates)); };
  }

  Transport& t_;
  rank_record& record_;
  int rank_;
  context context_{};
  bool in_layers_ = false;
  const parameter_board& board_;
  std::vector<bound_stage>& stages_;
  rank_tools tools_;
  rank_update<Transport, Optimizer> updates_;
  std::atomic<bool> stale_ = true;
  const Optimizer* optimizer_ = nullptr;
  binding<Transport>* run_ = nullptr;
  std::atomic<const binding<Transport>*> b_ = nullptr;  // the same, for who watches
  const step_request* q_ = nullptr;
  const run_settings* how_ = nullptr;
  rank_room* room_ = nullptr;
  const rank_flow* f_ = nullptr;
  std::atomic<const work_item*> now_ = nullptr;
  std::int64_t count_ = 0, skipped_ = 0, turn_ = 0;  // turn_: how often the list was walked in this run
  bool is_last_ = true;  // this is its last walk
  std::atomic<std::int64_t> ended_ = 0;
  entry_times* times_ = nullptr;
  std::int64_t last_ = 0;  // the moment that was noted last
  lane_times<Transport> lane_times_;
};

}  // namespace stretto::inline v0::detail
