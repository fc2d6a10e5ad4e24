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

#include <array>
#include <cstdint>
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

TEST_CASE("probe") {
  state_space::explorer search;
  long cases = 0, bad = 0;
  std::array<std::array<long, 3>, models.size()> counts{};
  std::set<std::string> seen;
  const auto programs = all_programs();
  dice random(1);
  for (const auto& text : programs)
    for (int n = 0; n <= 300; ++n) {
      auto lists = state_space::parse(text);
      if (n > 0) {
        permute(lists, n % 4, random);
        if (n / 4 % 2 == 0) mend_pairs(lists);
      }
      const auto t = to_text(lists);
      const state_space::space sp(lists);
      const auto plan = read(t);
      for (std::size_t i = 0; i < models.size(); ++i) {
        const auto v = check(plan, models[i].link);
        const auto f = search.explore({sp, models[i].which, models[i].bound});
        ++cases;
        ++counts[i][int(f.how)];
        if (f.how != outcome::mismatches && f.stuck + f.final != 1) std::printf("not confluent\n");
        if (v.kind != stretto::fault::none && v.kind != stretto::fault::deadlock && v.kind != stretto::fault::mismatch) std::printf("odd %s\n", std::string(v.sentence()).c_str());
        if (outcome_of(v.kind) != f.how && ++bad < 10) std::printf("BAD %s %d: %s\n%s\n", models[i].name, int(f.how), std::string(v.sentence()).c_str(), t.c_str());
        if (v.kind == stretto::fault::deadlock) {
          std::string k(models[i].name);
          for (auto& w : v.cycle) k += " " + std::to_string(int(w.kind));
          if (seen.insert(k).second) std::printf("%s %s\n", k.c_str(), std::string(v.sentence()).c_str());
        }
      }
    }
  std::printf("programs %d cases %ld bad %ld\n", int(programs.size()), cases, bad);
  for (std::size_t i = 0; i < models.size(); ++i) std::printf("%s %ld %ld %ld\n", models[i].name, counts[i][0], counts[i][1], counts[i][2]);
}
