// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The schedules of the library, as the tool sees them: names, words, flags, and how a plan is made. Everything is asked of
// the schedules themselves; a new one needs no change here.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

#include "arguments.hpp"

namespace explore {

/// The name of an enumerator, or "" where there is none of that value. Compilers print it in the name of the function.
template <auto Value>
std::string enumerator() {
  std::string name = __PRETTY_FUNCTION__;  // … [with auto Value = stretto::v0::drain_order::ascending; …]
  name.erase(0, name.find("Value = ") + 8);
  name.erase(name.find_first_of(";]"));
  return name.find('(') != std::string::npos ? "" : name.substr(name.rfind(':') + 1);
}

/// The names of an enumeration's values from 0 on.
template <class E>
std::vector<std::string> enumerators() {
  std::vector<std::string> names;
  [&]<int... Value>(std::integer_sequence<int, Value...>) {
    ((names.push_back(enumerator<static_cast<E>(Value)>())), ...);
  }(std::make_integer_sequence<int, 16>{});
  while (!names.empty() && names.back().empty()) names.pop_back();
  return names;
}

inline std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string all;
  for (const auto& w : words) all += (all.empty() ? "" : between) + w;
  return all;
}

/// Reads an option of a schedule, by the type of the member that holds it.
template <class T>
void set(const std::string& flag, const std::string& word, T& out) {
  if constexpr (std::is_same_v<T, bool>) {
    if (word != "yes" && word != "no") refuse(flag + " takes yes or no, not '" + word + "'");
    out = word == "yes";
  } else if constexpr (std::is_enum_v<T>) {
    const auto names = enumerators<T>();
    for (std::size_t i = 0; i < names.size(); ++i)
      if (names[i] == word && !word.empty()) return void(out = static_cast<T>(i));
    refuse(flag + " takes " + joined(names, " or ") + ", not '" + word + "'");
  } else if constexpr (std::is_floating_point_v<T>) {
    out = static_cast<T>(number(flag, word));
  } else {
    out = static_cast<T>(integer(flag, word, 0, 1'000'000'000));
  }
}

/// How a flag's value is written: "N", "X", "yes|no", "ascending|descending".
template <class T>
std::string value_of() {
  if constexpr (std::is_same_v<T, bool>) return "yes|no";
  else if constexpr (std::is_enum_v<T>) return joined(enumerators<T>(), "|");
  else return std::is_floating_point_v<T> ? "X" : "N";
}

/// The name of a schedule's type, as a program writes it: "one_f_one_b".
template <class S>
std::string type_name() {
  std::string name = __PRETTY_FUNCTION__;  // … [with S = stretto::v0::one_f_one_b; …]
  name.erase(0, name.find("S = ") + 4);
  name.erase(name.find_first_of(";]"));
  return name.substr(name.rfind(':') + 1);
}

/// A schedule of the library.
struct entry {
  using maker = std::function<stretto::plan(const stretto::sizes&)>;

  std::string name, summary, needs, type;
  std::string flags;               ///< "--ranks P, --micro-batches M, …"
  bool chunks = false, slices = false;
  std::vector<std::pair<std::string, std::string>> options;  ///< the schedule's own flags: "--group", "N"
  std::function<maker(arguments&)> read;                     ///< takes them
};

/// All schedules, in the library's order.
inline const std::vector<entry>& registry() {
  static const std::vector<entry> all = [] {
    std::vector<entry> list;
    stretto::all_schedules::each([&](auto schedule) {
      using S = decltype(schedule);
      entry e{schedule.name, schedule.summary, "", type_name<S>(), "--ranks P, --micro-batches M", stretto::takes_chunks<S>(), stretto::takes_slices<S>(), {}, {}};
      if constexpr (requires { S::needs; }) e.needs = S::needs;
      if (e.chunks) e.flags += ", --chunks V";
      if (e.slices) e.flags += ", --slices Q";
      if constexpr (requires(S& s) { s.options([](auto&&...) {}); })
        schedule.options([&]<class T>(const char* name, T&, const char*) { e.options.emplace_back(std::string("--") + name, value_of<T>()); });
      for (const auto& [flag, value] : e.options) e.flags += ", " + flag + " " + value;
      e.read = [](arguments& a) -> entry::maker {
        S s;
        if constexpr (requires { s.options([](auto&&...) {}); })
          s.options([&](const char* name, auto& member, const char*) {
            std::string word;
            const std::string flag = std::string("--") + name;
            if (a.value(flag, word)) set(flag, word, member);
          });
        return [s](const stretto::sizes& z) { return stretto::make_plan(s, z); };
      };
      list.push_back(std::move(e));
    });
    return list;
  }();
  return all;
}

inline std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const entry& e : registry()) all.push_back(e.name);
  return all;
}

/// The schedule of that name, or an error of use that names the ones that are near.
inline const entry& schedule_named(const std::string& name) {
  for (const entry& e : registry())
    if (e.name == name) return e;
  for (const entry& e : registry())
    if (e.type == name) refuse("there is no schedule '" + name + "', which is its type; it is called " + e.name);
  refuse("there is no schedule '" + name + "'; " + nearest(name, names()));
}

}  // namespace explore
