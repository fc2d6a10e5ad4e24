// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catch.hpp"
#include "stages.hpp"

#include <string>
#include <thread>

using namespace stages;

namespace {

/// Pushes and fetches by turns on one thread, as far as that goes without waiting; gives all outcomes.
template <class Stream>
std::vector<delivery<item>> all_of(Stream& s) {
  std::vector<delivery<item>> got;
  for (auto d = s.next(); d.what != outcome::closed; d = s.next()) got.push_back(d);
  return got;
}

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
