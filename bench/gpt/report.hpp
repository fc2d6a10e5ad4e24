// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What bench_gpt prints: a line a round, then rates and shares, what simulate foretold, and where a step's time goes.
//
//     bound    tokens a second, if all that a token asks for were done at the rate of the products by themselves
//     share    a rate by another of the same round, the median over rounds
// Operations of a token are those of model_flops.hpp's convention `exact`: products, and attention's of the scores that are
// seen, its backward counted twice its forward.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include <stretto/train/model_flops.hpp>

#include "contender.hpp"
#include "forecasts.hpp"
#include "products.hpp"

namespace bench {

/// All that the rounds gave. The first of `trained` is one rank, the second one rank with a stage a layer.
struct measured {
  std::vector<std::unique_ptr<bench::trained>> trained;
  std::vector<std::vector<step_seen>> steps;
  std::unique_ptr<product_probe> probe;
  std::vector<product_times> products;
  std::vector<contender_step> others;
};

/// Of something a round.
inline double median_of(std::size_t rounds, const std::function<double(std::size_t)>& of) {
  std::vector<double> v;
  for (std::size_t r = 0; r < rounds; ++r) v.push_back(of(r));
  return median(v);
}

/// What each layer's passes of a micro-batch took, where each is a stage of one rank.
inline std::vector<double> layer_seconds(const trained& layers, const recording& seen) {
  std::vector<double> of(static_cast<std::size_t>(layers.stages().layers()), 0.0);
  for (const costs::special& s : mean_costs(layers.passes(), seen).specials)
    if (s.of == scope::stage) of[static_cast<std::size_t>(s.index)] += s.cost;
  return of;
}

inline double operations_of_token(const transformer_shape& s) {
  return flops_per_token({.layers = s.layers, .width = s.width, .heads = s.heads, .groups = s.groups(), .hidden = s.inner(), .vocabulary = s.vocabulary, .sequence = s.sequence}, flops_convention::exact);
}

inline void print_heads(const measured& all, bool other) {
  std::printf("\nround    products");
  for (const auto& t : all.trained)
    if (t->name() != "by layers") std::printf("  %8s s (CPU)   ", t->name().c_str());
  std::printf("%s       loss\n", other ? "   PyTorch s (CPU)    its loss" : "");
}

inline void print_round(const measured& all, int round) {
  const auto r = static_cast<std::size_t>(round);
  std::printf("%5d  %5.1f GF/s", round + 1, all.probe->rate(all.products[r].wall) * 1e-9);
  for (std::size_t i = 0; i < all.trained.size(); ++i)
    if (all.trained[i]->name() != "by layers") std::printf("  %8.3f (%7.3f)", all.steps[i][r].wall, all.steps[i][r].cpu());
  if (!all.others.empty()) std::printf("  %8.3f (%7.3f)  %10.4f", all.others[r].wall, all.others[r].cpu, all.others[r].loss);
  std::printf("  %9.4f\n", all.steps[0][r].loss);
  std::fflush(stdout);
}

inline void print_rates(const measured& all, const transformer_shape& shape) {
  const std::size_t rounds = all.products.size();
  const double each = operations_of_token(shape), tokens = static_cast<double>(all.trained[0]->tokens());
  std::printf("\n%-12s %14s %12s\n", "", "median", "best");
  const auto line = [&](const char* name, const std::function<double(std::size_t)>& rate) {
    std::vector<double> v;
    for (std::size_t r = 0; r < rounds; ++r) v.push_back(rate(r));
    std::printf("%-12s %10.1f t/s %8.1f t/s", name, median(v), *std::max_element(v.begin(), v.end()));
  };
  const auto bound = [&](std::size_t r) { return all.probe->rate(all.products[r].wall) / each; };
  line("bound", bound);
  std::printf("   products alone at %.1f GFLOP/s, %.2f MFLOP a token\n", median_of(rounds, bound) * each * 1e-9, each * 1e-6);
  for (std::size_t i = 0; i < all.trained.size(); ++i) {
    if (i == 1) continue;
    const trained& t = *all.trained[i];
    const auto rate = [&](std::size_t r) { return tokens / all.steps[i][r].wall; };
    line(t.name().c_str(), rate);
    if (i == 0)
      std::printf("   %.3f of the bound; by CPU time %.3f\n", median_of(rounds, [&](std::size_t r) { return rate(r) / bound(r); }),
                  median_of(rounds, [&](std::size_t r) { return tokens / all.steps[0][r].cpu() * each / all.probe->rate(all.products[r].cpu); }));
    else
      std::printf("   %.3f times P = 1; CPU time %.2f of the time on the wall\n", median_of(rounds, [&](std::size_t r) { return all.steps[0][r].wall / all.steps[i][r].wall; }),
                  median_of(rounds, [&](std::size_t r) { return all.steps[i][r].cpu() / t.ranks() / all.steps[i][r].wall; }));
  }
  if (all.others.empty()) return;
  line("PyTorch", [&](std::size_t r) { return tokens / all.others[r].wall; });
  std::printf("   P = 1 is %.3f times as fast; by CPU time %.3f\n", median_of(rounds, [&](std::size_t r) { return all.others[r].wall / all.steps[0][r].wall; }),
              median_of(rounds, [&](std::size_t r) { return all.others[r].cpu / all.steps[0][r].cpu(); }));
}

/// Costs from the rounds 1, 3, …; the steps of the others against them.
inline void print_forecasts(const measured& all) {
  std::printf("\nwhat simulate foretells with costs from rounds 1, 3, … and the steps of the other rounds\n");
  const auto odd = [&](std::size_t i) {
    std::vector<const recording*> some;
    for (std::size_t r = 0; r < all.steps[i].size(); r += 2) some.push_back(&all.steps[i][r].passes);
    return some;
  };
  const auto line = [&](std::size_t i, const char* from, double foretold) {
    std::vector<double> walls;
    for (std::size_t r = 1; r < all.steps[i].size(); r += 2) walls.push_back(all.steps[i][r].wall);
    const double middle = median(walls);
    std::printf("%-6s costs of %-24s %8.3f s foretold, %8.3f s measured: %+.1f %%, rate %.3f of the foretold; each step", all.trained[i]->name().c_str(), from, foretold, middle,
                100 * (middle / foretold - 1), foretold / middle);
    for (const double w : walls) std::printf(" %+.1f", 100 * (w / foretold - 1));
    std::printf(" %%\n");
  };
  for (std::size_t i = 0; i < all.trained.size(); ++i) {
    if (i == 1) continue;
    line(i, "its own passes", foretold_by_itself(*all.trained[i], odd(i)));
    line(i, "layers on one rank", foretold_by_layers(*all.trained[i], *all.trained[1], odd(1), *all.trained[0], odd(0)));
  }
}

/// One rank's step by operations, in CPU time, and what it loses against the bound.
inline void print_breakdown(const measured& all, const transformer_shape& shape) {
  const std::size_t rounds = all.products.size();
  const auto steps = static_cast<double>(rounds), batches = steps * static_cast<double>(all.trained[0]->tokens() / shape.rows());
  double whole = 0, known = all.trained[0]->optimizer(), products_lose = 0, attention_loses = 0, others = 0;
  for (const step_seen& s : all.steps[0]) whole += s.cpu();
  const double rate = median_of(rounds, [&](std::size_t r) { return all.probe->rate(all.products[r].cpu); });
  const auto is = [](const noted& n, std::string_view begin) { return n.what.substr(0, begin.size()) == begin; };
  const auto alone = [&](const noted& n) {  // operations a second: of a product by itself; of attention what the bound counts it at
    for (std::size_t k = 0; k < all.probe->kinds().size(); ++k)
      if (const product_kind& p = all.probe->kinds()[k]; p.rows == n.rows && p.columns == n.columns && p.depth == n.depth && p.transposed == is(n, "product, dw"))
        return p.operations() / median_of(rounds, [&](std::size_t r) { return all.products[r].cpu[k]; });
    return rate;
  };
  std::vector<noted> lines = all.trained[0]->notes();
  for (const noted& n : lines) known += n.seconds;
  lines.push_back({"AdamW", 0, 0, 0, static_cast<std::int64_t>(rounds), all.trained[0]->optimizer()});
  lines.push_back({"the rest: gradients zeroed and summed, copies, tied tables", 0, 0, 0, static_cast<std::int64_t>(rounds), whole - known});
  std::sort(lines.begin(), lines.end(), [](const noted& a, const noted& b) { return a.seconds > b.seconds; });
  for (const noted& n : lines) (is(n, "product") ? products_lose : is(n, "attention") ? attention_loses : others) += n.seconds - (n.operations > 0 ? n.operations / alone(n) : 0);
  std::printf("\nwhere a step of P = 1 goes, of %.3f s of CPU time: %.1f %% the bound, %.1f %% products slower than by themselves, %.1f %% attention slower than products, %.1f %% all else\n", whole / steps,
              100 * (1 - (products_lose + attention_loses + others) / whole), 100 * products_lose / whole, 100 * attention_loses / whole, 100 * others / whole);
  std::printf("  share    ms a step  a micro-batch   GFLOP/s   alone\n");
  for (const noted& n : lines) {
    std::printf("%6.2f %%  %10.2f  %13.2f", 100 * n.seconds / whole, 1e3 * n.seconds / steps, static_cast<double>(n.calls) / batches);
    if (n.operations > 0) std::printf("   %7.1f %7.1f", n.operations / n.seconds * 1e-9, alone(n) * 1e-9);
    else std::printf("%18s", "");
    std::printf("   %.*s", static_cast<int>(n.what.size()), n.what.data());
    if (n.depth > 0) std::printf(" %lld x %lld x %lld", static_cast<long long>(n.rows), static_cast<long long>(n.columns), static_cast<long long>(n.depth));
    std::printf("\n");
  }
}

inline void print_report(const measured& all, const transformer_shape& shape) {
  print_rates(all, shape);
  print_forecasts(all);
  print_breakdown(all, shape);
}

}  // namespace bench
