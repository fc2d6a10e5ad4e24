// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A cut: which layers make which stage. It is data: chosen at run time, changed without compiling again.
//
//     cut c = cut::of({3, 4, 4, 1});                         12 layers, four stages
//     cut d = even_cut(costs, 4);                            the largest stage is as small as can be
//     cut f = cut_before(m.size(), {m.find("head")});        two stages, the second begins with the layer of that name
//     cut e = even_cut(costs, {.speeds = {2, 2, 1, 1}, …});  ranks of different speed; caps of memory
// even_cut is exact: the best of s stages over the first j layers is the best of s - 1 over the first i and stage s over the
// rest, for some i. Of cuts that are as good, it prefers one whose stages are more alike. Taking the longest run of layers
// that fits, stage by stage, is quicker but wrong here: a slow stage, or one with a cap, may then begin with a layer that
// it can't take, and no stage may be empty. Cost: O(layers² × stages) once.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

struct cut {
  std::vector<int> begin;  ///< stages + 1 numbers: stage s has the layers begin[s] … begin[s + 1] - 1

  int stages() const { return static_cast<int>(begin.size()) - 1; }
  int layers() const { return begin.empty() ? 0 : begin.back(); }
  int first(int stage) const { return begin[static_cast<unsigned>(stage)]; }
  int last(int stage) const { return begin[static_cast<unsigned>(stage) + 1]; }  ///< one behind the last

  /// The stage that has a layer.
  int stage_of(int layer) const {
    int s = 0;
    while (layer >= last(s)) ++s;
    return s;
  }

  /// Stages of these numbers of layers. Throws stretto::error for a stage without layers.
  static cut of(const std::vector<int>& sizes) {
    cut c;
    c.begin.push_back(0);
    for (int n : sizes) {
      if (n < 1)
        throw error(text("stretto: stage ", c.stages(), " of the cut has ", n, " layers; give every stage at least one").str());
      c.begin.push_back(c.begin.back() + n);
    }
    if (sizes.empty()) throw error("stretto: a cut has at least one stage; give the number of layers of each");
    return c;
  }

  friend bool operator==(const cut&, const cut&) = default;
};

/// What a cut is to be like.
struct cut_options {
  int stages = 0;                     ///< 0: as many as there are speeds
  std::vector<double> speeds = {};    ///< of each stage; empty: all 1
  std::vector<double> memory = {};    ///< of each layer, while the stage is at its fullest
  std::vector<double> in_flight = {}; ///< by stage: how many times it holds a layer's memory; empty: once
  std::vector<double> caps = {};      ///< of each stage; empty: none
};

namespace detail {

inline double slowest(const std::vector<double>& costs, const cut_options& o, const std::vector<int>& begin) {
  double most = 0;
  for (unsigned s = 0; s + 1 < begin.size(); ++s) {
    double time = 0;
    for (int l = begin[s]; l < begin[s + 1]; ++l) time += costs[static_cast<unsigned>(l)];
    time /= o.speeds.empty() ? 1 : o.speeds[s];
    most = time > most ? time : most;
  }
  return most;
}

}  // namespace detail

/// The cut whose slowest stage is fastest. Throws stretto::error where no cut keeps the caps, or a number is no use.
inline cut even_cut(const std::vector<double>& costs, cut_options o) {
  const int n = static_cast<int>(costs.size());
  if (o.stages == 0) o.stages = static_cast<int>(o.speeds.size());
  const auto count = static_cast<std::size_t>(o.stages > 0 ? o.stages : 0);
  const auto fits = [&](const std::vector<double>& v, std::size_t size) { return v.empty() || v.size() == size; };
  if (o.stages < 1 || o.stages > n)
    throw error(text("stretto: ", n, " layers can't be cut into ", o.stages, " stages; use 1 to ", n).str());
  if (!fits(o.speeds, count) || !fits(o.caps, count) || !fits(o.in_flight, count) || !fits(o.memory, costs.size()))
    throw error("stretto: a list of cut_options has another length than there are stages (speeds, caps, in_flight) or layers (memory); give one number each");
  for (double c : costs)
    if (!(c >= 0 && c < 1e150)) throw error("stretto: a layer's cost is not a number of at least 0; give one");
  for (double s : o.speeds)
    if (!(s > 0 && s < 1e150)) throw error("stretto: a stage's speed is not a number above 0; give one");
  // best[s][j]: the slowest of s stages that take the first j layers; from[s][j]: where the last of them begins.
  constexpr double never = 1e308;
  const auto at = [&](int s, int j) { return static_cast<std::size_t>(s) * (costs.size() + 1) + static_cast<std::size_t>(j); };
  std::vector<double> best(at(o.stages, n) + 1, never), evenness(best.size(), never);
  std::vector<int> from(best.size(), -1);
  best[at(0, 0)] = evenness[at(0, 0)] = 0;
  for (int s = 1; s <= o.stages; ++s) {
    const auto u = static_cast<std::size_t>(s - 1);
    const double speed = o.speeds.empty() ? 1 : o.speeds[u];
    const double often = o.in_flight.empty() ? 1 : o.in_flight[u];
    const double cap = o.caps.empty() ? never : o.caps[u];
    for (int j = s; j <= n - (o.stages - s); ++j) {
      double time = 0, held = 0;
      for (int i = j - 1; i >= s - 1; --i) {
        time += costs[static_cast<std::size_t>(i)] / speed;
        held += o.memory.empty() ? 0 : o.memory[static_cast<std::size_t>(i)] * often;
        if (held > cap) break;
        const double slow = best[at(s - 1, i)] > time ? best[at(s - 1, i)] : time;
        const double even = evenness[at(s - 1, i)] + time * time;
        if (slow < never && (slow < best[at(s, j)] || (slow == best[at(s, j)] && even < evenness[at(s, j)]))) {
          best[at(s, j)] = slow;
          evenness[at(s, j)] = even;
          from[at(s, j)] = i;
        }
      }
    }
  }
  if (from[at(o.stages, n)] < 0)
    throw error(text("stretto: no cut of ", n, " layers into ", o.stages, " stages keeps the caps of memory; raise a cap, add stages or recompute").str());
  cut c;
  c.begin.assign(count + 1, n);
  for (int s = o.stages; s > 0; --s) c.begin[static_cast<std::size_t>(s - 1)] = from[at(s, c.begin[static_cast<std::size_t>(s)])];
  return c;
}

/// The cut whose stages begin with layer 0 and with these: cut_before(m.size(), {m.find("block 4"), m.find("head")}).
inline cut cut_before(int layers, const std::vector<int>& beginnings) {
  std::vector<int> sizes;
  int from = 0;
  for (int b : beginnings) {
    if (b <= from || b >= layers)
      throw error(text("stretto: a stage is to begin with layer ", b, ", behind layer ", from, " of ", layers, " layers; give beginnings from 1 on, each larger than the one before").str());
    sizes.push_back(b - from), from = b;
  }
  sizes.push_back(layers - from);
  return cut::of(sizes);
}

inline cut even_cut(const std::vector<double>& costs, int stages) {
  cut_options o;
  o.stages = stages;
  return even_cut(costs, o);
}

}  // namespace stretto::inline v0
