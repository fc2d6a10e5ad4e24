// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Why a run stands still: for every schedule, whatever message is lost and wherever a rank stalls or dies, that is what is
// named, and nothing is where all is well.
#include <string>
#include <vector>

#include <stretto/run/recorder.hpp>
#include <stretto/schedule.hpp>

#include "catch.hpp"
#include "run/standstill.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;
using standstill::trouble;

namespace {

/// Visits the program of every schedule, with sizes that it takes.
template <class Visit>
void each_program(int most, Visit&& visit) {
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    for (int ranks = 1; ranks <= most; ++ranks)
      for (int micro_batches = 1; micro_batches <= most; ++micro_batches)
        for (int chunks = 1; chunks <= (takes_chunks<S>() ? 2 : 1); ++chunks) {
          const sizes z{.ranks = ranks, .micro_batches = micro_batches, .chunks = chunks};
          if (refuses(s, z)) continue;
          const program p = standstill::program_of(make_plan(s, z), (ranks + micro_batches) % 2 == 0);
          INFO(sweep::place(S::name, z));
          visit(p);
        }
  });
}

std::string name(const program& p, const action& a) { return std::string(name_of(p, a).str()); }

}  // namespace

TEST_CASE("nothing hangs in a run that comes to its end") {
  int cases = 0;
  each_program(4, [&](const program& p) {
    const hang_report why = explain_hang(standstill::run(p, {}).logs());
    REQUIRE(why.kind == hang_kind::none);
    REQUIRE(why.words.rfind("nothing hangs: no rank waits for longer than it should\n", 0) == 0);
    ++cases;
  });
  CHECK(cases > 150);
}

TEST_CASE("whichever message is lost is named, with who sent it and who waits for it") {
  int cases = 0;
  each_program(4, [&](const program& p) {
    const plan_view v = p;
    for (int r = 0; r < p.ranks; ++r)
      for (std::int64_t i = 0; i < v.order(r).count; ++i) {
        const action& a = v.order(r)[i];
        if (a.kind != role::send) continue;
        const hang_report why = explain_hang(standstill::run(p, {.lost_rank = r, .lost_entry = static_cast<int>(i)}).logs());
        INFO(name(p, a) << " of rank " << r << "\n" << why.words);
        const bool right = why.kind == hang_kind::lost && why.rank == r && why.entry == i && why.what == a && why.to == v.route_of(a.micro_batch).rank_of(a.peer);
        if (!right) REQUIRE(right);
        ++cases;
      }
  });
  CHECK(cases > 3000);
}

TEST_CASE("whichever message its sender passes over is named") {
  int cases = 0;
  each_program(3, [&](const program& p) {
    const plan_view v = p;
    for (int r = 0; r < p.ranks; ++r)
      for (std::int64_t i = 0; i < v.order(r).count; ++i) {
        const action& a = v.order(r)[i];
        if (a.kind != role::send) continue;
        const hang_report why = explain_hang(standstill::run(p, {.skipped_rank = r, .skipped_entry = static_cast<int>(i)}).logs());
        INFO(name(p, a) << " of rank " << r << "\n" << why.words);
        const bool right = why.kind == hang_kind::skipped && why.rank == r && why.entry == i && why.what == a;
        if (!right) REQUIRE(right);
        ++cases;
      }
  });
  CHECK(cases > 800);
}

TEST_CASE("at whichever entry a rank stalls, is held or dies, it is named") {
  int stalled = 0, held = 0, died = 0;
  each_program(3, [&](const program& p) {
    const plan_view v = p;
    for (int r = 0; r < p.ranks; ++r)
      for (std::int64_t i = 0; i < v.order(r).count; ++i) {
        const action& a = v.order(r)[i];
        if (a.kind == role::receive) continue;
        for (const bool dies : {false, true}) {
          const standstill::run one(p, {.stuck_rank = r, .stuck_entry = static_cast<int>(i), .dies = dies});
          REQUIRE(one.stuck());
          if (p.ranks == 1 && dies) continue;  // nobody is left to tell
          const hang_report why = explain_hang(one.logs());
          INFO(name(p, a) << " of rank " << r << (dies ? " dies" : " stalls") << "\n" << why.words);
          bool right = why.rank == r;
          if (dies) right = right && why.kind == hang_kind::died, ++died;
          else if (a.kind == role::send) right = right && why.kind == hang_kind::held && why.entry == i, ++held;
          else right = right && why.kind == hang_kind::stalled && why.entry == i && why.what == a, ++stalled;
          if (!right) REQUIRE(right);
        }
      }
  });
  CHECK(stalled > 2000);
  CHECK(held > 800);
  CHECK(died > 2000);
}

namespace {

std::vector<rank_log> healthy() { return standstill::run(standstill::program_of(make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2}), true), {}).logs(); }
/// Rank 1 waits for the first message, which rank 0 hasn't come to.
std::vector<rank_log> begun() { return standstill::run(standstill::program_of(make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2}), true), {.stuck_rank = 0, .stuck_entry = 0}).logs(); }

}  // namespace

TEST_CASE("what a hang is called, and what each rank waits for") {
  const hang_report stalled = explain_hang(begun());
  CHECK(stalled.kind == hang_kind::stalled);
  CHECK(stalled.words ==
        "rank 0 stalled: it is at step 0 (0F0) of run 1 for 60 s\n"
        "rank 0 step 0 (0F0) of run 1 is at work, for 60 s\n"
        "rank 1 step 1 (1F0) of run 1 waits for message 0SEND_F0 of rank 0, for 60 s");
  REQUIRE(stalled.waits.size() == 2);
  CHECK(stalled.waits[1].rank == 1);
  CHECK(stalled.waits[1].on_rank == 0);
  CHECK(stalled.waits[1].entry == 1);
  CHECK(stalled.waits[1].on.kind == role::send);
  CHECK(stalled.seconds == Approx(60).epsilon(1e-3));

  std::vector<rank_log> logs = begun();
  logs[0].now.layer = 3;
  CHECK(explain_hang(logs).words.rfind("rank 0 stalled: it is at step 0 (0F0) of run 1 in layer 3 for 60 s\nrank 0 step 0 (0F0) of run 1 is at work in layer 3, for 60 s\n", 0) == 0);
  logs[0].now.entry = -1;
  CHECK(explain_hang(logs).words.find("\nrank 0 of run 1 begins the step, for 60 s\n") != std::string::npos);

  logs = begun();
  logs[0].now = {}, logs[0].asked = 0;  // its program did something else
  const hang_report not_asked = explain_hang(logs);
  CHECK(not_asked.kind == hang_kind::not_asked);
  CHECK(not_asked.rank == 0);
  CHECK(not_asked.words.rfind("rank 0 was not asked for step 1 of all, and does nothing for 60 s: see what the program there does\n", 0) == 0);
  CHECK(not_asked.words.find("\nrank 0 has ended 0 of 0 steps that it was asked for, and does nothing, for 60 s\n") != std::string::npos);
  logs[0].asked = 1;  // it was, and is about to begin
  CHECK_FALSE(explain_hang(logs).hangs());

  logs = begun();
  logs[1].orders[0].steps[0].request.normalizer = 8;
  const hang_report otherwise = explain_hang(logs);
  CHECK(otherwise.kind == hang_kind::asked_otherwise);
  CHECK(otherwise.words.rfind("rank 1 and rank 0 were asked otherwise for step 1 of all: ask all ranks for the same orders in the same turn, with the same normalizer and rule\n", 0) == 0);

  logs = begun();
  logs[0].threw = true, logs[0].error = "stretto: rank 0 step 0 (0F0) layer 3 threw: no";
  for (rank_log& log : logs) log.error = logs[0].error;
  const hang_report threw = explain_hang(logs);
  CHECK(threw.kind == hang_kind::threw);
  CHECK(threw.rank == 0);
  CHECK(threw.entry == 0);
  CHECK(threw.words.rfind("rank 0 ended the run: stretto: rank 0 step 0 (0F0) layer 3 threw: no\n", 0) == 0);

  logs = healthy();
  logs[1].error = "stretto: something";
  CHECK(explain_hang(logs).words.rfind("nothing hangs, and the run ended in an error: stretto: something\n", 0) == 0);
  logs.erase(logs.begin());
  CHECK(explain_hang(logs).words.rfind("rank 0 left no log: it died, or its file is not among those given\nrank 0 left no log\n", 0) == 0);
}

TEST_CASE("a log that an earlier run has left is none of this run") {
  std::vector<rank_log> logs = begun();
  for (rank_log& log : logs) log.run = 8;
  logs[0].run = 7, logs[0].wall = logs[1].wall - 1, logs[0].threw = true, logs[0].error = "stretto: rank 0 threw: of yesterday";
  logs[1].error = "stretto: rank 1 waited 100 ms";
  const hang_report why = explain_hang(logs);
  CHECK(why.kind == hang_kind::died);
  CHECK(why.rank == 0);
  CHECK(why.words.rfind("rank 0 left no log of this run, and one of another is there: it died, or its file is not among those given\n", 0) == 0);
  logs[0].run = 0;  // written before its run was known
  CHECK(explain_hang(logs).kind == hang_kind::threw);
  logs[0].run = 8;
  CHECK(explain_hang(logs).kind == hang_kind::threw);
}

TEST_CASE("of several ranks without logs the one that is waited for counts, however short the wait") {
  const program p = standstill::program_of(make_plan(gpipe{}, {.ranks = 3, .micro_batches = 2}), true);
  const std::vector<rank_log> logs = standstill::run(p, {.stuck_rank = 1, .stuck_entry = 1}).logs();
  const hang_report why = explain_hang({&logs[2], 1}, {.patience = 1e6});
  CHECK(why.kind == hang_kind::died);
  CHECK(why.rank == 1);
}

TEST_CASE("a pass that takes long is no hang before its patience, or while it takes no longer than it used to") {
  std::vector<rank_log> logs = begun();
  CHECK_FALSE(explain_hang(logs, {.patience = 61}).hangs());
  CHECK_FALSE(explain_hang(logs, {.patience = 6.1}).hangs());  // the first of its kind may take ten times as long
  CHECK(explain_hang(logs, {.patience = 5.9}).kind == hang_kind::stalled);
  logged_step before = logs[0].orders[0].steps[0];
  before.number = 0, before.request.index = -1, before.ended = 19;
  before.times[0] = {1, 2, 10'000'000'002};  // ten seconds
  logs[0].orders[0].steps.insert(logs[0].orders[0].steps.begin(), before);
  CHECK_FALSE(explain_hang(logs).hangs());
  logs[0].clock += 60'000'000'000;
  CHECK(explain_hang(logs).kind == hang_kind::stalled);
  logs[0].clock -= 60'000'000'000;
  for (rank_log& log : logs) log.error = "stretto: rank 1 waited 60000 ms for what step 1 (1F0) needs; see what the others do, as stretto-explain reads it off their logs, or raise the deadline";
  CHECK(explain_hang(logs).kind == hang_kind::stalled);  // the run has ended, so who is at work is what the others waited for
}

TEST_CASE("objects that don't come back, sums that don't arrive, and ranks that hand each other messages are told apart") {
  // Rank 0 has all that 0F1 needs, and hasn't begun it; rank 1 has ended.
  std::vector<rank_log> logs = healthy();
  const auto put_at = [&](int rank, int entry) {
    rank_log& log = logs[static_cast<std::size_t>(rank)];
    log.done = 0, log.now = {0, 0, entry, -1};
    logged_step& s = log.orders[0].steps[0];
    s.ended = 0, s.times[static_cast<std::size_t>(entry)].start = s.times[static_cast<std::size_t>(entry)].end = 0;
  };
  const program work = logs[0].orders[0].work;
  const plan_view p = work;
  const auto entry = [&](const action& a) { return static_cast<int>(entry_of(p, a) - p.rows[a.stage]); };
  put_at(0, entry(action::forward(0, 1)));
  hang_report why = explain_hang(logs);
  CHECK(why.kind == hang_kind::no_object);
  CHECK(why.rank == 0);
  CHECK(why.words.rfind("rank 0 is held: for 0F1 of run 1 it needs an object, and none comes back for 60 s\n", 0) == 0);
  CHECK(why.words.find("waits for an object that rank 1 gives back, for") != std::string::npos);

  logs = healthy();
  const auto last = static_cast<int>(p.order(1).count) - 1;
  put_at(1, last);
  why = explain_hang(logs);
  CHECK(why.kind == hang_kind::sums);
  CHECK(why.words.rfind("rank 1 does not get the sums that all ranks have told at the end of a step: the transport lost them\n", 0) == 0);
  CHECK(why.words.find("waits for the sums of all ranks, which were told, for") != std::string::npos);

  logs = healthy();  // each hands over a message before it takes the other's
  int sends[2] = {-1, -1};
  for (int r = 0; r < 2; ++r)
    for (std::int64_t i = p.order(r).count - 1; i >= 0; --i)
      if (p.order(r)[i].kind == role::send) sends[r] = static_cast<int>(i);
  put_at(0, sends[0]);
  put_at(1, sends[1]);
  why = explain_hang(logs);
  CHECK(why.kind == hang_kind::deadlock);
  CHECK(why.cycle.size() == 2);
  CHECK(why.words.rfind("a deadlock: rank 0 waits for rank 1, which waits for rank 0\n", 0) == 0);
  CHECK(why.words.find("hands its message to rank 1, for") != std::string::npos);
}

TEST_CASE("logs of several runs, or none, are refused in a sentence") {
  CHECK(sweep::thrown([] { explain_hang({}); }) == "stretto: a hang is to be explained from no logs; give those of all ranks");
  std::vector<rank_log> logs = healthy();
  logs[1].ranks = 3;
  CHECK(sweep::thrown([&] { explain_hang(logs); }) == "stretto: rank 1 has a log of a run of 3 ranks, and rank 0 of one of 2; give the logs of one run");
}
