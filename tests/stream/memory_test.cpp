// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A stream that runs asks for no memory: calls of operator new are counted, of all threads.
#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>

#include "catch.hpp"
#include "stages.hpp"

namespace {
std::atomic<std::int64_t> asked_for = 0;
}

#ifndef STRETTO_SANITIZED
// Not inlined, or g++ takes new and free for a pair that doesn't match.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  asked_for.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(bytes > 0 ? bytes : 1);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t line) {
  asked_for.fetch_add(1, std::memory_order_relaxed);
  const std::size_t of = static_cast<std::size_t>(line);
  return std::aligned_alloc(of, (bytes + of - 1) / of * of);
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
#endif

namespace {

using namespace stretto;

/// Twice every number.
struct doubled {
  using input = values<float>;
  using output = values<float>;
  output make_output() const { return output(64); }
  void forward(context&, const input& in, output& out) {
    out.resize(in.size());
    for (std::int64_t i = 0; i < in.size(); ++i) out[i] = 2 * in[i];
  }
  void backward_input(context&, const input&, const values<float>&, values<float>&) {}
};

}  // namespace

TEST_CASE("a stream that runs asks for no memory, and items of any size up to the largest go through") {
  const auto m = sequential(layer<stream_entry<values<float>>>(values<float>(64)), layer<doubled>(), layer<doubled>(), layer<stream_exit<values<float>>>());
  pipeline p(m, cut::of({2, 2}), stages::walk(2, 2));
  for (when_full rule : {when_full::block, when_full::drop_oldest}) {
    stream s(p, {.entry = 4, .full = rule});
    std::atomic<bool> go = false;
    [[maybe_unused]] std::atomic<std::int64_t> fetched = 0;
    std::thread pusher([&] {
      values<float> x(64);
      for (int i = 0; i < 400; ++i) {
        if (i == 50) {
          while (!go) std::this_thread::yield();
        }
        if (x.room() != 64) std::abort();
        x.resize(i % 64 + 1);
        for (float& v : x) v = static_cast<float>(i);
        s.push(x);
      }
      s.close();
    });
    std::int64_t before = -1, told = 0, done = 0;
    for (auto d = s.next(); d.what != outcome::closed; d = s.next()) {
      if (d.what == outcome::done) {
        const auto i = static_cast<float>(d.item.number);
        REQUIRE((d.value->size() == d.item.number % 64 + 1 && (*d.value)[0] == 4 * i && (*d.value)[d.value->size() - 1] == 4 * i));
        ++done;
      }
      if (++told == 20) before = asked_for, go = true;
    }
    const std::int64_t after = asked_for;
    pusher.join();
    CHECK(told == 400);
    CHECK((done == 400 || rule == when_full::drop_oldest));
    CHECK(after == before);
  }
}
