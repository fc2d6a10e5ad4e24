// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// compare: every schedule that fits the sizes and the memory, by the time of a step. What is said of a schedule follows
// from its plan; those that don't fit stand below with their reason.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "choose.hpp"
#include "measure.hpp"
#include "words.hpp"

namespace explore {

struct contender {
  std::string name;
  stretto::sizes sizes;
  double step = 0, bubble = 0, peak = 0, copies = 1;
  std::int64_t messages = 0;
  std::uint64_t lists = 0;  ///< a hash of the plan's lists
  std::string no;           ///< why it isn't compared

  std::string flags() const {
    return std::string(sizes.chunks > 1 ? " --chunks " + std::to_string(sizes.chunks) : "") + (sizes.slices > 1 ? " --slices " + std::to_string(sizes.slices) : "");
  }
  std::string remark() const { return copies > 1 ? "weights " + times(copies) : ""; }
};

/// FNV-1a of what the lists hold, so that the same plan isn't shown twice.
inline std::uint64_t hash_of(const stretto::plan_view& p) {
  std::uint64_t h = 14695981039346656037u;
  const auto take = [&](std::int64_t n) { h = (h ^ static_cast<std::uint64_t>(n)) * 1099511628211u; };
  for (int r = 0; r < p.ranks; ++r) take(p.rows[r + 1]);
  for (const stretto::action& a : p.actions)
    for (const int n : {static_cast<int>(a.pass), static_cast<int>(a.kind), static_cast<int>(a.slice), a.stage, a.micro_batch, a.peer}) take(n);
  return h;
}

/// Makes and measures one plan.
inline contender measured(const entry& e, const stretto::sizes& z, const pricing& prices, double limit) {
  contender c;
  c.name = e.name, c.sizes = z;
  try {
    arguments none(0, nullptr);
    const stretto::plan p = e.read(none)(z);
    const stretto::forecast f = stretto::simulate(p, prices.costs, prices.holding);
    c.step = f.makespan, c.bubble = f.bubble_rate(), c.peak = f.peak, c.messages = f.messages;
    c.copies = copies_of_weights(p);
    c.lists = hash_of(p);
    prices.must_fit(p);
    if (!p.passes.has(stretto::pass::backward_input)) c.no = "it has forward passes alone, and the others train";
    else if (limit > 0 && f.peak > limit * (1 + 1e-12)) c.no = "its peak of " + digits(f.peak, 4) + " is above --memory-limit " + digits(limit, 6);
  } catch (const usage_error&) {
    throw;
  } catch (const stretto::error& why) {
    c.no = why.what();
    if (c.no.rfind("stretto: ", 0) == 0) c.no.erase(0, 9);
  }
  return c;
}

inline int compare(arguments& a) {
  stretto::sizes z{0, 0, 4, 1};
  pricing prices;
  double limit = 0;
  std::string v;
  const auto count = [&](const char* flag, int& out) { a.integer(flag, out, 1, 1'000'000'000); };
  count("--ranks", z.ranks), count("--micro-batches", z.micro_batches), count("--chunks", z.chunks), count("--slices", z.slices);
  if (a.value("--memory-limit", v) && (limit = number("--memory-limit", v)) == 0) refuse("--memory-limit takes a number above 0, not '" + v + "'");
  prices.read(a);
  const bool json = a.flag("--json");
  const std::string takes = std::string("--ranks P, --micro-batches M, --chunks V, --slices Q, --memory-limit K, ") + pricing::flags + ", --json";
  a.finish("compare", takes);
  if (z.ranks == 0 || z.micro_batches == 0) refuse(std::string("compare needs ") + (z.ranks == 0 ? "--ranks P" : "--micro-batches M") + "; it takes " + takes);

  std::vector<contender> fit, unfit;
  for (const entry& e : registry()) {
    std::vector<contender> no;
    const std::size_t before = fit.size();
    for (int chunks = 1; chunks <= (e.chunks ? z.chunks : 1); ++chunks)
      for (int slices = 1; slices <= (e.slices ? z.slices : 1); slices += z.slices > 1 ? z.slices - 1 : 1) {
        contender c = measured(e, {z.ranks, z.micro_batches, chunks, slices}, prices, limit);
        const bool again = std::any_of(fit.begin() + static_cast<std::ptrdiff_t>(before), fit.end(), [&](const contender& x) { return x.lists == c.lists; });
        if (c.no.empty() && again) continue;  // as where 2 chunks are all that a schedule has
        (c.no.empty() ? fit : no).push_back(std::move(c));
      }
    if (fit.size() == before) unfit.push_back(no.front());
  }
  std::stable_sort(fit.begin(), fit.end(), [](const contender& x, const contender& y) { return x.step < y.step * (1 - 1e-12); });
  if (json) {
    std::string rows, refused;
    for (const contender& c : fit)
      rows += (rows.empty() ? "" : ", ") + sheet{{{"schedule", quoted(c.name)}, {"chunks", std::to_string(c.sizes.chunks)}, {"slices", std::to_string(c.sizes.slices)},
                                                   {"step", digits(c.step)}, {"bubble_rate", digits(c.bubble)}, {"peak", digits(c.peak)},
                                                   {"messages", std::to_string(c.messages)}, {"weights", digits(c.copies)}}}.json();
    for (const contender& c : unfit) refused += (refused.empty() ? "" : ", ") + sheet{{{"schedule", quoted(c.name)}, {"why", quoted(c.no)}}}.json();
    put(R"({"schedules": [)" + rows + R"(], "refused": [)" + refused + "]}\n");
    return 0;
  }
  std::vector<std::vector<std::string>> rows{{"schedule", "step", "bubble", "peak", "messages", "remark"}};
  for (const contender& c : fit)
    rows.push_back({c.name + c.flags(), digits(c.step, 6), percent(c.bubble), digits(c.peak, 4), std::to_string(c.messages), c.remark()});
  std::string out = aligned(rows, {30, 8, 7, 7, 8});
  for (const contender& c : unfit) out += (&c == &unfit.front() ? "\n" R"(not compared:)" "\n" : "") + std::string("  ") + c.name + ": " + c.no + "\n";
  put(out);
  return 0;
}

}  // namespace explore
