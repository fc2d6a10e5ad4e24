// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A pipeline: a model, a cut and a plan, bound to ranks that run it.
//
//     pipeline p(model, even_cut(costs, 4), make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8}), adamw{}, options);
//     p.feed<float>("x", [&](const data_share& s) { return view<const float>{…}; });
//     double loss = p.step(normalizer).loss();
// Binding makes the layers, the slots and the channels, and checks the program under the transport's link model. A step is
// a walk over a table. There is no barrier between steps: step() comes back at once, and asking for the loss waits.
// Whatever is thrown on a rank ends the run on all of them, in one error that names rank, step and action.
#pragma once

#include <atomic>
#include <algorithm>
#include <exception>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include <stretto/plan/check.hpp>
#include <stretto/plan/lower.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/run/board.hpp>
#include <stretto/run/flow.hpp>
#include <stretto/run/optimizer.hpp>
#include <stretto/run/stage.hpp>
#include <stretto/run/update.hpp>
#include <stretto/stage/cut.hpp>
#include <stretto/stage/model.hpp>
#include <stretto/transport/threads.hpp>

namespace stretto::inline v0 {

struct pipeline_options {
  std::uint32_t seed = 0;          ///< of the layers' random numbers
  std::int64_t samples = 1;        ///< of a micro-batch, so that random numbers are keyed by the sample
  double clip = 0;                 ///< the largest norm of all gradients together; 0: not clipped
  threads_options transport = {};
};

template <class Model, class Optimizer = sgd>
class pipeline {
 public:
  class handle;

  pipeline(const Model& model, const cut& layers_of, const plan& order, const Optimizer& optimizer = {}, const pipeline_options& how = {})
      : how_(how), optimizer_(optimizer), transport_(order.ranks, how.transport) {
    if (layers_of.layers() != model.size() || layers_of.stages() != order.stages)
      throw error(text("stretto: the cut is of ", layers_of.layers(), " layers into ", layers_of.stages(), " stages, the model has ", model.size(),
                       " layers and the plan ", order.stages, " stages; cut the model into the plan's stages").str());
    require(check(order));
    trains_ = order.passes.has(pass::backward_weight);
    ranks_.resize(static_cast<std::size_t>(order.ranks));
    make_layers(model, layers_of, order);
    update_passes added;
    const plan whole = trains_ ? with_update(order, how.clip > 0 || ties_, added) : order;
    program_ = lower(whole);
    require(check(program_, threads::links));
    flow_ = make_flow(program_, added.norm, added.update);
    make_rooms();
    try {
      for (int r = 0; r < order.ranks; ++r) ranks_[static_cast<std::size_t>(r)].thread = std::thread([this, r] { work_on(r); });
    } catch (const std::system_error& e) {
      stop();
      throw error(text("stretto: a thread for one of ", order.ranks, " ranks can't be had: ", e.what(), "; use fewer ranks").str());
    }
  }
  pipeline(const pipeline&) = delete;
  pipeline& operator=(const pipeline&) = delete;

  /// Steps that were asked for are run to their end first.
  ~pipeline() { stop(); }

  /// A feed that layers ask for by name. Give all of them before the first step.
  template <class T, class F>
  void feed(label name, F function) {
    feeds_.push_back(detail::feed_source::of<T>(name, static_cast<F&&>(function)));
  }

  /// Asks for a step. The loss is the last layer's sum over the step divided by `normalizer`.
  handle step(double normalizer = 1) {
    const std::int64_t number = asked_.load(std::memory_order_relaxed);
    wait_for(number - step_board::depth + 1);  // no more steps under way than the board has room for
    board_[static_cast<std::size_t>(number % step_board::depth)].normalizer = normalizer;
    asked_.store(number + 1, std::memory_order_release);
    for (int r = 0; r < transport_.ranks(); ++r) transport_.ring(r);
    return handle(*this, number);
  }

  /// Waits until all steps that were asked for have ended.
  void finish() { wait_for(asked_.load()); }

  /// All parameters, by layer. Look at them when no step is under way.
  const std::vector<parameter>& parameters() const { return parameters_; }

  /// A step that was asked for.
  class handle {
   public:
    /// Waits for the step. Ask before eight more steps have been asked for.
    double loss() { return value(true); }
    /// The norm of all gradients together, before clipping.
    double norm() { return value(false); }

   private:
    friend pipeline;
    handle(pipeline& p, std::int64_t number) : p_(p), number_(number) {}
    double value(bool loss) {
      if (p_.asked_.load() > number_ + step_board::depth)
        throw error(text("stretto: the loss of step ", number_, " is asked for when ", p_.asked_.load(), " steps have been, and results are kept for ",
                         step_board::depth, " steps; ask for it earlier").str());
      p_.wait_for(number_ + 1);
      const auto& b = p_.board_[static_cast<std::size_t>(number_ % step_board::depth)];
      return loss ? b.loss() : b.norm(p_.parameters_);
    }
    pipeline& p_;
    std::int64_t number_;
  };

 private:
  using step_board = detail::step_board;

  struct rank_state {
    std::vector<detail::bound_stage> stages;
    std::vector<int> parameters;                // indices into all of them
    std::vector<std::vector<void*>> filled;     // by channel and box: what was made and isn't sent yet
    alignas(64) std::atomic<std::int64_t> summed = 0;   // steps whose sums are on the board
    alignas(64) std::atomic<std::int64_t> done = 0;     // steps that have ended
    std::thread thread;
    rank_state() = default;
    rank_state(rank_state&& other) noexcept : stages(std::move(other.stages)) {}  // before anything runs
  };

  struct object_maker {
    const layer_row* row;
    const void* layer;
    bool gradient;
  };

  void stop() {
    stop_.store(true);
    for (int r = 0; r < transport_.ranks(); ++r) transport_.ring(r);
    for (rank_state& r : ranks_)
      if (r.thread.joinable()) r.thread.join();
  }

  void make_layers(const Model& model, const cut& layers_of, const plan& order) {
    const plan_view v = order;
    for (int s = 0; s < order.stages; ++s) {
      int owner = -1;
      for (int r = 0; r < v.routes; ++r) {
        const int one = v.route(r).rank_of(s);
        if (one >= 0 && owner >= 0 && one != owner)
          throw error(text("stretto: stage ", s, " has two owners, rank ", owner, " and rank ", one, ", which the pipeline doesn't run; use a plan with one owner").str());
        owner = one >= 0 ? one : owner;
      }
      if (owner < 0) continue;
      rank_state& rank = ranks_[static_cast<std::size_t>(owner)];
      rank.stages.emplace_back();
      rank.stages.back().make(model, s, layers_of.first(s), layers_of.last(s));
      parameter_list list;
      rank.stages.back().parameters(list);
      for (const parameter& p : list.all()) {
        join_tie(p);
        rank.parameters.push_back(static_cast<int>(parameters_.size()));
        parameters_.push_back(p);
        ties_ = ties_ || !p.tie.empty();
        std::vector<std::vector<double>> wide(p.type == number_type::float64 ? Optimizer::states : 0);
        std::vector<std::vector<float>> narrow(p.type == number_type::float32 ? Optimizer::states : 0);
        for (auto& state : wide) state.assign(static_cast<std::size_t>(p.count), 0.0);
        for (auto& state : narrow) state.assign(static_cast<std::size_t>(p.count), 0.0f);
        wide_.push_back(std::move(wide));
        narrow_.push_back(std::move(narrow));
      }
    }
  }

  /// Every use of a tied parameter begins as the first one.
  void join_tie(const parameter& p) {
    for (const parameter& first : parameters_) {
      if (p.tie.empty() || !(first.tie == p.tie)) continue;
      if (first.count != p.count || first.type != p.type)
        throw error(text("stretto: parameters ", first.name.str(), " and ", p.name.str(), " are tied as '", p.tie, "' and differ in size or type; make them alike").str());
      const std::int64_t bytes = p.count * (p.type == number_type::float32 ? 4 : 8);
      std::copy_n(static_cast<const char*>(first.value), bytes, static_cast<char*>(p.value));
      return;
    }
  }

  void make_rooms() {
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      const rank_flow& f = flow_.ranks[r];
      for (detail::bound_stage& s : ranks_[r].stages)
        for (std::size_t k = 0; k < f.stages.size(); ++k)
          if (f.stages[k] == s.stage) s.make_slots(f.slots[k], trains_);
      ranks_[r].filled.assign(flow_.channels.size(), std::vector<void*>(boxes(), nullptr));
    }
    for (const channel_plan& c : flow_.channels) {
      // What a boundary carries is made by the layer before it, its gradient too.
      const int before = c.forward ? c.from_stage : c.to_stage;
      detail::bound_stage& s = stage_of(c.forward ? c.from : c.to, before);
      const object_maker maker{s.rows.back(), s.layers.back(), !c.forward};
      channel_shape shape{.from = c.from, .to = c.to, .boxes = static_cast<std::int64_t>(boxes()), .objects = c.objects, .maker = &maker};
      shape.make = [](const void* m) {
        const auto& how = *static_cast<const object_maker*>(m);
        void* output = how.row->make_output(how.layer);
        if (!how.gradient) return output;
        void* gradient = how.row->make_gradient(output);
        how.row->drop_output(output);
        return gradient;
      };
      shape.drop = c.forward ? s.rows.back()->drop_output : s.rows.back()->drop_gradient;
      transport_.open(shape);
    }
    board_.resize(step_board::depth);
    for (step_board& b : board_) b.make(boxes(), parameters_);
  }

  std::size_t boxes() const { return static_cast<std::size_t>(program_.micro_batches) * static_cast<std::size_t>(program_.slices); }
  detail::bound_stage& stage_of(int rank, int stage) {
    auto& all = ranks_[static_cast<std::size_t>(rank)].stages;
    std::size_t i = 0;
    while (all[i].stage != stage) ++i;
    return all[i];
  }

  void wait_for(std::int64_t steps) {
    transport_.wait(
        transport_.host(),
        [&] {
          for (const rank_state& r : ranks_)
            if (r.done.load(std::memory_order_acquire) < steps) return false;
          return true;
        },
        [](text& t) { t.add("the ranks to end a step"); });
  }

  void work_on(int rank) {
    rank_state& self = ranks_[static_cast<std::size_t>(rank)];
    const work_item* now = nullptr;
    try {
      for (std::int64_t step = 0;; ++step) {
        now = nullptr;
        while (asked_.load(std::memory_order_acquire) <= step) {  // idle: no deadline here
          if (stop_.load()) return;
          idle(rank, step);
        }
        start_step(self);
        for (const work_item& item : flow_.ranks[static_cast<std::size_t>(rank)].items) {
          now = &item;
          run(rank, self, item, step);
        }
        self.done.store(step + 1, std::memory_order_release);
        transport_.ring(transport_.host());
      }
    } catch (const std::exception& e) {
      give_up(rank, now, e.what());
    } catch (...) {
      give_up(rank, now, "something that is no std::exception");
    }
  }

  void give_up(int rank, const work_item* now, std::string_view why) {
    if (transport_.failed()) return;
    text t("stretto: rank ", rank);
    if (now != nullptr) t.add(" step ", now->entry, " (", name_of(program_.passes, now->what).str(), ")");
    if (why.substr(0, 9) == "stretto: ") why.remove_prefix(9);
    t.add(" threw: ", why);
    transport_.fail(error(t.str(), {.rank = rank, .step = now != nullptr ? now->entry : -1, .stage = now != nullptr ? now->stage : -1,
                                    .micro_batch = now != nullptr ? now->what.micro_batch : -1}));
  }

  void idle(int rank, std::int64_t step) {
    transport_.doze(rank, [&] { return asked_.load(std::memory_order_acquire) > step || stop_.load(); });
  }

  void start_step(rank_state& self) {
    for (int i : self.parameters) {
      const parameter& p = parameters_[static_cast<std::size_t>(i)];
      if (p.gradient == nullptr) continue;
      if (p.type == number_type::float32) std::fill_n(static_cast<float*>(p.gradient), p.count, 0.0f);
      else std::fill_n(static_cast<double*>(p.gradient), p.count, 0.0);
    }
  }

  void run(int rank, rank_state& self, const work_item& w, std::int64_t step) {
    step_board& board = board_[static_cast<std::size_t>(step % step_board::depth)];
    const auto say = [&](text& t) { t.add("what step ", w.entry, " (", name_of(program_.passes, w.what).str(), ") needs"); };
    if (w.kind == work::norm) return add_up(rank, self, board, step);
    if (w.kind == work::update) return update(rank, self, board, step);
    const auto box = static_cast<std::size_t>(w.box);
    if (w.kind == work::send) {
      const int c = w.outputs_out >= 0 ? w.outputs_out : w.gradients_out;
      return transport_.put(c, w.box, self.filled[static_cast<std::size_t>(c)][box], say);
    }
    detail::bound_stage& stage = stage_of(rank, w.stage);
    detail::stage_slot& slot = stage.slots[static_cast<std::size_t>(w.slot)];
    context c;
    c.share = {step, w.what.micro_batch, w.what.slice, program_.slices, w.what.micro_batch * how_.samples};
    c.rank = rank;
    c.stage = w.stage;
    c.training = trains_;
    c.normalizer = board.normalizer;
    c.seed = how_.seed;
    c.feeds = {feeds_.data(), static_cast<std::int64_t>(feeds_.size())};
    static nothing none;
    if (w.kind == work::forward) {
      const void* in = w.outputs_in >= 0 ? transport_.take(w.outputs_in, w.box, say) : &none;
      void* out = w.outputs_out >= 0 ? transport_.fresh(w.outputs_out, say) : nullptr;
      stage.forward(c, slot, in, out);
      if (w.outputs_out >= 0) hand_on(self, w.outputs_out, w.box, out, say);
      else board.losses[box] = stage.loss(slot);
    }
    if (w.kind == work::backward_input || w.kind == work::backward) {
      const void* gradient = w.gradients_in >= 0 ? transport_.take(w.gradients_in, w.box, say) : nullptr;
      void* out = w.gradients_out >= 0 ? transport_.fresh(w.gradients_out, say) : &none;
      stage.backward_input(c, slot, gradient, out);
      if (w.gradients_out >= 0) hand_on(self, w.gradients_out, w.box, out, say);
    }
    if (w.kind == work::backward_weight || w.kind == work::backward) stage.backward_weight(c, slot);
    if (!w.last) return;
    if (w.outputs_in >= 0) transport_.give_back(w.outputs_in, const_cast<void*>(slot.in));
    if (w.gradients_in >= 0) transport_.give_back(w.gradients_in, const_cast<void*>(slot.gradient_out));
  }

  /// To the next stage at once where it is on this rank; else the send does it.
  template <class Say>
  void hand_on(rank_state& self, int channel, std::int64_t box, void* object, Say&& say) {
    const channel_plan& c = flow_.channels[static_cast<std::size_t>(channel)];
    if (c.from == c.to) transport_.put(channel, box, object, say);
    else self.filled[static_cast<std::size_t>(channel)][static_cast<std::size_t>(box)] = object;
  }

  void add_up(int rank, rank_state& self, step_board& board, std::int64_t step) {
    for (int i : self.parameters) board.note(parameters_[static_cast<std::size_t>(i)], static_cast<std::size_t>(i));
    self.summed.store(step + 1, std::memory_order_release);
    for (int r = 0; r < transport_.ranks(); ++r)
      if (r != rank) transport_.ring(r);
  }

  void update(int rank, rank_state& self, step_board& board, std::int64_t step) {
    double scale = 1;
    if (how_.clip > 0 || ties_) {
      transport_.wait(
          rank,
          [&] {
            for (const rank_state& r : ranks_)
              if (r.summed.load(std::memory_order_acquire) <= step) return false;
            return true;
          },
          [](text& t) { t.add("the sums of all ranks' gradients"); });
      const double norm = how_.clip > 0 ? board.norm(parameters_) : 0;
      if (how_.clip > 0 && norm > how_.clip) scale = how_.clip / norm;
    }
    for (int i : self.parameters) {
      const auto at = static_cast<std::size_t>(i);
      const parameter& p = parameters_[at];
      if (p.gradient == nullptr) continue;
      if (p.type == number_type::float32) step_of<float>(p, narrow_[at], board, scale, step);
      else step_of<double>(p, wide_[at], board, scale, step);
    }
  }

  template <class T>
  void step_of(const parameter& p, std::vector<std::vector<T>>& state, const step_board& board, double scale, std::int64_t step) {
    T* gradients = static_cast<T*>(p.gradient);
    if (!p.tie.empty())
      for (std::int64_t k = 0; k < p.count; ++k) gradients[k] = static_cast<T>(board.tied_sum(parameters_, p.tie, static_cast<std::size_t>(k)));
    T* states[Optimizer::states > 0 ? Optimizer::states : 1] = {};
    for (std::size_t k = 0; k < state.size(); ++k) states[k] = state[k].data();
    optimizer_(static_cast<T*>(p.value), gradients, states, p.count, scale, step + 1);
  }

  pipeline_options how_;
  Optimizer optimizer_;
  threads transport_;
  bool trains_ = true, ties_ = false;
  program program_;
  flow flow_;
  std::vector<rank_state> ranks_;
  std::vector<parameter> parameters_;
  std::vector<std::vector<std::vector<float>>> narrow_;   // states of the optimizer, by parameter
  std::vector<std::vector<std::vector<double>>> wide_;
  std::vector<detail::feed_source> feeds_;
  std::vector<step_board> board_;
  std::atomic<std::int64_t> asked_ = 0;
  std::atomic<bool> stop_ = false;
};

}  // namespace stretto::inline v0
