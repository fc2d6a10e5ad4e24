// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Why a run stands still, from its ranks' logs alone: who stopped first, and what every other rank waits for.
//
//     rank 0 ─ waits for B2 of stage 1 ─► rank 1 ─ waits for F2 of stage 0 ─► put by rank 0, never taken: it is lost
//     const hang_report why = explain_hang(logs);      why.kind == hang_kind::lost, why.what == 0SEND_F2, why.words
// A rank that waits says for whom: by the edges of its program, and by which messages it has taken. Following that from rank
// to rank ends where nobody waits: at a rank without a log, in a layer, or not asked for the step; at a message that was put
// and not taken, or passed over; or where it began, in a cycle. Where there are several such ends, the oldest counts. What
// is shorter than `patience`, or than ten times what such a pass has taken before (or `patience`, if it is the first), is no
// hang: a healthy run has none.
// Cost: O(entries) a rank that waits, and a look at each kept step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/verdict.hpp>
#include <stretto/plan/wiring.hpp>
#include <stretto/run/hang_report.hpp>
#include <stretto/run/rank_log.hpp>

namespace stretto::inline v0 {

namespace detail {

class hang_finder {
 public:
  hang_finder(std::span<const rank_log> logs, const hang_options& how) : logs_(logs), patience_(how.patience) {
    if (logs.empty()) throw error("stretto: a hang is to be explained from no logs; give those of all ranks");
    of_ = logs_by_rank(logs);
    ranks_ = static_cast<int>(of_.size());
    for (const rank_log* l : of_)
      if (l != nullptr && !l->error.empty()) patience_ = 0, failed_ = true;
  }

  hang_report find() {
    for (int r = 0; r < ranks_; ++r) states_.push_back(state_of(r));
    find_cause();
    for (int r = 0; r < ranks_; ++r) {
      const state& s = at(r);
      out_.waits.push_back({r, s.entry, s.what, s.on_rank, s.on, s.seconds, words_of(r)});
    }
    out_.words = sentence();
    for (const hang_wait& w : out_.waits) out_.words += '\n' + w.words;
    return out_;
  }

 private:
  enum class phase { silent, idle, working, message, sending, object, sum };
  struct state {
    phase is = phase::silent;
    int order = -1, entry = -1;
    std::int64_t number = 0, since = 0;
    action what{};
    double seconds = 0;
    int on_rank = -1, on_entry = -1;
    action on{};
    hang_kind end = hang_kind::none;  // why nothing comes of waiting; none: the other rank has to go on
    std::int64_t stopped = 0, put = 0;  // on rank 0's clock
    bool usual = false;               // a pass that may well take as long
  };

  const rank_log* log(int r) const { return of_[static_cast<std::size_t>(r)]; }
  const state& at(int r) const { return states_[static_cast<std::size_t>(r)]; }
  static double seconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) * 1e-9; }

  const logged_order* order_of(int number) const {
    for (const rank_log* l : of_)
      if (l != nullptr)
        if (const logged_order* const o = l->find_order(number); o != nullptr) return o;
    return nullptr;
  }

  /// Whether a rank is past an entry of a step.
  bool has_passed(int r, std::int64_t number, int entry) const {
    const rank_log& l = *log(r);
    return l.done >= number || (l.done + 1 == number && l.now.order >= 0 && l.now.entry > entry);
  }
  bool is_at(int r, std::int64_t number, int entry) const { return log(r)->done + 1 == number && log(r)->now.order >= 0 && log(r)->now.entry == entry; }
  /// Whether it has nothing to do, and wasn't asked for that step.
  bool is_not_asked(int r, std::int64_t number) const { return log(r)->now.order < 0 && log(r)->asked < number; }

  static int find_entry(const plan_view& p, int rank, const action& what) {
    const view<const action> list = p.order(rank);
    for (std::int64_t i = 0; i < list.count; ++i)
      if (list[i] == what) return static_cast<int>(i);
    return -1;
  }
  static std::int64_t box_of(const plan_view& p, int micro_batch, int slice) { return static_cast<std::int64_t>(micro_batch) * p.slices + slice; }
  static const logged_message* find_message(const std::vector<logged_message>& all, int channel, std::int64_t box) {
    for (const logged_message& m : all)
      if (m.channel == channel && m.box == box) return &m;
    return nullptr;
  }
  /// Whether a channel carries messages of an edge from one stage to another.
  static bool carries(const plan_view& p, const channel_plan& c, const action& send) {
    const edge& row = p.passes->edges[send.pass];
    return c.forward == (row.producer == pass::forward) && (c.link >= 0) == (row.how == relation::skip) && c.from_stage == send.stage && c.to_stage == send.peer;
  }

  state state_of(int r) {
    state s;
    const rank_log* const l = log(r);
    if (l == nullptr) return s;
    s.is = phase::idle;
    s.number = l->done + 1;
    s.since = l->bound;
    for (const logged_order& o : l->orders)
      for (const logged_step& step : o.steps) s.since = step.ended > s.since ? step.ended : s.since;
    const logged_step* const step = step_now(*l);
    const logged_order* const o = l->find_order(l->now.order);
    if (o != nullptr) {
      s.is = phase::working;
      s.order = o->order, s.entry = l->now.entry;
      s.since = step != nullptr ? step->begun : l->clock;
      if (s.entry >= 0) look(r, *l, *o, step, s);
    }
    s.stopped = (std::max)(s.since + l->offset, s.put);
    s.seconds = seconds(l->clock - s.since);
    return s;
  }

  /// What an entry that has begun is doing, and for whom it waits.
  void look(int r, const rank_log& l, const logged_order& o, const logged_step* step, state& s) {
    const plan_view p = o.work;
    s.what = p.order(r)[s.entry];
    if (step == nullptr) return;
    const logged_entry& t = step->times[static_cast<std::size_t>(s.entry)];
    s.since = t.start > 0 ? t.start : t.wait > 0 ? t.wait : s.since;
    if (t.start > 0) {
      const double before = usually(l, o, s.what);
      s.usual = 10 * (before > 0 ? before : patience_) > seconds(l.clock - s.since);
      return;
    }
    if (s.what.kind == role::send) return look_at_send(r, o, *step, s);
    const wiring w(p);
    bool asks = false;  // whether the pass gets anything from other ranks
    for_each_input(p, w, s.what, r, [&, this](const input& in) {
      if (in.rank == r) return true;
      asks = true;
      const edge& row = p.passes->edges[in.row];
      if (row.message.empty() || row.how == relation::group) return look_at_sum(o, in, s);
      const action send{static_cast<pass_id>(in.row), role::send, static_cast<std::uint16_t>(in.slice), in.place, in.micro_batch, s.what.stage};
      for (std::size_t c = 0; c < o.channels.size(); ++c)
        if (carries(p, o.channels[c], send) && o.channels[c].to == r && find_message(step->takes, static_cast<int>(c), box_of(p, s.what.micro_batch, s.what.slice)) == nullptr)
          return look_at_message(o, static_cast<int>(c), send, in.rank, s);
      return true;
    });
    if (s.is != phase::working) return;
    if (asks && p.passes->passes[s.what.pass].per == share::step) s.is = phase::sum, s.end = hang_kind::sums;
    else if (p.passes->passes[s.what.pass].per != share::step) look_at_object(r, o, s);
    for (const logged_message& m : step->takes) s.since = m.when > s.since ? m.when : s.since;  // from then on it waits for something else
  }

  bool look_at_message(const logged_order& o, int channel, const action& send, int from, state& s) {
    s.is = phase::message;
    s.on_rank = from, s.on = send;
    s.on_entry = find_entry(o.work, from, send);
    if (log(from) == nullptr || is_at(from, s.number, s.on_entry)) return false;  // or it is handing it over just now
    const logged_order* const theirs = log(from)->find_order(o.order);
    const logged_step* const step = theirs == nullptr ? nullptr : find_step(*theirs, s.number);
    const logged_message* const put = step == nullptr ? nullptr : find_message(step->puts, channel, box_of(o.work, send.micro_batch, send.slice));
    if (put != nullptr) s.end = hang_kind::lost, s.put = put->when + log(from)->offset;
    else if (has_passed(from, s.number, s.on_entry)) s.end = step == nullptr ? hang_kind::lost : hang_kind::skipped;
    return false;
  }

  void look_at_send(int r, const logged_order& o, const logged_step& step, state& s) const {
    for (std::size_t c = 0; c < o.channels.size(); ++c)
      if (carries(o.work, o.channels[c], s.what) && o.channels[c].from == r && find_message(step.puts, static_cast<int>(c), box_of(o.work, s.what.micro_batch, s.what.slice)) != nullptr)
        s.is = phase::sending, s.on_rank = o.channels[c].to;
    const int to = s.on_rank;
    if (to < 0 || log(to) == nullptr) return;
    // The transport lets the sender go on when the receiver comes to what it waits for; if it is there, it is the transport.
    s.on = action{s.what.pass, role::receive, s.what.slice, s.what.peer, s.what.micro_batch, s.what.stage};
    const state other = to == r ? state{} : where_is(to);
    const bool there = other.number > s.number || (other.number == s.number && other.entry >= 0 && log(to)->now.order >= 0 && takes(o, other.what, s.what));
    if (there || (log(to)->now.order < 0 && log(to)->done >= s.number)) s.end = hang_kind::held;
  }
  /// Where a rank is, no more.
  state where_is(int r) const {
    state s;
    s.number = log(r)->done + 1, s.order = log(r)->now.order, s.entry = log(r)->now.entry;
    if (const logged_order* const o = log(r)->find_order(s.order); o != nullptr && s.entry >= 0) s.what = o->work.order(r)[s.entry];
    return s;
  }
  /// Whether a pass takes what is sent.
  static bool takes(const logged_order& o, const action& pass_there, const action& send) {
    if (pass_there.is_message() || pass_there.stage != send.peer || pass_there.micro_batch != send.micro_batch) return false;
    return (o.work.passes.cover(pass_there.pass) >> o.work.passes.edges[send.pass].consumer & 1) != 0;
  }

  bool look_at_sum(const logged_order& o, const input& in, state& s) const {
    const action theirs{in.pass, role::run, static_cast<std::uint16_t>(in.slice), in.place, in.micro_batch, 0};
    const int entry = find_entry(o.work, in.rank, theirs);
    if (log(in.rank) != nullptr && has_passed(in.rank, s.number, entry)) return true;
    s.is = phase::sum, s.on_rank = in.rank, s.on_entry = entry, s.on = theirs;
    return false;
  }

  /// A pass that has all its messages fills objects, which receivers give back.
  void look_at_object(int r, const logged_order& o, state& s) const {
    const std::uint32_t does = o.work.passes.cover(s.what.pass);
    for (const channel_plan& c : o.channels) {
      if (c.from != r || c.to == r || c.from_stage != s.what.stage || (does >> (c.forward ? pass::forward : pass::backward_input) & 1) == 0) continue;
      const rank_log* const to = log(c.to);
      if (s.is == phase::object && to != nullptr && to->done + 1 >= where_is(s.on_rank).number) continue;  // another is further behind
      s.is = phase::object, s.on_rank = c.to, s.end = hang_kind::none;
      if (to != nullptr && to->now.order < 0 && to->done >= s.number) s.end = hang_kind::no_object;
    }
  }

  /// The longest that the same pass of the stage has taken, in seconds.
  double usually(const rank_log& l, const logged_order& o, const action& what) const {
    std::int64_t longest = 0;
    const view<const action> list = o.work.order(l.rank);
    for (const logged_step& step : o.steps)
      for (std::int64_t i = 0; i < list.count; ++i)
        if (const logged_entry& t = step.times[static_cast<std::size_t>(i)]; list[i].kind == what.kind && list[i].pass == what.pass && list[i].stage == what.stage && t.end > 0)
          longest = (std::max)(longest, t.end - t.start);
    return seconds(longest);
  }

  /// Notes a cause, unless an older one is known; whether it did.
  bool take(hang_kind kind, int rank, const state& s, std::int64_t when) {
    if (out_.hangs() && oldest_ <= when) return false;
    oldest_ = when;
    out_ = {};
    out_.kind = kind, out_.rank = rank, out_.order = s.order, out_.number = s.number, out_.entry = s.entry, out_.what = s.what, out_.seconds = s.seconds;
    if (log(rank) != nullptr) out_.layer = log(rank)->now.layer;
    return true;
  }

  void find_cause() {
    for (int r = 0; r < ranks_; ++r)
      if (log(r) != nullptr && log(r)->threw && take(hang_kind::threw, r, at(r), 0)) return;
    if (asked_differently()) return;
    for (int r = 0; r < ranks_; ++r) follow(r, true);
    for (int r = 0; r < ranks_ && failed_ && !out_.hangs(); ++r) follow(r, false);
    for (int r = 0; r < ranks_; ++r)  // whoever is waited for, however short that was
      if (const int q = at(r).on_rank; q >= 0 && log(q) == nullptr) take(hang_kind::died, q, at(q), at(r).stopped);
    for (int r = 0; r < ranks_ && !out_.hangs(); ++r)
      if (log(r) == nullptr) take(hang_kind::died, r, at(r), 0);
  }

  bool asked_differently() {
    struct asking { int rank, order; const logged_request* what; };
    std::map<std::int64_t, asking> first;  // of each step, whoever has it
    for (const rank_log* l : of_) {
      if (l == nullptr) continue;
      for (const logged_order& o : l->orders)
        for (const logged_step& s : o.steps) {
          const asking& other = first.insert({s.number, {l->rank, o.order, &s.request}}).first->second;
          if (other.rank == l->rank || (other.order == o.order && *other.what == s.request)) continue;
          take(hang_kind::asked_otherwise, l->rank, at(l->rank), 0);
          out_.number = s.number, out_.to = other.rank, out_.order = o.order;
          return true;
        }
    }
    return false;
  }

  /// From a rank that waits to where nobody does.
  void follow(int from, bool spares) {
    std::vector<int> path;
    int r = from;
    while (true) {
      const state& s = at(r);
      if (s.is == phase::silent || s.is == phase::idle) return;  // nobody waits for it
      const bool too_long = s.seconds >= patience_;
      if (s.is == phase::working) {
        if (too_long && !(spares && s.usual)) take(hang_kind::stalled, r, s, s.stopped);
        return;
      }
      if (!too_long && path.empty()) return;
      path.push_back(r);
      if (s.end != hang_kind::none) {
        if (!too_long) return;
        const bool message = s.end == hang_kind::lost || s.end == hang_kind::skipped;
        if (!take(s.end, message ? s.on_rank : r, s, s.stopped)) return;
        if (message) out_.entry = s.on_entry, out_.what = s.on, out_.to = r;
        if (s.end == hang_kind::held) out_.to = s.on_rank;
        return;
      }
      const int q = s.on_rank;
      if (log(q) == nullptr) return static_cast<void>(take(hang_kind::died, q, at(q), 0));
      if (is_not_asked(q, s.number)) return static_cast<void>(take(hang_kind::not_asked, q, at(q), at(q).stopped));
      if (at(q).is == phase::idle) return;  // it is about to begin
      if (s.is == phase::message && is_at(q, s.number, s.on_entry)) {
        if (take(hang_kind::held, q, at(q), at(q).stopped)) out_.to = r;
        return;
      }
      const auto again = std::find(path.begin(), path.end(), q);
      if (again != path.end()) {
        int sends = 0, sender = q;  // an order with a cycle isn't bound, so a send is in it that the transport should have let go on
        for (auto i = again; i != path.end(); ++i)
          if (at(*i).is == phase::sending) ++sends, sender = *i;
        const bool held = sends == 1;
        if (!take(held ? hang_kind::held : hang_kind::deadlock, sender, at(sender), at(sender).stopped)) return;
        if (held) out_.to = at(sender).on_rank;
        else std::rotate(again, std::min_element(again, path.end()), path.end()), out_.cycle.assign(again, path.end());
        return;
      }
      r = q;
    }
  }

  /// 2F5, as the program names it.
  std::string name(int order, const action& a) const {
    const logged_order* const o = order_of(order);
    return o == nullptr ? std::string() : std::string(name_of(o->work, a).str());
  }
  std::string place(int rank, const state& s) const {
    std::string words = "rank " + std::to_string(rank);
    if (s.entry >= 0) words += " step " + std::to_string(s.entry) + " (" + name(s.order, s.what) + ")";
    return words + " of run " + std::to_string(s.number);
  }

  std::string words_of(int r) const {
    const state& s = at(r);
    const std::string here = "rank " + std::to_string(r);
    const std::string there = s.on_rank >= 0 ? "rank " + std::to_string(s.on_rank) : "";
    const auto lasts = [&] { return ", for " + lasting(s.seconds); };
    switch (s.is) {
      case phase::silent: return here + no_log(r);
      case phase::idle:
        return here + " has ended " + std::to_string(log(r)->done) + " of " + std::to_string(log(r)->asked) + " steps that it was asked for, and does nothing" + lasts();
      case phase::working: {
        if (s.entry < 0) return place(r, s) + " begins the step" + lasts();
        const int layer = log(r)->now.layer;
        return place(r, s) + " is at work" + (layer >= 0 ? " in layer " + std::to_string(layer) : "") + lasts();
      }
      case phase::message:
        return place(r, s) + " waits for message " + name(s.order, s.on) + " of " + there + (s.end == hang_kind::lost ? ", which was put" : s.end == hang_kind::skipped ? ", which has passed it" : "") + lasts();
      case phase::sending: return place(r, s) + " hands its message to " + there + lasts();
      case phase::object: return place(r, s) + " waits for an object that " + there + " gives back" + lasts();
      case phase::sum: return place(r, s) + " waits for the sums of " + (s.on_rank >= 0 ? there : "all ranks, which were told") + lasts();
    }
    return here;
  }

  const char* no_log(int r) const { return std::ranges::any_of(logs_, [r](const rank_log& l) { return l.rank == r; }) ? " left no log of this run, and one of another is there" : " left no log"; }

  std::string sentence() const {
    const std::string rank = "rank " + std::to_string(out_.rank), to = "rank " + std::to_string(out_.to);
    const std::string what = out_.entry >= 0 ? name(out_.order, out_.what) : "", run = " of run " + std::to_string(out_.number);
    switch (out_.kind) {
      case hang_kind::none: {
        for (const rank_log* l : of_)
          if (l != nullptr && !l->error.empty()) return "nothing hangs, and the run ended in an error: " + l->error;
        return "nothing hangs: no rank waits for longer than it should";
      }
      case hang_kind::threw: return rank + " ended the run: " + log(out_.rank)->error;
      case hang_kind::asked_otherwise:
        return rank + " and " + to + " were asked otherwise for step " + std::to_string(out_.number) + " of all: ask all ranks for the same orders in the same turn, with the same normalizer and rule";
      case hang_kind::died: return rank + no_log(out_.rank) + ": it died, or its file is not among those given";
      case hang_kind::stalled:
        return rank + " stalled: it is at step " + std::to_string(out_.entry) + " (" + what + ")" + run + (out_.layer >= 0 ? " in layer " + std::to_string(out_.layer) : "") + " for " + lasting(out_.seconds);
      case hang_kind::lost: return "message " + what + run + " is lost: " + rank + " put it, and " + to + " waits for it for " + lasting(out_.seconds);
      case hang_kind::skipped: return rank + " passed " + what + run + " without sending it, and " + to + " waits for it for " + lasting(out_.seconds);
      case hang_kind::held: return rank + " is held: it hands over " + what + run + " for " + lasting(out_.seconds) + ", and the transport does not take it for " + to;
      case hang_kind::no_object: return rank + " is held: for " + what + run + " it needs an object, and none comes back for " + lasting(out_.seconds);
      case hang_kind::not_asked: return rank + " was not asked for step " + std::to_string(out_.number) + " of all, and does nothing for " + lasting(out_.seconds) + ": see what the program there does";
      case hang_kind::sums: return rank + " does not get the sums that all ranks have told at the end of a step: the transport lost them";
      case hang_kind::deadlock: {
        std::string words = "a deadlock: rank " + std::to_string(out_.cycle[0]);
        for (std::size_t i = 1; i <= out_.cycle.size(); ++i)
          words += (i == 1 ? " waits for rank " : ", which waits for rank ") + std::to_string(out_.cycle[i % out_.cycle.size()]);
        return words;
      }
    }
    return {};
  }

  std::span<const rank_log> logs_;
  int ranks_ = 0;
  bool failed_ = false;
  double patience_;
  std::vector<const rank_log*> of_;
  std::vector<state> states_;
  hang_report out_;
  std::int64_t oldest_ = 0;
};

}  // namespace detail

/// Why these ranks stand still, as far as their logs say; one log a rank, those of ranks that left none missing. Throws
/// stretto::error where the logs aren't of one run.
inline hang_report explain_hang(std::span<const rank_log> logs, const hang_options& how = {}) { return detail::hang_finder(logs, how).find(); }

}  // namespace stretto::inline v0
