// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bytes: what a recorded transport counts is what one can write down, for every schedule.
#include <string>

#include "catch.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"
#include <stretto/run.hpp>

using namespace stretto;

namespace {

constexpr int blocks = 21, layers = blocks + 3;
constexpr std::int64_t row_bytes = static_cast<std::int64_t>(sizeof(float)) * toy::rows * toy::width;

/// The layer that gives in toy::model_of(blocks), and those that take.
constexpr int giver = 1, takers[] = {2 + (blocks - 3) / 2, layers - 3};

/// Messages of a step between two ranks, from the cut and the placement alone: a boundary between stages on two ranks is
/// crossed by each micro-batch there and back; the skip connection goes once to each stage that takes, and a gradient
/// comes back from each taker.
struct expected {
  std::int64_t messages = 0, bytes = 0;
};
expected between(const plan_view& p, const cut& c, int from, int to) {
  expected e;
  if (from == to) return e;
  const bool trains = p.passes->has(pass::backward_weight);
  const int home = c.stage_of(giver), first = c.stage_of(takers[0]), second = c.stage_of(takers[1]);
  for (int m = 0; m < p.micro_batches; ++m) {
    const route_view r = p.route_of(m);
    for (int s = 0; s + 1 < c.stages(); ++s) {
      e.messages += r.rank_of(s) == from && r.rank_of(s + 1) == to;
      e.messages += trains && r.rank_of(s) == to && r.rank_of(s + 1) == from;
    }
    const auto joins = [&](int a, int b, int x, int y) { return a != b && r.rank_of(a) == x && r.rank_of(b) == y; };
    e.messages += joins(home, first, from, to) + (second != first && joins(home, second, from, to));
    if (trains) e.messages += joins(home, first, to, from) + joins(home, second, to, from);
  }
  e.bytes = e.messages * row_bytes;
  return e;
}

}  // namespace

TEST_CASE("messages and bytes between any two ranks are those that one can write down") {
  int pairs = 0;
  for (int m : {1, 2, 5, 8})
    all_schedules::each([&](auto s) {
      using S = decltype(s);
      for (int ranks : {1, 2, 3, 4, 8})
        for (int chunks = 1; chunks <= (takes_chunks<S>() ? 3 : 1); ++chunks) {
          const sizes z{.ranks = ranks, .micro_batches = m, .chunks = chunks};
          if (refuses(s, z)) continue;
          const plan order = make_plan(s, z);
          const cut c = toy::cut_of(layers, order.stages);
          const toy::data data(m);
          recorded<threads> t(ranks);
          pipeline p(t, toy::model_of(blocks), c, order, sgd{}, {.samples = toy::rows});
          toy::feed(p, data);
          t.reset();  // binding tells ranks of each other
          for (int i = 0; i < 2; ++i) p.step(m).loss();
          p.finish();
          INFO(sweep::place(s.name, z));
          for (int a = 0; a < ranks; ++a)
            for (int b = 0; b < ranks; ++b) {
              const expected e = between(order, c, a, b);
              REQUIRE(t.messages(a, b) == 2 * e.messages);
              REQUIRE(t.bytes(a, b) == 2 * e.bytes);
              ++pairs;
            }
        }
    });
  CHECK(pairs > 4 * 94);
}

TEST_CASE("an even pipeline of P ranks and V chunks sends PV - 1 boundaries each way") {
  for (int chunks : {1, 2, 3}) {
    recorded<threads> t(4);
    const plan order = make_plan(interleaved_one_f_one_b{}, {.ranks = 4, .micro_batches = 8, .chunks = chunks});
    const toy::data data(8);
    pipeline p(t, sequential(layer<toy::embedding>(), repeat<toy::block<false>>(10, 0.0), layer<toy::head>()), toy::cut_of(12, order.stages), order, sgd{}, {.samples = toy::rows});
    toy::feed(p, data);
    t.reset();
    p.step(24).loss();
    CHECK(t.total_messages() == 2 * 8 * (4 * chunks - 1));
    CHECK(t.total_bytes() == t.total_messages() * row_bytes);
    // The board: what was asked for, losses of a step, the squares of a rank's parameters; and the gradients of its tied ones. To each other rank.
    const std::int64_t parameters = 3, shared = toy::vocabulary * toy::width;
    CHECK(t.gathered_bytes(0) == 3 * (8 * (6 + 8 + parameters) + 4 * shared));
  }
}

TEST_CASE("a dry run foretells what binding asks for and what a step sends") {
  const plan order = make_plan(interleaved_one_f_one_b{}, {.ranks = 4, .micro_batches = 8, .chunks = 3});
  const cut c = toy::cut_of(layers, order.stages);
  const auto model = toy::model_of(blocks);
  const dry_report foretold = dry_run(model, c, order);
  const toy::data data(8);
  recorded<threads> t(4);
  pipeline p(t, model, c, order, sgd{}, {.samples = toy::rows});
  toy::feed(p, data);
  p.step(24).loss();
  p.finish();
  REQUIRE(foretold.ranks.size() == 4);
  for (int a = 0; a < 4; ++a) {
    std::int64_t messages = 0, bytes = 0, parameters = 0;
    for (int b = 0; b < 4; ++b) messages += t.messages(a, b), bytes += t.bytes(a, b);
    for (const parameter& one : p.parameters())
      if (plan_view(order).route(0).rank_of(c.stage_of(one.layer)) == a) parameters += one.count * 4 * (one.gradient != nullptr ? 2 : 1);
    const dry_rank& r = foretold.ranks[static_cast<std::size_t>(a)];
    CHECK(r.messages == messages);
    CHECK(r.sent_bytes == bytes);
    CHECK(r.parameters == parameters);
  }
  CHECK(foretold.total().sent_bytes == t.total_bytes());

  // One rank, a chain whose every byte can be counted: an embedding, two blocks, a head; four micro-batches.
  const auto chain = sequential(layer<toy::embedding>(), repeat<toy::block<false>>(2, 0.0), layer<toy::head>());
  const plan one = make_plan(gpipe{}, {.ranks = 1, .micro_batches = 4});
  const dry_rank whole = dry_run(chain, cut::of({4}), one).ranks[0];
  const std::int64_t saved_block = sizeof(toy::block<false>::saved), saved_head = 4 * toy::rows * toy::vocabulary;
  CHECK(whole.kept == 4 * (3 * row_bytes + 2 * saved_block + saved_head));
  CHECK(whole.workspace == 3 * row_bytes + 8 + 8);  // three gradients; the loss and its gradient
  CHECK(whole.objects == 2 * 2 * 4 * toy::vocabulary * toy::width);  // both uses of the tied table, of two updates
  const dry_rank again = dry_run(chain, cut::of({4}), one, {.recompute_all = true}).ranks[0];
  CHECK(again.kept == 0);
  CHECK(again.workspace == 2 * (3 * row_bytes + 8) + 2 * saved_block + saved_head);
  CHECK(std::string(to_table(dry_run(chain, cut::of({2, 2}), make_plan(gpipe{}, {.ranks = 2, .micro_batches = 4}))).str()).find("\n all ") != std::string::npos);
  CHECK(sweep::thrown([&] { dry_run(chain, cut::of({2, 2}), one); }) ==
        "stretto: the cut is of 4 layers into 2 stages, the model has 4 layers and the plan 1 stages; cut the model into the plan's stages");
}
