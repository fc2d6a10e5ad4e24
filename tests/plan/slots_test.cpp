// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Slots and arenas: the cases of PyTorch's liveness analysis, and what must hold for all schedules and sizes of stages.
#include <array>
#include <string>
#include <vector>

#include <stretto/plan/assign_slots.hpp>
#include <stretto/plan/lowered_costs.hpp>
#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

using sweep::thrown;

plan order(const char* rows) { return make_plan(from_csv(rows)); }

/// What is wrong with a table, found by looking at every two values of a rank; empty where nothing is.
std::string wrong_with(const slot_table& t, const plan_view& p, const slot_options& how) {
  for (int r = 0; r < t.ranks; ++r) {
    const view<const slot_use> uses = t.of(r);
    std::vector<std::int64_t> live(static_cast<std::size_t>(p.order(r).count), 0);
    std::int64_t most = 0;
    for (std::int64_t i = 0; i < uses.count; ++i) {
      const slot_use& a = uses[i];
      if (a.first < 0 || a.last < a.first || a.last >= p.order(r).count) return "a life outside the list";
      if (a.offset < 0 || a.offset % how.align != 0 || a.offset + a.bytes > t.arena[r]) return "a place outside the arena";
      if (a.slot < 0 || a.slot >= t.count(r, a.kind)) return "a slot that isn't counted";
      for (int e = a.first; e <= a.last; ++e) live[static_cast<std::size_t>(e)] += a.bytes;
      for (std::int64_t k = 0; k < i; ++k) {
        const slot_use& b = uses[k];
        const bool together = a.first <= b.last && b.first <= a.last;
        if (together && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes) return "two values alive in the same bytes";
        if (a.kind != b.kind || a.slot != b.slot) continue;
        if (together) return "two values alive in one slot";
        if (a.bytes != b.bytes) return "two sizes in one slot";
        if (how.packing == slot_packing::by_slot && a.offset != b.offset) return "a slot in two places";
      }
    }
    for (std::int64_t bytes : live) most = bytes > most ? bytes : most;
    if (most != t.live[r]) return "another peak";
    if (t.arena[r] < most) return "an arena below the peak";
    if (how.packing == slot_packing::by_slot && t.arena[r] > t.separately[r]) return "an arena above the sum of its slots";
  }
  return "";
}

}  // namespace

TEST_CASE("activations have the slots and lifetimes of PyTorch's liveness analysis") {
  const plan p = order("0F0,0F1,0I0,0F2,0W0,0F3,0I1,0W1,0I2,0W2,0I3,0W3\n");
  const slot_table t = assign_slots(p, {.activation = 1000});
  CHECK(t.count(0, slot_kind::activation) == 3);
  const int slot_of[] = {0, 1, 2, 0}, first[] = {0, 1, 3, 5}, last[] = {4, 7, 9, 11};
  for (int m = 0; m < 4; ++m) {
    const slot_use* u = t.find(0, slot_kind::activation, 0, m);
    REQUIRE(u != nullptr);
    CHECK(u->slot == slot_of[m]);
    CHECK(u->first == first[m]);
    CHECK(u->last == last[m]);
  }
  CHECK(t.count(0, slot_kind::pending) == 1);  // between I0 and W0 there is no other I, and so on
  CHECK(t.find(0, slot_kind::activation, 0, 4) == nullptr);
}

TEST_CASE("a slot is for one stage's activation, or for those of all stages of a rank") {
  draft d;
  d.order_of = sweep::lists_of(order("0F0,2F0,0F1,2B0,0B0,2F1,2B1,0B1,0F2,2F2,2B2,0B2\n1F0\n"));
  d.order_of.pop_back();
  d.hops_of = {{{0, 0}, {2, 0}}};  // the route leaves stage 1 out
  const plan p = make_plan(d);
  REQUIRE(check(p).ok());
  const slot_table each = assign_slots(p, {.activation = 8}, {.align = 1});
  CHECK(each.count(0, slot_kind::activation) == 3);
  struct place {
    int stage, micro_batch, slot;
  };
  for (const place& x : {place{0, 0, 0}, place{2, 0, 1}, place{0, 1, 2}, place{2, 1, 0}, place{0, 2, 0}, place{2, 2, 1}}) {
    INFO(x.stage << ", " << x.micro_batch);
    CHECK(each.find(0, slot_kind::activation, x.stage, x.micro_batch)->slot == x.slot);
  }
  CHECK(each.arena[0] == 24);
  const slot_options shared{.align = 1, .share = slot_share::micro_batch};
  const slot_table t = assign_slots(p, {.activation = 8}, shared);
  CHECK(t.count(0, slot_kind::activation) == 2);
  const int slot_of[] = {0, 1, 0}, first[] = {0, 2, 8}, last[] = {4, 7, 11};
  for (int m = 0; m < 3; ++m) {
    const slot_use* u = t.find(0, slot_kind::activation, -1, m);
    REQUIRE(u != nullptr);
    CHECK(u->slot == slot_of[m]);
    CHECK(u->first == first[m]);
    CHECK(u->last == last[m]);
    CHECK(u->bytes == 16);
  }
  CHECK(t.arena[0] == 32);
  CHECK(wrong_with(t, p, shared) == "");
}

TEST_CASE("a program has buffers for its messages, from the receive to its consumer and from the producer to the send") {
  const program q = lower(make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2}));
  REQUIRE(to_csv(q) == "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n1RECV_F0,1F0,1RECV_F1,1B0,1SEND_B0,1F1,1B1,1SEND_B1\n");
  const stage_bytes sizes[] = {{.activation = 100, .boundary = 7}, {.activation = 60, .boundary = 10}};
  const slot_table t = assign_slots(q, view<const stage_bytes>{sizes, 2}, {.align = 1});
  const slot_use* u = t.find(1, slot_kind::receive, 1, 1);
  REQUIRE(u != nullptr);
  CHECK((u->first == 2 && u->last == 5 && u->bytes == 10));
  u = t.find(0, slot_kind::receive, 0, 1);
  REQUIRE(u != nullptr);
  CHECK((u->first == 6 && u->last == 7 && u->bytes == 10));  // the gradient of what stage 1 takes in
  u = t.find(1, slot_kind::send, 1, 0);
  REQUIRE(u != nullptr);
  CHECK((u->first == 3 && u->last == 4 && u->bytes == 10));
  CHECK(t.count(0, slot_kind::send) == 1);
  CHECK(t.count(0, slot_kind::receive) == 1);
  CHECK(t.count(1, slot_kind::receive) == 1);  // 1RECV_F1 waits from 2 to 5, F0's was consumed at 1
  CHECK(t.live[0] == 210);    // two activations, and what F1 made until it is sent, or a gradient
  CHECK(t.arena[0] == 210);   // sends and receives share their place
  CHECK(t.separately[0] == 220);
  CHECK(assign_slots(make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2})).count(0, slot_kind::send) == 0);
}

TEST_CASE("the two passes of a pair hold what they hold together") {
  const plan p = order("0F0,0F1,(0B0;0F2)OVERLAP_F_B,0B1,0B2\n");
  const slot_table t = assign_slots(p, {.activation = 1}, {.align = 1});
  CHECK(t.count(0, slot_kind::activation) == 3);  // F2's doesn't go where B0 is at work
  CHECK(t.find(0, slot_kind::activation, 0, 2)->first == 2);
  CHECK(t.find(0, slot_kind::activation, 0, 0)->last == 3);
}

TEST_CASE("recomputed and offloaded activations live in pieces") {
  const plan p = make_plan(gpipe{}, {.ranks = 1, .micro_batches = 4});
  const program remade = lower(p, {.recompute = stage_choice::all()});
  const slot_table r = assign_slots(remade, {.activation = 100, .kept = 10}, {.align = 1});
  CHECK(r.count(0, slot_kind::activation) == 4);
  CHECK(r.count(0, slot_kind::recomputed) == 1);
  CHECK(r.live[0] == 4 * 10 + 90);
  const program away = lower(p, {.offload = {.stages = stage_choice::all(), .ahead = 0}});
  const slot_table o = assign_slots(away, {.activation = 100}, {.align = 1});
  CHECK(o.count(0, slot_kind::activation) == 1);
  CHECK(o.arena[0] == 100);
  CHECK(o.of(0).count == 8);
}

TEST_CASE("what an input pass lets go ends there, and the rest with the weight pass") {
  const plan p = order("0F0,0F1,0I0,0I1,0W0,0W1\n");
  const slot_table t = assign_slots(p, {.activation = 100, .released_by_input = 30}, {.align = 1});
  const slot_use *rest = t.find(0, slot_kind::activation, 0, 0), *brief = t.find(0, slot_kind::until_input, 0, 0);
  REQUIRE((rest != nullptr && brief != nullptr));
  CHECK((rest->first == 0 && rest->last == 4 && rest->bytes == 70));
  CHECK((brief->first == 0 && brief->last == 2 && brief->bytes == 30));
  CHECK(t.live[0] == 200);
  CHECK(assign_slots(p, {.activation = 100}).count(0, slot_kind::until_input) == 0);
  const plan h1 = make_plan(zb_h1{}, {.ranks = 4, .micro_batches = 8});
  const slot_table z = assign_slots(h1, {.activation = 64, .released_by_input = 32});
  const forecast f = simulate(h1, costs(), holding(64, 32, 32));
  for (int r = 0; r < 4; ++r) CHECK(static_cast<double>(z.live[r]) == f.held_of[r]);
}

TEST_CASE("what lives at once is what simulate holds, with input passes that let go, pending bytes and recompute") {
  sweep::dice dice(5);
  int programs = 0;
  all_schedules::each([&](const auto& s) {
    for (int ranks = 1; ranks <= 4; ++ranks)
      for (int m = 1; m <= 9; m += 1 + m / 4)
        for (int v = 1; v <= 3; ++v)
          for (int slices = 1; slices <= 2; ++slices) {
            const sizes z{ranks, m, v, slices};
            if (refuses(s, z)) continue;
            const plan p = make_plan(s, z);
            const int chunks = plan_view(p).chunks(0);
            bool alike = p.passes.has(pass::backward);
            for (int r = 0; r < ranks; ++r) alike = alike && plan_view(p).chunks(r) == chunks;
            if (!alike) continue;
            INFO(sweep::place(s.name, z));
            stage_bytes b{.activation = dice.between(1, 64)};
            b.kept = dice.between(0, static_cast<int>(b.activation));
            if (dice.between(0, 3) == 0) b.pending = dice.between(1, 20);
            else b.released_by_input = dice.between(0, static_cast<int>(b.activation));
            const program q = lower(p, {.recompute = dice.between(0, 2) == 0 ? stage_choice::none() : stage_choice::where([](int stage) { return stage % 2 == 0; })});
            const std::int64_t share = chunks * slices, input = b.released_by_input - b.pending;
            const forecast f = simulate(q, costs(), lowered_holding(q, holding(b.activation * share, input * share, (b.activation - input) * share), b.kept * share));
            const slot_table t = assign_slots(q, b);
            ++programs;
            bool merged = false;  // a B takes and releases the pending bytes itself, and needs no slot for them
            for (const action& a : plan_view(q).actions) merged = merged || (!a.is_message() && a.pass == pass::backward);
            for (int r = 0; r < ranks; ++r)
              if (const double live = static_cast<double>(t.live[r]); live > f.held_of[r] + 1e-6 || (live < f.held_of[r] - 1e-6 && !(merged && b.pending > 0)))
                FAIL("rank " << r << " holds " << f.held_of[r] << " and " << live << " live at once");
          }
  });
  CHECK(programs > 300 / sweep::thin);
}

TEST_CASE("sizes of stages come in an array, a vector, or a view") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8});
  const stage_bytes sizes[4] = {{.activation = 256}, {.activation = 512}, {.activation = 1024}, {.activation = 2048}};
  const std::int64_t wanted[] = {4 * 256, 3 * 512, 2 * 1024, 2048};
  const std::array<stage_bytes, 4> fixed{sizes[0], sizes[1], sizes[2], sizes[3]};
  const std::vector<stage_bytes> many(sizes, sizes + 4);
  std::vector<stage_bytes> changing = many;
  const slot_table tables[] = {assign_slots(p, sizes), assign_slots(p, fixed), assign_slots(p, many), assign_slots(p, changing),
                               assign_slots(p, view<const stage_bytes>{sizes, 4}), assign_slots(p, sizes, {.align = 1})};
  for (const slot_table& t : tables)
    for (int r = 0; r < 4; ++r) CHECK(t.arena[r] == wanted[r]);
  CHECK(thrown([&] { (void)assign_slots(make_plan(gpipe{}, {.ranks = 2, .micro_batches = 1}), sizes); }) ==
        "stretto: sizes of 4 stages are given for a plan of 2 stages; give one for each");
}

TEST_CASE("activations of stages alike take as many slots as simulate counts at its peak") {
  int plans = 0;
  all_schedules::each([&](const auto& s) {
    for (int ranks = 1; ranks <= 5; ++ranks)
      for (int m = 1; m <= 10; ++m)
        for (int v = 1; v <= 3; ++v)
          for (int q = 1; q <= 2; ++q) {
            const sizes z{ranks, m, v, q};
            if (refuses(s, z)) continue;
            INFO(sweep::place(s.name, z));
            const plan p = make_plan(s, z);
            const forecast f = simulate(p);
            const slot_table t = assign_slots(p, {.activation = 1}, {.align = 1});
            ++plans;
            for (int r = 0; r < ranks; ++r) {
              const double held = f.peak_of[r] * plan_view(p).chunks(r) * q;
              if (held < t.count(r, slot_kind::activation) - 1e-6 || held > t.count(r, slot_kind::activation) + 1e-6)
                FAIL("rank " << r << " holds " << held << " and has " << t.count(r, slot_kind::activation) << " slots");
              if (t.arena[r] < t.count(r, slot_kind::activation)) FAIL("slots outside the arena");
            }
          }
  });
  CHECK(plans > 500 / sweep::thin);
}

TEST_CASE("no two values that live at one time share bytes or a slot, whatever the sizes of stages, and the arena is near the peak") {
  sweep::dice dice(17);
  double worst[2] = {1, 1};
  int tables = 0;
  all_schedules::each([&](const auto& s) {
    for (int ranks = 1; ranks <= 5; ++ranks)
      for (int m = 1; m <= 9; m += 1 + m / 4)
        for (int v = 1; v <= 3; ++v) {
          const sizes z{ranks, m, v, 1};
          if (refuses(s, z)) continue;
          INFO(sweep::place(s.name, z));
          const plan p = make_plan(s, z);
          lower_options how;
          const bool trains = p.passes.has(pass::backward);
          if (trains && dice.between(0, 2) == 0) how.recompute = stage_choice::of({0});
          if (trains && dice.between(0, 2) == 0) how.offload = {.stages = stage_choice::all(), .ahead = dice.between(0, 2)};
          how.receives = {dice.between(-1, 2)};
          const program q = lower(p, how);
          std::vector<stage_bytes> sizes_of;
          for (int k = 0; k < q.stages; ++k) {
            const int whole = dice.between(1, 64);
            sizes_of.push_back({256 * whole, 256 * dice.between(0, whole), 256 * dice.between(0, 7), 256 * dice.between(0, 7), 256 * dice.between(0, whole)});
          }
          for (const slot_packing packing : {slot_packing::by_slot, slot_packing::by_value}) {
            const slot_options options{.align = 256, .share = slot_share::stage, .packing = packing};
            const slot_table t = assign_slots(q, view<const stage_bytes>{sizes_of.data(), static_cast<std::int64_t>(sizes_of.size())}, options);
            ++tables;
            const std::string wrong = wrong_with(t, q, options);
            if (!wrong.empty()) FAIL(wrong);
            for (int r = 0; r < ranks; ++r) {
              const double ratio = static_cast<double>(t.arena[r]) / static_cast<double>(t.live[r]);
              double& most = worst[static_cast<int>(packing)];
              most = ratio > most ? ratio : most;
            }
          }
        }
  });
  CHECK(tables > 500 / sweep::thin);
  INFO("by slot " << worst[0] << ", by value " << worst[1]);
  CHECK(worst[0] < 3);
  CHECK(worst[1] < 2);
}

TEST_CASE("an arena takes buffers at the lowest gap that fits") {
  buffer_life lives[] = {{0, 2, 10, 0}, {1, 5, 10, 0}, {2, 3, 5, 0}, {3, 6, 10, 0}, {4, 4, 3, 0}, {6, 6, 30, 0}};
  CHECK(place_in_arena({lives, 6}) == 40);
  const std::int64_t offsets[] = {0, 10, 20, 0, 20, 10};
  for (int i = 0; i < 6; ++i) CHECK(lives[i].offset == offsets[i]);
}

TEST_CASE("slots work in constant expressions") {
  static_assert([] {
    const program q = lower(make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 6}), {.receives = receives::deferred});
    const slot_table t = assign_slots(q, {.activation = 1000, .boundary = 10});
    return t.count(0, slot_kind::activation) == 4 && t.count(3, slot_kind::activation) == 1 && t.arena[0] >= t.live[0];
  }());
  SUCCEED();
}

TEST_CASE("sizes that are no use are refused in a sentence") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 4});
  const auto said = [&](const stage_bytes& b, const slot_options& how = {}) { return thrown([&] { (void)assign_slots(p, b, how); }); };
  CHECK(said({.activation = -1}) == "stretto: a size of stage 0 is below 0; give sizes in bytes, from 0");
  CHECK(said({.activation = 1, .pending = -5}) == "stretto: a size of stage 0 is below 0; give sizes in bytes, from 0");
  CHECK(said({.activation = 3, .kept = 4}) == "stretto: stage 0 is to keep 4 bytes of an activation of 3; give at most those");
  CHECK(said({.activation = 3, .released_by_input = 4}) == "stretto: an input pass of stage 0 is to release 4 bytes of an activation of 3; give at most those");
  CHECK(said({.released_by_input = -1}) == "stretto: a size of stage 0 is below 0; give sizes in bytes, from 0");
  CHECK(said({}, {.align = 48}) == "stretto: slots are to be aligned to 48 bytes; give a power of two, at most 2^40");
  CHECK(said({}, {.align = 0}) == "stretto: slots are to be aligned to 0 bytes; give a power of two, at most 2^40");
  CHECK(said({.activation = 9'000'000'000'000'000'000}) ==
        "stretto: the values of stage 0 and those before it add up to more bytes than a number can hold; give smaller sizes");
  CHECK(said({.activation = 1'500'000'000'000'000'000}) ==
        "stretto: the values of stage 0 and those before it add up to more bytes than a number can hold; give smaller sizes");
  const stage_bytes one[] = {{.activation = 1}};
  CHECK(thrown([&] { (void)assign_slots(p, view<const stage_bytes>{one, 1}); }) == "stretto: sizes of 1 stages are given for a plan of 2 stages; give one for each");
  const program q = lower(p, {.recompute = stage_choice::all()});
  CHECK(thrown([&] { (void)assign_slots(q, {.activation = 1}, {.share = slot_share::micro_batch}); }) ==
        "stretto: slots are to be shared by the stages of a rank, and this program recomputes or offloads single stages; use slot_share::stage");
  const plan broken = order("0F0,0B0\n1B0,1F0\n");
  CHECK(thrown([&] { (void)assign_slots(broken); }) == std::string(check(broken).sentence()));
}
