// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a transport is: it moves objects through channels, gathers small segments from all ranks, and lets nobody wait for
// ever. The pipeline asks no more of it than this, so a transport of yours is a class with these functions; conformance.hpp
// puts it through its paces.
//
//     channel     fresh ─► the sender fills it ─► put ═══ a message ═══► take ─► the receiver uses it ─► give_back
//     gathering   segment ─► a rank fills its own ─► publish ═══════════► gathered ─► from(rank): everybody's
// A message is known by (step, channel, box): a channel has messages of one kind from one stage to one other, a box is a
// micro-batch and slice. take gives the identity that came with the object, and the executor compares it with its own. A
// mark travels with it: where it isn't 0 the object says nothing, and a transport that copies needn't copy it.
// Threads: rank r calls with its own number; whoever asks for steps waits as host().
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <vector>

#include <stretto/core/crossing.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/links.hpp>

namespace stretto::inline v0 {

/// Which message this is.
struct message_id {
  std::int64_t step = 0;
  std::int64_t channel = 0;
  std::int64_t box = 0;
  std::int32_t mark = 0;  ///< no part of the identity; not 0 where nobody is to read the object
  friend bool operator==(const message_id& a, const message_id& b) { return a.step == b.step && a.channel == b.channel && a.box == b.box; }
};

/// What take gives.
struct parcel {
  void* object = nullptr;
  message_id id{};
};

/// What is to be known of a channel before it is opened.
struct channel_shape {
  int from = 0, to = 0;                      ///< ranks
  std::int64_t boxes = 0;                    ///< messages of a step
  int objects = 0;                           ///< under way, or in use, at once
  void* (*make)(const void* maker) = nullptr;  ///< an object in its largest shape
  void (*drop)(void*) = nullptr;
  std::int64_t (*bytes)(const void*) = nullptr;  ///< what a message of it carries now
  const void* maker = nullptr;               ///< null where this process has no use for objects of its own
  void (*cross)(void* object, crossing&) = nullptr;  ///< how an object goes to another process; null where its type doesn't say
  const char* type = "";                     ///< its name, as the compiler writes it
};

/// What is to be known of a gathering.
struct gathering_shape {
  std::int64_t bytes = 0;       ///< of a rank's segment
  int depth = 2;                ///< steps whose segments are kept
  std::vector<int> members;     ///< ranks; empty: all of them
};

/// Whether T is a transport. Where the concept refuses a class of yours, the list below is what it is asked for.
template <class T>
concept transport = requires(T& t, const channel_shape& shape, const gathering_shape& segments, typename T::channel& channel, typename T::gathering& gathering,
                             const message_id& id, void* object, int rank, std::int64_t step, label name, bool (*ready)(), std::int64_t (*progress)(), void (*say)(text&), const error& e) {
  { T::links } -> std::convertible_to<link_model>;       // what binding checks the program under
  { t.ranks() } -> std::same_as<int>;
  { t.local(rank) } -> std::same_as<bool>;               // whether this process (or endpoint) runs that rank
  { t.host() } -> std::same_as<int>;                     // under which number the thread that asks for steps waits
  t.enter(rank);                                         // the thread of a rank, or the host, begins
  t.leave(rank);                                         // … and ends
  { t.open(shape) } -> std::same_as<typename T::channel*>;  // in one order on all ranks
  { t.opened() } -> std::convertible_to<std::int64_t>;   // how many channels were: the same number on all ranks
  t.close(&channel);                                     // what the last endpoint closes is dropped
  t.close(&gathering);
  { t.fresh(channel, say) } -> std::same_as<void*>;      // an object that nobody uses
  t.put(channel, id, object, say);                       // hands it over; holds nobody
  { t.take(channel, id, say) } -> std::same_as<parcel>;  // waits for the message
  t.give_back(channel, object);                          // the receiver is done with it
  { t.open_gathering(name, segments) } -> std::same_as<typename T::gathering*>;
  { t.segment(gathering, rank, step) } -> std::same_as<void*>;
  t.publish(gathering, rank, step);
  t.gathered(gathering, rank, step, say);                // waits until all members have published
  { t.from(gathering, rank, step) } -> std::same_as<const void*>;
  t.wait(rank, ready, say);                              // until ready(), a failure, or the deadline, which is one
  t.attend(rank, ready, progress, say);                  // the same, but the deadline begins anew while progress() changes
  t.doze(rank, ready);                                   // until ready(), however long that takes
  t.ring(rank);                                          // something that it may wait for has changed
  t.fail(e);                                             // ends every wait, of all ranks, in this error
  { t.failed() } -> std::same_as<bool>;
  t.rethrow();                                           // the error that came first
};

namespace detail {

/// Throws stretto::error for a gathering that can't be.
inline void check_gathering(label name, const gathering_shape& shape, int ranks) {
  if (shape.depth < 1 || shape.bytes < 0) throw error(text("stretto: gathering '", name, "' has less than one step or byte; give it both").str());
  for (int member : shape.members)
    if (member < 0 || member >= ranks)
      throw error(text("stretto: rank ", member, " is a member of gathering '", name, "', and there are ", ranks, " ranks; name members from 0").str());
}

/// A type's own name, of how the compiler writes a function of it: "… [with T = grid]" or "… [T = grid]".
inline std::string_view type_in(std::string_view words) {
  const std::size_t from = words.find("T = "), to = words.rfind(']');
  return from == std::string_view::npos || to == std::string_view::npos || to < from + 4 ? words : words.substr(from + 4, to - from - 4);
}

/// Whether ranks put their work on streams of devices: lane(rank) is a rank's stream, settle(rank) waits until all on it is
/// done, copy(rank, to, from, bytes) copies in its order, to and from pinned<T> memory of the CPU, too; clock(rank) has marks on
/// it, and while place(rank) lives, the calling thread makes memory of the rank's device.
template <class T>
concept has_lanes = requires(T& t, int rank, void* to, const void* from, std::int64_t bytes) {
  { t.lane(rank) } -> std::same_as<const void*>;
  t.settle(rank);
  t.copy(rank, to, from, bytes);
  t.clock(rank).begin();
  t.place(rank);
  typename T::template pinned<double>;
};

/// While it lives, the calling thread makes memory where a rank's is to lie.
template <class T>
auto placed_for(T& t, int rank) {
  if constexpr (has_lanes<T>) return t.place(rank);
  else return static_cast<void>(t), rank;
}

/// Whether messages are copied between processes: then both ends make objects of their own.
template <class T>
constexpr bool copies_messages() {
  if constexpr (requires { T::copies_messages; }) return T::copies_messages;
  else return false;
}

}  // namespace detail

}  // namespace stretto::inline v0
