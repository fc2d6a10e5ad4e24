// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// assign_slots(plan, bytes): colours the lifetimes of what each rank holds, so that the number and size of its buffers is
// known before the first step.
//
//     0F0 0F1 0I0 0F2 0W0 0F3 0I1 0W1 …          slot 0   [0F0 … 0W0] [0F3 …          an activation lives from its F to
//                                                slot 1       [0F1 …      … 0W1]      its B or W, both included; a slot
//                                                slot 2               [0F2 …          is used again behind its last entry
// Lives are taken in the order of (first entry, last entry), each gets the free slot of lowest number of its kind and size:
// as many slots of a size as values of it live at once, which is the least. Slots, each from its first use to its last,
// then share an arena by first fit (arena.hpp). Measured over all schedules, ranks 1 to 6, micro-batches 1 to 12, with
// random sizes of stages: the arena takes 1.08 times what lives at once on average, and 2.8 at worst (a forward pass alone,
// whose stages have nothing in common); by_value 1.05 and 1.8.
// Entries stand for time, so where lanes run beside each other (copies of offload), whoever takes a slot must wait for
// whoever had it, in the order of the list. An order without messages has no buffers for them; a program has.
// Cost: O(entries × edges of an action + slots²); by_value O(values × values alive). 56 bytes a value, 12 a node and 8 a message.
// Source: interval colouring as in PyTorch's liveness analysis, which has activations only.
#pragma once

#include <cstdint>
#include <type_traits>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/arena.hpp>
#include <stretto/plan/check.hpp>
#include <stretto/plan/plan_like.hpp>  // detail::unit_at
#include <stretto/plan/slots.hpp>

namespace stretto::inline v0 {

namespace detail {

/// Slots of one kind and size on one rank: which are free, as a heap with the lowest number at its root.
struct slot_class {
  slot_kind kind = slot_kind::activation;
  std::int64_t bytes = 0;
  grow_array<std::int32_t> idle;

  constexpr void put(std::int32_t slot) {
    idle.push_back(slot);
    for (std::int64_t i = idle.size() - 1, up = (i - 1) / 2; i > 0 && idle[up] > idle[i]; i = up, up = (i - 1) / 2) swap(i, up);
  }
  constexpr std::int32_t take() {
    const std::int32_t lowest = idle[0];
    idle[0] = idle.back();
    idle.pop_back();
    for (std::int64_t i = 0, down = 1; down < idle.size(); i = down, down = 2 * i + 1) {
      down += down + 1 < idle.size() && idle[down + 1] < idle[down] ? 1 : 0;
      if (idle[i] <= idle[down]) break;
      swap(i, down);
    }
    return lowest;
  }

 private:
  constexpr void swap(std::int64_t a, std::int64_t b) {
    const std::int32_t t = idle[a];
    idle[a] = idle[b];
    idle[b] = t;
  }
};

class slot_maker {
 public:
  constexpr slot_maker(const plan_view& plan, view<const stage_bytes> sizes, bool all_alike, slot_options options)
      : p(plan), g(*plan.passes), bytes(sizes), alike(all_alike), how(options), w(plan), messages(plan, w), remake(detail::find_added(g, "R")), offload(detail::find_added(g, "OFFLOAD")),
        reload(detail::find_added(g, "RELOAD")), open(pieces * w.nodes, -1), waiting(messages.count, -1), remade(flags(w.nodes)) {}

  constexpr slot_table make() {
    out.ranks = p.ranks;
    out.rows = heap_array<std::int64_t>(p.ranks + 1, 0);
    out.counts = heap_array<std::int32_t>(static_cast<std::int64_t>(p.ranks) * slot_kinds, 0);
    out.arena = out.live = out.separately = heap_array<std::int64_t>(p.ranks, 0);
    for (const action& a : p.actions)
      if (!a.is_message() && a.pass == remake) remade[node(a)] = 1;
    for (int r = 0; r < p.ranks; ++r) {
      total = 0;
      find_lives(r);
      out.rows[r + 1] = out.uses.size();
      colour(r);
    }
    return static_cast<slot_table&&>(out);
  }

 private:
  constexpr std::int64_t node(const action& a) const { return w.node(pass::forward, a.stage, a.micro_batch, a.slice); }
  constexpr const stage_bytes& of(int stage) const { return bytes[alike ? 0 : stage]; }
  constexpr bool does(const action& a, int k) const { return k >= 0 && (g.cover(a.pass) >> k & 1) != 0; }

  constexpr std::int32_t add(slot_kind kind, int stage, const action& a, std::int64_t first, std::int64_t last, std::int64_t size, int row = -1) {
    constexpr std::int64_t most = 4'000'000'000'000'000'000;
    if (size > most - how.align || total > most - size - how.align)
      throw error(text("stretto: the values of stage ", a.stage, " and those before it add up to more bytes than a number can hold; give smaller sizes").str(), {.stage = a.stage});
    total += size + how.align;
    out.uses.push_back({kind, stage, a.micro_batch, a.slice, row, static_cast<int>(first), static_cast<int>(last), 0, size, 0});
    return static_cast<std::int32_t>(out.uses.size() - 1);
  }
  /// What a node's passes open and close: what F keeps, what R makes, what I leaves to W; and of the first two, what I lets go.
  enum piece { of_forward, of_remake, of_input, brief, brief_remade, pieces };
  constexpr std::int32_t& opened(piece k, std::int64_t n) { return open[k * w.nodes + n]; }
  constexpr void live_until(piece k, std::int64_t n, std::int64_t last) {
    if (const std::int32_t u = opened(k, n); u >= 0) out.uses[u].last = static_cast<int>(last);
  }

  /// What crosses between two stages: what the one further on takes in, or gives back.
  constexpr std::int64_t crossing(const message_ends& m, const edge& row, int consumer) const {
    return of(row.how == relation::next_hop || g.passes[row.consumer].by == scope::rank ? m.place : consumer).boundary;
  }

  constexpr void find_lives(int rank) {
    const view<const action> list = p.order(rank);
    for (std::int64_t i = 0, end = 0; i < list.count; i = end) {
      end = i + unit_at(list, i);
      for (std::int64_t k = i; k < end; ++k) {
        const action& a = list[k];
        if (a.is_message()) {
          const message_ends m = messages.read(p, w, a, rank);
          if (a.kind == role::receive) waiting[m.id] = add(slot_kind::receive, a.stage, a, i, i, crossing(m, g.edges[a.pass], a.stage), a.pass);
          else if (waiting[m.id] >= 0) out.uses[waiting[m.id]].last = static_cast<int>(i);
          waiting[m.id] = a.kind == role::receive ? waiting[m.id] : -1;
          continue;
        }
        if (p.lowered) boundaries(rank, a, i, end - 1);
        if (g.passes[a.pass].by == scope::stage && g.passes[a.pass].per == share::slice) activations(rank, a, i, end - 1);
      }
    }
  }

  /// Notes what an action receives and sends.
  constexpr void boundaries(int rank, const action& a, std::int64_t first, std::int64_t last) {
    for_each_input(p, w, a, rank, [&](const input& in) {
      if (in.rank == rank || g.edges[in.row].how == relation::group) return true;
      const std::int64_t id = messages.id(w, in.row, g.edges[in.row].consumer, a.stage, a.micro_batch, a.slice);
      if (waiting[id] >= 0) out.uses[waiting[id]].last = static_cast<int>(last);
      waiting[id] = -1;
      return true;
    });
    for_each_output(p, w, a, rank, [&](int row, int place, int, int slice) {
      const edge& e = g.edges[row];
      message_ends m;
      m.place = a.stage;
      waiting[messages.id(w, row, e.consumer, place, a.micro_batch, slice)] = add(slot_kind::send, a.stage, a, first, last, crossing(m, e, place), row);
    });
  }

  /// Notes what an action keeps, or needs no longer.
  constexpr void activations(int rank, const action& a, std::int64_t first, std::int64_t last) {
    const std::int64_t n = how.share == slot_share::stage ? node(a) : w.node(pass::forward, 0, a.micro_batch, 0);
    const stage_bytes& b = of(a.stage);
    if (how.share == slot_share::micro_batch) {
      std::int32_t& u = opened(of_forward, n);
      if (does(a, pass::forward) && u < out.rows[rank])  // none yet, or another rank's
        u = add(slot_kind::activation, -1, whole(a), first, last, of_rank(rank, a));
      live_until(of_forward, n, last);
    } else {
      const std::int64_t made = remade[n] != 0 ? b.activation - b.kept : 0, brief_made = b.released_by_input < made ? b.released_by_input : made;
      const auto live = [&, this](slot_kind kind, piece k, std::int64_t size) {
        if (size > 0 || kind != slot_kind::until_input) opened(k, n) = add(kind, a.stage, a, first, last, size);
      };
      if (does(a, pass::forward) || a.pass == reload) {
        live(slot_kind::activation, of_forward, b.activation - made - (b.released_by_input - brief_made));
        live(slot_kind::until_input, brief, b.released_by_input - brief_made);
      }
      if (a.pass == remake) {
        live(slot_kind::recomputed, of_remake, made - brief_made);
        live(slot_kind::until_input, brief_remade, brief_made);
      }
      const bool goes_back = does(a, pass::backward_input);
      for (const piece k : {of_forward, of_remake})
        if (goes_back || does(a, pass::backward_weight) || (k == of_forward && a.pass == offload)) live_until(k, n, last);
      for (const piece k : {brief, brief_remade})
        if (goes_back || (k == brief && a.pass == offload)) live_until(k, n, last);
    }
    const std::int64_t own = node(a);
    if (does(a, pass::backward_input) && !does(a, pass::backward_weight) && g.has(pass::backward_weight))
      opened(of_input, own) = add(slot_kind::pending, a.stage, a, first, last, b.pending);
    if (does(a, pass::backward_weight)) live_until(of_input, own, last);
  }

  /// What stands for all stages of the rank and all slices, and how much that is.
  constexpr action whole(action a) const {
    a.slice = 0;
    return a;
  }
  constexpr std::int64_t of_rank(int rank, const action& a) const {
    constexpr std::int64_t most = 4'000'000'000'000'000'000;  // which add refuses
    std::int64_t sum = 0;
    for (int s = 0; s < p.stages; ++s)
      if (p.route_of(a.micro_batch).rank_of(s) == rank) sum = of(s).activation < most - sum ? sum + of(s).activation : most;
    return sum < most / p.slices ? sum * p.slices : most;
  }

  constexpr std::int64_t aligned(std::int64_t size) const { return (size + how.align - 1) / how.align * how.align; }

  constexpr std::int64_t class_of(grow_array<slot_class>& all, slot_kind kind, std::int64_t size) const {
    for (std::int64_t i = 0; i < all.size(); ++i)
      if (all[i].kind == kind && all[i].bytes == size) return i;
    all.push_back({kind, size, {}});
    return all.size() - 1;
  }

  /// Gives the values of a rank their slots, and the slots their places.
  constexpr void colour(int rank) {
    const std::int64_t from = out.rows[rank], count = out.uses.size() - from, entries = p.order(rank).count;
    const auto use = [&](std::int64_t i) -> slot_use& { return out.uses[from + i]; };
    heap_array<std::int32_t> ends(entries, -1), next(count), class_at(count), by_number(count);
    heap_array<buffer_life> slots(count), values(how.packing == slot_packing::by_value ? count : 0);
    grow_array<slot_class> classes;
    std::int64_t gone = 0, many = 0;
    std::int32_t* numbers = &out.counts[static_cast<std::int64_t>(rank) * slot_kinds];
    for (std::int64_t i = 0; i < count; ++i) {  // of those that begin together, the one that ends first
      slot_use one = use(i);
      std::int64_t k = i;
      for (; k > 0 && use(k - 1).first == one.first && use(k - 1).last > one.last; --k) use(k) = use(k - 1);
      use(k) = one;
    }
    heap_array<std::int64_t> change(entries + 1, 0);
    for (std::int64_t i = 0; i < count; ++i) {
      slot_use& u = use(i);
      for (; gone < u.first; ++gone)
        for (std::int32_t k = ends[gone]; k >= 0; k = next[k]) classes[class_at[k]].put(by_number[k]);
      const std::int64_t c = class_of(classes, u.kind, u.bytes);
      if (classes[c].idle.empty()) {
        slots[many] = {u.first, u.last, aligned(u.bytes), 0};
        out.separately[rank] += slots[many].bytes;
        number_of.push_back(numbers[static_cast<int>(u.kind)]++);
        by_number[i] = static_cast<std::int32_t>(many++);
      } else {
        by_number[i] = classes[c].take();
        buffer_life& s = slots[by_number[i]];
        s.last = u.last > s.last ? u.last : s.last;
      }
      u.slot = number_of[by_number[i]];
      class_at[i] = static_cast<std::int32_t>(c);
      next[i] = ends[u.last];
      ends[u.last] = static_cast<std::int32_t>(i);
      change[u.first] += u.bytes;
      change[u.last + 1] -= u.bytes;
      if (how.packing == slot_packing::by_value) values[i] = {u.first, u.last, aligned(u.bytes), 0};
    }
    number_of.clear();
    const bool each = how.packing == slot_packing::by_value;
    out.arena[rank] = place_in_arena(each ? view<buffer_life>{values.data(), count} : view<buffer_life>{slots.data(), many});
    for (std::int64_t i = 0; i < count; ++i) use(i).offset = each ? values[i].offset : slots[by_number[i]].offset;
    for (std::int64_t i = 0, now = 0; i < entries; ++i) {
      now += change[i];
      out.live[rank] = now > out.live[rank] ? now : out.live[rank];
    }
  }

  const plan_view& p;
  const graph& g;
  view<const stage_bytes> bytes;
  bool alike;
  slot_options how;
  wiring w;
  message_table messages;
  int remake, offload, reload;
  heap_array<std::int32_t> open;     // by piece and node: the use that a pass opened
  heap_array<std::int32_t> waiting;  // by message: the use that waits for its other end
  heap_array<std::uint8_t> remade;   // by node of F: R makes it again
  grow_array<std::int32_t> number_of;  // of a slot of the rank among its kind
  std::int64_t total = 0;
  slot_table out;
};

constexpr slot_table slots_of(const plan_view& p, view<const stage_bytes> bytes, bool alike, slot_options how) {
  if (!check(p).ok()) require(check(p));
  if (how.align < 1 || how.align > (std::int64_t{1} << 40) || (how.align & (how.align - 1)) != 0)
    throw error(text("stretto: slots are to be aligned to ", how.align, " bytes; give a power of two, at most 2^40").str());
  for (std::int64_t s = 0; s < bytes.count; ++s) {
    const stage_bytes& b = bytes[s];
    if (b.activation < 0 || b.kept < 0 || b.boundary < 0 || b.pending < 0 || b.released_by_input < 0)
      throw error(text("stretto: a size of stage ", s, " is below 0; give sizes in bytes, from 0").str(), {.stage = static_cast<int>(s)});
    if (b.kept > b.activation)
      throw error(text("stretto: stage ", s, " is to keep ", b.kept, " bytes of an activation of ", b.activation, "; give at most those").str(), {.stage = static_cast<int>(s)});
    if (b.released_by_input > b.activation)
      throw error(text("stretto: an input pass of stage ", s, " is to release ", b.released_by_input, " bytes of an activation of ", b.activation,
                       "; give at most those").str(), {.stage = static_cast<int>(s)});
  }
  if (how.share == slot_share::micro_batch)
    for (const action& a : p.actions)
      if (!a.is_message() && (a.pass == detail::find_added(*p.passes, "R") || a.pass == detail::find_added(*p.passes, "OFFLOAD")))
        throw error("stretto: slots are to be shared by the stages of a rank, and this program recomputes or offloads single stages; use slot_share::stage");
  return slot_maker(p, bytes, alike, how).make();
}

}  // namespace detail

/// Slots for stages that are alike. Throws stretto::error for sizes that are no use, and with the check's sentence.
constexpr slot_table assign_slots(const plan_view& p, const stage_bytes& each = {}, slot_options how = {}) {
  return detail::slots_of(p, {&each, 1}, true, how);
}

/// Slots for stages with sizes of their own, one for each stage.
constexpr slot_table assign_slots(const plan_view& p, view<const stage_bytes> by_stage, slot_options how = {}) {
  if (by_stage.count != p.stages)
    throw error(text("stretto: sizes of ", by_stage.count, " stages are given for a plan of ", p.stages, " stages; give one for each").str());
  return detail::slots_of(p, by_stage, false, how);
}

/// The same for an array, a std::array, a std::vector, or whatever has data() and size().
template <class Sizes>
  requires(std::is_array_v<Sizes> || requires(const Sizes& s) { static_cast<const stage_bytes*>(s.data()), s.size(); })
constexpr slot_table assign_slots(const plan_view& p, const Sizes& by_stage, slot_options how = {}) {
  if constexpr (std::is_array_v<Sizes>) return assign_slots(p, view<const stage_bytes>{by_stage, static_cast<std::int64_t>(std::extent_v<Sizes>)}, how);
  else return assign_slots(p, view<const stage_bytes>{by_stage.data(), static_cast<std::int64_t>(by_stage.size())}, how);
}

}  // namespace stretto::inline v0
