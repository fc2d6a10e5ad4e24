// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every single change to small plans and programs: an entry taken out, written twice, moved to another rank, renamed,
// paired or swapped with any other of its list, a fused pass in halves. check must object exactly where truth.hpp does,
// name the place, and give as the reason of a deadlock a ring of ranks that does stand in the lists. The plans are those
// of every schedule, and orders thrown together at random over any routes.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "sweep.hpp"
#include "truth.hpp"

using namespace stretto;

namespace {

struct counts {
  long plans = 0, removals = 0, duplicates = 0, moves = 0, renamings = 0, swaps = 0, valid_swaps = 0, crossed_swaps = 0;
  long broken_pairs = 0, pairings = 0, valid_pairings = 0, halvings = 0, valid_halvings = 0;
};

struct place {
  std::size_t rank, step;
};

/// One plan or program under all of its changes.
class bench {
 public:
  bench(const plan& p, counts& c)
      : p_(p), rows_(sweep::lists_of(p)), paths_(sweep::paths_of(p)),
        reference_(paths_, p.ranks, p.stages, p.slices, p.passes.has(pass::backward), p.lowered), n_(c) {
    numbers_ = reference_.numbers(rows_, p_.passes);
    ++n_.plans;
    if (!reference_.holds(numbers_) || !reference_.pairs_up(numbers_)) FAIL("the argument refuses what the schedule makes");
    if (!check(p_).ok() || !check(p_, links::buffered).ok()) FAIL(check(p_).words.str());
  }

  void remove() {
    each_entry([&](std::size_t r, std::size_t i, const action& a) {
      sweep::lists rows = rows_;
      rows[r].erase(rows[r].begin() + at(i));
      const verdict v = refused(rows, "without");
      ++n_.removals;
      if (broken_first(v, rows, {})) return;
      const fault due = !a.is_message() ? fault::missing : a.kind == role::send ? fault::missing_send : fault::missing_receive;
      // A fused backward pass is missed by its first half.
      const pass_id named = a.is_message() || a.pass != pass::backward ? a.pass : pass::backward_input;
      if (v.kind != due || v.rank != static_cast<int>(r) || v.what.pass != named || v.what.stage != a.stage || v.what.micro_batch != a.micro_batch ||
          v.what.slice != a.slice || v.what.is_message() != a.is_message() || (a.is_message() && v.what != a))
        FAIL("without rank " << r << " step " << i << ": " << v.words.str());
    });
  }

  void duplicate() {
    each_entry([&](std::size_t r, std::size_t i, const action& a) {
      for (const std::size_t to : {i, i + 1, rows_[r].size()}) {
        sweep::lists rows = rows_;
        rows[r].insert(rows[r].begin() + at(to), a);
        const std::size_t later = to == i ? i + 1 : to;
        expect(rows, "twice", fault::duplicate, r, later, a);
        ++n_.duplicates;
      }
    });
  }

  void move() {
    each_entry([&](std::size_t r, std::size_t i, const action& a) {
      for (std::size_t other = 0; other < rows_.size(); ++other) {
        if (other == r) continue;
        for (const std::size_t to : {std::size_t(0), rows_[other].size()}) {
          sweep::lists rows = rows_;
          rows[r].erase(rows[r].begin() + at(i));
          rows[other].insert(rows[other].begin() + at(to), a);
          expect(rows, "moved", fault::wrong_rank, other, to, a);
          ++n_.moves;
        }
      }
    });
  }

  void rename() {
    each_entry([&](std::size_t r, std::size_t i, const action& a) {
      if (passed_over(r, i)) return;
      const auto instead = [&](const action& b, fault due) {
        sweep::lists rows = rows_;
        rows[r][i] = b;
        expect(rows, "renamed", due, r, i, b);
        ++n_.renamings;
      };
      for (const int stage : {-1, p_.stages, 2147483647, -2147483647 - 1}) {
        action b = a;
        b.stage = stage;
        instead(b, fault::out_of_range);
      }
      for (const int m : {-1, p_.micro_batches, 2147483647}) {
        action b = a;
        b.micro_batch = m;
        instead(b, fault::out_of_range);
      }
      for (const int slice : {p_.slices, 65535}) {
        action b = a;
        b.slice = static_cast<std::uint16_t>(slice);
        instead(b, fault::out_of_range);
      }
      for (const int pass : {p_.passes.has(pass::backward) ? 7 : 3, 23, 24, 48, 255}) {
        action b = a;
        b.pass = static_cast<pass_id>(pass);
        instead(b, fault::unknown_pass);
      }
      if (!a.is_message()) return;
      for (const int peer : {-1, p_.stages, a.stage, 2147483647}) {
        action b = a;
        b.peer = peer;
        instead(b, fault::needless_message);
      }
    });
  }

  /// Every entry as another one of the same plan, which then stands twice, on a wrong rank or half.
  void mistake() {
    each_entry([&](std::size_t r, std::size_t i, const action& a) {
      if (passed_over(r, i)) return;
      const auto instead = [&](const action& b, fault due) {
        sweep::lists rows = rows_;
        rows[r][i] = b;
        const verdict v = refused(rows, "mistaken");
        if (due != fault::none && v.kind != due) FAIL("rank " << r << " step " << i << " as " << name_of(p_.passes, b).str() << ": " << v.words.str());
        ++n_.renamings;
      };
      action b = a;
      for (b.micro_batch = 0; b.micro_batch < p_.micro_batches; ++b.micro_batch)
        if (b.micro_batch != a.micro_batch) instead(b, standing(b, r));
      b = a;
      for (b.stage = 0; b.stage < p_.stages; ++b.stage)
        if (b.stage != a.stage) instead(b, standing(b, r));
      b = a;
      for (int slice = 0; slice < p_.slices; ++slice) {
        b.slice = static_cast<std::uint16_t>(slice);
        if (b.slice != a.slice) instead(b, fault::duplicate);
      }
      b = a;
      if (a.is_message()) {
        for (b.peer = 0; b.peer < p_.stages; ++b.peer)
          if (b.peer != a.peer) instead(b, standing(b, r));
        b = a;
        b.kind = a.kind == role::send ? role::receive : role::send;
        instead(b, fault::none);
        return;
      }
      for (const pass_id other : {pass::forward, pass::backward_input, pass::backward_weight, pass::backward}) {
        if (other == a.pass || !p_.passes.has(other)) continue;
        b.pass = other;
        const bool half = a.pass == pass::backward && other != pass::forward;
        instead(b, half ? fault::missing : fault::duplicate);
      }
    });
  }

  /// Swaps in place, so that thousands a plan are quick. An entry takes along whether it runs with the one behind it.
  void swap(bool all = false) {
    for (std::size_t r = 0; r < rows_.size(); ++r)
      for (std::size_t i = 0; i < rows_[r].size(); ++i)
        for (std::size_t j = i + 1; j < rows_[r].size(); ++j) {
          if (!all && passed_over(r, i + j)) continue;
          exchange(r, i, j);
          const verdict v = agreed(p_, numbers_, [&](auto& t) { t << "rank " << r << " with " << i << " and " << j << " swapped"; });
          exchange(r, i, j);
          ++n_.swaps;
          n_.valid_swaps += v.ok();
          n_.crossed_swaps += v.kind == fault::mismatch;
          n_.broken_pairs += v.kind == fault::bad_pair;
        }
  }

  /// Every pass of a pair by itself, and every other one in a pair with what stands behind it.
  void pair() {
    each_entry([&](std::size_t r, std::size_t i, const action& a) {
      if (a.is_message()) return;
      const std::int64_t n = p_.rows[at(r)] + at(i);
      const role as_it_was = a.kind;
      p_.actions[n].kind = as_it_was == role::run ? role::run_with_next : role::run;
      numbers_[r][i].with_next = as_it_was == role::run;
      const verdict v = agreed(p_, numbers_, [&](auto& t) { t << "rank " << r << " step " << i << " in a pair or out of one"; });
      p_.actions[n].kind = as_it_was;
      numbers_[r][i].with_next = as_it_was == role::run_with_next;
      ++n_.pairings;
      n_.valid_pairings += v.ok();
    });
  }

  /// A fused pass in halves, the weights' before, behind or at the end; an I and its W as one, where either stood.
  void halve() {
    each_entry([&](std::size_t r, std::size_t i, const action& a) {
      const auto look = [&](const sweep::lists& rows) {
        const verdict v = agreed(laid_out(rows), reference_.numbers(rows, p_.passes), [&](auto& t) { t << "rank " << r << " step " << i << " fused otherwise"; });
        ++n_.halvings;
        n_.valid_halvings += v.ok();
      };
      if (a.is_message()) return;
      if (a.pass == pass::backward)
        for (const std::size_t to : {i, i + 1, rows_[r].size()}) {
          sweep::lists rows = rows_;
          rows[r][i].pass = pass::backward_input;
          rows[r].insert(rows[r].begin() + at(to), action::backward_weight(a.stage, a.micro_batch, a.slice));
          look(rows);
        }
      if (a.pass != pass::backward_input) return;
      std::size_t j = 0;
      while (rows_[r][j].is_message() || rows_[r][j].pass != pass::backward_weight || rows_[r][j].stage != a.stage ||
             rows_[r][j].micro_batch != a.micro_batch || rows_[r][j].slice != a.slice)
        ++j;
      for (const auto& [keep, drop] : {std::pair(i, j), std::pair(j, i)}) {
        sweep::lists rows = rows_;
        rows[r][keep].pass = pass::backward;
        rows[r].erase(rows[r].begin() + at(drop));
        look(rows);
      }
    });
  }

 private:
  static std::ptrdiff_t at(std::size_t i) { return static_cast<std::ptrdiff_t>(i); }

  /// Of a long list, whose changes are many and alike, one in three is made, another one on each rank and plan.
  bool passed_over(std::size_t r, std::size_t i) const {
    return rows_[r].size() > 24 && (i + r + static_cast<std::size_t>(n_.plans)) % 3 != 0;
  }

  template <class Visit>
  void each_entry(Visit&& visit) {
    for (std::size_t r = 0; r < rows_.size(); ++r)
      for (std::size_t i = 0; i < rows_[r].size(); ++i) visit(r, i, rows_[r][i]);
  }

  void exchange(std::size_t r, std::size_t i, std::size_t j) {
    const std::int64_t row = p_.rows[at(r)];
    std::swap(p_.actions[row + at(i)], p_.actions[row + at(j)]);
    std::swap(numbers_[r][i], numbers_[r][j]);
  }

  /// The plan with other lists; its routes stay, whatever the lists name.
  plan laid_out(const sweep::lists& rows) const {
    plan q = p_;
    std::int64_t n = 0;
    for (std::size_t r = 0; r < rows.size(); ++r) q.rows[at(r)] = n, n += at(rows[r].size());
    q.rows[p_.ranks] = n;
    q.actions = heap_array<action>(n);
    n = 0;
    for (const auto& row : rows)
      for (const action& a : row) q.actions[n++] = a;
    return q;
  }

  /// The rank of a stage on a micro-batch's path, -1 if it doesn't pass.
  int owner(int stage, int micro_batch) const {
    for (const hop& h : paths_[static_cast<std::size_t>(micro_batch)])
      if (h.stage == stage) return h.rank;
    return -1;
  }

  /// What is wrong with an entry that the plan has, once more on some rank: it stands there, stands elsewhere or nowhere.
  fault standing(const action& b, std::size_t rank) const {
    const int here = owner(b.stage, b.micro_batch);
    if (here < 0) return fault::out_of_range;
    if (!b.is_message()) return here == static_cast<int>(rank) ? fault::duplicate : fault::wrong_rank;
    const int there = owner(b.peer, b.micro_batch);
    if (there < 0) return fault::out_of_range;
    const bool onward = (b.kind == role::send) == (p_.passes.edges[b.pass].message == label("F"));
    const auto& path = paths_[static_cast<std::size_t>(b.micro_batch)];
    bool hop_of_it = false;
    for (std::size_t h = 0; h + 1 < path.size(); ++h)
      hop_of_it = hop_of_it || (path[onward ? h : h + 1].stage == b.stage && path[onward ? h + 1 : h].stage == b.peer);
    if (!hop_of_it || here == there) return fault::needless_message;
    return here == static_cast<int>(rank) ? fault::duplicate : fault::wrong_rank;
  }

  /// The first entry that is to run with one behind it that can't.
  static std::optional<place> broken_pair(const sweep::lists& rows) {
    for (std::size_t r = 0; r < rows.size(); ++r)
      for (std::size_t i = 0; i < rows[r].size(); ++i)
        if (rows[r][i].kind == role::run_with_next && (i + 1 == rows[r].size() || rows[r][i + 1].kind != role::run)) return place{r, i};
    return {};
  }

  /// A sentence that names the rank and says what to do.
  bool spoken(const verdict& v) const {
    const std::string_view words = v.words.str();
    return v.rank >= 0 && v.rank < p_.ranks && words.substr(0, 9) == "stretto: " && words.find("; ") != words.npos &&
           words.find("rank " + std::to_string(v.rank) + " ") != words.npos;
  }

  /// Whether the entry of a verdict or of a wait stands where it says.
  template <class Found>
  static bool placed(const plan_view& p, const Found& v) {
    const view<const action> list = p.order(v.rank);
    return v.step >= 0 && v.step < list.count && list[v.step] == v.what;
  }

  /// Whether each rank of a deadlock waits for the next and the last for the first, from where they stand.
  static bool closed(const plan_view& p, const grow_array<wait>& cycle) {
    for (std::int64_t i = 0; i < cycle.size(); ++i)
      if (cycle[i].on_rank != cycle[i + 1 < cycle.size() ? i + 1 : 0].rank || !placed(p, cycle[i])) return false;
    return !cycle.empty();
  }

  /// The verdict on a plan that holds everything once: none, bad_pair, mismatch or deadlock, as the argument says.
  template <class Say>
  verdict agreed(const plan& p, const sweep::numbered& numbers, Say&& say) {
    const bool sound = reference_.paired(numbers), right = sound && reference_.runs(numbers), met = !sound || !p.lowered || reference_.pairs_up(numbers);
    const fault alone = !sound ? fault::bad_pair : right ? fault::none : fault::deadlock;
    const verdict free = check(p, links::buffered), usual = check(p);
    const auto stands = [&](const verdict& v, fault due) {
      if (v.kind == due && (due == fault::none ? v.words.empty() : spoken(v) && placed(p, v)) && (due != fault::deadlock || closed(p, v.cycle))) return;
      std::ostringstream where;
      say(where);
      FAIL(where.str() << ", fault " << static_cast<int>(due) << " due: '" << v.words.str() << "'\n" << to_csv(p));
    };
    stands(free, alone);
    stands(usual, met ? alone : fault::mismatch);
    return usual;
  }

  /// The verdict on changed lists, which the argument refuses.
  verdict refused(const sweep::lists& rows, const char* how) {
    if (reference_.holds(reference_.numbers(rows, p_.passes))) FAIL("the argument takes a plan with an entry " << how);
    const plan p = laid_out(rows);
    const verdict v = check(p, links::buffered);
    if (v.ok()) FAIL("check takes a plan with an entry " << how << ":\n" << to_csv(p));
    if (!spoken(v)) FAIL(how << ": " << v.words.str());
    if (check(p).kind != v.kind) FAIL(how << ": another kind by default: " << check(p).words.str());
    return v;
  }

  /// Whether a pair that the change broke is to be told of first: passes come before messages, in the lists' order.
  bool broken_first(const verdict& v, const sweep::lists& rows, std::optional<place> before) {
    const std::optional<place> broken = broken_pair(rows);
    if (!broken || (before && (broken->rank > before->rank || (broken->rank == before->rank && broken->step >= before->step)))) return false;
    stand(v, fault::bad_pair, *broken, rows[broken->rank][broken->step]);
    ++n_.broken_pairs;
    return true;
  }

  /// Expects the fault at that entry, or what comes before it.
  void expect(const sweep::lists& rows, const char* how, fault due, std::size_t rank, std::size_t step, const action& a) {
    const verdict v = refused(rows, how);
    // At one entry, a bad place is told of before a bad pair, and that before a second time.
    const place before{rank, step + (due == fault::duplicate)};
    if (!broken_first(v, rows, a.is_message() ? std::nullopt : std::optional(before))) stand(v, due, {rank, step}, a);
  }

  void stand(const verdict& v, fault due, place where, const action& a) const {
    const std::string words = "rank " + std::to_string(where.rank) + " step " + std::to_string(where.step) + " (";
    if (v.kind != due || v.rank != static_cast<int>(where.rank) || v.step != static_cast<int>(where.step) || v.what != a ||
        v.words.str().find(words) == std::string_view::npos)
      FAIL(words << name_of(p_.passes, a).str() << "), fault " << static_cast<int>(due) << " due: " << v.words.str());
  }

  plan p_;
  sweep::lists rows_;
  sweep::paths paths_;
  sweep::numbered numbers_;
  sweep::truth reference_;
  counts& n_;
};

/// Orders thrown together: routes over some or all stages in any turn and on any ranks, passes in any order that runs,
/// fused or not, in pairs or not.
plan thrown_together(unsigned seed) {
  sweep::dice d(seed);
  draft made;
  const int ranks = d.between(1, 4);
  made.stage_count = d.between(1, 4), made.micro_batch_count = d.between(1, 3), made.slice_count = d.between(0, 3) == 0 ? 2 : 1;
  made.order_of.resize(static_cast<std::size_t>(ranks));
  for (int routes = d.between(1, 3); routes > 0; --routes) {
    std::vector<hop> way;
    for (int s = 0; s < made.stage_count; ++s) way.push_back({s, d.between(0, ranks - 1)});
    if (d.between(0, 2) == 0) std::swap(way.front(), way.back());
    if (way.size() > 1 && d.between(0, 2) == 0) way.pop_back();
    made.hops_of.push_back(way);
  }
  std::vector<action> left;
  for (int m = 0; m < made.micro_batch_count; ++m) {
    made.route_index.push_back(d.between(0, static_cast<int>(made.hops_of.size()) - 1));
    for (const hop& h : made.hops_of[static_cast<std::size_t>(made.route_index.back())])
      for (int q = 0; q < made.slice_count; ++q) {
        const bool fused = d.between(0, 1) == 0;
        left.push_back(action::forward(h.stage, m, q));
        left.push_back(fused ? action::backward(h.stage, m, q) : action::backward_input(h.stage, m, q));
        if (!fused) left.push_back(action::backward_weight(h.stage, m, q));
      }
  }
  const auto way_of = [&](const action& a) -> const std::vector<hop>& {
    return made.hops_of[static_cast<std::size_t>(made.route_index[static_cast<std::size_t>(a.micro_batch)])];
  };
  const auto rank_of = [&](const action& a) {
    return std::find_if(way_of(a).begin(), way_of(a).end(), [&](const hop& h) { return h.stage == a.stage; })->rank;
  };
  const auto done = [&](bool forward, bool weight, int stage, int m, int slice) {  // no longer among those left
    return std::none_of(left.begin(), left.end(), [&](const action& b) {
      return b.stage == stage && b.micro_batch == m && b.slice == slice && (b.pass == pass::forward) == forward && (b.pass == pass::backward_weight) == weight;
    });
  };
  const auto ready = [&](const action& a) {
    const std::vector<hop>& way = way_of(a);
    const auto h = std::find_if(way.begin(), way.end(), [&](const hop& one) { return one.stage == a.stage; });
    if (a.pass == pass::backward_weight) return done(false, false, a.stage, a.micro_batch, a.slice);
    if (a.pass == pass::forward)
      return (h == way.begin() || done(true, false, (h - 1)->stage, a.micro_batch, a.slice)) && (a.slice == 0 || done(true, false, a.stage, a.micro_batch, a.slice - 1));
    return done(true, false, a.stage, a.micro_batch, a.slice) && (h + 1 == way.end() || done(false, false, (h + 1)->stage, a.micro_batch, a.slice)) &&
           (a.slice + 1 == made.slice_count || done(false, false, a.stage, a.micro_batch, a.slice + 1));
  };
  while (!left.empty()) {
    std::vector<action> now;
    for (const action& a : left)
      if (ready(a)) now.push_back(a);
    const action first = now[static_cast<std::size_t>(d.between(0, static_cast<int>(now.size()) - 1))];
    std::vector<action> beside;
    for (const action& a : now)
      if (a != first && rank_of(a) == rank_of(first)) beside.push_back(a);
    std::vector<action>& list = made.order_of[static_cast<std::size_t>(rank_of(first))];
    std::vector<action> taken{first};
    if (!beside.empty() && d.between(0, 1) == 0) taken.push_back(beside[static_cast<std::size_t>(d.between(0, static_cast<int>(beside.size()) - 1))]);
    if (taken.size() == 2) list.push_back(first.with_next());
    list.push_back(taken.back());
    left.erase(std::remove_if(left.begin(), left.end(), [&](const action& a) { return a == taken.front() || a == taken.back(); }), left.end());
  }
  return make_plan(made);
}

struct made {
  plan order;
  std::string where;
};

/// The order of every schedule up to these sizes, and so many orders thrown together; 2 slices up to 3 micro-batches. A
/// schedule that asks for more micro-batches gets the fewest that it takes, and an order that another schedule or option
/// has made already isn't looked at again.
std::vector<made> plans_up_to(int most_ranks, int most_micro_batches, int most_chunks, int others) {
  std::vector<made> all;
  std::set<std::string> known;
  all_schedules::each([&](auto plain) {
    bool any = false;
    for (int p = 1; p <= most_ranks; ++p)
      for (int v = 1; v <= most_chunks; ++v)
        for (int q = 1; q <= 2; ++q) {
          bool taken = false;
          for (int m = 1; m <= most_micro_batches || (!taken && q == 1 && m <= 2 * p); ++m) {
            taken = taken || !refuses(plain, sizes{p, m, v, q});
            if ((p + 2 * m + v + q) % sweep::thin != 0 || (q > 1 && m > 3)) continue;
            sweep::each_option(plain, m, [&](const auto& s, const std::string& options) {
              const sizes z{p, m, v, q};
              if (refuses(s, z)) return;
              any = true;
              plan order = make_plan(s, z);
              if (known.insert(to_csv(order)).second) all.push_back({std::move(order), sweep::place(s.name, z, options)});
            });
          }
        }
    if (!any) FAIL(plain.name << " has no plan among these");
  });
  for (int seed = 0; seed < others; seed += sweep::thin)
    all.push_back({thrown_together(static_cast<unsigned>(seed)), "thrown together from seed " + std::to_string(seed)});
  return all;
}

/// Calls visit(bench) for the order and the program of all of them.
counts each_plan(int most_ranks, int most_micro_batches, int most_chunks, int others, void (*visit)(bench&)) {
  counts n;
  for (const made& one : plans_up_to(most_ranks, most_micro_batches, most_chunks, others)) {
    INFO(one.where);
    bench a(one.order, n);
    visit(a);
    bench b(lower(one.order), n);
    visit(b);
  }
  return n;
}

}  // namespace

TEST_CASE("a plan or program without one of its entries is refused, and the verdict names what is missing and where") {
  const counts n = each_plan(4, 6, 2, 100, [](bench& b) { b.remove(); });
  CHECK(n.removals > 25000 / sweep::scarce);
  CHECK(n.broken_pairs > 300 / sweep::scarce);
}

TEST_CASE("a plan or program with an entry twice, side by side or at the end, is refused at the second of the two") {
  CHECK(each_plan(4, 6, 2, 100, [](bench& b) { b.duplicate(); }).duplicates > 80000 / sweep::scarce);
}

TEST_CASE("an entry on another rank, at the head or at the end of its list, is refused there") {
  CHECK(each_plan(4, 6, 2, 100, [](bench& b) { b.move(); }).moves > 100000 / sweep::scarce);
}

TEST_CASE("an entry of a stage, micro-batch, slice, pass or peer that the plan doesn't have is refused where it stands") {
  CHECK(each_plan(4, 6, 2, 100, [](bench& b) { b.rename(); }).renamings > 250000 / sweep::scarce);
}

TEST_CASE("an entry that another one of the plan is written for is refused") {
  CHECK(each_plan(4, 6, 2, 100, [](bench& b) { b.mistake(); }).renamings > 150000 / sweep::scarce);
}

TEST_CASE("any two entries of a list swapped: check objects exactly where the waits have a circle, and by default where sends and receives cross") {
  const counts n = each_plan(4, 6, 2, 100, [](bench& b) { b.swap(); });
  CHECK(n.swaps > 200000 / sweep::scarce);
  CHECK(n.valid_swaps > 15000 / sweep::scarce);
  CHECK(n.crossed_swaps > 80000 / sweep::scarce);
  CHECK(n.broken_pairs > 5000 / sweep::scarce);
}

TEST_CASE("a pass in a pair with what stands behind it, or out of its pair: check objects where nothing stands there or the two wait for each other") {
  const counts n = each_plan(4, 6, 2, 300, [](bench& b) { b.pair(); });
  CHECK(n.pairings > 20000 / sweep::scarce);
  CHECK(n.valid_pairings > 8000 / sweep::scarce);
}

TEST_CASE("a fused pass in halves, or halves fused: check objects where a half comes too soon or too late") {
  const counts n = each_plan(4, 6, 2, 300, [](bench& b) { b.halve(); });
  CHECK(n.halvings > 20000 / sweep::scarce);
  CHECK(n.valid_halvings > 15000 / sweep::scarce);
}

TEST_CASE("any two entries of a list swapped, on up to 6 ranks with 3 chunks and 8 micro-batches", "[.nightly]") {
  CHECK(each_plan(6, 8, 3, 2000, [](bench& b) { b.swap(true); }).swaps > 1000000 / sweep::scarce);
}
