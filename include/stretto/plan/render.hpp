// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan as a picture in text: a row a rank, time to the right, one column a unit.
//
//     rank 0 | F0 F1       B0--- B1---
//     rank 1 |    F0 B0--- F1 B1---
// An action's name stands at its start and dashes fill the rest of its time; idle time is blank. Names carry the stage
// (2F0) where a rank owns several. What runs on other lanes than compute has rows of its own below the rank's, a lane each.
// The unit is the largest that divides every start and end, or, where none does to a sixteenth of the shortest pass, that
// shortest pass; then times are rounded, and a last line says so. On a terminal cells may have colours instead of dashes,
// by pass and chunk, and rows may be cut to its width. Cost: O(ranks × columns).
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <stretto/plan/colour.hpp>
#include <stretto/plan/simulate.hpp>

namespace stretto::inline v0 {

struct grid_options {
  bool colours = false;  ///< as terminals of 256 colours take them; they read alike on dark and on light
  int width = 0;         ///< columns of the terminal, longer rows are cut and a last line says so; 0: whole rows
};

namespace detail {

/// An action in the picture, or an overlapped pair.
struct bar {
  std::int64_t from, to;
  std::string name;
  colour first, second;
  std::size_t split;  ///< where the name of the second begins, behind all else where there is none
};

/// How many stages of a rank are below one: which of them it is, and for p.stages how many they are.
inline int chunk_of(const plan_view& p, int rank, int stage) {
  int chunk = 0;
  for (int s = 0; s < stage; ++s) {
    bool here = false;
    for (int i = 0; i < p.routes && !here; ++i) here = p.route(i).rank_of(s) == rank;
    chunk += here ? 1 : 0;
  }
  return chunk;
}

/// The escape that begins a cell.
inline std::string escape_of(const colour& c) {
  return std::string("\x1b[38;5;") + (c.takes_white_text() ? "231" : "16") + ";48;5;" + std::to_string(c.of_256()) + "m";
}

/// A cell in its colours, where every column stands for itself. Columns from `most` on are left out.
inline void put_cell(std::string& row, const bar& b, const std::string& cell, std::size_t most) {
  const std::size_t shown = cell.size() < most ? cell.size() : most, split = b.split < shown ? b.split : shown;
  if (split > 0) row += escape_of(b.first) + cell.substr(0, split);
  if (split < shown) row += escape_of(b.second) + cell.substr(split, shown - split);
  if (shown > 0) row += "\x1b[0m";
}

/// The column unit of a grid, and whether every start and end is a multiple of it.
struct grid_unit {
  double unit = 1;
  bool exact = true;
};

inline grid_unit unit_of(const forecast& f) {
  double shortest = 0;
  for (std::int64_t i = 0; i < f.starts.size(); ++i)
    if (const double d = f.ends[i] - f.starts[i]; d > 0 && (shortest == 0 || d < shortest)) shortest = d;
  if (shortest == 0) return {};
  if (f.makespan / shortest > 100'000)
    throw error("stretto: the picture would be more than 100000 columns wide, because the shortest pass is that much shorter than the step; give costs nearer to each other");
  for (int parts = 1; parts <= 16; ++parts) {
    const double unit = shortest / parts;
    bool fits = true;
    for (std::int64_t i = 0; i < f.starts.size() && fits; ++i)
      for (double t : {f.starts[i] / unit, f.ends[i] / unit}) fits = fits && std::abs(t - std::round(t)) < 1e-6;
    if (fits) return {unit, true};
  }
  return {shortest, false};
}

}  // namespace detail

/// The timeline of a plan as text. Messages are not drawn, nor passes that take no time. Throws stretto::error with the
/// check's sentence where the plan can't run to its end, and where the picture would be wider than 100,000 columns.
inline std::string to_grid(const plan_view& p, const costs& prices = costs(), const grid_options& how = {}) {
  const forecast f = simulate(p, prices, holding(), {.record = true});
  const auto [unit, exact] = detail::unit_of(f);
  const naming called(p);
  bool with_stage = false;
  for (int r = 0; r < p.ranks && !with_stage; ++r)
    for (const action& a : p.order(r)) with_stage = with_stage || (!a.is_message() && a.stage != p.order(r)[0].stage);
  using detail::bar;  // not a local class: g++ 12 stops with an internal error on a vector of one here
  std::vector<std::vector<bar>> bars(static_cast<std::size_t>(p.ranks) * lane_count);
  std::size_t width = 1;
  for (int r = 0; r < p.ranks; ++r) {
    const view<const action> list = p.order(r);
    for (std::int64_t i = 0; i < list.count; ++i) {
      const action& a = list[i];
      const std::int64_t k = p.rows[r] + i;
      if (a.is_message() || f.ends[k] <= f.starts[k]) continue;
      std::string name(called(a).str());
      const bool by_stage = p.passes->passes[a.pass].by == scope::stage;
      if (!with_stage || !by_stage) name.erase(0, name.find_first_not_of("0123456789"));
      const colour shade = by_stage ? colour_of(a.pass, detail::chunk_of(p, r, a.stage), detail::chunk_of(p, r, p.stages)) : colour_of(a.pass);
      const bar b{std::llround(f.starts[k] / unit), std::llround(f.ends[k] / unit), name, shade, shade, std::string::npos};
      auto& row = bars[static_cast<std::size_t>(r) * lane_count + static_cast<std::size_t>(p.passes->passes[a.pass].on)];
      if (i > 0 && list[i - 1].kind == role::run_with_next && !row.empty() && row.back().from == b.from) {
        row.back().split = row.back().name.size() + 1;
        row.back().second = shade;
        row.back().name += "|" + name;
      } else {
        row.push_back(b);
      }
    }
  }
  for (const auto& row : bars)
    for (const bar& b : row) {
      const auto columns = static_cast<std::size_t>(b.to > b.from ? b.to - b.from : 1);
      const auto wanted = (b.name.size() + columns) / columns - 1;
      width = wanted > width ? wanted : width;
    }
  std::string out;
  const std::size_t digits = std::to_string(p.ranks - 1).size(), cell = width + 1;
  const std::size_t most = how.width > 0 ? static_cast<std::size_t>(how.width) : std::string::npos;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const bool compute = i % lane_count == 0;
    if (!compute && bars[i].empty()) continue;
    const std::string number = compute ? std::to_string(i / lane_count) : "";
    std::string row = (compute ? "rank " : "     ") + std::string(digits - number.size(), ' ') + number + " | ";
    const std::size_t left = row.size();
    std::size_t columns = left;
    for (const bar& b : bars[i]) {
      const std::size_t at = left + static_cast<std::size_t>(b.from) * cell;
      const std::size_t room = static_cast<std::size_t>(b.to - b.from) * cell;
      std::string words = b.name;
      if (room > words.size() + 1) words.append(room - 1 - words.size(), how.colours ? ' ' : '-');
      if (columns < at && columns < most) row.append((at < most ? at : most) - columns, ' ');
      columns = columns < at ? at : columns;
      const std::size_t fits = columns < most ? most - columns : 0;
      if (how.colours) detail::put_cell(row, b, words, fits);
      else row.append(words, 0, fits);
      columns += words.size();
      longest = columns > longest ? columns : longest;
      if (columns < most) row += ' ';
      ++columns;
    }
    while (row.back() == ' ') row.pop_back();
    out += row + "\n";
  }
  if (longest > most) out += "(rows are cut at column " + std::to_string(most) + " of " + std::to_string(longest) + ")\n";
  if (!exact) {
    char number[32];
    std::snprintf(number, sizeof number, "%g", unit);
    out += std::string("(times are rounded; a column is ") + number + ")\n";
  }
  return out;
}

}  // namespace stretto::inline v0
