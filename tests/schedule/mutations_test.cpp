// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every single change to small plans and programs: an entry taken out, written twice, moved to another rank, renamed, or
// swapped with any other of its list. check must object exactly where truth.hpp does, name the place, and give as the
// reason of a deadlock a ring of ranks that does stand in the lists.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "sweep.hpp"
#include "truth.hpp"

using namespace stretto;

namespace {

/// The lists of a changed plan as a schedule; stages stay round robin on the ranks, whoever names them.
struct changed {
  static constexpr const char* name = "changed";
  sweep::lists rows;
  graph kinds;
  bool is_program;

  graph passes(const sizes&) const { return kinds; }
  void order(const sizes&, int rank, auto&& put) const {
    for (const action& a : rows[static_cast<std::size_t>(rank)]) put(a);
  }
};

struct counts {
  long plans = 0, removals = 0, duplicates = 0, moves = 0, renamings = 0, swaps = 0, valid_swaps = 0, crossed_swaps = 0;
};

/// One plan or program under all of its changes.
class bench {
 public:
  bench(const plan& p, const sizes& z, counts& c)
      : p_(p), z_(z), rows_(sweep::lists_of(p)), reference_(z, p.passes.has(pass::backward), p.lowered), n_(c) {
    numbers_ = reference_.numbers(rows_, p_.passes);
    ++n_.plans;
    if (!reference_.holds(numbers_) || !reference_.pairs_up(numbers_)) FAIL("the argument refuses what the schedule makes");
    if (!check(p_).ok() || !check(p_, links::buffered).ok()) FAIL(check(p_).words.str());
  }

  void remove() {
    each_entry([&](std::size_t r, std::size_t i, const action& a) {
      sweep::lists rows = rows_;
      rows[r].erase(rows[r].begin() + static_cast<std::ptrdiff_t>(i));
      const verdict v = refused(rows, "without");
      const fault due = !a.is_message() ? fault::missing : a.kind == role::send ? fault::missing_send : fault::missing_receive;
      // A fused backward pass is missed by its first half.
      const pass_id named = a.is_message() || a.pass != pass::backward ? a.pass : pass::backward_input;
      if (v.kind != due || v.rank != static_cast<int>(r) || v.what.pass != named || v.what.stage != a.stage || v.what.micro_batch != a.micro_batch ||
          v.what.slice != a.slice || v.what.is_message() != a.is_message() || (a.is_message() && v.what != a))
        FAIL("without rank " << r << " step " << i << ": " << v.words.str());
      ++n_.removals;
    });
  }

  void duplicate() {
    each_entry([&](std::size_t r, std::size_t i, const action& a) {
      for (const std::size_t to : {i, i + 1, rows_[r].size()}) {
        sweep::lists rows = rows_;
        rows[r].insert(rows[r].begin() + static_cast<std::ptrdiff_t>(to), a);
        const std::size_t later = to == i ? i + 1 : to;
        expect(refused(rows, "twice"), fault::duplicate, r, later, a);
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
          rows[r].erase(rows[r].begin() + static_cast<std::ptrdiff_t>(i));
          rows[other].insert(rows[other].begin() + static_cast<std::ptrdiff_t>(to), a);
          expect(refused(rows, "moved"), fault::wrong_rank, other, to, a);
          ++n_.moves;
        }
      }
    });
  }

  void rename() {
    const int stages = z_.ranks * z_.chunks;
    each_entry([&](std::size_t r, std::size_t i, const action& a) {
      const auto instead = [&](const action& b, fault due) {
        sweep::lists rows = rows_;
        rows[r][i] = b;
        expect(refused(rows, "renamed"), due, r, i, b);
        ++n_.renamings;
      };
      for (const int stage : {-1, stages, 2147483647, -2147483647 - 1}) {
        action b = a;
        b.stage = stage;
        instead(b, fault::out_of_range);
      }
      for (const int m : {-1, z_.micro_batches, 2147483647}) {
        action b = a;
        b.micro_batch = m;
        instead(b, fault::out_of_range);
      }
      for (const int slice : {z_.slices, 65535}) {
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
      for (const int peer : {-1, stages, a.stage, 2147483647}) {
        action b = a;
        b.peer = peer;
        instead(b, fault::needless_message);
      }
    });
  }

  /// Every entry as another one of the same plan, which then stands twice, on a wrong rank or half.
  void mistake() {
    const int stages = z_.ranks * z_.chunks;
    each_entry([&](std::size_t r, std::size_t i, const action& a) {
      const auto instead = [&](const action& b, fault due) {
        sweep::lists rows = rows_;
        rows[r][i] = b;
        const verdict v = refused(rows, "mistaken");
        if (due != fault::none && v.kind != due) FAIL("rank " << r << " step " << i << " as " << name_of(p_.passes, b).str() << ": " << v.words.str());
        ++n_.renamings;
      };
      action b = a;
      for (b.micro_batch = 0; b.micro_batch < z_.micro_batches; ++b.micro_batch)
        if (b.micro_batch != a.micro_batch) instead(b, fault::duplicate);
      b = a;
      for (b.stage = 0; b.stage < stages; ++b.stage) {
        const bool here = b.stage % z_.ranks == a.stage % z_.ranks;
        if (b.stage != a.stage) instead(b, a.is_message() ? fault::needless_message : here ? fault::duplicate : fault::wrong_rank);
      }
      b = a;
      for (int slice = 0; slice < z_.slices; ++slice) {
        b.slice = static_cast<std::uint16_t>(slice);
        if (b.slice != a.slice) instead(b, fault::duplicate);
      }
      b = a;
      if (a.is_message()) {
        for (b.peer = 0; b.peer < stages; ++b.peer)
          if (b.peer != a.peer) instead(b, fault::needless_message);
        b = a;
        b.kind = a.kind == role::send ? role::receive : role::send;
        instead(b, fault::none);
      } else if (a.pass == pass::backward) {
        for (const pass_id half : {pass::backward_input, pass::backward_weight}) {
          b.pass = half;
          instead(b, fault::missing);
        }
        b.pass = pass::forward;
        instead(b, fault::duplicate);
      } else if (p_.passes.has(pass::backward)) {
        b.pass = pass::backward;
        instead(b, fault::duplicate);
      }
    });
  }

  /// Swaps in place, so that thousands a plan are quick.
  void swap() {
    for (std::size_t r = 0; r < rows_.size(); ++r)
      for (std::size_t i = 0; i < rows_[r].size(); ++i)
        for (std::size_t j = i + 1; j < rows_[r].size(); ++j) {
          exchange(r, i, j);
          const bool right = reference_.runs(numbers_), paired = reference_.pairs_up(numbers_);
          const verdict free = check(p_, links::buffered), usual = check(p_);
          const auto stands = [&](const verdict& v, fault due) {
            if (v.kind == due && (due == fault::none ? v.words.empty() : spoken(v) && placed(v)) && (due != fault::deadlock || closed(v.cycle))) return;
            FAIL("rank " << r << " with " << i << " and " << j << " swapped, fault " << static_cast<int>(due) << " due: '" << v.words.str() << "'");
          };
          stands(free, right ? fault::none : fault::deadlock);
          stands(usual, !paired ? fault::mismatch : right ? fault::none : fault::deadlock);
          exchange(r, i, j);
          ++n_.swaps;
          n_.valid_swaps += right;
          n_.crossed_swaps += !paired;
        }
  }

 private:
  template <class Visit>
  void each_entry(Visit&& visit) {
    for (std::size_t r = 0; r < rows_.size(); ++r)
      for (std::size_t i = 0; i < rows_[r].size(); ++i) visit(r, i, rows_[r][i]);
  }

  void exchange(std::size_t r, std::size_t i, std::size_t j) {
    const std::int64_t row = p_.rows[static_cast<std::int64_t>(r)];
    std::swap(p_.actions[row + static_cast<std::int64_t>(i)], p_.actions[row + static_cast<std::int64_t>(j)]);
    std::swap(numbers_[r][i], numbers_[r][j]);
  }

  /// A sentence that names the rank and says what to do.
  bool spoken(const verdict& v) const {
    const std::string_view words = v.words.str();
    return v.rank >= 0 && v.rank < z_.ranks && words.substr(0, 9) == "stretto: " && words.find("; ") != words.npos &&
           words.find("rank " + std::to_string(v.rank) + " ") != words.npos;
  }

  /// Whether the entry of a verdict or of a wait stands where it says.
  template <class Found>
  bool placed(const Found& v) const {
    const view<const action> list = p_.order(v.rank);
    return v.step >= 0 && v.step < list.count && list[v.step] == v.what;
  }

  /// Whether each rank of a deadlock waits for the next and the last for the first, from where they stand.
  bool closed(const grow_array<wait>& cycle) const {
    for (std::int64_t i = 0; i < cycle.size(); ++i)
      if (cycle[i].on_rank != cycle[i + 1 < cycle.size() ? i + 1 : 0].rank || !placed(cycle[i])) return false;
    return !cycle.empty();
  }

  /// The verdict on changed lists, which the argument refuses.
  verdict refused(const sweep::lists& rows, const char* how) {
    if (reference_.holds(reference_.numbers(rows, p_.passes))) FAIL("the argument takes a plan with an entry " << how);
    const plan p = make_plan(changed{rows, p_.passes, p_.lowered}, z_);
    const verdict v = check(p, links::buffered);
    if (v.ok()) FAIL("check takes a plan with an entry " << how << ":\n" << to_csv(p));
    if (!spoken(v)) FAIL(how << ": " << v.words.str());
    if (check(p).kind != v.kind) FAIL(how << ": another kind by default: " << check(p).words.str());
    return v;
  }

  void expect(const verdict& v, fault due, std::size_t rank, std::size_t step, const action& a) const {
    const std::string place = "rank " + std::to_string(rank) + " step " + std::to_string(step) + " (";
    if (v.kind != due || v.rank != static_cast<int>(rank) || v.step != static_cast<int>(step) || v.what != a || v.words.str().find(place) == std::string_view::npos)
      FAIL("rank " << rank << " step " << step << " (" << name_of(p_.passes, a).str() << "), fault " << static_cast<int>(due) << " due: " << v.words.str());
  }

  plan p_;
  sizes z_;
  sweep::lists rows_;
  sweep::numbered numbers_;
  sweep::truth reference_;
  counts& n_;
};

/// Calls visit(schedule, group) for a schedule and for it with each of its options: every group, the other drain order.
template <class S, class Visit>
void each_option(const S& s, const sizes& z, Visit&& visit) {
  visit(s, 0);
  S other = s;
  if constexpr (sweep::takes_group<S>)
    for (int group = z.ranks; group <= z.micro_batches && z.chunks > 1; ++group) {
      other.group = group;
      visit(other, group);
    }
  if constexpr (requires { other.drain; }) {
    other.drain = drain_order::descending;
    visit(other, 0);
  }
}

/// Calls visit(bench) for the order and the program of every schedule up to these sizes; 2 slices up to 3 micro-batches.
template <class Visit>
counts each_plan(int most_ranks, int most_micro_batches, int most_chunks, Visit&& visit) {
  counts n;
  all_schedules::each([&](auto plain) {
    for (int p = 1; p <= most_ranks; ++p)
      for (int m = 1; m <= most_micro_batches; ++m)
        for (int v = 1; v <= most_chunks; ++v)
          for (int q = 1; q <= 2; ++q) {
            if ((p + 2 * m + v + q) % sweep::thin != 0) continue;
            const sizes z{p, m, v, q};
            each_option(plain, z, [&](const auto& s, int group) {
              if (refuses(s, z) || (q > 1 && m > 3)) return;
              INFO(sweep::place(s.name, z, group));
              const plan order = make_plan(s, z);
              const program lowered = lower(order);
              bench a(order, z, n);
              visit(a);
              bench b(lowered, z, n);
              visit(b);
            });
          }
  });
  return n;
}

}  // namespace

TEST_CASE("a plan or program without one of its entries is refused, and the verdict names what is missing and where") {
  CHECK(each_plan(4, 6, 2, [](bench& b) { b.remove(); }).removals > 5000 / sweep::scarce);
}

TEST_CASE("a plan or program with an entry twice, side by side or at the end, is refused at the second of the two") {
  CHECK(each_plan(4, 6, 2, [](bench& b) { b.duplicate(); }).duplicates > 15000 / sweep::scarce);
}

TEST_CASE("an entry on another rank, at the head or at the end of its list, is refused there") {
  CHECK(each_plan(4, 6, 2, [](bench& b) { b.move(); }).moves > 15000 / sweep::scarce);
}

TEST_CASE("an entry of a stage, micro-batch, slice, pass or peer that the plan doesn't have is refused where it stands") {
  CHECK(each_plan(4, 6, 2, [](bench& b) { b.rename(); }).renamings > 50000 / sweep::scarce);
}

TEST_CASE("an entry that another one of the plan is written for is refused") {
  CHECK(each_plan(4, 6, 2, [](bench& b) { b.mistake(); }).renamings > 50000 / sweep::scarce);
}

TEST_CASE("any two entries of a list swapped: check objects exactly where the waits have a circle, and by default where sends and receives cross") {
  const counts n = each_plan(4, 6, 2, [](bench& b) { b.swap(); });
  CHECK(n.swaps > 100000 / sweep::scarce);
  CHECK(n.valid_swaps > 1000 / sweep::scarce);
  CHECK(n.crossed_swaps > 1000 / sweep::scarce);
}

TEST_CASE("any two entries of a list swapped, on up to 6 ranks with 3 chunks and 8 micro-batches", "[.nightly]") {
  CHECK(each_plan(6, 8, 3, [](bench& b) { b.swap(); }).swaps > 1000000 / sweep::scarce);
}
