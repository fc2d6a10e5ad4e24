// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads the CSV of plan/csv.hpp into a draft. It never throws and never guesses: the result is a draft, or a sentence
// with line and column.
//
//     csv_result r = read_csv("0F0,0B0\n1F0,1B0\n");
//     if (!r.ok()) …r.sentence()…               stretto: line 1 column 5: …
// What a file may name is bounded by its length, so no small file can ask for much memory. Cost: O(characters). Texts of
// other tools: plan/csv_dialect.hpp.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include <stretto/core/text.hpp>
#include <stretto/plan/csv_dialect.hpp>
#include <stretto/plan/draft.hpp>
#include <stretto/plan/wiring.hpp>

namespace stretto::inline v0 {

struct csv_result {
  draft value;
  text words;       ///< the sentence; empty where the text was read
  int line = 0, column = 0;

  constexpr bool ok() const { return words.empty(); }
  constexpr std::string_view sentence() const { return words.str(); }
};

namespace detail {

class csv_reader {
 public:
  constexpr csv_reader(std::string_view source, const graph& kinds, csv_dialect d) : in(source), dialect(d) { out.value.kinds = kinds; }

  constexpr csv_result read() {
    while (out.ok() && at < in.size()) row();
    if (out.ok() && out.value.order_of.empty()) fail("the text is empty, and a plan has at least one rank; write one row a rank");
    if (out.ok()) settle();
    return out;
  }

 private:
  static constexpr char quote = 34;

  struct origin {
    unsigned row;     // of the entry: its rank
    unsigned long index;
    int line, column;
    int letter;       // of the route: 0 for a; -1 for none
  };

  template <class... Parts>
  constexpr void fail_at(int l, int c, const Parts&... parts) {
    if (!out.ok()) return;
    out.line = l;
    out.column = c;
    out.words.add("stretto: line ", l, " column ", c, ": ", parts...);
  }
  template <class... Parts>
  constexpr void fail(const Parts&... parts) {
    fail_at(line, column(), parts...);
  }
  constexpr int column() const { return static_cast<int>(at - line_begin) + 1; }
  constexpr char peek() const { return at < in.size() ? in[at] : '\n'; }
  constexpr void blanks() {
    while (at < in.size() && (in[at] == ' ' || in[at] == '\t')) ++at;
  }

  constexpr bool end_of_row() const {
    return at >= in.size() || in[at] == '\n' || (in[at] == '\r' && (at + 1 == in.size() || in[at + 1] == '\n'));
  }

  constexpr void row() {
    blanks();
    if (own() && peek() == 'r') return route_row();
    if (own() && peek() == 'g') return group_row();
    if (!out.value.hops_of.empty() || !out.value.members_of.empty())
      return fail("a rank's row stands behind those of routes or groups; put it before them");
    out.value.order_of.emplace_back();
    if (own() && end_of_row()) return fail("the row is empty; write a single comma for a rank that has nothing to do, or take the row out");
    while (out.ok()) {
      blanks();
      const bool quoted = !own() && peek() == quote;
      at += quoted;
      blanks();
      if (peek() == '(' && dialect != csv_dialect::old)
        pair();
      else if (peek() != ',' && !end_of_row() && !(quoted && peek() == quote))
        cell(false);
      blanks();
      if (quoted && out.ok() && peek() != quote) unexpected("the closing quote of a cell");
      if (!out.ok()) return;
      at += quoted;
      blanks();
      if (end_of_row()) break;
      if (peek() != ',') return unexpected("a comma or the end of the row");
      ++at;
    }
    if (out.ok()) next_line();
  }

  constexpr void next_line() {
    if (at < in.size() && in[at] == '\r') ++at;
    if (at < in.size()) ++at;
    ++line;
    line_begin = at;
  }

  /// route 0@0 2@2 : 1 3-5
  constexpr void route_row() {
    constexpr std::string_view word = "route";
    if (in.substr(at, word.size()) != word) return unexpected("a cell, or the word route or group,");
    at += word.size();
    draft& d = out.value;
    d.hops_of.emplace_back();
    const int ranks = static_cast<int>(d.order_of.size()), index = static_cast<int>(d.hops_of.size()) - 1;
    const int most = origins.empty() ? 1 : static_cast<int>(origins.size());
    for (blanks(); out.ok() && peek() != ':'; blanks()) {
      const int from = column(), stage = number("a stage number or a colon");
      if (!out.ok()) return;
      if (peek() != '@') return unexpected("@ behind the stage of a hop");
      ++at;
      const int rank = number("the rank of a hop");
      if (!out.ok()) return;
      if (stage >= most)
        return fail_at(line, from, "stage ", stage, " is named, and the text has only ", most, " cells, too few for that many stages");
      if (rank >= ranks) return fail_at(line, from, "the route passes rank ", rank, ", and the text has ", ranks, " rows for ranks");
      for (const hop& h : d.hops_of.back())
        if (h.stage == stage) return fail_at(line, from, "the route passes stage ", stage, " twice; a route passes a stage at most once");
      d.hops_of.back().push_back({stage, rank});
    }
    if (!out.ok()) return;
    if (d.hops_of.back().empty()) return fail("the route passes no stage; name at least one before the colon");
    ++at;
    for (blanks(); out.ok() && !end_of_row(); blanks()) {
      const int from = column(), first = number("a micro-batch number");
      int last = first;
      if (out.ok() && peek() == '-') {
        ++at;
        last = number("the last micro-batch of a range");
      }
      if (!out.ok()) return;
      if (last / 26 >= most)
        return fail_at(line, from, "micro-batch ", last, " is named, and the text has only ", most, " cells, too few for that many micro-batches");
      for (int m = first; m <= last; ++m) {
        while (static_cast<int>(d.route_index.size()) <= m) d.route_index.push_back(-1);
        if (d.route_index[static_cast<unsigned>(m)] >= 0) return fail_at(line, from, "micro-batch ", m, " is on an earlier route already; name it once");
        d.route_index[static_cast<unsigned>(m)] = index;
      }
    }
    if (out.ok()) next_line();
  }

  constexpr void unexpected(const char* wanted) {
    if (end_of_row()) return fail("the row ends where ", wanted, " is needed");
    const unsigned char c = static_cast<unsigned char>(in[at]);
    if (c < 32 || c > 126) return fail("byte ", static_cast<int>(c), " stands where ", wanted, " is needed");
    fail("'", in[at], "' stands where ", wanted, " is needed");
  }

  /// group 0 2
  constexpr void group_row() {
    constexpr std::string_view word = "group";
    if (in.substr(at, word.size()) != word) return unexpected("a cell, or the word route or group,");
    at += word.size();
    draft& d = out.value;
    d.members_of.emplace_back();
    const int ranks = static_cast<int>(d.order_of.size());
    for (blanks(); out.ok() && !end_of_row(); blanks()) {
      const int from = column(), rank = number("a rank");
      if (!out.ok()) return;
      if (rank >= ranks) return fail_at(line, from, "the group lists rank ", rank, ", and the text has ", ranks, " rows for ranks");
      d.members_of.back().push_back(rank);
    }
    if (out.ok()) next_line();
  }

  constexpr void pair() {
    ++at;
    blanks();
    cell(true);
    blanks();
    if (!out.ok()) return;
    if (peek() != ';') return unexpected("a semicolon between the two passes of a pair");
    ++at;
    blanks();
    const int second_column = column();
    cell(false);
    blanks();
    if (!out.ok()) return;
    auto& list = out.value.order_of.back();
    for (unsigned long i = list.size() - 2; i < list.size(); ++i)
      if (list[i].is_message()) return fail_at(line, second_column, "a message can't be part of an overlapped pair; write it as a cell of its own");
    if (peek() != ')') return unexpected("a closing parenthesis behind the two passes of a pair");
    ++at;
    constexpr std::string_view tail = "OVERLAP_F_B";
    if (in.substr(at, tail.size()) != tail) return unexpected("OVERLAP_F_B behind a pair");
    at += tail.size();
  }

  /// A number of at most nine digits; -1 after an error.
  constexpr int number(const char* wanted) {
    if (peek() < '0' || peek() > '9') {
      unexpected(wanted);
      return -1;
    }
    const auto from = at;
    int n = 0;
    while (peek() >= '0' && peek() <= '9') {
      if (at - from == 9) {
        fail("the number has more than nine digits; no plan is that large");
        return -1;
      }
      n = 10 * n + (peek() - '0');
      ++at;
    }
    return n;
  }

  constexpr void cell(bool joined) {
    origin o{static_cast<unsigned>(out.value.order_of.size() - 1), out.value.order_of.back().size(), line, column(), -1};
    const int stage = number("a stage number");
    if (!out.ok()) return;
    const auto letters = at;
    while ((peek() >= 'A' && peek() <= 'Z') || peek() == '_') ++at;
    const std::string_view name = in.substr(letters, at - letters);
    if (name.empty()) return unexpected("the name of a pass in capital letters");
    const graph& g = out.value.kinds;
    action a{};
    a.stage = stage;
    a.kind = joined ? role::run_with_next : role::run;
    const std::string_view meant = pass_of(dialect, name);
    int index = meant.empty() ? -1 : g.find(meant);
    if (index < 0 && (name.substr(0, 5) == "SEND_" || name.substr(0, 5) == "RECV_") && holds_message(dialect, name.substr(5))) {
      index = g.find_message(name.substr(5));
      a.kind = name[0] == 'S' ? role::send : role::receive;
    }
    if (index < 0) {
      at = letters;
      return fail(unknown_pass(dialect, g, name).str());
    }
    a.pass = static_cast<pass_id>(index);
    if (a.is_message() || g.passes[index].per != share::step) {
      if (own() && peek() >= 'a' && peek() <= 'z') o.letter = in[at++] - 'a';
      a.micro_batch = number("a micro-batch number");
      if (!out.ok()) return;
      if (own() && peek() == 's') {
        ++at;
        const int slice = number("a slice number");
        if (!out.ok()) return;
        if (slice > 65534) return fail_at(o.line, o.column, "slice ", slice, " is named, and a micro-batch has at most 65535 slices");
        a.slice = static_cast<std::uint16_t>(slice);
      }
      a.peer = a.is_message() ? -1 : 0;
      if (own() && peek() == '>') {
        if (a.kind != role::send || !fans_out(g, a.pass)) return fail("'>' names the receiver of a send whose pass sends to several places, and this is none");
        ++at;
        a.peer = number("the stage or rank that receives");
        if (!out.ok()) return;
      }
    }
    out.value.order_of.back().push_back(a);
    origins.push_back(o);
    messages += a.is_message();
  }

  constexpr bool own() const { return dialect == csv_dialect::own; }

  constexpr action& entry(const origin& o) { return out.value.order_of[o.row][o.index]; }

  /// Bounds what is named by what is there, numbers the micro-batches of routes, and finds the other end of messages.
  constexpr void settle() {
    const std::int64_t entries = static_cast<std::int64_t>(origins.size());
    int letters = 0, plain = 0;
    for (const origin& o : origins) {
      action& a = entry(o);
      const pass_kind* kind = a.is_message() ? nullptr : &out.value.kinds.passes[a.pass];
      const bool by_rank = kind != nullptr && kind->by == scope::rank;
      if (by_rank ? a.stage >= static_cast<int>(out.value.order_of.size()) : a.stage >= entries)
        return fail_at(o.line, o.column, by_rank ? "rank " : "stage ", static_cast<int>(a.stage), " is named, and the text has only ",
                       by_rank ? static_cast<std::int64_t>(out.value.order_of.size()) : entries, by_rank ? " rows" : " cells, too few for that many stages");
      if (a.micro_batch / 26 >= entries)  // 26 routes have as many each, told by letters
        return fail_at(o.line, o.column, "micro-batch ", static_cast<int>(a.micro_batch), " is named, and the text has only ", entries,
                       " cells, too few for that many micro-batches");
      if (a.slice >= entries)
        return fail_at(o.line, o.column, "slice ", static_cast<int>(a.slice), " is named, and the text has only ", entries, " cells, too few for that many slices");
      if (kind != nullptr && kind->per == share::step) continue;
      if (o.letter >= letters) letters = o.letter + 1;
      plain += o.letter < 0;
      if (letters > 0 && plain > 0) return fail_at(o.line, o.column, "some micro-batches name a route by a letter and some don't; write the letter on all or on none");
    }
    if (!out.value.hops_of.empty()) settle_rows();
    else if (letters > 0) settle_routes(letters);
    if (out.ok() && messages > 0) settle_messages();
  }

  /// Every micro-batch must be on one of the routes that have rows.
  constexpr void settle_rows() {
    draft& d = out.value;
    for (const origin& o : origins) {
      const action& a = entry(o);
      if (o.letter >= 0) return fail_at(o.line, o.column, "a letter names a route, and the text has rows for routes; number the micro-batches without letters");
      const auto m = static_cast<unsigned>(a.micro_batch);
      if (!a.is_message() && d.kinds.passes[a.pass].per == share::step) continue;
      if (m >= d.route_index.size() || d.route_index[m] < 0)
        return fail_at(o.line, o.column, "micro-batch ", a.micro_batch, " is on no route; name it behind the colon of one");
    }
    for (unsigned m = 0; m < d.route_index.size(); ++m)
      if (d.route_index[m] < 0) return fail("micro-batch ", static_cast<int>(m), " is on no route; name it behind the colon of one");
    d.micro_batch_count = static_cast<int>(d.route_index.size());
    int stages = d.stages({});  // a skip connection may join one that no route passes
    for (int e = 0; e < d.kinds.edge_count; ++e)
      for (const int s : {d.kinds.edges[e].from, d.kinds.edges[e].to}) stages = s >= stages && s < 2147483647 ? s + 1 : stages;
    d.stage_count = stages;
  }

  /// Micro-batches of route a come first, then those of b; a route passes every stage, on the first rank that names it.
  constexpr void settle_routes(int letters) {
    heap_array<int> many(letters, 0), first(letters + 1, 0);
    for (const origin& o : origins)
      if (o.letter >= 0 && entry(o).micro_batch >= many[o.letter]) many[o.letter] = entry(o).micro_batch + 1;
    for (int l = 0; l < letters; ++l) first[l + 1] = first[l] + many[l];
    for (const origin& o : origins)
      if (first[letters] / 26 >= static_cast<std::int64_t>(origins.size()) && o.letter >= 0 && entry(o).micro_batch >= static_cast<std::int64_t>(origins.size()))
        return fail_at(o.line, o.column, "micro-batch ", entry(o).micro_batch, " is named, and the text has only ", static_cast<std::int64_t>(origins.size()),
                       " cells, too few for that many micro-batches");
    int stages = 0;
    for (const origin& o : origins)
      if (names_stage(entry(o)) && entry(o).stage >= stages) stages = entry(o).stage + 1;
    draft& d = out.value;
    d.stage_count = stages;
    for (int l = 0; l < letters; ++l) {
      d.hops_of.emplace_back();
      heap_array<int> owner(stages, -1);
      for (const origin& o : origins)
        if (o.letter == l && !entry(o).is_message() && names_stage(entry(o)) && owner[entry(o).stage] < 0) owner[entry(o).stage] = static_cast<int>(o.row);
      for (int s = 0; s < stages; ++s) d.hops_of.back().push_back({s, owner[s] < 0 ? 0 : owner[s]});
      for (int m = 0; m < many[l]; ++m) d.route_index.push_back(l);
    }
    for (const origin& o : origins)
      if (o.letter >= 0) entry(o).micro_batch += first[o.letter];
  }

  /// Whether the number in front of an entry is a stage's; ranks do some passes, and take some messages.
  constexpr bool names_stage(const action& a) const {
    const graph& g = out.value.kinds;
    const pass_id k = !a.is_message() ? a.pass : a.kind == role::send ? g.edges[a.pass].producer : g.edges[a.pass].consumer;
    return g.passes[k].by == scope::stage;
  }

  constexpr void settle_messages() {
    const draft& d = out.value;
    const sizes z = d.own_sizes();
    if (const refusal r = refuses(d, z)) return fail_at(1, 1, r.why);
    const plan p = make_plan(d, z);
    const plan_view v = p;
    for (const origin& o : origins) {
      action& a = entry(o);
      if (!a.is_message()) continue;
      const edge& row = d.kinds.edges[a.pass];
      const route_view r = v.route_of(a.micro_batch);
      if (a.stage >= v.stages && !fans_out(d.kinds, a.pass)) continue;  // check will say so
      if (a.kind == role::receive) a.peer = place_at(row, r, a.stage);
      else if (row.how == relation::previous_hop) a.peer = r.next(a.stage);
      else if (row.how == relation::next_hop) a.peer = r.previous(a.stage);
      else if (row.how == relation::feedback) a.peer = r.first();
      else if (row.how == relation::skip) a.peer = row.to;
    }
  }

  std::string_view in;
  unsigned long at = 0, line_begin = 0;
  int line = 1;
  std::int64_t messages = 0;
  csv_result out;
  std::vector<origin> origins;
  csv_dialect dialect;
};

}  // namespace detail

/// Reads a plan from CSV.
constexpr csv_result read_csv(std::string_view source, const graph& kinds = training(), csv_dialect dialect = csv_dialect::own) {
  return detail::csv_reader(source, kinds, dialect).read();
}
constexpr csv_result read_csv(std::string_view source, csv_dialect dialect) { return read_csv(source, training(), dialect); }

}  // namespace stretto::inline v0
