// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What pictures of a timeline have in common: its rows, its colours, its times and sizes in words, and what can't be drawn.
//
//     time_words(t, 0.0125)      "12.5 ms" where t counts in seconds, "0.0125" where it counts in nothing
//     sizes_in_words(t)          "4 ranks, 8 micro-batches · makespan 33 · bubble 27.3 %"
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/draw/escape.hpp>
#include <stretto/draw/timeline.hpp>
#include <stretto/plan/colour.hpp>

namespace stretto::inline v0::detail {

/// Above this many boxes neither an editor nor a browser is of use.
inline void refuse_crowd(std::size_t actions) {
  constexpr std::size_t most = 200'000;
  if (actions > most)
    throw error(text("stretto: the picture would have ", static_cast<std::int64_t>(actions), " actions, and more than ", static_cast<std::int64_t>(most),
                     " can't be looked at; draw fewer micro-batches, or write a trace").str());
}

/// Two timelines that can't stand side by side.
inline void refuse_unlike(const timeline& foretold, const timeline& measured) {
  if (foretold.ranks != measured.ranks)
    throw error(text("stretto: a timeline of ", foretold.ranks, " ranks is to stand beside one of ", measured.ranks, "; draw two of one plan").str());
  const auto unit = [](const timeline& t) { return t.unit.empty() ? "mere numbers" : t.unit == "s" ? "seconds" : t.unit.c_str(); };
  if (foretold.unit != measured.unit)
    throw error(text("stretto: a timeline in ", unit(foretold), " is to stand beside one in ", unit(measured),
                     "; simulate with costs in seconds, and say so with timeline_options::unit").str());
}

/// A lane of a rank that has something in it.
struct lane_row {
  int rank;
  lane on;
};

inline std::vector<lane_row> rows_of(const timeline& t) {
  std::vector<bool> used(static_cast<std::size_t>(t.ranks) * lane_count, false);
  for (const drawn_action& d : t.actions) used[static_cast<std::size_t>(d.rank) * lane_count + static_cast<std::size_t>(d.on)] = true;
  std::vector<lane_row> rows;
  for (int r = 0; r < t.ranks; ++r)
    for (int l = 0; l < lane_count; ++l)
      if (l == 0 || used[static_cast<std::size_t>(r) * lane_count + static_cast<std::size_t>(l)]) rows.push_back({r, static_cast<lane>(l)});
  return rows;
}

inline const char* name_of_lane(lane l) {
  constexpr const char* names[] = {"compute", "copy in", "copy out", "network", "collective"};
  return names[static_cast<int>(l)];
}

/// A pass on a chunk, which has a colour of its own.
struct shade {
  pass_id pass;
  int chunk;
};

inline std::string number_of(const shade& s) { return std::to_string(s.pass) + "_" + std::to_string(s.chunk); }

/// The shades that stand in a timeline.
inline std::vector<shade> shades_of(const timeline& t) {
  const auto chunks = static_cast<std::size_t>(t.chunks);
  std::vector<char> used(t.passes.size() * chunks, 0);
  for (const drawn_action& d : t.actions) used[d.pass * chunks + static_cast<std::size_t>(d.chunk)] = 1;
  std::vector<shade> shades;
  for (std::size_t i = 0; i < used.size(); ++i)
    if (used[i] != 0) shades.push_back({static_cast<pass_id>(i / chunks), static_cast<int>(i % chunks)});
  return shades;
}

/// A colour as pages write it: #0072b2.
inline std::string hex_of(const colour& c) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out = "#";
  for (int v : {c.red, c.green, c.blue}) out += digits[v >> 4], out += digits[v & 15];
  return out;
}

/// The distance of ticks: 1, 2 or 5 times a power of ten, at least `least`.
inline double tick_of(double least) {
  if (!(least > 0)) return 1;
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (double one : {1.0, 2.0, 5.0})
    if (one * power >= least * (1 - 1e-9)) return one * power;
  return 10 * power;
}

/// A time in words: "12.5", or with the unit that suits it, "12.5 ms".
inline std::string time_words(const timeline& t, double time, int digits = 4) {
  if (time == 0) return "0";
  std::string out;
  const bool seconds = t.unit == "s";
  const double size = seconds ? std::abs(time) : 1;
  const double factor = size >= 1 ? 1 : size >= 1e-3 ? 1e3 : 1e6;
  put_number(out, time * factor, digits);
  if (seconds) out += factor == 1 ? " s" : factor == 1e3 ? " ms" : " µs";
  else if (!t.unit.empty()) out += " " + t.unit;
  return out;
}

/// "4 ranks, 8 micro-batches · makespan 33 · bubble 27 %".
inline std::string sizes_in_words(const timeline& t) {
  const auto many = [](int n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : what[std::string_view(what).size() - 1] == 'h' ? "es" : "s"); };
  std::string out = many(t.ranks, "rank");
  if (t.stages != t.ranks) out += ", " + many(t.stages, "stage");
  out += ", " + many(t.micro_batches, "micro-batch");
  if (t.slices > 1) out += ", " + many(t.slices, "slice");
  double work = 0;
  for (const drawn_rank& r : t.of_rank) work = (std::max)(work, r.work);
  out += " \u00b7 " + std::string(t.measured ? "measured " : "") + "makespan " + time_words(t, t.makespan);
  if (t.makespan > 0) {
    out += " \u00b7 bubble ";
    put_number(out, std::round(1000 * (1 - work / t.makespan)) / 10, 3);
    out += " %";
  }
  return out;
}

}  // namespace stretto::inline v0::detail
