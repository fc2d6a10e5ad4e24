// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tests of transports share: a crowd of threads, one a rank, and channels of one number.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <stretto/core/text.hpp>
#include <stretto/transport/transport.hpp>

namespace crowd {

/// Runs work(rank) on a thread for each rank; gives the words that each threw, or "".
template <class T, class Work>
std::vector<std::string> on_all(T& t, int ranks, Work&& work) {
  std::vector<std::string> thrown(static_cast<std::size_t>(ranks));
  std::vector<std::thread> all;
  for (int r = 0; r < ranks; ++r)
    all.emplace_back([&, r] {
      t.enter(r);
      try {
        work(r);
      } catch (const std::exception& e) {
        thrown[static_cast<std::size_t>(r)] = e.what();
      }
      t.leave(r);
    });
  for (std::thread& one : all) one.join();
  return thrown;
}

/// All words of a crowd together: "" where nothing was thrown.
inline std::string together(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& w : words) all += w;
  return all;
}

/// A channel whose objects are one number each.
inline stretto::channel_shape numbers(int from, int to, std::int64_t boxes, int objects) {
  stretto::channel_shape s;
  s.from = from, s.to = to, s.boxes = boxes, s.objects = objects;
  s.make = [](const void*) -> void* { return new std::int64_t(0); };
  s.drop = [](void* p) { delete static_cast<std::int64_t*>(p); };
  s.bytes = [](const void*) -> std::int64_t { return sizeof(std::int64_t); };
  static const int maker = 0;
  s.maker = &maker;
  return s;
}

inline constexpr auto nothing = [](stretto::text& t) { t.add("a test"); };

template <class T>
void send(T& t, typename T::channel& c, const stretto::message_id& id, std::int64_t number) {
  auto* const o = static_cast<std::int64_t*>(t.fresh(c, nothing));
  *o = number;
  t.put(c, id, o, nothing);
}

template <class T>
std::int64_t receive(T& t, typename T::channel& c, const stretto::message_id& id) {
  const stretto::parcel p = t.take(c, id, nothing);
  const std::int64_t number = p.id == id ? *static_cast<std::int64_t*>(p.object) : -1;
  t.give_back(c, p.object);
  return number;
}

inline double since(std::chrono::steady_clock::time_point begun) { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(); }

}  // namespace crowd
