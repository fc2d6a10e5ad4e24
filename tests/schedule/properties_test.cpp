// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every schedule of all_schedules on 1 to 8 ranks, 1 to 24 micro-batches, 1 to 4 chunks, 1 to 2 slices and with every
// choice of its options: where it has a plan, the plan is sound (check says so, and so does the argument of truth.hpp),
// weight passes have the order that is promised, and no costs make it faster than any order can be; where it refuses, the
// sizes that it names instead are taken.
#include <algorithm>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "sweep.hpp"
#include "truth.hpp"

using namespace stretto;

namespace {

std::size_t at(int n) { return static_cast<std::size_t>(n); }

/// Calls visit(schedule, sizes, options) for all sizes, whether the schedule takes them or not.
template <class Visit>
void each_size(Visit&& visit) {
  all_schedules::each([&](auto plain) {
    for (int p = 1; p <= 8; ++p)
      for (int m = 1 + p % sweep::thin; m <= 24; m += sweep::thin)
        for (int v = 1; v <= 4; ++v)
          for (int q = 1; q <= 2; ++q)
            sweep::each_option(plain, m + 1, [&](const auto& s, const std::string& options) { visit(s, sizes{p, m, v, q}, options); });
  });
}

/// A schedule that has a plan for some sizes.
struct planned {
  const char* name;
  sizes z;
  std::string options;
  bool descends;

  std::string where() const { return sweep::place(name, z, options); }
};

/// Calls visit(plan, planned) for all sizes and options that their schedule takes, but for those that `skips` says yes to;
/// `plain` are those without options. No template, since schedules are many.
void each_plan(const std::function<void(const plan&, const planned&)>& visit, const std::function<bool(const sizes&, bool plain)>& skips = {}) {
  each_size([&](const auto& s, const sizes& z, const std::string& options) {
    if (refuses(s, z) || (skips && skips(z, options.empty()))) return;
    const planned one{s.name, z, options, sweep::descends(s)};
    INFO(one.where());
    visit(make_plan(s, z), one);
  });
}

/// Where a schedule lays its stages, found by its first micro-batch's hops alone and written out here: one after another on the
/// ranks, round and round; down the ranks and up again; and with two directions the second half of the micro-batches from
/// the last rank to the first. A plan must lay all of its stages by one of these.
sweep::paths placement(const plan& p) {
  const auto lay = [&](bool on_v, bool mirrored) {
    sweep::paths all(at(p.micro_batches));
    for (int m = 0; m < p.micro_batches; ++m)
      for (int s = 0; s < p.stages; ++s) {
        int rank = s % p.ranks;
        if (on_v && s / p.ranks % 2 == 1) rank = p.ranks - 1 - rank;
        if (mirrored && 2 * m >= p.micro_batches) rank = p.ranks - 1 - rank;
        all[at(m)].push_back({s, rank});
      }
    return all;
  };
  const sweep::paths found = sweep::paths_of(p);
  for (const auto& known : {lay(true, false), lay(false, true)})
    if (found == known) return known;
  return lay(false, false);
}

/// Neighbouring stages that different ranks own, over all micro-batches.
std::int64_t hops_between_ranks(const sweep::paths& way) {
  std::int64_t count = 0;
  for (const auto& path : way)
    for (std::size_t h = 1; h < path.size(); ++h) count += path[h - 1].rank != path[h].rank;
  return count;
}

}  // namespace

TEST_CASE("every schedule's plan is accepted as an order and as a program, keeps its order when lowered, and has a message a hop there and back") {
  int plans = 0;
  sizes known{0};
  const char* name = "";
  std::optional<sweep::truth> of_order, of_program;  // of a schedule with `known` sizes, the same for all its options
  each_plan([&](const plan& p, const planned& one) {
    ++plans;
    const sizes& z = one.z;
    if (!check(p).ok() || !check(p, links::buffered).ok() || !check(p, links::per_edge).ok()) FAIL(check(p).words.str());
    const program q = lower(p);
    for (const link_model& links : {links::buffered, links::per_edge})
      if (const verdict v = check(q, links); !v.ok()) FAIL(v.words.str());
    if (sweep::without_messages(q) != sweep::lists_of(p)) FAIL("lowering changed the order of the passes");
    const bool trains = p.passes.has(pass::backward);
    const sweep::paths way = placement(p);
    if (sweep::paths_of(p) != way || sweep::paths_of(q) != way) FAIL("the stages lie on other ranks");
    if (z != known || name != one.name) {
      of_order.emplace(way, p.ranks, p.stages, p.slices, trains, false);
      of_program.emplace(way, p.ranks, p.stages, p.slices, trains, true);
      known = z, name = one.name;
    }
    const sweep::lists rows = sweep::lists_of(p);
    if (!of_order->holds(of_order->numbers(rows, p.passes))) FAIL("the rows hold something else than each pass once, or wait in a circle");
    const sweep::numbered entries = of_program->numbers(sweep::lists_of(q), q.passes);
    if (!of_program->holds(entries)) FAIL("the program's rows hold something else than each entry once, or wait in a circle");
    if (!of_program->pairs_up(entries)) FAIL("the program's sends and receives cross");
    const std::int64_t messages = (trains ? 2 : 1) * hops_between_ranks(way) * z.slices;
    if (simulate(p).messages != messages || simulate(q).messages != messages) FAIL("simulate counts " << simulate(p).messages << " messages, not " << messages);
    std::int64_t sends = 0, receives = 0;
    for (int r = 0; r < z.ranks; ++r)
      for (const action& a : q.order(r)) sends += a.kind == role::send, receives += a.kind == role::receive;
    if (sends != messages || receives != messages) FAIL(sends << " sends and " << receives << " receives, not " << messages);
    std::int64_t work = 0;  // a fused backward pass does two things
    for (const auto& row : rows)
      for (const action& a : row) work += a.pass == pass::backward ? 2 : 1;
    const std::int64_t due = static_cast<std::int64_t>(trains ? 3 : 1) * p.stages * z.micro_batches * z.slices;
    if (work != due) FAIL(work << " forward and backward halves, not " << due);
  });
  CHECK(plans > 10000 / sweep::scarce);
}

TEST_CASE("every schedule's plan and program come back from CSV as they were") {
  int texts = 0;
  // Above 8 micro-batches one choice of options in three is written, and always that of none.
  const auto skips = [turn = 0](const sizes& z, bool plain) mutable {
    return !plain && z.micro_batches > 8 && ++turn % 3 != 0;
  };
  each_plan([&](const plan& p, const planned&) {
    const program q = lower(p);
    for (const plan_view& one : {plan_view(p), plan_view(q)}) {
      const std::string text = to_csv(one);
      const csv_result r = read_csv(text, p.passes);
      if (!r.ok()) FAIL(std::string(r.sentence()));
      const plan again = make_plan(r.value);
      if (to_csv(again) != text) FAIL("another text");
      if (sweep::lists_of(again) != sweep::lists_of(one)) FAIL("other actions");
      if (sweep::paths_of(again) != sweep::paths_of(one)) FAIL("other routes");
      if (again.stages != one.stages || again.micro_batches != one.micro_batches || again.slices != one.slices) FAIL("other sizes");
      ++texts;
    }
  }, skips);
  CHECK(texts > 15000 / sweep::scarce);
}

TEST_CASE("on each rank the weight passes of a stage ascend, or descend where the schedule drains so, and what a forward takes they give back") {
  int plans = 0, split = 0, descending = 0;
  each_plan([&](const plan& p, const planned& one) {
    if (!p.passes.has(pass::backward)) return;
    ++plans;
    const bool down = one.descends;
    descending += down;
    bool any_split = false;
    for (const auto& row : sweep::lists_of(p)) {
      std::vector<int> last(at(p.stages), down ? p.micro_batches : -1);
      std::vector<int> forwards(at(p.stages), 0), inputs = forwards, weights = forwards;
      int held = 0;
      for (const action& a : row) {
        any_split = any_split || a.pass == pass::backward_weight;
        forwards[at(a.stage)] += a.pass == pass::forward;
        inputs[at(a.stage)] += a.pass == pass::backward || a.pass == pass::backward_input;
        weights[at(a.stage)] += a.pass == pass::backward || a.pass == pass::backward_weight;
        held += a.pass == pass::forward ? 1 : a.pass == pass::backward_input ? 0 : -1;
        if (a.pass == pass::forward || a.pass == pass::backward_input) continue;
        if (down ? a.micro_batch >= last[at(a.stage)] : a.micro_batch <= last[at(a.stage)]) FAIL("stage " << a.stage << ", micro-batch " << a.micro_batch << " out of turn");
        last[at(a.stage)] = a.micro_batch;
      }
      if (forwards != inputs || forwards != weights || held != 0) FAIL("a rank does other numbers of forward and backward passes of a stage");
    }
    split += any_split;
  });
  CHECK(plans > 10000 / sweep::scarce);
  CHECK(split > 1500 / sweep::scarce);
  CHECK(descending > 500 / sweep::scarce);
}

namespace {

/// Uneven costs of a plan, and what follows from them and the routes alone: how soon a plan can end, whatever its order.
class toll {
 public:
  costs prices;

  toll(const plan& p, sweep::dice& d, bool even) : p_(p), way_(sweep::paths_of(p)), rows_(sweep::lists_of(p)), owned_(at(p.ranks), 1) {
    latency_ = even ? 0 : d.between(0, 2) * d.between(0.0, 0.5);
    prices.latency = latency_;
    for (int k = 0; k < (trains() ? 3 : 1); ++k) {
      of_rank_[k].resize(at(p.ranks)), of_stage_[k].assign(at(p.stages), -1);
      for (int r = 0; r < p.ranks; ++r) set(scope::rank, r, k, even ? 1 : d.between(0.1, 2.0));
      for (int s = 0; s < p.stages; ++s)
        if (!even && d.between(0, 5) == 0) set(scope::stage, s, k, d.between(0.1, 2.0));
    }
    for (const auto& path : way_) {
      std::vector<int> here(at(p.ranks), 0);
      for (const hop& h : path) owned_[at(h.rank)] = std::max(owned_[at(h.rank)], ++here[at(h.rank)]);
    }
    fused_.assign(at(p.micro_batches * p.stages), 0);
    for (const auto& row : rows_)
      for (const action& a : row) fused_[at(a.micro_batch * p.stages + a.stage)] |= a.pass == pass::backward;
  }

  /// The costs with one of them dearer, the last of which is the latency.
  std::int64_t count() const { return prices.specials.size() + 1; }
  costs dearer(std::int64_t n, double by) const {
    costs c = prices;
    (n == prices.specials.size() ? c.latency : c.specials[n].cost) += by;
    return c;
  }

  /// What the whole plan costs on its ranks, summed up.
  double work() const {
    double sum = 0;
    for (const auto& path : way_)
      for (const hop& h : path) sum += p_.slices * (cost(h, 0) + (trains() ? cost(h, 1) + cost(h, 2) : 0));
    return sum;
  }

  /// The most that a rank's list holds at once, in forward passes, counted off the list.
  int held(int rank) const {
    int now = 0, most = 0, later = 0;
    for (const action& a : rows_[at(rank)]) {
      now += a.pass == pass::forward;
      most = std::max(most, now);
      later += !trains() || a.pass == pass::backward || a.pass == pass::backward_weight;
      if (a.kind == role::run) now -= later, later = 0;  // a pair lets go at its end
    }
    return most;
  }

  /// The latest of the lower bounds of the makespan.
  double bound() const {
    double most = 0;
    for (int r = 0; r < p_.ranks; ++r) {
      // A rank begins when the first micro-batch can have come to it, does its work, and ends when what it ends with has gone back.
      double head = -1, tail_fused = -1, tail = -1, work = 0, urgent = 0, lives = 0;
      bool all_fused = true;
      for (int m = 0; m < p_.micro_batches; ++m) {
        const auto& path = way_[at(m)];
        double down = 0, up = 0;  // from the route's begin, and back there
        for (std::size_t h = 0; h < path.size(); ++h) {
          const double latency = h + 1 < path.size() && path[h + 1].rank != path[h].rank ? latency_ : 0;
          if (path[h].rank == r) {
            const double f = cost(path[h], 0), i = trains() ? cost(path[h], 1) : 0, w = trains() ? cost(path[h], 2) : 0;
            const bool fused = fused_[at(m * p_.stages + path[h].stage)] != 0, first_fused = fused_[at(m * p_.stages + path[0].stage)] != 0;
            const double weights_at_first = !trains() || first_fused ? 0 : cost(path[0], 2);
            all_fused = all_fused && (fused || !trains());
            head = least(head, down), tail_fused = least(tail_fused, up), tail = least(tail, up + weights_at_first);
            work += p_.slices * (f + i + w);
            urgent += p_.slices * (f + i + (fused ? w : 0));
            lives += p_.slices * (trains() ? round_trip(m, h) + i + w : 0) + p_.slices * f;
          }
          down += cost(path[h], 0) + latency;
          if (trains()) up += critical(m, path[h]) + latency;
        }
      }
      if (head < 0) continue;
      most = std::max({most, head + work, lives / held(r)});
      if (trains()) most = std::max({most, head + urgent + tail, all_fused ? head + work + tail_fused : 0.0});
    }
    return most;
  }

 private:
  static double least(double a, double b) { return a < 0 || b < a ? b : a; }
  bool trains() const { return p_.passes.has(pass::backward); }

  void set(scope of, int index, int k, double cost) {
    (of == scope::rank ? of_rank_ : of_stage_)[k][at(index)] = cost;
    prices.specials.push_back({of, index, static_cast<pass_id>(k), cost});
  }

  /// Of a slice, on a hop.
  double cost(const hop& h, int k) const {
    if (of_stage_[k][at(h.stage)] >= 0) return of_stage_[k][at(h.stage)] / p_.slices;
    return of_rank_[k][at(h.rank)] / (owned_[at(h.rank)] * p_.slices);
  }

  /// What holds up the backward pass of the stage before.
  double critical(int m, const hop& h) const { return cost(h, 1) + (fused_[at(m * p_.stages + h.stage)] != 0 ? cost(h, 2) : 0); }

  /// From the end of a forward pass on hop h until its gradient has come back.
  double round_trip(int m, std::size_t h) const {
    const auto& path = way_[at(m)];
    double sum = 0;
    for (; h + 1 < path.size(); ++h)
      sum += cost(path[h + 1], 0) + critical(m, path[h + 1]) + (path[h].rank != path[h + 1].rank ? 2 * latency_ : 0);
    return sum;
  }

  const plan& p_;
  sweep::paths way_;
  sweep::lists rows_;
  std::vector<int> owned_;
  std::vector<char> fused_;  // by micro-batch and stage
  std::vector<double> of_rank_[3], of_stage_[3];
  double latency_ = 0;
};

}  // namespace

TEST_CASE("no plan ends before its lower bounds, whatever its passes cost, and some end there") {
  int plans = 0, met = 0, met_evenly = 0;
  sweep::dice d(11);
  const auto skips = [](const sizes& z, bool) { return z.micro_batches > 12 && (z.ranks + z.micro_batches + z.chunks) % 5 != 0; };
  each_plan([&](const plan& p, const planned&) {
    for (const bool even : {false, true}) {
      const toll t(p, d, even);
      const forecast f = simulate(p, t.prices, holding(), {.record = true});
      const double bound = t.bound(), rounding = 1e-9 * bound;
      if (f.makespan < bound - rounding) FAIL("it ends at " << f.makespan << ", before " << bound);
      (even ? met_evenly : met) += f.makespan <= bound + rounding;
      for (int r = 0; r < p.ranks; ++r)
        if (f.peak_of[r] * p.borrow().chunks(r) * p.slices != t.held(r)) FAIL("rank " << r << " holds " << f.peak_of[r] << ", counted " << t.held(r));
      double busy = 0;
      for (int r = 0; r < p.ranks; ++r)
        for (std::int64_t i = p.rows[r]; i < p.rows[r + 1]; ++i)
          if (i == p.rows[r] || p.actions[i - 1].kind != role::run_with_next) busy += f.ends[i] - f.starts[i];  // a pair once
      if (busy < t.work() * (1 - 1e-9) || busy > t.work() * (1 + 1e-9)) FAIL("its ranks work for " << busy << ", not " << t.work());
    }
    ++plans;
  }, skips);
  CHECK(plans > 5000 / sweep::scarce);
  CHECK(met > 1500 / sweep::scarce);
  CHECK(met_evenly > 4000 / sweep::scarce);
}

TEST_CASE("known plans end at their lower bound") {
  sweep::dice d(1);
  const auto ends = [&](const plan& p) {
    const toll t(p, d, true);
    const double end = simulate(p, t.prices).makespan;
    CHECK(end == Approx(t.bound()));
    return end;
  };
  CHECK(ends(make_plan(gpipe{}, {.ranks = 4, .micro_batches = 8})) == Approx(33));
  CHECK(ends(make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8})) == Approx(33));
  CHECK(ends(make_plan(zb_h1{}, {.ranks = 4, .micro_batches = 8})) == Approx(27));
}

TEST_CASE("no plan ends sooner where a pass or a message costs more") {
  long raised = 0, later = 0;
  sweep::dice d(12);
  const auto skips = [](const sizes& z, bool plain) {
    return !plain || z.micro_batches > 6 + z.ranks || (z.ranks + 2 * z.micro_batches + z.chunks) % 4 != 0;
  };
  each_plan([&](const plan& p, const planned&) {
    const toll t(p, d, false);
    const double before = simulate(p, t.prices).makespan;
    for (std::int64_t n = 0; n < t.count(); ++n) {
      const double after = simulate(p, t.dearer(n, d.between(0.01, 1.0))).makespan;
      if (after < before) FAIL("cost " << n << ": " << after << " after " << before);
      later += after > before;
      ++raised;
    }
  }, skips);
  CHECK(raised > 8000 / sweep::scarce);
  CHECK(later > 6000 / sweep::scarce);
}

TEST_CASE("what refuses says no to, make_plan throws as a sentence") {
  int refused = 0;
  each_size([&](auto s, const sizes& z, const std::string& options) {
    const refusal no = refuses(s, z);
    if (!no || z.micro_batches > 8) return;
    ++refused;
    INFO(sweep::place(s.name, z, options));
    std::string words;
    try {
      (void)make_plan(s, z);
    } catch (const error& e) {
      words = e.what();
    }
    if (words.rfind("stretto: " + std::string(s.name) + " has no plan for ", 0) != 0) FAIL("'" << words << "'");
    if (words.find(" = " + std::to_string(no.given) + ": ") == std::string::npos) FAIL("'" << words << "'");
  });
  CHECK(refused > 1000 / sweep::scarce);
}

TEST_CASE("the sizes below and above that a refusal names have a plan") {
  int numbers = 0, wrong = 0;
  std::string first;
  each_size([&](auto s, const sizes& z, const std::string& options) {
    const refusal no = refuses(s, z);
    if (!no) return;
    for (const long long better : {no.below, no.above}) {
      if (better < 0) continue;
      ++numbers;
      auto other = s;
      sizes y = z;
      const int n = static_cast<int>(better);
      switch (no.which) {
        case size_name::ranks: y.ranks = n; break;
        case size_name::micro_batches: y.micro_batches = n; break;
        case size_name::chunks: y.chunks = n; break;
        case size_name::slices: y.slices = n; break;
        case size_name::option:
          if (no.what != nullptr) sweep::set_option(other, no.what, n);
          break;
      }
      // A size may be refused for another reason then (both chunks and slices too many), but never for the same one.
      const refusal then = refuses(other, y);
      if (!then || (then.which != no.which && (no.which == size_name::chunks || no.which == size_name::slices))) continue;
      if (wrong++ == 0) first = sweep::place(s.name, z, options) + ": " + sentence(s.name, no).c_str() + ", but " + sentence(s.name, then).c_str();
    }
  });
  INFO(first);
  CHECK(wrong == 0);
  CHECK(numbers > 1000 / sweep::scarce);
}

TEST_CASE("a rest smaller than the ranks deadlocks interleaved 1f1b only where group + rest is at most 2P - 3, and with 2 chunks only from a rest of 2 on") {
  // Asked of the generator itself, past its refusal: P ranks, V of at least 2 chunks, groups of N from P, 0 < rest < P.
  int deadlocks = 0, others = 0;
  for (int p = 2; p <= 8; ++p)
    for (int m = p + 1; m <= 24; ++m)
      for (int v = 2; v <= 4; ++v) {
        const sizes z{p, m, v};
        std::optional<sweep::truth> argument;
        for (int group = p; group <= m; ++group) {
          const int rest = m % group;
          if (rest == 0 || rest >= p) continue;
          const interleaved_one_f_one_b s{group};
          INFO(sweep::place(s.name, z, group));
          if (!refuses(s, z)) FAIL("not refused");
          draft d;
          d.order_of.resize(static_cast<std::size_t>(p));
          for (int r = 0; r < p; ++r) s.order(z, r, [&](const action& a) { d.order_of[static_cast<std::size_t>(r)].push_back(a); });
          const plan made = make_plan(d);
          const verdict found = check(made);
          const bool stuck = group + rest <= 2 * p - 3 && (rest >= 2 || v >= 3);
          (stuck ? deadlocks : others) += 1;
          if (!argument) argument.emplace(placement(made), p, p * v, 1, true, false);
          const sweep::numbered entries = argument->numbers(d.order_of, made.passes);
          if (!argument->complete(entries) || argument->runs(entries) == stuck) FAIL("the argument says otherwise");
          if (found.kind != (stuck ? fault::deadlock : fault::none)) FAIL(found.words.str());
          if (!stuck) continue;
          if (found.cycle.size() < 2 || found.words.str().find("stretto: deadlock: rank ") != 0) FAIL(found.words.str());
          const auto refusal_of = [](auto&& act) -> std::string {
            try {
              act();
            } catch (const error& e) {
              return e.what();
            }
            return "";
          };
          if (refusal_of([&] { (void)lower(made); }) != found.words.str()) FAIL("lower takes it, or says something else");
          if (refusal_of([&] { (void)simulate(made); }) != found.words.str()) FAIL("simulate takes it, or says something else");
        }
      }
  CHECK(deadlocks == 217);
  CHECK(others == 1841);
}

TEST_CASE("groups mean nothing to interleaved 1f1b with 1 chunk: the order is that of rounds, whatever the rest") {
  for (int p = 1; p <= 8; ++p)
    for (int m = p; m <= 24; ++m)
      for (int group = p; group <= m; ++group) {
        const sizes z{p, m};
        INFO(sweep::place("interleaved_1f1b", z, group));
        for (int r = 0; r < p; ++r) {
          std::vector<action> rounds, groups;
          interleaved_one_f_one_b{}.order(z, r, [&](const action& a) { rounds.push_back(a); });
          interleaved_one_f_one_b{group}.order(z, r, [&](const action& a) { groups.push_back(a); });
          if (rounds != groups) FAIL("another order on rank " << r);
        }
      }
}
