// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where items wait until the first stage can begin with one: a ring of places, and the rule for when it is full.
//
//     push(x):  t7 t8 t9  full      block: refused, ask again     drop_newest: refused
//                                   drop_oldest: t8 t9 t10        coalesce: t7 t8 t10 = merge(t9, x)
// Items change places with what the ring holds, so the pusher gets back an object that was used before; what is trivially
// copyable is copied. Who is dropped isn't told here: tickets that never come to the first stage were superseded.
// Cost: no memory but the ring's. The caller holds a lock.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/stream/options.hpp>

namespace stretto::inline v0 {

template <class In>
class entry_queue {
 public:
  struct place {
    In value{};
    std::int64_t number = -1, pushed = 0, until = 0;  // ticket; clock; the latest begin, 0: any
    bool cancelled = false;
  };
  enum class taken : std::uint8_t { yes, no_room, refused };

  entry_queue(int most, when_full rule, void (*merge)(In&, In&)) : ring_(static_cast<std::size_t>(most < 1 ? 1 : most)), rule_(rule), merge_(merge) {
    if (most < 1) throw error("stretto: stream_options::entry is below 1; give the number of items that may wait");
    if ((rule == when_full::coalesce) != (merge != nullptr)) throw error("stretto: stream_options::merge goes with when_full::coalesce, and one is given without the other; give both");
  }

  template <class Prepare>
  void each(Prepare&& prepare) {
    for (place& p : ring_) prepare(p.value);
  }

  std::int64_t size() const { return static_cast<std::int64_t>(last_ - first_); }
  bool full() const { return last_ - first_ == ring_.size(); }

  /// Takes it as the next ticket, unless that must wait or is refused. What makes way, or is merged, has no ticket any more.
  taken push(In& item, std::int64_t now, std::int64_t until) {
    if (full()) {
      if (rule_ == when_full::block) return taken::no_room;
      if (rule_ == when_full::drop_newest) return taken::refused;
      if (rule_ == when_full::coalesce) {
        place& p = at(last_ - 1);
        merge_(p.value, item);  // where it throws, what waits keeps its ticket
        ++superseded_;
        p.number = next_++, p.pushed = now, p.until = until, p.cancelled = false;
        return taken::yes;
      }
      ++superseded_, ++first_;
    }
    place& p = at(last_++);
    if constexpr (std::is_trivially_copyable_v<In>) {
      p.value = item;
    } else {
      using std::swap;
      swap(p.value, item);
    }
    p.number = next_++, p.pushed = now, p.until = until, p.cancelled = false;
    most_ = size() > most_ ? size() : most_;
    return taken::yes;
  }
  /// The one that has waited longest. It stays where it is until pushes have gone round.
  place& pop() { return at(first_++); }
  bool cancel(std::int64_t number) {
    for (std::size_t i = first_; i != last_; ++i)
      if (at(i).number == number) return at(i).cancelled = true;
    return false;
  }

  std::int64_t tickets() const { return next_; }
  std::int64_t superseded() const { return superseded_; }
  std::int64_t most() const { return most_; }

 private:
  place& at(std::size_t i) { return ring_[i % ring_.size()]; }

  std::vector<place> ring_;
  when_full rule_;
  void (*merge_)(In&, In&);
  std::size_t first_ = 0, last_ = 0;  // counted on
  std::int64_t next_ = 0, superseded_ = 0, most_ = 0;
};

}  // namespace stretto::inline v0
