// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The logs of a run's ranks as one: clocks aligned, and each step that they kept as a recording of all ranks.
//
//     const run_log all = merge_logs(logs);
//     for (const merged_step& s : all.steps) make_timeline(all.work(s), s.times);       one behind the other, on one axis
// Clocks begin as the ranks measured them when they were bound. Then no message may be taken before it was put: a clock that
// says otherwise is put forward by as much, and so on along the messages, until none does.
// Cost: O(entries + messages * log(messages)).
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/run/rank_log.hpp>
#include <stretto/run/recorder.hpp>

namespace stretto::inline v0 {

struct merged_step {
  int order = 0;
  std::int64_t number = 0;  ///< over all orders, from 1
  logged_request request;
  bool whole = true;        ///< all ranks have ended it, and their logs have it
  recording times;          ///< seconds since the first moment that any rank has kept
};

struct run_log {
  int ranks = 0;
  std::vector<logged_order> orders;   ///< without their steps
  std::vector<merged_step> steps;     ///< by number
  std::vector<std::int64_t> offsets;  ///< by rank: nanoseconds to add to its clock; 0 for one without a log
  std::vector<std::int64_t> moved;    ///< by rank: how far messages put its clock forward beyond what was measured
  bool aligned = true;                ///< false: no offsets would do, so a clock is faster than another, or a log is false

  const logged_order* find_order(int order) const {
    for (const logged_order& o : orders)
      if (o.order == order) return &o;
    return nullptr;
  }
  const program& work(const merged_step& s) const { return find_order(s.order)->work; }
};

namespace detail {

/// How much later at least one clock must be than another, from messages: by (from, to).
inline std::map<std::pair<int, int>, std::int64_t> least_gaps(std::span<const rank_log* const> of) {
  std::map<std::pair<int, int>, std::int64_t> gaps;
  std::map<std::pair<std::pair<int, std::int64_t>, std::pair<int, std::int64_t>>, std::int64_t> taken;  // order, step; channel, box
  for (const rank_log* log : of) {
    if (log == nullptr) continue;
    for (const logged_order& o : log->orders)
      for (const logged_step& s : o.steps)
        for (const logged_message& m : s.takes) taken[{{o.order, s.number}, {m.channel, m.box}}] = m.when;
  }
  for (const rank_log* log : of) {
    if (log == nullptr) continue;
    for (const logged_order& o : log->orders)
      for (const logged_step& s : o.steps)
        for (const logged_message& m : s.puts) {
          const auto found = taken.find({{o.order, s.number}, {m.channel, m.box}});
          if (found == taken.end()) continue;
          const std::pair<int, int> ends{log->rank, o.channels[static_cast<std::size_t>(m.channel)].to};
          const std::int64_t gap = m.when - found->second;
          const auto known = gaps.find(ends);
          if (known == gaps.end()) gaps[ends] = gap;
          else known->second = (std::max)(known->second, gap);
        }
  }
  return gaps;
}

}  // namespace detail

/// One log of all ranks from those that there are; of several runs the last counts, and of several of one rank the later. Throws stretto::error where they
/// aren't of one run.
inline run_log merge_logs(std::span<const rank_log> logs) {
  if (logs.empty()) throw error("stretto: no logs are to be merged; give those of all ranks");
  run_log all;
  const std::vector<const rank_log*> of = logs_by_rank(logs);
  all.ranks = static_cast<int>(of.size());
  all.offsets.assign(of.size(), 0), all.moved.assign(of.size(), 0);
  const rank_log* first = nullptr;
  for (const rank_log* log : of) {
    if (log == nullptr) continue;
    all.offsets[static_cast<std::size_t>(log->rank)] = log->offset;
    for (const logged_order& o : log->orders) {
      if (const logged_order* const known = all.find_order(o.order); known != nullptr) {
        if (!same_program(*known, o))
          throw error(text("stretto: order ", o.order, " of rank ", log->rank, " is another program than that of rank ", first->rank, "; give the logs of one run, written after the same rebind").str());
        continue;
      }
      all.orders.push_back({o.order, o.trains, o.cut, o.work, o.channels, {}});
    }
    if (first == nullptr) first = log;
  }
  const auto gaps = detail::least_gaps(of);
  constexpr std::int64_t most = std::int64_t{1} << 60;  // no clock is off by that much, and a few of these can be added up
  bool moved = true, well = true;
  for (int round = 0; moved && well && round <= all.ranks; ++round) {
    moved = false;
    for (const auto& [ends, gap] : gaps) {
      std::int64_t& to = all.offsets[static_cast<std::size_t>(ends.second)];
      const std::int64_t least = all.offsets[static_cast<std::size_t>(ends.first)] + gap;
      if (to < least) to = least, moved = true;
      well = to <= most;
      if (!well) break;
    }
  }
  all.aligned = !moved;
  const std::int64_t shift = of[0] != nullptr ? all.offsets[0] - of[0]->offset : 0;  // rank 0's clock is the run's
  std::int64_t begin = INT64_MAX;
  for (const rank_log* log : of) {
    if (log == nullptr) continue;
    const auto r = static_cast<std::size_t>(log->rank);
    all.offsets[r] -= shift;
    all.moved[r] = all.offsets[r] - log->offset;
    for (const logged_order& o : log->orders)
      for (const logged_step& s : o.steps) begin = (std::min)(begin, (s.begun > 0 && s.begun < s.asked ? s.begun : s.asked) + all.offsets[r]);
  }
  std::map<std::tuple<std::int64_t, int, std::int64_t>, std::size_t> places;  // of messages in their step
  for (const rank_log* log : of) {
    if (log == nullptr) continue;
    const std::int64_t offset = all.offsets[static_cast<std::size_t>(log->rank)];
    const auto seconds = [&](std::int64_t t) { return t == 0 ? 0.0 : static_cast<double>(t + offset - begin) * 1e-9; };
    for (const logged_order& o : log->orders)
      for (const logged_step& s : o.steps) {
        auto place = std::lower_bound(all.steps.begin(), all.steps.end(), s.number, [](const merged_step& a, std::int64_t n) { return a.number < n; });
        const plan_view p = all.find_order(o.order)->work;
        if (place == all.steps.end() || place->number != s.number) {
          place = all.steps.insert(place, {o.order, s.number, s.request, true, {}});
          const auto n = static_cast<std::size_t>(p.actions.count);
          for (auto* times : {&place->times.waits, &place->times.starts, &place->times.ends}) times->assign(n, 0);
          for (auto* times : {&place->times.asked, &place->times.begun, &place->times.ended}) times->assign(of.size(), 0);
        }
        if (place->order != o.order) continue;  // explain_hang says so
        recording& r = place->times;
        const auto rank = static_cast<std::size_t>(log->rank);
        r.asked[rank] = seconds(s.asked), r.begun[rank] = seconds(s.begun), r.ended[rank] = seconds(s.ended);
        for (std::size_t i = 0; i < s.times.size(); ++i) {
          const std::size_t at = static_cast<std::size_t>(p.rows[log->rank]) + i;
          const bool open = s.times[i].start > 0 && s.times[i].end == 0;  // at work when the log was written
          r.waits[at] = seconds(s.times[i].wait), r.starts[at] = seconds(s.times[i].start), r.ends[at] = seconds(open ? log->clock : s.times[i].end);
        }
        const auto note = [&](const logged_message& m, bool put) {
          const channel_plan& c = o.channels[static_cast<std::size_t>(m.channel)];
          const message_times one{c.from, c.to, c.from_stage, c.to_stage, static_cast<int>(m.box / p.slices), static_cast<int>(m.box % p.slices), c.forward, 0, 0, 0};
          const auto [known, is_new] = places.insert({{s.number, m.channel, m.box}, r.messages.size()});
          if (is_new) r.messages.push_back(one);
          message_times* const found = &r.messages[known->second];
          if (put) found->put = seconds(m.when), found->bytes = m.bytes;
          else found->taken = seconds(m.when);
        };
        for (const logged_message& m : s.puts) note(m, true);
        for (const logged_message& m : s.takes) note(m, false);
      }
  }
  for (merged_step& s : all.steps)
    for (const double ended : s.times.ended) s.whole = s.whole && ended > 0;
  return all;
}

}  // namespace stretto::inline v0
