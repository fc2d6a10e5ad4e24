// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a stream knows of the items that are under way: a ring of entries, item n at n % places. An entry is written by the
// rank that has the item; messages between stages, and the counter at the end, order who reads what.
//
//     delivered ──── ended, not fetched ──── under way ──── admitted        at most `places` apart: has_place()
//     t4                t5 t6                t8 t9 (7 never came: superseded at the entry)
// Cost: a counter a stage, on a cache line of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <stretto/plan/plan.hpp>
#include <stretto/run/service.hpp>
#include <stretto/stream/options.hpp>
#include <stretto/stream/report.hpp>

namespace stretto::inline v0::detail {

/// A mark says what became of an item, and the stage that would have been next.
constexpr std::int32_t mark_of(outcome what, int stage) { return static_cast<std::int32_t>(what) + 256 * (stage + 1); }
constexpr outcome outcome_of(std::int32_t mark) { return static_cast<outcome>(mark & 255); }
constexpr int stage_of_mark(std::int32_t mark) { return ((mark & ~service_calls::last) >> 8) - 1; }

template <class In, class Out>
class ledger {
 public:
  struct times {
    std::int64_t begin = 0, end = 0;
  };
  struct admission {
    std::int64_t number = -1, pushed = 0, until = 0, started = 0;
  };
  struct entry {
    admission item;
    std::atomic<std::int64_t> number = -1;  // the ticket, for who cancels; under the stream's lock
    std::atomic<bool> cancelled = false;
    std::atomic<std::int32_t> mark = 0;
    std::int64_t ended = 0;
    std::vector<times> of;                  // by place of the stage
    std::string why;
    In entered{};
    Out leaving{};
  };

  template <class Options>
  ledger(const plan_view& order, const Options& how) : walk_(order.micro_batches), clock_starts_(how.clock()) {
    if (order.routes != 1 || order.slices != 1)
      throw error(text("stretto: a stream's items come whole and all make one way, and the plan has ", order.routes, " routes and ", order.slices, " slices; serve by service_of(plan)").str());
    const route_view r = order.route(0);
    place_of_.assign(static_cast<std::size_t>(order.stages), -1);
    for (int s = r.first(); s >= 0; s = r.next(s)) {
      place_of_[static_cast<std::size_t>(s)] = static_cast<int>(stages_.size());
      stages_.push_back(s);
      several_ = several_ || (s != r.first() && r.rank_of(s) == r.rank_of(r.first()));
    }
    first_rank_ = r.rank_of(r.first());
    const int most = (walk_ + 1) * static_cast<int>(stages_.size()) + 2;
    if (how.in_flight < 0 || (how.in_flight > 0 && how.in_flight < walk_))
      throw error(text("stretto: ", how.in_flight, " items may be in flight, and a walk of the plan has ", walk_, "; give as many or more, or 0 for what the queues hold").str());
    places_ = how.in_flight > 0 ? how.in_flight : most;
    fresh_ = how.fresh >= 0 ? how.fresh : how.full == when_full::drop_oldest || how.full == when_full::coalesce ? walk_ - 1 : any_number;
    entries_ = std::make_unique<entry[]>(static_cast<std::size_t>(places_));
    for (int i = 0; i < places_; ++i) entries_[static_cast<std::size_t>(i)].of.assign(stages_.size(), {});
    passed_ = std::make_unique<counter[]>(stages_.size());
    for (int s : stages_) report_.stages.emplace_back().number = s;
  }

  /// Calls prepare(entered, leaving) for every entry.
  template <class Prepare>
  void each(Prepare&& prepare) {
    for (int i = 0; i < places_; ++i) prepare(entries_[static_cast<std::size_t>(i)].entered, entries_[static_cast<std::size_t>(i)].leaving);
  }

  entry& at(std::int64_t n) { return entries_[static_cast<std::size_t>(n % places_)]; }
  const entry& at(std::int64_t n) const { return entries_[static_cast<std::size_t>(n % places_)]; }
  int first_rank() const { return first_rank_; }
  bool is_first(int stage) const { return stage == stages_.front(); }
  bool is_last(int stage) const { return stage == stages_.back(); }
  bool has_come(int stage, std::int64_t n) const { return count(place(stage) - 1) > n; }
  /// Whether the item that many before this one was fetched.
  bool has_place(std::int64_t n) const { return n - delivered_.load(std::memory_order_acquire) < places_; }
  /// Whether an item waits for the first rank at a later stage: it walks on then, though no other comes in.
  bool must_go_round() const { return several_ && count(stages_.size() - 1) <= last_item_; }

  void admit(std::int64_t n, const admission& what, bool cancelled) {
    entry& e = at(n);
    e.item = what;
    e.number.store(what.number, std::memory_order_relaxed);
    e.cancelled.store(cancelled, std::memory_order_relaxed);
    e.mark.store(0, std::memory_order_relaxed);
    e.why.clear();
    last_item_ = n;
  }
  /// Nobody's item, to fill a walk.
  std::int32_t admit_none(std::int64_t n, bool last) {
    entry& e = at(n);
    e.item = {};
    e.number.store(-1, std::memory_order_relaxed);
    const std::int32_t mark = mark_of(outcome::closed, 0) + (last ? service_calls::last : 0);
    e.mark.store(mark, std::memory_order_relaxed);
    return mark;
  }
  bool cancel(std::int64_t number) {
    for (int i = 0; i < places_; ++i)
      if (entry& e = entries_[static_cast<std::size_t>(i)]; number >= 0 && e.number.load(std::memory_order_relaxed) == number) {
        e.cancelled.store(true, std::memory_order_relaxed);
        return true;
      }
    return false;
  }

  /// Whether a stage is to begin with an item, by its mark.
  std::int32_t judge(int stage, std::int64_t n, std::int32_t mark, std::int64_t now) {
    entry& e = at(n);
    e.of[place(stage)].begin = now;
    if (mark == 0 && e.cancelled.load(std::memory_order_relaxed)) mark = mark_of(outcome::cancelled, stage);
    if (mark == 0 && e.item.until > 0 && now > e.item.until) mark = mark_of(outcome::late, stage);
    if (mark == 0 && !is_first(stage) && fresh_ < any_number) {
      int fresher = 0;
      for (std::int64_t k = n + 1; k < count(place(stage) - 1); ++k) fresher += at(k).mark.load(std::memory_order_relaxed) == 0 ? 1 : 0;
      if (fresher > fresh_) mark = mark_of(outcome::superseded, stage);
    }
    if (mark != 0) e.mark.store(mark, std::memory_order_relaxed);
    return mark;
  }

  void passed(int stage, std::int64_t n, std::int32_t mark, std::int64_t now) {
    entry& e = at(n);
    e.of[place(stage)].end = now, e.ended = now;
    if (mark != 0) e.mark.store(mark, std::memory_order_relaxed);
    passed_[place(stage)].items.store(n + 1, std::memory_order_release);
  }

  /// Whether this was the last item of the last walk.
  bool is_end(std::int64_t n, std::int32_t mark) const { return (mark & service_calls::last) != 0 && (n + 1) % walk_ == 0; }

  /// Under the stream's lock, at the end of the last stage.
  void enter_in_report(std::int64_t n, std::int32_t mark, std::int64_t now) {
    entry& e = at(n);
    if (e.item.number < 0) return;
    e.number.store(-1, std::memory_order_relaxed);
    last_end_ = now;
    if (mark != 0) {
      const outcome what = outcome_of(mark);
      stream_report::stage& s = report_.stages[place(stage_of_mark(mark))];
      const auto tally = [&](outcome one, std::int64_t& whole, std::int64_t& here) {
        if (what == one) ++whole, ++here;
      };
      tally(outcome::superseded, report_.superseded, s.superseded);
      tally(outcome::late, report_.late, s.late);
      tally(outcome::cancelled, report_.cancelled, s.cancelled);
      tally(outcome::failed, report_.failed, s.failed);
      return;
    }
    ++report_.done;
    e.of.back().end = now;
    report_.whole.add(now - e.item.pushed);
    report_.entry.add(e.item.started - e.item.pushed);
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      if (i > 0) report_.stages[i].wait.add(e.of[i].begin - e.of[i - 1].end);
      report_.stages[i].work.add(e.of[i].end - e.of[i].begin);
    }
  }
  stream_report report() const {
    stream_report r = report_;
    for (std::size_t i = 1; i < stages_.size(); ++i) {
      const std::int64_t here = count(i), before = count(i - 1);
      r.stages[i].waiting = before > here ? before - here : 0;
    }
    return r;
  }
  std::int64_t last_end() const { return last_end_; }

  // Of who fetches:

  bool has_more() const { return count(stages_.size() - 1) > delivered_.load(std::memory_order_relaxed); }
  /// What was told of last is fetched, and its place is free again. Whether there was one.
  bool let_go() {
    if (!held_) return false;
    held_ = false;
    delivered_.fetch_add(1, std::memory_order_release);
    return true;
  }
  /// Tells of the next ticket; false where there is none in the entry that comes next, which is let go.
  bool tell(delivery<Out>& d) {
    entry& e = at(delivered_.load(std::memory_order_relaxed));
    if (e.item.number < 0) {
      delivered_.fetch_add(1, std::memory_order_release);
      return false;
    }
    d = {};
    d.item.number = told_++;
    if (d.item.number < e.item.number) return d.what = outcome::superseded, true;
    const std::int32_t mark = e.mark.load(std::memory_order_relaxed);
    d.what = mark == 0 ? outcome::done : outcome_of(mark);
    if (mark == 0) d.value = &e.leaving;
    else d.stage = stage_of_mark(mark);
    d.why = e.why;
    d.pushed = seconds(e.item.pushed), d.started = seconds(e.item.started), d.ended = seconds(e.ended);
    held_ = true;
    return true;
  }

 private:
  struct alignas(64) counter {
    std::atomic<std::int64_t> items = 0;
  };
  std::size_t place(int stage) const { return static_cast<std::size_t>(place_of_[static_cast<std::size_t>(stage)]); }
  std::int64_t count(std::size_t place) const { return passed_[place].items.load(std::memory_order_acquire); }
  double seconds(std::int64_t t) const { return static_cast<double>(t - clock_starts_) * 1e-9; }

  int walk_, places_ = 0, fresh_ = any_number, first_rank_ = 0;
  std::int64_t clock_starts_;
  bool several_ = false;                  // the first stage's rank has another one
  std::vector<int> stages_, place_of_;    // on the way of the items; the place of a stage on it
  std::unique_ptr<entry[]> entries_;
  std::unique_ptr<counter[]> passed_;     // by place of the stage
  std::int64_t last_item_ = -1;           // of the first rank
  alignas(64) std::atomic<std::int64_t> delivered_ = 0;
  std::int64_t told_ = 0;
  bool held_ = false;
  stream_report report_;
  std::int64_t last_end_ = 0;
};

}  // namespace stretto::inline v0::detail
