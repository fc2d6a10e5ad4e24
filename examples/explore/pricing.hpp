// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What passes cost and hold, from the flags that every command with a plan takes.
#pragma once

#include <algorithm>
#include <iterator>
#include <sstream>
#include <string>

#include <stretto/plan.hpp>

#include "files.hpp"

namespace explore {

/// What passes and messages cost and what passes hold.
struct pricing {
  static constexpr const char* flags =
      "--costs F,I,W, --latency C, --bandwidth X, --sharing none|pair|node:N, --costs-file FILE, --overlapped X, --jitter X, --stragglers SHARE,FACTOR, --seed N, --memory F,I,W, --peak K";

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
    if (a.value("--bandwidth", v) && (costs.bandwidth = number("--bandwidth", v)) == 0) refuse("--bandwidth takes a number above 0, not '" + v + "'");
    if (a.value("--sharing", v)) read_sharing(v);
    if (a.value("--overlapped", v)) costs.overlapped = number("--overlapped", v);
    if (a.value("--jitter", v)) costs.noise.jitter = number("--jitter", v);
    if (a.value("--stragglers", v)) {
      const auto parts = split(v);
      if (parts.size() != 2) refuse("--stragglers takes two numbers SHARE,FACTOR, not '" + v + "'");
      costs.noise.slow_share = number("--stragglers", parts[0]), costs.noise.slow_factor = number("--stragglers", parts[1]);
    }
    if (!costs.noise.well_said()) refuse("--jitter and the share of --stragglers take numbers from 0 to 1, and their factor one above 0");
    if (a.value("--seed", v)) costs.noise.seed = static_cast<std::uint32_t>(integer("--seed", v, 0, 4'294'967'295));
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

  /// Costs of single ranks and stages must be of some that the plan has.
  void must_fit(const stretto::plan& p) const {
    for (const auto& link : costs.links)
      if (link.from >= p.ranks || link.to >= p.ranks)
        refuse(specials + " gives a link of rank " + std::to_string(std::max(link.from, link.to)) + ", and the plan has " + std::to_string(p.ranks) +
               " ranks, numbered from 0; mend the file");
    for (const auto& one : costs.specials)
      if (const bool of_rank = one.of == stretto::scope::rank; one.index >= (of_rank ? p.ranks : p.stages))
        refuse(specials + " gives a cost for " + (of_rank ? "rank " : "stage ") + std::to_string(one.index) + ", and the plan has " +
               std::to_string(of_rank ? p.ranks : p.stages) + (of_rank ? " ranks" : " stages") + ", numbered from 0; mend the file");
  }

 private:
  void read_sharing(const std::string& word) {
    if (word == "none") return;
    if (word == "pair") return void(costs.sharing = stretto::turns::by_pair);
    if (word.rfind("node:", 0) != 0) refuse("--sharing takes none, pair or node:N, not '" + word + "'");
    costs.sharing = stretto::turns::by_node;
    costs.ranks_per_node = static_cast<int>(integer("--sharing node:N", word.substr(5), 1, 1'000'000'000));
  }

  /// Lines "rank R PASS COST", "stage S PASS COST" or "link R R LATENCY [BANDWIDTH]"; # begins a comment, * is any rank, and
  /// for a pass all of them, so many times as dear.
  void read_file_of_costs(const std::string& path) {
    std::istringstream lines(read_file(path));
    const stretto::graph g = stretto::training();
    std::string text;
    specials = path;
    for (int n = 1; std::getline(lines, text); ++n) {
      const std::string where = "line " + std::to_string(n) + " of " + path;
      std::istringstream line(text.substr(0, text.find('#')));
      const std::vector<std::string> w{std::istream_iterator<std::string>(line), {}};
      if (w.empty()) continue;
      const auto index = [&](const std::string& word) { return static_cast<int>(integer(where, word, 0, 1'000'000'000)); };
      if (w[0] == "link" && (w.size() == 4 || w.size() == 5)) {
        costs.links.push_back({w[1] == "*" ? -1 : index(w[1]), w[2] == "*" ? -1 : index(w[2]), number(where, w[3]), w.size() == 5 ? number(where, w[4]) : costs.bandwidth});
        continue;
      }
      if (w.size() != 4 || (w[0] != "rank" && w[0] != "stage"))
        refuse(where + " is not 'rank R PASS COST', 'stage S PASS COST' or 'link R R LATENCY BANDWIDTH'; mend it");
      const auto of = w[0] == "rank" ? stretto::scope::rank : stretto::scope::stage;
      if (w[2] == "*" && w[1] != "*") {
        costs.factors.push_back({of, index(w[1]), number(where, w[3])});
        continue;
      }
      const int pass = g.find(w[2]);
      const auto covers_others = [&](int k) { return g.passes[k].covers != 0 && !g.is_node(k); };
      if (pass < 0 || covers_others(pass)) {
        std::string all;
        for (int k = 0; k < g.pass_count; ++k)
          if (g.has(k) && !covers_others(k)) all += (all.empty() ? "" : ", ") + std::string(g.passes[k].name.str());
        refuse(where + " names pass '" + w[2] + "'; a cost is given for one of " + all + " (B costs I + W)");
      }
      if (w[0] == "rank" && w[1] == "*") {
        costs.pass[pass] = number(where, w[3]);
        continue;
      }
      costs.specials.push_back({of, index(w[1]), static_cast<stretto::pass_id>(pass), number(where, w[3])});
    }
  }
};

}  // namespace explore
