// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// check under every link model against the slow truth of state_space.hpp: an exhaustive search over all interleavings.
//
//     every schedule with P, M <= 3, 1 to 3 chunks, and split backward passes  ->  its program
//     program  ->  itself and 300 permutations of its lists  ->  CSV, which both sides read
//     check(text, model) says ok, deadlock, mismatch    <=>    the search ends at the end, short of it, isn't begun
// No state is left out: the largest program reaches a few thousand. The search is also asked whether the interleaving
// matters (it doesn't), and each link of a deadlock's cycle must be a wait in the state that the search got stuck in.
#include "catch.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/plan.hpp>
#include <stretto/plan/csv.hpp>
#include <stretto/schedule.hpp>

#include "state_space.hpp"

namespace {

using state_space::kind;
using state_space::law;
using state_space::outcome;
using state_space::place;

struct model {
  const char* name;
  stretto::link_model link;
  law which;
  int bound = 0;
};

constexpr std::array models{
    model{"buffered", stretto::links::buffered, law::buffered},
    model{"bounded<0>", stretto::links::bounded<0>, law::bounded, 0},
    model{"bounded<1>", stretto::links::bounded<1>, law::bounded, 1},
    model{"bounded<2>", stretto::links::bounded<2>, law::bounded, 2},
    model{"per_edge", stretto::links::per_edge, law::per_edge},
    model{"grouped", stretto::links::grouped, law::grouped},
    model{"rendezvous", stretto::links::rendezvous, law::rendezvous},
    model{"single_fifo", stretto::links::single_fifo, law::single_fifo},
};

constexpr outcome outcome_of(stretto::fault f) {
  return f == stretto::fault::none ? outcome::completes : f == stretto::fault::mismatch ? outcome::mismatches : outcome::deadlocks;
}

// ---- programs ---------------------------------------------------------------------------------------------------

/// The same numbers on every machine (splitmix64).
class dice {
 public:
  explicit dice(std::uint64_t seed) : state_(seed) {}
  int below(int n) {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<int>((z ^ (z >> 31)) % static_cast<std::uint64_t>(n));
  }

 private:
  std::uint64_t state_;
};

/// Backward passes split in two: the second half right behind the first, at the end of the list, or on odd ranks only.
enum class split { adjacent, at_the_end, on_odd_ranks };

stretto::draft split_backward(const stretto::plan& whole, split how) {
  stretto::draft d;
  for (int r = 0; r < whole.ranks; ++r) {
    std::vector<stretto::action> list, late;
    for (const stretto::action& a : whole.order(r)) {
      if (a.pass != stretto::pass::backward || (how == split::on_odd_ranks && r % 2 == 0)) {
        list.push_back(a);
        continue;
      }
      list.push_back(stretto::action::backward_input(a.stage, a.micro_batch));
      (how == split::at_the_end ? late : list).push_back(stretto::action::backward_weight(a.stage, a.micro_batch));
    }
    list.insert(list.end(), late.begin(), late.end());
    d.order_of.push_back(list);
  }
  return d;
}

/// The programs of a schedule, with and without its backward passes split, as text.
void add_programs(const auto& schedule, const stretto::sizes& z, std::set<std::string>& out) {
  if (refuses(schedule, z)) return;
  const stretto::plan whole = make_plan(schedule, z);
  if (whole.routes > 1) return;  // the state space knows one owner a stage and no pairs; tests/schedule/truth.hpp knows them
  for (const stretto::action& a : whole.actions)
    if (a.kind != stretto::role::run) return;
  out.insert(to_csv(lower(whole)));
  for (split how : {split::adjacent, split::at_the_end, split::on_odd_ranks})
    if (whole.passes.has(stretto::pass::backward)) out.insert(to_csv(lower(make_plan(split_backward(whole, how)))));
}

/// Every program of every schedule with up to 3 ranks and micro-batches, once each.
std::set<std::string> all_programs() {
  std::set<std::string> out;
  stretto::all_schedules::each([&](auto schedule) {
    for (int ranks = 1; ranks <= 3; ++ranks)
      for (int micro_batches = 1; micro_batches <= 3; ++micro_batches)
        for (int chunks = 1; chunks <= 3; ++chunks) {
          const stretto::sizes z{.ranks = ranks, .micro_batches = micro_batches, .chunks = chunks};
          auto s = schedule;
          add_programs(s, z, out);
          if constexpr (requires { s.drain; }) {
            s.drain = stretto::drain_order::descending;
            add_programs(s, z, out);
          }
          if constexpr (requires { s.group; })
            for (s.group = 1; s.group <= micro_batches; ++s.group) add_programs(s, z, out);
        }
  });
  return out;
}

using list = std::vector<state_space::cell>;

void shuffle(std::vector<int> places, list& of, dice& random) {
  for (int i = static_cast<int>(places.size()) - 1; i > 0; --i) std::swap(of[places[i]], of[places[random.below(i + 1)]]);
}

/// Indices of a list's messages, of its passes, or of all entries.
enum class of { messages, passes, all };
std::vector<int> places(const list& in, of which) {
  std::vector<int> out;
  for (int i = 0; i < static_cast<int>(in.size()); ++i)
    if (which == of::all || (in[i].what == kind::pass) == (which == of::passes)) out.push_back(i);
  return out;
}

/// Puts the receives of each ordered pair of ranks into the order of its sends, so that only deadlocks are left.
void mend_pairs(state_space::lists& program) {
  const state_space::space before(program);
  state_space::lists after = program;
  for (int to = 0; to < before.ranks(); ++to)
    for (int from = 0; from < before.ranks(); ++from) {
      std::vector<int> free;
      for (int i = 0; i < before.size(to); ++i)
        if (program[to][i].what == kind::receive && before.at(to, i).other.rank == from) free.push_back(i);
      std::size_t n = 0;
      for (int i = 0; i < before.size(from); ++i)
        if (const place p = before.at(from, i).other; before.is_send(from, i) && p.rank == to) after[to][free[n++]] = program[to][p.index];
    }
  program = after;
}

/// Permutes each rank's list: a shuffle of all, of messages or of passes; neighbours swapped; entries moved.
void permute(state_space::lists& program, int recipe, dice& random) {
  const of which = std::array{of::all, of::messages, of::passes}[random.below(3)];
  const int times = 1 + random.below(6);
  if (recipe == 0) {
    for (list& l : program) shuffle(places(l, which), l, random);
    return;
  }
  for (int n = 0; n < times; ++n) {
    list& l = program[random.below(static_cast<int>(program.size()))];
    const std::vector<int> p = places(l, which);
    const int count = static_cast<int>(p.size());
    if (count < 2) continue;
    if (recipe == 1) {
      const int i = random.below(count - 1);
      std::swap(l[p[i]], l[p[i + 1]]);
    } else if (recipe == 2) {
      std::swap(l[p[random.below(count)]], l[p[random.below(count)]]);
    } else {
      const state_space::cell moved = l[p[random.below(count)]];
      l.erase(std::find(l.begin(), l.end(), moved));
      l.insert(l.begin() + random.below(static_cast<int>(l.size()) + 1), moved);
    }
  }
}

/// What both sides read. A program of one rank has no messages, so that it reads as an order.
stretto::plan read(const std::string& text) { return make_plan(stretto::from_csv(text)); }

}  // namespace

namespace {

/// The links of a cycle lead from rank to rank and back to the first.
bool is_ring(const auto& cycle) {
  for (std::int64_t i = 0; i < cycle.size(); ++i) {
    if (cycle[i].kind == stretto::wait_kind::own_later && cycle[i].rank != cycle[i].on_rank) return false;
    // A link through a queue of single_fifo may lead to the queue of either end, so only its ranks are looked at.
    const auto& next = cycle[(i + 1) % cycle.size()];
    if (cycle[i].kind != stretto::wait_kind::arrival && cycle[i].on_rank != next.rank) return false;
    if (cycle[i].kind == stretto::wait_kind::arrival && next.rank != cycle[i].rank && next.rank != cycle[i].on_rank) return false;
  }
  return !cycle.empty();
}

}  // namespace

#ifdef STRETTO_SANITIZED
constexpr int permutations = 24;  // some ten times slower: the full number is for the plain build
#else
constexpr int permutations = 300;
#endif

TEST_CASE("under every link model the verdict on every program and on 300 permutations of each is that of an exhaustive search") {
  state_space::explorer search;
  const std::set<std::string> programs = all_programs();
  REQUIRE(programs.size() > 150);
  long cases = 0, differ = 0, confluent = 0, rings = 0, deadlocks = 0, sentences = 0, buffered_widest = 0, fifo_narrowest = 0, compared = 0;
  std::array<std::array<long, 3>, models.size()> counts{};
  std::string first;
  dice random(1);
  for (const std::string& text : programs)
    for (int n = 0; n <= permutations; ++n) {
      state_space::lists lists = state_space::parse(text);
      if (n > 0) permute(lists, n % 4, random);
      if (n > 0 && n / 4 % 2 == 0) mend_pairs(lists);
      const std::string permuted = to_text(lists);
      const state_space::space space(lists);
      const stretto::plan plan = read(permuted);
      std::array<bool, models.size()> ok{};
      for (std::size_t i = 0; i < models.size(); ++i) {
        const stretto::verdict v = check(plan, models[i].link);
        const state_space::finding truth = search.explore({space, models[i].which, models[i].bound});
        ++cases;
        ++counts[i][static_cast<std::size_t>(truth.how)];
        ok[i] = v.ok();
        const bool expected = v.ok() || v.kind == stretto::fault::deadlock || v.kind == stretto::fault::mismatch;
        if (!expected || outcome_of(v.kind) != truth.how) {
          if (differ++ == 0) first = std::string(models[i].name) + ": " + v.words.c_str() + "\n" + permuted;
        }
        confluent += truth.how == outcome::mismatches || truth.stuck + truth.final == 1;
        sentences += v.ok() ? v.sentence().empty() : v.sentence().substr(0, 9) == "stretto: ";
        if (v.kind != stretto::fault::deadlock) continue;
        ++deadlocks;
        rings += is_ring(v.cycle) && v.sentence().substr(0, 19) == "stretto: deadlock: ";
      }
      for (std::size_t i = 0; i < models.size(); ++i) {
        buffered_widest += ok[0] || !ok[i];
        fifo_narrowest += ok[i] || !ok[models.size() - 1];
        ++compared;
      }
    }
  INFO(first);
  CHECK(differ == 0);
  CHECK(confluent == cases);  // no interleaving decides otherwise than another
  CHECK(sentences == cases);
  CHECK(rings == deadlocks);
  CHECK(buffered_widest == compared);
  CHECK(fifo_narrowest == compared);
  long stuck = 0;
  for (std::size_t i = 0; i < models.size(); ++i) {
    INFO(models[i].name << ": " << counts[i][0] << " complete, " << counts[i][1] << " deadlock, " << counts[i][2] << " mismatch");
    stuck += counts[i][1];
    CHECK(counts[i][0] > 1000);
    CHECK(counts[i][1] > 1000);
    CHECK((counts[i][2] > 1000) == models[i].link.in_pair_order());
  }
  CHECK(5 * stuck >= cases);
  std::printf("%zu programs, %ld cases, %ld deadlocks\n", programs.size(), cases, stuck);
}

TEST_CASE("in single_fifo it makes no difference when a message is served") {
  state_space::explorer search;
  dice random(2);
  long cases = 0, same = 0;
  for (const std::string& text : all_programs()) {
    state_space::lists lists = state_space::parse(text);
    if (lists.size() > 2) continue;  // two ranks' states suffice, and are few enough
    for (int n = 0; n < 40; ++n) {
      state_space::lists permuted = lists;
      permute(permuted, n % 4, random);
      mend_pairs(permuted);
      const state_space::space space(permuted);
      ++cases;
      same += search.explore({space, law::single_fifo, 0, false}).how == search.explore({space, law::single_fifo, 0, true}).how;
    }
  }
  CHECK(cases > 1000);
  CHECK(same == cases);
}

TEST_CASE("two ranks that both send before they receive: fine where messages are buffered, a cycle where a send waits") {
  const stretto::plan p = read(
      "0F0,0SEND_F0,0F1,0SEND_F1,2RECV_F0,2F0,2SEND_F0,2RECV_F1,2F1,2SEND_F1\n"
      "1RECV_F0,1F0,1SEND_F0,1RECV_F1,1F1,1SEND_F1,3RECV_F0,3F0,3RECV_F1,3F1\n");
  CHECK(check(p, stretto::links::buffered).ok());
  CHECK(check(p, stretto::links::per_edge).ok());
  CHECK(check(p, stretto::links::rendezvous).words.str() ==
        "stretto: deadlock: rank 0 step 3 (0SEND_F1) is held until rank 1 issues 1RECV_F1; rank 1 step 2 (1SEND_F0) is held "
        "until rank 0 issues 2RECV_F0; change the order of one of them");
  CHECK(check(p, stretto::links::single_fifo).words.str() ==
        "stretto: deadlock: rank 0 step 3 (0SEND_F1) is first in its queue and waits until rank 1 comes to 1RECV_F1; rank 1 "
        "step 2 (1SEND_F0) is first in its queue and waits until rank 0 comes to 2RECV_F0; change the order of one of them");
}

TEST_CASE("of two cycles the verdict names the shorter") {
  // Ranks 0, 1, 2 wait in a ring, and ranks 0 and 1 for each other too: rank 0's B0 and rank 1's F1 are the short way.
  const stretto::plan p = read(
      "0F0,0B0,0F1,0B1\n"
      "1F1,1B1,1F0,1B0\n"
      "2F1,2B1,2F0,2B0\n");
  const stretto::verdict v = check(p);
  CHECK(v.kind == stretto::fault::deadlock);
  CHECK(v.cycle.size() == 2);
  CHECK(v.rank == 0);
  CHECK(v.step == 1);
}
