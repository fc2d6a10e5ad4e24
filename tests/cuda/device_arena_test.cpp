// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include <stretto/core/random.hpp>
#include <stretto/cuda/device_arena.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

/// A driver that counts, and has no more than `most`.
struct driver {
  static inline std::map<void*, std::int64_t> blocks;
  static inline std::int64_t most = INT64_MAX, waits = 0;
  static inline int device = 0;

  static int current() { return device; }
  static void finish_all(int) { ++waits; }
  static std::int64_t taken() {
    std::int64_t sum = 0;
    for (const auto& [at, bytes] : blocks) sum += bytes;
    return sum;
  }
  static void* take(std::int64_t bytes) {
    if (taken() + bytes > most) throw error("stretto: the device has none left; take less");
    void* const block = ::operator new(static_cast<std::size_t>(bytes), std::align_val_t{256});
    blocks[block] = bytes;
    return block;
  }
  static void give(void* block) {
    REQUIRE(blocks.erase(block) == 1);
    ::operator delete(block, std::align_val_t{256});
  }
};
using arena = cuda::device_arena<driver>;
constexpr std::int64_t mib = 1 << 20;

}  // namespace

TEST_CASE("a thousand small blocks are a few chunks, apart from each other, and all go back") {
  arena a;
  struct block {
    unsigned char* first;
    std::int64_t bytes;
    unsigned char mark;
  };
  std::vector<block> live;
  const random_stream drawn{.seed = 5};
  std::int64_t asked = 0, most = 0;
  for (int i = 0; i < 3000; ++i) {
    if (live.size() < 1000 && drawn.bits(2 * i) % 3 != 0) {
      const auto bytes = static_cast<std::int64_t>(1 + drawn.bits(2 * i + 1) % 60000);
      live.push_back({static_cast<unsigned char*>(a.take(bytes)), bytes, static_cast<unsigned char>(i)});
      CHECK(reinterpret_cast<std::uintptr_t>(live.back().first) % 256 == 0);
      std::memset(live.back().first, live.back().mark, static_cast<std::size_t>(bytes));
      asked += bytes, most = std::max(most, asked);
    } else if (!live.empty()) {
      const auto k = static_cast<std::ptrdiff_t>(drawn.bits(2 * i + 1) % live.size());
      const block b = live[static_cast<std::size_t>(k)];
      CHECK(std::all_of(b.first, b.first + b.bytes, [&](unsigned char c) { return c == b.mark; }));  // nobody else's
      a.give(b.first);
      asked -= b.bytes;
      live.erase(live.begin() + k);
    }
  }
  CHECK(live.size() > 500);
  CHECK(a.chunks() <= 3);
  CHECK(a.bytes() == driver::taken());
  for (const block& b : live) a.give(b.first);
  CHECK(a.chunks() == 0);
  CHECK(driver::blocks.empty());
}

TEST_CASE("an arena grows by an eighth, asks for no more than is needed where that isn't there, and keeps devices apart") {
  arena a;
  std::vector<void*> all;
  for (int i = 0; i < 100; ++i) all.push_back(a.take(10 * mib));
  CHECK(a.bytes() <= 1000 * mib * 9 / 8 + 16 * mib);
  const std::int64_t now = a.bytes();
  driver::most = now + 40 * mib;
  all.push_back(a.take(39 * mib));
  CHECK(a.bytes() <= now + 40 * mib);
  CHECK_THROWS_WITH(a.take(50 * mib), "stretto: the device has none left; take less");
  driver::most = INT64_MAX;
  driver::device = 1;
  const std::int64_t before = a.bytes();
  void* const other = a.take(256);
  CHECK(a.bytes() > before);  // not of the first device's chunks
  driver::device = 0;
  const std::int64_t waits = driver::waits;
  a.give(other);
  CHECK(driver::waits == waits + 1);
  CHECK(a.bytes() == before);
  CHECK_THROWS_WITH(a.give(other), "stretto: memory of a device is given back that wasn't taken, or a second time; give back what take gave, once");
  for (void* const block : all) a.give(block);
  CHECK(driver::blocks.empty());
}
