// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A stream: a pipeline that serves. Items are pushed at one end and come out at the other in the same order, and stages
// work on several at once.
//
//     pipeline p(model, cut, service_of(order, 2));     between two stages lie up to 2 items
//     stream s(p, {.entry = 8, .full = when_full::drop_oldest, .deadline = 0.2});
//     s.push(item);                                     any thread; item changes places with one that was used before
//     while (auto d = s.next(); d.what != outcome::closed) …       another thread: everything that was pushed, in order
//     s.close();                                        what was pushed before still goes through
//
//     push ─► entry ─► stage 0 ═ queue ═► stage 1 ═ queue ═► stage 2 ─► next()        an item that is dropped goes on empty
// Nothing is lost and nothing polls: every item has an outcome, and whoever waits is rung. Cost: a short lock an item at
// either end and none between; no memory once it is made. While it runs, the pipeline does nothing else.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

#include <stretto/run/pipeline.hpp>
#include <stretto/stream/ends.hpp>
#include <stretto/stream/entry_queue.hpp>
#include <stretto/stream/ledger.hpp>
#include <stretto/stream/options.hpp>
#include <stretto/stream/report.hpp>
#include <stretto/stream/result_function.hpp>

namespace stretto::inline v0 {

template <class Model, class Optimizer, class Transport>
class stream {
  static constexpr bool enters = requires { typename Model::first_layer::item; }, leaves = requires { typename Model::last_layer::item; };
  static_assert(enters && leaves, "stretto: a model that serves a stream begins with layer<stream_entry<T>>() and ends with layer<stream_exit<U>>(); add them");

 public:
  using in = typename Model::first_layer::item;
  using out = typename Model::last_layer::item;
  using served = pipeline<Model, Optimizer, Transport>;

  /// Serves by the plan that the pipeline was made with.
  explicit stream(served& p, const stream_options<in>& how = {}) : stream(p, 0, how) {}
  /// By an order that was bound with bind().
  stream(served& p, int order, const stream_options<in>& how) : stream(p, order, how, results{}) {}
  /// Results go to a function, which the last stage's rank calls; there is no next() then.
  template <class F>
    requires std::is_invocable_v<F&, const delivery<out>&>
  stream(served& p, const stream_options<in>& how, F on_result) : stream(p, 0, how, results(std::move(on_result))) {}

  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;
  /// Waits until what was pushed has come through. What nobody fetched is gone.
  ~stream() {
    try {
      finish();
    } catch (...) {  // of a rank: whoever asked for results was told
    }
    if (t_.failed()) p_.stop();  // or a rank would still ask what is gone here
  }

  /// Takes an item, which changes places with another; waits where `block` says so. No ticket: drop_newest refused it.
  ticket push(in& item) { return push(item, how_.deadline); }
  /// With a deadline of its own: seconds from now; 0, or more than a century: none.
  ticket push(in& item, double deadline) {
    ticket given = try_push(item, deadline);
    while (!given && how_.full == when_full::block) {
      t_.doze(t_.host(), [&] { return room_.load(std::memory_order_acquire) || closed_.load() || t_.failed(); });
      given = offer(item, deadline, true);
    }
    return given;
  }
  ticket push(in&& item) { return push(item); }

  /// Likewise, and never waits: no ticket where there is no room.
  ticket try_push(in& item) { return try_push(item, how_.deadline); }
  ticket try_push(in& item, double deadline) { return offer(item, deadline, how_.full == when_full::drop_newest); }

  /// The next item's outcome, in the order of tickets. Waits for it; `closed` once all have been told.
  delivery<out> next() {
    if (tell_) throw error("stretto: next is asked of a stream that gives its results to a function; make it without one");
    while (true) {
      if (delivery<out> d; fetch(d)) return d;
      if (over_.load(std::memory_order_acquire) && !book_.has_more()) return {};
      t_.doze(t_.host(), [&] { return book_.has_more() || over_.load() || t_.failed(); });
      if (t_.failed() && !book_.has_more()) t_.rethrow();
    }
  }

  /// An item that no stage has begun with since goes on empty. Whether it was still on its way.
  bool cancel(const ticket& t) {
    const std::lock_guard lock(mutex_);
    return queue_.cancel(t.number) || book_.cancel(t.number);
  }

  /// No more items are taken; those that were come through.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_.store(true);
    }
    t_.ring(first_rank_);
    t_.ring(t_.host());
  }

  /// Closes it, and waits until all items have come through. Outcomes that nobody has fetched are gone then.
  void finish() {
    if (tell_.within()) throw error("stretto: finish is called of a stream by the function that its results go to, which it would wait for; call close() there, and finish() elsewhere");
    close();
    if (tell_) {
      t_.doze(t_.host(), [&] { return over_.load(std::memory_order_acquire) || t_.failed(); });
      if (t_.failed()) t_.rethrow();
    } else {
      while (next().what != outcome::closed) {}
    }
    p_.finish();
  }

  /// Of what has come so far. Any thread may ask.
  stream_report report() const {
    const std::lock_guard lock(mutex_);
    stream_report r = book_.report();
    r.pushed = queue_.tickets(), r.refused = refused_, r.waiting = queue_.size(), r.most_waiting = queue_.most();
    r.superseded += queue_.superseded();
    r.seconds = r.done > 0 ? static_cast<double>(book_.last_end() - first_push_) * 1e-9 : 0;
    return r;
  }

 private:
  using queue = entry_queue<in>;
  using results = detail::result_function<delivery<out>>;

  stream(served& p, int order, const stream_options<in>& how, results tell)
      : p_(p), t_(p.transport()), how_(how), tell_(std::move(tell)), queue_(how.entry, how.full, how.merge), book_(p.steps(order), how) {
    if (!(how.deadline >= 0)) throw error("stretto: stream_options::deadline is below 0 or no number; give seconds, or 0 for none");
    first_rank_ = book_.first_rank();
    calls_.with = this;
    calls_.ready = [](void* s, int stage, std::int64_t n) { return static_cast<stream*>(s)->ready(stage, n); };
    calls_.begin = [](void* s, int stage, std::int64_t n, std::int32_t mark, context& c) { return static_cast<stream*>(s)->begin(stage, n, mark, c); };
    calls_.threw = [](void* s, int stage, std::int64_t n, int layer, const char* what) { return static_cast<stream*>(s)->threw(stage, n, layer, what); };
    calls_.end = [](void* s, int stage, std::int64_t n, std::int32_t mark) { static_cast<stream*>(s)->end(stage, n, mark); };
    // Every place in its largest shape, since items change places with what slots hold.
    const auto large = [&](int layer, auto& value) {
      p.look_at(layer, [&](const layer_row& row, const void* made_by) {
        void* made = row.output.make(made_by);
        value = std::move(*static_cast<std::remove_reference_t<decltype(value)>*>(made));
        row.output.drop(made);
      });
    };
    queue_.each([&](in& value) { large(0, value); });
    book_.each([&](in& entered, out& leaving) { large(0, entered), large(-2, leaving); });
    p.serve(order, calls_);
  }

  ticket offer(in& item, double deadline, bool counts_refusal) {
    if (t_.failed()) t_.rethrow();
    if (!(deadline >= 0)) throw error("stretto: an item is pushed with a deadline that is below 0 or no number; give seconds from now, or 0 for none");
    constexpr double never = 4e9;  // a century and more, of which the clock could have no nanoseconds left
    ticket given;
    {
      const std::lock_guard lock(mutex_);
      if (closed_.load()) throw error("stretto: an item is pushed into a stream that was closed; push before close()");
      const std::int64_t now = how_.clock();
      const typename queue::taken what = queue_.push(item, now, deadline > 0 && deadline < never ? now + static_cast<std::int64_t>(deadline * 1e9) : 0);
      room_.store(!queue_.full(), std::memory_order_release);
      if (what == queue::taken::yes) {
        given.number = queue_.tickets() - 1;
        if (given.number == 0) first_push_ = now;
        waiting_.store(queue_.size(), std::memory_order_release);
      } else if (what == queue::taken::refused && counts_refusal) {
        ++refused_;
      }
    }
    if (given) t_.ring(first_rank_);
    return given;
  }

  // On the threads of the ranks:

  bool ready(int stage, std::int64_t n) {
    if (!book_.is_first(stage)) return book_.has_come(stage, n);
    if (!book_.has_place(n)) return false;
    return waiting_.load(std::memory_order_acquire) > 0 || closed_.load() || book_.must_go_round();
  }

  std::int32_t begin(int stage, std::int64_t n, std::int32_t mark, context& c) {
    auto& item = book_.at(n);
    const std::int64_t now = how_.clock();
    if (book_.is_first(stage)) {
      const std::lock_guard lock(mutex_);
      if (queue_.size() > 0) {
        typename queue::place& from = queue_.pop();
        using std::swap;
        swap(item.entered, from.value);
        book_.admit(n, {from.number, from.pushed, from.until, now}, from.cancelled);
      } else {
        mark = book_.admit_none(n, closed_.load());
      }
      waiting_.store(queue_.size(), std::memory_order_release);
      room_.store(!queue_.full(), std::memory_order_release);
    }
    if (book_.is_first(stage)) t_.ring(t_.host());  // there is room at the entry
    c.entered = &item.entered, c.leaving = &item.leaving;
    return book_.judge(stage, n, mark, now);
  }

  std::int32_t threw(int stage, std::int64_t n, int layer, const char* what) {
    if (how_.on_error == when_thrown::fail) return 0;
    book_.at(n).why = text("stage ", stage, " layer ", layer, " threw: ", what).str();
    return detail::mark_of(outcome::failed, stage);
  }

  void end(int stage, std::int64_t n, std::int32_t mark) {
    const std::int64_t now = how_.clock();
    if (!book_.is_last(stage)) return book_.passed(stage, n, mark, now);
    {
      const std::lock_guard lock(mutex_);
      book_.enter_in_report(n, mark, now);
    }
    book_.passed(stage, n, mark, now);
    if (tell_)
      for (delivery<out> d; fetch(d);) tell_(d);
    if (book_.is_end(n, mark)) p_.has_served(), over_.store(true, std::memory_order_release);
    t_.ring(t_.host());
  }

  /// The next outcome, where there is one.
  bool fetch(delivery<out>& d) {
    if (book_.let_go()) t_.ring(first_rank_);
    while (book_.has_more()) {
      if (book_.tell(d)) return true;
      t_.ring(first_rank_);  // a walk's rest: nobody's item
    }
    return false;
  }

  served& p_;
  Transport& t_;
  stream_options<in> how_;
  results tell_;
  mutable std::mutex mutex_;
  queue queue_;                             // under the mutex
  std::int64_t refused_ = 0, first_push_ = 0;  // likewise
  std::atomic<std::int64_t> waiting_ = 0;
  std::atomic<bool> room_ = true, closed_ = false, over_ = false;
  detail::ledger<in, out> book_;
  service_calls calls_;
  int first_rank_ = 0;
};

template <class Model, class Optimizer, class Transport>
stream(pipeline<Model, Optimizer, Transport>&) -> stream<Model, Optimizer, Transport>;
template <class Model, class Optimizer, class Transport>
stream(pipeline<Model, Optimizer, Transport>&, const stream_options<typename Model::first_layer::item>&) -> stream<Model, Optimizer, Transport>;
template <class Model, class Optimizer, class Transport>
stream(pipeline<Model, Optimizer, Transport>&, int, const stream_options<typename Model::first_layer::item>&) -> stream<Model, Optimizer, Transport>;
template <class Model, class Optimizer, class Transport, class F>
stream(pipeline<Model, Optimizer, Transport>&, const stream_options<typename Model::first_layer::item>&, F) -> stream<Model, Optimizer, Transport>;

}  // namespace stretto::inline v0
