// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What gpt foretells and shows as tables: memory of each rank before and after the first step, and the same work under other
// schedules.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include <stretto/model/transformer.hpp>
#include <stretto/run.hpp>
#include <stretto/run/order_choice.hpp>

#include "settings.hpp"

namespace gpt {

using namespace stretto;

/// What each stage's passes cost, in seconds, if everything ran at that rate.
inline costs foretold_costs(const std::vector<double>& layers, const cut& c, double rate) {
  costs all;
  for (int s = 0; s < c.stages(); ++s) {
    double work = 0;
    for (int l = c.first(s); l < c.last(s); ++l) work += layers[static_cast<std::size_t>(l)];
    for (const pass_id p : {pass::forward, pass::backward_input, pass::backward_weight}) all.specials.push_back({scope::stage, s, p, work / 3 / rate});
  }
  return all;
}

/// What memory each rank needs, as a table with a title.
inline std::string memory_table(const dry_report& d) {
  std::string t = "rank     parameters   optimizer        kept   workspace    messages       total\n";
  const auto line = [&](const char* name, const dry_rank& r) {
    char words[160];
    const auto mib = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
    std::snprintf(words, sizeof words, "%4s  %9.1f MiB %7.1f MiB %7.1f MiB %7.1f MiB %7.1f MiB %7.1f MiB\n", name, mib(r.parameters), mib(r.optimizer), mib(r.kept), mib(r.workspace), mib(r.objects),
                  mib(r.memory()));
    t += words;
  };
  for (std::size_t r = 0; r < d.ranks.size(); ++r) line(std::to_string(r).c_str(), d.ranks[r]);
  line("all", d.total());
  return t;
}

/// The same beside what each rank has really asked for.
inline std::string measured_table(const dry_report& d, const std::vector<double>& by_rank) {
  std::string t = "rank       foretold     measured\n";
  for (std::size_t r = 0; r < d.ranks.size(); ++r) {
    const auto foretold = static_cast<double>(d.ranks[r].memory()), measured = by_rank[r];
    char words[100];
    std::snprintf(words, sizeof words, "%4d  %9.1f MiB %8.1f MiB  %+.1f %%\n", static_cast<int>(r), foretold / (1 << 20), measured / (1 << 20), 100 * (measured / foretold - 1));
    t += words;
  }
  return t;
}

/// An order with its whole backward passes in halves, one behind the other: it shows what each of them takes.
inline plan order_of_halves(const plan_view& whole) {
  return rewritten(whole, [](int, const view<const action>& list, auto&& put) {
    for (const action& a : list) {
      if (a.pass == pass::backward) put(action::backward_input(a.stage, a.micro_batch, a.slice)), put(action::backward_weight(a.stage, a.micro_batch, a.slice));
      else put(a);
    }
  });
}

/// What was measured, and which order goes on.
inline std::string chosen_words(const order_choice& c, const calibration& seen) {
  const auto of = [&](int i) -> const judged_order& { return c.all[static_cast<std::size_t>(i)]; };
  const int other = c.changes() ? 0 : c.fastest;
  char words[400];
  std::snprintf(words, sizeof words, "measured    %d steps, %.1f ms each, with a noise of %.1f %%; goes on with %s: %.1f ms foretold for its passes", seen.steps, 1e3 * seen.span, 100 * seen.noise, of(c.taken).name.c_str(), 1e3 * of(c.taken).step);
  std::string line = words;
  if (other != c.taken) {
    std::snprintf(words, sizeof words, ", and %.1f for those of %s, where a change must gain %.1f %%", 1e3 * of(other).step, of(other).name.c_str(), 100 * c.threshold);
    line += words;
  }
  return line + "\n";
}

/// Steps of other schedules with the costs that were measured: a table for people.
inline std::string schedule_table(const settings& how, const std::vector<double>& by_layer, double seconds_per_operation) {
  std::string t = "schedule         chunks         step    bubble  most micro-batches held\n";
  all_schedules::each([&]<class S>(S s) {
    int shown = 0;
    for (const int chunks : {1, 2}) {
      try {
        const plan p = make_plan(s, {.ranks = how.ranks, .micro_batches = how.micro_batches, .chunks = chunks});
        if (!p.passes.has(pass::backward_weight) || p.stages == shown * how.ranks) continue;
        shown = p.stages / how.ranks;
        const forecast v = simulate(p, foretold_costs(by_layer, even_cut(by_layer, p.stages), 1 / seconds_per_operation));
        char words[160];
        std::snprintf(words, sizeof words, "%-16s %6d  %8.1f ms  %6.1f %%  %23.1f\n", s.name, shown, 1e3 * v.makespan, 100 * v.bubble_rate(), static_cast<double>(v.peak));
        t += words;
        if (!takes_chunks<S>()) break;
      } catch (const error&) {
      }
    }
  });
  return t;
}

}  // namespace gpt
