// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// stream_order: finds work on streams that its memory isn't ready for. It is told what is put on which stream, what that
// reads and writes, and which events are recorded and waited for, and it keeps who is ordered behind whom.
//
//     stream 0   write x ── record e                       ordered: wait e lies between
//     stream 1                 wait e ── read x
//     stream 2   read x                                     a fault: nothing orders it behind the write
// Faults are sentences: what isn't waited for, what is used after it was given back or before anybody wrote to it, what lies
// beyond its block, events that were never recorded, memory that the host touches too early, what nobody gives back, and
// memory and events of another device.
// An order that holds by chance on some device is none here: what counts is what the program asks for.
// Cost: a look at the recent touches of a block for each touch. Source: Lamport, Time, clocks, and the ordering of events in
// a distributed system, CACM 1978; clocks as vectors: Fidge, and Mattern, 1988.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <stretto/core/text.hpp>
#include <stretto/cuda/touch.hpp>

namespace stretto::inline v0::cuda {

class stream_order {
 public:
  static constexpr int host = 0;  ///< the lane of what the host does; streams are 1 and on

  int add_stream(int device = 0) {
    const std::lock_guard lock(mutex_);
    clocks_.push_back(clocks_[host]);
    numbers_.push_back(0);
    devices_.push_back(device);
    return static_cast<int>(clocks_.size()) - 1;
  }
  int add_event(int device = 0) {
    const std::lock_guard lock(mutex_);
    events_.push_back({});
    events_.back().device = device;
    return static_cast<int>(events_.size()) - 1;
  }

  // Order.

  void record(int event, int stream) {
    const std::lock_guard lock(mutex_);
    follow(clocks_[static_cast<std::size_t>(stream)], clocks_[host]);
    moment& e = events_[static_cast<std::size_t>(event)];
    if (const int there = devices_[static_cast<std::size_t>(stream)]; there != e.device)
      fault(text("stretto: an event of device ", e.device, " is recorded on ", lane(stream), " of device ", there, ", which fails; make it where that device is used"));
    e.recorded = true;
    e.at = clocks_[static_cast<std::size_t>(stream)];
  }
  void wait(int stream, int event) {
    const std::lock_guard lock(mutex_);
    const moment& e = events_[static_cast<std::size_t>(event)];
    if (!e.recorded) return fault(text("stretto: ", lane(stream), " waits for an event that was never recorded, which holds nothing back; record it first"));
    follow(clocks_[static_cast<std::size_t>(stream)], e.at);
  }
  void synchronize_event(int event) {
    const std::lock_guard lock(mutex_);
    const moment& e = events_[static_cast<std::size_t>(event)];
    if (!e.recorded) return fault(text("stretto: the host waits for an event that was never recorded, which holds nothing back; record it first"));
    follow(clocks_[host], e.at);
  }
  /// The host asks when an event was reached.
  void read_time(int event) {
    const std::lock_guard lock(mutex_);
    const moment& e = events_[static_cast<std::size_t>(event)];
    bool waited = e.recorded;
    for (std::size_t i = 0; i < e.at.size() && waited; ++i) waited = e.at[i] <= (i < clocks_[host].size() ? clocks_[host][i] : 0);
    if (!waited) fault(text("stretto: the host asks for the time of an event that it hasn't waited for, which fails; wait for its stream first"));
  }
  void synchronize_stream(int stream) {
    const std::lock_guard lock(mutex_);
    follow(clocks_[host], clocks_[static_cast<std::size_t>(stream)]);
  }
  /// With all streams of a device; below 0: of all.
  void synchronize_all(int device = -1) {
    const std::lock_guard lock(mutex_);
    for (std::size_t s = 1; s < clocks_.size(); ++s)
      if (device < 0 || devices_[s] == device) follow(clocks_[host], clocks_[s]);
  }
  /// A kernel is put on a stream by a thread that uses that device.
  void launched(int stream, const char* name, int device) {
    const std::lock_guard lock(mutex_);
    if (const int there = devices_[static_cast<std::size_t>(stream)]; there != device)
      fault(text("stretto: '", name, "' is launched on ", lane(stream), " of device ", there, " by a thread that uses device ", device, ", which fails; use the stream's device there"));
  }

  // Memory.

  /// `device`: below 0 where all reach it.
  void taken(const void* first, std::int64_t bytes, const char* name, int device = -1) {
    const std::lock_guard lock(mutex_);
    block b;
    b.bytes = bytes, b.name = name, b.device = device;
    // What was given back may have begun within this block: it isn't there any more.
    const auto begin = reinterpret_cast<std::uintptr_t>(first), end = begin + static_cast<std::uintptr_t>(bytes);
    auto old = blocks_.lower_bound(begin);
    if (old != blocks_.begin() && std::prev(old)->second.given && std::prev(old)->first + static_cast<std::uintptr_t>(std::prev(old)->second.bytes) > begin) --old;
    while (old != blocks_.end() && old->first < end && old->second.given) old = blocks_.erase(old);
    blocks_[begin] = b;
  }
  /// The memory is given back, in the order of a stream or, by the host, at once.
  void given_back(const void* first, int where) {
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.find(reinterpret_cast<std::uintptr_t>(first));
    if (found == blocks_.end()) return fault(text("stretto: ", lane(where), " gives back memory that nobody took; give back what was taken, once"));
    block& b = found->second;
    if (b.given) return fault(text("stretto: ", lane(where), " gives back ", words(b), " a second time; give it back once"));
    const std::int64_t number = next(where);
    look_at(b, {0, b.bytes, where, number, true, "giving it back"}, where);
    b.given = true, b.giver = {0, b.bytes, where, number, true, "giving it back"};
  }

  /// Of a block; below 0 where all reach it, or it isn't known.
  int device_of(const void* first) const {
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.find(reinterpret_cast<std::uintptr_t>(first));
    return found == blocks_.end() ? -1 : found->second.device;
  }
  /// Whether an address lies in memory that was taken.
  bool knows(const void* at) const {
    const std::lock_guard lock(mutex_);
    const auto a = reinterpret_cast<std::uintptr_t>(at);
    const auto b = blocks_.upper_bound(a);
    return b != blocks_.begin() && a < std::prev(b)->first + static_cast<std::uintptr_t>(std::prev(b)->second.bytes) && !std::prev(b)->second.given;
  }

  /// Work on a lane, in its order. `far_too`: it may touch another device's memory, as copies do.
  /// Whether all of it lies in memory that is there.
  bool work(int where, const char* name, const touch* touches, int count, bool far_too = true) {
    const std::lock_guard lock(mutex_);
    bool there_all = true;
    const std::int64_t number = next(where);
    for (int i = 0; i < count; ++i) {
      const touch& t = touches[i];
      if (t.first == nullptr || t.bytes <= 0) continue;
      const auto at = reinterpret_cast<std::uintptr_t>(t.first);
      auto found = blocks_.upper_bound(at);
      if (found == blocks_.begin() || (--found, at >= found->first + static_cast<std::uintptr_t>(found->second.bytes))) {
        fault(text("stretto: '", name, "' on ", lane(where), t.writes ? " writes" : " reads", " memory that isn't the device's; copy it there first"));
        there_all = false;
        continue;
      }
      block& b = found->second;
      const auto offset = static_cast<std::int64_t>(at - found->first);
      if (t.bytes > b.bytes - offset) {
        fault(text("stretto: '", name, "' on ", lane(where), t.writes ? " writes " : " reads ", t.bytes, " bytes from byte ", offset, " on of ", words(b), "; stay within it"));
        there_all = false;
        continue;
      }
      const access a{offset, offset + t.bytes, where, number, t.writes, name};
      if (b.given) {
        fault(text("stretto: '", name, "' on ", lane(where), t.writes ? " writes to " : " reads ", words(b), ", which was given back on ", lane(b.giver.lane), "; keep it until then"));
        there_all = false;
        continue;
      }
      if (const int there = devices_[static_cast<std::size_t>(where)]; !far_too && b.device >= 0 && b.device != there)
        fault(text("stretto: '", name, "' on ", lane(where), " of device ", there, t.writes ? " writes to " : " reads ", words(b), " of device ", b.device, "; make it where the other is used, or copy it"));
      look_at(b, a, where);
      keep(b, a);
    }
    return there_all;
  }

  /// What nobody gave back is a fault, too. Call it at the end.
  void finish() {
    const std::lock_guard lock(mutex_);
    for (const auto& [at, b] : blocks_)
      if (!b.given) fault(text("stretto: ", words(b), " is never given back; give it back"));
  }

  /// In the order in which they were found, each once.
  std::vector<std::string> faults() const {
    const std::lock_guard lock(mutex_);
    return faults_;
  }
  std::int64_t works() const {
    const std::lock_guard lock(mutex_);
    std::int64_t all = 0;
    for (std::size_t s = 1; s < numbers_.size(); ++s) all += numbers_[s];
    return all;
  }

 private:
  using clock = std::vector<std::int64_t>;  // by lane: how much of its work comes before
  struct moment {
    bool recorded = false;
    int device = 0;
    clock at;
  };
  struct access {
    std::int64_t first = 0, end = 0;  // bytes of the block
    int lane = 0;
    std::int64_t number = 0;
    bool writes = false;
    const char* name = "";
  };
  struct block {
    std::int64_t bytes = 0;
    const char* name = "";
    int device = -1;
    bool given = false;
    access giver;
    std::vector<access> recent;
    std::map<std::int64_t, std::int64_t> written;  // runs that somebody has written to: first, end
  };

  static void follow(clock& later, const clock& before) {
    if (later.size() < before.size()) later.resize(before.size(), 0);
    for (std::size_t i = 0; i < before.size(); ++i) later[i] = (std::max)(later[i], before[i]);
  }
  /// The number of a lane's next work, which comes behind all that the host has waited for or done.
  std::int64_t next(int where) {
    const auto s = static_cast<std::size_t>(where);
    if (where != host) follow(clocks_[s], clocks_[host]);
    if (clocks_[s].size() <= s) clocks_[s].resize(s + 1, 0);
    return clocks_[s][s] = ++numbers_[s];
  }
  bool is_before(const access& a, int where) const {
    const clock& c = clocks_[static_cast<std::size_t>(where)];
    return static_cast<std::size_t>(a.lane) < c.size() && c[static_cast<std::size_t>(a.lane)] >= a.number;
  }

  void look_at(block& b, const access& a, int where) {
    for (const access& o : b.recent) {
      if (o.end <= a.first || a.end <= o.first || (!o.writes && !a.writes) || is_before(o, where)) continue;
      fault(text("stretto: '", a.name, "' on ", lane(where), a.writes ? " writes to " : " reads ", words(b), ", which '", o.name, "' on ", lane(o.lane), o.writes ? " writes" : " reads",
                 ", and nothing orders the one behind the other; record an event behind the first and wait for it"));
    }
    if (a.writes) return;
    std::int64_t from = a.first;
    auto w = b.written.upper_bound(from);
    if (w != b.written.begin()) --w;
    for (; w != b.written.end() && w->first <= from && from < a.end; ++w) from = (std::max)(from, w->second);
    if (from < a.end) fault(text("stretto: '", a.name, "' on ", lane(where), " reads ", words(b), " from byte ", from, " on, where nobody has written; write or zero it first"));
  }
  void keep(block& b, const access& a) {
    std::erase_if(b.recent, [&](const access& o) { return a.first <= o.first && o.end <= a.end && (a.writes || !o.writes) && (o.lane == a.lane || (a.writes && is_before(o, a.lane))); });
    b.recent.push_back(a);
    if (!a.writes) return;
    std::int64_t first = a.first, end = a.end;
    auto w = b.written.upper_bound(first);
    if (w != b.written.begin() && std::prev(w)->second >= first) --w;
    while (w != b.written.end() && w->first <= end) {
      first = (std::min)(first, w->first), end = (std::max)(end, w->second);
      w = b.written.erase(w);
    }
    b.written[first] = end;
  }

  static text lane(int where) { return where == host ? text("the host") : text("stream ", where - 1); }
  static text words(const block& b) { return text("a block of ", b.bytes, " bytes (", b.name, ")"); }
  void fault(const text& t) {
    const std::string s(t.str());
    if (std::find(faults_.begin(), faults_.end(), s) == faults_.end() && faults_.size() < 1000) faults_.push_back(s);
  }

  mutable std::mutex mutex_;
  std::vector<clock> clocks_ = std::vector<clock>(1);
  std::vector<std::int64_t> numbers_ = std::vector<std::int64_t>(1, 0);
  std::vector<int> devices_ = std::vector<int>(1, -1);  // by lane
  std::vector<moment> events_;
  std::map<std::uintptr_t, block> blocks_;
  std::vector<std::string> faults_;
};

}  // namespace stretto::inline v0::cuda
