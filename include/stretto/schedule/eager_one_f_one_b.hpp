// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Eager 1F1B: 1F1B that runs further ahead, about twice as far as one_f_one_b, so that micro-batches are under way while
// messages are. It holds more for it.
//
//     rank 0 | F0 F1 F2 F3 F4       B0--- F5 B1---    B2---    B3---    B4---    B5---
//     rank 1 |    F0 F1 F2    B0--- F3 B1--- F4 B2--- F5 B3---    B4---    B5---
//     rank 2 |       F0 B0--- F1 B1--- F2 B2--- F3 B3--- F4 B4--- F5 B5---
// Bubble: (ranks - 1) * (t_forward + t_backward).  Peak activations on rank r: min(2 * (ranks - 1 - r) + 1, micro_batches).
// A message's latency c costs 2 * (ranks - 1) * c up to c = extra * (t_forward + t_backward) / 2: the steady state hides it,
// where one_f_one_b pays it at every exchange.
// How far ahead is data: rank r runs ahead by `warmup`[r] forward passes, where such a list is given; else by `extra` more
// than 1F1B for each rank behind it, (1 + extra) * (ranks - 1 - r). for_latency gives the least `extra` that hides a latency.
// That many micro-batches are under way between neighbours, and it is neighbours that count: by Little's law a round trip
// over all ranks wants ranks + 2 * (ranks - 1) * c / (t_forward + t_backward) of them on rank 0, but any two neighbours that
// are only one apart, as in 1F1B, exchange at a rate that each latency slows. A list must not rise: a rank that runs ahead less
// far than the one behind it deadlocks.
// Source: Alpa's overlap-friendly 1F1B, Zheng et al., OSDI 2022; jaxpp's Eager1F1B.
#pragma once

#include <cstdint>
#include <initializer_list>

#include <stretto/core/array.hpp>
#include <stretto/plan/action.hpp>
#include <stretto/plan/costs.hpp>
#include <stretto/plan/sizes.hpp>

namespace stretto::inline v0 {

/// Forward passes that ranks run ahead, by rank: warmup_list::of({6, 4, 2, 0}). Empty where nothing is said. An aggregate, since
/// nvcc hands constants to its host compiler as lists of their members.
struct warmup_list {
  static constexpr int most = 64;
  fixed_array<int, most> values{};
  int count = 0;

  static constexpr warmup_list of(std::initializer_list<int> by_rank) {
    warmup_list all;
    for (int n : by_rank) all.push_back(n);
    return all;
  }
  /// What is behind the 64th is counted, and refused.
  constexpr void push_back(int n) {
    if (count < most) values[count] = n;
    ++count;
  }
};

struct eager_one_f_one_b {
  static constexpr const char* name = "eager_1f1b";
  static constexpr const char* summary = "1F1B that runs further ahead and hides the latency of messages";
  static constexpr const char* needs = "any ranks and micro-batches";
  static constexpr sizes picture{3, 6};

  int extra = 1;         ///< forward passes that a rank runs ahead beyond those of 1F1B, for each rank behind it
  warmup_list warmup{};  ///< by rank; replaces `extra`

  constexpr void options(auto&& visit) { visit("extra", extra, "forward passes ahead beyond those of 1f1b, for each rank behind (default 1)"); }

  /// Runs ahead just far enough that a latency hides behind the passes. Costs of single ranks and stages don't count.
  static constexpr eager_one_f_one_b for_latency(const costs& c) {
    constexpr int most = 1'000'000'000;
    const double both = c.pass[pass::forward] + c.pass[pass::backward_input] + c.pass[pass::backward_weight];
    const double there_and_back = 2 * c.latency;
    if (!(there_and_back < most * both)) return {there_and_back > 0 ? most : 0, {}};
    int hidden = static_cast<int>(there_and_back / both);
    if (hidden * both < there_and_back * (1 - 1e-12)) ++hidden;  // 2 * 0.15 hides behind one of 0.1 + 0.1 + 0.1
    return {hidden, {}};
  }

  constexpr refusal refuses(const sizes& z) const {
    if (const refusal r = one_chunk_whole(z)) return r;
    if (warmup.count > warmup_list::most)
      return {"a list of warm-ups has at most 64", size_name::option, warmup.count, z.ranks <= warmup_list::most ? z.ranks : -1, -1,
              "the length of warmup"};
    if (warmup.count != 0 && warmup.count != z.ranks)
      return {"a list of warm-ups has one for each rank", size_name::option, warmup.count, z.ranks < warmup.count ? z.ranks : -1,
              z.ranks > warmup.count ? z.ranks : -1, "the length of warmup"};
    for (int r = warmup.count - 1; r >= 0; --r) {
      const int least = r + 1 < warmup.count ? warmup.values[r + 1] : 0;
      if (warmup.values[r] < 0) return {"a rank runs ahead by no less than nothing", size_name::option, warmup.values[r], -1, 0, "warmup"};
      if (warmup.values[r] < least)
        return {"a rank that runs ahead less far than the one behind it deadlocks", size_name::option, warmup.values[r], -1, least, "warmup"};
    }
    if (extra < 0) return {"a rank runs ahead no less far than in 1f1b", size_name::option, extra, -1, 0, "extra"};
    return {};
  }

  /// Forward passes in front of the first backward pass, one aside that belongs to it.
  constexpr int ahead(const sizes& z, int rank) const {
    const std::int64_t n = warmup.count > 0 ? warmup.values[rank] : (std::int64_t{1} + extra) * (z.ranks - 1 - rank);
    return n < z.micro_batches ? static_cast<int>(n) : z.micro_batches;
  }

  constexpr void order(const sizes& z, int rank, auto&& put) const {
    const int warm = ahead(z, rank);
    for (int m = 0; m < warm; ++m) put(action::forward(rank, m));
    for (int m = warm; m < z.micro_batches; ++m) {
      put(action::forward(rank, m));
      put(action::backward(rank, m - warm));
    }
    for (int m = z.micro_batches - warm; m < z.micro_batches; ++m) put(action::backward(rank, m));
  }
};

}  // namespace stretto::inline v0
