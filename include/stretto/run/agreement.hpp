// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What ranks tell each other when they are bound: a hash of the plan, of the cut, of the model's types and of the options,
// which must be equal; the parameters that each has; and the first values of tied ones.
//
//     rank 0   plan 91c2…  cut 07e1…  types 55aa…
//     rank 2   plan 91c2…  cut 1f00…  types 55aa…      refused: rank 2 is bound to another cut than rank 0
// Cost: three gatherings of some bytes a parameter, once.
#pragma once

#include <bit>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <exception>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/plan/plan.hpp>
#include <stretto/run/board.hpp>
#include <stretto/run/options.hpp>
#include <stretto/stage/cut.hpp>
#include <stretto/stage/model.hpp>
#include <stretto/transport/transport.hpp>

namespace stretto::inline v0::detail {

/// What must be the same on all ranks.
struct bound_print {
  std::uint64_t plan = 0, cut = 0, types = 0, options = 0;
  std::int64_t begun = 0;  ///< tells runs apart; that of rank 0 counts
};

class hasher {
 public:
  void add(std::int64_t number) {
    for (int i = 0; i < 8; ++i) byte(static_cast<unsigned char>(number >> (8 * i)));
  }
  void add(std::string_view s) {
    for (char c : s) byte(static_cast<unsigned char>(c));
    byte(0);
  }
  std::uint64_t value() const { return value_; }

 private:
  void byte(unsigned char b) { value_ = (value_ ^ b) * 1099511628211u; }
  std::uint64_t value_ = 14695981039346656037u;  // FNV-1a
};

template <class Model>
bound_print fingerprint(const plan_view& p, const cut& c, const Model& m, const pipeline_options& how, std::string_view optimizer, bool keeps_carry = false) {
  hasher plan, layers, types, options;
  options.add(optimizer);
  for (std::int64_t n : {static_cast<std::int64_t>(how.seed), how.samples, how.first_step, std::bit_cast<std::int64_t>(how.clip), how.skipped, static_cast<std::int64_t>(how.skips), static_cast<std::int64_t>(how.recompute_all),
                         static_cast<std::int64_t>(how.merged_backward), static_cast<std::int64_t>(keeps_carry)}) options.add(n);
  for (int n : {p.ranks, p.stages, p.micro_batches, p.slices, p.routes, p.groups}) plan.add(n);
  for (const action& a : p.actions)
    for (int n : {static_cast<int>(a.pass), static_cast<int>(a.kind), static_cast<int>(a.slice), static_cast<int>(a.stage), static_cast<int>(a.micro_batch), static_cast<int>(a.peer)}) plan.add(n);
  for (int r = 0; r < p.routes; ++r)
    for (int s = 0; s < p.stages; ++s) plan.add(p.route(r).rank_of(s)), plan.add(p.route(r).next(s));
  for (int b : c.begin) layers.add(b);
  for (int l = 0; l < m.size(); ++l) {
    const layer_note note = m.note(l);
    types.add(std::string_view(m.row(l).layer));
    types.add(note.given.str()), types.add(note.taken.str()), types.add(note.recomputed);
    for (const object_row* row : {&m.row(l).input, &m.row(l).output, &m.row(l).given, &m.row(l).taken}) types.add(std::string_view(row->type));
  }
  const std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  return {plan.value(), layers.value(), types.value(), options.value(), now > 0 ? now : 1};
}

/// The first rank of this process, or endpoint.
template <class Transport>
int first_local(const Transport& t) {
  int r = 0;
  while (!t.local(r)) ++r;
  return r;
}

/// Where other endpoints wait for this rank to be bound, they get what is being thrown here.
template <class Transport>
void tell_others(Transport& t) {
  const int mine = first_local(t);
  try {
    throw;
  } catch (const error& e) {
    t.fail(e);
  } catch (const std::exception& e) {
    t.fail(error(text("stretto: rank ", mine, " can't be bound: ", e.what(), "; mend what threw it").str(), {.rank = mine}));
  } catch (...) {
    t.fail(error(text("stretto: rank ", mine, " can't be bound: something that is no std::exception was thrown; mend what threw it").str(), {.rank = mine}));
  }
}

/// Every local rank's bytes, told to all ranks.
template <class Transport>
class told {
 public:
  template <class Fill, class Say>
  told(Transport& t, label name, std::int64_t bytes, Fill&& fill, Say&& say) : t_(t), all_(t.open_gathering(name, {bytes, 1, {}})) {
    for (int r = 0; r < t.ranks(); ++r) {
      if (!t.local(r)) continue;
      fill(r, static_cast<unsigned char*>(t.segment(*all_, r, 0)));
      t.publish(*all_, r, 0);
    }
    t.gathered(*all_, t.host(), 0, say);
  }
  told(const told&) = delete;
  told& operator=(const told&) = delete;
  ~told() { t_.close(all_); }

  const unsigned char* by(int rank) const { return static_cast<const unsigned char*>(t_.from(*all_, rank, 0)); }

 private:
  Transport& t_;
  typename Transport::gathering* all_;
};

/// What tells this run from others, from rank 0. Throws stretto::error that names two ranks where they are bound to different things.
template <class Transport, class Say>
std::int64_t agree(Transport& t, const bound_print& mine, std::int64_t number, Say&& say) {
  const told<Transport> g(t, label(text("agree ", number).str()), sizeof mine, [&](int, unsigned char* to) { std::memcpy(to, &mine, sizeof mine); }, say);
  bound_print first, other;
  std::memcpy(&first, g.by(0), sizeof first);
  for (int r = 1; r < t.ranks(); ++r) {
    std::memcpy(&other, g.by(r), sizeof other);
    const char* what = other.plan != first.plan ? "plan" : other.cut != first.cut ? "cut" : other.types != first.types ? "model" : other.options != first.options ? "optimizer or other options" : nullptr;
    if (what != nullptr) throw error(text("stretto: rank ", r, " is bound to another ", what, " than rank 0; bind all ranks to one plan, cut and model, with the same options").str(), {.rank = r});
  }
  return first.begun;
}

/// The cards of all ranks' parameters.
template <class Transport, class Say>
std::vector<parameter_card> exchange_cards(Transport& t, const std::vector<std::vector<parameter>>& own, std::int64_t number, Say&& say) {
  const told<Transport> counts(t, label(text("counts ", number).str()), 8, [&](int r, unsigned char* to) {
    const auto n = static_cast<std::int64_t>(own[static_cast<std::size_t>(r)].size());
    std::memcpy(to, &n, 8);
  }, say);
  std::vector<std::int64_t> count(own.size());
  std::int64_t most = 0;
  for (int r = 0; r < t.ranks(); ++r) {
    std::memcpy(&count[static_cast<std::size_t>(r)], counts.by(r), 8);
    most = count[static_cast<std::size_t>(r)] > most ? count[static_cast<std::size_t>(r)] : most;
  }
  constexpr std::size_t size = sizeof(parameter_card);
  const told<Transport> all(t, label(text("cards ", number).str()), most * static_cast<std::int64_t>(size), [&](int r, unsigned char* to) {
    const auto& mine = own[static_cast<std::size_t>(r)];
    for (std::size_t i = 0; i < mine.size(); ++i) {
      const parameter_card c = parameter_board::card(mine[i], r, static_cast<int>(i));
      std::memcpy(to + i * size, &c, size);
    }
  }, say);
  std::vector<parameter_card> cards;
  for (int r = 0; r < t.ranks(); ++r)
    for (std::int64_t i = 0; i < count[static_cast<std::size_t>(r)]; ++i) {
      cards.emplace_back();
      std::memcpy(&cards.back(), all.by(r) + static_cast<std::size_t>(i) * size, size);
    }
  return cards;
}

/// Gives every use of a tied parameter the values of the first.
template <class Transport, class Say>
void begin_alike(Transport& t, const parameter_board& board, const std::vector<std::vector<parameter>>& own, std::int64_t number, Say&& say) {
  std::vector<std::int64_t> at(static_cast<std::size_t>(board.count()), 0), end(own.size(), 0);
  std::int64_t most = 0;
  for (int i = 0; i < board.count(); ++i) {
    if (!board.is_tied(i)) continue;
    std::int64_t& e = end[static_cast<std::size_t>(board.what(i).rank)];
    at[static_cast<std::size_t>(i)] = e;
    e += board.what(i).count * (board.what(i).type == number_type::float32 ? 4 : 8);
    most = e > most ? e : most;
  }
  if (most == 0) return;
  const auto bytes = [&](int i) { return static_cast<std::size_t>(board.what(i).count) * (board.what(i).type == number_type::float32 ? 4 : 8); };
  const auto of = [&](int i) -> const parameter& { return own[static_cast<std::size_t>(board.what(i).rank)][static_cast<std::size_t>(board.what(i).index)]; };
  const told<Transport> g(t, label(text("values ", number).str()), most, [&](int r, unsigned char* to) {
    for (int i = 0; i < board.count(); ++i)
      if (board.is_tied(i) && board.what(i).rank == r) of(i).copy(to + at[static_cast<std::size_t>(i)], of(i).value, static_cast<std::int64_t>(bytes(i)));
  }, say);
  for (int i = 0; i < board.count(); ++i) {
    const int first = board.first_use(i);
    if (!board.is_tied(i) || first == i || !t.local(board.what(i).rank)) continue;
    of(i).copy(of(i).value, g.by(board.what(first).rank) + at[static_cast<std::size_t>(first)], static_cast<std::int64_t>(bytes(i)));
  }
}

}  // namespace stretto::inline v0::detail
