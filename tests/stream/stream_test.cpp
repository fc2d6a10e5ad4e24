// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catch.hpp"
#include "stages.hpp"

#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>

using namespace stages;

namespace {

template <class Stream>
std::string words(Stream& s) {
  std::string all;
  for (auto d = s.next(); d.what != outcome::closed; d = s.next()) {
    all += (all.empty() ? "" : " ") + std::to_string(d.item.number) + ":";
    if (d.what == outcome::done) all += std::to_string(d.value->x);
    else all += std::string(to_string(d.what)) + (d.stage < 0 ? std::string() : "@" + std::to_string(d.stage));
  }
  return all;
}

}  // namespace

TEST_CASE("every item comes out in order, whatever the queues and the number of ranks") {
  for (int ranks = 1; ranks <= 4; ++ranks)
    for (int queue = 0; queue <= 3; ++queue) {
      CAPTURE(ranks, queue);
      clear();
      pipeline p(model(), cut_for(ranks), walk(ranks, queue));
      stream s(p, {.entry = 3});
      std::thread pusher([&] {
        for (int i = 0; i < 50; ++i) {
          item x{i * i, 0};
          if (s.push(x).number != i) FAIL("a ticket out of turn");
        }
        s.close();
      });
      int n = 0;
      for (auto d = s.next(); d.what != outcome::closed; d = s.next(), ++n) {
        REQUIRE(d.item.number == n);
        REQUIRE(d.what == outcome::done);
        REQUIRE(d.value->x == n * n);
        REQUIRE(d.value->path == 1234);
      }
      pusher.join();
      CHECK(n == 50);
      const stream_report r = s.report();
      CHECK((r.pushed == 50 && r.done == 50 && r.ended() == 50 && r.under_way() == 0));
      CHECK(r.whole.count() == 50);
    }
}

TEST_CASE("over the seeded transport a stream repeats itself, and every item has one outcome in order") {
  std::int64_t left_out = 0;
  for (when_full rule : {when_full::drop_oldest, when_full::drop_newest, when_full::coalesce})
    for (int ranks = 1; ranks <= 4; ++ranks)
      for (std::uint32_t seed = 0; seed < 6; ++seed) {
        std::string before;
        for (int again = 0; again < 2; ++again) {
          CAPTURE(static_cast<int>(rule), ranks, seed);
          clear();
          seeded t(ranks, {.seed = seed});
          pipeline p(t, model(), cut_for(ranks), walk(ranks, static_cast<int>(seed % 3)));
          stream_options<item> how{.entry = 2, .full = rule, .fresh = rule == when_full::drop_newest ? 0 : -1, .clock = fake_clock};
          if (rule == when_full::coalesce) how.merge = [](item& waiting, item& x) { waiting.x += 1000 * x.x; };
          stream s(p, how);
          int taken = 0;
          for (int i = 0; i < 24; ++i) {
            item x{i, 0};
            taken += s.push(x) ? 1 : 0;
            if (i % 2 == 1) t.wait(t.host(), [] { return true; }, [](text&) {});  // others may go first
          }
          s.close();
          std::string all;
          std::int64_t told = 0, done = 0;
          for (auto d = s.next(); d.what != outcome::closed; d = s.next(), ++told) {
            REQUIRE(d.item.number == told);
            if (d.what == outcome::done) {
              REQUIRE(d.value->path == 1234);
              ++done;
            }
            all += std::to_string(d.item.number) + std::string(to_string(d.what)) + std::to_string(d.stage) + " ";
          }
          CHECK(told == taken);
          const stream_report r = s.report();
          CHECK((r.pushed == taken && r.ended() == taken && r.done == done && r.pushed + r.refused == 24));
          CHECK((rule == when_full::drop_newest || taken == 24));
          for (const auto& stage : r.stages) left_out += stage.superseded;
          if (again == 1) CHECK(all == before);
          before = all;
        }
      }
  CHECK(left_out > 0);  // between stages, too
}

TEST_CASE("what waits at the entry makes way as the policy says") {
  const auto run = [](when_full rule) {
    clear();
    seeded t(1);
    pipeline p(t, model(), cut_for(1), walk(1, 1));
    stream_options<item> how{.entry = 3, .full = rule, .clock = fake_clock};
    if (rule == when_full::coalesce) how.merge = [](item& waiting, item& x) { waiting.x += x.x; };
    stream s(p, how);
    for (int i = 0; i < 6; ++i) s.push({10 + i, 0});  // no rank has a turn before somebody waits
    s.close();
    return words(s) + " refused " + std::to_string(s.report().refused);
  };
  CHECK(run(when_full::drop_oldest) == "0:superseded 1:superseded 2:superseded 3:13 4:14 5:15 refused 0");
  CHECK(run(when_full::drop_newest) == "0:10 1:11 2:12 refused 3");
  CHECK(run(when_full::coalesce) == "0:10 1:11 2:superseded 3:superseded 4:superseded 5:54 refused 0");
}

TEST_CASE("an item whose deadline has passed goes on empty, and says in front of which stage") {
  const auto run = [](int ranks, double deadline, double own) {
    clear();
    seeded t(ranks, {.seed = 4});
    pipeline p(t, model({0, 1.0}), cut_for(ranks), walk(ranks, 0));
    stream s(p, {.deadline = deadline, .clock = fake_clock});
    for (int i = 0; i < 4; ++i) {
      item x{i, 0};
      if (i == 3 && own > 0) s.push(x, own);
      else s.push(x);
    }
    s.close();
    return words(s);
  };
  CHECK(run(1, 1.5, 0) == "0:0 1:1 2:late@0 3:late@0");
  CHECK(calls[3] == 2);  // no layer saw the others
  CHECK(run(1, 1.5, 9) == "0:0 1:1 2:late@0 3:3");
  CHECK(run(2, 0.5, 0) == "0:late@1 1:late@0 2:late@0 3:late@0");
  CHECK((calls[0] == 1 && calls[3] == 0));
  CHECK(run(2, 0, 0) == "0:0 1:1 2:2 3:3");
}

TEST_CASE("a cancelled item goes on empty, and one that is through can't be cancelled") {
  clear();
  seeded t(2);
  pipeline p(t, model(), cut_for(2), walk(2, 1));
  stream s(p, {.clock = fake_clock});
  for (int i = 0; i < 3; ++i) s.push({i, 0});
  CHECK(s.cancel({1}));
  CHECK_FALSE(s.cancel({7}));
  CHECK_FALSE(s.cancel({}));
  s.close();
  CHECK(words(s) == "0:0 1:cancelled@0 2:2");
  CHECK_FALSE(s.cancel({0}));
  CHECK(s.report().cancelled == 1);
  CHECK(s.report().stages[0].cancelled == 1);
}

TEST_CASE("where a layer throws, the item goes on empty or the run ends in that error") {
  for (int ranks : {1, 2, 4}) {
    clear();
    CAPTURE(ranks);
    pipeline p(model({0}, {1, 0, 2}), cut_for(ranks), walk(ranks, 1));
    {
      stream s(p, {.on_error = when_thrown::drop_item});
      std::thread pusher([&] {
        for (int i = 0; i < 5; ++i) s.push({i, 0});
        s.close();
      });
      std::string why;
      int done = 0;
      for (auto d = s.next(); d.what != outcome::closed; d = s.next())
        if (d.what == outcome::failed) {
          why += d.why;
          CHECK(d.item.number == 2);
        } else {
          done += d.value->path == 1234 ? 1 : 0;
        }
      pusher.join();
      CHECK(done == 4);
      CHECK(why == "stage " + std::to_string(ranks == 4 ? 1 : 0) + " layer 2 threw: no such number");
    }
    std::string said;
    stream s(p);  // the pipeline serves again
    try {
      for (int i = 0; i < 5; ++i) s.push({i, 0});
      while (s.next().what != outcome::closed) {}
    } catch (const error& e) {
      said = e.what();
    }
    CHECK(said.find("layer 2 threw: no such number") != std::string::npos);
    CHECK_THROWS_WITH(s.push({1, 0}), Catch::Contains("no such number"));
  }
}

TEST_CASE("results go to a function in the order of their tickets") {
  clear();
  pipeline p(model(), cut_for(3), walk(3, 2));
  std::vector<int> got;
  stream s(p, {.entry = 2}, [&](const delivery<item>& d) { got.push_back(d.value->x); });
  for (int i = 0; i < 40; ++i) s.push({i, 0});
  s.finish();
  CHECK(got.size() == 40);
  for (int i = 0; i < 40; ++i) REQUIRE(got[static_cast<std::size_t>(i)] == i);
  CHECK_THROWS_WITH(s.next(), "stretto: next is asked of a stream that gives its results to a function; make it without one");
}

TEST_CASE("nobody fetches, so pushing waits, and closing ends that") {
  clear();
  pipeline p(model(), cut_for(2), walk(2, 1));
  stream s(p, {.entry = 2, .in_flight = 2});
  std::atomic<int> pushed = 0;
  std::string said;
  std::thread pusher([&] {
    try {
      for (int i = 0; i < 100; ++i) s.push({i, 0}), ++pushed;
    } catch (const error& e) {
      said = e.what();
    }
  });
  while (pushed < 4) std::this_thread::yield();
  item refused{9, 0};
  while (s.report().waiting < 2) std::this_thread::yield();
  CHECK_FALSE(s.try_push(refused));
  s.close();
  pusher.join();
  CHECK(said == "stretto: an item is pushed into a stream that was closed; push before close()");
  CHECK(words(s) == "0:0 1:1 2:2 3:3");
}

TEST_CASE("a rank with several stages doesn't keep an item while it waits for the next one") {
  clear();
  const plan whole = make_plan(forward_only{}, {.ranks = 2, .micro_batches = 2, .chunks = 2});
  for (int queue : {0, 1, 2}) {
    pipeline p(model(), cut_for(4), service_of(whole, queue));
    stream s(p);
    for (int i = 0; i < 9; ++i) {
      s.push({i, 0});
      const auto d = s.next();  // and the stream isn't closed
      REQUIRE((d.what == outcome::done && d.value->x == i && d.value->path == 1234));
    }
    for (int i = 9; i < 14; ++i) s.push({i, 0});
    s.close();
    CHECK(words(s) == "9:9 10:10 11:11 12:12 13:13");
  }
}

TEST_CASE("a report says where time went") {
  clear();
  seeded t(2, {.seed = 1});
  pipeline p(t, model({0, 0.002}, {1}, {2, 0.001}), cut_for(2), walk(2, 1));
  stream s(p, {.clock = fake_clock});
  s.push({1, 0});
  CHECK(s.next().ended == Approx(0.003));
  const stream_report r = s.report();
  CHECK(r.whole.most() == 3'000'000);
  CHECK(r.entry.most() == 0);
  REQUIRE(r.stages.size() == 2);
  CHECK((r.stages[0].work.most() == 2'000'000 && r.stages[1].work.most() == 1'000'000 && r.stages[1].wait.most() == 0));
  CHECK(r.rate() == Approx(1 / 0.003));
  CHECK(to_table(r) ==
        "items    pushed 1  done 1  superseded 0  late 0  cancelled 0  failed 0  refused 0\n"
        "rate     333.3 a second\n"
        "ms             p50       p90       p99       max\n"
        "whole        3.000     3.000     3.000     3.000\n"
        "entry        0.000     0.000     0.000     0.000\n"
        "stage 0      2.000     2.000     2.000     2.000\n"
        "wait 1       0.000     0.000     0.000     0.000\n"
        "stage 1      1.000     1.000     1.000     1.000\n");
}

TEST_CASE("what is dropped on the way is a message without bytes, under the identity that it would have had") {
  clear();
  recorded<threads> t(2);
  t.keep_log();
  pipeline p(t, model({0, 0, 1}), cut_for(2), walk(2, 1));
  {
    stream s(p, {.on_error = when_thrown::drop_item});
    for (int i = 0; i < 4; ++i) s.push({i, 0});
    s.close();
    CHECK(words(s) == "0:0 1:failed@0 2:2 3:3");
  }
  p.finish();
  std::int64_t n = 0, full = 0;
  for (const message_record& m : t.log(0)) {
    CHECK((m.id.step == n / 2 && m.id.box == n % 2));
    CHECK(m.bytes == (m.id.mark == 0 ? static_cast<std::int64_t>(sizeof(item)) : 0));
    full += m.id.mark == 0 ? 1 : 0;
    ++n;
  }
  CHECK(full == 3);
  CHECK((n == 4 || n == 6));  // a walk to say that it is the last, unless the stream was closed before the second ended
}

TEST_CASE("what a stream can't do is said") {
  pipeline p(model(), cut_for(2), walk(2, 1));
  CHECK_THROWS_WITH(stream(p, {.entry = 0}), "stretto: stream_options::entry is below 1; give the number of items that may wait");
  CHECK_THROWS_WITH(stream(p, {.full = when_full::coalesce}), "stretto: stream_options::merge goes with when_full::coalesce, and one is given without the other; give both");
  CHECK_THROWS_WITH(stream(p, {.deadline = -1}), "stretto: stream_options::deadline is below 0 or no number; give seconds, or 0 for none");
  CHECK_THROWS_WITH(stream(p, {.in_flight = 1}), "stretto: 1 items may be in flight, and a walk of the plan has 2; give as many or more, or 0 for what the queues hold");
  CHECK_THROWS_WITH(p.run(p.bind(walk(2, 0))).loss(), Catch::Contains("stretto: rank 0 step 0 (0F0) layer 0 threw: layer 0 is an end of a stream, and no stream runs; make a stream of the pipeline, and push items"));

  threads t(1);
  pipeline other(t, model(), cut_for(1), walk(1, 1));
  CHECK_THROWS_WITH(stream(other, 1, {}), Catch::Contains("were bound with bind()"));
  const int trains = other.bind(make_plan(one_f_one_b{}, {.ranks = 1, .micro_batches = 2}));
  CHECK_THROWS_WITH(stream(other, trains, {}), "stretto: order 1 is to serve, and it trains; bind one of forward passes, such as service_of(plan)");
  const int sliced = other.bind(make_plan(forward_only{}, {.ranks = 1, .micro_batches = 2, .slices = 2}));
  CHECK_THROWS_WITH(stream(other, sliced, {}), "stretto: a stream's items come whole and all make one way, and the plan has 1 routes and 2 slices; serve by service_of(plan)");

  threads all(2);
  const auto apart = [&](int rank) {
    endpoint mine(all, rank);
    pipeline whole(mine, model(), cut_for(2), walk(2, 1));
    try {
      stream s(whole);
    } catch (const error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  std::string second;
  std::thread rank_1([&] { second = apart(1); });
  const std::string first = apart(0);
  rank_1.join();
  CHECK(first == "stretto: a stream is asked for where the ranks are of several processes or endpoints; serve from one process, over threads");
  CHECK(second == first);
}

TEST_CASE("while a stream serves nothing else is asked of its pipeline, and when it has ended everything can be") {
  clear();
  const std::string busy = "stretto: a pipeline is asked for something else while it serves; call finish() of its stream or of its requests first";
  threads t(2, {.deadline = 5});
  pipeline p(t, model(), cut_for(2), walk(2, 1));
  const int other = p.bind(walk(2, 0));
  stream s(p);
  for (int i = 0; i < 3; ++i) {
    CHECK_THROWS_WITH(stream(p), busy);
    CHECK_THROWS_WITH(stream(p, other, {}), busy);
    CHECK_THROWS_WITH(p.step(), busy);
    CHECK_THROWS_WITH(p.run(other), busy);
    CHECK_THROWS_WITH(p.bind(walk(2, 0)), busy);
    CHECK_THROWS_WITH(p.rebind(walk(2, 0)), busy);
    CHECK_THROWS_WITH(p.finish(), busy);
    CHECK_THROWS_WITH(p.stop(), busy);
    s.push({i, 0});
    CHECK(s.next().value->x == i);
  }
  s.push({3, 0});
  s.close();
  CHECK(words(s) == "3:3");
  p.finish();
  stream again(p, other, {});
  again.push({5, 0});
  CHECK(again.next().value->x == 5);
  again.finish();
  p.bind(walk(2, 2));
}

TEST_CASE("finish isn't called by the function that results go to, and close is") {
  const std::string said = "stretto: finish is called of a stream by the function that its results go to, which it would wait for; call close() there, and finish() elsewhere";
  for (bool catches : {true, false}) {
    clear();
    pipeline p(model(), cut_for(2), walk(2, 1));
    using served = stream<decltype(model()), sgd, threads>;
    std::atomic<served*> self = nullptr;
    std::string seen;
    int n = 0;
    served s(p, {}, [&](const delivery<item>&) {
      if (n++ < 3) return;
      try {
        self.load()->finish();
      } catch (const error& e) {
        seen = e.what();
        if (!catches) throw;
      }
      self.load()->close();
    });
    self = &s;
    for (int i = 0; i < 4; ++i) s.push({i, 0});
    if (catches) s.finish();
    else CHECK_THROWS_WITH(s.finish(), Catch::Contains(said.substr(std::string("stretto: ").size())));
    CHECK(seen == said);
    CHECK(n == 4);
  }
}

TEST_CASE("a stream that can't be made drops the function that it was given") {
  pipeline p(model(), cut_for(2), walk(2, 1));
  const auto held = std::make_shared<int>(0);
  const auto tell = [held](const delivery<item>&) {};
  const long before = held.use_count();
  CHECK_THROWS(stream(p, {.entry = 0}, tell));
  CHECK_THROWS(stream(p, {.in_flight = 1}, tell));
  CHECK_THROWS(stream(p, {.deadline = -1}, tell));
  CHECK(held.use_count() == before);
  {
    stream s(p, {}, tell);
    CHECK_THROWS(stream(p, {}, tell));
    CHECK(held.use_count() == before + 1);
  }
  CHECK(held.use_count() == before);
}

TEST_CASE("where merge throws, what waits keeps its ticket and nothing is counted") {
  clear();
  seeded t(1);
  pipeline p(t, model(), cut_for(1), walk(1, 1));
  stream_options<item> how{.entry = 1, .full = when_full::coalesce, .clock = fake_clock};
  how.merge = [](item& waiting, item& x) {
    if (x.x == 2) throw std::runtime_error("no merging");
    waiting.x += x.x;
  };
  stream s(p, how);
  s.push({10, 0});  // no rank has a turn before somebody waits
  CHECK_THROWS_WITH(s.push({2, 0}), "no merging");
  CHECK((s.report().pushed == 1 && s.report().superseded == 0 && s.report().waiting == 1));
  CHECK(s.push({3, 0}).number == 1);
  CHECK_THROWS_WITH(s.push({2, 0}), "no merging");
  s.close();
  CHECK(words(s) == "0:superseded 1:13");
  const stream_report r = s.report();
  CHECK((r.pushed == 2 && r.superseded == 1 && r.done == 1 && r.under_way() == 0));
}

TEST_CASE("a deadline beyond all clocks is none, and one that is no time is refused") {
  pipeline p(model(), cut_for(2), walk(2, 1));
  const double endless = std::numeric_limits<double>::infinity();
  for (double deadline : {endless, 1e300, 1e10, 9.3e9, 3.9e9}) {
    CAPTURE(deadline);
    stream s(p, {.deadline = deadline});
    item x{1, 0};
    s.push(x);
    CHECK(s.next().what == outcome::done);
    s.push(x, deadline);
    CHECK(s.next().what == outcome::done);
  }
  stream s(p);
  item x{1, 0};
  for (double deadline : {-1.0, -endless, std::nan("")}) {
    CHECK_THROWS_WITH(s.push(x, deadline), "stretto: an item is pushed with a deadline that is below 0 or no number; give seconds from now, or 0 for none");
    CHECK_THROWS_WITH(s.try_push(x, deadline), Catch::Contains("below 0 or no number"));
  }
  CHECK(s.report().pushed == 0);
  s.push(x, 0);
  CHECK(s.next().what == outcome::done);
}

TEST_CASE("what is trivially copyable is left as it is by push") {
  clear();
  pipeline p(model(), cut_for(2), walk(2, 1));
  stream s(p);
  item x{5, 7};
  for (int i = 0; i < 8; ++i) s.push(x);
  CHECK((x.x == 5 && x.path == 7));
}
