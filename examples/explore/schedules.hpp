// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the words of a command line to a schedule, its sizes, costs and holdings. Everything is asked of the schedules
// themselves; a new one needs no change here.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <sstream>

#include <stretto/stretto.hpp>

#include "arguments.hpp"

namespace explore {

inline void set(std::string_view flag, std::string_view word, int& out) { out = static_cast<int>(integer(flag, word, 0, 1'000'000'000)); }

inline void set(std::string_view flag, std::string_view word, stretto::drain_order& out) {
  if (word == "ascending")
    out = stretto::drain_order::ascending;
  else if (word == "descending")
    out = stretto::drain_order::descending;
  else
    refuse(std::string(flag) + " takes ascending or descending, not '" + std::string(word) + "'");
}


template <class S>
std::string flags_of() {
  std::string f = "--ranks P, --micro-batches M";
  if (stretto::takes_chunks<S>()) f += ", --chunks V";
  if (stretto::takes_slices<S>()) f += ", --slices Q";
  if constexpr (requires(S& s) { s.options([](auto&&...) {}); }) {
    S s;
    s.options([&](const char* name, auto&, const char*) { f += std::string(", --") + name; });
  }
  return f;
}

inline std::vector<std::string> names() {
  std::vector<std::string> all;
  stretto::all_schedules::each([&](auto s) { all.emplace_back(s.name); });
  return all;
}

inline std::string read_file(const std::string& path) {
  std::FILE* const in = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  std::string text;
  char block[4096];
  if (in != nullptr)
    for (std::size_t n; (n = std::fread(block, 1, sizeof block, in)) > 0;) text.append(block, n);
  const bool failed = in == nullptr || std::ferror(in) != 0;
  if (in != nullptr && in != stdin) std::fclose(in);
  if (failed) refuse("the file '" + path + "' can't be read; give a readable file, or - for standard input");
  return text;
}

/// The name of a schedule's type, as a program writes it: "one_f_one_b".
template <class S>
std::string type_name() {
  std::string name = __PRETTY_FUNCTION__;  // … [with S = stretto::v0::one_f_one_b; …]
  name.erase(0, name.find("S = ") + 4);
  name.erase(name.find_first_of(";]"));
  return name.substr(name.rfind(':') + 1);
}

/// What passes cost and hold, from --costs --latency --costs-file --memory --peak.
struct pricing {
  stretto::costs costs;
  stretto::holding holding;
  double peak = 0;  ///< limit for searches, in units of a forward; 0: none
  std::string specials;  ///< the file that gave costs of ranks and stages

  void read(arguments& a) {
    std::string v;
    double f = 1, i = 1, w = 1, c = 0;
    if (a.value("--costs", v)) {
      const auto parts = split(v);
      if (parts.size() != 3) refuse("--costs takes three numbers F,I,W, not '" + v + "'");
      f = number("--costs", parts[0]), i = number("--costs", parts[1]), w = number("--costs", parts[2]);
    }
    if (a.value("--latency", v)) c = number("--latency", v);
    costs = stretto::costs(f, i, w, c);
    if (a.value("--costs-file", v)) read_file_of_costs(v);
    if (a.value("--memory", v)) {
      const auto parts = split(v);
      if (parts.size() != 3) refuse("--memory takes three numbers F,I,W, not '" + v + "'");
      decimal d[3];
      int places = 0;
      for (int k = 0; k < 3; ++k) {
        d[k] = decimal::read("--memory", parts[static_cast<std::size_t>(k)]);
        places = std::max(places, d[k].behind);
      }
      if (places > 6) refuse("--memory takes at most six digits behind the point, not '" + v + "'");
      const auto held = d[0].scaled(places), input = d[1].scaled(places), weight = d[2].scaled(places);
      if (held != input + weight || held == 0) refuse("--memory takes F,I,W with F = I + W and F above 0, so that all is released in the end, not '" + v + "'");
      holding = stretto::holding(held, input, weight);
    }
    if (a.value("--peak", v)) {
      peak = number("--peak", v);
      if (peak <= 0) refuse("--peak takes a number above 0, not '" + v + "'");
    }
  }

 private:
  /// Lines "rank R PASS COST" or "stage S PASS COST"; # begins a comment.
  void read_file_of_costs(const std::string& path) {
    std::istringstream lines(read_file(path));
    const stretto::graph g = stretto::training();
    std::string text;
    for (int n = 1; std::getline(lines, text); ++n) {
      const std::string where = "line " + std::to_string(n) + " of " + path;
      std::istringstream line(text.substr(0, text.find('#')));
      std::vector<std::string> w{std::istream_iterator<std::string>(line), {}};
      if (w.empty()) continue;
      if (w.size() != 4 || (w[0] != "rank" && w[0] != "stage"))
        refuse(where + " is not 'rank R PASS COST' or 'stage S PASS COST'; mend it");
      const int pass = g.find(w[2]);
      if (pass < 0 || !g.is_node(pass)) refuse(where + " names pass '" + w[2] + "'; a cost is given for F, I or W (B costs I + W)");
      specials = path;
      costs.specials.push_back({w[0] == "rank" ? stretto::scope::rank : stretto::scope::stage,
                                static_cast<int>(integer(where, w[1], 0, 1'000'000'000)), static_cast<stretto::pass_id>(pass),
                                number(where, w[3])});
    }
  }
};

/// The plan of a CSV file; what can't be read is an error of use.
inline stretto::plan plan_of_file(const std::string& path) {
  const std::string text = read_file(path);
  try {
    return stretto::make_plan(stretto::from_csv(text));
  } catch (const stretto::error& e) {
    throw usage_error(e.what());
  }
}

/// A named schedule with its sizes, or a file, made into a plan.
struct chosen {
  std::string name;
  stretto::sizes sizes;
  pricing prices;
  bool lowered = false;
  stretto::plan plan;
};

/// Reads NAME (or FILE.csv) and its flags, and `more` flags of the command, then makes the plan.
template <class More>
chosen choose(const std::string& command, arguments& a, const std::string& more_flags, More&& more) {
  chosen c;
  c.name = a.word();
  if (c.name.empty()) refuse(command + " needs the name of a schedule; " + nearest("", names()));
  const auto of_every_name = [&](const std::string& takes) {
    c.prices.read(a);
    c.lowered = a.flag("--lowered");
    more(a);
    a.finish(c.name, takes + "--lowered, --costs F,I,W, --latency C, --costs-file FILE, --memory F,I,W, --peak K" + more_flags);
  };
  const auto made = [&](stretto::plan p) {
    c.plan = std::move(p);
    for (const auto& one : c.prices.costs.specials)
      if (const bool of_rank = one.of == stretto::scope::rank; one.index >= (of_rank ? c.plan.ranks : c.plan.stages))
        refuse(c.prices.specials + " gives a cost for " + (of_rank ? "rank " : "stage ") + std::to_string(one.index) + ", and the plan has " +
               std::to_string(of_rank ? c.plan.ranks : c.plan.stages) + (of_rank ? " ranks" : " stages") + ", numbered from 0; mend the file");
    if (c.lowered && !c.plan.lowered) c.plan = stretto::lower(c.plan);
  };
  if (c.name == "-" || (c.name.size() > 4 && c.name.substr(c.name.size() - 4) == ".csv")) {
    of_every_name("");
    made(plan_of_file(c.name));
    return c;
  }
  bool found = false;
  stretto::all_schedules::each([&](auto s) {
    using S = decltype(s);
    if (found || c.name != s.name) return;
    found = true;
    std::string v;
    const auto count = [&](const char* flag, int& out) {
      std::string w;
      if (!a.value(flag, w)) return false;
      out = static_cast<int>(integer(flag, w, -1'000'000'000, 1'000'000'000));
      return true;
    };
    const bool ranks = count("--ranks", c.sizes.ranks), batches = count("--micro-batches", c.sizes.micro_batches);
    if (stretto::takes_chunks<S>()) count("--chunks", c.sizes.chunks);
    if (stretto::takes_slices<S>()) count("--slices", c.sizes.slices);
    if constexpr (requires { s.options([](auto&&...) {}); })
      s.options([&](const char* name, auto& member, const char*) {
        const std::string flag = std::string("--") + name;
        if (a.value(flag, v)) set(flag, v, member);
      });
    of_every_name(flags_of<S>() + ", ");
    if (!ranks) refuse(c.name + " needs --ranks P; it takes " + flags_of<S>());
    if (!batches) refuse(c.name + " needs --micro-batches M; it takes " + flags_of<S>());
    made(stretto::make_plan(s, c.sizes));
  });
  if (!found)
    stretto::all_schedules::each([&](auto s) {
      if (c.name == type_name<decltype(s)>()) refuse("there is no schedule '" + c.name + "', which is its type; it is called " + s.name);
    });
  if (!found) refuse("there is no schedule '" + c.name + "'; " + nearest(c.name, names()));
  return c;
}

}  // namespace explore
