// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tests of schedules share: which options a schedule has, a plan's lists and routes as vectors, and a random
// number that is the same everywhere (mt19937 is specified to the bit; the distributions of <random> are not).
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <stretto/stretto.hpp>

namespace sweep {

/// Under a sanitizer, which is some ten times slower, one size in so many is looked at.
#ifdef STRETTO_SANITIZED
inline constexpr int thin = 12;
inline constexpr int scarce = 40;  // so many times fewer cases are asked for
#else
inline constexpr int thin = 1;
inline constexpr int scarce = 1;
#endif

using lists = std::vector<std::vector<stretto::action>>;
using paths = std::vector<std::vector<stretto::hop>>;  // by micro-batch: its hops in turn

inline lists lists_of(const stretto::plan_view& p) {
  lists all(static_cast<std::size_t>(p.ranks));
  for (int r = 0; r < p.ranks; ++r)
    for (const stretto::action& a : p.order(r)) all[static_cast<std::size_t>(r)].push_back(a);
  return all;
}

inline lists without_messages(const stretto::plan_view& p) {
  lists all(static_cast<std::size_t>(p.ranks));
  for (int r = 0; r < p.ranks; ++r)
    for (const stretto::action& a : p.order(r))
      if (!a.is_message()) all[static_cast<std::size_t>(r)].push_back(a);
  return all;
}

inline paths paths_of(const stretto::plan_view& p) {
  paths all(static_cast<std::size_t>(p.micro_batches));
  for (int m = 0; m < p.micro_batches; ++m) {
    const stretto::route_view r = p.route_of(m);
    for (int s = r.first(); s >= 0; s = r.next(s)) all[static_cast<std::size_t>(m)].push_back({s, r.rank_of(s)});
  }
  return all;
}

/// "1f1b, 4 ranks, 8 micro-batches, 1 chunk, …": where a failure happened.
inline std::string place(const char* name, const stretto::sizes& z, const std::string& options) {
  return std::string(name) + ": ranks " + std::to_string(z.ranks) + ", micro-batches " + std::to_string(z.micro_batches) + ", chunks " +
         std::to_string(z.chunks) + ", slices " + std::to_string(z.slices) + options;
}
inline std::string place(const char* name, const stretto::sizes& z, int group = 0) { return place(name, z, ", group " + std::to_string(group)); }

namespace detail {

/// How many values an option takes here: what it stands at, then a number 0 to `most`, and anything else its other value.
template <class T>
constexpr int choices(const T&, int most) {
  return std::is_same_v<T, int> ? most + 2 : 2;
}

/// Sets an option to the choice of that number, 0 leaves it; false if that is no other value.
template <class T>
bool choose(T& value, int choice) {
  static_assert(std::is_same_v<T, int> || std::is_same_v<T, bool> || std::is_same_v<T, stretto::drain_order>);
  const T before = value;
  if (choice == 0) return true;
  if constexpr (std::is_same_v<T, int>) value = choice - 1;
  else if constexpr (std::is_same_v<T, bool>) value = !value;
  else value = value == stretto::drain_order::ascending ? stretto::drain_order::descending : stretto::drain_order::ascending;
  return value != before;
}

template <class S, class Visit>
void each_option_from(const S& s, int index, int most, const std::string& words, Visit& visit) {
  int count = 0, values = 1;
  S other = s;
  other.options([&](const char*, auto& value, const char*) {
    if (count++ == index) values = choices(value, most);
  });
  if (index >= count) return void(visit(s, words));
  for (int choice = 0; choice < values; ++choice) {
    int i = 0;
    bool another = true;
    std::string named = words;
    other = s;
    other.options([&](const char* name, auto& value, const char*) {
      if (i++ != index) return;
      another = choose(value, choice);
      if (choice > 0) named += std::string(", ") + name + " " + std::to_string(static_cast<int>(value));
    });
    if (another) each_option_from(other, index + 1, most, named, visit);
  }
}

}  // namespace detail

/// Calls visit(schedule, words) for a schedule and for it with all choices of all its options: numbers from 0 to `most`,
/// both drain orders.
template <class S, class Visit>
void each_option(const S& s, int most, Visit&& visit) {
  if constexpr (requires(S& o) { o.options([](const char*, auto&, const char*) {}); })
    detail::each_option_from(s, 0, most, "", visit);
  else
    visit(s, std::string());
}

/// Sets the number of that name among a schedule's options.
template <class S>
void set_option(S& s, std::string_view name, int to) {
  if constexpr (requires { s.options([](const char*, auto&, const char*) {}); })
    s.options([&](const char* called, auto& value, const char*) {
      if constexpr (std::is_same_v<std::remove_reference_t<decltype(value)>, int>)
        if (name == called) value = to;
    });
}

/// Whether a schedule drains from the last micro-batch to the first.
template <class S>
bool descends(const S& s) {
  if constexpr (requires { s.drain; }) return s.drain == stretto::drain_order::descending;
  return false;
}

/// The sentence that f throws; empty where it throws none.
inline std::string thrown(auto&& f) {
  try {
    f();
  } catch (const stretto::error& e) {
    return e.what();
  }
  return "";
}

struct dice {
  std::mt19937 bits;
  explicit dice(unsigned seed) : bits(seed) {}

  int between(int least, int most) { return least + static_cast<int>(bits() % static_cast<unsigned>(most - least + 1)); }
  double between(double least, double most) { return least + (most - least) * (static_cast<double>(bits()) / 4294967296.0); }
};

}  // namespace sweep
