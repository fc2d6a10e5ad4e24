// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What `recorded` counts: messages and bytes by pair, the log, what gatherings come to.
#include <vector>

#include <stretto/transport/group.hpp>
#include <stretto/transport/recorded.hpp>
#include <stretto/transport/threads.hpp>

#include "catch.hpp"
#include "transport/crowd.hpp"

using namespace stretto;
using crowd::on_all;
using crowd::together;

TEST_CASE("messages and bytes are counted by pair and what stays on a rank is none") {
  recorded<threads> t(3, threads_options{.deadline = 20});
  t.keep_log();
  auto* a = t.open(crowd::numbers(0, 1, 4, 4));
  auto* b = t.open(crowd::numbers(1, 0, 4, 4));
  auto* c = t.open(crowd::numbers(2, 2, 4, 4));
  auto shape = crowd::numbers(0, 2, 4, 4);
  shape.bytes = [](const void* o) { return *static_cast<const std::int64_t*>(o); };  // what it carries now, not what it could
  auto* d = t.open(shape);
  shape = crowd::numbers(0, 1, 1, 1);
  shape.bytes = nullptr;  // unknown
  auto* e = t.open(shape);
  const auto run = [&] {
    return together(on_all(t, 3, [&](int r) {
      if (r == 0) {
        for (std::int64_t box : {2, 0, 1}) crowd::send(t, *a, {7, 0, box}, box);
        crowd::send(t, *d, {7, 3, 1}, 5);
        crowd::send(t, *d, {7, 3, 2}, 0);
        crowd::send(t, *e, {7, 4, 0}, 1);
        crowd::receive(t, *b, {7, 1, 3});
      }
      if (r == 1) {
        for (std::int64_t box : {0, 1, 2})
          if (crowd::receive(t, *a, {7, 0, box}) != box) throw error("stretto: another number");
        crowd::receive(t, *e, {7, 4, 0});
        crowd::send(t, *b, {7, 1, 3}, 11);
      }
      if (r == 2) {
        crowd::send(t, *c, {7, 2, 0}, 1);
        crowd::receive(t, *c, {7, 2, 0});
        for (std::int64_t box : {1, 2}) crowd::receive(t, *d, {7, 3, box});
      }
    }));
  };
  REQUIRE(run() == "");
  const std::int64_t messages[3][3] = {{0, 4, 2}, {1, 0, 0}, {0, 0, 0}}, bytes[3][3] = {{0, 24, 5}, {8, 0, 0}, {0, 0, 0}};
  for (int from = 0; from < 3; ++from)
    for (int to = 0; to < 3; ++to) {
      INFO(from << " to " << to);
      CHECK(t.messages(from, to) == messages[from][to]);
      CHECK(t.bytes(from, to) == bytes[from][to]);
    }
  CHECK(t.total_messages() == 7);
  CHECK(t.total_bytes() == 37);

  REQUIRE(t.log(0).size() == 6);
  const std::int64_t boxes[] = {2, 0, 1, 1, 2, 0}, channels[] = {0, 0, 0, 3, 3, 4}, sizes[] = {8, 8, 8, 5, 0, 0};
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(t.log(0)[i].id == message_id{7, channels[i], boxes[i]});
    CHECK(t.log(0)[i].from == 0);
    CHECK(t.log(0)[i].to == (channels[i] == 3 ? 2 : 1));
    CHECK(t.log(0)[i].bytes == sizes[i]);
  }
  CHECK(t.log(1).size() == 1);
  CHECK(t.log(2).empty());

  REQUIRE(run() == "");
  CHECK(t.total_messages() == 14);
  t.reset();
  CHECK(t.total_messages() == 0);
  CHECK(t.total_bytes() == 0);
  CHECK(t.log(0).empty());
  t.keep_log(false);
  REQUIRE(run() == "");
  CHECK(t.messages(0, 1) == 4);
  CHECK(t.log(0).empty());
}

TEST_CASE("a segment counts once for every other member") {
  recorded<threads> t(4, threads_options{.deadline = 20});
  const auto run = [&] {
    return together(on_all(t, 4, [&](int r) {
      group all(t, r, "all", {}, 64);
      float x[20] = {};
      all.all_reduce(view<float>{x, 20});  // two pieces
      all.barrier();
      if (r == 3) return;
      group some(t, r, "some", {2, 0, 1}, 16);
      some.barrier();
    }));
  };
  REQUIRE(run() == "");
  for (int r = 0; r < 4; ++r) CHECK(t.gathered_bytes(r) == 3 * 3 * (64 + 16) + (r < 3 ? 2 * (16 + 16) : 0));
  CHECK(t.total_messages() == 0);  // messages are what goes through channels
  t.reset();
  for (int r = 0; r < 4; ++r) CHECK(t.gathered_bytes(r) == 0);
  REQUIRE(run() == "");
  CHECK(t.gathered_bytes(3) == 720);
}
