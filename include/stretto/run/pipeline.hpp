// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A pipeline: a model, a cut and a plan, bound to ranks that run it.
//
//     pipeline p(model, even_cut(costs, 4), make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8}), adamw{}, options);
//     p.feed<float>("x", [&](const data_share& s) { return view<const float>{…}; });
//     double loss = p.step(normalizer).loss();
//     p.accumulate(n); p.accumulate(n); p.step(n);           one step over three runs of the plan
//     p.rule().loss_scale = 1024;                            of the steps from here on; and when they aren't taken
//     const int e = p.bind(make_plan(forward_only{}, …));    another order: p.run(e, normalizer).loss() evaluates
//     p.run(w); p.go_on(w);                                  goes on with what layers carry, where w keeps it
//     p.rebind(other_plan);                                  trains by another order from here on
//     p.dump("run");                                         logs of what each rank does, for stretto-explain
//     p.calibrate(recordings)                                what passes and messages cost, for order_choice.hpp
// Binding makes the layers, the slots and the channels, compares what the ranks are bound to, and checks the program under
// the transport's link model. There is no barrier between steps: step() comes back at once, and asking for the loss waits.
// One thread asks for steps and results; the ranks run on threads of their own.
// Whatever is thrown on a rank ends the run on all of them, in one error that names rank, step and action.
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <stretto/run/agreement.hpp>
#include <stretto/run/clock_offset.hpp>
#include <stretto/run/crew.hpp>
#include <stretto/run/gather_recordings.hpp>
#include <stretto/run/optimizer.hpp>
#include <stretto/run/options.hpp>
#include <stretto/transport/threads.hpp>

namespace stretto::inline v0 {

template <class Model, class Optimizer = sgd, transport Transport = threads>
class pipeline {
  static_assert(requires { static_cast<int>(Optimizer::states); },
                "stretto: an optimizer has static constexpr int states and operator()(value, gradient, states, count of values, scale, number of the step); see optimizer.hpp");
  using binding = detail::binding<Transport>;

 public:
  class handle;

  pipeline(const Model& m, const cut& layers_of, const plan_view& order, const Optimizer& optimizer = {}, const pipeline_options& how = {})
      : pipeline(make_transport(order, how), nullptr, m, layers_of, order, optimizer, how) {}

  /// Over a transport that outlives it.
  pipeline(Transport& over, const Model& m, const cut& layers_of, const plan_view& order, const Optimizer& optimizer = {}, const pipeline_options& how = {})
      : pipeline(nullptr, &over, m, layers_of, order, optimizer, how) {
    if (how.threads.pin || how.threads.deadline != threads_options{}.deadline)
      throw error("stretto: pipeline_options::threads is for the transport that a pipeline makes, and this one is given one; give these options to that");
  }

  pipeline(const pipeline&) = delete;
  ~pipeline() { crew_.stop(); }  ///< steps that were asked for are run to their end first

  /// A feed that layers ask for by name. Give all of them before the first step.
  template <class T, class F>
  void feed(label name, F function) {
    if (crew_.asked() > 0) throw error(text("stretto: feed '", name, "' is given after the first step; give all feeds before it").str());
    for (const auto& known : feeds_)
      if (known.name() == name.str()) throw error(text("stretto: feed '", name, "' is given twice; give each feed its own name").str());
    feeds_.push_back(detail::feed_source::of<T>(name, static_cast<F&&>(function)));
  }

  /// Asks for a step of training. The loss is the last layer's sum over the step divided by `normalizer`.
  handle step(double normalizer = 1) { return ask(0, normalizer, true); }

  /// Runs the plan and keeps the gradients for the step that follows, without one of its own.
  handle accumulate(double normalizer) {
    if (!orders_[0]->trains) throw error("stretto: accumulate is asked of a plan without backward passes; train by one that has them");
    return ask(0, normalizer, false);
  }

  /// Loss and gradients of a step that isn't taken: nothing is updated, and the next step begins anew.
  handle probe(double normalizer = 1) {
    if (rounds_ > 0) throw error("stretto: probe is asked for between accumulate and step, whose gradients it would lose; end the step first");
    const struct kept_rule {  // of the loss itself
      step_rule& rule;
      step_rule kept = rule;
      ~kept_rule() { rule = kept; }
    } kept{rule_};
    rule_ = {};
    const handle h = accumulate(normalizer);
    return rounds_ = 0, h;
  }

  /// Binds another order over the same cut, for run(); gives its number. Waits for the steps that were asked for.
  int bind(const plan_view& order, const bind_options& how = {}) {
    if (how.keeps_carry && order.passes->has(pass::backward_input))
      throw error("stretto: an order that trains is bound with keeps_carry, and what its backward passes would need of earlier runs is gone; bind one of forward passes, such as forward_of(plan)");
    orders_.push_back(bind_or_tell(order, how.keeps_carry));
    const int number = static_cast<int>(orders_.size()) - 1;
    crew_.record.add(orders_.back()->record, number);
    return number;
  }

  /// Asks for a run of an order that was bound with bind().
  handle run(int order, double normalizer = 1) {
    known(order);
    if (rounds_ > 0 && orders_[static_cast<std::size_t>(order)]->trains)
      throw error(text("stretto: order ", order, " trains, and is run between accumulate and step, whose gradients it would lose; end the step first").str());
    return ask(order, normalizer, true);
  }

  /// Likewise, of an order with keeps_carry: layers go on with what their carries hold of the run before.
  handle go_on(int order, double normalizer = 1) {
    known(order);
    if (!orders_[static_cast<std::size_t>(order)]->keeps_carry) throw error(text("stretto: order ", order, " is asked to go on, and keeps nothing between runs; bind it with {.keeps_carry = true}").str());
    return ask(order, normalizer, true, false);
  }

  /// Walks an order of forward passes for as long as items come: what a stream does its work by (stream/stream.hpp). 0: the
  /// order that the pipeline was made with.
  void serve(int order, const service_calls& calls) {
    if (order != 0) known(order);
    if (orders_[static_cast<std::size_t>(order)]->trains) throw error(text("stretto: order ", order, " is to serve, and it trains; bind one of forward passes, such as service_of(plan)").str());
    if (!alone_) throw error("stretto: a stream is asked for where the ranks are of several processes or endpoints; serve from one process, over threads");
    ask(order, 1, false, true, &calls);
  }
  /// The last item has come, says who serves, on any thread. Until then nothing else can be asked for.
  void has_served() { crew_.has_served(); }

  /// Whether an order was bound with keeps_carry.
  bool keeps_carry(int order) const { return orders_[static_cast<std::size_t>(order)]->keeps_carry; }
  Transport& transport() { return transport_; }
  /// Calls look(row, layer) with a layer of the model; from the end where the number is below 0.
  template <class Look>
  void look_at(int layer, Look&& look) const {
    crew_.with_layer(model_, layer < 0 ? model_.size() + layer : layer, look);
  }
  /// Ends the ranks' threads once they have done what they were asked for, or failed. Nothing can be asked for after that.
  void stop() { crew_.must_be_free(), crew_.stop(); }

  /// What the steps that are asked for from here on update weights with: its rate may change from step to step.
  Optimizer& optimizer() { return optimizer_; }
  /// And what they keep to.
  step_rule& rule() { return rule_; }

  /// Trains by another order from here on. Losses of earlier steps are gone then.
  void rebind(const plan_view& order) {
    if (rounds_ > 0) throw error("stretto: rebind is asked for between accumulate and step; end the step first");
    auto other = bind_or_tell(order);
    crew_.record.remove(orders_[0]->record);
    crew_.record.add(other->record, 0);
    orders_[0] = std::move(other);
    ++generation_;
  }

  /// Recorded steps of the order that is trained by, with the times of all ranks; asked of all ranks, which get the same.
  std::vector<recording> of_all_ranks(const std::vector<recording>& recorded) {
    finish();
    if (alone_) return recorded;
    const plan_view program = orders_[0]->work;
    told_to_all([&] { detail::must_fit(program, recorded); });
    return detail::gather_recordings(transport_, program, recorded, bound_++, [](text& t) { t.add("the other ranks to calibrate"); });
  }
  /// What they say of passes and messages; likewise. For who includes order_choice.hpp, or calibration.hpp.
  template <class Recorded = std::vector<recording>>
  auto calibrate(const Recorded& recorded) { return calibration_of(plan_view(orders_[0]->work), Recorded(of_all_ranks(recorded))); }

  /// Why rebind wouldn't take an order; empty where it would.
  std::string refuses(const plan_view& order) const {
    try {
      check_order(order);
    } catch (const error& e) {
      return e.what();
    }
    return {};
  }

  /// Waits until all steps that were asked for have ended.
  void finish() { crew_.finish(); }

  /// Writes the logs of this process's ranks as they are now: to pipeline_options::dump, or where `prefix` says.
  void dump(const std::string& prefix = {}) { crew_.dump(prefix); }

  /// The parameters of this process's ranks, by layer. Look at them when no step is under way.
  const std::vector<parameter>& parameters() const { return parameters_; }
  /// Says that somebody has written to them, so that layers make anew what they make of weights.
  void weights_changed() {
    crew_.each_local([](int, auto& rank) { rank.work->weights_changed(); });
  }

  /// What tensors, rooms and objects of a rank of this process take, counted as they are made.
  const memory_account& memory(int rank) const {
    if (rank < 0 || rank >= transport_.ranks() || !transport_.local(rank)) throw error(text("stretto: the memory of rank ", rank, " is asked for, which isn't a rank of this process; ask for one that is").str());
    return crew_.rank(rank).memory;
  }

  /// The program that step() runs, or run() of an order.
  const program& steps(int order = 0) const {
    if (order != 0) known(order);
    return orders_[static_cast<std::size_t>(order)]->work;
  }

  /// A step that was asked for.
  class handle {
   public:
    /// Waits for the step. Ask before eight more steps have been asked for.
    double loss() {
      return ready().loss_of(number_);
    }
    double norm() {  ///< of all gradients together, before clipping
      binding& b = ready();
      if (!b.trains || !updates_) throw error("stretto: the norm is asked of a run without an update; ask it of a step");
      if (b.ties != nullptr) return b.norm_of(detail::first_local(p_->transport_), number_);
      return p_->board_.norm([&](int rank) { return b.seen(rank, number_) + b.head + b.boxes; }, [](int) { return 0.0; }) /
             b.request(number_).rule.loss_scale;
    }
    /// Whether the weights were left as they were: the norm wasn't finite, or above the step's rule.
    bool skipped() {
      binding& b = ready();
      return p_->how_.skips && b.trains && updates_ && !b.is_sound(number_, norm());
    }
    /// What was measured, unless pipeline_options::record is false. Of ranks of this process.
    recording measured() {
      binding& b = ready();
      if (!p_->how_.record) throw error("stretto: measured times are asked for, and the pipeline doesn't record; set pipeline_options::record");
      return b.recorded(number_, p_->origin_);
    }

   private:
    friend pipeline;
    handle(pipeline& p, int order, std::int64_t number, std::int64_t whole_number, bool updates)
        : p_(&p), order_(order), generation_(p.generation_), number_(number), whole_number_(whole_number), updates_(updates) {}

    binding& ready() {
      if (order_ == 0 && generation_ != p_->generation_) throw error("stretto: a step is asked for its results after rebind; ask before");
      binding& b = *p_->orders_[static_cast<std::size_t>(order_)];
      if (b.asked > number_ + detail::kept_steps)
        throw error(text("stretto: the results of step ", number_, " are asked for when ", b.asked, " steps have been, and they are kept for ", detail::kept_steps,
                         " steps; ask for them earlier").str());
      p_->crew_.wait_for(whole_number_ + 1);
      p_->crew_.watched([&] { p_->transport_.gathered(*b.board, p_->transport_.host(), number_, [](text& t) { t.add("the ranks to end a step"); }); });
      if (!p_->alone_) {
        const int mine = detail::first_local(p_->transport_);
        if (const int other = b.asked_otherwise(number_, b.seen(mine, number_)); other >= 0) p_->crew_.refuse(detail::asked_otherwise(other, number_));
      }
      return b;
    }

    pipeline* p_;
    int order_, generation_;
    std::int64_t number_, whole_number_;
    bool updates_;
  };

 private:
  std::unique_ptr<binding> bind_or_tell(const plan_view& order, bool keeps_carry = false) { return finish(), told_to_all([&] { return make_binding(order, keeps_carry); }); }
  template <class Do>
  decltype(auto) told_to_all(Do&& work) {
    try {
      return work();
    } catch (...) {
      if (!alone_) detail::tell_others(transport_);
      throw;
    }
  }

  static std::unique_ptr<Transport> make_transport(const plan_view& order, const pipeline_options& how) {
    return require(check(order)), std::make_unique<Transport>(order.ranks, how.threads);
  }
  void known(int order) const {
    const auto bound = static_cast<int>(orders_.size()) - 1;
    if (order < 1 || order > bound) throw error(text("stretto: order ", order, " is asked for, and ", bound, " were bound with bind(); use the number that bind gave").str());
  }

  pipeline(std::unique_ptr<Transport> own, Transport* given, const Model& m, const cut& layers_of, const plan_view& order, const Optimizer& optimizer, const pipeline_options& how)
      : how_(how), optimizer_(optimizer), own_(std::move(own)), transport_(own_ ? *own_ : *given), model_(m), cut_(layers_of), crew_(transport_) {
    transport_.enter(transport_.host());
    for (int r = 0; r < transport_.ranks(); ++r) alone_ = alone_ && transport_.local(r);
    try {
      crew_.name_logs(how_);
      check_cut(cut_, model_, order);
      if (order.ranks != transport_.ranks())
        throw error(text("stretto: the plan is for ", order.ranks, " ranks and the transport has ", transport_.ranks(), "; make them for one number of ranks").str());
      require(check(order));
      if (!(how_.clip >= 0) || how_.samples < 1 || how_.first_step < 0 || how_.skipped < 0 || how_.skipped > how_.first_step)
        throw error("stretto: pipeline_options::clip is below 0 or no number, samples is below 1, first_step below 0, or skipped not from 0 to first_step; correct it");
      links_ = links_of(model_, cut_, how_.recompute_all);
      crew_.settings = {how_.seed, how_.samples, how_.clip, how_.skips, how_.skipped, how_.record, how_.ranges, {}};
      make_layers(order);
      orders_.push_back(make_binding(order));
      const detail::clock_offset clock = alone_ ? detail::clock_offset{0, 0} : detail::measure_clock(transport_, static_cast<std::int64_t>(transport_.opened()), [](text& t) { t.add("the other ranks to be bound"); });
      crew_.record.offset = clock.offset, crew_.record.uncertainty = clock.uncertainty;
      crew_.record.bound = origin_;
      crew_.record.add(orders_[0]->record, 0);
      crew_.start();
    } catch (const std::system_error& e) {
      transport_.fail(error(text("stretto: a thread for one of ", order.ranks, " ranks can't be had: ", e.what(), "; use fewer ranks").str()));
      crew_.stop(true);
      transport_.rethrow();
    } catch (...) {
      if (!alone_) detail::tell_others(transport_);
      transport_.leave(transport_.host());
      throw;
    }
  }

  void make_layers(const plan_view& v) {
    const auto hold_on = [](text& t) { t.add("the other ranks to be bound"); };
    const std::int64_t number = transport_.opened();
    std::vector<std::vector<parameter>> own(static_cast<std::size_t>(v.ranks));
    for (int s = 0; s < v.stages; ++s)
      for (int r = 0; r < v.ranks; ++r) {
        bool owns = false;
        for (int k = 0; k < v.routes; ++k) owns = owns || v.route(k).rank_of(s) == r;
        if (!owns || !transport_.local(r)) continue;
        const detail::made_for<Transport> scope(transport_, r, crew_.rank(r).memory);
        detail::bound_stage stage(model_, cut_, s, links_, how_.recompute_all);
        parameter_list list;
        stage.parameters(list);
        for (const parameter& p : list.all()) own[static_cast<std::size_t>(r)].push_back(p);
        crew_.rank(r).stages.push_back(std::move(stage));
      }
    std::vector<detail::parameter_card> cards = detail::exchange_cards(transport_, own, number, hold_on);
    board_.make(cards, v.ranks);
    detail::begin_alike(transport_, board_, own, number, hold_on);
    std::vector<parameter> by_row(static_cast<std::size_t>(board_.count()));
    crew_.each_local([&](int r, auto& rank) {
      const detail::made_for<Transport> scope(transport_, r, rank.memory);
      rank.work = std::make_unique<detail::executor<Transport, Optimizer>>(transport_, *crew_.record.of_rank[static_cast<std::size_t>(r)], board_, rank.stages);
      for (std::size_t i = 0; i < own[static_cast<std::size_t>(r)].size(); ++i) {
        const int row = board_.find(r, static_cast<int>(i));
        by_row[static_cast<std::size_t>(row)] = rank.work->own(own[static_cast<std::size_t>(r)][i], row);
      }
    });
    for (const parameter& p : by_row)
      if (!p.name.empty()) parameters_.push_back(p), parameters_.back().partial = !alone_;
  }

  void check_order(const plan_view& order) const {
    if (order.stages != cut_.stages() || order.ranks != transport_.ranks())
      throw error(text("stretto: a plan of ", order.ranks, " ranks and ", order.stages, " stages is bound to a pipeline of ", transport_.ranks(), " and ", cut_.stages(),
                       "; give a plan of the same cut").str());
    require(check(order));
    check_routes(order, model_, cut_, links_.first_trained);
    if (!how_.merged_backward) check_splits(order, model_);
  }

  std::unique_ptr<binding> make_binding(const plan_view& order, bool keeps_carry = false) {
    check_order(order);
    const bool trains = order.passes->has(pass::backward_weight);
    auto b = std::make_unique<binding>(transport_, order, run_passes{trains, how_.clip > 0 || how_.skips || board_.any_tied(), links_.pairs}, links_, keeps_carry);
    const auto number = static_cast<std::int64_t>(transport_.opened());
    const std::int64_t run = detail::agree(transport_, detail::fingerprint(b->work, cut_, model_, how_, detail::type_words<Optimizer>(), keeps_carry), number + bound_, [](text& t) { t.add("the other ranks to be bound"); });
    if (bound_ == 0) crew_.record.run = run;
    const auto memory_of = [this](int r) -> memory_account& { return crew_.rank(r).memory; };
    b->make_rooms([&](int r, int s) -> const detail::bound_stage& { return crew_.stage_of(r, s); }, [&](int l, auto&& look) { crew_.with_layer(model_, l, look); }, memory_of, links_, cut_, crew_.record, how_.record, how_.ranges != nullptr);
    b->open_board(board_, label(text("board ", number, " ", bound_).str()), detail::rank_update<Transport, Optimizer>::told_bytes(board_));
    ++bound_;
    return b;
  }

  handle ask(int order, double normalizer, bool updates, bool begins = true, const service_calls* serves = nullptr) {
    if (!(normalizer > 0 || normalizer < 0) || normalizer - normalizer != 0)
      throw error("stretto: the normalizer of a step is 0 or no finite number; give what the sum of the last layer is divided by");
    detail::check_rule(rule_, how_.skips, rounds_, begun_scale_);
    const std::int64_t number = crew_.asked();
    crew_.make_way();
    binding& b = *orders_[static_cast<std::size_t>(order)];
    if (!alone_ && b.asked >= detail::kept_steps)
      crew_.watched([&] { transport_.gathered(*b.board, transport_.host(), b.asked - detail::kept_steps, [](text& t) { t.add("the ranks to end a step"); }); });
    if (number == 0) crew_.settings.feeds = {feeds_.data(), static_cast<std::int64_t>(feeds_.size())};
    const bool trains = b.trains && order == 0;
    const detail::step_request what{.index = b.asked, .step = trained_, .normalizer = normalizer, .order = order, .round = trains ? rounds_ : 0,
                                    .clears = trains ? rounds_ == 0 : b.trains, .updates = updates, .begins = begins, .rule = rule_, .serves = serves};
    detail::note_step(b.record.steps[b.asked % detail::kept_steps], what, number + 1);
    b.requests[b.asked++ % detail::kept_steps] = what;
    if (trains) rounds_ = updates ? 0 : rounds_ + 1, begun_scale_ = rule_.loss_scale;
    if (b.trains && updates) ++trained_;
    crew_.ask({&b, what, optimizer_});
    return handle(*this, order, b.asked - 1, number, updates);
  }

  pipeline_options how_;
  Optimizer optimizer_;
  std::unique_ptr<Transport> own_;
  Transport& transport_;
  Model model_;
  cut cut_;
  model_links links_;
  detail::parameter_board board_;
  detail::crew<Transport, Optimizer> crew_;
  std::vector<parameter> parameters_;
  std::vector<detail::feed_source> feeds_;
  std::vector<std::unique_ptr<binding>> orders_;  // the one to train by, then those of bind()
  std::int64_t origin_ = detail::clock_now();
  std::int64_t trained_ = how_.first_step, bound_ = 0;
  int rounds_ = 0, generation_ = 0;
  step_rule rule_;           // for the next step
  double begun_scale_ = 1;   // of the runs that are gathered
  bool alone_ = true;  // all ranks are of this pipeline
};

}  // namespace stretto::inline v0
