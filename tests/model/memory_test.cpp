// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory of a GPT that is trained: what each rank asks operator new for, what the pipeline counts, and what a dry run foretold,
// beside each other; and that nothing is asked for once it is bound.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "allocations.hpp"
#include "catch.hpp"

#include <stretto/model.hpp>
#include <stretto/run.hpp>

std::atomic<std::int64_t> allocations::calls = 0;
thread_local std::int64_t allocations::bytes = 0, allocations::most = 0;

#ifndef STRETTO_SANITIZED
namespace {

void* counted(void* p) {
  if (p == nullptr) throw std::bad_alloc();
  allocations::calls.fetch_add(1, std::memory_order_relaxed);
  allocations::bytes += static_cast<std::int64_t>(malloc_usable_size(p));
  if (allocations::bytes > allocations::most) allocations::most = allocations::bytes;
  return p;
}
void uncounted(void* p) {
  if (p != nullptr) allocations::bytes -= static_cast<std::int64_t>(malloc_usable_size(p));
  std::free(p);
}

}  // namespace

// Not inlined, or g++ takes new and free for a pair that doesn't match.
[[gnu::noinline]] void* operator new(std::size_t bytes) { return counted(std::malloc(bytes > 0 ? bytes : 1)); }
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t line) {
  const std::size_t of = static_cast<std::size_t>(line);
  return counted(std::aligned_alloc(of, (bytes + of - 1) / of * of));
}
[[gnu::noinline]] void operator delete(void* p) noexcept { uncounted(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { uncounted(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { uncounted(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { uncounted(p); }
#endif

using namespace stretto;

namespace {

#ifndef STRETTO_SANITIZED
constexpr std::int64_t width = 96, length = 48;
using brief = bf16;
#else  // which take ten times as long
constexpr std::int64_t width = 48, length = 24;
using brief = float;  // one type less to compile
#endif

transformer_shape gpt() {
  transformer_shape s = gpt2_shape(6, width, 4, 512, 64);
  s.samples = 4, s.sequence = length, s.dropout = s.attention_dropout = 0.1;
  return s;
}
transformer_shape llama() {
  transformer_shape s = llama_shape(6, width, 4, 2, 2 * width, 512, 2048);  // whose rotary tables count
  s.samples = 4, s.sequence = length;
  return s;
}

struct rank_memory {
  std::int64_t asked = 0, most_asked = 0, counted = 0, most_counted = 0, later_calls = 0;
};

/// A pipeline for each rank, bound by a thread of its own, and three steps.
template <class T>
std::vector<rank_memory> trained(const transformer_shape& s, const plan& order, bool recompute) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(s.rows()), 3);
  std::vector<rank_memory> all(static_cast<std::size_t>(order.ranks));
  threads over(order.ranks);
  const auto model = transformer<host::device, T>(s, {.seed = 3, .recompute = recompute});
  const cut stages = even_cut(layer_costs(s), order.stages);
  std::atomic<int> bound = 0, stepped = 0;
  std::vector<std::thread> hosts;
  for (int r = 0; r < order.ranks; ++r)
    hosts.emplace_back([&, r] {
      rank_memory& mine = all[static_cast<std::size_t>(r)];
      endpoint at(over, r);
      const std::int64_t before = allocations::bytes;
      allocations::most = before;
      {
        pipeline p(at, model, stages, order, host::optimizer{adamw_options{}}, {.seed = 9, .samples = s.samples, .clip = 0.5});
        for (const char* name : {"tokens", "labels"}) p.template feed<std::int32_t>(name, [&](const data_share&) { return view<const std::int32_t>{tokens.data(), s.rows()}; });
        p.step(100).loss();  // what threads make at their first words is theirs
        ++bound;
        while (bound.load() < order.ranks) std::this_thread::yield();
        const std::int64_t calls = allocations::calls.load();
        for (int i = 0; i < 2; ++i) p.step(100).loss();
        ++stepped;
        while (stepped.load() < order.ranks) std::this_thread::yield();
        mine.later_calls = allocations::calls.load() - calls;
        mine.asked = allocations::bytes - before, mine.most_asked = allocations::most - before;
        mine.counted = p.memory(r).now(), mine.most_counted = p.memory(r).most();
        ++stepped;
        while (stepped.load() < 2 * order.ranks) std::this_thread::yield();
      }
    });
  for (std::thread& h : hosts) h.join();
  return all;
}

template <class T>
void held_to_the_table(const char* name, const transformer_shape& s, const plan& order, bool recompute) {
  const dry_report d = dry_run(transformer<host::device, T>(s, {.seed = 3, .recompute = recompute}), even_cut(layer_costs(s), order.stages), order, {.states = 2});
  const std::vector<rank_memory> seen = trained<T>(s, order, recompute);
  double all_asked = 0, all_foretold = 0;
  const bool tied = s.tied && order.ranks > 1;  // whichever thread comes first makes room for what all ranks tell of tied gradients
  for (int r = 0; r < order.ranks; ++r) {
    INFO(name << (recompute ? ", recomputed, rank " : ", rank ") << r << " of " << order.ranks);
    const rank_memory& m = seen[static_cast<std::size_t>(r)];
    const auto foretold = static_cast<double>(d.ranks[static_cast<std::size_t>(r)].memory());
    std::printf("%-16s rank %d of %d%s: foretold %9.0f, counted %9lld (most %9lld), asked of new %9lld (most %9lld)\n", name, r, order.ranks, recompute ? " recomputed" : "", foretold,
                static_cast<long long>(m.counted), static_cast<long long>(m.most_counted), static_cast<long long>(m.asked), static_cast<long long>(m.most_asked));
    CHECK(m.later_calls == 0);
    CHECK(static_cast<double>(m.counted) / foretold == Catch::Approx(1).epsilon(0.01));
    CHECK(static_cast<double>(m.most_counted) / foretold == Catch::Approx(1).epsilon(0.02));
    all_asked += static_cast<double>(m.asked), all_foretold += foretold;
    if (!allocations::counted || tied) continue;
    CHECK(static_cast<double>(m.asked) / foretold == Catch::Approx(1).epsilon(0.02));
    CHECK(static_cast<double>(m.most_asked) / foretold == Catch::Approx(1).epsilon(0.02));
  }
  INFO(name);
  if (allocations::counted) CHECK(all_asked / all_foretold == Catch::Approx(1).epsilon(0.02));
}

}  // namespace

TEST_CASE("each rank's memory is what the table foretold, and nothing is asked for while steps run") {
  for (const bool recompute : {false, true}) {
#ifdef STRETTO_SANITIZED
    if (recompute) continue;
#endif
    held_to_the_table<float>("gpt, gpipe", gpt(), make_plan(gpipe{}, {.ranks = 1, .micro_batches = 4}), recompute);
    held_to_the_table<float>("gpt, 1f1b", gpt(), make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 4}), recompute);
    held_to_the_table<float>("llama, 1f1b", llama(), make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8}), recompute);
    held_to_the_table<brief>("llama, zb_v", llama(), make_plan(zb_v{}, {.ranks = 2, .micro_batches = 4}), recompute);
  }
}

TEST_CASE("1F1B keeps as many micro-batches as ranks follow, and GPipe that recomputes all inputs and one micro-batch's work") {
  transformer_shape s = gpt();
  s.layers = 8;
  const std::int64_t n = s.rows(), d = s.width, h = s.heads, ranks = 4, blocks = s.layers / ranks, micro_batches = 8;
  const cut stages = cut::of({5, 4, 4, 5});  // 2 blocks each, an embedding in front and a head behind
  const std::int64_t attention = 4 * (n * (5 * d + h + 2) + 2 * d);  // normed, queries, keys, values, their mix; a number a row and head; of the norm
  const std::int64_t mlp = 4 * (n * (9 * d + 2) + 2 * d);            // normed, before and after the activation; of the norm
  const std::int64_t boundary = 4 * n * d, inner = 2 * blocks - 1;   // those within a stage
  const auto model = transformer<host::device, float>(s, {.seed = 3}), lean = transformer<host::device, float>(s, {.seed = 3, .recompute = true});
  const auto kept = [&](const auto& m, const plan& order, int rank, bool all = false) { return dry_run(m, stages, order, {.recompute_all = all}).ranks[static_cast<std::size_t>(rank)]; };
  const plan one = make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 8}), deep = make_plan(gpipe{}, {.ranks = 4, .micro_batches = 8});
  for (const int r : {1, 2}) {
    CAPTURE(r);
    CHECK(kept(model, one, r).kept == (ranks - r) * (blocks * (attention + mlp) + inner * boundary));
    CHECK(kept(model, deep, r).kept == micro_batches * (blocks * (attention + mlp) + inner * boundary));
    CHECK(kept(lean, one, r).kept == (ranks - r) * inner * boundary);
    CHECK(kept(lean, deep, r).kept == micro_batches * inner * boundary);
    // Nothing but a stage's input: it lies in the objects of the rank before, one a micro-batch; those that go back are two at most.
    CHECK(kept(model, deep, r, true).kept == 0);
    CHECK(kept(model, deep, r, true).workspace - kept(model, deep, r).workspace == blocks * (attention + mlp + 2 * boundary));
    const std::int64_t ties = 2 * 4 * s.vocabulary * s.width, back = kept(model, deep, r, true).objects - ties - micro_batches * boundary;
    CHECK(back % boundary == 0);
    CHECK((back >= boundary && back <= micro_batches * boundary));
  }
}
