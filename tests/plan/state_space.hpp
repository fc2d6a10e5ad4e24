// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The slow truth about link models: decides by brute force whether a program completes, deadlocks or mismatches. It
// knows a program as text alone, derives from a cell's letters what the cell needs, and shares nothing with the library.
//
//     0F0,0SEND_F0,0RECV_B0,0B0        the state: how many entries each rank has issued, and how many of each rank's
//     1RECV_F0,1F0,1B0,1SEND_B0        messages are served;  a step: one rank issues its next entry (or its next run)
// explore() visits every state that some interleaving of single steps reaches, and looks at those without a step: a
// program deadlocks if one of them isn't the end. What a rank waits for is a condition on the state, asked anew each time.
//     F(s,m) needs F(s-1,m)      B(s,m), I(s,m) need F(s,m) and B or I(s+1,m)      W(s,m) needs I(s,m)
// Where the other stage lies on another rank, a message stands in between, by identity: 0SEND_F0 meets 1RECV_F0.
// Cost: O(states × ranks) a program and model; fits up to 4 ranks with 255 entries each.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace state_space {

// ---- programs as text -------------------------------------------------------------------------------------------

enum class kind { pass, send, receive };

struct cell {
  kind what;
  char letter;  ///< F, B, I or W; of a message F or B
  int stage, micro_batch;
  friend bool operator==(const cell&, const cell&) = default;
};

using lists = std::vector<std::vector<cell>>;  ///< by rank

/// Reads rows of cells such as 0F0, 0SEND_F0, 1RECV_F0, 2I1. Throws at anything else.
inline lists parse(std::string_view text) {
  lists out;
  std::size_t at = 0;
  const auto fail = [&] { throw std::invalid_argument("the state space can't read the program at character " + std::to_string(at)); };
  const auto number = [&] {
    if (at == text.size() || text[at] < '0' || text[at] > '9') fail();
    int n = 0;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') n = 10 * n + (text[at++] - '0');
    return n;
  };
  const auto skip = [&](std::string_view word) {
    const bool there = text.substr(at, word.size()) == word;
    if (there) at += word.size();
    return there;
  };
  while (at < text.size()) {
    out.emplace_back();
    do {
      cell c{};
      c.stage = number();
      c.what = skip("SEND_") ? kind::send : skip("RECV_") ? kind::receive : kind::pass;
      const std::string_view letters = c.what == kind::pass ? "FBIW" : "FB";
      if (at == text.size() || letters.find(text[at]) == letters.npos) fail();
      c.letter = text[at++];
      c.micro_batch = number();
      out.back().push_back(c);
    } while (skip(","));
    if (!skip("\n")) fail();
  }
  return out;
}

inline std::string to_text(const cell& c) {
  return std::to_string(c.stage) + (c.what == kind::send ? "SEND_" : c.what == kind::receive ? "RECV_" : "") + c.letter +
         std::to_string(c.micro_batch);
}

inline std::string to_text(const lists& program) {
  std::string out;
  for (const auto& list : program)
    for (std::size_t i = 0; i < list.size(); ++i) out += to_text(list[i]) + (i + 1 < list.size() ? ',' : '\n');
  return out;
}

// ---- what a program's entries need ------------------------------------------------------------------------------

struct place {
  int rank = -1, index = -1;
};

struct entry {
  cell what{};
  int after = -1;         ///< the last entry of its own list that must be done before: of two inputs, the later one
  int receive = -1;       ///< of a pass that consumes a message: where its own list receives it
  place other{};          ///< of a message, and of a pass that consumes one: where the message's other end is issued
  int in_queue = -1;      ///< of a message: how many messages stand before it in its list
  int first = 0, end = 0; ///< of a message: its maximal run of adjacent messages
};

/// A program with its needs resolved. Throws where a need isn't met by any entry, or by two.
class space {
 public:
  explicit space(const lists& program) : rows_(program.size()) {
    if (program.size() > 4) throw std::invalid_argument("the state space takes up to 4 ranks");
    for (std::size_t r = 0; r < program.size(); ++r) {
      if (program[r].size() > 255) throw std::invalid_argument("the state space takes up to 255 entries a rank");
      for (const cell& c : program[r]) rows_[r].push_back({.what = c}), last_stage_ = std::max(last_stage_, c.stage);
    }
    for (int r = 0; r < ranks(); ++r) {
      int messages = 0;
      for (int i = 0; i < size(r); ++i) {
        resolve(r, i);
        entry& e = rows_[r][i];
        if (e.what.what == kind::pass) continue;
        e.in_queue = messages++;
        for (e.first = i; e.first > 0 && is_message(r, e.first - 1);) --e.first;
        for (e.end = i + 1; e.end < size(r) && is_message(r, e.end);) ++e.end;
      }
    }
  }

  int ranks() const { return static_cast<int>(rows_.size()); }
  int size(int rank) const { return static_cast<int>(rows_[rank].size()); }
  const entry& at(int rank, int index) const { return rows_[rank][index]; }
  bool is_message(int rank, int index) const { return at(rank, index).what.what != kind::pass; }
  bool is_send(int rank, int index) const { return at(rank, index).what.what == kind::send; }

  /// Whether the n-th send and the n-th receive of every ordered pair of ranks are one message.
  bool in_pair_order() const {
    for (int from = 0; from < ranks(); ++from)
      for (int to = 0; to < ranks(); ++to) {
        std::vector<int> sends, receives;  // both as indices of the receiving ends
        for (const entry& e : rows_[from])
          if (e.what.what == kind::send && e.other.rank == to) sends.push_back(e.other.index);
        for (int i = 0; i < size(to); ++i)
          if (at(to, i).what.what == kind::receive && at(to, i).other.rank == from) receives.push_back(i);
        if (sends != receives) return false;
      }
    return true;
  }

  /// Where that cell stands; a rank of -1 where it doesn't.
  place find(const cell& c) const {
    place found;
    for (int r = 0; r < ranks(); ++r)
      for (int i = 0; i < size(r); ++i)
        if (at(r, i).what == c) {
          if (found.rank >= 0) throw std::invalid_argument("the program holds a cell twice: " + to_text(c));
          found = {r, i};
        }
    return found;
  }

 private:
  /// The pass that makes what message letter `letter` carries out of a stage: F, or of I and B the one that is there.
  place producer(char letter, int stage, int micro_batch) const {
    place p = find({kind::pass, letter == 'F' ? 'F' : 'I', stage, micro_batch});
    if (p.rank < 0 && letter != 'F') p = find({kind::pass, 'B', stage, micro_batch});
    return must({kind::pass, letter, stage, micro_batch}, p);
  }

  static place must(const cell& c, place p) {
    if (p.rank < 0) throw std::invalid_argument("the program lacks " + to_text(c));
    return p;
  }

  void need(entry& e, int rank, char letter, int stage, int micro_batch) {
    const place p = producer(letter, stage, micro_batch);
    if (p.rank == rank) {
      e.after = std::max(e.after, p.index);
      return;
    }
    const cell send{kind::send, letter, stage, micro_batch}, receive{kind::receive, letter, e.what.stage, micro_batch};
    e.receive = must(receive, find(receive)).index;
    e.other = must(send, find(send));
  }

  void resolve(int rank, int index) {
    entry& e = rows_[rank][index];
    const auto [what, letter, s, m] = e.what;
    const int onwards = letter == 'F' ? 1 : -1;  // where a message's letter goes
    if (what == kind::send) {
      e.after = producer(letter, s, m).index;
      e.other = must(e.what, find({kind::receive, letter, s + onwards, m}));
    } else if (what == kind::receive) {
      e.other = must(e.what, find({kind::send, letter, s - onwards, m}));
    } else if (letter == 'F') {
      if (s > 0) need(e, rank, 'F', s - 1, m);
    } else if (letter == 'W') {
      e.after = must(e.what, find({kind::pass, 'I', s, m})).index;
    } else {
      need(e, rank, 'F', s, m);
      if (s < last_stage_) need(e, rank, 'B', s + 1, m);
    }
  }

  std::vector<std::vector<entry>> rows_;
  int last_stage_ = 0;
};

// ---- the rules --------------------------------------------------------------------------------------------------

enum class law { buffered, bounded, per_edge, grouped, rendezvous, single_fifo };

struct state {
  std::array<std::uint8_t, 4> issued{};  ///< entries of each rank, from the front of its list
  std::array<std::uint8_t, 4> served{};  ///< messages of each rank's queue, from its front; single_fifo only
};

/// The rules of one link model for one program, each a question about a state.
struct rules {
  const space& in;
  law which;
  int bound = 0;              ///< bounded only
  bool serves_alone = false;  ///< single_fifo: serving is a step of its own that may come late, not at once

  bool issued(const state& s, place p) const { return p.index < s.issued[p.rank]; }

  /// Whether the message or messages that the rank issued last hold it.
  bool held(const state& s, int rank) const {
    const int last = s.issued[rank] - 1;
    if (last < 0 || !in.is_message(rank, last)) return false;
    const entry& e = in.at(rank, last);
    if (which == law::rendezvous) return in.is_send(rank, last) && !issued(s, e.other);
    if (which == law::grouped) {
      for (int i = e.first; i < e.end; ++i)
        if (!issued(s, in.at(rank, i).other)) return true;
      return false;
    }
    if (which != law::bounded || !in.is_send(rank, last)) return false;
    int under_way = 0;
    for (int i = 0; i <= last; ++i)
      under_way += in.is_send(rank, i) && in.at(rank, i).other.rank == e.other.rank && !issued(s, in.at(rank, i).other);
    return under_way > bound;
  }

  /// How many entries the rank's next step issues; 0 where it has no step.
  int step(const state& s, int rank) const {
    const int next = s.issued[rank];
    if (next == in.size(rank) || held(s, rank)) return 0;
    const entry& e = in.at(rank, next);
    const int end = which == law::grouped && in.is_message(rank, next) ? e.end : next + 1;
    for (int i = next; i < end; ++i)
      if (in.at(rank, i).after >= next) return 0;
    if (e.receive >= 0) {
      if (e.receive >= next || !issued(s, e.other)) return 0;
      if (which == law::single_fifo && in.at(rank, e.receive).in_queue >= s.served[rank]) return 0;
    }
    return end - next;
  }

  /// The message at the head of a rank's queue, if it is issued and waits; -1 otherwise. single_fifo only.
  int head(const state& s, int rank) const {
    for (int i = 0; i < s.issued[rank]; ++i)
      if (in.at(rank, i).in_queue == s.served[rank]) return i;
    return -1;
  }

  /// Serves the message at the head of a rank's queue, if it is at the head of its other end's queue too.
  bool serve(state& s, int rank) const {
    const int mine = head(s, rank);
    if (mine < 0) return false;
    const place other = in.at(rank, mine).other;
    if (head(s, other.rank) != other.index) return false;
    ++s.served[rank], ++s.served[other.rank];
    return true;
  }

  /// Whether all lists ended, nothing holds a rank and, in single_fifo, all messages are served.
  bool final(const state& s) const {
    for (int r = 0; r < in.ranks(); ++r)
      if (s.issued[r] < in.size(r) || held(s, r) || (which == law::single_fifo && head(s, r) >= 0)) return false;
    return true;
  }
};

// ---- the search -------------------------------------------------------------------------------------------------

enum class outcome { completes, deadlocks, mismatches };

struct finding {
  outcome how = outcome::mismatches;
  std::int64_t states = 0;   ///< that some interleaving reaches
  int stuck = 0, final = 0;  ///< those without a step: short of the end, and at it
  state last{};              ///< one of those; of a deadlock, a stuck one
};

/// States that have been seen: open addressing, emptied by a new mark.
class visited {
 public:
  void clear() { ++mark_, count_ = 0; }

  bool insert(std::uint64_t key) {
    if (2 * count_ >= slots_.size()) grow();
    const bool fresh = put(key);
    count_ += fresh;
    return fresh;
  }

 private:
  struct slot {
    std::uint64_t key = 0, mark = 0;
  };

  bool put(std::uint64_t key) {
    std::size_t i = (key * 0x9E3779B97F4A7C15u) >> 32 & (slots_.size() - 1);
    while (slots_[i].mark == mark_ && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
    if (slots_[i].mark == mark_) return false;
    slots_[i] = {key, mark_};
    return true;
  }

  void grow() {
    std::vector<slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const slot& s : old)
      if (s.mark == mark_) put(s.key);
  }

  std::vector<slot> slots_ = std::vector<slot>(1024);
  std::uint64_t mark_ = 1, count_ = 0;
};

class explorer {
 public:
  /// Visits every state that the program reaches from the start. in_order: the model asks for the order of pairs.
  finding explore(const rules& rule) {
    finding f;
    const bool in_order = rule.which != law::buffered && rule.which != law::bounded;
    if (in_order && !rule.in.in_pair_order()) return f;
    seen_.clear();
    open_.clear();
    reach({});
    while (!open_.empty()) {
      const state s = open_.back();
      open_.pop_back();
      ++f.states;
      if (expand(rule, s)) continue;
      const bool final = rule.final(s);
      ++(final ? f.final : f.stuck);
      if (!final || f.stuck == 0) f.last = s;
    }
    f.how = f.stuck > 0 ? outcome::deadlocks : outcome::completes;
    return f;
  }

 private:
  /// Reaches every state that is one step away; false where there is none.
  bool expand(const rules& rule, const state& s) {
    bool any = false;
    for (int r = 0; r < rule.in.ranks(); ++r) {
      if (const int n = rule.step(s, r); n > 0) {
        state next = s;
        next.issued[r] = static_cast<std::uint8_t>(next.issued[r] + n);
        if (rule.which == law::single_fifo && !rule.serves_alone)
          for (int q = 0; q < rule.in.ranks();) q = rule.serve(next, q) ? 0 : q + 1;
        reach(next);
        any = true;
      }
      if (state next = s; rule.serves_alone && rule.serve(next, r)) {
        reach(next);
        any = true;
      }
    }
    return any;
  }

  void reach(const state& s) {
    if (seen_.insert(std::bit_cast<std::uint64_t>(s))) open_.push_back(s);
  }

  visited seen_;
  std::vector<state> open_;
};

}  // namespace state_space
