// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The shortest cycle of a wait-for graph: who waits for whom when nothing moves any more, cut down to the few links that
// a person has to look at.
//
//     0 → 1 → 2 → 0,  1 → 0      gives      0 → 1 → 0
// Breadth first from every node, never deeper than the best cycle so far; a node that was looked at is left out, and so is
// what leads only there. Cost: O(nodes × links) at worst, O(nodes + links) for a single ring.
#pragma once

#include <cstdint>

#include <stretto/core/array.hpp>
#include <stretto/plan/verdict.hpp>

namespace stretto::inline v0::detail {

/// Links between queues; each says in words why.
struct wait_graph {
  struct link {
    std::int32_t from, to;
    wait why;
  };
  std::int64_t nodes = 0;
  grow_array<link> links;

  constexpr void add(std::int64_t from, std::int64_t to, const wait& why) {
    links.push_back({static_cast<std::int32_t>(from), static_cast<std::int32_t>(to), why});
  }
};

/// The links of the shortest cycle, starting at the lowest rank in it; empty where there is none.
constexpr grow_array<wait> shortest_cycle(const wait_graph& g) {
  const std::int64_t n = g.nodes, m = g.links.size();
  heap_array<std::int64_t> begin(n + 1, 0), begin_in(n + 1, 0), out(m), in(m), via(n), length(n), leads(n, 0);
  for (const auto& l : g.links) ++begin[l.from + 1], ++begin_in[l.to + 1], ++leads[l.from];
  for (std::int64_t i = 0; i < n; ++i) begin[i + 1] += begin[i], begin_in[i + 1] += begin_in[i];
  heap_array<std::int64_t> fill(begin), fill_in(begin_in);
  for (std::int64_t i = 0; i < m; ++i) out[fill[g.links[i].from]++] = in[fill_in[g.links[i].to]++] = i;
  heap_array<std::int32_t> queue(n);
  heap_array<std::int64_t> seen(n, -1);
  std::int64_t best = n + 1;
  heap_array<std::int64_t> path(n + 1);  // links of the best cycle so far
  const auto leave_out = [&](std::int64_t node) {  // and all that lead only to what is left out
    std::int64_t head = 0, tail = 0;
    leads[node] = 0;
    queue[tail++] = static_cast<std::int32_t>(node);
    while (head < tail) {
      const std::int32_t at = queue[head++];
      for (std::int64_t i = begin_in[at]; i < begin_in[at + 1]; ++i)
        if (const std::int32_t from = g.links[in[i]].from; leads[from] > 0 && --leads[from] == 0) queue[tail++] = from;
    }
  };
  for (std::int64_t node = 0; node < n; ++node)
    if (begin[node] == begin[node + 1]) leave_out(node);
  for (std::int64_t root = 0; root < n && best > 1; ++root) {
    if (leads[root] == 0) continue;
    std::int64_t head = 0, tail = 0;
    queue[tail++] = static_cast<std::int32_t>(root);
    seen[root] = root;
    length[root] = 0;
    bool found = false;
    while (head < tail && !found) {
      const std::int32_t at = queue[head++];
      if (length[at] + 1 >= best) break;
      for (std::int64_t i = begin[at]; i < begin[at + 1] && !found; ++i) {
        const auto& l = g.links[out[i]];
        if (l.to == root) {
          best = length[at] + 1;
          std::int64_t back = at;
          path[best - 1] = out[i];
          for (std::int64_t k = best - 2; k >= 0; --k) {
            path[k] = via[back];
            back = g.links[via[back]].from;
          }
          found = true;
        } else if (seen[l.to] != root && leads[l.to] > 0) {
          seen[l.to] = root;
          length[l.to] = length[at] + 1;
          via[l.to] = out[i];
          queue[tail++] = l.to;
        }
      }
    }
    leave_out(root);  // its cycles have been looked at
  }
  grow_array<wait> cycle;
  for (std::int64_t k = 0; best <= n && k < best; ++k) cycle.push_back(g.links[path[k]].why);
  return cycle;
}

/// Makes the verdict of a stuck walk.
constexpr verdict deadlock_of(const wait_graph& g) {
  verdict v;
  v.kind = fault::deadlock;
  v.cycle = shortest_cycle(g);
  if (v.cycle.empty() && !g.links.empty()) v.cycle.push_back(g.links[0].why);
  if (!v.cycle.empty()) {
    v.rank = v.cycle[0].rank;
    v.step = v.cycle[0].step;
    v.what = v.cycle[0].what;
  }
  return v;
}

}  // namespace stretto::inline v0::detail
