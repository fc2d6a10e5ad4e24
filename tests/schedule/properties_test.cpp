// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every schedule of all_schedules on 1 to 8 ranks, 1 to 24 micro-batches, 1 to 4 chunks, 1 to 2 slices and every group:
// where it has a plan, the plan is sound (check says so, and so does the argument of truth.hpp), and where it refuses,
// the sizes that it names instead are taken.
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

/// Calls visit(schedule, sizes, group) for all sizes, whether the schedule takes them or not.
template <class Visit>
void each_size(Visit&& visit) {
  all_schedules::each([&](auto s) {
    for (int p = 1; p <= 8; ++p)
      for (int m = 1 + p % sweep::thin; m <= 24; m += sweep::thin)
        for (int v = 1; v <= 4; ++v)
          for (int q = 1; q <= 2; ++q) {
            const sizes z{p, m, v, q};
            visit(s, z, 0);
            if constexpr (sweep::takes_group<decltype(s)>)
              for (int group = 1; group <= m + 1; ++group) {
                auto grouped = s;
                grouped.group = group;
                visit(grouped, z, group);
              }
          }
  });
}

/// The neighbouring stages that different ranks own.
int hops_between_ranks(const sizes& z) {
  int count = 0;
  for (int s = 0; s + 1 < z.ranks * z.chunks; ++s) count += s % z.ranks != (s + 1) % z.ranks;
  return count;
}

}  // namespace

TEST_CASE("every schedule's plan is accepted as an order and as a program, keeps its order when lowered, and has a message a hop there and back") {
  int plans = 0;
  sizes known{0};
  std::optional<sweep::truth> of_order, of_program;  // of `known` sizes, the same for every group
  each_size([&](auto s, const sizes& z, int group) {
    if (refuses(s, z)) return;
    ++plans;
    INFO(sweep::place(s.name, z, group));
    const plan p = make_plan(s, z);
    if (!check(p).ok() || !check(p, links::buffered).ok() || !check(p, links::per_edge).ok()) FAIL(check(p).words.str());
    const program q = lower(p);
    for (const link_model& links : {links::buffered, links::per_edge})
      if (const verdict v = check(q, links); !v.ok()) FAIL(v.words.str());
    if (sweep::without_messages(q) != sweep::lists_of(p)) FAIL("lowering changed the order of the passes");
    const bool trains = p.passes.has(pass::backward);
    if (z != known || group == 0) {
      of_order.emplace(z, trains, false);
      of_program.emplace(z, trains, true);
      known = z;
    }
    if (!of_order->holds(of_order->numbers(sweep::lists_of(p), p.passes))) FAIL("the rows hold something else than each pass once, or wait in a circle");
    const sweep::numbered entries = of_program->numbers(sweep::lists_of(q), q.passes);
    if (!of_program->holds(entries)) FAIL("the program's rows hold something else than each entry once, or wait in a circle");
    if (!of_program->pairs_up(entries)) FAIL("the program's sends and receives cross");
    const std::int64_t messages = static_cast<std::int64_t>(trains ? 2 : 1) * hops_between_ranks(z) * z.micro_batches * z.slices;
    if (simulate(p).messages != messages || simulate(q).messages != messages) FAIL("simulate counts " << simulate(p).messages << " messages, not " << messages);
    std::int64_t sends = 0, receives = 0;
    for (int r = 0; r < z.ranks; ++r)
      for (const action& a : q.order(r)) sends += a.kind == role::send, receives += a.kind == role::receive;
    if (sends != messages || receives != messages) FAIL(sends << " sends and " << receives << " receives, not " << messages);
    const std::int64_t passes = static_cast<std::int64_t>(trains ? 2 : 1) * z.ranks * z.chunks * z.micro_batches * z.slices;
    if (static_cast<std::int64_t>(p.actions.size()) != passes) FAIL(p.actions.size() << " passes, not " << passes);
  });
  CHECK(plans > 5000 / sweep::scarce);
}

TEST_CASE("every schedule's plan and program come back from CSV as they were") {
  int texts = 0;
  each_size([&](auto s, const sizes& z, int group) {
    if (refuses(s, z)) return;
    INFO(sweep::place(s.name, z, group));
    const plan p = make_plan(s, z);
    const program q = lower(p);
    for (const plan_view& one : {plan_view(p), plan_view(q)}) {
      const std::string text = to_csv(one);
      const csv_result r = read_csv(text, p.passes);
      if (!r.ok()) FAIL(std::string(r.sentence()));
      const plan again = make_plan(r.value);
      if (to_csv(again) != text) FAIL("another text");
      if (sweep::lists_of(again) != sweep::lists_of(one)) FAIL("other actions");
      if (again.stages != one.stages || again.micro_batches != one.micro_batches || again.slices != one.slices) FAIL("other sizes");
      ++texts;
    }
  });
  CHECK(texts > 10000 / sweep::scarce);
}

TEST_CASE("what refuses says no to, make_plan throws as a sentence") {
  int refused = 0;
  each_size([&](auto s, const sizes& z, int group) {
    const refusal no = refuses(s, z);
    if (!no || z.micro_batches > 8) return;
    ++refused;
    INFO(sweep::place(s.name, z, group));
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
  each_size([&](auto s, const sizes& z, int group) {
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
          if constexpr (sweep::takes_group<decltype(s)>) {
            if (no.what != nullptr && std::string_view(no.what) == "group") other.group = n;
          }
          break;
      }
      // A size may be refused for another reason then (both chunks and slices too many), but never for the same one.
      const refusal then = refuses(other, y);
      if (!then || (then.which != no.which && (no.which == size_name::chunks || no.which == size_name::slices))) continue;
      if (wrong++ == 0) first = sweep::place(s.name, z, group) + ": " + sentence(s.name, no).c_str() + ", but " + sentence(s.name, then).c_str();
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
          if (!argument) argument.emplace(z, true, false);
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
