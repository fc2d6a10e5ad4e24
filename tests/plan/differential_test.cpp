// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Random graphs, routes, groups, lanes and orders, held against an argument that reads the relations from their
// definitions: every pair of nodes is asked whether one waits for the other, and the longest path is found by relaxing
// until nothing moves. It shares no code with wiring.hpp and walk.hpp; what must agree are the verdict, every start and
// end, the messages, and what lower makes of the plan.
#include <algorithm>
#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

using sweep::dice;
std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

struct node {
  int pass, place, micro_batch, slice;
  int rank;
};

/// A draft, and what the definitions say of it.
class world {
 public:
  world(draft table, double latency) : d(static_cast<draft&&>(table)), latency_(latency) {
    const int ranks = static_cast<int>(d.order_of.size());
    for (int k = 0; k < d.kinds.pass_count; ++k) {
      const pass_kind& kind = d.kinds.passes[k];
      if (kind.how_often == times::any || kind.name.empty() || kind.covers != 0) continue;
      for (int place = 0; place < (kind.by == scope::rank ? ranks : d.stage_count); ++place)
        for (int m = 0; m < (kind.per == share::step ? 1 : d.micro_batch_count); ++m)
          for (int q = 0; q < (kind.per == share::slice ? d.slice_count : 1); ++q) {
            const int rank = kind.by == scope::rank ? place : owner(place, kind.per == share::step ? -1 : m);
            if (rank >= 0 && (kind.by == scope::stage || member(kind.group, place))) nodes.push_back({k, place, m, q, rank});
          }
    }
  }

  /// Whether c waits for p, by the words of graph.hpp.
  bool waits(const edge& row, const node& c, const node& p) const {
    if (row.consumer != c.pass || row.producer != p.pass) return false;
    const pass_kind& consumer = kind(c);
    const pass_kind& producer = kind(p);
    const bool both_batches = consumer.per != share::step && producer.per != share::step;
    if (both_batches && c.micro_batch != p.micro_batch) return false;
    const int shift = row.how == relation::previous_slice || row.how == relation::feedback ? -1 : row.how == relation::next_slice ? 1 : 0;
    if (consumer.per == share::slice && producer.per == share::slice && p.slice != c.slice + shift) return false;
    if (row.how == relation::group) return at_end(row, c);
    if (consumer.by == scope::rank) {
      if (producer.by == scope::rank) return c.place == p.place;
      if (row.how == relation::last_hop) return p.place == route(p.micro_batch).back().stage;
      if (row.how == relation::first_hop) return p.place == route(p.micro_batch).front().stage;
      return p.rank == c.place;
    }
    if (consumer.per == share::step) return producer.by == scope::rank ? p.place == c.rank : p.place == c.place;
    if (!at_end(row, c)) return false;
    if (producer.by == scope::rank) return p.place == c.rank;
    const int hops_apart = position(p.place, c.micro_batch) - position(c.place, c.micro_batch);
    switch (row.how) {
      case relation::previous_hop: return hops_apart == -1;
      case relation::next_hop: return hops_apart == 1;
      case relation::first_hop: return position(p.place, c.micro_batch) == 0;
      case relation::last_hop: return p.place == route(c.micro_batch).back().stage;
      case relation::feedback: return position(c.place, c.micro_batch) == 0 && p.place == route(c.micro_batch).back().stage;
      case relation::skip: return c.place == row.to && p.place == row.from;
      default: return hops_apart == 0;
    }
  }

  struct entry {
    std::vector<std::size_t> does;    // nodes
    std::vector<std::size_t> needs;   // entries
    std::vector<bool> away;           // whether that one is on another rank
    std::int64_t previous = -1;       // the entry before it on its lane
    int rank = 0, first = 0, count = 1;
    double cost = 0, start = 0, end = 0;
  };

  /// Whether something waits for another rank, and neither a message nor a collective of its own group brings it over.
  bool cut_off() const {
    for (const node& c : nodes)
      for (const node& p : nodes)
        for (int row = 0; row < d.kinds.edge_count; ++row) {
          const edge& e = d.kinds.edges[row];
          if (!waits(e, c, p)) continue;
          if (e.how == relation::group ? !member(kind(p).group, c.rank) : e.message.empty() && c.rank != p.rank) return true;
        }
    return false;
  }

  /// Lays the lists out as entries and lets them run. False where some wait for each other.
  bool run() {
    std::vector<std::int64_t> by_node(nodes.size(), -1);
    entries.clear();
    for (std::size_t r = 0; r < d.order_of.size(); ++r) {
      std::vector<std::int64_t> last(at(lane_count), -1);
      const auto& list = d.order_of[r];
      for (std::size_t i = 0; i < list.size();) {
        entry e;
        e.rank = static_cast<int>(r);
        e.first = static_cast<int>(i);
        e.count = list[i].kind == role::run_with_next ? 2 : 1;
        std::int64_t& before = last[at(static_cast<int>(d.kinds.passes[list[i].pass].on))];
        e.previous = before;
        before = static_cast<std::int64_t>(entries.size());
        for (int k = 0; k < e.count; ++k, ++i)
          for (std::size_t n = 0; n < nodes.size(); ++n)
            if (does(list[i], nodes[n])) {
              e.does.push_back(n);
              by_node[n] = static_cast<std::int64_t>(entries.size());
              e.cost += price(nodes[n]);
            }
        entries.push_back(e);
      }
    }
    messages = 0;
    for (std::size_t c = 0; c < nodes.size(); ++c)
      for (std::size_t p = 0; p < nodes.size(); ++p)
        for (int row = 0; row < d.kinds.edge_count; ++row) {
          if (!waits(d.kinds.edges[row], nodes[c], nodes[p])) continue;
          messages += nodes[c].rank != nodes[p].rank && !d.kinds.edges[row].message.empty();
          if (by_node[p] == by_node[c] && fused(by_node[c], p, c)) continue;
          entries[at(by_node[c])].needs.push_back(at(by_node[p]));
          entries[at(by_node[c])].away.push_back(nodes[c].rank != nodes[p].rank);
        }
    std::vector<bool> done(entries.size(), false);
    std::size_t left = entries.size();
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t e = 0; e < entries.size(); ++e) {
        entry& one = entries[e];
        if (done[e] || (one.previous >= 0 && !done[at(one.previous)])) continue;
        if (std::any_of(one.needs.begin(), one.needs.end(), [&](std::size_t n) { return !done[n]; })) continue;
        one.start = one.previous >= 0 ? entries[at(one.previous)].end : 0;
        for (std::size_t n = 0; n < one.needs.size(); ++n)
          one.start = std::max(one.start, entries[one.needs[n]].end + (one.away[n] ? latency_ : 0));
        one.end = one.start + one.cost;
        done[e] = moved = true;
        --left;
      }
    }
    return left == 0 && groups_agree();
  }

  bool does(const action& a, const node& n) const {
    const pass_kind& what = d.kinds.passes[a.pass];
    const bool covered = what.covers != 0 ? (what.covers >> n.pass & 1) != 0 : a.pass == n.pass;
    return covered && a.stage == n.place && (kind(n).per == share::step || a.micro_batch == n.micro_batch) &&
           (kind(n).per != share::slice || a.slice == n.slice);
  }

  draft d;
  std::vector<node> nodes;
  std::vector<entry> entries;
  std::int64_t messages = 0;

 private:
  const pass_kind& kind(const node& n) const { return d.kinds.passes[n.pass]; }
  const std::vector<hop>& route(int m) const { return d.hops_of[at(d.route_index[at(m)])]; }
  int position(int stage, int m) const {
    for (std::size_t i = 0; i < route(m).size(); ++i)
      if (route(m)[i].stage == stage) return static_cast<int>(i);
    return -1000;
  }
  int owner(int stage, int m) const {
    for (const auto& hops : m >= 0 ? std::vector<std::vector<hop>>{route(m)} : d.hops_of)
      for (const hop& h : hops)
        if (h.stage == stage) return h.rank;
    return -1;
  }
  bool member(int group, int rank) const {
    if (group < 0) return true;
    const auto& members = d.members_of[at(group)];
    return std::find(members.begin(), members.end(), rank) != members.end();
  }
  bool at_end(const edge& row, const node& c) const {
    if (row.at == hops::all || kind(c).by == scope::rank) return true;
    return c.place == (row.at == hops::first ? route(c.micro_batch).front() : route(c.micro_batch).back()).stage;
  }
  /// Whether p and c are done by one action, which does the one before the other.
  bool fused(std::int64_t e, std::size_t p, std::size_t c) const {
    const auto& list = d.order_of[at(entries[at(e)].rank)];
    for (int i = 0; i < entries[at(e)].count; ++i) {
      const action& a = list[at(entries[at(e)].first + i)];
      if (does(a, nodes[p]) && does(a, nodes[c])) return true;
    }
    return false;
  }
  double price(const node& n) const {
    double chunks = 1;
    for (const auto& hops : d.hops_of)
      chunks = std::max(chunks, static_cast<double>(std::count_if(hops.begin(), hops.end(), [&](const hop& h) { return h.rank == n.rank; })));
    return 1.0 / ((kind(n).by == scope::rank ? 1 : chunks) * (kind(n).per == share::slice ? d.slice_count : 1));
  }
  bool groups_agree() const {
    for (int k = 0; k < d.kinds.pass_count; ++k) {
      bool collective = false;
      for (int e = 0; e < d.kinds.edge_count; ++e) collective = collective || (d.kinds.edges[e].how == relation::group && d.kinds.edges[e].producer == k);
      if (!collective) continue;
      std::vector<std::vector<std::tuple<int, int>>> lists;
      for (std::size_t r = 0; r < d.order_of.size(); ++r) {
        if (!member(d.kinds.passes[k].group, static_cast<int>(r))) continue;
        lists.emplace_back();
        for (const action& a : d.order_of[r])
          if (a.pass == k) lists.back().emplace_back(a.micro_batch, a.slice);
      }
      for (const auto& one : lists)
        if (one != lists.front()) return false;
    }
    return true;
  }

  double latency_;
};

/// Graph, routes and groups; the orders come later.
draft random_frame(dice& roll) {
  draft d;
  const int ranks = roll.between(1, 4);
  d.stage_count = roll.between(1, 5);
  d.micro_batch_count = roll.between(1, 4);
  d.slice_count = roll.between(1, 3);
  d.order_of.resize(at(ranks));
  std::vector<std::vector<hop>> all(at(roll.between(1, 3)));
  for (auto& hops : all) {
    std::vector<int> stages;
    for (int s = 0; s < d.stage_count; ++s)
      if (roll.between(0, 4) > 0) stages.push_back(s);
    if (stages.empty()) stages.push_back(roll.between(0, d.stage_count - 1));
    if (roll.between(0, 3) == 0) std::swap(stages.front(), stages.back());
    for (int s : stages) hops.push_back({s, roll.between(0, 2) == 0 ? roll.between(0, ranks - 1) : s % ranks});
  }
  d.hops_of = all;
  for (int m = 0; m < d.micro_batch_count; ++m) d.route_index.push_back(roll.between(0, static_cast<int>(all.size()) - 1));

  graph& g = d.kinds;
  if (roll.between(0, 3) == 0) {
    g = inference();
    if (roll.between(0, 1) == 0) g.add(edge{pass::forward, relation::feedback, pass::forward, "G"});
  } else {
    g.passes[pass::reduce_grad].how_often = roll.between(0, 1) == 0 ? times::once : times::at_most_once;
  }
  const bool trains = g.has(pass::backward_input);
  const share shares[] = {share::slice, share::micro_batch};
  if (roll.between(0, 2) == 0) {  // a vocabulary pass on a group of ranks
    std::vector<int> members;
    for (int r = 0; r < ranks; ++r)
      if (roll.between(0, 2) > 0) members.push_back(r);
    if (members.empty()) members.push_back(0);
    d.members_of = {members};
    const bool whole = roll.between(0, 2) == 0;
    const pass_id u = g.add(pass_kind{.name = "U", .on = roll.between(0, 1) == 0 ? lane::compute : lane::collective, .by = scope::rank,
                                  .per = shares[whole ? 1 : 0], .group = roll.between(0, 1) - 1});
    g.add(edge{u, relation::last_hop, pass::forward, whole ? label() : label("U")});
    if (trains) g.add(edge{pass::backward_input, relation::group, u, {}, roll.between(0, 1) == 0 ? hops::last : hops::all});
  }
  if (roll.between(0, 2) == 0) {  // work beside the forward pass, on a lane of its own
    const pass_id v = g.add(pass_kind{.name = "V", .on = lane::copy_out, .per = shares[roll.between(0, 1)]});
    g.add(edge{v, relation::same_place, pass::forward});
    if (trains && roll.between(0, 1) == 0) g.add(edge{pass::backward_input, relation::same_place, v});
  }
  if (trains && roll.between(0, 2) == 0) {  // an optimizer, once a step
    const pass_id o = g.add(pass_kind{.name = "O", .by = roll.between(0, 1) == 0 ? scope::rank : scope::stage, .per = share::step});
    g.add(edge{o, relation::same_place, pass::backward_weight});
  }
  if (d.stage_count > 1 && roll.between(0, 2) == 0) {  // a skip connection, either way round: some are circles
    const int from = roll.between(0, d.stage_count - 1);
    int to = roll.between(0, d.stage_count - 1);
    if (to == from) to = (from + 1) % d.stage_count;
    g.add(edge{pass::forward, relation::skip, pass::forward, "K", hops::all, std::min(from, to), std::max(from, to)});
  }
  return d;
}

/// Orders that a run at random would leave behind, some of them disturbed afterwards.
void random_orders(dice& roll, draft& d) {
  const bool trains = d.kinds.has(pass::backward_input);
  for (auto& list : d.order_of) list.clear();
  world w(d, 0);
  std::vector<action> actions;
  std::vector<int> owner;
  std::vector<char> fuse;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(w.nodes.size()); ++i) fuse.push_back(static_cast<char>(roll.between(0, 1)));
  std::vector<bool> there(w.nodes.size(), false);
  const auto same = [](const node& a, const node& b) {
    return a.place == b.place && a.micro_batch == b.micro_batch && a.slice == b.slice;
  };
  const bool chaos = roll.between(0, 5) == 0, in_turn = roll.between(0, 3) > 0;
  std::size_t left = w.nodes.size();
  while (left > 0) {
    std::vector<std::size_t> ready;
    for (std::size_t n = 0; n < w.nodes.size(); ++n) {
      bool fits = !there[n];
      for (std::size_t p = 0; fits && p < w.nodes.size() && !chaos; ++p) {
        for (int e = 0; fits && e < d.kinds.edge_count; ++e) fits = there[p] || !w.waits(d.kinds.edges[e], w.nodes[n], w.nodes[p]);
        // Passes on ranks in one order everywhere, or their collectives start in different ones.
        if (in_turn && w.nodes[p].pass == w.nodes[n].pass && d.kinds.passes[w.nodes[n].pass].by == scope::rank && !there[p])
          fits = fits && std::tie(w.nodes[p].micro_batch, w.nodes[p].slice) >= std::tie(w.nodes[n].micro_batch, w.nodes[n].slice);
      }
      if (fits) ready.push_back(n);
    }
    if (ready.empty())  // the graph itself has a circle: put the rest down anyhow
      for (std::size_t n = 0; n < w.nodes.size(); ++n)
        if (!there[n]) ready.push_back(n);
    const std::size_t n = ready[at(roll.between(0, static_cast<int>(ready.size()) - 1))];
    const node& one = w.nodes[n];
    there[n] = true;
    --left;
    action a = action::of(static_cast<pass_id>(one.pass), one.place, one.micro_batch, one.slice);
    if (trains && one.pass == pass::backward_input && fuse[n] != 0)
      for (std::size_t other = 0; other < w.nodes.size(); ++other)
        if (!there[other] && w.nodes[other].pass == pass::backward_weight && same(one, w.nodes[other])) {
          there[other] = true;
          --left;
          a.pass = pass::backward;
        }
    d.order_of[at(one.rank)].push_back(a);
  }
  for (auto& list : d.order_of)
    for (std::size_t i = 0; i + 1 < list.size(); ++i)
      if (roll.between(0, 15) == 0 && d.kinds.passes[list[i].pass].on == d.kinds.passes[list[i + 1].pass].on) {
        list[i] = list[i].with_next();
        ++i;
      }
  if (roll.between(0, 2) == 0) {
    auto& list = d.order_of[at(roll.between(0, static_cast<int>(d.order_of.size()) - 1))];
    if (list.size() > 1) {
      const auto i = at(roll.between(0, static_cast<int>(list.size()) - 1)), k = at(roll.between(0, static_cast<int>(list.size()) - 1));
      if (list[i].kind == role::run && list[k].kind == role::run && (i == 0 || list[i - 1].kind == role::run) &&
          (k == 0 || list[k - 1].kind == role::run))
        std::swap(list[i], list[k]);
    }
  }
}

}  // namespace

TEST_CASE("random graphs, routes, lanes and orders: verdict, times, messages and lowering are those of the definitions") {
  dice roll(20261);
  int fine = 0, stuck = 0, cut_off = 0;
  for (int round = 0; round < 6000 / sweep::scarce; ++round) {
    draft d = random_frame(roll);
    random_orders(roll, d);
    const double latency = roll.between(0, 2) * 0.25;
    world expected(d, latency);
    const bool crosses = expected.cut_off();
    const bool runs = expected.run() && !crosses;
    ++(crosses ? cut_off : runs ? fine : stuck);

    const plan p = make_plan(d);
    const verdict v = check(p);
    INFO("round " << round << "\n" << to_csv(p) << v.sentence());
    REQUIRE(v.ok() == runs);
    if (!runs) {
      REQUIRE((crosses ? v.kind == fault::bad_graph : v.kind == fault::deadlock || v.kind == fault::group_order));
      REQUIRE_THROWS_AS(simulate(p), error);
      REQUIRE_THROWS_AS(lower(p), error);
      continue;
    }
    costs prices(1, 1, 1, latency);
    for (double& c : prices.pass) c = 1;
    const forecast f = simulate(p, prices, holding(), {.record = true});
    double makespan = 0;
    for (const auto& e : expected.entries) {
      makespan = std::max(makespan, e.end);
      for (int i = 0; i < e.count; ++i) {
        REQUIRE(f.starts[p.rows[e.rank] + e.first + i] == Catch::Approx(e.start).margin(1e-9));
        REQUIRE(f.ends[p.rows[e.rank] + e.first + i] == Catch::Approx(e.end).margin(1e-9));
      }
    }
    REQUIRE(f.makespan == Catch::Approx(makespan).margin(1e-9));
    REQUIRE(f.messages == expected.messages);

    const program q = lower(p);
    for (const int k : {0, 1, 3})  // a receive passes no group's pass, and stands in no pair
      CHECK(check(lower(p, {.receives = {k}, .links = links::bounded<0>}), links::bounded<0>).ok());
    REQUIRE(std::string(check(q).sentence()) == "");
    REQUIRE(q.actions.size() == p.actions.size() + 2 * expected.messages);
    REQUIRE(simulate(q, prices).makespan == f.makespan);
    for (int r = 0; r < p.ranks; ++r)
      for (int l = 0; l < lane_count; ++l) {
        const auto of_lane = [&](const plan_view& one) {
          std::vector<action> list;
          for (const action& a : one.order(r))
            if (!a.is_message() && static_cast<int>(d.kinds.passes[a.pass].on) == l) list.push_back(a);
          return list;
        };
        REQUIRE(of_lane(p) == of_lane(q));
      }
  }
  INFO(fine << " run, " << stuck << " are stuck, " << cut_off << " can't be");
  CHECK(fine > 1200 / sweep::scarce);
  CHECK(stuck > 800 / sweep::scarce);
  CHECK(cut_off > 400 / sweep::scarce);
}
