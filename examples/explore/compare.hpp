// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// compare: every schedule that fits the sizes and the memory, by the time of a step. What is said of a schedule follows
// from its plan; those that don't fit stand below with their reason.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "choose.hpp"
#include "measure.hpp"
#include "words.hpp"

namespace explore {

/// Options of single schedules, as --group N, for all schedules that have them.
struct own_options {
  std::vector<std::pair<std::string, std::string>> given;

  /// Those that there are, and their values: "--drain", "ascending|descending".
  static std::vector<std::pair<std::string, std::string>> all() {
    std::vector<std::pair<std::string, std::string>> flags;
    for (const entry& e : registry())
      for (const auto& option : e.options)
        if (std::find(flags.begin(), flags.end(), option) == flags.end()) flags.push_back(option);
    return flags;
  }
  void read(arguments& a) {
    std::string v;
    for (const auto& [flag, value] : all())
      if (a.value(flag, v)) given.emplace_back(flag, v);
  }
  /// The words of those that a schedule has.
  std::vector<std::string> of(const entry& e) const {
    std::vector<std::string> words;
    for (const auto& one : given)
      if (std::any_of(e.options.begin(), e.options.end(), [&](const auto& option) { return option.first == one.first; })) words.insert(words.end(), {one.first, one.second});
    return words;
  }
};

struct contender {
  std::string name, own;    ///< of the schedule, and its own options
  stretto::sizes sizes;     ///< as asked for
  int chunks = 1;           ///< as the plan has them
  bool takes_chunks = false, above = false;
  double step = 0, bubble = 0, peak = 0, copies = 1;
  std::int64_t messages = 0;
  std::uint64_t lists = 0;  ///< a hash of the plan's lists
  std::string no;           ///< why it isn't compared

  std::string flags() const {
    return std::string(takes_chunks && chunks > 1 ? " --chunks " + std::to_string(chunks) : "") + (sizes.slices > 1 ? " --slices " + std::to_string(sizes.slices) : "") + (own.empty() ? "" : " " + own);
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
inline contender measured(const entry& e, const stretto::sizes& z, const own_options& own, const pricing& prices, double limit) {
  contender c;
  c.name = e.name, c.own = joined(own.of(e), " "), c.sizes = z, c.chunks = z.chunks, c.takes_chunks = e.chunks;
  try {
    arguments words(own.of(e));
    const stretto::plan p = e.read(words)(z);
    const stretto::forecast f = stretto::simulate(p, prices.costs, prices.holding);
    c.step = f.makespan, c.bubble = f.bubble_rate(), c.peak = f.peak, c.messages = f.messages;
    c.copies = copies_of_weights(p);
    c.lists = hash_of(p);
    c.chunks = 1;
    for (int r = 0; r < p.ranks; ++r) c.chunks = std::max(c.chunks, stretto::plan_view(p).chunks(r));
    prices.must_fit(p);
    if (!p.passes.has(stretto::pass::backward_input)) c.no = "it has forward passes alone, and the others train";
    else if (limit > 0 && f.peak > limit * (1 + 1e-12)) c.above = true, c.no = "its peak of " + digits(f.peak, 6) + " is above --memory-limit " + digits(limit, 6);
  } catch (const usage_error&) {
    throw;
  } catch (const stretto::error& why) {
    c.no = why.what();
    if (c.no.rfind("stretto: ", 0) == 0) c.no.erase(0, 9);
  }
  return c;
}

/// Sizes of a schedule's plans as flags, with one list of chunks for each count of slices: "--chunks 1, 2, 3".
inline std::string settings(const std::vector<contender>& plans) {
  std::string out;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const int slices = plans[i].sizes.slices;
    const auto same = [&](const contender& c) { return c.sizes.slices == slices; };
    if (std::find_if(plans.begin(), plans.end(), same) != plans.begin() + static_cast<std::ptrdiff_t>(i)) continue;
    std::string chunks;
    for (const contender& c : plans)
      if (same(c) && c.takes_chunks) chunks += (chunks.empty() ? "--chunks " : ", ") + std::to_string(c.chunks);
    const bool with_slices = slices > 1 || chunks.empty();
    out += (out.empty() ? "" : ", or ") + chunks + (with_slices && !chunks.empty() ? " " : "") + (with_slices ? "--slices " + std::to_string(slices) : "");
  }
  return out;
}

/// Of a schedule's plans that aren't compared, what is said of them: of their memory where that is it, with the flags of
/// the least, else the reason of the first. Nothing where others fit and these have no plan at all.
inline std::string reason(const std::vector<contender>& no, bool others_fit, double limit) {
  std::vector<contender> above;
  for (const contender& c : no)
    if (c.above && std::none_of(above.begin(), above.end(), [&](const contender& x) { return x.lists == c.lists; })) above.push_back(c);
  const std::string bound = digits(limit, 6);
  if (above.empty()) return others_fit ? "" : no.front().no;
  if (others_fit) return "with " + settings(above) + " its peak is above --memory-limit " + bound;
  const auto by_peak = [](const contender& x, const contender& y) { return x.peak < y.peak; };
  const contender least = *std::min_element(above.begin(), above.end(), by_peak), most = *std::max_element(above.begin(), above.end(), by_peak);
  if (least.peak >= most.peak) return least.no;
  return "its least peak, " + digits(least.peak, 6) + " with " + settings({least}) + ", is above --memory-limit " + bound;
}

/// Where nothing fits: a sentence, with the limit that would do.
[[noreturn]] inline void refuse_all(const std::vector<contender>& tried, double limit) {
  const contender* least = nullptr;
  for (const contender& c : tried)
    if (c.above && (least == nullptr || c.peak < least->peak)) least = &c;
  if (least == nullptr) throw stretto::error("stretto: no schedule can be compared; mend what the reasons above name");
  const double enough = std::ceil(least->peak * 1e4 - 1e-6) / 1e4;  // never below the peak by its rounding
  throw stretto::error("stretto: no schedule fits --memory-limit " + digits(limit, 6) + "; raise it to " + digits(enough) + ", which " + least->name + least->flags() + " needs");
}

inline int compare(arguments& a) {
  stretto::sizes z{0, 0, 4, 1};
  pricing prices;
  double limit = 0;
  std::string v;
  const auto count = [&](const char* flag, int& out) { a.integer(flag, out, 1, 1'000'000'000); };
  count("--ranks", z.ranks), count("--micro-batches", z.micro_batches), count("--slices", z.slices);
  a.integer("--chunks", z.chunks, 1, 64);
  if (a.value("--memory-limit", v) && (limit = number("--memory-limit", v)) == 0) refuse("--memory-limit takes a number above 0, not '" + v + "'");
  prices.read(a);
  own_options own;
  own.read(a);
  const bool json = a.flag("--json");
  std::string takes = "--ranks P, --micro-batches M, --chunks V, --slices Q, --memory-limit K, ";
  for (const auto& [flag, value] : own_options::all()) takes += flag + " " + value + ", ";
  takes += std::string(pricing::flags) + ", --json";
  a.finish("compare", takes);
  if (z.ranks == 0 || z.micro_batches == 0) refuse(std::string("compare needs ") + (z.ranks == 0 ? "--ranks P" : "--micro-batches M") + "; it takes " + takes);

  std::vector<contender> fit, unfit, tried;
  for (const entry& e : registry()) {
    std::vector<contender> no;
    const std::size_t before = fit.size();
    for (int chunks = 1; chunks <= (e.chunks ? z.chunks : 1); ++chunks)
      for (int slices = 1; slices <= (e.slices ? z.slices : 1); slices += z.slices > 1 ? z.slices - 1 : 1) {
        contender c = measured(e, {z.ranks, z.micro_batches, chunks, slices}, own, prices, limit);
        const bool again = std::any_of(fit.begin() + static_cast<std::ptrdiff_t>(before), fit.end(), [&](const contender& x) { return x.lists == c.lists; });
        if (c.no.empty() && again) continue;  // as where 2 chunks are all that a schedule has
        (c.no.empty() ? fit : no).push_back(std::move(c));
      }
    if (no.empty()) continue;
    tried.insert(tried.end(), no.begin(), no.end());
    unfit.push_back(no.front());
    unfit.back().no = reason(no, fit.size() > before, limit);
    if (unfit.back().no.empty()) unfit.pop_back();
  }
  std::stable_sort(fit.begin(), fit.end(), [](const contender& x, const contender& y) { return x.step < y.step * (1 - 1e-12); });
  if (json) {
    std::string rows, refused;
    for (const contender& c : fit)
      rows += (rows.empty() ? "" : ", ") + sheet{{{"schedule", quoted(c.name)}, {"chunks", std::to_string(c.chunks)}, {"slices", std::to_string(c.sizes.slices)}, {"options", quoted(c.own)},
                                                   {"step", digits(c.step)}, {"bubble_rate", digits(settled(c.bubble, 1))}, {"peak", digits(c.peak)},
                                                   {"messages", std::to_string(c.messages)}, {"weights", digits(c.copies)}}}.json();
    for (const contender& c : unfit) refused += (refused.empty() ? "" : ", ") + sheet{{{"schedule", quoted(c.name)}, {"why", quoted(c.no)}}}.json();
    put(R"({"schedules": [)" + rows + R"(], "refused": [)" + refused + "]}\n");
    if (fit.empty()) refuse_all(tried, limit);
    return 0;
  }
  std::vector<std::vector<std::string>> rows{{"schedule", "step", "bubble", "peak", "messages", "remark"}};
  for (const contender& c : fit)
    rows.push_back({c.name + c.flags(), digits(c.step, 6), percent(c.bubble), digits(c.peak, 4), std::to_string(c.messages), c.remark()});
  std::string out = fit.empty() ? "" : aligned(rows, {30, 8, 7, 7, 8}) + (unfit.empty() ? "" : "\n");
  for (const contender& c : unfit) out += (&c == &unfit.front() ? R"(not compared:)" "\n" : "") + std::string("  ") + c.name + (c.own.empty() ? "" : " " + c.own) + ": " + c.no + "\n";
  put(out);
  if (fit.empty()) refuse_all(tried, limit);
  return 0;
}

}  // namespace explore
