// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The transport is put through what every transport is, and through what is its own: letters of all sizes, types that don't
// say how they cross, objects too small for what comes, channels that are opened late.
#include <chrono>
#include <cstring>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "processes.hpp"
#include <stretto/transport/conformance.hpp>

using namespace stretto;

namespace {

void conforms() {
  const auto faults = conformance([] { return std::make_unique<mpi>(mpi_options{.deadline = 0.5}); }, processes::count(), 0.5);
  for (const std::string& f : faults) FAIL_CHECK(f);
  CHECK(processes::everywhere(faults.empty()));
}

using boundary = std::tuple<values<double>, tensor<float, 2>, values<std::uint8_t>>;
boundary largest() { return {values<double>(300), tensor<float, 2>(shape<2>{{64, 700}}), values<std::uint8_t>(5000)}; }

/// A channel of some type, with the functions that a layer's row gives it.
template <class T>
channel_shape shape_of(const T& like, int from, int to, std::int64_t boxes, int objects) {
  channel_shape s;
  s.from = from, s.to = to, s.boxes = boxes, s.objects = objects;
  s.make = [](const void* p) -> void* { return new T(*static_cast<const T*>(p)); };
  s.drop = [](void* p) { delete static_cast<T*>(p); };
  s.bytes = [](const void* p) { return wire_traits<T>::bytes(*static_cast<const T*>(p)); };
  s.cross = [](void* p, crossing& w) { wire_traits<T>::cross(w, *static_cast<T*>(p)); };
  s.maker = &like;
  s.type = "the type of a test";
  return s;
}

void quiet(text& t) { t.add("a message of the test"); }

/// Numbers that an object has none of when it is made, and which can't be taken in where they begin with 13.
struct grown {
  std::vector<float> all;
};

}  // namespace

template <>
struct stretto::wire_traits<grown> {
  static std::int64_t bytes(const grown& g) { return static_cast<std::int64_t>(g.all.size()) * 4; }
  static void cross(crossing& w, grown& g) {
    std::int64_t count = static_cast<std::int64_t>(g.all.size()), first = count > 0 ? static_cast<std::int64_t>(g.all[0]) : 0;
    w.number(count), w.number(first);
    if (w.receives() && first == 13) throw std::length_error("nobody wants this");
    g.all.resize(static_cast<std::size_t>(count));
    w.run(g.all.data(), count * 2), w.run(g.all.data() + count / 2, count * 4 - count * 2);
  }
};

TEST_CASE("1 rank conforms", "[ranks1]") { conforms(); }
TEST_CASE("2 ranks conform", "[ranks2]") { conforms(); }
TEST_CASE("4 ranks conform", "[ranks4][.most]") { conforms(); }

TEST_CASE("what crosses between 2 ranks keeps shape and contents, whatever its size", "[ranks2]") {
  mpi t({.deadline = 20});
  const boundary like = largest();
  auto* const there = t.open(shape_of(like, 0, 1, 4, 4));
  auto* const back = t.open(shape_of(like, 1, 0, 4, 4));
  const int me = t.rank();
  const auto number = [](std::int64_t step, std::int64_t i) { return static_cast<double>((step * 7 + i) % 251); };
  const auto sizes_of = [](std::int64_t step) {  // from nothing to the largest, on both sides of what fits a letter
    const std::int64_t d[] = {0, 1, 300, 17}, r[] = {0, 1, 64, 2}, c[] = {700, 0, 700, 491}, b[] = {5000, 0, 1, 4};
    return std::array<std::int64_t, 4>{d[step % 4], r[step / 4 % 4], c[step / 16 % 4], b[step / 64 % 4]};
  };
  for (std::int64_t step = 0; step < 256; ++step) {
    const auto z = sizes_of(step);
    if (me == 0 || step % 2 == 0) {
      auto* const o = static_cast<boundary*>(t.fresh(*(me == 0 ? there : back), quiet));
      auto& [d, f, b] = *o;
      d.resize(z[0]), f.reshape({{z[1], z[2]}}), b.resize(z[3]);
      for (std::int64_t i = 0; i < d.size(); ++i) d[i] = number(step, i) + me;
      for (std::int64_t i = 0; i < f.size(); ++i) f.data()[i] = static_cast<float>(number(step, i) + me);
      for (std::int64_t i = 0; i < b.size(); ++i) b[i] = static_cast<std::uint8_t>(number(step, i));
      t.put(*(me == 0 ? there : back), {step, me, step % 4}, o, quiet);
    }
    if (me == 1 || step % 2 == 0) {
      const parcel p = t.take(*(me == 1 ? there : back), {step, 1 - me, step % 4}, quiet);
      REQUIRE(p.id == message_id{step, 1 - me, step % 4});
      auto& [d, f, b] = *static_cast<boundary*>(p.object);
      bool right = d.size() == z[0] && f.rows() == z[1] && f.columns() == z[2] && b.size() == z[3];
      for (std::int64_t i = 0; i < d.size() && right; ++i) right = d[i] == number(step, i) + 1 - me;
      for (std::int64_t i = 0; i < f.size() && right; ++i) right = f.data()[i] == static_cast<float>(number(step, i) + 1 - me);
      for (std::int64_t i = 0; i < b.size() && right; ++i) right = b[i] == static_cast<std::uint8_t>(number(step, i));
      REQUIRE(right);
      t.give_back(*(me == 1 ? there : back), p.object);
    }
  }
  t.close(there), t.close(back);
}

TEST_CASE("a step's number keeps more than 32 bits between 2 ranks", "[ranks2]") {
  mpi t({.deadline = 20});
  const double like = 0;
  auto* const c = t.open(shape_of(like, 0, 1, 1, 1));
  auto* const g = t.open_gathering("long", {8, 1, {}});
  for (std::int64_t step : {std::int64_t{0}, std::int64_t{2000000000}, std::int64_t{4000000000}, std::int64_t{6000000000}, std::int64_t{8000000000}}) {
    if (t.rank() == 0) {
      void* const o = t.fresh(*c, quiet);
      t.put(*c, {step, 0, 0}, o, quiet);
    } else {
      const parcel p = t.take(*c, {step, 0, 0}, quiet);
      CHECK(p.id.step == step);
      t.give_back(*c, p.object);
    }
    t.publish(*g, t.rank(), step);
    t.gathered(*g, t.rank(), step, quiet);
  }
  t.close(c), t.close(g);
}

TEST_CASE("what 2 ranks send before the other has opened anything waits for it", "[ranks2]") {
  for (const int first : {0, 1}) {
    mpi t({.deadline = 20});
    const values<float> like(3000);
    constexpr std::int64_t room = 100000;
    if (t.rank() != first) {
      auto* const early = t.open_gathering("first", {16, 1, {}});
      t.publish(*early, t.rank(), 0);
      t.gathered(*early, t.rank(), 0, quiet);  // so that this rank looks at what came for what isn't open
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      t.close(early);
    }
    auto* const wide = t.open(shape_of(like, first, 1 - first, 2, 2));
    auto* const large = t.open_gathering("large", {room, 1, {}});
    auto* const few = t.open_gathering("few", {8, 1, {}});
    if (t.rank() == first) {
      for (int box = 0; box < 2; ++box) {
        auto* const o = static_cast<values<float>*>(t.fresh(*wide, quiet));
        o->resize(box == 0 ? 3000 : 5);
        for (std::int64_t i = 0; i < o->size(); ++i) (*o)[i] = static_cast<float>(i + box);
        t.put(*wide, {0, 0, box}, o, quiet);
      }
      std::memset(t.segment(*large, first, 0), 17, static_cast<std::size_t>(room));
      t.publish(*large, first, 0);
      t.publish(*few, first, 0);
      auto* const early = t.open_gathering("first", {16, 1, {}});
      t.publish(*early, first, 0);
      t.gathered(*early, first, 0, quiet);
      t.close(early);
    } else {
      for (int box : {1, 0}) {
        const parcel p = t.take(*wide, {0, 0, box}, quiet);
        auto& v = *static_cast<values<float>*>(p.object);
        bool right = v.size() == (box == 0 ? 3000 : 5);
        for (std::int64_t i = 0; i < v.size(); ++i) right = right && v[i] == static_cast<float>(i + box);
        CHECK(right);
        t.give_back(*wide, p.object);
      }
      t.publish(*large, t.rank(), 0);
      t.publish(*few, t.rank(), 0);
      t.gathered(*large, t.rank(), 0, quiet);
      t.gathered(*few, t.rank(), 0, quiet);
      const auto* const bytes = static_cast<const unsigned char*>(t.from(*large, first, 0));
      bool right = true;
      for (std::int64_t i = 0; i < room; ++i) right = right && bytes[i] == 17;
      CHECK(right);
    }
    t.close(wide), t.close(large), t.close(few);
  }
}

TEST_CASE("what is too large for the other of 2 ranks is refused by both, with both sizes", "[ranks2]") {
  mpi t({.deadline = 5});
  const values<float> like(t.rank() == 0 ? 64 : 32);  // as by a model that is made otherwise on one rank
  auto* const c = t.open(shape_of(like, 0, 1, 1, 1));
  std::string words;
  try {
    if (t.rank() == 0) {
      t.put(*c, {0, 0, 0}, t.fresh(*c, quiet), quiet);
      t.wait(0, [] { return false; }, quiet);
    } else {
      t.take(*c, {0, 0, 0}, quiet);
    }
  } catch (const error& e) {
    words = e.what();
    if (t.rank() == 1) t.fail(e);
  }
  const std::string expected = "a message from rank 0 can't be taken in: stretto: 64 values don't fit a slot with room for 32; let the layer's make_output, or make_saved, give the largest shape";
  CHECK(words == expected);
}

TEST_CASE("objects of 2 ranks may grow, and what can't be taken in leaves the next message whole", "[ranks2]") {
  for (const std::int64_t count : {2, 10, 900, 1200, 40000}) {
    mpi t({.deadline = 20});
    const grown like;
    auto* const c = t.open(shape_of(like, 0, 1, 3, 3));
    for (int box = 0; box < 3 && t.rank() == 0; ++box) {
      auto* const g = static_cast<grown*>(t.fresh(*c, quiet));
      g->all.assign(static_cast<std::size_t>(count), box == 1 ? 13.0f : static_cast<float>(box));
      t.put(*c, {0, 0, box}, g, quiet);
    }
    for (int box = 0; box < 3 && t.rank() == 1; ++box) {
      std::string words;
      try {
        const parcel p = t.take(*c, {0, 0, box}, quiet);
        CHECK(static_cast<grown*>(p.object)->all == std::vector<float>(static_cast<std::size_t>(count), static_cast<float>(box)));
        t.give_back(*c, p.object);
      } catch (const error& e) {
        words = e.what();
      }
      CHECK(words == (box == 1 ? "a message from rank 0 can't be taken in: nobody wants this" : ""));
    }
    t.close(c);
  }
}

TEST_CASE("a transport may be made while 2 ranks are at work over another", "[ranks2]") {
  mpi t({.deadline = 20});
  const double like = 0;
  auto* const there = t.open(shape_of(like, 0, 1, 1, 1));
  auto* const back = t.open(shape_of(like, 1, 0, 1, 1));
  std::atomic<bool> enough = false;
  std::int64_t steps = 0;
  std::thread work([&] {
    const auto hand_over = [&](mpi::channel& c, bool sends) {
      if (sends) {
        void* const o = t.fresh(c, quiet);
        *static_cast<double*>(o) = enough ? 1 : 0;
        t.put(c, {steps, c.number(), 0}, o, quiet);
        return 0.0;
      }
      const parcel p = t.take(c, {steps, c.number(), 0}, quiet);
      const double last = *static_cast<double*>(p.object);
      t.give_back(c, p.object);
      return last;
    };
    t.enter(t.rank());
    for (double mine = 0, others = 0; mine + others == 0; ++steps) {  // both end in the same step
      mine = enough ? 1 : 0;
      if (t.rank() == 0) hand_over(*there, true), others = hand_over(*back, false);
      else others = hand_over(*there, false), hand_over(*back, true);
      if (t.rank() == 0) mine = others;  // what rank 1 says counts
    }
    t.leave(t.rank());
  });
  for (int i = 0; i < 20; ++i) {
    mpi other({.deadline = 20});
    CHECK(other.ranks() == 2);
  }
  enough = t.rank() == 1;
  work.join();
  CHECK(steps > 0);
  t.close(there), t.close(back);
}

TEST_CASE("an exception of one program is soon known to the other of 2 ranks", "[ranks2]") {
  const auto begun = std::chrono::steady_clock::now();
  std::string words;
  try {
    mpi t({.deadline = 30});
    if (t.rank() == 1) throw std::runtime_error("trouble of its own");
    t.wait(0, [] { return false; }, quiet);
  } catch (const std::exception& e) {
    words = e.what();
  }
  CHECK((words == "trouble of its own" || words == "stretto: rank 1 has left its transport because of an exception of its program; see what that says"));
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(10));
}

TEST_CASE("a communicator that is none is refused by 1 rank", "[ranks1]") {
  CHECK_THROWS_WITH(mpi({.over = MPI_COMM_NULL}), "stretto: mpi_options::over is MPI_COMM_NULL, which has no ranks; let the processes that are left out make no transport");
}

TEST_CASE("a type that doesn't say how it crosses between 2 ranks is refused when a channel is opened", "[ranks2]") {
  mpi t({.deadline = 5});
  const double like = 0;
  channel_shape s = shape_of(like, 0, 1, 1, 1);
  s.cross = nullptr;
  CHECK_THROWS_WITH(t.open(s), "stretto: rank 0 sends the type of a test to rank 1, and the type doesn't say how it crosses between processes; add cross(crossing&, value&) to its wire_traits");
}

TEST_CASE("2 ranks that fail at once throw one error, that of the lower rank", "[ranks2]") {
  for (int again = 0; again < 20; ++again) {
    mpi t({.deadline = 5});
    MPI_Barrier(MPI_COMM_WORLD);
    t.fail(error("stretto: rank " + std::to_string(t.rank()) + " failed", {.rank = t.rank(), .step = 7, .stage = 3}));
    try {
      t.rethrow();
    } catch (const error& e) {
      CHECK(std::string(e.what()) == "stretto: rank 0 failed");
      CHECK(e.place().rank == 0);
      CHECK(e.place().step == 7);
      CHECK(e.place().stage == 3);
    }
  }
}
