// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Logs of all ranks as one: clocks, steps on one axis, why ranks were idle, who is slow.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <stretto/explain.hpp>
#include <stretto/run/pipeline.hpp>
#include <stretto/schedule.hpp>

#include "catch.hpp"
#include "run/idler.hpp"
#include "run/standstill.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

/// The logs of a run of three steps on four ranks.
const std::vector<rank_log>& logs() {
  static const std::vector<rank_log> all = [] {
    char name[] = "/tmp/stretto_merge_XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    const std::string prefix = std::string(name) + "/run";
    pipeline p(idle::layers(), cut::of({1, 1, 1, 1}),
               make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 6}), sgd{}, {.dump = prefix});
    for (int i = 0; i < 3; ++i) p.step().loss();
    p.dump();
    std::vector<rank_log> read;
    for (int r = 0; r < 4; ++r) {
      std::ifstream in(prefix + ".rank" + std::to_string(r) + ".log");
      read.push_back(read_dump(std::string(std::istreambuf_iterator<char>(in), {})));
    }
    std::error_code ignored;
    std::filesystem::remove_all(name, ignored);
    return read;
  }();
  return all;
}

/// As if the rank's clock were ahead by so much, and that had been measured with an error.
void put_ahead(rank_log& log, std::int64_t by, std::int64_t error) {
  const auto move = [&](std::int64_t& t) { t += t == 0 ? 0 : by; };
  move(log.clock), move(log.bound);
  for (logged_order& o : log.orders)
    for (logged_step& s : o.steps) {
      move(s.asked), move(s.begun), move(s.ended);
      for (logged_entry& t : s.times) move(t.wait), move(t.start), move(t.end);
      for (auto* all : {&s.puts, &s.takes})
        for (logged_message& m : *all) move(m.when);
    }
  log.offset = -by + error, log.uncertainty = std::abs(error);
}

/// A recording in which every pass is when simulate says.
recording recorded_of(const plan_view& p, const costs& prices) {
  const forecast f = simulate(p, prices, holding(), {.record = true});
  recording r;
  for (std::int64_t i = 0; i < p.actions.count; ++i) {
    const bool is_pass = !p.actions[i].is_message();
    r.starts.push_back(is_pass ? 1 + f.starts[i] : 0), r.ends.push_back(is_pass ? 1 + f.ends[i] : 0), r.waits.push_back(r.starts.back());
  }
  return r;
}

std::size_t count(const std::string& in, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = in.find(what); at != std::string::npos; at = in.find(what, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("logs of one clock merge into the steps that all ranks kept") {
  const run_log all = merge_logs(logs());
  CHECK(all.aligned);
  CHECK(all.moved == std::vector<std::int64_t>(4, 0));
  REQUIRE(all.steps.size() == 3);
  double before = 0;
  for (const merged_step& s : all.steps) {
    CHECK(s.whole);
    const plan_view p = all.work(s);
    REQUIRE(static_cast<std::int64_t>(s.times.ends.size()) == p.actions.count);
    CHECK(s.times.messages.size() == 36);
    for (const message_times& m : s.times.messages) {
      CHECK(m.put >= 0);
      CHECK(m.put <= m.taken);
      CHECK(m.bytes == 4);
    }
    for (std::size_t r = 0; r < 4; ++r) {
      CHECK(s.times.asked[r] >= before);
      CHECK(s.times.asked[r] <= s.times.begun[r]);
      CHECK(s.times.begun[r] < s.times.ended[r]);
    }
    before = s.times.asked[0];
  }
  std::vector<rank_log> fewer = logs();
  fewer.erase(fewer.begin() + 1);
  CHECK_FALSE(merge_logs(fewer).steps[0].whole);
}

TEST_CASE("clocks that are apart are put together, and messages put right what was measured badly") {
  const run_log one = merge_logs(logs());
  std::vector<rank_log> apart = logs();
  put_ahead(apart[1], 5'000'000'000'000, 0), put_ahead(apart[2], -3'000'000'000, 0), put_ahead(apart[3], 77, 0);
  const run_log exact = merge_logs(apart);
  CHECK(exact.aligned);
  CHECK(exact.steps[2].times.ends == one.steps[2].times.ends);

  apart = logs();
  put_ahead(apart[1], 5'000'000'000, -40'000'000), put_ahead(apart[2], -3'000'000'000, 90'000'000), put_ahead(apart[3], 77, -1'000'000);
  const run_log mended = merge_logs(apart);
  CHECK(mended.aligned);
  CHECK(mended.moved[0] == 0);
  bool any = false;
  for (const std::int64_t m : mended.moved) any = any || m != 0;
  CHECK(any);
  for (const merged_step& s : mended.steps)
    for (const message_times& m : s.times.messages) CHECK(m.put <= m.taken);

  apart = logs();
  for (logged_message& m : apart[2].orders[0].steps[0].takes) m.when -= 1'000'000'000;  // taken long before anything was put
  CHECK_FALSE(merge_logs(apart).aligned);
}

TEST_CASE("a trace shows all steps on one axis, a row a rank, with arrows and what was waited for") {
  const run_log all = merge_logs(logs());
  std::vector<timeline> drawn;
  std::vector<placed_timeline> placed;
  for (const merged_step& s : all.steps) {
    drawn.push_back(make_timeline(all.work(s), s.times, {.title = "step " + std::to_string(s.number)}));
    placed.push_back({nullptr, s.times.begun[0]});
  }
  for (std::size_t i = 0; i < drawn.size(); ++i) placed[i].what = &drawn[i];
  const std::string trace = to_trace(placed);
  CHECK(count(trace, "\"cat\":\"step\"") == 3);
  CHECK(count(trace, "\"name\":\"step 2\"") == 1);
  CHECK(count(trace, "\"name\":\"2F5\"") == 3);
  CHECK(count(trace, "\"ph\":\"s\"") == 3 * 36);
  CHECK(count(trace, "\"ph\":\"f\"") == 3 * 36);
  CHECK(count(trace, "\"name\":\"rank 3\"") == 1);
  CHECK(count(trace, "waits for ") > 0);
  CHECK(trace.find("\"ts\":-") == std::string::npos);
}

TEST_CASE("measured idle times are those of simulate where passes take what it says, by cause and rank") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8});
  costs c(1, 1, 1);
  c.specials.push_back({scope::rank, 2, pass::forward, 2});
  const bubble_report b = bubbles_of(p, recorded_of(p, c));
  const forecast f = simulate(p, c, holding(), {.record = true});
  CHECK(b.makespan == 40);
  CHECK(b.foretold_makespan == Approx(40));
  for (int r = 0; r < 4; ++r)
    for (const rank_bubbles* one : {&b.measured[static_cast<std::size_t>(r)], &b.foretold[static_cast<std::size_t>(r)]}) {
      CHECK(one->work == Approx(f.work_of[r]));
      CHECK(one->update == 0);
      CHECK(one->idle.fill == Approx(f.idle[r].fill).margin(1e-9));
      CHECK(one->idle.wait == Approx(f.idle[r].wait).margin(1e-9));
      CHECK(one->idle.drain == Approx(f.idle[r].drain).margin(1e-9));
      CHECK(one->idle.imbalance == Approx(f.idle[r].imbalance).margin(1e-9));
      CHECK(one->work + one->update + one->idle.sum() == Approx(40));
    }
  const run_log all = merge_logs(logs());
  const bubble_report real = bubbles_of(all.work(all.steps[1]), all.steps[1].times);
  for (const rank_bubbles& one : real.measured) {
    CHECK(one.update > 0);
    CHECK(one.work + one.update + one.idle.sum() == Approx(real.makespan).margin(1e-9));
  }
  const std::string table = to_table(b);
  CHECK(table.rfind("rank                 work     update       fill       wait    message      drain  imbalance        all\n", 0) == 0);
  CHECK(count(table, "\n") == 9);
  CHECK(table.find("   2  measured       32 s          0        2 s        2 s          0        4 s          0       40 s\n      foretold       32 s") != std::string::npos);
}

TEST_CASE("a rank that becomes slow is named, with since when and by how much") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 4});
  std::vector<recording> steps;
  for (int i = 0; i < 10; ++i) {
    costs c(1 + 0.01 * (i % 3), 1, 1);
    if (i >= 4 && i != 9) c.specials.push_back({scope::rank, 2, pass::forward, 1.5});
    if (i == 2) c.specials.push_back({scope::rank, 0, pass::forward, 9});  // once is no matter
    steps.push_back(recorded_of(p, c));
  }
  const straggler_report s = stragglers_of(p, steps);
  REQUIRE(s.found.size() == 2);
  for (const bool before : {false, true}) {
    const straggler& one = s.found[before ? 1 : 0];
    CHECK(one.rank == 2);
    CHECK(one.stage == 2);
    CHECK(one.pass == pass::forward);
    CHECK(one.than_before == before);
    CHECK(one.first_step == 4);
    CHECK(one.times == Approx(1.5).epsilon(0.03));
  }
  CHECK(s.found[0].last_step == 8);
  CHECK(s.move.layer == -1);
  const std::string words = to_text(s);
  CHECK(words.rfind("rank 2, pass F of stage 2: 1.4", 0) == 0);
  CHECK(words.find(" times as long as the others, in steps 4 to 8\nrank 2, pass F of stage 2: 1.4") != std::string::npos);
  CHECK(words.find(" times as long as before, in steps 4 to ") != std::string::npos);
  CHECK(to_text(stragglers_of(p, std::span(steps).first(2))) == "no rank is slow\n");
  CHECK(stragglers_of(p, steps, {.seconds = 0.6}).found.empty());  // it is half a second more
}

TEST_CASE("a cut that is out of balance isn't a slow rank, and the layer to move is named") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 4});
  const std::vector<int> layers{0, 3, 6, 11, 13};
  costs c(1, 1, 1);
  for (int s = 0; s < 4; ++s)
    for (const pass_id k : {pass::forward, pass::backward_input, pass::backward_weight}) c.specials.push_back({scope::stage, s, k, static_cast<double>(layers[static_cast<std::size_t>(s) + 1] - layers[static_cast<std::size_t>(s)])});
  const std::vector<recording> steps(5, recorded_of(p, c));
  const straggler_report s = stragglers_of(p, steps, {.cut = layers});
  CHECK(s.found.empty());
  CHECK(s.move.layer == 6);
  CHECK(s.move.from_stage == 2);
  CHECK(s.move.to_stage == 1);
  CHECK(s.move.before == Approx(15));
  CHECK(s.move.after == Approx(12));
  CHECK(to_text(s) == "if the layers of stage 2 take alike, layer 6 would better go to stage 1: the busiest rank then works 12 s a micro-batch, not 15 s\n");
  CHECK(sweep::thrown([&] { stragglers_of(p, steps, {.cut = {0, 1}}); }) ==
        "stretto: straggler_options::cut is of 1 stages and the program has 4; give the cut that was bound");
}

TEST_CASE("logs that aren't of one run aren't merged") {
  CHECK(sweep::thrown([] { merge_logs({}); }) == "stretto: no logs are to be merged; give those of all ranks");
  std::vector<rank_log> other = logs();
  other[1].ranks = 5;
  CHECK(sweep::thrown([&] { merge_logs(other); }) == "stretto: rank 1 has a log of a run of 5 ranks, and rank 3 of one of 4; give the logs of one run");
  other = logs();
  static_cast<plan&>(other[2].orders[0].work) = lower(make_plan(gpipe{}, {.ranks = 4, .micro_batches = 6}));
  CHECK(sweep::thrown([&] { merge_logs(other); }) == "stretto: order 0 of rank 2 is another program than that of rank 0; give the logs of one run, written after the same rebind");
}

TEST_CASE("logs with the same actions are merged only where they are split alike over the ranks") {
  // Every program beside every other: rank 0's log of the one, and those of all other ranks of the other.
  std::vector<program> programs;
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    for (int ranks = 2; ranks <= 3; ++ranks)
      for (int micro_batches = 2; micro_batches <= 4; ++micro_batches)
        for (int chunks = 1; chunks <= (takes_chunks<S>() ? 2 : 1); ++chunks)
          if (const sizes z{.ranks = ranks, .micro_batches = micro_batches, .chunks = chunks}; !refuses(s, z)) programs.push_back(standstill::program_of(make_plan(s, z), true));
  });
  std::vector<std::vector<rank_log>> all;
  for (const program& p : programs) all.push_back(standstill::run(p, {}).logs());
  int merged = 0, refused = 0;
  for (std::size_t a = 0; a < all.size(); ++a)
    for (std::size_t b = 0; b < all.size(); ++b) {
      if (all[a].size() != all[b].size()) continue;
      std::vector<rank_log> mixed = all[b];
      mixed[0] = all[a][0];
      explain_hang(mixed);
      const std::string words = sweep::thrown([&] { merge_logs(mixed); });
      const bool same = same_program(all[a][0].orders[0], all[b][0].orders[0]);
      if ((words == "") != same || (same ? false : words.rfind("stretto: order 0 of rank 1 is another program than that of rank 0; ", 0) != 0)) FAIL(programs[a].name.str() << " and " << programs[b].name.str() << ": " << words);
      ++(same ? merged : refused);
    }
  CHECK(merged >= static_cast<int>(all.size()));
  CHECK(refused > 1000);

  const auto refuses_changed = [&](auto change) {
    std::vector<rank_log> other = logs();
    change(other[2].orders[0]);
    return sweep::thrown([&] { merge_logs(other); }) == "stretto: order 0 of rank 2 is another program than that of rank 0; give the logs of one run, written after the same rebind";
  };
  CHECK_FALSE(refuses_changed([](logged_order&) {}));
  CHECK(refuses_changed([](logged_order& o) { --o.work.rows[1]; }));
  CHECK(refuses_changed([](logged_order& o) { o.work.ints[0] = 1; }));
  CHECK(refuses_changed([](logged_order& o) { o.work.slices = 2; }));
  CHECK(refuses_changed([](logged_order& o) { o.work.micro_batches = 5; }));
  CHECK(refuses_changed([](logged_order& o) { o.work.stages = 5; }));
  CHECK(refuses_changed([](logged_order& o) { o.work.passes.passes[0].name = "G"; }));
  CHECK(refuses_changed([](logged_order& o) { --o.work.passes.edge_count; }));
  CHECK(refuses_changed([](logged_order& o) { o.work.passes.edges[0].message = "G"; }));
  CHECK(refuses_changed([](logged_order& o) { o.channels.pop_back(); }));
  CHECK(refuses_changed([](logged_order& o) { o.channels[0].to = 3; }));
  CHECK(refuses_changed([](logged_order& o) { o.cut.back() = 5; }));
  CHECK(refuses_changed([](logged_order& o) { o.trains = false; }));
}

TEST_CASE("clocks that messages put ever further forward are given up before their numbers run over") {
  std::vector<rank_log> far = logs();
  for (std::size_t r = 0; r < 4; ++r) {
    logged_order& o = far[r].orders[0];
    far[r].offset = std::int64_t{1} << 61;
    for (logged_step& s : o.steps) {
      for (logged_message& m : s.puts) m.when = std::int64_t{1} << 61;
      for (logged_message& m : s.takes) m.when = 1;
    }
  }
  CHECK_FALSE(merge_logs(far).aligned);
}
