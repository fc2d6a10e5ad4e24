// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pipeline beside its numbers: steps without a barrier, failures that end all ranks in one error, slots and objects as
// the plan says, nothing allocated while it runs.
#include <signal.h>
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <thread>

#include "catch.hpp"
#include "run/toy.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

[[maybe_unused]] std::atomic<long> allocations = 0;

/// Where a layer is to fail, and how.
struct trap {
  int layer = -1, micro_batch = -1;
  int pass = -1;  // 0 forward, 1 backward_input, 2 backward_weight
  double sleep = 0;
};
trap set_trap;

void spring(const context& c, int pass) {
  if (c.layer != set_trap.layer || c.share.micro_batch != set_trap.micro_batch || pass != set_trap.pass) return;
  if (set_trap.sleep > 0) return std::this_thread::sleep_for(std::chrono::duration<double>(set_trap.sleep));
  throw std::runtime_error("the trap");
}

struct start {
  using input = nothing;
  using output = float;
  void forward(context& c, const nothing&, float& out) { spring(c, 0), out = static_cast<float>(c.share.micro_batch); }
  void backward_input(context& c, const nothing&, const float&, nothing&) { spring(c, 1); }
};

struct middle {
  using input = float;
  using output = float;
  std::vector<float> w{2}, g{0};
  void forward(context& c, const float& in, float& out) { spring(c, 0), out = w[0] * in; }
  void backward_input(context& c, const float&, const float& dy, float& dx) { spring(c, 1), dx = w[0] * dy; }
  void backward_weight(context& c, const float& in, const float& dy) { spring(c, 2), g[0] += in * dy; }
  void parameters(auto&& visit) { visit("w", w, g); }
};

struct finish {
  using input = float;
  using output = double;
  void forward(context& c, const float& in, double& out) { spring(c, 0), out = static_cast<double>(in); }
  void backward_input(context& c, const float&, const double& dy, float& dx) { spring(c, 1), dx = static_cast<float>(dy); }
};

/// Two uses of a tie that differ in size; the first throws what is no exception.
struct odd_start : start {
  std::vector<float> w{1, 2}, g{0, 0};
  void forward(context&, const nothing&, float&) { throw 42; }
  void backward_weight(context&, const nothing&, const float&) {}
  void parameters(auto&& visit) { visit("w", w, g, tied{"odd"}); }
};
template <int Size>
struct odd_finish : finish {
  std::vector<float> w = std::vector<float>(Size, 5), g = std::vector<float>(Size);
  void backward_weight(context&, const float&, const double&) {}
  void parameters(auto&& visit) { visit("w", w, g, tied{"odd"}); }
};

auto chain(int layers) { return sequential(layer<start>(), repeat<middle>(layers - 2), layer<finish>()); }

using sweep::thrown;

/// The tables of a plan of stages of which each has weights.
flow flow_of(const plan& order) {
  const runnable_plan added = make_runnable(order, {.update = order.passes.has(pass::backward_weight)});
  model_links links;
  links.goes_back.assign(static_cast<std::size_t>(order.stages), true);
  links.lets_input_go.assign(static_cast<std::size_t>(order.stages), false);
  return make_flow(lower(added.order), added, links);
}

}  // namespace

#ifndef STRETTO_SANITIZED  // whose own operators must stay
// Not inlined, or g++ takes new and free for a pair that doesn't match.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(bytes > 0 ? bytes : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

TEST_CASE("a chain of doublings has the gradients that one can write down") {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = 4});
  pipeline p(chain(6), toy::cut_of(6, 3), order, sgd{.rate = 0});
  auto step = p.step(2);
  CHECK(step.loss() == 16 * (0 + 1 + 2 + 3) / 2.0);
  REQUIRE(p.parameters().size() == 4);
  for (const parameter& one : p.parameters()) {
    CHECK(one.count == 1);
    CHECK(*static_cast<const float*>(one.gradient) == 8 * (0 + 1 + 2 + 3) / 2.0f);
  }
  CHECK(std::string(p.parameters()[0].name.str()) == "1.w");
  CHECK(step.norm() == 2 * 24.0);
}

TEST_CASE("steps follow each other without a barrier, and a step's loss can be asked for later") {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = 5});
  const toy::data data(5);
  const auto losses = [&](bool at_once) {
    pipeline p(toy::model_of(6), toy::cut_of(9, 3), order, adamw{.rate = 0.01}, {.samples = toy::rows});
    toy::feed(p, data);
    std::vector<double> all;
    for (int round = 0; round < 4; ++round) {
      auto a = p.step(15), b = p.step(15), c = p.step(15);
      if (at_once) p.finish();
      for (auto* one : {&a, &b, &c}) all.push_back(one->loss());
    }
    return all;
  };
  CHECK(losses(true) == losses(false));

  pipeline p(chain(3), toy::cut_of(3, 3), order);
  auto old = p.step();
  for (int i = 0; i < 9; ++i) p.step();
  CHECK(thrown([&] { old.loss(); }) ==
        "stretto: the results of step 0 are asked for when 10 steps have been, and they are kept for 8 steps; ask for them earlier");
}

TEST_CASE("evaluation is a plan of forward passes") {
  const plan order = make_plan(forward_only{}, {.ranks = 2, .micro_batches = 6});
  pipeline p(chain(4), toy::cut_of(4, 2), order);
  for (int i = 0; i < 20; ++i) CHECK(p.step(6).loss() == 4 * 15 / 6.0);
}

TEST_CASE("whatever is thrown, at any action, ends the run on all ranks in an error that names it") {
  int actions = 0, plans = 0;
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    if constexpr (!std::is_same_v<S, forward_only>) {
      sizes z{.ranks = 3, .micro_batches = 4, .chunks = takes_chunks<S>() ? 2 : 1};
      if (refuses(s, z)) z.ranks = 2;
      const plan order = make_plan(s, z);
      const cut c = toy::cut_of(8, order.stages);
      ++plans;
      for (int layer = 0; layer < 8; ++layer)
        for (int m = 0; m < 4; ++m)
          for (int k : {0, 1, 2}) {
            if ((k == 2 && layer == 7) || (k > 0 && layer == 0)) continue;  // no weights there, or none before it
            set_trap = {layer, m, k};
            const auto begun = std::chrono::steady_clock::now();
            {
              pipeline p(chain(8), c, order, sgd{}, {.threads = {.deadline = 20}});
              const int stage = c.stage_of(layer), rank = plan_view(order).route_of(m).rank_of(stage);
              action which = action::of(static_cast<pass_id>(k), stage, m);
              for (const action& a : order.order(rank))  // a fused backward does both halves
                if (k > 0 && a.pass == pass::backward && a.stage == stage && a.micro_batch == m) which.pass = pass::backward;
              const std::string name(naming(order)(which).str());
              auto step = p.step();
              const std::string words = thrown([&] { step.loss(); });
              INFO(s.name << " layer " << layer << " micro-batch " << m << " pass " << k << ": " << words);
              REQUIRE(words.rfind("stretto: rank " + std::to_string(rank) + " step ", 0) == 0);
              REQUIRE(words.find("(" + name + ") layer " + std::to_string(layer) + " threw: the trap") != std::string::npos);
              REQUIRE(thrown([&] { p.step().loss(); }) == words);  // and stays ended
              ++actions;
            }
            REQUIRE(std::chrono::steady_clock::now() - begun < std::chrono::seconds(5));
          }
    }
  });
  set_trap = {};
  CHECK(plans >= 3);
  CHECK(actions == plans * 4 * (8 + 7 + 6));
}

TEST_CASE("a layer that doesn't come back lets the others give up at the deadline, and say for what they waited") {
  set_trap = {3, 1, 0, 1.5};
  const plan order = make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = 4});
  {
    pipeline p(chain(6), toy::cut_of(6, 3), order, sgd{}, {.threads = {.deadline = 0.2}});
    const auto begun = std::chrono::steady_clock::now();
    const std::string words = thrown([&] { p.step().loss(); });
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(1200));
    CHECK(words.find("stretto: rank ") == 0);
    CHECK(words.find(" waited 200 ms for ") != std::string::npos);
  }
  set_trap = {};
}

TEST_CASE("who gives up says in numbers where it was") {
  set_trap = {3, 1, 0, 0.6};
  {
    pipeline p(chain(6), toy::cut_of(6, 3), make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = 4}), sgd{}, {.threads = {.deadline = 0.2}});
    try {
      p.step().loss();
      FAIL("nobody gave up");
    } catch (const error& e) {
      const std::string words = e.what();
      const error_place at = e.place();
      CHECK(words.find("stretto: rank " + std::to_string(at.rank) + " waited 200 ms for what step " + std::to_string(at.step) + " (" + std::to_string(at.stage)) == 0);
      CHECK(at.micro_batch >= 0);
    }
  }
  set_trap = {};
}

TEST_CASE("what doesn't fit is refused when it is bound") {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2});
  CHECK(thrown([&] { pipeline p(chain(5), toy::cut_of(4, 2), order); }) ==
        "stretto: the cut is of 4 layers into 2 stages, the model has 5 layers and the plan 2 stages; cut the model into the plan's stages");
  CHECK(thrown([&] { pipeline p(chain(5), toy::cut_of(5, 3), order); }).find("into 3 stages") != std::string::npos);
  draft d;
  d.order_of = {{action::backward(0, 0), action::forward(0, 0)}};
  CHECK(thrown([&] { pipeline p(chain(5), toy::cut_of(5, 1), make_plan(d)); }).rfind("stretto: deadlock: ", 0) == 0);
  pipeline p(toy::model_of(3), toy::cut_of(6, 2), order);
  CHECK(thrown([&] { p.step().loss(); }) ==
        "stretto: rank 0 step 0 (0F0) layer 0 threw: layer 0 asks for feed 'tokens', which the pipeline hasn't; give it with feed<T>(name, function)");
}

TEST_CASE("uses of a tied parameter begin alike, and what is no exception is named, too") {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 1});
  CHECK(thrown([&] { pipeline p(sequential(layer<odd_start>(), layer<odd_finish<3>>()), cut::of({1, 1}), order); }) ==
        "stretto: parameters 0.w and 1.w are tied as 'odd' and differ in size or type; make them alike");
  pipeline p(sequential(layer<odd_start>(), layer<odd_finish<2>>()), cut::of({1, 1}), order);
  CHECK(static_cast<const float*>(p.parameters()[1].value)[1] == 2);
  CHECK(thrown([&] { p.step().loss(); }) == "stretto: rank 0 step 0 (0F0) layer 0 threw: something that is no std::exception");
}

TEST_CASE("slots are as many as the plan holds, and objects as many as it can have under way") {
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    for (int ranks : {1, 2, 3, 4})
      for (int m : {1, 3, 8}) {
        const sizes z{.ranks = ranks, .micro_batches = m, .chunks = takes_chunks<S>() ? 2 : 1};
        if (refuses(s, z)) continue;
        const plan order = make_plan(s, z);
        const flow f = flow_of(order);
        const forecast expected = simulate(order);
        INFO(sweep::place(s.name, z));
        for (int r = 0; r < ranks; ++r) {
          const rank_flow& one = f.ranks[static_cast<std::size_t>(r)];
          const int chunks = plan_view(order).chunks(r);
          CHECK(one.peak == expected.peak_of[r] * chunks);
          int slots = 0;
          for (const stage_room& here : one.stages) slots += here.slots;
          // Each stage has slots of its own, so several on a rank may need more than the peak of their sum.
          if (chunks == 1 && order.routes == 1) CHECK(slots == one.peak);
          CHECK(slots >= one.peak);
          CHECK(slots <= m * chunks);
          for (const stage_room& here : one.stages) {
            int pending = 0, most = 1;  // between their input passes and their weight passes
            for (const action& a : order.order(r)) {
              if (a.stage != here.stage) continue;
              if (a.pass == pass::backward_input) most = std::max(most, ++pending);
              if (a.pass == pass::backward_weight) --pending;
            }
            CHECK(here.workspaces == most);
          }
        }
        for (const channel_plan& c : f.channels) CHECK((c.objects >= 1 && c.objects <= m));
      }
  });
  // 1F1B's first rank is at most as far ahead as the plan lets it.
  const flow f = flow_of(make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 100}));
  for (const channel_plan& c : f.channels) CHECK(c.objects <= 4);
}

#ifndef STRETTO_SANITIZED
TEST_CASE("nothing is allocated once the first step has run") {
  const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 8});
  const toy::data data(8);
  pipeline p(toy::model_of(6), toy::cut_of(9, 2), order, adamw{}, {.samples = toy::rows, .clip = 1});
  toy::feed(p, data);
  const long before = allocations.load();
  double sum = 0;
  for (int i = 0; i < 10; ++i) {
    auto step = p.step(24);
    sum += step.loss() + step.norm();
  }
  const long after = allocations.load();
  CHECK(after - before == 0);
  CHECK(sum > 0);
}

TEST_CASE("nothing is allocated to write logs, as a signal handler must, while ranks are at work") {
  char name[] = "/tmp/stretto_log_XXXXXX";
  REQUIRE(mkdtemp(name) != nullptr);
  const std::string folder = name;
  {
    const plan order = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 8});
    const toy::data data(8);
    pipeline p(toy::model_of(6), toy::cut_of(9, 2), order, adamw{}, {.samples = toy::rows, .clip = 1, .dump = folder + "/run"});
    toy::feed(p, data);
    p.step(24).loss();
    dump_on_signals({SIGUSR1});
    const long before = allocations.load();
    for (int i = 0; i < 5; ++i) p.step(24), raise(SIGUSR1);
    p.finish();
    const long after = allocations.load();
    signal(SIGUSR1, SIG_DFL);
    CHECK(after - before == 0);
  }
  std::error_code ignored;
  CHECK(std::filesystem::file_size(folder + "/run.rank1.log") > 1000);
  CHECK(std::filesystem::remove_all(folder, ignored) == 3);
}
#endif
