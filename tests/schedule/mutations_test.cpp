// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every single change to small plans and programs: an entry taken out, written twice, moved to another rank, renamed, or
// swapped with any other of its list. check must object exactly where an argument of its own says so: the entries are
// those that the schedule asks for, and their waits have no cycle (Kahn's algorithm on numbers, no walk of ranks).
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "sweep.hpp"

using namespace stretto;

namespace {

/// The lists of a changed plan as a schedule; stages stay round robin on the ranks, whoever names them.
struct changed {
  static constexpr const char* name = "changed";
  sweep::lists rows;
  graph kinds;
  bool is_program;

  graph passes(const sizes&) const { return kinds; }
  bool lowered() const { return is_program; }
  void order(const sizes&, int rank, auto&& put) const {
    for (const action& a : rows[static_cast<std::size_t>(rank)]) put(a);
  }
};

/// The independent argument. What an entry does is a number: its kind, stage, micro-batch and slice.
class truth {
 public:
  truth(const sizes& z, bool trains, bool is_program) : z_(z), trains_(trains) {
    const int stages = z.ranks * z.chunks;
    waits_.resize(static_cast<std::size_t>(6 * stages * z.micro_batches * z.slices));
    wanted_on_.assign(waits_.size(), -1);
    for (int s = 0; s < stages; ++s)
      for (int m = 0; m < z.micro_batches; ++m)
        for (int q = 0; q < z.slices; ++q) {
          const bool up = is_program && s + 1 < stages && z.ranks > 1, down = is_program && s > 0 && z.ranks > 1;
          const auto at = [&](what k, int stage) { return id(k, stage, m, q); };
          want(at(forward, s), s);
          if (up) want(at(send_forward, s), s), wait(at(send_forward, s), at(forward, s));
          if (down) want(at(receive_forward, s), s), wait(at(forward, s), at(receive_forward, s)), wait(at(forward, s), at(send_forward, s - 1));
          if (s > 0) wait(at(forward, s), at(forward, s - 1));
          if (q > 0) wait(at(forward, s), id(forward, s, m, q - 1));
          if (!trains) continue;
          want(at(backward, s), s);
          wait(at(backward, s), at(forward, s));
          if (down) want(at(send_backward, s), s), wait(at(send_backward, s), at(backward, s));
          if (up) want(at(receive_backward, s), s), wait(at(backward, s), at(receive_backward, s)), wait(at(backward, s), at(send_backward, s + 1));
          if (s + 1 < stages) wait(at(backward, s), at(backward, s + 1));
        }
  }

  /// The number of an entry, -1 if it is none of the schedule's.
  int number(const action& a, const graph& g) const {
    const int stages = z_.ranks * z_.chunks;
    if (a.stage < 0 || a.stage >= stages || a.micro_batch < 0 || a.micro_batch >= z_.micro_batches || a.slice >= z_.slices) return -1;
    if (!a.is_message()) {
      if (a.pass == pass::forward) return id(forward, a.stage, a.micro_batch, a.slice);
      return a.pass == pass::backward && trains_ ? id(backward, a.stage, a.micro_batch, a.slice) : -1;
    }
    if (a.pass >= g.edge_count) return -1;
    const bool send = a.kind == role::send, f = g.edges[a.pass].message == label("F");
    if (!f && !(g.edges[a.pass].message == label("B"))) return -1;
    if (a.peer != a.stage + (send == f ? 1 : -1)) return -1;
    return id(f ? (send ? send_forward : receive_forward) : (send ? send_backward : receive_backward), a.stage, a.micro_batch, a.slice);
  }

  /// Whether lists of numbers hold what is wanted, once and on the right rank, and nothing waits in a circle.
  bool holds(const std::vector<std::vector<int>>& rows) {
    missing_.assign(waits_.size(), -1);
    std::size_t entries = 0;
    next_.assign(waits_.size(), -1);
    for (std::size_t r = 0; r < rows.size(); ++r)
      for (std::size_t i = 0; i < rows[r].size(); ++i) {
        const int n = rows[r][i];
        if (n < 0 || wanted_on_[std::size_t(n)] != static_cast<int>(r) || missing_[std::size_t(n)] >= 0) return false;
        missing_[std::size_t(n)] = static_cast<int>(waits_[std::size_t(n)].size()) + (i > 0);
        if (i > 0) next_[std::size_t(rows[r][i - 1])] = n;
        ++entries;
      }
    if (entries != wanted_) return false;
    free_.clear();
    for (std::size_t n = 0; n < missing_.size(); ++n)
      if (missing_[n] == 0) free_.push_back(static_cast<int>(n));
    std::size_t done = 0;
    const auto release = [&](int n) {
      if (--missing_[std::size_t(n)] == 0) free_.push_back(n);
    };
    while (!free_.empty()) {
      const auto n = std::size_t(free_.back());
      free_.pop_back();
      ++done;
      for (const int m : frees(n)) release(m);
      if (next_[n] >= 0) release(next_[n]);
    }
    return done == entries;
  }

 private:
  enum what { forward, backward, send_forward, receive_forward, send_backward, receive_backward };

  int id(what k, int stage, int m, int q) const { return ((k * z_.ranks * z_.chunks + stage) * z_.micro_batches + m) * z_.slices + q; }
  void want(int n, int stage) { wanted_on_[std::size_t(n)] = stage % z_.ranks, ++wanted_; }
  void wait(int n, int on) { waits_[std::size_t(n)].push_back(on); }
  const std::vector<int>& frees(std::size_t n) {
    if (frees_.empty()) {
      frees_.resize(waits_.size());
      for (std::size_t i = 0; i < waits_.size(); ++i)
        for (const int on : waits_[i]) frees_[std::size_t(on)].push_back(static_cast<int>(i));
    }
    return frees_[n];
  }

  sizes z_;
  bool trains_;
  std::size_t wanted_ = 0;
  std::vector<int> wanted_on_;                 // rank, -1 where not wanted
  std::vector<std::vector<int>> waits_, frees_;
  std::vector<int> missing_, next_, free_;     // scratch
};

struct counts {
  long plans = 0, removals = 0, duplicates = 0, moves = 0, renamings = 0, swaps = 0, valid_swaps = 0;
};

/// One plan or program under all of its changes.
class bench {
 public:
  bench(const plan& p, const sizes& z, counts& c)
      : p_(p), z_(z), rows_(sweep::lists_of(p)), reference_(z, p.passes.has(pass::backward), p.lowered), n_(c) {
    for (const auto& row : rows_) {
      numbers_.emplace_back();
      for (const action& a : row) numbers_.back().push_back(reference_.number(a, p.passes));
    }
    ++n_.plans;
    if (!reference_.holds(numbers_)) FAIL("the argument refuses what the schedule makes");
    if (!check(p_, links::buffered).ok()) FAIL(check(p_, links::buffered).words.str());
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

  /// Swaps in place, so that thousands a plan are quick.
  void swap() {
    for (std::size_t r = 0; r < rows_.size(); ++r)
      for (std::size_t i = 0; i < rows_[r].size(); ++i)
        for (std::size_t j = i + 1; j < rows_[r].size(); ++j) {
          exchange(r, i, j);
          const bool right = reference_.holds(numbers_);
          const verdict v = check(p_, links::buffered);
          if (v.ok() != right)
            FAIL("rank " << r << " with " << i << " and " << j << " swapped: check says '" << v.words.str() << "', the argument " << (right ? "fine" : "a circle"));
          if (!right && (v.kind != fault::deadlock || v.cycle.empty() || !spoken(v) || v.step < 0)) FAIL(v.words.str());
          if (right && !v.words.empty()) FAIL(v.words.str());
          exchange(r, i, j);
          ++n_.swaps;
          n_.valid_swaps += right;
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

  bool spoken(const verdict& v) const {
    const auto words = v.words.str();
    return words.substr(0, 9) == "stretto: " && words.find("; ") != words.npos && v.rank >= 0 && v.rank < z_.ranks;
  }

  /// The verdict on changed lists, which the argument refuses.
  verdict refused(const sweep::lists& rows, const char* how) {
    std::vector<std::vector<int>> numbers;
    for (const auto& row : rows) {
      numbers.emplace_back();
      for (const action& a : row) numbers.back().push_back(reference_.number(a, p_.passes));
    }
    if (reference_.holds(numbers)) FAIL("the argument takes a plan with an entry " << how);
    const plan p = make_plan(changed{rows, p_.passes, p_.lowered}, z_);
    const verdict v = check(p, links::buffered);
    if (v.ok()) FAIL("check takes a plan with an entry " << how << ":\n" << to_csv(p));
    if (!spoken(v)) FAIL(how << ": " << v.words.str());
    if (check(p).kind != v.kind) FAIL(how << ": another kind by default: " << check(p).words.str());
    return v;
  }

  void expect(const verdict& v, fault due, std::size_t rank, std::size_t step, const action& a) const {
    if (v.kind != due || v.rank != static_cast<int>(rank) || v.step != static_cast<int>(step) || v.what != a)
      FAIL("rank " << rank << " step " << step << " (" << name_of(p_.passes, a).str() << "), fault " << static_cast<int>(due) << " due: " << v.words.str());
  }

  plan p_;
  sizes z_;
  sweep::lists rows_;
  std::vector<std::vector<int>> numbers_;
  truth reference_;
  counts& n_;
};

/// Calls visit(bench) for the order and the program of every schedule up to these sizes; 2 slices up to 3 micro-batches.
template <class Visit>
counts each_plan(int most_ranks, int most_micro_batches, int most_chunks, Visit&& visit) {
  counts n;
  all_schedules::each([&](auto s) {
    for (int p = 1; p <= most_ranks; ++p)
      for (int m = 1; m <= most_micro_batches; ++m)
        for (int v = 1; v <= most_chunks; ++v)
          for (int q = 1; q <= 2; ++q) {
            const sizes z{p, m, v, q};
            if (refuses(s, z) || (q > 1 && m > 3)) continue;
            INFO(sweep::place(s.name, z));
            const plan order = make_plan(s, z);
            const program lowered = lower(order);
            bench a(order, z, n);
            visit(a);
            bench b(lowered, z, n);
            visit(b);
          }
  });
  return n;
}

}  // namespace

TEST_CASE("a plan or program without one of its entries is refused, and the verdict names what is missing and where") {
  CHECK(each_plan(4, 6, 2, [](bench& b) { b.remove(); }).removals > 5000);
}

TEST_CASE("a plan or program with an entry twice, side by side or at the end, is refused at the second of the two") {
  CHECK(each_plan(4, 6, 2, [](bench& b) { b.duplicate(); }).duplicates > 15000);
}

TEST_CASE("an entry on another rank, at the head or at the end of its list, is refused there") {
  CHECK(each_plan(4, 6, 2, [](bench& b) { b.move(); }).moves > 15000);
}

TEST_CASE("an entry of a stage, micro-batch, slice, pass or peer that the plan doesn't have is refused where it stands") {
  CHECK(each_plan(4, 6, 2, [](bench& b) { b.rename(); }).renamings > 50000);
}

TEST_CASE("any two entries of a list swapped: check objects exactly where the waits have a circle") {
  const counts n = each_plan(4, 6, 2, [](bench& b) { b.swap(); });
  CHECK(n.swaps > 100000);
  CHECK(n.valid_swaps > 1000);
}

TEST_CASE("any two entries of a list swapped, on up to 6 ranks with 3 chunks and 8 micro-batches", "[.nightly]") {
  CHECK(each_plan(6, 8, 3, [](bench& b) { b.swap(); }).swaps > 1000000);
}
