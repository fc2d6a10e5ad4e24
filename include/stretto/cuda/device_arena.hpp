// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The device's memory in few large chunks: a driver gives memory out in pages of 2 MiB, and a pipeline has a thousand tensors.
//
//     chunk 0   ▓▓▓▓░░▓▓▓▓▓▓▓▓▓▓▓▓░░░░      what is given back is taken again, neighbours that are free are one
//     chunk 1   ▓▓▓▓▓▓▓▓░░░░░░░░░░░░░░      a new one where nothing fits: an eighth of what there is, 16 MiB to 1 GiB, or more
// A chunk goes back to the driver when nothing in it is used. Giving back waits for the device, as the driver does, so that
// nobody gets what work under way still touches. Cost: up to an eighth more memory than is asked for; a search among free runs.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>
#include <vector>

#include <stretto/core/error.hpp>

namespace stretto::inline v0::cuda {

/// One for each runtime and process, for all devices.
template <class Runtime>
class device_arena {
 public:
  static device_arena& all() {
    static device_arena* const one = new device_arena;  // tensors of static life give back to it at the very end
    return *one;
  }

  /// On the calling thread's device. Throws stretto::error where there is none left.
  void* take(std::int64_t bytes) {
    const std::int64_t size = (bytes + line - 1) / line * line;
    const int device = Runtime::current();
    const std::lock_guard lock(mutex_);
    for (auto& [first, c] : chunks_) {
      if (c.device != device) continue;
      for (auto f = c.free.begin(); f != c.free.end(); ++f)
        if (f->second >= size) return cut(first, c, f, size);
    }
    std::int64_t there = 0;
    for (const auto& [first, c] : chunks_) there += c.device == device ? c.size : 0;
    const std::int64_t least = (size + page - 1) / page * page, grown = in_bounds(there / 8);
    char* first = nullptr;
    std::int64_t got = ((grown + size - 1) / size * size + page - 1) / page * page;  // room for some more of this size
    if (got > least) {
      try {
        first = static_cast<char*>(Runtime::take(got));
      } catch (const error&) {  // then no more than is asked for
        got = least;
      }
    }
    if (first == nullptr) first = static_cast<char*>(Runtime::take(got));
    chunk& c = chunks_[first];
    c.size = got, c.device = device, c.free[0] = got;
    return cut(first, c, c.free.begin(), size);
  }

  void give(void* block) {
    Runtime::finish_all(device_of(block));
    const std::lock_guard lock(mutex_);
    const auto at = std::prev(chunks_.upper_bound(static_cast<char*>(block)));
    chunk& c = at->second;
    std::int64_t first = static_cast<char*>(block) - at->first;
    const auto used = c.used.find(first);
    std::int64_t size = used->second;
    c.used.erase(used);
    auto next = c.free.lower_bound(first);
    if (next != c.free.end() && next->first == first + size) size += next->second, next = c.free.erase(next);
    if (next != c.free.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == first) first = before->first, size += before->second, c.free.erase(before);
    }
    c.free[first] = size;
    if (!c.used.empty()) return;
    Runtime::give(at->first);
    chunks_.erase(at);
  }

  /// What was asked of the driver.
  std::int64_t bytes() const {
    const std::lock_guard lock(mutex_);
    std::int64_t sum = 0;
    for (const auto& [first, c] : chunks_) sum += c.size;
    return sum;
  }
  int chunks() const {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(chunks_.size());
  }

 private:
  static constexpr std::int64_t line = 256, page = std::int64_t{2} << 20;
  struct chunk {
    std::int64_t size = 0;
    int device = 0;
    std::map<std::int64_t, std::int64_t> free, used;  // sizes by where they begin
  };

  static constexpr std::int64_t in_bounds(std::int64_t bytes) {
    constexpr std::int64_t least = std::int64_t{16} << 20, most = std::int64_t{1} << 30;
    return bytes < least ? least : bytes > most ? most : bytes;
  }
  static void* cut(char* first, chunk& c, std::map<std::int64_t, std::int64_t>::iterator f, std::int64_t size) {
    const auto [at, left] = *f;
    c.free.erase(f);
    if (left > size) c.free[at + size] = left - size;
    c.used[at] = size;
    return first + at;
  }
  int device_of(void* block) const {
    const std::lock_guard lock(mutex_);
    const auto after = chunks_.upper_bound(static_cast<char*>(block));
    if (after == chunks_.begin() || !std::prev(after)->second.used.contains(static_cast<char*>(block) - std::prev(after)->first))
      throw error("stretto: memory of a device is given back that wasn't taken, or a second time; give back what take gave, once");
    return std::prev(after)->second.device;
  }

  mutable std::mutex mutex_;
  std::map<char*, chunk> chunks_;
};

}  // namespace stretto::inline v0::cuda
